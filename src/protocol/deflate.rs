//! permessage-deflate (RFC 7692): what is offered and agreed, and the two streams of compressed data.
//!
//! Owns the state of DEFLATE in each direction, which is made when it is first needed and, where the context ends with
//! each message, given back behind it. Must not know: frames, limits, UTF-8 (the decoder's), and when it is worth it to
//! send compressed (the client's).

mod inflater;
mod offer;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use crate::error::{Code, Error};
use crate::spare::Spare;

pub(crate) use inflater::Inflater;
pub(crate) use offer::{answered, offer};

/// What a flush ends with, and what a message goes without (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compressed bytes are made in steps of at most so many.
const STEP: usize = 64 * 1024;

/// More than any block's own cost: a flush that finds less room than it needs would be put out twice.
const SLACK: usize = 64;

/// What a message may grow by for the sake of the context.
const FEW: usize = 16;

/// The smallest window that can be compressed with: zlib has none of 256 bytes.
const LEAST_BITS: u8 = 9;

/// What both sides agreed on, as the client needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The window that we may compress with, as a power of two: 8 to 15.
    pub(crate) client_window_bits: u8,
    /// The window that the server compresses with.
    pub(crate) server_window_bits: u8,
    /// Whether each of our messages starts without a context.
    pub(crate) client_no_context_takeover: bool,
    /// Whether each of the server's does.
    pub(crate) server_no_context_takeover: bool,
}

/// How our messages are to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// 1, the fastest, to 9, the smallest.
    pub(crate) level: u8,
    /// 1, the least memory, to 9.
    pub(crate) mem_level: u8,
    /// 8 to 15.
    pub(crate) window_bits: u8,
    /// Whether a message may refer to those before it.
    pub(crate) keeps_context: bool,
}

impl Manner {
    /// Whether it can be done at all. An agreed window of 256 bytes cannot; then messages leave as they are.
    pub(crate) fn is_possible(self) -> bool {
        self.window_bits >= LEAST_BITS
    }
}

/// Compresses our messages, one behind the other.
#[derive(Default)]
pub(crate) struct Deflater {
    state: Option<Box<State>>,
}

struct State {
    deflate: Deflate,
    manner: Manner,
    /// Inside a message that is compressed in parts.
    in_message: bool,
}

static SPARE: Spare<Box<State>> = Spare::new();

impl Deflater {
    /// Compresses a whole message behind what `to` has. False when that is no gain: then the message is to be sent as it
    /// is. What was compressed is known to the next message, so `to` must be sent when this says so. An error leaves all
    /// as if the message had never been.
    pub(crate) fn message(&mut self, manner: Manner, data: &[u8], to: &mut Vec<u8>) -> Result<bool, Error> {
        let start = to.len();
        self.part(manner, data, true, to)?;
        let made = to.len() - start;
        if made < data.len() {
            return Ok(true);
        }
        if !manner.keeps_context {
            return Ok(false);
        }
        // A few bytes more cost less than the context would. A message that fills the window has replaced it.
        if data.len() < 1 << manner.window_bits && made <= data.len() + FEW {
            return Ok(true);
        }
        self.state = None;
        Ok(false)
    }

    /// Compresses a part of a message behind what `to` has; all of it can be inflated from what is there then. An error
    /// in the first part leaves all as if the message had never been.
    pub(crate) fn part(&mut self, manner: Manner, data: &[u8], ends: bool, to: &mut Vec<u8>) -> Result<(), Error> {
        let state = match &mut self.state {
            // A message keeps the manner that it began with.
            Some(state) if state.in_message || state.manner == manner => state,
            slot => slot.insert(State::new(manner)?),
        };
        state.in_message = !ends;
        let start = to.len();
        // RFC 7692 7.2.3.6: nothing is an empty block without its tail; there is nothing to flush.
        let done = if data.is_empty() { Ok(()) } else { state.compress(data, to) };
        if data.is_empty() {
            to.extend([0].iter().chain(&TAIL));
        }
        if done.is_err() {
            // What it has seen and the peer will not is gone with it.
            to.truncate(start);
            self.state = None;
            return done;
        }
        if ends {
            // RFC 7692 7.2.1: the tail is removed.
            debug_assert!(to.ends_with(&TAIL));
            to.truncate(to.len() - TAIL.len());
            if !state.manner.keeps_context
                && let Some(state) = self.state.take()
            {
                state.give_back();
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let manner = self.state.as_ref().map(|state| state.manner);
        f.debug_struct("Deflater").field("manner", &manner).finish()
    }
}

impl State {
    fn new(manner: Manner) -> Result<Box<State>, Error> {
        if let Some(state) = SPARE.take(|state| state.manner == manner) {
            return Ok(state);
        }
        require_memory(deflate_memory(manner))?;
        let config = DeflateConfig {
            level: manner.level.into(),
            window_bits: -i32::from(manner.window_bits),
            mem_level: manner.mem_level.into(),
            ..DeflateConfig::default()
        };
        Ok(Box::new(State { deflate: Deflate::new_with_config(config), manner, in_message: false }))
    }

    fn give_back(mut self: Box<State>) {
        self.deflate.reset();
        SPARE.give(self);
    }

    /// All of `data`, flushed to a byte's end (RFC 7692 7.2.1).
    fn compress(&mut self, data: &[u8], to: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = data;
        loop {
            let start = to.len();
            let room = (rest.len() + rest.len() / 8 + SLACK).min(STEP);
            to.try_reserve(room).map_err(|_| no_memory("a compressed message"))?;
            to.resize(start + room, 0);
            let (before_in, before_out) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(rest, &mut to[start..], DeflateFlush::SyncFlush);
            let taken = (self.deflate.total_in() - before_in) as usize;
            let made = (self.deflate.total_out() - before_out) as usize;
            to.truncate(start + made);
            rest = &rest[taken..];
            match status {
                Err(fault) => return Err(Error::new(Code::Internal, format!("deflate: {}", fault.as_str()))),
                // Room that is left means that the flush is through.
                Ok(_) if rest.is_empty() && made < room => return Ok(()),
                Ok(_) => {}
            }
        }
    }
}

/// What the state of `manner` takes: two windows and one of links, 128 KiB of heads, and seven bytes for each of the
/// symbols that a block may have.
pub(crate) fn deflate_memory(manner: Manner) -> usize {
    const HEADS_AND_STATE: usize = (128 + 8) * 1024;
    (4 << manner.window_bits) + (7 << (manner.mem_level + 6)) + HEADS_AND_STATE
}

/// zlib-rs panics when it cannot have the memory of a state; so it is asked for before.
fn require_memory(bytes: usize) -> Result<(), Error> {
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| no_memory("the state of compression"))
}

#[cold]
fn no_memory(what: &str) -> Error {
    Error::new(Code::LimitMemory, format!("there is no memory for {what}"))
}

#[cfg(test)]
mod tests;
