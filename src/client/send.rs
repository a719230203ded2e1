//! Sending: everything that leaves goes through `tx`, and whoever holds `tx` leaves by the link.

use std::io;

use super::connection::{Connection, Outcome, Tx};
use super::deflate::Deflating;
use super::link::Link;
use super::sync::{MutexGuard, Ordering, yield_now};
use crate::buffer::Buffer;
use crate::error::{Code, Error, Phase};
use crate::net::random;
use crate::protocol::encoder::{self, Control, MAX_CONTROL, MAX_HEADER};
use crate::protocol::mask::copy_masked;
use crate::protocol::message::Kind;
use crate::protocol::utf8::is_utf8;
use crate::wait::{Over, Patience, Wait, now};

/// Unsent bytes above which nothing more is taken.
pub(super) const UNSENT_LIMIT: usize = 1 << 20;

/// The most that is sealed in one turn: bounds how long the link is held. Whole records.
pub(super) const SEALED: usize = 64 * 1024;

/// Unsent bytes above which, over memory, no answers to pings are put behind them: so many as one read may bring.
const REPLIES: usize = 8 * 1024;

/// A message up to here is framed on the stack.
pub(super) const SMALL: usize = 1024;

/// One up to here in a few cache lines of it.
const TINY: usize = 112;

impl Connection {
    /// Sends one whole message. `Timeout` and `Again` mean *not taken*; once its first byte is taken the answer is
    /// `Done` or `Pending`, whatever ended the wait. It is compressed where that is agreed, on and worth it.
    pub fn send(&self, kind: Kind, data: &[u8], wait: Wait) -> Result<Outcome, Error> {
        self.send_whole(kind, data, true, wait)
    }

    /// The same for a message that is never compressed: because it is compressed already, or holds a secret beside what
    /// others chose.
    pub fn send_uncompressed(&self, kind: Kind, data: &[u8], wait: Wait) -> Result<Outcome, Error> {
        self.send_whole(kind, data, false, wait)
    }

    #[inline]
    fn send_whole(&self, kind: Kind, data: &[u8], may_deflate: bool, wait: Wait) -> Result<Outcome, Error> {
        if kind != Kind::Binary {
            check(kind, data)?;
        }
        self.call(wait, |patience| {
            let mut tx = match self.enter_for_message(patience)? {
                Ok(tx) => tx,
                Err(answer) => return Ok(answer),
            };
            if may_deflate && let Some(deflating) = &self.deflating {
                return self.send_deflated(deflating, tx, kind, data, patience);
            }
            let put = match data.len() {
                ..=SMALL => self.put_small(&mut tx, kind, data, 0, patience),
                _ => self.put_message(&mut tx, kind, data, 0, patience).map(drop),
            };
            if put.is_ok() {
                self.sent.message(data.len());
            }
            self.leave_tx(tx, put, patience)
        })
    }

    /// Where compression was offered: the message may leave compressed.
    // Apart, so that the others carry nothing of it.
    #[inline(never)]
    fn send_deflated(
        &self,
        deflating: &Deflating,
        mut tx: MutexGuard<'_, Tx>,
        kind: Kind,
        data: &[u8],
        patience: Patience<'_>,
    ) -> Result<Outcome, Error> {
        let mut deflated = Vec::new();
        let (payload, reserved) = match self.deflate(deflating, &mut tx, data, &mut deflated) {
            Ok(false) => (data, 0),
            Ok(true) => (&deflated[..], encoder::DEFLATED),
            Err(error) => {
                self.leave_tx(tx, Ok(()), Wait::Never.into())?;
                return Err(self.about_us(error.in_phase(Phase::Send)));
            }
        };
        let put = match payload.len() {
            ..=SMALL => self.put_small(&mut tx, kind, payload, reserved, patience),
            _ => self.put_message(&mut tx, kind, payload, reserved, patience).map(drop),
        };
        if put.is_ok() {
            self.sent.message(data.len());
        }
        self.leave_tx(tx, put, patience)
    }

