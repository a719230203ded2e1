//! The trip of a dial: target, proxy, connect, then the legs of the opening handshake. One deadline for the whole of it.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::cancel::Cancel;
use super::connection::{Connection, Outcome};
use super::open::{self, Passage, Trip};
use crate::dialer::{ConnectCallback, Dialer, cookies};
use crate::error::{Code, Error, Follow, Phase};
use crate::net::stream::Stream;
use crate::net::tls::{Tls, TlsConfig};
use crate::net::{connect, random, resolve};
use crate::protocol::connect::Connect;
use crate::protocol::handshake::Handshake;
use crate::protocol::socks5::Socks5;
use crate::protocol::tunnel::Tunnel;
use crate::target::{self, Endpoint, Proxy, ProxyKind, Scheme, Target};
use crate::transcript::{Hop, Times, Tries, microseconds};
use crate::wait::{Patience, Wait, now};

/// A dialer at work: its decisions, and the parsed trust roots and TLS sessions that they lead to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Client {
    dialer: Dialer,
    tls: Arc<OnceCell<TlsConfig>>,
    /// With a proxy, where it is another.
    proxy_tls: Arc<OnceCell<TlsConfig>>,
    token: Option<Arc<Cancel>>,
}

impl Client {
    /// A client with these decisions.
    pub fn new(dialer: Dialer) -> Client {
        Client { dialer, tls: Arc::default(), proxy_tls: Arc::default(), token: None }
    }

