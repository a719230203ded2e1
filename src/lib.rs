//! wsdial: a WebSocket client with one blocking core and a C ABI on it.
//!
//! The crate is four folders with arrows one way only: `ffi` → `client` → { `protocol`, `net` } →
//! { `error`, `headers`, `dialer`, `target`, `wait`, `buffer`, `spare` }. *protocol* knows the RFCs, *net* knows the
//! operating system, *client* knows time and threads, *ffi* knows C. `tests/layers.rs` holds the code to it.

#[cfg(feature = "bench-internals")]
#[doc(hidden)]
pub mod bench_support;
mod buffer;
mod client;
mod dialer;
mod error;
pub mod ffi;
mod headers;
mod net;
mod protocol;
mod spare;
mod target;
mod transcript;
mod wait;

pub use client::{Cancel, Client, Connection, Figure, Outcome, Piece, Wants};
pub use dialer::Dialer;
pub use dialer::cookies::CookieJar;
pub use error::{Code, Error, Phase, Redirect, Rejection};
pub use headers::Headers;
pub use protocol::batch::Batch;
pub use protocol::message::{Kind, Message};
pub use target::Endpoint;
pub use transcript::Times;
pub use wait::Wait;