    /// Sends a ping of at most 125 bytes (RFC 6455 5.5.2).
    pub fn ping(&self, payload: &[u8], wait: Wait) -> Result<Outcome, Error> {
        self.send_control(Control::Ping, payload, wait)
    }

    /// Sends an unsolicited pong of at most 125 bytes (RFC 6455 5.5.3).
    pub fn pong(&self, payload: &[u8], wait: Wait) -> Result<Outcome, Error> {
        self.send_control(Control::Pong, payload, wait)
    }

    /// Writes what is inside: `Done` when nothing is left.
    pub fn flush(&self, wait: Wait) -> Result<Outcome, Error> {
        self.call_any(wait, |patience| {
            let mut tx = match self.lock_tx(patience) {
                Ok(tx) => tx,
                Err(over) => return Ok(over.into()),
            };
            let (put, over) = match self.write_out(&mut tx, patience) {
                Ok(over) => (Ok(()), over),
                Err(cause) => (Err(Lost::Io(cause)), None),
            };
            match self.leave_tx(tx, put, patience)? {
                Outcome::Pending => Ok(over.or_else(|| patience.over()).unwrap_or(Over::Time).into()),
                outcome => Ok(outcome),
            }
        })
    }

    fn send_control(&self, control: Control, payload: &[u8], wait: Wait) -> Result<Outcome, Error> {
        if payload.len() > 125 {
            let sentence = format!("a ping or pong carries at most 125 bytes, not {}", payload.len());
            return Err(Error::new(Code::UsageControlSize, sentence));
        }
        self.call(wait, |patience| {
            let mut tx = match self.enter_tx(patience)? {
                Ok(tx) => tx,
                Err(answer) => return Ok(answer),
            };
            let put = put_control(&mut tx, &mut self.link.lock(), control, payload).map_err(Lost::Error);
            let put = put.and_then(|()| self.write_out(&mut tx, patience).map(drop).map_err(Lost::Io));
            self.leave_tx(tx, put, patience)
        })
    }

