//! Receiving: decode what is there, else read more, and see to what is owed before sleeping.

use std::io;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::connection::{Connection, Outcome, Rx, Spent};
use super::link::Link;
use crate::error::{Code, Error, Phase};
use crate::net::tls::Opened;
use crate::protocol::close::Close;
use crate::protocol::decoder::Event;
use crate::protocol::message::{Kind, Message};
use crate::wait::Wait;

/// The most plaintext that one turn with the link opens.
const PORTION: usize = 64 * 1024;

/// Payload from this size on is read straight into the message.
const DIRECT: u64 = 4096;

/// How much is read when a large message is expected: its header and little of its payload.
const HEADER_READ: usize = 1024;

/// How long a failed connection waits for the server to take its close frame and end the stream.
const LINGER: Duration = Duration::from_secs(1);

/// The size above which a message counts as large.
const LARGE: usize = 32 * 1024;

/// Up to so many bytes are not left in a buffer of the pool when a receiver goes.
const LITTLE: usize = 1024;

/// How long a receiver waits for `rx` before it looks again at who holds it.
const SLICE: Duration = Duration::from_millis(10);

/// How often a call that never waits reads on though its message does not grow.
const READS: u32 = 4;

/// What a turn of the receiving side led to.
pub(super) enum Turn {
    /// The message in `rx.message` is whole.
    Message(Kind),
    /// The connection is over; `rx.over` tells how.
    Over,
    /// The time was over first.
    Impatient,
}

/// How a connection ended, as a receiver is told.
pub(super) type Ending = Result<Outcome, Error>;

/// `Ok(Some(event))` when something came (and, read straight into a message, what that made whole), `Ok(None)` when the
/// time was over, `Err` with the ending when nothing will come any more.
type Filled = Result<Option<Option<Event>>, Ending>;

/// What reading led to.
enum Read {
    Bytes(usize),
    Impatient,
}

