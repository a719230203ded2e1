//! A tunnel through a SOCKS5 proxy (RFC 1928), with user and password (RFC 1929) when there are any.
//!
//! Owns: the three requests and the proxy's three answers. Must not know: how the bytes travel, and who resolves names: it
//! is given a name or an address.

use std::fmt;
use std::net::IpAddr;

use super::tunnel::Progress;
use crate::error::{Code, Error, quoted};
use crate::target::Credentials;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;

/// One CONNECT (RFC 1928 4).
pub(crate) struct Socks5 {
    request: Option<Vec<u8>>,
    /// What is to be reached: `host:port`, for sentences.
    shown: String,
    connect: Vec<u8>,
    credentials: Option<Credentials>,
    came: Vec<u8>,
    state: State,
}

/// What is awaited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The method (RFC 1928 3).
    Method,
    /// What user and password led to (RFC 1929 2).
    Login,
    /// The reply (RFC 1928 6).
    Reply,
    Over,
}

impl Socks5 {
    /// A tunnel to a host, or to one of its addresses.
    pub(crate) fn new(host: &str, address: Option<IpAddr>, port: u16, credentials: Option<&Credentials>) -> Socks5 {
        // RFC 1928 3. Without credentials a proxy that wants some is not offered them.
        let methods: &[u8] =
            if credentials.is_some() { &[NO_AUTHENTICATION, USER_AND_PASSWORD] } else { &[NO_AUTHENTICATION] };
        let greeting = [&[VERSION, methods.len() as u8], methods].concat();
        let address = address.or_else(|| host.parse().ok());
        let shown = match address {
            Some(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            Some(IpAddr::V4(ip)) => format!("{ip}:{port}"),
            None => format!("{host}:{port}"),
        };
        Socks5 {
            request: Some(greeting),
            shown,
            connect: connect(host, address, port),
            credentials: credentials.cloned(),
            came: Vec::new(),
            state: State::Method,
        }
    }

    /// What is to be sent now, each part once.
    pub(crate) fn request(&mut self) -> Option<Vec<u8>> {
        self.request.take()
    }

    /// Takes bytes of the proxy's.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        self.came.extend_from_slice(bytes);
        let verdict = self.step();
        if !matches!(verdict, Ok(Progress::More)) {
            self.state = State::Over;
        }
        verdict
    }

    /// The connection ended: the error that this is.
    pub(crate) fn eof(&mut self) -> Error {
        let text = match self.state {
            State::Method => "the proxy ended the connection without an answer to the SOCKS5 greeting",
            State::Login => "the proxy ended the connection when it was given user and password",
            State::Reply => "the proxy ended the connection without a whole reply to CONNECT",
            State::Over => "the exchange with the proxy is over",
        };
        let code = if self.state == State::Login { Code::ProxyAuth } else { Code::ProxyEof };
        self.state = State::Over;
        Error::new(code, text)
    }

    fn step(&mut self) -> Result<Progress, Error> {
        loop {
            let before = self.state;
            match self.state {
                State::Method => self.method()?,
                State::Login => self.login()?,
                State::Reply => return self.reply(),
                State::Over => {
                    return Err(Error::new(Code::Internal, "the exchange with the proxy is over and was fed"));
                }
            }
            if self.state == before {
                return Ok(Progress::More);
            }
        }
    }

    /// RFC 1928 3: version, method.
    fn method(&mut self) -> Result<(), Error> {
        self.check_version(VERSION)?;
        let Some(&[_, method]) = self.came.first_chunk() else { return Ok(()) };
        self.came.drain(..2);
        match method {
            NO_AUTHENTICATION => self.ask_to_connect(),
            USER_AND_PASSWORD if self.credentials.is_some() => {
                let (user, password) = self.credentials.take().unwrap_or_default();
                // RFC 1929 2. Both were checked to be no longer than a length of one byte can say.
                let request = [&[1, user.len() as u8], &user[..], &[password.len() as u8], &password[..]].concat();
                self.request = Some(request);
                self.state = State::Login;
            }
            NO_ACCEPTABLE_METHOD => {
                let text = match self.credentials {
                    Some(_) => "the proxy takes neither user and password nor a connection without them",
                    None => "the proxy takes no connection without credentials, and none were given",
                };
                return Err(Error::new(Code::ProxyAuth, text));
            }
            other => {
                let text = format!("the proxy chose the authentication method {other}, which was not offered");
                return Err(Error::new(Code::ProxyAnswer, text));
            }
        }
        Ok(())
    }

