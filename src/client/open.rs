//! The opening handshake over a stream that is there: TLS, then the upgrade exchange (RFC 6455 4.1), in one go or call by
//! call. It reads and writes by the same roads as messages do.

use super::sync::Ordering;
use std::time::{Duration, Instant};

use super::connection::{Connection, Outcome, Rx, Spent};
use super::fill::{End, Filled};
use crate::error::{Code, Error, Phase};
use crate::net::connect::broken_off;
use crate::protocol::handshake::{Handshake, Progress};
use crate::wait::{Over, Patience, Wait, now};

/// How long a handshake may take that is carried on by calls that never wait.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(45);

/// A handshake that is under way.
pub(super) struct Opening {
    exchange: Handshake,
    /// The request is in `tx` or gone.
    requested: bool,
    by: Option<Instant>,
}

impl Opening {
    pub(super) fn new(exchange: Handshake) -> Opening {
        Opening { exchange, requested: false, by: Some(now() + OPEN_LIMIT) }
    }

    /// When it is awaited no longer, if ever.
    pub(super) fn by(&self) -> Option<Instant> {
        self.by
    }
}

impl Connection {
    /// Carries on the opening handshake: `Done` once the connection is open, `Again` from a call that would not wait. A
    /// failure, the end of the time among them, is final.
    pub fn handshake(&self, wait: Wait) -> Result<Outcome, Error> {
        let answer = self.call_any(wait, |patience| {
            if self.is_open() {
                return Ok(Outcome::Done);
            }
            let mut rx = match self.enter_rx(patience)? {
                Ok(rx) => rx,
                Err(over) => return Ok(over.into()),
            };
            self.rx_waits.store(patience.wait != Wait::Never, Ordering::Relaxed);
            if wait == Wait::Forever
                && self.stream.is_memory()
                && let Some(opening) = &mut rx.opening
            {
                // Whoever moves the bytes limits the wait for them.
                opening.by = None;
            }
            let answer = self.open(&mut rx, patience);
            self.leave_rx(rx);
            answer
        })?;
        let code = match answer {
            Outcome::Cancelled => Code::Cancelled,
            Outcome::Interrupted => Code::Interrupted,
            Outcome::Timeout => Code::Timeout,
            _ => return Ok(answer),
        };
        // The call came to nothing: a token was fired before it began, or another call does the work.
        let sentence = format!("{} before this call could carry the handshake on", code.text());
        Err(self.about_us(Error::new(code, sentence).in_phase(Phase::Handshake)))
    }

    /// Whether the opening handshake is through.
    pub fn is_open(&self) -> bool {
        self.agreed.get().is_some()
    }

    pub(super) fn open(&self, rx: &mut Rx, patience: Patience<'_>) -> Result<Outcome, Error> {
        rx.spent = Spent::default();
        loop {
            if let Some(over) = &rx.over {
                return over.clone();
            }
            if rx.opening.is_none() {
                return Ok(Outcome::Done);
            }
            if let Some(answer) = self.open_step(rx, patience) {
                if let Err(error) = &answer {
                    rx.opening = None;
                    rx.over = Some(Err(error.clone()));
                    rx.told = true;
                }
                return answer;
            }
        }
    }

    /// One read and what it leads to; `None` to go on.
    fn open_step(&self, rx: &mut Rx, patience: Patience<'_>) -> Option<Result<Outcome, Error>> {
        let is_shaking = self.secure && self.link.lock().tls.as_ref().is_some_and(|tls| tls.is_handshaking());
        let phase = if is_shaking { Phase::Tls } else { Phase::Handshake };
        let opening = rx.opening.as_mut()?;
        if !is_shaking && !opening.requested {
            opening.requested = true;
            // Behind the TLS handshake, if there is one.
            if let Some(tls) = &self.link.lock().tls {
                let facts = (tls.version().unwrap_or_default(), tls.cipher().unwrap_or_default());
                let _ = self.tls_facts.set(Box::new(facts));
            }
            if let Err(error) = self.put_request(opening.exchange.request()) {
                return Some(Err(self.fail(error, phase)));
            }
        }
        // Over memory the bytes are here before anybody reads.
        if let Some(answer) = self.feed(rx) {
            return Some(answer);
        }
        match self.fill(rx, patience) {
            Filled::Some(_) => self.feed(rx),
            Filled::Impatient(over) => self.open_impatient(rx, over, phase),
            Filled::End(end) => {
                // What came before the end may be a whole answer still.
                let error = match self.feed(rx) {
                    Some(answer) => return Some(answer),
                    None => self.open_end(rx, end, phase),
                };
                Some(Err(self.fail(error, phase)))
            }
        }
    }

    fn feed(&self, rx: &mut Rx) -> Option<Result<Outcome, Error>> {
        let opening = rx.opening.as_mut()?;
        if rx.plain.is_empty() {
            return None;
        }
        let fed = opening.exchange.feed(rx.plain.filled());
        rx.plain.consume(rx.plain.len());
        match fed {
            Ok(Progress::More) => None,
            Ok(Progress::Done { agreed, rest }) => {
                if rx.plain.extend(&rest).is_err() {
                    let error = Error::new(Code::LimitMemory, "there is no memory for what came behind the answer");
                    return Some(Err(self.fail(error, Phase::Handshake)));
                }
                rx.opening = None;
                let _ = self.agreed.set(agreed);
                self.start_keepalive();
                Some(Ok(Outcome::Done))
            }
            Err(error) => Some(Err(self.fail(error, Phase::Handshake))),
        }
    }

    fn open_impatient(&self, rx: &mut Rx, over: Over, phase: Phase) -> Option<Result<Outcome, Error>> {
        let opening = rx.opening.as_mut()?;
        if over == Over::Never && opening.by.is_none_or(|by| by > now()) {
            return Some(Ok(Outcome::Again));
        }
        let error = match over {
            Over::Cancelled | Over::Interrupted => broken_off(Some(over), "waiting for the server's answer"),
            Over::Never | Over::Time => match opening.exchange.give_up() {
                // The "no" is worth more than the time that its body took.
                Some(rejection) => rejection.in_phase(Phase::Body),
                None => Error::new(Code::Timeout, "the time ran out before the server answered"),
            },
        };
        Some(Err(self.fail(error, phase)))
    }

    fn open_end(&self, rx: &mut Rx, end: End, phase: Phase) -> Error {
        let Some(opening) = rx.opening.as_mut() else {
            return Error::new(Code::Internal, "there is no handshake under way");
        };
        match end {
            End::Eof | End::Truncated if phase == Phase::Tls => {
                Error::new(Code::HandshakeEof, "the server ended the connection during the TLS handshake")
            }
            End::Eof | End::Truncated => opening.exchange.eof(),
            End::Broken(cause) => Error::from_io(Code::Io, "the connection was lost", &cause),
            End::Failed(error) => error,
        }
    }
}
