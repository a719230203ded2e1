//! Sockets, names, TLS. Knows nothing of WebSocket.

pub(crate) mod connect;
pub(crate) mod random;
pub(crate) mod resolve;
#[cfg_attr(all(test, feature = "model"), path = "stream_model.rs")]
pub(crate) mod stream;
pub(crate) mod sys;
pub(crate) mod tls;
