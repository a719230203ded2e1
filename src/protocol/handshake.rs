//! The upgrade exchange (RFC 6455 4.1): the request, and each check on the answer with its own error.
use super::http::Head;
use crate::dialer::Dialer;
use crate::error::Error;
use crate::target::Target;

/// What both sides agreed on.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    /// The server's choice; `None` when it chose none.
    pub(crate) subprotocol: Option<String>,
    /// The answer's head.
    pub(crate) head: Head,
}

/// One upgrade exchange: send `request()`, `feed()` what comes until it says done.
#[derive(Debug)]
pub(crate) struct Handshake {}

/// How far the exchange is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More bytes are needed; all that were fed are kept.
    More,
    /// Verified. `rest` are the bytes that came behind the head: they belong to the frames.
    Done { agreed: Box<Agreed>, rest: Vec<u8> },
}

impl Handshake {
    /// An exchange with `target`, with 16 fresh random bytes as its key.
    pub(crate) fn new(_target: &Target, _dialer: &Dialer, _key: [u8; 16]) -> Result<Handshake, Error> {
        unimplemented!()
    }

    /// The request's bytes.
    pub(crate) fn request(&self) -> &[u8] {
        unimplemented!()
    }

    /// Takes bytes of the answer. A rejection is an error with status, headers and body, once its body is complete.
    pub(crate) fn feed(&mut self, _bytes: &[u8]) -> Result<Progress, Error> {
        unimplemented!()
    }

    /// The connection ended: the error that this is, which is the rejection when its head was complete.
    pub(crate) fn eof(&mut self) -> Error {
        unimplemented!()
    }

    /// The time ran out: the rejection with as much of its body as came, when its head was complete.
    pub(crate) fn give_up(&mut self) -> Option<Error> {
        unimplemented!()
    }

    /// Whether the head of a rejection is complete and its body is awaited (for the phase of a timeout).
    pub(crate) fn awaits_body(&self) -> bool {
        unimplemented!()
    }
}
