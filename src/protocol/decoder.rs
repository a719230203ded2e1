//! Bytes of the server's frames to events. Owns the state between portions, no buffer.
use super::message::Kind;
use crate::error::Error;

/// What the bytes said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The message is whole.
    Message(Kind),
    /// A ping, its payload in [`Decoder::control`].
    Ping,
    /// A pong, its payload in [`Decoder::control`].
    Pong,
    /// A close frame, its body in [`Decoder::control`].
    Close,
}

/// The state between portions.
#[derive(Debug)]
pub(crate) struct Decoder {}

impl Decoder {
    /// `max_message` in bytes, 0 for none.
    pub(crate) fn new(_max_message: u64) -> Decoder {
        unimplemented!()
    }

    /// From the next frame on.
    pub(crate) fn set_max_message(&mut self, _bytes: u64) {
        unimplemented!()
    }

    /// Takes bytes off the front of `input` until an event or until it needs more than there is: payload goes behind
    /// what `message` has. Returns how many bytes it took (an incomplete header is left in `input`: at most 9 bytes)
    /// and the event, `None` when more bytes are needed. After a message the caller takes `message` away or clears it
    /// before the next call. An error is final; its close code is the one for the wire.
    pub(crate) fn decode(&mut self, _input: &[u8], _message: &mut Vec<u8>) -> (usize, Result<Option<Event>, Error>) {
        unimplemented!()
    }

    /// How many bytes of data payload may now be read from the wire straight behind what `message` has, without
    /// passing through `decode`; 0 when it must be `decode`.
    pub(crate) fn direct(&self) -> u64 {
        unimplemented!()
    }

    /// Reserves room in `message` for payload that is awaited: some now, more as it arrives, never on a promise alone,
    /// and always one byte more than the payload needs.
    pub(crate) fn reserve(&self, _message: &mut Vec<u8>) -> Result<(), Error> {
        unimplemented!()
    }

    /// Says that the last `n` bytes of `message` were read straight from the wire.
    pub(crate) fn read_direct(&mut self, _message: &[u8], _n: usize) -> Result<Option<Event>, Error> {
        unimplemented!()
    }

    /// The payload of the control frame that the last event announced.
    pub(crate) fn control(&self) -> &[u8] {
        unimplemented!()
    }

    /// Whether a message has begun and is not whole.
    pub(crate) fn in_message(&self) -> bool {
        unimplemented!()
    }
}