impl Rx {
    /// Takes the next message when it is whole in the buffer.
    #[inline]
    fn whole(&mut self, message: &mut Message, max_message: u64) -> bool {
        if !self.ready.is_empty() || self.over.is_some() {
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

    /// Asked before each read of a call: whether it has read what its time is good for. The clock alone does not tell
    /// where a wait never begins, because the server sends faster than we read.
    #[inline]
    fn is_spent(&mut self, wait: Wait) -> bool {
        if self.message.len() > self.spent.grown {
            self.spent = Spent { reads: 0, grown: self.message.len() };
        }
        self.spent.reads += 1;
        match wait {
            Wait::Forever => false,
            // The first read is everybody's: what is there already is not waited for.
            Wait::Until(_) => self.spent.reads > 1 && wait.is_over(),
            Wait::Never => self.spent.reads > READS,
        }
    }

    /// Gives buffers away when their receiver goes.
    #[inline]
    fn rest(&mut self) {
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
        self.check_process()?;
        let rx = match self.rx.try_lock() {
            Some(rx) => Some(rx),
            None => self.enter_rx(wait)?,
        };
        let Some(mut rx) = rx else { return Ok(Outcome::of_impatience(wait)) };
        // Most messages are whole in the buffer: they go the short way, into the caller's memory and out.
        if rx.whole(message, self.max_message.load(Ordering::Relaxed)) {
            rx.rest();
            self.leave_rx(rx);
            return Ok(Outcome::Done);
        }
        self.receiving.store(true, Ordering::Relaxed);
        let answer = self.recv_in(&mut rx, message, wait);
        if rx.awake {
            rx.awake = false;
            self.settle(false);
        }
        rx.rest();
        self.receiving.store(false, Ordering::Relaxed);
        self.leave_rx(rx);
        answer
    }

    /// Somebody has `rx`: another receiver, who is the fault of this one, or a closer that reads for nobody, who is
    /// awaited; in slices, for a receiver may have come in and not told yet.
    #[cold]
    fn enter_rx(&self, wait: Wait) -> Result<Option<MutexGuard<'_, Rx>>, Error> {
        loop {
            // What its last holder wrote before it let go is seen, so the flag is not an earlier receiver's.
            fence(Ordering::Acquire);
            if self.receiving.load(Ordering::Relaxed) {
                return Err(Error::new(Code::UsageReceiver, "another thread is receiving on this connection"));
            }
            let slice = wait.earlier(Wait::for_duration(SLICE));
            let rx = match slice {
                Wait::Until(moment) => self.rx.try_lock_until(moment),
                _ => self.rx.try_lock(),
            };
            if rx.is_some() || wait.is_over() {
                return Ok(rx);
            }
        }
    }

    fn recv_in(&self, rx: &mut Rx, message: &mut Message, wait: Wait) -> Ending {
        if let Some(ready) = rx.ready.pop_front() {
            *message = ready;
            return Ok(Outcome::Done);
        }
        if rx.message.capacity() == 0 {
            rx.message = std::mem::take(&mut message.data);
        }
        rx.spent = Spent { reads: 0, grown: rx.message.len() };
        let answer = match self.next_message(rx, wait) {
            Turn::Message(kind) => {
                rx.large = rx.message.len() > LARGE;
                message.kind = kind;
                message.data = std::mem::take(&mut rx.message);
                return Ok(Outcome::Done);
            }
            Turn::Over if self.see_off(wait) => rx.over.clone().unwrap_or(Ok(Outcome::Closed)),
            Turn::Over | Turn::Impatient => Ok(Outcome::of_impatience(wait)),
        };
        if rx.over.is_some() || !rx.decoder.in_message() {
            message.data = std::mem::take(&mut rx.message);
            message.data.clear();
        }
        answer
    }

    /// Until a message is whole, the connection is over, or the time is.
    #[inline]
    pub(super) fn next_message(&self, rx: &mut Rx, wait: Wait) -> Turn {
        loop {
            if let Some(turn) = self.next_buffered(rx, wait) {
                return turn;
            }
            let turn = match self.fill(rx, wait) {
                Ok(Some(event)) => event.and_then(|event| self.meet(rx, event)),
                Ok(None) => Some(Turn::Impatient),
                Err(ending) => {
                    rx.over = Some(ending);
                    Some(Turn::Over)
                }
            };
            if let Some(turn) = turn {
                return turn;
            }
        }
    }

    /// The same from the bytes that were read already; `None` when they do not suffice.
    #[inline]
    pub(super) fn next_buffered(&self, rx: &mut Rx, wait: Wait) -> Option<Turn> {
        rx.decoder.set_max_message(self.max_message.load(Ordering::Relaxed));
        loop {
            if rx.over.is_some() {
                return Some(Turn::Over);
            }
            let (taken, event) = rx.decoder.decode(rx.plain.filled(), &mut rx.message);
            rx.plain.consume(taken);
            let turn = match event {
                Ok(Some(event)) => self.meet(rx, event).or_else(|| late(wait)),
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
    fn meet(&self, rx: &mut Rx, event: Event) -> Option<Turn> {
        match event {
            Event::Message(kind) => Some(Turn::Message(kind)),
            event => self.meet_control(rx, event),
        }
    }

    #[cold]
    fn meet_control(&self, rx: &mut Rx, event: Event) -> Option<Turn> {
        match event {
            Event::Message(_) => {}
            Event::Ping => self.answer_ping(rx),
            Event::Pong => {}
            Event::Close => {
                rx.over = Some(self.answer_close(rx));
                return Some(Turn::Over);
            }
        }
        None
    }

    fn answer_ping(&self, rx: &mut Rx) {
        rx.awake = true;
        {
            let mut link = self.link.lock();
            link.awake = true;
            link.owe_pong(rx.decoder.control());
        }
        self.settle(true);
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
        link.owe_close(Close { code: close.code, reason: String::new() });
        let _ = self.received.set(close);
        self.wake_waiters();
        link.ending().unwrap_or(Ok(Outcome::Closed))
    }

    /// Sees the owed close frame off before the end is told: at most until the close limit, after which the socket is
    /// shut, which wakes a sender that is stuck in it. False when the caller's time was over first; later calls go on.
    fn see_off(&self, wait: Wait) -> bool {
        let by = self.link.lock().end_by;
        let out = self.push(by.map_or(wait, |by| wait.earlier(Wait::Until(by))));
        let (failed, stuck) = {
            let link = self.link.lock();
            (link.failure.is_some(), link.send_failure.is_some())
        };
        if out && failed {
            self.take_leave();
            self.stream.shutdown_write();
            self.linger(wait);
        }
        if !out && (stuck || by.is_some_and(|by| by <= Instant::now())) {
            self.stream.shutdown();
            return true;
        }
        out
    }

    /// Behind the close frame of a failure: reads away what the server still sends until it ends the stream, but not
    /// for long. Bytes that meet a closed socket are answered with a reset, and a server that is still writing then gives
    /// up before it reads why (RFC 6455 7.1.1 has trailing bytes discarded too).
    fn linger(&self, wait: Wait) {
        let wait = wait.earlier(Wait::for_duration(LINGER));
        let mut away = [0; 4096];
        while wait != Wait::Never && !self.link.lock().eof {
            match self.stream.recv(&mut away, false) {
                Ok(n) if n > 0 && !wait.is_over() => continue,
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && self.stream.poll(true, false, wait).is_ok_and(|ready| ready.read) =>
                {
                    continue;
                }
                _ => {}
            }
            self.stream.shutdown();
            self.link.lock().eof = true;
        }
    }

    /// Reads more.
    pub(super) fn fill(&self, rx: &mut Rx, wait: Wait) -> Filled {
        if self.secure {
            return self.fill_secure(rx, wait);
        }
        if rx.is_spent(wait) {
            return Ok(None);
        }
        let direct = rx.decoder.direct();
        if direct >= DIRECT && rx.plain.is_empty() {
            return self.fill_direct(rx, direct, wait);
        }
        let size = if rx.large { HEADER_READ } else { self.read_size };
        let buffer = &mut rx.plain;
        let read = self.read_socket(wait, |block| {
            let room = buffer.room(size.min(1024)).map_err(|_| io::ErrorKind::OutOfMemory)?;
            let most = room.len().min(size);
            self.stream.recv(&mut room[..most], block)
        });
        match read {
            Ok(Read::Bytes(0)) => Err(self.lost(ended())),
            Ok(Read::Bytes(n)) => {
                rx.plain.fill(n);
                Ok(Some(None))
            }
            Ok(Read::Impatient) => Ok(None),
            Err(cause) => Err(self.lost(broken(&cause))),
        }
    }

    /// A large payload is read straight into the message's own memory.
    fn fill_direct(&self, rx: &mut Rx, most: u64, wait: Wait) -> Filled {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        rx.decoder.reserve(&mut rx.message).map_err(|error| Err(self.fail(error, Phase::Recv)))?;
        let message = &mut rx.message;
        let read = self.read_socket(wait, |block| {
            // One byte stays free: the NUL that the C border puts behind the payload must not move it.
            let most = most.min(message.capacity() - message.len() - 1);
            self.stream.recv_behind(message, most, block)
        });
        match read {
            Ok(Read::Bytes(0)) => Err(self.lost(ended())),
            Ok(Read::Bytes(n)) => match rx.decoder.read_direct(&rx.message, n) {
                Ok(event) => Ok(Some(event)),
                Err(violation) => Err(Err(self.fail(violation, Phase::Recv))),
            },
            Ok(Read::Impatient) => Ok(None),
            Err(cause) => Err(self.lost(broken(&cause))),
        }
    }

    /// Opens what is there; reads sealed bytes when that yields nothing.
    fn fill_secure(&self, rx: &mut Rx, wait: Wait) -> Filled {
        loop {
            let before = rx.plain.len();
            let (opened, answers) = {
                let mut link = self.link.lock();
                let Link { tls, tls_out, .. } = &mut *link;
                let Some(tls) = tls else { return Err(Err(self.fail(no_tls(), Phase::Recv))) };
                (tls.open(&mut rx.cipher, &mut rx.plain, PORTION, tls_out), !tls_out.is_empty())
            };
            if answers {
                self.settle(rx.awake);
            }
            let opened = opened.map_err(|error| Err(self.fail(error, Phase::Recv)))?;
            if rx.plain.len() > before {
                return Ok(Some(None));
            }
            match opened {
                Opened::Bounded => continue,
                Opened::Closed => return Err(self.lost(ended())),
                Opened::More => {}
            }
            if rx.is_spent(wait) {
                return Ok(None);
            }
            rx.plain.rest();
            let size = self.read_size;
            let cipher = &mut rx.cipher;
            let read = self.read_socket(wait, |block| {
                let room = cipher.room(1024).map_err(|_| io::ErrorKind::OutOfMemory)?;
                let most = room.len().min(size);
                self.stream.recv(&mut room[..most], block)
            });
            match read {
                Ok(Read::Bytes(0)) => return Err(self.lost(truncated())),
                Ok(Read::Bytes(n)) => rx.cipher.fill(n),
                Ok(Read::Impatient) => return Ok(None),
                Err(cause) => return Err(self.lost(broken(&cause))),
            }
        }
    }

    /// One read from the socket, sleeping as long as `wait` allows. Before it sleeps it sees to what is owed; while
    /// bytes are unsent it waits for both directions. In the plain case it is one system call.
    fn read_socket(&self, wait: Wait, mut read: impl FnMut(bool) -> io::Result<usize>) -> io::Result<Read> {
        loop {
            let unsent = self.settle(false);
            let block = wait == Wait::Forever && !unsent;
            match read(block) {
                Ok(n) => return Ok(Read::Bytes(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if wait.is_over() {
                return Ok(Read::Impatient);
            }
            self.stream.poll(true, unsent, wait)?;
        }
    }
}

/// A buffer full of pings takes its time, each being answered. Who never waits gets what is in the buffer all the same.
#[cold]
fn late(wait: Wait) -> Option<Turn> {
    (matches!(wait, Wait::Until(_)) && wait.is_over()).then_some(Turn::Impatient)
}

fn ended() -> Error {
    Error::new(Code::Abnormal, "the server ended the connection without a close frame")
}

fn truncated() -> Error {
    Error::new(Code::AbnormalTruncated, "the server's TLS stream ended without close_notify: it may have been cut")
}

fn broken(cause: &io::Error) -> Error {
    if cause.kind() == io::ErrorKind::OutOfMemory {
        return Error::new(Code::LimitMemory, "there is no memory to read into");
    }
    Error::from_io(Code::Abnormal, "the connection was lost", cause)
}

fn no_tls() -> Error {
    Error::new(Code::Internal, "there is no TLS to open with")
}
