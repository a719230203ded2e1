//! Our frames to bytes. The mask key comes from outside: there is no random source in here.
use super::message::Kind;

/// The longest header of a client's frame: two bytes, an eight-byte length, the mask key.
pub(crate) const MAX_HEADER: usize = 14;

/// The longest control frame of a client.
pub(crate) const MAX_CONTROL: usize = 6 + 125;

/// The opcodes of control frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Close,
    Ping,
    Pong,
}

/// Writes the header of a message in one frame of `len` payload bytes to the start of `to`; returns its length.
pub(crate) fn message_header(_to: &mut [u8; MAX_HEADER], _kind: Kind, _len: u64, _key: [u8; 4]) -> usize {
    unimplemented!()
}

/// Writes a whole control frame to the start of `to`; the payload has at most 125 bytes. Returns its length.
pub(crate) fn control_frame(_to: &mut [u8; MAX_CONTROL], _control: Control, _payload: &[u8], _key: [u8; 4]) -> usize {
    unimplemented!()
}
