//! Response heads (RFC 9112), from bytes in any portions.
use crate::error::Error;
use crate::headers::Headers;

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub(crate) minor_version: u8,
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
}

/// Reads the head at the start of `bytes`: `None` while it is incomplete, else the head and its length.
pub(crate) fn parse_head(_bytes: &[u8]) -> Result<Option<(Head, usize)>, Error> {
    unimplemented!()
}
