//! A connection and what may be asked of it.
use std::net::SocketAddr;

use crate::error::Error;
use crate::headers::Headers;
use crate::protocol::message::{Kind, Message};
use crate::wait::Wait;

/// An ordinary answer of a call on a connection. The numbers are those of the C header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Outcome {
    /// Done.
    Done = 0,
    /// Nothing can be done without waiting, and the caller would not wait.
    Again = 1,
    /// The time ran out; nothing was lost.
    Timeout = 2,
    /// The message was taken whole; bytes remain inside.
    Pending = 3,
    /// The connection ended with a close handshake.
    Closed = 4,
    /// The cancel token is fired; nothing was lost.
    Cancelled = 5,
    /// A signal arrived and the dialer asked to be told.
    Interrupted = 6,
}

/// A WebSocket connection. Any method may be called from any thread at any time; one thread receives at a time.
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// The subprotocol that the server chose; empty when none.
    pub fn subprotocol(&self) -> &str {
        unimplemented!()
    }
    /// Sends one whole message.
    pub fn send(&self, _kind: Kind, _data: &[u8], _wait: Wait) -> Result<Outcome, Error> {
        unimplemented!()
    }
    /// Receives the next whole message.
    pub fn recv(&self, _message: &mut Message, _wait: Wait) -> Result<Outcome, Error> {
        unimplemented!()
    }
    /// The close handshake. Code 0 sends a close frame without a body. `Never` starts it and answers `Again` while it lasts.
    pub fn close(&self, _code: u16, _reason: &str, _wait: Wait) -> Result<Outcome, Error> {
        unimplemented!()
    }
    /// Sends a ping of at most 125 bytes.
    pub fn ping(&self, _payload: &[u8], _wait: Wait) -> Result<Outcome, Error> {
        unimplemented!()
    }
    /// Sends an unsolicited pong of at most 125 bytes.
    pub fn pong(&self, _payload: &[u8], _wait: Wait) -> Result<Outcome, Error> {
        unimplemented!()
    }
    /// Writes what is inside.
    pub fn flush(&self, _wait: Wait) -> Result<Outcome, Error> {
        unimplemented!()
    }
    /// Limits received messages to that many bytes, 0 for no limit, from the next frame on.
    pub fn set_max_message(&self, _bytes: u64) {
        unimplemented!()
    }
    /// A fault of ours was seen in a call: the connection is over with that failure, and whoever waits comes back.
    /// Never waits.
    pub(crate) fn poison(&self, _fault: Error) {
        unimplemented!()
    }
    /// How the connection ended: the received close code, 1005 for a close without one, 1006 for a lost connection, the
    /// code that we sent for a violation; 0 while it lives.
    pub fn close_code(&self) -> u16 {
        unimplemented!()
    }
    /// The peer's close reason; `None` while the connection lives.
    pub fn close_reason(&self) -> Option<&str> {
        unimplemented!()
    }
    /// The status of the server's answer: 101.
    pub fn status(&self) -> u16 {
        unimplemented!()
    }
    /// The header fields of the server's answer.
    pub fn headers(&self) -> &Headers {
        unimplemented!()
    }
    /// Our address; `None` on a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        unimplemented!()
    }
    /// The peer's address; `None` on a unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        unimplemented!()
    }
    /// `TLSv1.3`, `TLSv1.2`, or `None` without TLS.
    pub fn tls_version(&self) -> Option<&'static str> {
        unimplemented!()
    }
    /// The cipher suite, or `None` without TLS.
    pub fn tls_cipher(&self) -> Option<&'static str> {
        unimplemented!()
    }
}
