//! Reading: more bytes from the stream, opened if they are sealed, as far as the caller's patience goes. Before a reader
//! sleeps it sees to what is owed.

use std::collections::TryReserveError;
use std::io;
use std::time::Instant;

use super::calls::is_cancelled;
use super::connection::{Connection, Rx, Spent};
use super::link::Link;
use super::recv::Ending;
use crate::buffer::Buffer;
use crate::error::{Code, Error, Phase};
use crate::net::tls::{Opened, Sink};
use crate::protocol::decoder::{Decoder, Event};
use crate::wait::{Over, Patience, Wait, now};

/// The most plaintext that one turn with the link opens.
const PORTION: usize = 64 * 1024;

/// Payload from this size on is read straight into the message.
const DIRECT: u64 = 4096;

/// How much is read when a large message is expected: its header and little of its payload.
const HEADER_READ: usize = 1024;

/// How often a call that never waits reads on though its message does not grow.
const READS: u32 = 4;

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
}

/// Where opened bytes go: payload of large frames straight into the message, all else into the buffer.
struct Straight<'a> {
    decoder: &'a mut Decoder,
    message: &'a mut Vec<u8>,
    plain: &'a mut Buffer,
    /// There is a message to go to.
    has_message: bool,
    /// How much came.
    opened: usize,
    event: Result<Option<Event>, Error>,
}

impl Sink for Straight<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<bool, TryReserveError> {
        self.opened += bytes.len();
        let mut taken = 0;
        if self.has_message && self.plain.is_empty() && matches!(self.event, Ok(None)) {
            (taken, self.event) = self.decoder.decode_large(bytes, DIRECT, self.message);
        }
        if taken < bytes.len() {
            self.plain.extend(&bytes[taken..])?;
        }
        // What the whole message is followed by need not be copied before it is asked for.
        Ok(matches!(self.event, Ok(None)))
    }
}

impl Rx {
    /// Whether we have just asked for what is to be read: an answer to the handshake, or to our close frame.
    fn awaits_answer(&self) -> bool {
        self.opening.is_some() || (self.drains && self.over.is_none())
    }
}