    /// `tx`, when a message may be put in now; else the answer.
    #[inline]
    pub(super) fn enter_tx(&self, patience: Patience<'_>) -> Result<Result<MutexGuard<'_, Tx>, Outcome>, Error> {
        let tx = match self.lock_tx(patience) {
            Ok(tx) => tx,
            Err(over) => return Ok(Err(over.into())),
        };
        if tx.unsent() < UNSENT_LIMIT && self.link.lock().takes() {
            return Ok(Ok(tx));
        }
        self.enter_full_tx(tx, patience)
    }

    /// The same where nothing may be sent any more, or there is no room before something has left.
    #[cold]
    fn enter_full_tx<'a>(
        &'a self,
        mut tx: MutexGuard<'a, Tx>,
        patience: Patience<'_>,
    ) -> Result<Result<MutexGuard<'a, Tx>, Outcome>, Error> {
        let refusal = self.link.lock().refuses();
        if let Some(refusal) = refusal {
            self.leave_tx(tx, Ok(()), patience)?;
            return refusal.map(Err);
        }
        if tx.unsent() < UNSENT_LIMIT {
            return Ok(Ok(tx));
        }
        let (put, over) = match self.write_out(&mut tx, patience) {
            Ok(_) if tx.unsent() < UNSENT_LIMIT => return Ok(Ok(tx)),
            Ok(over) => (Ok(()), over),
            Err(cause) => (Err(Lost::Io(cause)), None),
        };
        match self.leave_tx(tx, put, Wait::Never.into())? {
            Outcome::Closed => Ok(Err(Outcome::Closed)),
            _ => Ok(Err(over.or_else(|| patience.over()).unwrap_or(Over::Time).into())),
        }
    }

    /// A lock held by a call that does not wait is awaited; one held by a waiting call is worth the socket's EAGAIN.
    #[inline]
    pub(super) fn lock_tx(&self, patience: Patience<'_>) -> Result<MutexGuard<'_, Tx>, Over> {
        match self.tx.try_lock() {
            Some(tx) => Ok(tx),
            None => self.wait_for_tx(patience),
        }
    }

    #[cold]
    fn wait_for_tx(&self, patience: Patience<'_>) -> Result<MutexGuard<'_, Tx>, Over> {
        if patience.wait != Wait::Never {
            return self.wait_for_lock(patience, |until| match until {
                Some(moment) => self.tx.try_lock_until(moment),
                None => Some(self.tx.lock()),
            });
        }
        loop {
            if let Some(tx) = self.tx.try_lock() {
                return Ok(tx);
            }
            if self.tx_waits.load(Ordering::Relaxed) {
                return Err(Over::Never);
            }
            yield_now();
        }
    }

    /// A small message, which most are, leaves without a buffer. `turned` are the bits of its first byte that are the other
    /// way round than in an uncompressed message of one frame.
    // A call and its frame would be a tenth of what a small message costs.
    #[inline(always)]
    pub(super) fn put_small(
        &self,
        tx: &mut Tx,
        kind: Kind,
        data: &[u8],
        turned: u8,
        patience: Patience<'_>,
    ) -> Result<(), Lost> {
        let mut stack = Stack::room(data.len());
        let mut frame = stack.frame(kind, data, turned);
        if self.secure {
            seal(&mut self.link.lock(), frame, &mut tx.wire).map_err(Lost::Error)?;
            return self.write_out(tx, patience).map(drop).map_err(Lost::Io);
        }
        if tx.wire.is_empty() {
            self.tx_waits.store(patience.wait != Wait::Never, Ordering::Relaxed);
            match self.stream.send(frame, patience.may_block()) {
                Ok(n) => {
                    self.sent.wire(n);
                    frame = &frame[n..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Lost::Io(error)),
            }
            if frame.is_empty() {
                return Ok(());
            }
        }
        tx.wire.extend(frame).map_err(|_| no_memory())?;
        self.write_out(tx, patience).map(drop).map_err(Lost::Io)
    }

    /// Header, then payload masked while it is copied, portion by portion; what the socket does not take in time
    /// stays in `wire`, whole. Says why the wait was over first, if so.
    pub(super) fn put_message(
        &self,
        tx: &mut Tx,
        kind: Kind,
        data: &[u8],
        turned: u8,
        patience: Patience<'_>,
    ) -> Result<Option<Over>, Lost> {
        let key = random::mask_key();
        let mut first = [0; MAX_HEADER];
        let header_len = encoder::message_header(&mut first, kind, data.len() as u64, key);
        first[0] ^= turned;
        let portion = if self.secure { self.write_size().min(SEALED) } else { self.write_size() };
        let (mut header, mut at, mut over) = (&first[..header_len], 0, None);
        while at < data.len() {
            // The header counts too: else the first portion would need more than a buffer of the pool, or a record more.
            let (rest, most) = (data.len() - at, portion - header.len());
            // A short rest to be sealed goes along, as the pool's buffer has room for it: it is not worth its own write.
            let joins = self.secure && rest <= most + portion / 4;
            let end = if joins { data.len() } else { at + rest.min(most) };
            let piece = &data[at..end];
            let to = if self.secure { &mut *tx.plain } else { &mut tx.wire };
            let room = to.room(header.len() + piece.len()).map_err(|_| no_memory())?;
            room[..header.len()].copy_from_slice(header);
            copy_masked(&mut room[header.len()..][..piece.len()], piece, key, at as u64);
            to.fill(header.len() + piece.len());
            header = &[];
            at = end;
            // Once the caller's time is over the rest is only taken.
            let patience = if over.is_some() { Wait::Never.into() } else { patience };
            over = over.or(self.seal_and_write(tx, patience)?);
        }
        Ok(over)
    }

    fn seal_and_write(&self, tx: &mut Tx, patience: Patience<'_>) -> Result<Option<Over>, Lost> {
        if self.secure {
            self.seal_plain(tx).map_err(Lost::Error)?;
        }
        self.write_out(tx, patience).map_err(Lost::Io)
    }

    /// Seals what is in `tx.plain`.
    pub(super) fn seal_plain(&self, tx: &mut Tx) -> Result<(), Error> {
        let mut link = self.link.lock();
        let sealed = seal(&mut link, tx.plain.filled(), &mut tx.wire);
        drop(link);
        tx.plain.consume(tx.plain.len());
        sealed
    }

    /// Gives `wire` to the socket, or says why the wait was over first.
    pub(super) fn write_out(&self, tx: &mut Tx, patience: Patience<'_>) -> io::Result<Option<Over>> {
        self.tx_waits.store(patience.wait != Wait::Never, Ordering::Relaxed);
        while !tx.wire.is_empty() {
            match self.stream.send(tx.wire.filled(), patience.may_block()) {
                Ok(n) => {
                    self.sent.wire(n);
                    tx.wire.consume(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(over) = patience.over() {
                        return Ok(Some(over));
                    }
                    let ready = self.stream.poll(false, true, patience)?;
                    if ready.over.is_some() {
                        return Ok(ready.over);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Leaves `tx` by the link: serves what is owed once; then it may go while a reader is awake, who will look. A
    /// full socket keeps a holder that may wait and sends another away with `Pending`.
    #[inline]
    pub(super) fn leave_tx(
        &self,
        tx: MutexGuard<'_, Tx>,
        put: Result<(), Lost>,
        patience: Patience<'_>,
    ) -> Result<Outcome, Error> {
        // Most have nothing to see to.
        if put.is_ok() && tx.unsent() == 0 {
            let mut link = self.link.lock();
            if !link.owes() {
                self.release(tx, &mut link);
                return Ok(Outcome::Done);
            }
        }
        self.leave_owing(tx, put, patience)
    }

    #[cold]
    fn leave_owing(
        &self,
        mut tx: MutexGuard<'_, Tx>,
        mut put: Result<(), Lost>,
        patience: Patience<'_>,
    ) -> Result<Outcome, Error> {
        let mut served = false;
        loop {
            let mut link = self.link.lock();
            if let Err(lost) = put {
                let error = self.note_lost(&mut link, &mut tx, lost);
                let answer = if served {
                    // What the caller put has left: only what was owed behind it could not.
                    Ok(Outcome::Done)
                } else if link.close_received {
                    Ok(Outcome::Closed)
                } else {
                    Err(error)
                };
                self.release(tx, &mut link);
                return answer;
            }
            // Replies wait for an empty wire: a flood of pings cannot make it grow.
            let full = !tx.wire.is_empty();
            if full || !link.owes() || (served && link.awake) {
                let pending = tx.unsent() > 0;
                self.release(tx, &mut link);
                return Ok(if pending { Outcome::Pending } else { Outcome::Done });
            }
            served = true;
            let serving = serve(&mut tx, &mut link).map_err(Lost::Error);
            drop(link);
            put = serving.and_then(|()| self.write_out(&mut tx, patience).map(drop).map_err(Lost::Io));
        }
    }

    /// Lets go of `tx` while `link` is held, so that every unsent byte has somebody answerable for it.
    #[inline]
    pub(super) fn release(&self, mut tx: MutexGuard<'_, Tx>, link: &mut Link) {
        link.unsent = tx.unsent() > 0;
        link.close_unsent &= link.unsent;
        if !link.unsent
            && let Some(keepalive) = &mut link.keepalive
        {
            keepalive.all_sent(now());
        }
        tx.wire.rest();
        tx.plain.rest();
        self.tx_waits.store(false, Ordering::Relaxed);
        drop(tx);
        self.wake_waiters();
    }

    /// Records that nothing can be sent any more. What is unsent will never be. The reading side goes on: the peer's
    /// last messages and its close frame may still be there to read.
    fn note_lost(&self, link: &mut Link, tx: &mut Tx, lost: Lost) -> Error {
        tx.wire.consume(tx.wire.len());
        tx.plain.consume(tx.plain.len());
        link.pong = None;
        link.close = None;
        let error = match lost {
            Lost::Error(error) => error,
            Lost::Io(cause) => Error::from_io(Code::Abnormal, "the connection was lost", &cause).with_close_code(1006),
        };
        let error = self.about_us(error.in_phase(Phase::Send));
        let stands = link.failure.clone().unwrap_or_else(|| link.send_failure.clone().unwrap_or(error));
        link.send_failure.get_or_insert_with(|| stands.clone());
        self.stream.shutdown_write();
        stands
    }

    /// For whoever holds `rx` or goes to sleep: serves what is owed and writes what is unsent, if nobody else is
    /// writing (who would leave by the link and see to it). `awake` is what the holder of `rx` says of itself; who does
    /// not hold it says nothing. True when bytes remain that wait for a writable socket.
    pub(super) fn settle(&self, awake: Option<bool>) -> bool {
        loop {
            let mut link = self.link.lock();
            link.awake = awake.unwrap_or(link.awake);
            if !link.owes() && !link.unsent {
                return false;
            }
            let Some(tx) = self.tx.try_lock() else {
                return false;
            };
            let mut link = self.serve_and_write(tx, link, Wait::Never.into());
            link.awake = awake.unwrap_or(link.awake);
            if link.unsent || !link.owes() {
                return link.unsent;
            }
        }
    }

    /// Waits until what is owed and unsent has left, or says why the wait was over first. A socket that takes no more is
    /// no reason to wait: `send_failure` tells.
    pub(super) fn push(&self, patience: Patience<'_>) -> Option<Over> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut link = self.link.lock();
        let over = loop {
            if link.send_failure.is_some() || (!link.owes() && !link.unsent) {
                break None;
            }
            if let Some(tx) = self.tx.try_lock() {
                let over;
                (link, over) = self.serve_and_write_until(tx, link, patience);
                if link.unsent && over.is_some() {
                    break over;
                }
            } else if let Some(over) = self.await_turn(&mut link, patience) {
                break Some(over);
            }
        };
        drop(link);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        over
    }

    fn serve_and_write<'a>(
        &'a self,
        tx: MutexGuard<'a, Tx>,
        link: MutexGuard<'a, Link>,
        patience: Patience<'_>,
    ) -> MutexGuard<'a, Link> {
        self.serve_and_write_until(tx, link, patience).0
    }

    fn serve_and_write_until<'a>(
        &'a self,
        mut tx: MutexGuard<'a, Tx>,
        mut link: MutexGuard<'a, Link>,
        patience: Patience<'_>,
    ) -> (MutexGuard<'a, Link>, Option<Over>) {
        // Over memory nothing leaves during a call: the answers to the pings of one read wait one behind the other.
        let has_room = tx.wire.is_empty() || (self.stream.is_memory() && tx.wire.len() < REPLIES);
        let serving = if has_room { serve(&mut tx, &mut link).map_err(Lost::Error) } else { Ok(()) };
        drop(link);
        let put = serving.and_then(|()| self.write_out(&mut tx, patience).map_err(Lost::Io));
        let mut link = self.link.lock();
        let over = match put {
            // Lent bytes are the caller's to write: nobody can wait for them here.
            Ok(over) => over.or((tx.unsent() > 0).then_some(Over::Never)),
            Err(lost) => {
                self.note_lost(&mut link, &mut tx, lost);
                None
            }
        };
        self.release(tx, &mut link);
        (link, over)
    }

    /// Puts a request of the opening handshake into `tx`, which nobody else has use for yet.
    pub(super) fn put_request(&self, request: &[u8]) -> Result<(), Error> {
        let mut tx = self.tx.lock();
        let mut link = self.link.lock();
        let put = put_bytes(&mut tx, &mut link, request);
        self.release(tx, &mut link);
        put
    }
}

/// Memory for the frame of a small message: zeroing more than is needed would cost as much as masking.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack alone, and is there so that no memory is asked for"
)]
pub(super) enum Stack {
    Tiny([u8; MAX_HEADER + TINY]),
    Small([u8; MAX_HEADER + SMALL]),
}

impl Stack {
    #[inline(always)]
    pub(super) fn room(len: usize) -> Stack {
        if len <= TINY { Stack::Tiny([0; MAX_HEADER + TINY]) } else { Stack::Small([0; MAX_HEADER + SMALL]) }
    }

    /// The message as a frame; `turned` as in [`Connection::put_small`].
    #[inline(always)]
    pub(super) fn frame(&mut self, kind: Kind, data: &[u8], turned: u8) -> &[u8] {
        let room: &mut [u8] = match self {
            Stack::Tiny(room) => room,
            Stack::Small(room) => room,
        };
        let len = encoder::message_frame(room, kind, data, random::mask_key());
        room[0] ^= turned;
        &room[..len]
    }
}

/// Whether what is not binary can be sent.
#[inline]
pub(super) fn check(kind: Kind, data: &[u8]) -> Result<(), Error> {
    if kind != Kind::Text {
        return Err(Error::new(Code::UsageKind, "a ping, pong or close is not sent as a message"));
    }
    if !is_utf8(data) {
        return Err(Error::new(Code::UsageUtf8, "a text message must be UTF-8 (RFC 6455 5.6)"));
    }
    Ok(())
}

/// Why bytes cannot leave.
pub(super) enum Lost {
    Io(io::Error),
    Error(Error),
}

pub(super) fn no_memory() -> Lost {
    Lost::Error(Error::new(Code::LimitMemory, "there is no memory for the unsent part of the message"))
}

/// Moves what is owed to `wire`, at a frame boundary: the pong before the close (RFC 6455 5.5.2), nothing after the
/// close (RFC 6455 5.5.1). It is unsent until whoever holds `tx` leaves: a closer that found nothing owed any more would
/// sleep in a read, and a holder that may not wait would leave the close frame inside.
pub(super) fn serve(tx: &mut Tx, link: &mut Link) -> Result<(), Error> {
    take_tls_out(link, &mut tx.wire)?;
    if let Some(pong) = link.pong.take()
        && !link.close_sent
    {
        put_control(tx, link, Control::Pong, pong.bytes())?;
    }
    if let Some(keepalive) = &mut link.keepalive
        && let Some(number) = keepalive.take_owed()
    {
        put_control(tx, link, Control::Ping, &number)?;
    }
    if let Some(close) = link.close.take() {
        link.close_sent = true;
        link.close_unsent = true;
        put_control(tx, link, Control::Close, &close.body())?;
    }
    link.unsent |= !tx.wire.is_empty();
    Ok(())
}

fn put_control(tx: &mut Tx, link: &mut Link, control: Control, payload: &[u8]) -> Result<(), Error> {
    let mut frame = [0; MAX_CONTROL];
    let len = encoder::control_frame(&mut frame, control, payload, random::mask_key());
    link.controls.get_or_insert_default().sent(control);
    put_bytes(tx, link, &frame[..len])
}

fn put_bytes(tx: &mut Tx, link: &mut Link, bytes: &[u8]) -> Result<(), Error> {
    if link.tls.is_some() {
        return seal(link, bytes, &mut tx.wire);
    }
    tx.wire.extend(bytes).map_err(|_| no_memory_for_control())
}

/// Seals behind everything that opening has put out before: records keep their order.
fn seal(link: &mut Link, plain: &[u8], wire: &mut Buffer) -> Result<(), Error> {
    take_tls_out(link, wire)?;
    match &mut link.tls {
        Some(tls) => tls.seal(plain, wire),
        None => Err(Error::new(Code::Internal, "there is no TLS to seal with")),
    }
}

fn take_tls_out(link: &mut Link, wire: &mut Buffer) -> Result<(), Error> {
    if !link.tls_out.is_empty() {
        wire.extend(link.tls_out.filled()).map_err(|_| no_memory_for_control())?;
        link.tls_out.consume(link.tls_out.len());
        link.tls_out.rest();
    }
    Ok(())
}

fn no_memory_for_control() -> Error {
    Error::new(Code::LimitMemory, "there is no memory for a control frame")
}
