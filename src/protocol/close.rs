//! Close frames' bodies and codes (RFC 6455 5.5.1, 7.4).
use crate::error::Error;

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// 1005 when the frame had no body.
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Close {
    /// Reads the body of a received close frame; what must not be sent is a violation (1002, a bad reason 1007).
    pub(crate) fn parse(_body: &[u8]) -> Result<Close, Error> {
        unimplemented!()
    }

    /// Checks what the user wants to send: a usage error for what must not be sent. Code 0 stands for a frame
    /// without a body (and allows no reason).
    pub(crate) fn to_send(_code: u16, _reason: &str) -> Result<Close, Error> {
        unimplemented!()
    }

    /// The body on the wire: at most 125 bytes; empty for 1005.
    pub(crate) fn body(&self) -> Vec<u8> {
        unimplemented!()
    }
}
