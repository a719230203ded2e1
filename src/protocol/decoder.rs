//! Bytes of the server's frames to events (RFC 6455 5.2 to 5.6, 6.2, 8.1). Owns the state between portions, no buffer.
//!
//! Every violation that frames can commit is found here or in the parts it calls (`frame`, `utf8`, `close`), with its own
//! error and the close code for the wire. It knows neither where the bytes come from nor what answers them.

use super::close::Close;
use super::deflate::Inflater;
use super::frame::{self, Control, Data, Header, OpCode, violation};
use super::message::Kind;
use super::utf8::{Utf8, is_utf8};
use crate::error::{Code, Error};

/// Memory that is reserved on the promise of a length alone; from there on it doubles with what has arrived.
const FIRST_ROOM: usize = 64 * 1024;

/// Less room than this is not worth a read of its own while more payload than that is awaited.
const LEAST_ROOM: usize = 16 * 1024;

/// Compressed data is inflated in steps of at most so many bytes.
const INFLATED: usize = 16 * 1024;

/// What the bytes said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The message is whole.
    Message(Kind),
    /// A ping, its payload in [`Decoder::control`].
    Ping,
    /// A pong, its payload in [`Decoder::control`].
    Pong,
    /// A close frame, its body in [`Decoder::control`]; [`Close::parse`] takes it. All that follows is dropped.
    Close,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Header,
    /// Payload of a data frame.
    Data,
    /// Payload of a control frame, which ends with this event.
    Control(Event),
    /// Nothing: a close frame was the last one.
    End,
}

/// The state between portions.
#[derive(Debug)]
pub(crate) struct Decoder {
    expect: Expect,
    /// Payload bytes of the current frame that are still to come.
    remaining: u64,
    /// The message that has begun.
    kind: Option<Kind>,
    /// Whether the current data frame is the message's last.
    is_final: bool,
    /// What the frames of the message have declared so far.
    declared: u64,
    max_message: u64,
    /// Data frames since the last look that were not the last of their message.
    fragments: u32,
    /// Once permessage-deflate is agreed.
    inflater: Option<Box<Inflater>>,
    /// Whether the message is compressed; stays with the last one.
    is_deflated: bool,
    /// What was made of the compressed message so far.
    inflated: u64,
    utf8: Utf8,
    control: Vec<u8>,
    failed: Option<Error>,
}

/// How one step of decoding went.
enum Step {
    /// So many bytes taken, there may be more to do.
    Took(usize),
    /// So many bytes taken, and this is what they said.
    Said(usize, Event),
    /// More bytes are needed than there are.
    Needs,
}

impl Decoder {
    /// `max_message` in bytes, 0 for none.
    pub(crate) fn new(max_message: u64) -> Decoder {
        let mut decoder = Decoder {
            expect: Expect::Header,
            remaining: 0,
            kind: None,
            is_final: false,
            declared: 0,
            max_message: 0,
            fragments: 0,
            inflater: None,
            is_deflated: false,
            inflated: 0,
            utf8: Utf8::default(),
            control: Vec::new(),
            failed: None,
        };
        decoder.set_max_message(max_message);
        decoder
    }

    /// From the next frame on.
    #[inline]
    pub(crate) fn set_max_message(&mut self, bytes: u64) {
        self.max_message = if bytes == 0 { u64::MAX } else { bytes };
    }

    /// From now on messages may be compressed; `keeps_context` tells whether a message may refer to those before it.
    pub(crate) fn inflate(&mut self, keeps_context: bool) {
        self.inflater = Some(Box::new(Inflater::new(keeps_context)));
    }

    /// Whether the message, the last one if none has begun, is compressed.
    #[inline]
    pub(crate) fn is_deflated(&self) -> bool {
        self.is_deflated
    }

