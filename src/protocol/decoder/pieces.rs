//! Payload into memory of the caller's, piece by piece: a message of any length in memory of one size.

use super::{Decoder, Event, Expect, Step, to_usize};
use crate::error::Error;
use crate::protocol::message::Kind;

/// What was made of some bytes.
pub(crate) struct Decoded {
    /// Bytes taken off the front of the input.
    pub(crate) taken: usize,
    /// Payload put into the caller's memory.
    pub(crate) put: usize,
    /// What they said; `None` when more bytes are needed, or more room.
    pub(crate) event: Result<Option<Event>, Error>,
}

impl Decoder {
    /// As `decode`, but payload goes to the start of `to`, as far as there is room. `Event::Message` comes with the last
    /// byte of the message, or behind it.
    pub(crate) fn decode_into(&mut self, input: &[u8], to: &mut [u8]) -> Decoded {
        let (mut taken, mut put) = (0, 0);
        let event = loop {
            if let Some(error) = &self.failed {
                break Err(error.clone());
            }
            let rest = &input[taken..];
            let step = if self.expect == Expect::Data {
                self.step_into(rest, to, &mut put)
            } else {
                self.step(rest, &mut Vec::new())
            };
            match step {
                Ok(Step::Took(n)) => taken += n,
                Ok(Step::Said(n, event)) => {
                    taken += n;
                    break Ok(Some(event));
                }
                Ok(Step::Needs) => break Ok(None),
                Err(error) => break Err(self.fail(error)),
            }
        };
        Decoded { taken, put, event }
    }

    /// The payload of one frame, as far as it is there and has room.
    fn step_into(&mut self, input: &[u8], to: &mut [u8], put: &mut usize) -> Result<Step, Error> {
        let n = input.len().min(to_usize(self.remaining)).min(to.len() - *put);
        if n == 0 && self.remaining > 0 {
            return Ok(Step::Needs);
        }
        to[*put..][..n].copy_from_slice(&input[..n]);
        let event = self.take_payload(&to[..*put + n], n)?;
        *put += n;
        Ok(event.map_or(Step::Took(n), |event| Step::Said(n, event)))
    }

    /// The kind of the message that has begun.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }
}
