//! Receiving: decode what is there, else read more, and see to what is owed before sleeping.

use std::io;
use std::time::Duration;

use super::connection::{Connection, Outcome, Rx, Spent};
use super::fill::Filled;
use super::sync::{MutexGuard, Ordering, fence};
use crate::error::{Code, Error, Phase};
use crate::protocol::close::Close;
use crate::protocol::decoder::Event;
use crate::protocol::encoder::Control;
use crate::protocol::message::{Kind, Message};
use crate::wait::{Over, Patience, Wait, now};

/// How long a failed connection waits for the server to take its close frame and end the stream.
const LINGER: Duration = Duration::from_secs(1);

/// The size above which a message counts as large.
pub(super) const LARGE: usize = 32 * 1024;

/// Up to so many bytes are not left in a buffer of the pool when a receiver goes.
const LITTLE: usize = 1024;

/// How long a receiver waits for `rx` before it looks again at who holds it.
const SLICE: Duration = Duration::from_millis(10);

/// So many pings of one read are answered one by one, as most peers expect; of more only the newest (RFC 6455 5.5.3), or
/// a buffer full of them would keep a call for thousands of writes.
const PONGS: u32 = 64;

/// What a turn of the receiving side led to.
pub(super) enum Turn {
    /// The message in `rx.message` is whole.
    Message(Kind),
    /// A control frame to be delivered is behind what waits in `rx.ready`.
    Ready,
    /// The connection is over; `rx.over` tells how.
    Over,
    /// The wait was over first.
    Impatient(Over),
}

/// How a connection ended, as a receiver is told.
pub(super) type Ending = Result<Outcome, Error>;

impl Rx {
    /// Takes the next message when it is whole in the buffer.
    #[inline]
    fn whole(&mut self, message: &mut Message, max_message: u64) -> bool {
        if !self.ready.is_empty() || self.over.is_some() || self.drains {
            return false;
        }
        self.decoder.set_max_message(max_message);
        let Some((taken, kind)) = self.decoder.decode_whole(self.plain.filled(), &mut message.data) else {
            return false;
        };
        self.plain.consume(taken);
        self.large = message.data.len() > LARGE;
        message.kind = kind;
        true
    }

    /// The rest of a message is not handed out as a whole one.
    #[inline]
    pub(super) fn may_come_whole(&mut self) -> Result<(), Error> {
        self.streams = false;
        if self.in_pieces { self.break_off() } else { Ok(()) }
    }

    /// What a lost connection left of a message is nobody's.
    #[cold]
    fn break_off(&mut self) -> Result<(), Error> {
        if self.over.is_none() || !self.ready.is_empty() {
            let sentence = "a message is being received in pieces: its last one comes first";
            return Err(Error::new(Code::UsageState, sentence));
        }
        self.in_pieces = false;
        self.piece_at = 0;
        Ok(())
    }

    /// Gives the memory of no message back.
    pub(super) fn let_go(&mut self) {
        if !self.decoder.in_message() {
            self.message = Vec::new();
        }
    }

    /// Gives buffers away when their receiver goes.
    #[inline]
    pub(super) fn rest(&mut self) {
        // More than a little is whole messages, which their reader fetches next.
        if self.plain.len() <= LITTLE {
            self.plain.rest();
        }
        self.cipher.rest();
    }
}

impl Connection {
    /// Receives the next whole message. Any answer but `Done` leaves `message` empty, its memory kept for the next
    /// call; a part of a message that has come stays with the connection.
    pub fn recv(&self, message: &mut Message, wait: Wait) -> Result<Outcome, Error> {
        message.data.clear();
        self.call(wait, |patience| {
            let mut rx = match self.rx.try_lock() {
                Some(rx) => rx,
                None => match self.enter_rx(patience)? {
                    Ok(rx) => rx,
                    Err(over) => return Ok(over.into()),
                },
            };
            // Most messages are whole in the buffer: they go the short way, into the caller's memory and out.
            if rx.whole(message, self.max_message.load(Ordering::Relaxed)) {
                self.arrived.message(message.data.len());
                rx.rest();
                self.leave_rx(rx);
                return Ok(Outcome::Done);
            }
            self.receiving.store(true, Ordering::Relaxed);
            let answer = self.recv_in(&mut rx, message, patience);
            self.stop_receiving(rx);
            answer
        })
    }

    /// The end of what a receiver, or who stands in for one, does with `rx`.
    pub(super) fn stop_receiving(&self, mut rx: MutexGuard<'_, Rx>) {
        let fragments = rx.decoder.take_fragments();
        if fragments > 0 {
            self.link.lock().controls.get_or_insert_default().fragments_received += u64::from(fragments);
        }
        if rx.awake {
            rx.awake = false;
            self.settle(Some(false));
        }
        rx.rest();
        self.receiving.store(false, Ordering::Relaxed);
        self.leave_rx(rx);
    }

