//! The private parts that `benches/protocol.rs` measures, behind the feature `bench-internals`. No interface: it may
//! change with any commit.

use crate::protocol::decoder;
use crate::protocol::deflate::{self, Manner};
use crate::protocol::encoder;
use crate::protocol::frame::Header;
use crate::protocol::mask;
use crate::protocol::message::Kind;
use crate::protocol::utf8;

/// The longest header that `message_header` writes.
pub const MAX_HEADER: usize = encoder::MAX_HEADER;

/// A decoder of a server's frames.
#[derive(Debug)]
pub struct Decoder(decoder::Decoder);

impl Decoder {
    /// Without a limit.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Decoder {
        Decoder(decoder::Decoder::new(0))
    }

    /// One that inflates, each message by itself.
    pub fn inflating() -> Decoder {
        let mut decoder = Decoder::new();
        decoder.0.inflate(false);
        decoder
    }

    /// How many bytes were taken; panics at a violation. Whether the message is whole is in the second value.
    #[inline]
    pub fn decode(&mut self, input: &[u8], message: &mut Vec<u8>) -> (usize, bool) {
        match self.0.decode(input, message) {
            (taken, Ok(event)) => (taken, event.is_some()),
            (_, Err(error)) => panic!("{error}"),
        }
    }

    /// Room for more payload.
    pub fn reserve(&self, message: &mut Vec<u8>) {
        self.0.reserve(message).expect("memory");
    }
}

/// Compresses messages, each by itself.
#[derive(Debug, Default)]
pub struct Deflater(deflate::Deflater);

impl Deflater {
    /// Compresses a message behind what `to` has.
    pub fn message(&mut self, level: u8, data: &[u8], to: &mut Vec<u8>) {
        let manner = Manner { level, mem_level: 8, window_bits: 15, keeps_context: false };
        self.0.part(manner, data, true, to).expect("memory");
    }
}

/// Copies and masks.
#[inline]
pub fn copy_masked(to: &mut [u8], from: &[u8], key: [u8; 4]) {
    mask::copy_masked(to, from, key, 0);
}

/// A binary message, header and masked payload, at the start of `to`; returns its length.
#[inline]
pub fn encode(to: &mut [u8], payload: &[u8], key: [u8; 4]) -> usize {
    encoder::message_frame(to, Kind::Binary, payload, key)
}

/// Whether it is UTF-8.
#[inline]
pub fn is_utf8(bytes: &[u8]) -> bool {
    utf8::is_utf8(bytes)
}

/// The declared length in a frame header.
#[inline]
pub fn parse_header(input: &[u8]) -> Option<u64> {
    Header::parse(input, false).ok().flatten().map(|header| header.len)
}
