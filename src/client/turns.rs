//! The same connection for those who do the waiting themselves: what to wait for, for how long, and the work that needs
//! no message delivered; and the bytes of a connection whose caller moves them.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::calls::forked;
use super::connection::{Connection, Input, Outcome, Rx, Spent};
use super::recv::Turn;
use super::send::{SMALL, Stack, check, serve};
use crate::buffer::Buffer;
use crate::error::{Code, Error, Phase};
use crate::protocol::encoder::MAX_HEADER;
use crate::protocol::message::{Kind, Message};
use crate::wait::{Patience, Wait, now};

/// Less room than this is not worth a read.
const LEAST_ROOM: usize = 16 * 1024;

/// With so many bytes waiting to be looked at, no more are taken.
const MOST_WAITING: usize = 128 * 1024;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// For bytes from the peer.
    pub read: bool,
    /// For room to write.
    pub write: bool,
    /// For nothing: a call would progress without the descriptor.
    pub buffered: bool,
}

impl Rx {
    /// Puts the message that is whole behind those that wait for a receiver.
    pub(super) fn keep(&mut self, kind: Kind) {
        self.ready_bytes += self.message.len();
        self.ready.push_back(Message { kind, data: std::mem::take(&mut self.message) });
    }

    /// How many bytes of payload may come straight into the message, nothing lying before them.
    fn direct(&self) -> usize {
        let is_free = self.plain.is_empty() && self.over.is_none();
        // A message in pieces goes to its receiver's memory; what a closer drops needs none.
        let is_kept = !self.streams && !self.in_pieces && !self.drains;
        if is_free && is_kept { to_usize(self.decoder.direct()) } else { 0 }
    }

    pub(super) fn is_full(&self, read_ahead: (usize, usize)) -> bool {
        // Of a message that is received in pieces what was read of it counts: it need not be whole to be taken.
        let waiting = self.ready_bytes + if self.streams { self.message.len() } else { 0 };
        self.ready.len() >= read_ahead.0.max(1) || waiting >= read_ahead.1.max(1)
    }
}

