//! Receiving: decode what is there, else read more, and see to what is owed before sleeping.

use std::io;
use std::time::{Duration, Instant};

use super::connection::{Connection, Outcome, Rx, Spent, is_cancelled};
use super::link::Link;
use super::sync::{MutexGuard, Ordering, fence};
use crate::error::{Code, Error, Phase};
use crate::net::tls::Opened;
use crate::protocol::close::Close;
use crate::protocol::decoder::Event;
use crate::protocol::message::{Kind, Message};
use crate::wait::{Over, Patience, Wait, now};

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

/// So many pings of one read are answered one by one, as most peers expect; of more only the newest (RFC 6455 5.5.3), or
/// a buffer full of them would keep a call for thousands of writes.
const PONGS: u32 = 64;

/// What a turn of the receiving side led to.
pub(super) enum Turn {
    /// The message in `rx.message` is whole.
    Message(Kind),
    /// The connection is over; `rx.over` tells how.
    Over,
    /// The wait was over first.
    Impatient(Over),
}

/// How a connection ended, as a receiver is told.
pub(super) type Ending = Result<Outcome, Error>;

/// What reading more led to.
pub(super) enum Filled {
    /// Something came, and, read straight into a message, made this whole.
    Some(Option<Event>),
    /// The wait was over first.
    Impatient(Over),
    /// Nothing will come any more.
    End(End),
}

/// Why nothing will come any more.
pub(super) enum End {
    /// The end of the stream, with close_notify if there is TLS.
    Eof,
    /// The end of a TLS stream without close_notify.
    Truncated,
    /// The socket failed.
    Broken(io::Error),
    /// What came cannot be.
    Failed(Error),
}