    /// Takes bytes off the front of `input` until an event or until it needs more than there is: payload goes behind
    /// what `message` has. Returns how many bytes it took (an incomplete header is left in `input`: at most 9 bytes)
    /// and the event, `None` when more bytes are needed. After a message the caller takes `message` away or clears it
    /// before the next call. An error is final; its close code is the one for the wire.
    ///
    /// A whole message leaves at least one byte of `message`'s memory unused, for C's NUL.
    #[inline]
    pub(crate) fn decode(&mut self, input: &[u8], message: &mut Vec<u8>) -> (usize, Result<Option<Event>, Error>) {
        if let Some((taken, kind)) = self.decode_whole(input, message) {
            return (taken, Ok(Some(Event::Message(kind))));
        }
        self.decode_any(input, message)
    }

    /// The short way of most messages: a frame under 64 KiB that is the whole message and is all here. Returns
    /// how many bytes it took. `None`, nothing taken, when it is anything else, wrong ones included: `decode` tells.
    #[inline]
    pub(crate) fn decode_whole(&mut self, input: &[u8], message: &mut Vec<u8>) -> Option<(usize, Kind)> {
        let (&[first @ (0x81 | 0x82), second], rest) = input.split_first_chunk()? else { return None };
        let (payload, taken) = match second {
            0..=125 => (rest.get(..second.into())?, 2 + usize::from(second)),
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = u16::from_be_bytes(*len).into();
                (rest.get(..len).filter(|_| len > 125)?, 4 + len)
            }
            _ => return None,
        };
        if self.expect != Expect::Header || self.kind.is_some() || payload.len() as u64 > self.max_message {
            return None;
        }
        // RFC 6455 8.1; where it fails is told on the long way.
        if first == 0x81 && !is_utf8(payload) {
            return None;
        }
        if message.capacity() - message.len() <= payload.len() {
            self.grow(message, payload.len()).ok()?;
        }
        message.extend_from_slice(payload);
        self.is_deflated = false;
        Some((taken, if first == 0x81 { Kind::Text } else { Kind::Binary }))
    }

    /// Whether `input` begins with a frame that is a whole compressed message and is all here.
    pub(crate) fn has_whole_deflated(&self, input: &[u8]) -> bool {
        if self.expect != Expect::Header || self.kind.is_some() || self.inflater.is_none() || self.failed.is_some() {
            return false;
        }
        let Ok(Some(header)) = Header::parse(input, true) else { return false };
        header.is_deflated && header.is_final && (input.len() - header.size) as u64 >= header.len
    }

    /// How many bytes of data payload may now be read from the wire straight behind what `message` has, without
    /// passing through `decode`; 0 when it must be `decode`.
    #[inline]
    pub(crate) fn direct(&self) -> u64 {
        if self.expect == Expect::Data && !self.is_deflated { self.remaining } else { 0 }
    }

    /// Reserves room in `message` for payload that is awaited: some now, more as it arrives, never on a promise alone,
    /// and always one byte more than the payload needs.
    pub(crate) fn reserve(&self, message: &mut Vec<u8>) -> Result<(), Error> {
        let room = message.capacity() - message.len();
        let awaited = to_usize(self.direct());
        // Reading makes both less by the same, so what is decided here about the byte behind the payload stays true.
        if room > awaited || (room >= LEAST_ROOM && room < awaited) {
            return Ok(());
        }
        self.grow(message, 0)
    }

    /// Says that the last `n` bytes of `message` were read straight from the wire, at most `direct()` of them.
    pub(crate) fn read_direct(&mut self, message: &[u8], n: usize) -> Result<Option<Event>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        debug_assert!(n as u64 <= self.direct());
        self.take_payload(message, n).map_err(|error| self.fail(error))
    }

    /// Takes payload of a large frame off the front of `input`, one of at least `least` bytes that is not compressed, and the
    /// header before it, as far as they are there. Nothing, where it must be `decode`.
    pub(crate) fn decode_large(
        &mut self,
        input: &[u8],
        least: u64,
        message: &mut Vec<u8>,
    ) -> (usize, Result<Option<Event>, Error>) {
        let begun = match self.begin_large(input, least) {
            Ok(begun) => begun,
            Err(error) => return (0, Err(self.fail(error))),
        };
        let payload = &input[begun..];
        let n = payload.len().min(to_usize(self.direct()));
        if n == 0 {
            return (begun, Ok(None));
        }
        if message.capacity() - message.len() <= n
            && let Err(error) = self.grow(message, n)
        {
            return (begun, Err(self.fail(error)));
        }
        message.extend_from_slice(&payload[..n]);
        (begun + n, self.take_payload(message, n).map_err(|error| self.fail(error)))
    }

    /// Takes the header of a large frame of data.
    fn begin_large(&mut self, input: &[u8], least: u64) -> Result<usize, Error> {
        if self.expect != Expect::Header || self.failed.is_some() {
            return Ok(0);
        }
        match Header::parse(input, self.inflater.is_some()) {
            Ok(Some(header)) if header.len >= least && !header.is_deflated => {
                self.begin(header)?;
                Ok(header.size)
            }
            // What is wrong with it is told on the long way.
            _ => Ok(0),
        }
    }

    /// The payload of the control frame that the last event announced.
    pub(crate) fn control(&self) -> &[u8] {
        &self.control
    }

    /// How long the message is that has just become whole, however its payload was taken; not for one that
    /// `decode_whole` has taken.
    pub(crate) fn size(&self) -> usize {
        to_usize(if self.is_deflated { self.inflated } else { self.declared })
    }

    /// How many data frames have begun, since the last call, that are not the last of their message.
    pub(crate) fn take_fragments(&mut self) -> u32 {
        std::mem::take(&mut self.fragments)
    }

    /// Whether a message has begun and is not whole.
    pub(crate) fn in_message(&self) -> bool {
        self.kind.is_some()
    }

    fn decode_any(&mut self, input: &[u8], message: &mut Vec<u8>) -> (usize, Result<Option<Event>, Error>) {
        if let Some(error) = &self.failed {
            return (0, Err(error.clone()));
        }
        let mut taken = 0;
        loop {
            match self.step(&input[taken..], message) {
                Ok(Step::Took(n)) => taken += n,
                Ok(Step::Said(n, event)) => return (taken + n, Ok(Some(event))),
                Ok(Step::Needs) => return (taken, Ok(None)),
                Err(error) => return (taken, Err(self.fail(error))),
            }
        }
    }

    /// One header, or the payload of one frame as far as it is there.
    fn step(&mut self, input: &[u8], message: &mut Vec<u8>) -> Result<Step, Error> {
        match self.expect {
            Expect::Header => {
                let Some(header) = Header::parse(input, self.inflater.is_some())? else { return Ok(Step::Needs) };
                self.begin(header)?;
                Ok(Step::Took(header.size))
            }
            Expect::Data => {
                let n = input.len().min(to_usize(self.remaining));
                if n == 0 && self.remaining > 0 {
                    return Ok(Step::Needs);
                }
                if self.is_deflated {
                    let event = self.take_deflated(&input[..n], message)?;
                    return Ok(event.map_or(Step::Took(n), |event| Step::Said(n, event)));
                }
                if message.capacity() - message.len() <= n {
                    self.grow(message, n)?;
                }
                message.extend_from_slice(&input[..n]);
                let event = self.take_payload(message, n)?;
                Ok(event.map_or(Step::Took(n), |event| Step::Said(n, event)))
            }
            Expect::Control(event) => self.take_control(input, event),
            Expect::End if input.is_empty() => Ok(Step::Needs),
            Expect::End => Ok(Step::Took(input.len())),
        }
    }

    /// Checks a header against what went before it and turns to its payload.
    fn begin(&mut self, header: Header) -> Result<(), Error> {
        let data = match header.opcode {
            OpCode::Control(control) => {
                self.control.clear();
                self.remaining = header.len;
                self.expect = Expect::Control(event_of(control));
                return Ok(());
            }
            OpCode::Data(data) => data,
        };
        let kind = match (data, self.kind) {
            (Data::Continue, Some(kind)) => kind,
            (Data::Text, None) => Kind::Text,
            (Data::Binary, None) => Kind::Binary,
            (Data::Continue, None) => return Err(continues_nothing()),
            // RFC 6455 5.4: the fragments of one message are not interleaved with those of another.
            _ => return Err(interleaved(header.opcode)),
        };
        if self.kind.is_none() {
            self.declared = 0;
            self.inflated = 0;
            self.is_deflated = header.is_deflated;
        }
        self.declared = self.declared.saturating_add(header.len);
        // Of a compressed message what comes out counts.
        if self.declared > self.max_message && !self.is_deflated {
            return Err(over_limit(self.declared, self.max_message));
        }
        self.kind = Some(kind);
        self.is_final = header.is_final;
        self.fragments = self.fragments.saturating_add(u32::from(!header.is_final));
        self.remaining = header.len;
        self.expect = Expect::Data;
        Ok(())
    }

    /// Judges the last `n` bytes of `message` and ends the frame, and the message, when they were the last.
    fn take_payload(&mut self, message: &[u8], n: usize) -> Result<Option<Event>, Error> {
        let kind = self.kind.unwrap_or(Kind::Binary);
        self.remaining -= n as u64;
        let is_frame = self.remaining == 0;
        if is_frame {
            self.expect = Expect::Header;
        }
        let ends = is_frame && self.is_final;
        if kind == Kind::Text {
            let valid = self.utf8.feed(&message[message.len() - n..]);
            // RFC 6455 8.1, 5.6: a frame may cut a character, a message may not.
            let valid = valid.and_then(|()| if ends { self.utf8.finish() } else { Ok(()) });
            valid.map_err(|_| self.not_utf8(message))?;
        }
        if !ends {
            return Ok(None);
        }
        self.kind = None;
        Ok(Some(Event::Message(kind)))
    }

    /// Inflates the next bytes of the payload and ends the frame, and the message, when they were the last.
    fn take_deflated(&mut self, payload: &[u8], message: &mut Vec<u8>) -> Result<Option<Event>, Error> {
        let kind = self.kind.unwrap_or(Kind::Binary);
        let mut at = 0;
        loop {
            let step = self.inflate_step(&payload[at..], kind, message)?;
            at += step.0;
            if !step.1 {
                break;
            }
        }
        self.remaining -= payload.len() as u64;
        self.end_deflated(kind, message)
    }

    /// Ends the frame, and the message, when that was the last of its payload.
    fn end_deflated(&mut self, kind: Kind, message: &[u8]) -> Result<Option<Event>, Error> {
        if self.remaining > 0 {
            return Ok(None);
        }
        self.expect = Expect::Header;
        if !self.is_final {
            return Ok(None);
        }
        if let Some(inflater) = &mut self.inflater {
            inflater.finish()?;
        }
        if kind == Kind::Text && self.utf8.finish().is_err() {
            return Err(self.not_utf8(message));
        }
        self.kind = None;
        Ok(Some(Event::Message(kind)))
    }

    /// One step: what comes out is counted and judged before the next. How much was taken, and whether there may be more.
    fn inflate_step(&mut self, payload: &[u8], kind: Kind, message: &mut Vec<u8>) -> Result<(usize, bool), Error> {
        let left = to_usize(self.max_message.saturating_sub(self.inflated).saturating_add(1));
        let room = (payload.len() * 8 + 512).min(INFLATED).min(left);
        if message.capacity() - message.len() <= room {
            self.grow_inflated(message, room, left)?;
        }
        let start = message.len();
        let Some(inflater) = &mut self.inflater else { return Ok((payload.len(), false)) };
        let step = inflater.step(payload, message, room)?;
        self.inflated += (message.len() - start) as u64;
        if self.inflated > self.max_message {
            return Err(inflates_over(self.max_message));
        }
        if kind == Kind::Text && self.utf8.feed(&message[start..]).is_err() {
            return Err(self.not_utf8(message));
        }
        Ok((step.taken, step.is_full))
    }

    /// Makes room for `room` inflated bytes and one more: doubled, but no more than the message may become.
    #[cold]
    fn grow_inflated(&self, message: &mut Vec<u8>, room: usize, left: usize) -> Result<(), Error> {
        let len = message.len();
        let doubled = (2 * message.capacity() - len).min(left);
        let room = room.max(doubled).saturating_add(1);
        message.try_reserve_exact(room).map_err(|_| no_memory(len, room))
    }

    fn take_control(&mut self, input: &[u8], event: Event) -> Result<Step, Error> {
        // A header of more than 125 has been refused.
        let n = input.len().min(self.remaining as usize);
        if n == 0 && self.remaining > 0 {
            return Ok(Step::Needs);
        }
        self.control.extend_from_slice(&input[..n]);
        self.remaining -= n as u64;
        if self.remaining > 0 {
            return Ok(Step::Took(n));
        }
        self.expect = Expect::Header;
        if event == Event::Close {
            Close::parse(self.control())?;
            self.expect = Expect::End;
        }
        Ok(Step::Said(n, event))
    }

    /// Makes room for `n` bytes that are here and one more, and for awaited ones as far as what has arrived warrants.
    #[cold]
    fn grow(&self, message: &mut Vec<u8>, n: usize) -> Result<(), Error> {
        let (len, awaited) = (message.len(), to_usize(self.direct()));
        let promised = awaited.min(len.max(FIRST_ROOM));
        let least = n.max(promised);
        // Doubled, since many small fragments must not move the message each time; but no more than it can become.
        let more = if self.is_final {
            self.remaining
        } else {
            self.max_message.saturating_sub(self.declared).saturating_add(self.remaining)
        };
        let doubled = (2 * message.capacity() - len).min(to_usize(more).max(FIRST_ROOM));
        let room = least.max(doubled).saturating_add(1);
        // Room for exactly the rest would leave no byte behind it.
        let room = room.saturating_add(usize::from(room == awaited));
        message.try_reserve_exact(room).map_err(|_| no_memory(len, n.max(awaited)))
    }

    /// RFC 6455 8.1, 7.4.1: 1007 is for data that does not fit the kind of message.
    #[cold]
    fn not_utf8(&self, message: &[u8]) -> Error {
        let arrived = to_usize(if self.is_deflated { self.inflated } else { self.declared - self.remaining });
        // Of a message that is received in pieces the last one is here.
        let gone = arrived.saturating_sub(message.len());
        let text = &message[message.len().saturating_sub(arrived)..];
        let (at, how) = match std::str::from_utf8(text) {
            Err(error) if error.error_len().is_none() => (error.valid_up_to(), "ends inside a character"),
            Err(error) => (error.valid_up_to(), "is not UTF-8"),
            Ok(_) => (text.len(), "is not UTF-8"),
        };
        Error::new(Code::Utf8, format!("a text message {how} at byte {}", gone + at)).with_close_code(1007)
    }

    /// RFC 6455 7.1.7: nothing is read after a failure.
    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        self.expect = Expect::End;
        self.failed = Some(error.clone());
        error
    }
}