impl Connection {
    /// Reads more.
    pub(super) fn fill(&self, rx: &mut Rx, patience: Patience<'_>) -> Filled {
        let filled = if self.secure && !rx.in_clear {
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
        let size = if rx.large { HEADER_READ } else { self.read_size() };
        let awaits = rx.awaits_answer();
        let buffer = &mut rx.plain;
        let read = self.read_socket(patience, awaits, |block| {
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
        let read = self.read_socket(patience, false, |block| self.stream.recv_behind(message, most, block));
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

    /// The same into the memory that a piece goes to; `put` is how much came. `None` where it must go through a buffer.
    pub(super) fn fill_piece(
        &self,
        rx: &mut Rx,
        to: &mut [u8],
        put: &mut usize,
        patience: Patience<'_>,
    ) -> Option<Filled> {
        let awaited = rx.decoder.direct();
        // Behind a large payload's last bytes is a header, and perhaps the next large one: they are read with little else.
        let is_worth_it = awaited >= DIRECT || (awaited > 0 && rx.large);
        if self.secure || !rx.plain.is_empty() || rx.input.is_some() || (to.len() as u64) < DIRECT || !is_worth_it {
            rx.large &= awaited == 0;
            return None;
        }
        if let Some(over) = rx.is_spent(patience) {
            rx.dry = true;
            return Some(Filled::Impatient(over));
        }
        rx.large = true;
        let most = to.len().min(usize::try_from(awaited).unwrap_or(usize::MAX));
        let read = self.read_socket(patience, false, |block| self.stream.recv(&mut to[..most], block));
        rx.dry = matches!(read, Ok(Read::Impatient(_)));
        Some(match read {
            Ok(Read::Bytes(0)) => Filled::End(End::Eof),
            Ok(Read::Bytes(n)) => match rx.decoder.read_direct(&to[..n], n) {
                Ok(event) => {
                    *put = n;
                    Filled::Some(event)
                }
                Err(violation) => Filled::End(End::Failed(violation)),
            },
            Ok(Read::Impatient(over)) => Filled::Impatient(over),
            Err(cause) => Filled::End(End::Broken(cause)),
        })
    }

    /// Opens what is there; reads sealed bytes when that yields nothing.
    fn fill_secure(&self, rx: &mut Rx, patience: Patience<'_>) -> Filled {
        loop {
            if let Some(filled) = self.open_sealed(rx) {
                return filled;
            }
            if let Some(over) = rx.is_spent(patience) {
                return Filled::Impatient(over);
            }
            rx.plain.rest();
            let size = self.read_size();
            let awaits = rx.awaits_answer();
            let cipher = &mut rx.cipher;
            let read = self.read_socket(patience, awaits, |block| {
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

    /// Opens what was read already; `None` when that yields nothing.
    pub(super) fn open_sealed(&self, rx: &mut Rx) -> Option<Filled> {
        loop {
            // A message in pieces goes elsewhere.
            let has_message = rx.opening.is_none() && rx.over.is_none() && !rx.streams;
            let Rx { cipher, decoder, message, plain, .. } = rx;
            let mut to = Straight { decoder, message, plain, has_message, opened: 0, event: Ok(None) };
            let (opened, has_answers, shakes_hands) = {
                let mut link = self.link.lock();
                let Link { tls, tls_out, .. } = &mut *link;
                let Some(tls) = tls else { return Some(Filled::End(End::Failed(no_tls()))) };
                let shook = tls.is_handshaking();
                let opened = tls.open(cipher, &mut to, PORTION, tls_out);
                (opened, !tls_out.is_empty(), shook && !tls.is_handshaking())
            };
            let (has_more, event) = (to.opened > 0, to.event);
            // What ends a handshake goes out with the request behind it.
            let has_company = shakes_hands && opened.is_ok();
            if has_answers && !has_company {
                self.settle(Some(rx.awake));
            }
            match (event, opened) {
                (Err(error), _) => return Some(Filled::End(End::Failed(error))),
                // A failure behind what was opened is met again behind it.
                (Ok(event), _) if has_more => return Some(Filled::Some(event)),
                (_, Err(error)) => return Some(Filled::End(End::Failed(error))),
                (_, Ok(_)) if shakes_hands => return Some(Filled::Some(None)),
                (_, Ok(Opened::Bounded)) => {}
                (_, Ok(Opened::Closed)) => return Some(Filled::End(End::Eof)),
                (_, Ok(Opened::Cut)) => return Some(Filled::End(End::Truncated)),
                (_, Ok(Opened::More)) => return None,
            }
        }
    }

    /// One read from the socket, sleeping as long as `patience` allows. Before it sleeps it sees to what is owed; while
    /// bytes are unsent it waits for both directions. In the plain case it is one system call. With `awaits` nothing is
    /// there yet in all likelihood: it looks for something only after it has slept.
    fn read_socket(
        &self,
        patience: Patience<'_>,
        awaits: bool,
        mut read: impl FnMut(bool) -> io::Result<usize>,
    ) -> io::Result<Read> {
        let mut sleeps_first = awaits && !patience.may_block() && patience.wait != Wait::Never;
        loop {
            let next_ping = self.tick();
            let unsent = self.settle(Some(false));
            if !std::mem::take(&mut sleeps_first) {
                match read(patience.may_block() && !unsent && next_ping.is_none()) {
                    Ok(n) => {
                        self.arrived.wire(n);
                        self.note_bytes();
                        return Ok(Read::Bytes(n));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
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

    /// The end of what comes is the end of the connection.
    pub(super) fn end(&self, end: End) -> Ending {
        match end {
            End::Eof => self.lost(ended()),
            End::Truncated => self.lost(truncated()),
            End::Broken(cause) => self.lost(broken(&cause)),
            End::Failed(error) => Err(self.fail(error, Phase::Recv)),
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
        let sure = !self.stream.is_memory();
        self.keeps_alive && self.link.lock().keepalive.as_mut().is_some_and(|k| k.is_overdue(now(), sure))
    }
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