/// What one read from the socket led to.
enum Read {
    Bytes(usize),
    Impatient(Over),
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
    /// where a wait never begins, because the server sends faster than we read; nor does a token.
    #[inline]
    fn is_spent(&mut self, patience: Patience<'_>) -> Option<Over> {
        if self.message.len() > self.spent.grown {
            self.spent = Spent { grown: self.message.len(), ..Spent::default() };
        }
        self.spent.reads += 1;
        self.spent.pongs = 0;
        match patience.wait {
            // The first read is everybody's: what is there already is not waited for.
            _ if self.spent.reads == 1 => None,
            Wait::Never => (self.spent.reads > READS).then_some(Over::Never),
            _ if is_cancelled(patience) => Some(Over::Cancelled),
            _ => patience.over(),
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
        if let Some(ready) = rx.ready.pop_front() {
            rx.ready_bytes -= ready.data.len();
            *message = ready;
            return Ok(Outcome::Done);
        }
        if rx.message.capacity() == 0 {
            rx.message = std::mem::take(&mut message.data);
        }
        rx.spent = Spent { grown: rx.message.len(), ..Spent::default() };
        let answer = match self.next_message(rx, patience) {
            Turn::Message(kind) => {
                rx.large = rx.message.len() > LARGE;
                message.kind = kind;
                message.data = std::mem::take(&mut rx.message);
                return Ok(Outcome::Done);
            }
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
            message.data = std::mem::take(&mut rx.message);
            message.data.clear();
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
            let turn = match self.fill(rx, patience) {
                Filled::Some(event) => event.and_then(|event| self.meet(rx, event)),
                Filled::Impatient(over) => Some(Turn::Impatient(over)),
                Filled::End(end) => {
                    rx.over = Some(self.end(end));
                    Some(Turn::Over)
                }
            };
            if let Some(turn) = turn {
                return turn;
            }
        }
    }

    /// The end of what comes is the end of the connection.
    pub(super) fn end(&self, end: End) -> Ending {
        match end {
            End::Eof => self.lost(ended()),
            End::Truncated => self.lost(truncated()),
            End::Broken(cause) => self.lost(broken(&cause)),
            End::Failed(error) => Err(self.fail(error, Phase::Recv)),
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
            Event::Pong => self.take_pong(rx),
            Event::Close => {
                rx.over = Some(self.answer_close(rx));
                return Some(Turn::Over);
            }
        }
        None
    }

    fn answer_ping(&self, rx: &mut Rx) {
        rx.awake = true;
        let is_full = {
            let mut link = self.link.lock();
            link.awake = true;
            link.owe_pong(rx.decoder.control());
            link.unsent
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
            link.round_trip = keepalive.round_trip().or(link.round_trip);
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
        link.owe_close(Close { code: close.code, reason: String::new() }, Wait::Never);
        let _ = self.received.set(Box::new(close));
        self.wake_waiters();
        link.ending().unwrap_or(Ok(Outcome::Closed))
    }

    /// Sees the owed close frame off before the end is told: at most until the close limit, after which the socket is
    /// shut, which wakes a sender that is stuck in it. Says why when the caller's wait was over first; later calls go on.
    pub(super) fn see_off(&self, patience: Patience<'_>) -> Option<Over> {
        let by = self.link.lock().end_by;
        let over = self.push(by.map_or(patience, |by| patience.at_most(Wait::Until(by))));
        let (has_failed, is_stuck, has_ended) = {
            let link = self.link.lock();
            (link.failure.is_some(), link.send_failure.is_some(), link.eof && self.stream.is_memory())
        };
        if has_ended {
            // The caller knows the end already, and what is left to write is shown to it as before.
            return None;
        }
        if over.is_some() && by.is_none_or(|by| by > now()) {
            return over;
        }
        if over.is_some() || is_stuck {
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

    /// Reads more.
    pub(super) fn fill(&self, rx: &mut Rx, patience: Patience<'_>) -> Filled {
        let filled = if self.secure {
            self.fill_secure(rx, patience)
        } else if let Some(over) = rx.is_spent(patience) {
            Filled::Impatient(over)
        } else if rx.decoder.direct() >= DIRECT && rx.plain.is_empty() && rx.input.is_none() {
            self.fill_direct(rx, patience)
        } else {
            self.fill_plain(rx, patience)
        };
        rx.dry = matches!(filled, Filled::Impatient(_));
        filled
    }

    fn fill_plain(&self, rx: &mut Rx, patience: Patience<'_>) -> Filled {
        let size = if rx.large { HEADER_READ } else { self.read_size };
        let buffer = &mut rx.plain;
        let read = self.read_socket(patience, |block| {
            if self.stream.is_memory() {
                return self.stream.recv(&mut [0], block);
            }
            let room = buffer.room(size.min(1024)).map_err(|_| io::ErrorKind::OutOfMemory)?;
            let most = room.len().min(size);
            self.stream.recv(&mut room[..most], block)
        });
        match read {
            Ok(Read::Bytes(0)) => Filled::End(End::Eof),
            Ok(Read::Bytes(n)) => {
                rx.plain.fill(n);
                Filled::Some(None)
            }
            Ok(Read::Impatient(over)) => Filled::Impatient(over),
            Err(cause) => Filled::End(End::Broken(cause)),
        }
    }

    /// A large payload is read straight into the message's own memory.
    fn fill_direct(&self, rx: &mut Rx, patience: Patience<'_>) -> Filled {
        let most = usize::try_from(rx.decoder.direct()).unwrap_or(usize::MAX);
        if let Err(error) = rx.decoder.reserve(&mut rx.message) {
            return Filled::End(End::Failed(error));
        }
        let message = &mut rx.message;
        let read = self.read_socket(patience, |block| self.stream.recv_behind(message, most, block));
        match read {
            Ok(Read::Bytes(0)) => Filled::End(End::Eof),
            Ok(Read::Bytes(n)) => match rx.decoder.read_direct(&rx.message, n) {
                Ok(event) => Filled::Some(event),
                Err(violation) => Filled::End(End::Failed(violation)),
            },
            Ok(Read::Impatient(over)) => Filled::Impatient(over),
            Err(cause) => Filled::End(End::Broken(cause)),
        }
    }

    /// Opens what is there; reads sealed bytes when that yields nothing.
    fn fill_secure(&self, rx: &mut Rx, patience: Patience<'_>) -> Filled {
        loop {
            let before = rx.plain.len();
            let (opened, has_answers, shakes_hands) = {
                let mut link = self.link.lock();
                let Link { tls, tls_out, .. } = &mut *link;
                let Some(tls) = tls else { return Filled::End(End::Failed(no_tls())) };
                let shook = tls.is_handshaking();
                let opened = tls.open(&mut rx.cipher, &mut rx.plain, PORTION, tls_out);
                (opened, !tls_out.is_empty(), shook && !tls.is_handshaking())
            };
            if has_answers {
                self.settle(Some(rx.awake));
            }
            match opened {
                Err(error) => return Filled::End(End::Failed(error)),
                Ok(_) if rx.plain.len() > before || shakes_hands => return Filled::Some(None),
                Ok(Opened::Bounded) => continue,
                Ok(Opened::Closed) => return Filled::End(End::Eof),
                Ok(Opened::More) => {}
            }
            if let Some(over) = rx.is_spent(patience) {
                return Filled::Impatient(over);
            }
            rx.plain.rest();
            let size = self.read_size;
            let cipher = &mut rx.cipher;
            let read = self.read_socket(patience, |block| {
                if self.stream.is_memory() {
                    return self.stream.recv(&mut [0], block);
                }
                let room = cipher.room(1024).map_err(|_| io::ErrorKind::OutOfMemory)?;
                let most = room.len().min(size);
                self.stream.recv(&mut room[..most], block)
            });
            match read {
                Ok(Read::Bytes(0)) => return Filled::End(End::Truncated),
                Ok(Read::Bytes(n)) => rx.cipher.fill(n),
                Ok(Read::Impatient(over)) => return Filled::Impatient(over),
                Err(cause) => return Filled::End(End::Broken(cause)),
            }
        }
    }

    /// One read from the socket, sleeping as long as `patience` allows. Before it sleeps it sees to what is owed; while
    /// bytes are unsent it waits for both directions. In the plain case it is one system call.
    fn read_socket(&self, patience: Patience<'_>, mut read: impl FnMut(bool) -> io::Result<usize>) -> io::Result<Read> {
        loop {
            let next_ping = self.tick();
            let unsent = self.settle(Some(false));
            match read(patience.may_block() && !unsent && next_ping.is_none()) {
                Ok(n) => {
                    self.note_bytes();
                    return Ok(Read::Bytes(n));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.is_peer_dead() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if let Some(over) = patience.over() {
                return Ok(Read::Impatient(over));
            }
            let until = next_ping.map_or(patience, |next| patience.at_most(Wait::Until(next)));
            let over = self.stream.poll(true, unsent, until)?.over;
            if let Some(over @ (Over::Cancelled | Over::Interrupted)) = over {
                return Ok(Read::Impatient(over));
            }
        }
    }

    /// Owes a ping when it is time for one. Says when to look again, if there are pings.
    pub(super) fn tick(&self) -> Option<Instant> {
        if !self.keeps_alive {
            return None;
        }
        self.link.lock().keepalive.as_mut().map(|keepalive| keepalive.tick(now()))
    }

    pub(super) fn note_bytes(&self) {
        if self.keeps_alive
            && let Some(keepalive) = &mut self.link.lock().keepalive
        {
            keepalive.bytes_came(now());
        }
    }

    fn is_peer_dead(&self) -> bool {
        self.keeps_alive && self.link.lock().keepalive.as_ref().is_some_and(|k| k.is_overdue(now()))
    }
}

/// A buffer full of pings takes its time, each being answered. Who never waits gets what is in the buffer all the same.
#[cold]
fn late(patience: Patience<'_>) -> Option<Turn> {
    if patience.wait == Wait::Never { None } else { patience.over().map(Turn::Impatient) }
}

fn ended() -> Error {
    Error::new(Code::Abnormal, "the server ended the connection without a close frame")
}

fn truncated() -> Error {
    Error::new(Code::AbnormalTruncated, "the server's TLS stream ended without close_notify: it may have been cut")
}

fn broken(cause: &io::Error) -> Error {
    if cause.kind() == io::ErrorKind::TimedOut && cause.raw_os_error().is_none() {
        return Error::new(Code::AbnormalPing, "the server did not answer a keepalive ping in time");
    }
    if cause.kind() == io::ErrorKind::OutOfMemory {
        return Error::new(Code::LimitMemory, "there is no memory to read into");
    }
    Error::from_io(Code::Abnormal, "the connection was lost", cause)
}

fn no_tls() -> Error {
    Error::new(Code::Internal, "there is no TLS to open with")
}
