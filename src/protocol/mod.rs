//! Bytes to events and back (RFC 6455, and the proxies' own protocols). No socket, thread, lock, clock or TLS in here.
#![forbid(unsafe_code)]

pub(crate) mod batch;
pub(crate) mod close;
pub(crate) mod connect;
pub(crate) mod decoder;
pub(crate) mod deflate;
pub(crate) mod encoder;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod http;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod redirect;
pub(crate) mod socks5;
pub(crate) mod tunnel;
pub(crate) mod utf8;