    /// RFC 1929 2: version, status.
    fn login(&mut self) -> Result<(), Error> {
        let Some(&[version, status]) = self.came.first_chunk() else { return Ok(()) };
        // Some proxies write the version of SOCKS here.
        if version != 1 && version != VERSION {
            let text = format!("the proxy's answer to user and password has version {version}, expected 1 (RFC 1929)");
            return Err(Error::new(Code::ProxyAnswer, text));
        }
        if status != 0 {
            let text = format!("the proxy does not accept user and password (status {status})");
            return Err(Error::new(Code::ProxyAuth, text));
        }
        self.came.drain(..2);
        self.ask_to_connect();
        Ok(())
    }

    fn ask_to_connect(&mut self) {
        self.request = Some(std::mem::take(&mut self.connect));
        self.state = State::Reply;
    }

    /// RFC 1928 6: version, reply, reserved, then the address that the proxy uses, which is of no use here.
    fn reply(&mut self) -> Result<Progress, Error> {
        self.check_version(VERSION)?;
        // Some proxies end a refusal here.
        match self.came.get(1) {
            None => return Ok(Progress::More),
            Some(0) => {}
            Some(&code) => return Err(self.refused(code)),
        }
        let Some(&[_, _, _, kind, first]) = self.came.first_chunk() else { return Ok(Progress::More) };
        let address = match kind {
            1 => 4,
            4 => 16,
            3 => 1 + usize::from(first),
            other => {
                let text = format!("the proxy's reply has an address of the unknown type {other}");
                return Err(Error::new(Code::ProxyAnswer, text));
            }
        };
        let length = 4 + address + 2;
        if self.came.len() < length {
            return Ok(Progress::More);
        }
        let rest = self.came.split_off(length);
        Ok(Progress::Done { rest })
    }

    fn check_version(&self, version: u8) -> Result<(), Error> {
        let Some(&first) = self.came.first() else { return Ok(()) };
        if first == version {
            return Ok(());
        }
        let hint = match first {
            b'H' => ", as an HTTP proxy does (should its address begin with http://?)",
            0 | 4 => ", as SOCKS4 does",
            0x15 | 0x16 => ", as TLS does",
            _ => "",
        };
        // Once it was told user and password it may be these that it says.
        let shown = if self.state == State::Method { &self.came[..] } else { &self.came[..1] };
        let text = format!("the proxy's answer is not SOCKS5: it begins with {}{hint}", quoted(shown));
        Err(Error::new(Code::ProxyAnswer, text))
    }

    fn refused(&self, reply: u8) -> Error {
        let to = &self.shown;
        let (code, text) = match reply {
            1 => (Code::ProxyRejected, "it failed, no more is known".to_owned()),
            2 => (Code::ProxyRejected, format!("its rules do not allow a connection to {to}")),
            3 => (Code::ProxyUnreachable, format!("the network of {to} is unreachable")),
            4 => (Code::ProxyUnreachable, format!("the host of {to} is unreachable")),
            5 => (Code::ProxyUnreachable, format!("{to} refused the connection")),
            6 => (Code::ProxyUnreachable, format!("the time to live ran out on the way to {to}")),
            7 => (Code::ProxyRejected, "it does not know the command CONNECT".to_owned()),
            8 => (Code::ProxyUnreachable, format!("it does not support the type of address of {to}")),
            _ => (Code::ProxyRejected, "the reply is unassigned".to_owned()),
        };
        Error::new(code, format!("the proxy answered: {text} (SOCKS5 reply {reply})"))
    }
}

impl fmt::Debug for Socks5 {
    /// The password stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5").field("to", &self.shown).finish_non_exhaustive()
    }
}

/// RFC 1928 4: version, CONNECT, reserved, then the address.
fn connect(host: &str, address: Option<IpAddr>, port: u16) -> Vec<u8> {
    let mut bytes = vec![VERSION, 1, 0];
    match address {
        Some(IpAddr::V4(ip)) => {
            bytes.push(1);
            bytes.extend_from_slice(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            bytes.push(4);
            bytes.extend_from_slice(&ip.octets());
        }
        None => {
            // A host name has at most 254 bytes, which is checked where addresses are read.
            bytes.push(3);
            bytes.push(host.len() as u8);
            bytes.extend_from_slice(host.as_bytes());
        }
    }
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests;
