//! The trip of a dial: target, connect, then the opening handshake. One deadline for the whole of it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::cancel::Cancel;
use super::connection::{Connection, Outcome};
use crate::dialer::{Dialer, cookies};
use crate::error::{Code, Error, Follow, Phase, Redirect};
use crate::net::stream::Stream;
use crate::net::tls::{Tls, TlsConfig};
use crate::net::{connect, random};
use crate::protocol::handshake::Handshake;
use crate::target::{Scheme, Target};
use crate::wait::{Patience, Wait};

/// A dialer at work: its decisions, and the parsed trust roots and TLS sessions that they lead to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Client {
    dialer: Dialer,
    tls: Arc<OnceCell<TlsConfig>>,
    token: Option<Arc<Cancel>>,
}

impl Client {
    /// A client with these decisions.
    pub fn new(dialer: Dialer) -> Client {
        Client { dialer, tls: Arc::default(), token: None }
    }

    /// The decisions.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A client with other decisions; trust roots and sessions stay when nothing about TLS was decided anew.
    pub fn with(&self, dialer: Dialer) -> Client {
        let tls = if dialer.tls == self.dialer.tls { Arc::clone(&self.tls) } else { Arc::default() };
        Client { dialer, tls, token: self.token.clone() }
    }

    /// The same client with a token, which ends its dials and every waiting call on their connections while it is fired.
    pub fn with_cancel(&self, token: Option<Arc<Cancel>>) -> Client {
        Client { token, ..self.clone() }
    }

    /// Dials `url`: one deadline for the whole trip; an error names the phase that it ended in.
    pub fn dial(&self, url: &str, wait: Wait) -> Result<Connection, Error> {
        if wait == Wait::Never {
            return Err(Error::new(Code::UsageTimeout, "a dial cannot be done without waiting"));
        }
        let mut target = Target::parse(url)?;
        let mut client = None::<Client>;
        loop {
            let now = client.as_ref().unwrap_or(self);
            let error = match now.dial_target(&target, wait) {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            match error.follow() {
                Some(follow) if error.code() == Code::Redirect => {
                    let next = now.follow(follow, error.redirects());
                    target = Target::parse(&follow.location)?;
                    client = Some(next);
                }
                _ => {
                    let error = if error.redirects().is_empty() {
                        error.with_redirects(now.dialer.redirects().to_vec())
                    } else {
                        error
                    };
                    return Err(error.about(&target.display));
                }
            }
        }
    }

    /// The client that goes on where a dial of this one was redirected to, for those who bring the connection themselves:
    /// it follows fewer redirects, and what was meant for another origin stays behind. It is for that one address.
    pub fn redirected(&self, error: &Error) -> Result<Client, Error> {
        match error.follow() {
            Some(follow) if error.code() == Code::Redirect => Ok(self.follow(follow, error.redirects())),
            _ => Err(Error::new(Code::UsageState, "the error is no redirect that can be followed")),
        }
    }

    fn follow(&self, follow: &Follow, redirects: &[Redirect]) -> Client {
        let dialer = self.dialer.follow(follow, redirects);
        // Who we are is a part of the configuration, the server's name is none.
        let tls = if dialer.tls.identity == self.dialer.tls.identity { Arc::clone(&self.tls) } else { Arc::default() };
        Client { dialer, tls, token: self.token.clone() }
    }

    /// The opening handshake over a connected socket. A failure gives the socket back as it is. A call that never waits
    /// gives a connection that [`Connection::handshake`] carries on.
    pub fn dial_socket(&self, socket: OwnedFd, url: &str, wait: Wait) -> Result<Connection, (OwnedFd, Error)> {
        let prepared = Target::parse(url).and_then(|target| Ok((self.prepare(&target)?, target)));
        let ((handshake, tls), target) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err((socket, error)),
        };
        let stream = match Stream::adopt(socket) {
            Ok(stream) => stream,
            Err((socket, cause)) => {
                let error = Error::from_io(Code::Io, "the descriptor is not a usable stream socket", &cause);
                return Err((socket, error.in_phase(Phase::Connect).about(&target.display)));
            }
        };
        let connection = self.connection(stream, tls, handshake, &target);
        let error = match connection.handshake(wait) {
            Ok(_) => return Ok(connection),
            Err(error) => error,
        };
        match connection.into_socket() {
            Some(socket) => Err((socket, error.about(&target.display))),
            None => unreachable!("the connection was made with a socket"),
        }
    }

    /// A connection over bytes that the caller moves. Its handshake begins with the first bytes that are moved.
    pub fn dial_memory(&self, url: &str) -> Result<Connection, Error> {
        let target = Target::parse(url)?;
        let (handshake, tls) = self.prepare(&target).map_err(|error| error.about(&target.display))?;
        let connection = self.connection(Stream::memory(), tls, handshake, &target);
        connection.handshake(Wait::Never)?;
        Ok(connection)
    }

    fn dial_target(&self, target: &Target, wait: Wait) -> Result<Connection, Error> {
        // All that can be wrong with the decisions is said before anything is sent.
        let (handshake, tls) = self.prepare(target)?;
        if self.token.as_ref().is_some_and(|token| token.is_fired()) {
            return Err(Error::new(Code::Cancelled, "cancelled before it began"));
        }
        let token = self.token.as_deref().map(Cancel::as_fd);
        let patience = Patience { wait, token, interruptible: self.dialer.interruptible };
        let connection = self.connection(connect::connect(target, patience)?, tls, handshake, target);
        match connection.handshake(wait)? {
            Outcome::Done => Ok(connection),
            // Of the time that a resolver and a connect left, nothing was left.
            _ => {
                Err(Error::new(Code::Timeout, "the time ran out before the server answered").in_phase(Phase::Handshake))
            }
        }
    }

    fn prepare(&self, target: &Target) -> Result<(Handshake, Option<Tls>), Error> {
        let cookies = match &self.dialer.jar {
            Some(jar) => cookies::load(&**jar, &target.http_url())?,
            None => None,
        };
        let handshake = Handshake::new(target, &self.dialer, random::handshake_key()?, cookies.as_deref())?;
        let tls = match target.scheme {
            Scheme::Wss => Some(self.start_tls(&target.host).map_err(|error| error.in_phase(Phase::Tls))?),
            Scheme::Ws | Scheme::Unix => None,
        };
        Ok((handshake, tls))
    }

    fn connection(&self, stream: Stream, tls: Option<Tls>, handshake: Handshake, target: &Target) -> Connection {
        let connection = Connection::new(stream, tls, handshake, &self.dialer, target);
        if self.token.is_some() {
            connection.set_cancel(self.token.clone());
        }
        connection
    }

    fn start_tls(&self, host: &str) -> Result<Tls, Error> {
        let options = &self.dialer.tls;
        let config = self.tls.get_or_try_init(|| {
            if *options == Dialer::default().tls { TlsConfig::default_config() } else { TlsConfig::new(options) }
        })?;
        Tls::new(config, options, host)
    }
}
