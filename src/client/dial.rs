//! The trip of a dial: target, connect, TLS, upgrade exchange, verification. One deadline for the whole of it.

use std::io;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::connection::{Connection, Parts};
use crate::buffer::Buffer;
use crate::dialer::Dialer;
use crate::error::{Code, Error, Phase};
use crate::net::stream::Stream;
use crate::net::tls::{Opened, Tls, TlsConfig};
use crate::net::{connect, random};
use crate::protocol::handshake::{Agreed, Handshake, Progress};
use crate::target::{Scheme, Target};
use crate::wait::Wait;

/// The most plaintext that is opened before the handshake looks at it.
const PORTION: usize = 64 * 1024;

/// A dialer at work: its decisions, and the parsed trust roots and TLS sessions that they lead to. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Client {
    dialer: Dialer,
    tls: Arc<OnceCell<TlsConfig>>,
}

impl Client {
    /// A client with these decisions.
    pub fn new(dialer: Dialer) -> Client {
        Client { dialer, tls: Arc::default() }
    }

    /// The decisions.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// A client with other decisions; trust roots and sessions stay when nothing about TLS was decided anew.
    pub fn with(&self, dialer: Dialer) -> Client {
        let tls = if dialer.tls == self.dialer.tls { Arc::clone(&self.tls) } else { Arc::default() };
        Client { dialer, tls }
    }

    /// Dials `url`: one deadline for the whole trip; an error names the phase that it ended in.
    pub fn dial(&self, url: &str, wait: Wait) -> Result<Connection, Error> {
        if wait == Wait::Never {
            return Err(Error::new(Code::UsageTimeout, "a dial cannot be done without waiting"));
        }
        let target = Target::parse(url)?;
        self.dial_target(&target, wait).map_err(|error| error.about(&target.display))
    }

    fn dial_target(&self, target: &Target, wait: Wait) -> Result<Connection, Error> {
        let handshake = Handshake::new(target, &self.dialer, random::handshake_key()?)?;
        let tls = match target.scheme {
            Scheme::Wss => Some(self.start_tls(&target.host).map_err(|error| error.in_phase(Phase::Tls))?),
            Scheme::Ws | Scheme::Unix => None,
        };
        let mut line = Line {
            stream: connect::connect(target, wait)?,
            tls,
            cipher: Buffer::new(),
            plain: Buffer::new(),
            out: Buffer::new(),
            wait,
        };
        line.shake_hands().map_err(|error| error.in_phase(Phase::Tls))?;
        let agreed = line.exchange(handshake).map_err(|error| error.in_phase(Phase::Handshake))?;
        let Line { stream, tls, cipher, plain, out, .. } = line;
        let context = target.display.clone();
        Ok(Connection::new(Parts { stream, tls, cipher, plain, tls_out: out, agreed, context }, &self.dialer))
    }

    fn start_tls(&self, host: &str) -> Result<Tls, Error> {
        let options = &self.dialer.tls;
        let config = self.tls.get_or_try_init(|| {
            if *options == Dialer::default().tls { TlsConfig::default_config() } else { TlsConfig::new(options) }
        })?;
        Tls::new(config, options, host)
    }
}

/// A connected socket, with TLS if any, before it carries frames.
struct Line {
    stream: Stream,
    tls: Option<Tls>,
    cipher: Buffer,
    plain: Buffer,
    out: Buffer,
    wait: Wait,
}

impl Line {
    /// The TLS handshake.
    fn shake_hands(&mut self) -> Result<(), Error> {
        if self.tls.is_none() {
            return Ok(());
        }
        loop {
            self.open_all()?;
            if !self.tls.as_ref().is_some_and(Tls::is_handshaking) {
                return Ok(());
            }
            if self.read_socket()? == 0 {
                return Err(Error::new(Code::HandshakeEof, "the server ended the connection during the TLS handshake"));
            }
        }
    }

    /// The upgrade exchange.
    fn exchange(&mut self, mut handshake: Handshake) -> Result<Box<Agreed>, Error> {
        self.put(handshake.request())?;
        self.write_out()?;
        loop {
            let fed = handshake.feed(self.plain.filled());
            self.plain.consume(self.plain.len());
            match fed? {
                Progress::Done { agreed, rest } => {
                    self.plain.extend(&rest).map_err(|_| no_memory())?;
                    return Ok(agreed);
                }
                Progress::More => {}
            }
            match self.read_plain() {
                Ok(true) => {}
                Ok(false) => return Err(handshake.eof()),
                Err(error) if handshake.awaits_body() => {
                    return Err(handshake.give_up().unwrap_or(error).in_phase(Phase::Body));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until there is plaintext: false at the end of the stream.
    fn read_plain(&mut self) -> Result<bool, Error> {
        loop {
            if self.tls.is_some() && self.open_all()? == Opened::Closed && self.plain.is_empty() {
                return Ok(false);
            }
            if !self.plain.is_empty() {
                return Ok(true);
            }
            if self.read_socket()? == 0 {
                return Ok(false);
            }
        }
    }

    /// Opens what is there and sends what that leads to, an alert included.
    fn open_all(&mut self) -> Result<Opened, Error> {
        let Some(tls) = &mut self.tls else { return Ok(Opened::More) };
        let opened = tls.open(&mut self.cipher, &mut self.plain, PORTION, &mut self.out);
        match opened {
            Ok(opened) => {
                self.write_out()?;
                Ok(opened)
            }
            Err(error) => {
                // The alert is a courtesy: what matters is the error.
                let _ = self.write_out();
                Err(error)
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.tls {
            Some(tls) => tls.seal(bytes, &mut self.out),
            None => self.out.extend(bytes).map_err(|_| no_memory()),
        }
    }

    fn write_out(&mut self) -> Result<(), Error> {
        while !self.out.is_empty() {
            match self.stream.send(self.out.filled(), false) {
                Ok(n) => self.out.consume(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for(false)?,
                Err(error) => return Err(Error::from_io(Code::Io, "the connection was lost", &error)),
            }
        }
        self.out.rest();
        Ok(())
    }

    /// One read from the socket: sealed bytes with TLS, else plain ones. 0 is the end.
    fn read_socket(&mut self) -> Result<usize, Error> {
        let buffer = if self.tls.is_some() { &mut self.cipher } else { &mut self.plain };
        loop {
            let room = buffer.room(4096).map_err(|_| no_memory())?;
            match self.stream.recv(room, false) {
                Ok(n) => {
                    buffer.fill(n);
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Error::from_io(Code::Io, "the connection was lost", &error)),
            }
            wait_for(&self.stream, true, self.wait)?;
        }
    }

    fn wait_for(&self, read: bool) -> Result<(), Error> {
        wait_for(&self.stream, read, self.wait)
    }
}

fn wait_for(stream: &Stream, read: bool, wait: Wait) -> Result<(), Error> {
    let ready = stream.poll(read, !read, wait).map_err(|error| Error::from_io(Code::Io, "poll", &error))?;
    if ready.read || ready.write {
        return Ok(());
    }
    Err(Error::new(Code::Timeout, "the time ran out before the server answered"))
}

fn no_memory() -> Error {
    Error::new(Code::LimitMemory, "there is no memory for the handshake")
}
