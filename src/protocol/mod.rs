//! Bytes to events and back (RFC 6455). No socket, thread, lock, clock or TLS in here.
#![forbid(unsafe_code)]

pub(crate) mod close;
pub(crate) mod decoder;
pub(crate) mod deflate;
pub(crate) mod encoder;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod http;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod utf8;
