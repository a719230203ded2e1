//! The exchange with a proxy, of whichever kind: what is asked for is a tunnel, to which the proxy adds nothing.
//!
//! Both grammars have one shape: send what `request()` gives, `feed()` what comes, until it says done.

use super::connect::Connect;
use super::socks5::Socks5;
use crate::error::Error;

/// How far the exchange is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes are needed, or `request()` has more to send; all that were fed are kept.
    More,
    /// The tunnel is there. `rest` are the bytes that came behind the proxy's answer: they are the server's.
    Done { rest: Vec<u8> },
}

/// An exchange with a proxy.
#[derive(Debug)]
pub(crate) enum Tunnel {
    /// HTTP CONNECT (RFC 9110 9.3.6).
    Connect(Connect),
    /// SOCKS5 (RFC 1928).
    Socks5(Socks5),
}

impl Tunnel {
    /// What is to be sent now, each part once.
    pub(crate) fn request(&mut self) -> Option<Vec<u8>> {
        match self {
            Tunnel::Connect(connect) => connect.request(),
            Tunnel::Socks5(socks) => socks.request(),
        }
    }

    /// Takes bytes of the proxy's. Any error is the verdict; behind it there is nothing to feed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        match self {
            Tunnel::Connect(connect) => connect.feed(bytes),
            Tunnel::Socks5(socks) => socks.feed(bytes),
        }
    }

    /// The connection ended: the error that this is.
    pub(crate) fn eof(&mut self) -> Error {
        match self {
            Tunnel::Connect(connect) => connect.eof(),
            Tunnel::Socks5(socks) => socks.eof(),
        }
    }

    /// The time ran out: the refusal with as much of its body as came, when its head was complete.
    pub(crate) fn give_up(&mut self) -> Option<Error> {
        match self {
            Tunnel::Connect(connect) => connect.give_up(),
            Tunnel::Socks5(_) => None,
        }
    }
}
