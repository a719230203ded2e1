//! The close handshake from any thread (RFC 6455 7.1): our frame goes out at the next frame boundary, then the peer's
//! is awaited (by whoever receives, else by reading for nobody), then the end of TCP, which is the server's to begin
//! (RFC 6455 7.1.1). All of it within the caller's time.

use super::connection::{Connection, Outcome, Rx, Spent};
use super::fill::Filled;
use super::recv::{Ending, Turn, late};
use super::sync::Ordering;
use crate::error::{Code, Error, Phase};
use crate::protocol::close::Close;
use crate::wait::{Over, Patience, Wait, now};

/// What a closer reads over goes through so much memory.
const AWAY: usize = 16 * 1024;

/// So much of what was here before a closer is kept for a receiver: more than can be read at once, unless it is compressed.
const KEPT: usize = 16 * 1024 * 1024;

impl Connection {
    /// The close handshake. Code 0 sends a close frame without a body. Wakes everybody, frees nothing; a second call
    /// joins the wait and gets the same verdict. `Done` once both close frames have passed; `Timeout` when the peer's
    /// did not come in time (the connection is shut all the same); a failure that came before stays the verdict.
    /// `Never` answers `Again` while it lasts.
    pub fn close(&self, code: u16, reason: &str, wait: Wait) -> Result<Outcome, Error> {
        let close = Close::to_send(code, reason)?;
        self.call(wait, |patience| self.close_in(close, patience))
    }

    /// Sends a close frame and leaves the rest to whoever receives: messages are received as before until the peer's close
    /// frame comes. Nothing limits the wait for that. `Closed`: a close frame was sent, or came, before.
    pub fn start_close(&self, code: u16, reason: &str) -> Result<Outcome, Error> {
        let close = Close::to_send(code, reason)?;
        self.call(Wait::Never, |_| {
            {
                let mut link = self.link.lock();
                if let Some(refusal) = link.refuses() {
                    return refusal;
                }
                link.owe_close(close, Wait::Forever);
                self.wake_waiters();
            }
            Ok(if self.settle(None) { Outcome::Pending } else { Outcome::Done })
        })
    }

    fn close_in(&self, close: Close, patience: Patience<'_>) -> Result<Outcome, Error> {
        let by = {
            let mut link = self.link.lock();
            if link.failure.is_none() {
                link.pong = None;
                link.owe_close(close, patience.wait);
                // Senders who wait for the end of a fragmented message wait in vain.
                self.wake_waiters();
            }
            link.end_by
        };
        let pushed = self.push(patience);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let over = self.await_end(patience);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        // Another thread that has the close frame in hand will say whether it left.
        let in_hand = pushed == Some(Over::Never) && self.link.lock().close_unsent && !self.stream.is_memory();
        match over.or(in_hand.then_some(Over::Never)) {
            Some(over @ (Over::Cancelled | Over::Interrupted)) => Ok(over.into()),
            // A caller that never waits may come back until the close limit is over.
            Some(Over::Never) if by.is_none_or(|by| by > now()) => Ok(Outcome::Again),
            _ => self.verdict(),
        }
    }

    /// Waits for the peer's close frame and the end of the stream, or says why the wait was over first.
    fn await_end(&self, patience: Patience<'_>) -> Option<Over> {
        let mut link = self.link.lock();
        loop {
            if link.eof || link.failure.is_some() {
                return None;
            }
            if let Some(mut rx) = self.rx.try_lock() {
                self.rx_waits.store(patience.wait != Wait::Never, Ordering::Relaxed);
                drop(link);
                let over = self.drain(&mut rx, patience);
                self.leave_rx(rx);
                link = self.link.lock();
                if over.is_some() && !link.eof && link.failure.is_none() {
                    return over;
                }
            } else if let Some(over) = self.await_turn(&mut link, patience) {
                return Some(over);
            }
        }
    }

    /// Reads for nobody until the stream ends. Messages that were whole before stay for a receiver; what comes now is
    /// dropped.
    fn drain(&self, rx: &mut Rx, patience: Patience<'_>) -> Option<Over> {
        // A closer that never waits comes back: only its first call finds what was there before it.
        while !rx.drains && rx.ready_bytes < KEPT {
            match self.next_ahead(rx, (usize::MAX, KEPT), Wait::Forever.into()) {
                Some(Turn::Message(kind)) => rx.keep(kind),
                Some(Turn::Ready) => {}
                _ => break,
            }
        }
        if !rx.drains {
            rx.drains = true;
            rx.drop_part();
        }
        match self.drop_messages(rx, patience) {
            Turn::Impatient(over) => Some(over),
            _ => self.drain_stream(rx, patience),
        }
    }