    /// Somebody has `rx`: another receiver, who is the fault of this one, or a closer that reads for nobody, who is
    /// awaited; in slices, for a receiver may have come in and not told yet.
    #[cold]
    pub(super) fn enter_rx(&self, patience: Patience<'_>) -> Result<Result<MutexGuard<'_, Rx>, Over>, Error> {
        loop {
            // What its last holder wrote before it let go is seen, so the flag is not an earlier receiver's.
            fence(Ordering::Acquire);
            if self.receiving.load(Ordering::Relaxed) {
                return Err(Error::new(Code::UsageReceiver, "another thread is receiving on this connection"));
            }
            let Wait::Until(slice) = patience.wait.earlier(Wait::for_duration(SLICE)) else {
                // One that does not wait either is awaited, as in `lock_tx`.
                match self.rx.try_lock() {
                    Some(rx) => return Ok(Ok(rx)),
                    None if self.rx_waits.load(Ordering::Relaxed) => return Ok(Err(Over::Never)),
                    None => std::thread::yield_now(),
                }
                continue;
            };
            let entered = self.wait_for_lock(Patience { wait: Wait::Until(slice), ..patience }, |until| {
                self.rx.try_lock_until(until.unwrap_or(slice))
            });
            match entered {
                Err(Over::Time) if patience.over().is_none() => {}
                entered => return Ok(entered),
            }
        }
    }

    fn recv_in(&self, rx: &mut Rx, message: &mut Message, patience: Patience<'_>) -> Ending {
        rx.may_come_whole()?;
        loop {
            if let Some(ready) = rx.ready.pop_front() {
                rx.ready_bytes -= ready.data.len();
                *message = ready;
                return Ok(Outcome::Done);
            }
            if rx.message.capacity() == 0 {
                rx.message = std::mem::take(&mut message.data);
            }
            rx.spent = Spent { grown: rx.message.len(), ..Spent::default() };
            // What a closer has begun to drop nobody gets the rest of.
            let turn = if rx.drains { self.drop_messages(rx, patience) } else { self.next_message(rx, patience) };
            match turn {
                Turn::Message(kind) => {
                    // Compressed ones go through the buffer whatever their size.
                    rx.large = rx.message.len() > LARGE && !rx.decoder.is_deflated();
                    message.kind = kind;
                    message.data = std::mem::take(&mut rx.message);
                    return Ok(Outcome::Done);
                }
                Turn::Ready => rx.let_go(),
                turn => return self.no_message(rx, &mut message.data, turn, patience),
            }
        }
    }

    /// The answer when no message came. `memory` is the caller's, and given back unless a message has begun in it.
    pub(super) fn no_message(&self, rx: &mut Rx, memory: &mut Vec<u8>, turn: Turn, patience: Patience<'_>) -> Ending {
        let answer = match turn {
            Turn::Message(_) | Turn::Ready => Ok(Outcome::Done),
            Turn::Over => match self.see_off(patience) {
                Some(over) => Ok(over.into()),
                None => {
                    rx.told = true;
                    rx.over.clone().unwrap_or(Ok(Outcome::Closed))
                }
            },
            Turn::Impatient(over) => Ok(over.into()),
        };
        if rx.over.is_some() || !rx.decoder.in_message() {
            *memory = std::mem::take(&mut rx.message);
            memory.clear();
        }
        answer
    }

    /// Until a message is whole, the connection is over, or the wait is.
    #[inline]
    pub(super) fn next_message(&self, rx: &mut Rx, patience: Patience<'_>) -> Turn {
        loop {
            if let Some(turn) = self.next_buffered(rx, patience) {
                return turn;
            }
            if let Some(turn) = self.read_more(rx, patience) {
                return turn;
            }
        }
    }

    /// One read, and what it led to by itself.
    #[inline]
    pub(super) fn read_more(&self, rx: &mut Rx, patience: Patience<'_>) -> Option<Turn> {
        match self.fill(rx, patience) {
            Filled::Some(event) => event.and_then(|event| self.meet(rx, event)),
            Filled::Impatient(over) => Some(Turn::Impatient(over)),
            Filled::End(end) => {
                rx.over = Some(self.end(end));
                Some(Turn::Over)
            }
        }
    }

    /// The same from the bytes that were read already; `None` when they do not suffice.
    #[inline]
    pub(super) fn next_buffered(&self, rx: &mut Rx, patience: Patience<'_>) -> Option<Turn> {
        rx.decoder.set_max_message(self.max_message.load(Ordering::Relaxed));
        loop {
            if rx.over.is_some() {
                return Some(Turn::Over);
            }
            let (taken, event) = rx.decoder.decode(rx.plain.filled(), &mut rx.message);
            rx.plain.consume(taken);
            let turn = match event {
                Ok(Some(event)) => self.meet(rx, event).or_else(|| late(patience)),
                Ok(None) => return None,
                Err(violation) => {
                    rx.over = Some(Err(self.fail(violation, Phase::Recv)));
                    Some(Turn::Over)
                }
            };
            if turn.is_some() {
                return turn;
            }
        }
    }

    #[inline]
    pub(super) fn meet(&self, rx: &mut Rx, event: Event) -> Option<Turn> {
        match event {
            Event::Message(kind) => {
                self.arrived.message(if rx.streams { rx.decoder.size() } else { rx.message.len() });
                Some(Turn::Message(kind))
            }
            event => self.meet_control(rx, event),
        }
    }

    #[cold]
    fn meet_control(&self, rx: &mut Rx, event: Event) -> Option<Turn> {
        let control = match event {
            Event::Ping => Control::Ping,
            Event::Pong => Control::Pong,
            Event::Close | Event::Message(_) => Control::Close,
        };
        self.link.lock().controls.get_or_insert_default().received(control);
        let kind = match event {
            Event::Message(_) => return None,
            Event::Ping => {
                if self.answers_pings() {
                    self.answer_ping(rx);
                }
                Kind::Ping
            }
            Event::Pong => {
                self.take_pong(rx);
                Kind::Pong
            }
            Event::Close => {
                rx.over = Some(self.answer_close(rx));
                Kind::Close
            }
        };
        if self.delivers_control() && !matches!(rx.over, Some(Err(_))) {
            rx.keep_control(kind);
            if kind == Kind::Close {
                // The end is told behind it; the peer need not wait for that.
                self.settle(Some(rx.awake));
            }
            return Some(Turn::Ready);
        }
        (kind == Kind::Close).then_some(Turn::Over)
    }

    fn answer_ping(&self, rx: &mut Rx) {
        rx.awake = true;
        let is_full = {
            let mut link = self.link.lock();
            link.awake = true;
            link.owe_pong(rx.decoder.control());
            link.unsent && !self.stream.is_memory()
        };
        // A socket that took no more a moment ago is asked again before the next read, not for every ping.
        if !is_full && rx.spent.pongs < PONGS {
            rx.spent.pongs += 1;
            self.settle(Some(true));
        }
    }

    fn take_pong(&self, rx: &Rx) {
        let mut guard = self.link.lock();
        let link = &mut *guard;
        if let Some(keepalive) = &mut link.keepalive {
            keepalive.pong_came(rx.decoder.control(), now());
            let controls = link.controls.get_or_insert_default();
            controls.round_trip = keepalive.round_trip().or(controls.round_trip);
        }
    }

    /// The peer's close frame has come: owes the answer, which echoes its code (RFC 6455 5.5.1).
    fn answer_close(&self, rx: &Rx) -> Ending {
        let close = match Close::parse(rx.decoder.control()) {
            Ok(close) => close,
            Err(violation) => return Err(self.fail(violation, Phase::Recv)),
        };
        let mut link = self.link.lock();
        link.close_received = true;
        link.pong = None;
        if self.answers_closes() {
            link.owe_close(Close { code: close.code, reason: String::new() }, Wait::Never);
        } else {
            link.hold_close();
        }
        let _ = self.received.set(Box::new(close));
        self.wake_waiters();
        link.ending().unwrap_or(Ok(Outcome::Closed))
    }

    /// Sees the owed close frame off before the end is told: at most until the close limit, after which the socket is
    /// shut, which wakes a sender that is stuck in it. Says why when the caller's wait was over first; later calls go on.
    pub(super) fn see_off(&self, patience: Patience<'_>) -> Option<Over> {
        let by = self.link.lock().end_by;
        let over = self.push(by.map_or(patience, |by| patience.at_most(Wait::Until(by))));
        let (has_failed, is_stuck, has_ended, held_too_long) = {
            let mut link = self.link.lock();
            let held_too_long = link.close_held && by.is_some_and(|by| by <= now());
            // The close frame that was left to the program never left: who closes now is told so.
            link.timed_out |= held_too_long;
            (link.failure.is_some(), link.send_failure.is_some(), link.eof && self.stream.is_memory(), held_too_long)
        };
        if has_ended {
            // The caller knows the end already, and what is left to write is shown to it as before.
            return None;
        }
        if over.is_some() && by.is_none_or(|by| by > now()) {
            return over;
        }
        if over.is_some() || is_stuck || held_too_long {
            self.stream.shutdown();
        } else if has_failed {
            self.take_leave();
            self.stream.shutdown_write();
            self.linger(patience);
        }
        None
    }

    /// Behind the close frame of a failure: reads away what the server still sends until it ends the stream, but not
    /// for long. Bytes that meet a closed socket are answered with a reset, and a server that is still writing then gives
    /// up before it reads why (RFC 6455 7.1.1 has trailing bytes discarded too).
    fn linger(&self, patience: Patience<'_>) {
        let patience = patience.at_most(Wait::for_duration(LINGER));
        let mut away = [0; 4096];
        while patience.wait != Wait::Never && !self.link.lock().eof {
            match self.stream.recv(&mut away, false) {
                Ok(n) if n > 0 && patience.over().is_none() => continue,
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && self.stream.poll(true, false, patience).is_ok_and(|ready| ready.over.is_none()) =>
                {
                    continue;
                }
                _ => {}
            }
            self.stream.shutdown();
            self.link.lock().eof = true;
        }
    }
}

/// A buffer full of pings takes its time, each being answered. Who never waits gets what is in the buffer all the same.
#[cold]
pub(super) fn late(patience: Patience<'_>) -> Option<Turn> {
    if patience.wait == Wait::Never { None } else { patience.over().map(Turn::Impatient) }
}