fn event_of(control: Control) -> Event {
    match control {
        Control::Close => Event::Close,
        Control::Ping => Event::Ping,
        // A reserved one has been refused with its header.
        Control::Pong | Control::Reserved(_) => Event::Pong,
    }
}

fn to_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cold]
fn continues_nothing() -> Error {
    violation(Code::ProtocolContinuation, "a continuation frame continues nothing: no message has begun")
}

#[cold]
fn interleaved(opcode: OpCode) -> Error {
    let detail = format!("{} begins a new message inside a fragmented one", frame::name(opcode));
    violation(Code::ProtocolInterleaved, detail)
}

/// RFC 6455 7.4.1: 1009 is for a message that is too big to be processed.
#[cold]
fn over_limit(declared: u64, max: u64) -> Error {
    let detail = format!("a message of {declared} bytes or more is over the limit of {max} bytes");
    Error::new(Code::LimitMessage, detail).with_close_code(1009)
}

#[cold]
fn inflates_over(max: u64) -> Error {
    let detail = format!("a compressed message inflates to more than the limit of {max} bytes");
    Error::new(Code::LimitMessage, detail).with_close_code(1009)
}

/// The same 1009: it is this message that is too big, for what memory there is.
#[cold]
fn no_memory(has: usize, awaited: usize) -> Error {
    let detail = format!("there is no memory for {awaited} bytes more behind the {has} bytes of a message");
    Error::new(Code::LimitMemory, detail).with_close_code(1009)
}

mod pieces;
#[cfg(test)]
mod tests;