    /// The decisions.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A client with other decisions; trust roots and sessions stay when nothing about TLS was decided anew.
    pub fn with(&self, dialer: Dialer) -> Client {
        let (tls, proxy_tls) = match dialer.tls == self.dialer.tls {
            true => (Arc::clone(&self.tls), Arc::clone(&self.proxy_tls)),
            false => Default::default(),
        };
        Client { dialer, tls, proxy_tls, token: self.token.clone() }
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
                    let next = now.follow(follow, &error);
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
            Some(follow) if error.code() == Code::Redirect => Ok(self.follow(follow, error)),
            _ => Err(Error::new(Code::UsageState, "the error is no redirect that can be followed")),
        }
    }

    fn follow(&self, follow: &Follow, error: &Error) -> Client {
        let dialer = self.dialer.follow(follow, error);
        // Who we are is a part of the configuration, the server's name is none.
        let tls = if dialer.tls.identity == self.dialer.tls.identity { Arc::clone(&self.tls) } else { Arc::default() };
        Client { dialer, tls, ..self.clone() }
    }

    /// The opening handshake over a connected socket. A failure gives the socket back as it is. A call that never waits
    /// gives a connection that [`Connection::handshake`] carries on. With a proxy the socket is connected to the proxy;
    /// nothing is resolved here, so `socks5` acts as `socks5h`.
    pub fn dial_socket(&self, socket: OwnedFd, url: &str, wait: Wait) -> Result<Connection, (OwnedFd, Error)> {
        let target = match Target::parse(url) {
            Ok(target) => target,
            Err(error) => return Err((socket, error)),
        };
        let prepared = self.route_of(&target).and_then(|route| Ok((self.prepare(&route, None)?, route)));
        let (trip, route) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err((socket, error.about(&target.display))),
        };
        let stream = match Stream::adopt(socket) {
            Ok(stream) => stream,
            Err((socket, cause)) => {
                let error = Error::from_io(Code::Io, "the descriptor is not a usable stream socket", &cause);
                return Err((socket, error.in_phase(Phase::Connect).about(&route.display)));
            }
        };
        let connection = self.connection(stream, trip, &route);
        let error = match connection.handshake(wait) {
            Ok(_) => return Ok(connection),
            Err(error) => error,
        };
        match connection.into_socket() {
            Some(socket) => Err((socket, error.about(&route.display))),
            None => unreachable!("the connection was made with a socket"),
        }
    }

    /// A connection over bytes that the caller moves. Its handshake begins with the first bytes that are moved. With a
    /// proxy they go to the proxy; nothing is resolved here, so `socks5` acts as `socks5h`.
    ///
    /// For the C ABI, which has the calls that move the bytes.
    #[doc(hidden)]
    pub fn dial_memory(&self, url: &str) -> Result<Connection, Error> {
        let target = Target::parse(url)?;
        let prepared = self.route_of(&target).and_then(|route| Ok((self.prepare(&route, None)?, route)));
        let (trip, route) = prepared.map_err(|error| error.about(&target.display))?;
        let connection = self.connection(Stream::memory(), trip, &route);
        connection.handshake(Wait::Never)?;
        Ok(connection)
    }

    /// What a dial to `url` connects to: the proxy if there is one for it, else the address's host.
    pub fn route(&self, url: &str) -> Result<Endpoint, Error> {
        let target = Target::parse(url)?;
        let proxy = self.dialer.proxy.of(&target).map_err(|error| error.about(&target.display))?;
        Ok(proxy.map_or_else(|| target.endpoint(), |proxy| proxy.endpoint()))
    }

    fn dial_target(&self, target: &Target, wait: Wait) -> Result<Connection, Error> {
        // All that can be wrong with the decisions is said before anything is sent.
        let route = self.route_of(target)?;
        let first = self.prepare(&route, None)?;
        if self.token.as_ref().is_some_and(|token| token.is_fired()) {
            return Err(Error::new(Code::Cancelled, "cancelled before it began"));
        }
        let token = self.token.as_deref().map(Cancel::as_fd);
        let patience = Patience { wait, token, interruptible: self.dialer.interruptible };
        let dialed = if route.resolves_here() {
            self.dial_addresses(&route, patience)
        } else {
            self.dial_route(&route, first, patience)
        };
        dialed.map_err(|error| error.about(&route.display))
    }

    /// Through a proxy that is told addresses: those of the host one after the other, as long as the proxy says that it
    /// cannot reach them.
    fn dial_addresses(&self, route: &Route<'_>, patience: Patience<'_>) -> Result<Connection, Error> {
        let addresses = resolve::resolve(&route.target.host, route.target.port, patience)?;
        let mut earlier = String::new();
        for address in addresses {
            let trip = self.prepare(route, Some(address.ip()))?;
            match self.dial_route(route, trip, patience) {
                Err(error) if error.code() == Code::ProxyUnreachable => {
                    let reasons = [&earlier[..], if earlier.is_empty() { "" } else { "; " }, error.detail()].concat();
                    earlier = reasons;
                }
                dialed => return dialed.map_err(|error| error.behind(&earlier)),
            }
        }
        Err(Error::new(Code::ProxyUnreachable, earlier).in_phase(Phase::Proxy))
    }

    fn dial_route(&self, route: &Route<'_>, mut trip: Trip, patience: Patience<'_>) -> Result<Connection, Error> {
        let mut tries = Tries::default();
        let connected = match &self.dialer.connect {
            Some(callback) => call_back(callback, &route.endpoint(), patience, &mut tries),
            None => connect::connect(&route.endpoint(), patience, &mut tries),
        };
        let stream = match connected {
            Ok(stream) => stream,
            Err(error) => return Err(error.with_hops(|error| self.hops(route, tries, error))),
        };
        trip.tries = Some(tries);
        let connection = self.connection(stream, trip, route);
        match connection.handshake(patience.wait)? {
            Outcome::Done => Ok(connection),
            // Of the time that a resolver and a connect left, nothing was left.
            _ => {
                Err(Error::new(Code::Timeout, "the time ran out before the server answered").in_phase(Phase::Handshake))
            }
        }
    }

    /// The way of a dial that did not get as far as to a connection.
    fn hops(&self, route: &Route<'_>, tries: Tries, error: &Error) -> Vec<Arc<Hop>> {
        let times = Times { resolve: tries.resolve, connect: tries.connect, ..Times::default() };
        let via = route.proxy.as_ref().map(|proxy| proxy.display.clone());
        let (url, failed) = (route.target.url(), Some(open::failed(error)));
        let mut hops = self.dialer.hops().to_vec();
        hops.push(Arc::new(Hop { url, via, times, tries, failed, ..Hop::default() }));
        hops
    }

    fn route_of<'a>(&self, target: &'a Target) -> Result<Route<'a>, Error> {
        let proxy = self.dialer.proxy.of(target)?;
        let cookies = match &self.dialer.jar {
            Some(jar) => cookies::load(&**jar, &target.http_url())?,
            None => None,
        };
        let display = target::route(&target.display, proxy.as_ref().map(|proxy| proxy.display.as_str()));
        Ok(Route { target, proxy, cookies, display })
    }

    /// The legs of the trip; nothing is sent by this. `address` is what a proxy is told instead of the host's name.
    fn prepare(&self, route: &Route<'_>, address: Option<IpAddr>) -> Result<Trip, Error> {
        let target = route.target;
        let cookies = route.cookies.as_deref();
        let exchange = Handshake::new(target, &self.dialer, random::handshake_key()?, cookies)?;
        let tls = match target.scheme {
            Scheme::Wss => Some(self.start_tls(&target.host).map_err(|error| error.in_phase(Phase::Tls))?),
            Scheme::Ws | Scheme::Unix => None,
        };
        let passage = route.proxy.as_deref().map(|proxy| self.passage(target, proxy, address)).transpose()?;
        let cookies = self.dialer.jar.clone().map(|jar| (jar, target.http_url()));
        let options = &self.dialer.tls;
        let verified_for = (tls.is_some() && !options.insecure_skip_verify)
            .then(|| options.server_name.clone().unwrap_or_else(|| target.host.clone()));
        Ok(Trip { passage, tls, exchange, cookies, tries: None, verified_for })
    }

    fn passage(&self, target: &Target, proxy: &Proxy, address: Option<IpAddr>) -> Result<Passage, Error> {
        let tunnel = match proxy.kind {
            ProxyKind::Http | ProxyKind::Https => {
                let (headers, max_body) = (&self.dialer.proxy_headers, self.dialer.max_rejection_body);
                Tunnel::Connect(Connect::new(target, proxy, headers, max_body))
            }
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                Tunnel::Socks5(Socks5::new(&target.host, address, target.port, proxy.credentials.as_ref()))
            }
        };
        let tls = match proxy.kind {
            ProxyKind::Https => Some(self.start_proxy_tls(&proxy.host).map_err(|error| error.in_phase(Phase::Proxy))?),
            _ => None,
        };
        Ok(Passage { tls, tunnel })
    }

    fn connection(&self, stream: Stream, trip: Trip, route: &Route<'_>) -> Connection {
        let via = route.proxy.as_ref().map(|proxy| proxy.display.as_str());
        let connection = Connection::new(stream, trip, &self.dialer, route.target, via);
        if self.token.is_some() {
            connection.set_cancel(self.token.clone());
        }
        connection
    }

    /// TLS with a proxy: trusted are the dialer's roots; what was said about the server's name, about our certificate and
    /// about not verifying was said about the server.
    fn start_proxy_tls(&self, host: &str) -> Result<Tls, Error> {
        let options = self.dialer.tls.for_proxy();
        let config = match options {
            None => self.tls_config()?,
            Some(options) => self.proxy_tls.get_or_try_init(|| TlsConfig::new(&options))?,
        };
        Tls::new(config, &Dialer::default().tls, host).map(Tls::with_proxy)
    }

    fn start_tls(&self, host: &str) -> Result<Tls, Error> {
        Tls::new(self.tls_config()?, &self.dialer.tls, host)
    }

    fn tls_config(&self) -> Result<&TlsConfig, Error> {
        let options = &self.dialer.tls;
        self.tls.get_or_try_init(|| {
            if *options == Dialer::default().tls { TlsConfig::default_config() } else { TlsConfig::new(options) }
        })
    }
}

