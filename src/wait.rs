//! How long a caller is willing to wait, and what may end the wait before. Time is the monotonic clock's; nothing here
//! sleeps.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The monotonic clock, or the model's own while the client runs under its scheduler.
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(all(test, feature = "model"))]
    return model::now();
    #[cfg(not(all(test, feature = "model")))]
    Instant::now()
}

/// The patience of one call, for the whole call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As long as it takes.
    Forever,
    /// Until that moment.
    Until(Instant),
    /// Not at all.
    Never,
}

impl Wait {
    /// Waits for `limit` from now on; zero is [`Wait::Never`], a moment the clock cannot name is [`Wait::Forever`].
    pub fn for_duration(limit: Duration) -> Wait {
        if limit.is_zero() {
            return Wait::Never;
        }
        match now().checked_add(limit) {
            Some(moment) => Wait::Until(moment),
            None => Wait::Forever,
        }
    }

    /// What is left: `None` is for ever.
    pub fn remaining(self) -> Option<Duration> {
        match self {
            Wait::Forever => None,
            Wait::Until(moment) => Some(moment.saturating_duration_since(now())),
            Wait::Never => Some(Duration::ZERO),
        }
    }

    /// Whether nothing is left.
    pub fn is_over(self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    /// What is left in the unit of poll(2), rounded up so that the last millisecond is waited for; -1 is for ever.
    pub(crate) fn poll_ms(self) -> i32 {
        match self.remaining() {
            None => -1,
            Some(left) => i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
        }
    }

    /// The more impatient of the two.
    pub(crate) fn earlier(self, other: Wait) -> Wait {
        match (self, other) {
            (Wait::Never, _) | (_, Wait::Never) => Wait::Never,
            (Wait::Forever, wait) | (wait, Wait::Forever) => wait,
            (Wait::Until(a), Wait::Until(b)) => Wait::Until(a.min(b)),
        }
    }
}

/// Why a wait was over before what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The caller would not wait.
    Never,
    /// The time ran out.
    Time,
    /// The cancel token is fired.
    Cancelled,
    /// A signal was handled, or may have been.
    Interrupted,
}

/// A [`Wait`] with what else may end it. Copied from call to call within one public call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience<'a> {
    pub(crate) wait: Wait,
    /// Readable when the cancel token is fired.
    pub(crate) token: Option<BorrowedFd<'a>>,
    /// Whether a handled signal ends the wait.
    pub(crate) interruptible: bool,
}

impl From<Wait> for Patience<'_> {
    fn from(wait: Wait) -> Self {
        Patience { wait, token: None, interruptible: false }
    }
}

impl<'a> Patience<'a> {
    /// The same, but no longer than `wait`.
    pub(crate) fn at_most(self, wait: Wait) -> Patience<'a> {
        Patience { wait: self.wait.earlier(wait), ..self }
    }

    /// Whether a system call may do the waiting: nothing but its own end can end it.
    pub(crate) fn may_block(self) -> bool {
        self.wait == Wait::Forever && self.token.is_none() && !self.interruptible
    }

    /// Whether a wait for another thread's lock must be cut into slices: it sees neither tokens nor signals.
    pub(crate) fn needs_slices(self) -> bool {
        self.wait != Wait::Never && (self.token.is_some() || self.interruptible)
    }

    /// Why nothing is waited for any more, if time alone decides.
    pub(crate) fn over(self) -> Option<Over> {
        match self.wait {
            Wait::Never => Some(Over::Never),
            wait if wait.is_over() => Some(Over::Time),
            _ => None,
        }
    }
}

/// The clock of a model: it moves when a modelled wait runs out, and never by itself.
#[cfg(all(test, feature = "model"))]
pub(crate) mod model {
    use std::cell::Cell;
    use std::sync::LazyLock;
    use std::time::Instant;

    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

    std::thread_local! {
        // One system thread runs all threads of a model.
        static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    pub(crate) fn now() -> Instant {
        NOW.get().unwrap_or(*BEGIN)
    }

    pub(crate) fn reset() {
        NOW.set(None);
    }

    /// A wait until `moment` has run out.
    pub(crate) fn reach(moment: Instant) {
        NOW.set(Some(now().max(moment)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_never_waits_and_the_unthinkable_waits_for_ever() {
        assert_eq!(Wait::for_duration(Duration::ZERO), Wait::Never);
        assert_eq!(Wait::for_duration(Duration::MAX), Wait::Forever);
    }

    #[test]
    fn the_last_part_of_a_millisecond_is_still_waited_for() {
        let soon = Wait::Until(Instant::now() + Duration::from_millis(3_600_000) + Duration::from_micros(100));
        assert!((3_599_000..=3_600_001).contains(&soon.poll_ms()));
        assert_eq!(Wait::Forever.poll_ms(), -1);
        assert_eq!(Wait::Never.poll_ms(), 0);
        assert!(Wait::Until(Instant::now()).is_over());
    }

    #[test]
    fn the_more_impatient_wins() {
        let now = Instant::now();
        let (soon, late) = (Wait::Until(now), Wait::Until(now + Duration::from_secs(1)));
        assert_eq!(soon.earlier(late), soon);
        assert_eq!(late.earlier(Wait::Forever), late);
        assert_eq!(Wait::Forever.earlier(Wait::Never), Wait::Never);
    }
}