impl Connection {
    /// The descriptor to wait on, never to be read or written by others; `None` over memory.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stream.fd()
    }

    /// What to wait for before the next call is worth it. Nothing at all: the end was told, nothing is left to do.
    pub fn wants(&self) -> Wants {
        if self.is_inherited() {
            return Wants::default();
        }
        let write = {
            let link = self.link.lock();
            link.send_failure.is_none() && (link.unsent || link.owes())
        };
        let Some(rx) = self.rx.try_lock() else {
            // Somebody is reading, who will see to it.
            return Wants { read: true, write, buffered: false };
        };
        let (has_failed, eof) = {
            let link = self.link.lock();
            (link.failure.is_some(), link.eof)
        };
        let read = match &rx.over {
            None => rx.drains || !rx.is_full(self.read_ahead()),
            // Behind the close frames the end of the stream is awaited.
            Some(Ok(_)) => !eof,
            Some(Err(_)) => false,
        };
        let is_wet = !rx.dry && rx.over.is_none() && (!rx.plain.is_empty() || !rx.cipher.is_empty());
        // A close frame that is still to leave is told of only when it has left; a closer need not be told.
        let has_end = !rx.told && !rx.drains && !write && (rx.over.is_some() || has_failed);
        Wants {
            read: read && !has_failed,
            write,
            buffered: is_wet || has_end || !rx.ready.is_empty() || rx.has_piece(),
        }
    }

    /// How long to wait at the most before the next call: until the next ping, the limit of a pong, of the handshake or
    /// of the end. `None`: as long as you like.
    pub fn timeout(&self) -> Option<Duration> {
        if self.is_inherited() {
            return None;
        }
        let (opening, is_full) = match self.rx.try_lock() {
            Some(rx) if rx.told && matches!(rx.over, Some(Err(_))) => return None,
            Some(rx) => (rx.opening.as_ref().and_then(|opening| opening.by()), rx.is_full(self.read_ahead())),
            None => (None, false),
        };
        let (tick, end_by) = {
            let link = self.link.lock();
            // Only looked at: a ping that was owed here would be told of by a `wants` that has been asked already. A pong
            // behind messages that nobody takes cannot be late.
            let tick = link.keepalive.as_ref().map(|k| if is_full { k.next_at() } else { k.look_at() });
            let is_over = link.eof && !link.unsent && !link.owes();
            (tick, link.end_by.filter(|_| !is_over))
        };
        let next = [opening, tick, end_by].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now()))
    }

    /// How long the last keepalive ping took to be answered; `None` before the first was.
    pub fn round_trip(&self) -> Option<Duration> {
        if self.is_inherited() {
            return None;
        }
        self.link.lock().controls.as_ref()?.round_trip
    }

    /// Does all work that needs no message delivered: writes, pings, limits, the handshake. Reads ahead as far as the
    /// dialer allows, so that a ping behind a message is answered. `Done`: nothing is left to do now; `Again`: bytes are
    /// unsent, or the handshake or the end is not through; `Closed` or the failure, once nothing is left of the end.
    pub fn process(&self) -> Result<Outcome, Error> {
        self.call_any(Wait::Never, |patience| {
            if self.agreed.get().is_none() {
                return self.handshake(Wait::Never);
            }
            let Some(mut rx) = self.rx.try_lock() else {
                // Somebody is reading, who sees to the rest; one that waits for ever knows no limit.
                if self.is_end_late() {
                    let _ = self.cut();
                }
                let unsent = self.settle(None);
                return Ok(if unsent { Outcome::Again } else { Outcome::Done });
            };
            self.tick();
            self.read_on(&mut rx, patience);
            if self.is_end_late() {
                let ending = self.cut();
                rx.over.get_or_insert(ending);
            }
            let ending = if rx.ready.is_empty() && !rx.has_piece() { rx.over.clone() } else { None };
            if let Some(ending) = ending {
                let over = self.see_off(patience);
                rx.told |= over.is_none();
                self.drain_stream(&mut rx, patience);
                self.stop_receiving(rx);
                return over.map_or(ending, |over| Ok(over.into()));
            }
            self.stop_receiving(rx);
            self.settle(None);
            let link = self.link.lock();
            Ok(if link.unsent || link.owes() { Outcome::Again } else { Outcome::Done })
        })
    }

    /// Whether the end is awaited longer than its limit allows.
    fn is_end_late(&self) -> bool {
        let link = self.link.lock();
        !link.eof && link.end_by.is_some_and(|by| by <= now())
    }

    fn read_on(&self, rx: &mut Rx, patience: Patience<'_>) {
        rx.spent = Spent { grown: rx.message.len(), ..Spent::default() };
        if rx.drains {
            let _over_or_impatient = self.drop_messages(rx, patience);
            return;
        }
        while rx.over.is_none() && !rx.is_full(self.read_ahead()) {
            match self.next_ahead(rx, self.read_ahead(), patience).or_else(|| self.read_more(rx, patience)) {
                Some(Turn::Message(kind)) => rx.keep(kind),
                Some(Turn::Over | Turn::Impatient(_)) => return,
                Some(Turn::Ready) | None => {}
            }
        }
    }

    /// Over memory: room for bytes that came from the peer, until [`Connection::input_done`]; `None` when nothing is to be
    /// read now. A large payload goes straight into its message, whose memory grows with what has come.
    pub(crate) fn input(&self) -> Result<Option<(*mut u8, usize)>, Error> {
        self.memory_only()?;
        let mut guard = self.rx.lock();
        let rx = &mut *guard;
        // What is there already is worth a call before more of it.
        let waiting = if self.secure && !rx.in_clear { rx.cipher.len() } else { rx.plain.len() };
        let is_full = (!rx.drains && rx.is_full(self.read_ahead())) || waiting >= MOST_WAITING;
        let has_ended = self.stream.has_ended() || matches!(rx.over, Some(Err(_)));
        if has_ended || (is_full && rx.input.is_none()) {
            return Ok(None);
        }
        let awaited = if self.secure { 0 } else { rx.direct() };
        let input = match &mut rx.input {
            Some(input) => input,
            None if awaited < LEAST_ROOM => rx.input.insert(Box::new(Input::Bytes(Buffer::new()))),
            None => {
                rx.decoder.reserve(&mut rx.message)?;
                rx.input.insert(Box::new(Input::Payload(std::mem::take(&mut rx.message))))
            }
        };
        match &mut **input {
            Input::Bytes(buffer) => match buffer.room(LEAST_ROOM) {
                Ok(room) => Ok(Some((room.as_mut_ptr(), room.len()))),
                Err(_) => Err(Error::new(Code::LimitMemory, "there is no memory to read into")),
            },
            Input::Payload(message) => {
                let room = message.spare_capacity_mut();
                Ok(Some((room.as_mut_ptr().cast(), room.len().min(to_usize(rx.decoder.direct())))))
            }
        }
    }

    /// Over memory: takes back the room that nothing was put into.
    pub(crate) fn input_back(&self) -> Result<(), Error> {
        self.memory_only()?;
        let mut rx = self.rx.lock();
        if let Some(Input::Payload(message)) = rx.input.take().map(|input| *input) {
            rx.message = message;
        }
        Ok(())
    }

    /// Over memory: `n` bytes were put into the room; 0 is the end of what comes. `extend` makes as many bytes that were
    /// written behind a message its own.
    pub(crate) fn input_done(&self, n: usize, extend: impl FnOnce(&mut Vec<u8>, usize)) -> Result<(), Error> {
        self.memory_only()?;
        let mut guard = self.rx.lock();
        let rx = &mut *guard;
        let room = match rx.input.as_deref_mut() {
            Some(Input::Bytes(buffer)) => buffer.room(0).map_or(0, |room| room.len()),
            Some(Input::Payload(message)) => (message.capacity() - message.len()).min(to_usize(rx.decoder.direct())),
            None if n == 0 => 0,
            None => return Err(Error::new(Code::UsageState, "no room was asked for before bytes were put into it")),
        };
        if n > room {
            let sentence = format!("{n} bytes cannot have been put into a room of {room}");
            return Err(Error::new(Code::UsageState, sentence));
        }
        self.arrived.wire(n);
        match rx.input.take().map(|input| *input) {
            Some(Input::Bytes(buffer)) => self.take_bytes(rx, buffer, n)?,
            Some(Input::Payload(mut message)) => {
                extend(&mut message, n);
                rx.message = message;
                self.take_payload(rx, n);
            }
            None => {}
        }
        rx.dry = false;
        if n == 0 {
            self.stream.shutdown();
        } else {
            self.note_bytes();
        }
        Ok(())
    }

    fn take_bytes(&self, rx: &mut Rx, mut input: Buffer, n: usize) -> Result<(), Error> {
        input.fill(n);
        let to = if self.secure && !rx.in_clear { &mut *rx.cipher } else { &mut rx.plain };
        if to.is_empty() {
            *to = input;
        } else if to.extend(input.filled()).is_err() {
            return Err(Error::new(Code::LimitMemory, "there is no memory for what was read"));
        }
        to.rest();
        Ok(())
    }

    /// Judges the last `n` bytes of the message. What that leads to is told by the call that comes for it.
    fn take_payload(&self, rx: &mut Rx, n: usize) {
        if n == 0 || rx.over.is_some() {
            return;
        }
        let whole = match rx.decoder.read_direct(&rx.message, n) {
            Ok(event) => event.and_then(|event| self.meet(rx, event)),
            Err(violation) => {
                rx.over = Some(Err(self.fail(violation, Phase::Recv)));
                None
            }
        };
        match whole {
            // A closer that reads for nobody drops what comes.
            _ if rx.drains => rx.message = Vec::new(),
            Some(Turn::Message(kind)) => rx.keep(kind),
            _ => {}
        }
    }

    /// Over memory: bytes to be written to the peer; they stay where they are until [`Connection::output_done`].
    pub(crate) fn output(&self) -> Result<(*const u8, usize), Error> {
        self.memory_only()?;
        let mut tx = self.tx.lock();
        let mut link = self.link.lock();
        if tx.output.is_none() {
            let served = if tx.wire.is_empty() { serve(&mut tx, &mut link) } else { Ok(()) };
            if !tx.wire.is_empty() {
                tx.output = Some(std::mem::take(&mut tx.wire));
            }
            link.unsent = tx.unsent() > 0;
            served.map_err(|error| self.about_us(error))?;
        }
        let bytes = tx.output.as_ref().map_or(&[][..], |output| output.filled());
        Ok((bytes.as_ptr(), bytes.len()))
    }

    /// Over memory: the first `n` bytes of the output were written.
    pub(crate) fn output_done(&self, n: usize) -> Result<(), Error> {
        self.memory_only()?;
        let mut tx = self.tx.lock();
        let lent = tx.output.as_ref().map_or(0, |output| output.len());
        if n > lent {
            let sentence = format!("{n} bytes cannot have been written of an output of {lent}");
            return Err(Error::new(Code::UsageState, sentence));
        }
        self.sent.wire(n);
        if n == lent {
            tx.output = None;
        } else if let Some(output) = &mut tx.output {
            output.consume(n);
        }
        let mut link = self.link.lock();
        self.release(tx, &mut link);
        Ok(())
    }

    /// Over memory: sends a message, and gives what is to be written to `put` when it is no more than `room`: all of it,
    /// once, and it counts as written. What is not given to `put` is shown by [`Connection::output`].
    pub(crate) fn send_output(
        &self,
        kind: Kind,
        data: &[u8],
        may_deflate: bool,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Result<Outcome, Error> {
        self.memory_only()?;
        // Most are small and go as they are: they need no memory in between.
        let is_plain = !self.secure && (self.deflating.is_none() || !may_deflate);
        if !is_plain || data.len() > SMALL || room < MAX_HEADER + data.len() {
            let outcome = match may_deflate {
                true => self.send(kind, data, Wait::Never)?,
                false => self.send_uncompressed(kind, data, Wait::Never)?,
            };
            return Ok(if outcome == Outcome::Pending { self.put_output(room, put) } else { outcome });
        }
        if kind != Kind::Binary {
            check(kind, data)?;
        }
        self.call(Wait::Never, |patience| {
            let mut tx = match self.enter_for_message(patience)? {
                Ok(tx) => tx,
                Err(answer) => return Ok(answer),
            };
            let put = if tx.unsent() > 0 {
                self.put_small(&mut tx, kind, data, 0, patience)
            } else {
                let mut stack = Stack::room(data.len());
                let frame = stack.frame(kind, data, 0);
                put(frame);
                self.sent.wire(frame.len());
                Ok(())
            };
            if put.is_ok() {
                self.sent.message(data.len());
            }
            self.leave_tx(tx, put, patience)
        })
    }

    /// Gives all that is to be written to `put`, if it is no more than `room` and nothing of it is lent.
    fn put_output(&self, room: usize, put: impl FnOnce(&[u8])) -> Outcome {
        let mut tx = self.tx.lock();
        if tx.output.is_some() || tx.wire.len() > room {
            return Outcome::Pending;
        }
        put(tx.wire.filled());
        self.sent.wire(tx.wire.len());
        let len = tx.wire.len();
        tx.wire.consume(len);
        let mut link = self.link.lock();
        let owes = link.owes();
        self.release(tx, &mut link);
        if owes { Outcome::Pending } else { Outcome::Done }
    }

    pub(super) fn memory_only(&self) -> Result<(), Error> {
        if self.is_inherited() {
            return Err(self.about_us(forked()));
        }
        if self.stream.is_memory() {
            return Ok(());
        }
        Err(Error::new(Code::UsageState, "the bytes of this connection go through its descriptor"))
    }
}

/// A length of payload as far as memory can hold it.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
