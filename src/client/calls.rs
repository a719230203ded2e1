//! What frames every public call: who may make it, what may end its waits, and how calls wait for each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Outcome;
use super::cancel::Cancel;
use super::connection::{Connection, Rx};
use super::link::Link;
use super::sync::{MutexGuard, Ordering, compiler_fence, fence};
use crate::error::{Code, Error};
use crate::net::sys;
use crate::wait::{Over, Patience, Wait};

/// How long a wait for another thread lasts before tokens and signals are looked at.
const SLICE: Duration = Duration::from_millis(50);

impl Connection {
    /// The token that ends every later waiting call while it is fired; `None` for no token.
    pub fn set_cancel(&self, token: Option<Arc<Cancel>>) {
        if self.is_inherited() {
            // No call of this process waits.
            return;
        }
        let mut own = self.token.lock();
        self.has_token.store(token.is_some(), Ordering::SeqCst);
        *own = token;
    }

    /// Runs one public call: refuses it in a forked child and while the handshake is under way, and gives it its
    /// patience. A fired token ends a waiting call before it begins.
    #[inline]
    pub(super) fn call(
        &self,
        wait: Wait,
        work: impl FnOnce(Patience<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        if self.agreed.get().is_none() {
            return Err(self.not_open());
        }
        self.call_any(wait, work)
    }

    /// The same, also while the handshake is under way.
    #[inline]
    pub(super) fn call_any(
        &self,
        wait: Wait,
        work: impl FnOnce(Patience<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        if self.is_inherited() {
            return Err(self.about_us(forked()));
        }
        let wait = if self.stream.is_memory() { Wait::Never } else { wait };
        let token = if self.has_token.load(Ordering::Relaxed) { self.token.lock().clone() } else { None };
        if wait != Wait::Never && token.as_ref().is_some_and(|token| token.is_fired()) {
            return Ok(Outcome::Cancelled);
        }
        // The one place that runs it, so that it becomes a part of the call.
        work(Patience { wait, token: token.as_deref().map(Cancel::as_fd), interruptible: self.interruptible })
    }

    /// Whether this process is a child of the one that dialed, which has copies of locks that others held, of keys and of
    /// unsent bytes: two processes that both move the bytes of one stream would break it for both.
    pub(super) fn is_inherited(&self) -> bool {
        self.generation != sys::fork_generation()
    }

    #[cold]
    fn not_open(&self) -> Error {
        if self.is_inherited() {
            // Not even the lock: a thread that the child does not have may have held it.
            return self.about_us(forked());
        }
        match &self.link.lock().failure {
            Some(failure) => failure.clone(),
            None => self.about_us(Error::new(Code::UsageState, "the opening handshake is not over")),
        }
    }

    /// A lock that another thread may hold while it waits. `take` waits until a moment at the most.
    pub(super) fn wait_for_lock<T>(
        &self,
        patience: Patience<'_>,
        take: impl Fn(Option<Instant>) -> Option<T>,
    ) -> Result<T, Over> {
        if !patience.needs_slices() {
            let until = match patience.wait {
                Wait::Until(moment) => Some(moment),
                _ => None,
            };
            return take(until).ok_or(Over::Time);
        }
        loop {
            let slice = patience.at_most(Wait::for_duration(SLICE));
            let Wait::Until(moment) = slice.wait else { return Err(Over::Never) };
            if let Some(taken) = take(Some(moment)) {
                return Ok(taken);
            }
            if let Some(over) = sliced_over(patience) {
                return Err(over);
            }
        }
    }

    /// Waits for somebody's change under `link`, or says why the wait is over. The caller counts itself in `waiters`.
    pub(super) fn await_turn(&self, link: &mut MutexGuard<'_, Link>, patience: Patience<'_>) -> Option<Over> {
        let slice = if patience.needs_slices() { patience.at_most(Wait::for_duration(SLICE)) } else { patience };
        let in_time = match slice.wait {
            Wait::Never => return Some(Over::Never),
            Wait::Forever => {
                self.turn.wait(link);
                true
            }
            Wait::Until(moment) => !self.turn.wait_until(link, moment).timed_out(),
        };
        if in_time {
            return None;
        }
        if patience.needs_slices() { sliced_over(patience) } else { Some(Over::Time) }
    }

    /// Lets waiters look again. `link` is held, or nothing was changed under it.
    pub(super) fn wake_waiters(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.turn.notify_all();
        }
    }

    /// Lets go of `rx`. A closer may wait for it: either it sees `rx` free when it tries, or we see it counted.
    #[inline]
    pub(super) fn leave_rx(&self, rx: MutexGuard<'_, Rx>) {
        self.rx_waits.store(false, Ordering::Relaxed);
        drop(rx);
        fence_behind_unlock();
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.wake_closers();
        }
    }

    #[cold]
    fn wake_closers(&self) {
        let _link = self.link.lock();
        self.turn.notify_all();
    }
}

/// Orders the end of a lock before the reads that follow. On x86-64 letting go of a lock is a locked instruction, which
/// is the full fence already: a second one would cost as much as decoding a small message.
#[inline]
fn fence_behind_unlock() {
    if cfg!(target_arch = "x86_64") {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// After a slice of a wait that sees neither tokens nor signals. Whether a signal came meanwhile cannot be known, so who
/// wants to be told of signals is told: that costs one look, a missed one would cost the wait.
fn sliced_over(patience: Patience<'_>) -> Option<Over> {
    if is_cancelled(patience) {
        return Some(Over::Cancelled);
    }
    if patience.interruptible { Some(Over::Interrupted) } else { patience.over() }
}

/// Whether there is a token and it is fired.
pub(super) fn is_cancelled(patience: Patience<'_>) -> bool {
    let look = Patience { wait: Wait::Never, interruptible: false, ..patience };
    patience.token.is_some() && matches!(sys::poll(&mut [], look), Ok(Some(Over::Cancelled)))
}

#[cold]
pub(super) fn forked() -> Error {
    let sentence = "the connection was dialed by the parent of this forked process and is the parent's";
    Error::new(Code::UsageForked, sentence)
}
