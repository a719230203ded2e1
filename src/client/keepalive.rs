//! Pings that keep a connection alive and tell a dead peer (RFC 6455 5.5.2). State and arithmetic only: the link has it,
//! whoever waits asks it when to wake.

use std::time::{Duration, Instant};

/// How long a caller that moves the bytes has to bring a pong that it may hold.
const MOMENT: Duration = Duration::from_secs(1);

/// The pings of one connection. At most one is under way.
pub(super) struct Keepalive {
    every: Duration,
    within: Option<Duration>,
    next_at: Instant,
    /// The last ping's number, which is its payload.
    number: u64,
    state: State,
    /// The pong was late at the last look, and who looked could not know all that has come.
    doubted: bool,
    round_trip: Option<Duration>,
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    /// To be sent at the next frame boundary.
    Owed,
    /// In `tx`, not yet all accepted by the socket.
    Leaving,
    /// With the peer since `sent`; the pong is awaited until `by`.
    Sent {
        sent: Instant,
        by: Option<Instant>,
    },
}

impl Keepalive {
    /// A ping every `every`, and its pong awaited for `within`, `None` for ever.
    pub(super) fn new(every: Duration, within: Option<Duration>) -> Keepalive {
        let next_at = Instant::now() + every;
        Keepalive { every, within, next_at, number: 0, state: State::Idle, doubted: false, round_trip: None }
    }

    /// Owes a ping when it is time for one. Returns when to look again.
    pub(super) fn tick(&mut self, now: Instant) -> Instant {
        if now >= self.next_at {
            self.next_at = now + self.every;
            // One whose pong has no limit is not awaited: else a single lost pong would be the last of the pings.
            if matches!(self.state, State::Idle | State::Sent { by: None, .. }) {
                self.number += 1;
                self.state = State::Owed;
            }
        }
        self.look_at()
    }

    /// When to look again.
    pub(super) fn look_at(&self) -> Instant {
        match self.state {
            State::Sent { by: Some(by), .. } => by.min(self.next_at),
            _ => self.next_at,
        }
    }

    pub(super) fn is_owed(&self) -> bool {
        matches!(self.state, State::Owed)
    }

    /// The payload of the owed ping, which is now on its way.
    pub(super) fn take_owed(&mut self) -> Option<[u8; 8]> {
        if !self.is_owed() {
            return None;
        }
        self.state = State::Leaving;
        Some(self.number.to_be_bytes())
    }

    /// The socket has accepted everything: the time for the pong begins.
    pub(super) fn all_sent(&mut self, now: Instant) {
        if matches!(self.state, State::Leaving) {
            self.state = State::Sent { sent: now, by: self.within.map(|within| now + within) };
            self.doubted = false;
        }
    }

    /// Bytes have come: the peer lives, whatever it says.
    pub(super) fn bytes_came(&mut self, now: Instant) {
        if let State::Sent { by: Some(by), .. } = &mut self.state
            && let Some(within) = self.within
        {
            *by = now + within;
            self.doubted = false;
        }
    }

    /// A pong has come.
    pub(super) fn pong_came(&mut self, payload: &[u8], now: Instant) {
        let State::Sent { sent, by } = &mut self.state else { return };
        if payload == self.number.to_be_bytes() {
            self.round_trip = Some(now.saturating_duration_since(*sent));
            self.state = State::Idle;
        } else {
            // It may be the answer to a later ping, of the program's, and then it stands for ours too: RFC 6455 5.5.3 lets
            // the peer answer the newest alone. Ours may still be answered, but nobody is dead who does not.
            *by = None;
        }
    }

    /// Whether the peer is dead. Only to be asked when the stream was read until it was empty: a busy program is not a
    /// dead peer. `sure`: it was. Where the caller moves the bytes nobody knows, so it gets another moment to do so.
    pub(super) fn is_overdue(&mut self, now: Instant, sure: bool) -> bool {
        let State::Sent { by: Some(by), .. } = &mut self.state else { return false };
        if *by > now {
            return false;
        }
        if sure || self.doubted {
            return true;
        }
        self.doubted = true;
        *by = now + self.within.map_or(MOMENT, |within| within.min(MOMENT));
        false
    }

    /// When the next ping is due, whatever is awaited.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// How long the last answered ping took.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_ping_at_a_time_and_its_deadline_moves_with_every_byte() {
        let begun = Instant::now();
        let mut keepalive = Keepalive::new(10 * SECOND, Some(3 * SECOND));
        assert!(keepalive.tick(begun) <= begun + 11 * SECOND && !keepalive.is_owed());
        let at = begun + 11 * SECOND;
        keepalive.tick(at);
        let payload = keepalive.take_owed().expect("a ping is owed");
        assert!(keepalive.take_owed().is_none() && !keepalive.is_overdue(at + 100 * SECOND, true), "not sent yet");
        keepalive.all_sent(at);
        assert_eq!(keepalive.tick(at), at + 3 * SECOND);
        keepalive.bytes_came(at + 2 * SECOND);
        assert!(!keepalive.is_overdue(at + 4 * SECOND, true) && keepalive.is_overdue(at + 5 * SECOND, true));
        assert!(!keepalive.is_overdue(at + 5 * SECOND, false), "the pong may be with who moves the bytes");
        assert!(!keepalive.is_overdue(at + 5 * SECOND, false) && keepalive.is_overdue(at + 6 * SECOND, false));
        keepalive.pong_came(b"another", at + 2 * SECOND);
        assert_eq!(keepalive.round_trip(), None);
        assert!(
            !keepalive.is_overdue(at + 100 * SECOND, true),
            "a peer that answered a later ping need not answer this one"
        );
        keepalive.pong_came(&payload, at + 2 * SECOND);
        assert_eq!(keepalive.round_trip(), Some(2 * SECOND));
        assert!(!keepalive.is_overdue(at + 100 * SECOND, true));
        keepalive.tick(at + 100 * SECOND);
        assert_ne!(keepalive.take_owed(), Some(payload), "every ping has a payload of its own");
    }

    #[test]
    fn without_a_limit_no_peer_is_dead() {
        let mut keepalive = Keepalive::new(SECOND, None);
        let at = Instant::now() + 2 * SECOND;
        keepalive.tick(at);
        keepalive.take_owed();
        keepalive.all_sent(at);
        assert!(!keepalive.is_overdue(at + 1000 * SECOND, true));
        keepalive.tick(at + 2 * SECOND);
        assert!(keepalive.take_owed().is_some(), "a pong that never came is no reason to stop");
    }
}
