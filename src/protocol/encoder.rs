//! Our frames to bytes (RFC 6455 5.2, 6.1). The mask key comes from outside: there is no random source in here.
//!
//! A message is one frame, whatever its length: there is no automatic fragmentation. Its payload is copied and masked
//! behind the header by [`super::mask`], by whoever owns the wire buffer.

use super::frame::{self, Data, MAX_CONTROL_PAYLOAD, OpCode};
use super::mask::copy_masked;
use super::message::Kind;

/// The longest header of a client's frame: two bytes, an eight-byte length, the mask key.
pub(crate) const MAX_HEADER: usize = 14;

/// The longest control frame of a client.
pub(crate) const MAX_CONTROL: usize = 6 + MAX_CONTROL_PAYLOAD;

/// The opcodes of control frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Close,
    Ping,
    Pong,
}

/// Writes the header of a message in one frame of `len` payload bytes to the start of `to`; returns its length.
#[inline]
pub(crate) fn message_header(to: &mut [u8; MAX_HEADER], kind: Kind, len: u64, key: [u8; 4]) -> usize {
    let data = match kind {
        Kind::Text => Data::Text,
        Kind::Binary => Data::Binary,
    };
    frame::write_masked(to, OpCode::Data(data), len, key)
}

/// Writes a whole control frame to the start of `to`; the payload has at most 125 bytes. Returns its length.
pub(crate) fn control_frame(to: &mut [u8; MAX_CONTROL], control: Control, payload: &[u8], key: [u8; 4]) -> usize {
    // RFC 6455 5.5: at most 125 bytes; who lets a longer one come this far has a fault.
    assert!(payload.len() <= MAX_CONTROL_PAYLOAD);
    let control = match control {
        Control::Close => frame::Control::Close,
        Control::Ping => frame::Control::Ping,
        Control::Pong => frame::Control::Pong,
    };
    let size = frame::write_masked(to, OpCode::Control(control), payload.len() as u64, key);
    let end = size + payload.len();
    copy_masked(&mut to[size..end], payload, key, 0);
    end
}
