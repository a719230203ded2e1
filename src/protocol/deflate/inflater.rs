//! The server's compressed data, inflated in steps of bounded size (RFC 7692 7.2.2).

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{TAIL, require_memory};
use crate::error::{Code, Error};
use crate::protocol::frame::violation;
use crate::spare::Spare;

/// What the state takes: a window of 32 KiB, whatever was agreed, and the tables.
pub(crate) const INFLATE_MEMORY: usize = 48 * 1024;

/// Inflates the server's messages, one behind the other.
pub(crate) struct Inflater {
    state: Option<Box<Inflate>>,
    keeps_context: bool,
    at: At,
    is_full: bool,
}

/// Where in a message the last byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before its first byte.
    Start,
    Inside,
    /// Behind a final block, with nothing after it yet.
    Ended,
    /// In what cannot be inflated: asked again, zlib would only tell that it was asked again.
    Corrupt,
}

/// How one step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// So many bytes of the input were taken.
    pub(crate) taken: usize,
    /// So many bytes came out.
    pub(crate) made: usize,
    /// All the room was filled: there may be more from the same input, even from none. Else all input was taken.
    pub(crate) is_full: bool,
}

static SPARE: Spare<Box<Inflate>> = Spare::new();

impl Inflater {
    /// One whose context goes from message to message, or ends with each.
    pub(crate) fn new(keeps_context: bool) -> Inflater {
        Inflater { state: None, keeps_context, at: At::Start, is_full: false }
    }

    /// Inflates from `input` behind what `to` has, at most `room` bytes, for which there is memory already (or it is
    /// made without asking).
    pub(crate) fn step(&mut self, input: &[u8], to: &mut Vec<u8>, room: usize) -> Result<Step, Error> {
        let start = to.len();
        to.resize(start + room, 0);
        let result = self.step_into(input, &mut to[start..]);
        to.truncate(start + result.as_ref().map_or(0, |step| step.made));
        result
    }

    /// The same into memory of the caller's, which is room already.
    pub(crate) fn step_into(&mut self, input: &[u8], to: &mut [u8]) -> Result<Step, Error> {
        let state = match &mut self.state {
            Some(state) => state,
            slot => slot.insert(new_state()?),
        };
        if self.at == At::Corrupt {
            return Err(corrupt(cause(state)));
        }
        let (mut made, mut taken) = (0, 0);
        let result = loop {
            if self.at == At::Ended || self.at == At::Start {
                if taken == input.len() {
                    break Ok(());
                }
                self.at = At::Inside;
            }
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state.decompress(&input[taken..], &mut to[made..], InflateFlush::NoFlush);
            taken += (state.total_in() - before_in) as usize;
            made += (state.total_out() - before_out) as usize;
            match status {
                Err(_) => {
                    self.at = At::Corrupt;
                    break Err(corrupt(cause(state)));
                }
                // RFC 7692 7.2.3.4: behind a final block a new stream begins, whose sender remembers nothing.
                Ok(Status::StreamEnd) => {
                    state.reset(false);
                    self.at = At::Ended;
                }
                Ok(Status::Ok | Status::BufError) => break Ok(()),
            }
        };
        self.is_full = result.is_ok() && made == to.len();
        result.map(|()| Step { taken, made, is_full: self.is_full })
    }

    /// Whether the last step filled its room: there may be more, even from no input.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The message ends here: what the sender left out is put behind it (RFC 7692 7.2.2), and must end a block. All that
    /// was inflated has been taken out.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let at = std::mem::replace(&mut self.at, At::Start);
        let Some(state) = &mut self.state else { return Ok(()) };
        if at == At::Inside {
            end_block(state)?;
        }
        if !self.keeps_context
            && let Some(mut state) = self.state.take()
        {
            state.reset(false);
            SPARE.give(state);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("has_state", &self.state.is_some()).field("at", &self.at).finish()
    }
}

fn new_state() -> Result<Box<Inflate>, Error> {
    if let Some(state) = SPARE.take(|_| true) {
        return Ok(state);
    }
    require_memory(INFLATE_MEMORY)?;
    Ok(Box::new(Inflate::new(false, 15)))
}

/// Feeds the tail and one byte more, asked to stop behind the block: with a message that was cut inside a block the tail
/// means something else, and then it is not exactly the four bytes that are taken, or something comes out.
fn end_block(state: &mut Inflate) -> Result<(), Error> {
    let [a, b, c, d] = TAIL;
    let (before_in, before_out) = (state.total_in(), state.total_out());
    let status = state.decompress(&[a, b, c, d, 0], &mut [0], InflateFlush::Block);
    let taken = state.total_in() - before_in;
    match status {
        Ok(_) if taken == TAIL.len() as u64 && state.total_out() == before_out => Ok(()),
        _ => Err(corrupt("it ends inside a block")),
    }
}

/// What is wrong with the data, in zlib's words where they tell. Its quick way, which most data goes, finds these faults
/// alone, and says of them only that it was asked again.
#[cold]
fn cause(state: &Inflate) -> &'static str {
    match state.error_message() {
        None => "invalid data",
        Some("repeated call with bad state") => "invalid code, or invalid distance too far back",
        Some(told) => told,
    }
}

/// Data that is no DEFLATE breaks the protocol: close code 1002.
#[cold]
fn corrupt(how: &str) -> Error {
    violation(Code::Deflate, format!("a compressed message cannot be inflated: {how}"))
}