    /// Until the end, or until the wait is over: what comes is judged as ever and goes nowhere, so that a message of any
    /// length takes no memory.
    pub(super) fn drop_messages(&self, rx: &mut Rx, patience: Patience<'_>) -> Turn {
        // What is dropped is no progress.
        rx.spent = Spent { grown: usize::MAX, ..Spent::default() };
        rx.streams = true;
        let mut away = [0; AWAY];
        loop {
            match self.drop_some(rx, &mut away, patience) {
                None | Some(Turn::Message(_)) => {}
                Some(Turn::Ready) => rx.drop_control(),
                Some(turn) => return turn,
            }
        }
    }

    fn drop_some(&self, rx: &mut Rx, away: &mut [u8], patience: Patience<'_>) -> Option<Turn> {
        if rx.over.is_some() {
            return Some(Turn::Over);
        }
        rx.decoder.set_max_message(self.max_message.load(Ordering::Relaxed));
        let decoded = rx.decoder.decode_into(rx.plain.filled(), away);
        rx.plain.consume(decoded.taken);
        let event = match decoded.event {
            Ok(Some(event)) => event,
            Ok(None) if decoded.put == away.len() => return late(patience),
            Ok(None) => {
                let filled = self.fill_piece(rx, away, &mut 0, patience).unwrap_or_else(|| self.fill(rx, patience));
                match filled {
                    Filled::Some(None) => return None,
                    Filled::Some(Some(event)) => event,
                    Filled::Impatient(over) => return Some(Turn::Impatient(over)),
                    Filled::End(end) => {
                        rx.over = Some(self.end(end));
                        return Some(Turn::Over);
                    }
                }
            }
            Err(violation) => {
                rx.over = Some(Err(self.fail(violation, Phase::Recv)));
                return Some(Turn::Over);
            }
        };
        self.meet(rx, event).or_else(|| late(patience))
    }

    /// Behind the peer's close frame nothing counts (RFC 6455 5.5.1): reads it away until the stream ends.
    pub(super) fn drain_stream(&self, rx: &mut Rx, patience: Patience<'_>) -> Option<Over> {
        while matches!(rx.over, Some(Ok(_))) && !self.link.lock().eof {
            rx.plain.consume(rx.plain.len());
            match self.fill(rx, patience) {
                Filled::Some(_) => {}
                Filled::Impatient(over) => return Some(over),
                Filled::End(end) => {
                    // The end was told by the close frame; how the stream ends behind it changes nothing.
                    let _ = self.end(end);
                    self.link.lock().eof = true;
                }
            }
        }
        None
    }

    /// The verdict, computed from the facts; ends the stream if it has not ended.
    fn verdict(&self) -> Result<Outcome, Error> {
        let ending = self.cut();
        if self.link.lock().timed_out {
            return Ok(Outcome::Timeout);
        }
        ending.map(|_| Outcome::Done)
    }

    /// The end, awaited no longer: the stream is ended if it has not, and who receives is told that.
    pub(super) fn cut(&self) -> Ending {
        let ended = {
            let mut link = self.link.lock();
            let ended = link.ending().is_some();
            // Over memory what is unsent is the caller's to write. What another thread has in hand behind the close frame
            // is close_notify, which nobody needs to have seen.
            let unsent = link.close_unsent && !self.stream.is_memory();
            let stuck = link.send_failure.is_none() && (link.close.is_some() || link.close_held || unsent);
            // Before the failure is there to be seen: another closer that wakes of it is told the same.
            link.timed_out |= !ended || (stuck && link.failure.is_none());
            ended
        };
        if !ended {
            let error = Error::new(Code::Abnormal, "the server did not answer the close frame in time");
            self.fail(error.with_close_code(1006), Phase::Close);
        }
        self.end_stream();
        self.link.lock().ending().unwrap_or(Ok(Outcome::Closed))
    }

    /// close_notify if the wire takes it, then the end of TCP in both directions, which wakes every call inside.
    fn end_stream(&self) {
        self.take_leave();
        self.stream.shutdown();
        let mut link = self.link.lock();
        link.eof = true;
        link.unsent &= self.stream.is_memory();
        self.wake_waiters();
    }

    /// Sends close_notify if there is TLS, as far as that needs no waiting.
    pub(super) fn take_leave(&self) {
        let mut guard = self.link.lock();
        let link = &mut *guard;
        // Behind close_notify nothing can be sealed: a close frame that is still owed goes first, or the stream is cut.
        if let Some(tls) = &mut link.tls
            && link.close.is_none()
            && !link.notified
        {
            link.notified = true;
            tls.close_notify(&mut link.tls_out);
        }
        drop(guard);
        self.push(Wait::Never.into());
    }
}