/// A connection that the user's callback makes.
fn call_back(
    callback: &ConnectCallback,
    to: &Endpoint,
    patience: Patience<'_>,
    tries: &mut Tries,
) -> Result<Stream, Error> {
    let begun = now();
    let connected = callback(to, patience.wait.remaining());
    tries.connect = microseconds(begun.elapsed());
    let failed = |code, cause| Error::from_io(code, "the connect callback failed", cause);
    let error = match connected {
        Ok(fd) => match Stream::adopt(fd) {
            Ok(stream) if patience.over().is_none() => return Ok(stream),
            Ok(_) => Error::new(Code::Timeout, "the time ran out in the connect callback"),
            Err((_, cause)) => {
                Error::from_io(Code::Connect, "the connect callback's descriptor is no connected stream socket", &cause)
            }
        },
        Err(cause) => match cause.kind() {
            _ if cause.raw_os_error() == Some(libc::ECANCELED) => failed(Code::Cancelled, &cause),
            io::ErrorKind::Interrupted => failed(Code::Interrupted, &cause),
            io::ErrorKind::TimedOut => failed(Code::Timeout, &cause),
            _ => failed(Code::Connect, &cause),
        },
    };
    Err(error.in_phase(Phase::Connect))
}

/// The way of one dial.
struct Route<'a> {
    target: &'a Target,
    proxy: Option<Arc<Proxy>>,
    /// For the request.
    cookies: Option<Vec<u8>>,
    /// For error messages.
    display: String,
}

impl Route<'_> {
    /// What the socket is connected to.
    fn endpoint(&self) -> Endpoint {
        self.proxy.as_deref().map_or_else(|| self.target.endpoint(), Proxy::endpoint)
    }

    /// Whether the proxy is to be told an address where the target has a name.
    fn resolves_here(&self) -> bool {
        self.proxy.as_deref().is_some_and(|proxy| proxy.kind == ProxyKind::Socks5)
            && self.target.host.parse::<IpAddr>().is_err()
    }
}
