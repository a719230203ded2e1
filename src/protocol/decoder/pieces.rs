//! Payload into memory of the caller's, piece by piece: a message of any length in memory of one size.

use super::{Decoder, Event, Expect, Step, inflates_over, to_usize};
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
        if self.is_deflated {
            return self.inflate_into(input, to, put);
        }
        let n = input.len().min(to_usize(self.remaining)).min(to.len() - *put);
        if n == 0 && self.remaining > 0 {
            return Ok(Step::Needs);
        }
        to[*put..][..n].copy_from_slice(&input[..n]);
        let event = self.take_payload(&to[..*put + n], n)?;
        *put += n;
        Ok(event.map_or(Step::Took(n), |event| Step::Said(n, event)))
    }

    /// One step of the same where the payload is compressed: straight into `to`, as much as has room.
    fn inflate_into(&mut self, input: &[u8], to: &mut [u8], put: &mut usize) -> Result<Step, Error> {
        let kind = self.kind.unwrap_or(Kind::Binary);
        let payload = &input[..input.len().min(to_usize(self.remaining))];
        let left = to_usize(self.max_message.saturating_sub(self.inflated).saturating_add(1));
        let room = (to.len() - *put).min(left);
        let Some(inflater) = &mut self.inflater else { return Ok(Step::Needs) };
        let may_give = !payload.is_empty() || self.remaining == 0 || inflater.is_full();
        if room == 0 || !may_give {
            return Ok(Step::Needs);
        }
        let step = inflater.step_into(payload, &mut to[*put..][..room])?;
        self.remaining -= step.taken as u64;
        self.inflated += step.made as u64;
        if self.inflated > self.max_message {
            return Err(inflates_over(self.max_message));
        }
        let message = &to[..*put + step.made];
        if kind == Kind::Text && self.utf8.feed(&message[*put..]).is_err() {
            return Err(self.not_utf8(message));
        }
        // Room that is left means that nothing more comes from what was taken.
        let event = if step.is_full { None } else { self.end_deflated(kind, message)? };
        *put += step.made;
        Ok(event.map_or(Step::Took(step.taken), |event| Step::Said(step.taken, event)))
    }

    /// The kind of the message that has begun.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }
}
