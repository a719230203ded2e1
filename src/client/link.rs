//! What a connection owes and knows: the state under the third lock, which is held to compute and never to wait.
//!
//! Facts about closing are recorded here as they happen; the verdict is computed from them when somebody asks
//! (RFC 6455 7.1).

use std::time::{Duration, Instant};

use super::Outcome;
use super::figures::Controls;
use super::keepalive::Keepalive;
use super::rare::Rare;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::net::tls::Tls;
use crate::protocol::close::Close;
use crate::wait::{Wait, now};

/// How long an owed close frame may take to leave, and how long a close handshake takes at the most unless the
/// caller says otherwise.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A control frame's payload (RFC 6455 5.5: at most 125 bytes), kept inline.
#[derive(Clone, Copy)]
pub(super) struct Payload {
    bytes: [u8; 125],
    len: u8,
}

impl Payload {
    /// `from` is at most 125 bytes: what the decoder lets through, or what a call has checked.
    pub(super) fn new(from: &[u8]) -> Payload {
        let mut bytes = [0; 125];
        bytes[..from.len()].copy_from_slice(from);
        Payload { bytes, len: from.len() as u8 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[derive(Default)]
pub(super) struct Link {
    /// Boxed: most of a connection's own size, and without TLS nothing of it is needed.
    pub(super) tls: Option<Box<Tls>>,
    /// Records that opening led to (key updates, alerts); they go out before anything that is sealed later.
    pub(super) tls_out: Rare<Buffer>,
    /// The newest ping's answer, boxed as an idle connection owes none (RFC 6455 5.5.3: only the newest needs one).
    pub(super) pong: Option<Box<Payload>>,
    pub(super) keepalive: Option<Box<Keepalive>>,
    /// What is known of control frames, if there were any; outlives the pings.
    pub(super) controls: Option<Box<Controls>>,
    /// Our close frame, while it is owed.
    pub(super) close: Option<Box<Close>>,
    /// Bytes were left in `tx` when its holder went.
    pub(super) unsent: bool,
    /// A message is being sent in fragments; `tx` knows more of it.
    pub(super) in_fragments: bool,
    /// A reader is working and will look at what is owed before it sleeps or returns.
    pub(super) awake: bool,
    /// Our close frame is in `tx` or gone: nothing may follow it (RFC 6455 5.5.1).
    pub(super) close_sent: bool,
    /// Our close frame is in `tx`, or its last bytes are.
    pub(super) close_unsent: bool,
    /// The peer's close frame has come, and the program is to answer it, until `end_by`.
    pub(super) close_held: bool,
    /// The peer's close frame has come.
    pub(super) close_received: bool,
    /// The socket takes no more bytes.
    pub(super) send_failure: Option<Error>,
    /// The connection is over and this is why. Recorded once.
    pub(super) failure: Option<Error>,
    /// The stream has ended: nothing more will come.
    pub(super) eof: bool,
    /// The close handshake did not end in time: the peer's close frame did not come, or ours could not leave.
    pub(super) timed_out: bool,
    /// close_notify is in `tx` or gone.
    pub(super) notified: bool,
    /// When the end, or the opening handshake, is awaited no longer.
    pub(super) end_by: Option<Instant>,
}

impl Link {
    /// Whether anything waits for the next frame boundary.
    #[inline]
    pub(super) fn owes(&self) -> bool {
        self.send_failure.is_none()
            && (self.pong.is_some() || self.close.is_some() || !self.tls_out.is_empty() || self.owes_ping())
    }

    fn owes_ping(&self) -> bool {
        self.keepalive.as_ref().is_some_and(|keepalive| keepalive.is_owed())
    }

    /// Owes the answer to a ping, unless a close frame was sent or came (RFC 6455 5.5.1, 5.5.2).
    pub(super) fn owe_pong(&mut self, payload: &[u8]) {
        if !self.close_sent && !self.close_received && self.failure.is_none() {
            self.pong = Some(Box::new(Payload::new(payload)));
        }
    }

    /// Owes a close frame, unless one was sent or is owed already. The first decides; the end is awaited as long as its
    /// closer waits, else for the close limit.
    pub(super) fn owe_close(&mut self, close: Close, wait: Wait) {
        self.close_held = false;
        // Behind close_notify nothing can be sealed.
        if !self.close_sent && self.close.is_none() && !self.notified {
            self.close = Some(Box::new(close));
        }
        self.keepalive = None;
        match wait {
            Wait::Forever => {}
            Wait::Until(moment) => self.end_by = self.end_by.or(Some(moment)),
            Wait::Never => self.end_by = self.end_by.or_else(|| Some(now() + CLOSE_LIMIT)),
        }
    }

    /// Leaves the answer to the peer's close to the program, if none is under way.
    pub(super) fn hold_close(&mut self) {
        self.close_held = !self.close_sent && self.close.is_none();
        self.keepalive = None;
        self.end_by = self.end_by.or_else(|| Some(now() + CLOSE_LIMIT));
    }

    /// Whether messages may be sent: nothing refuses them.
    #[inline]
    pub(super) fn takes(&self) -> bool {
        // Who may still send behind the peer's close goes the long way.
        let is_closing = self.close_sent || self.close_received || self.close.is_some();
        !is_closing && self.failure.is_none() && self.send_failure.is_none()
    }

    /// Why nothing may be sent any more, if so.
    pub(super) fn refuses(&self) -> Option<Result<Outcome, Error>> {
        if let Some(failure) = &self.failure {
            return Some(Err(failure.clone()));
        }
        // RFC 6455 5.5.1: who has yet to answer a close may finish what it was sending.
        if self.close_sent || self.close.is_some() || (self.close_received && !self.close_held) {
            return Some(Ok(Outcome::Closed));
        }
        self.send_failure.as_ref().map(|failure| Err(failure.clone()))
    }

    /// The end as a receiver is told it, once there is one.
    pub(super) fn ending(&self) -> Option<Result<Outcome, Error>> {
        if let Some(failure) = &self.failure {
            return Some(Err(failure.clone()));
        }
        self.close_received.then_some(Ok(Outcome::Closed))
    }
}
