//! A shelf for things that are costly to make and that connections use now and then.

use std::sync::{Mutex, MutexGuard, TryLockError};

/// Things kept for the next user; more are dropped.
const KEPT: usize = 4;

/// A process-wide shelf of clean, unused things.
pub(crate) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Spare<T> {
    /// An empty one.
    pub(crate) const fn new() -> Spare<T> {
        Spare(Mutex::new(Vec::new()))
    }

    /// One that fits, if there is any.
    pub(crate) fn take(&self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let mut shelf = self.shelf()?;
        let at = shelf.iter().position(fits)?;
        Some(shelf.swap_remove(at))
    }

    /// Puts one back; the oldest makes room for it, so that kinds that nobody uses any more go.
    pub(crate) fn give(&self, thing: T) {
        let Some(mut shelf) = self.shelf() else { return };
        let oldest = (shelf.len() >= KEPT).then(|| shelf.remove(0));
        shelf.push(thing);
        drop(shelf);
        drop(oldest);
    }

    /// Nobody waits for the shelf: a new thing does as well, and in a child that was forked while another thread held
    /// the lock it is held for ever.
    fn shelf(&self) -> Option<MutexGuard<'_, Vec<T>>> {
        match self.0.try_lock() {
            Ok(shelf) => Some(shelf),
            // Nothing that can panic runs under this lock, so a poisoned one still guards a sound list.
            Err(TryLockError::Poisoned(shelf)) => Some(shelf.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_taken_and_the_oldest_makes_room() {
        let spare = Spare::new();
        (1..=5).for_each(|n| spare.give(n));
        assert_eq!(spare.take(|&n| n == 1), None);
        assert_eq!(spare.take(|&n| n > 2), Some(3));
        assert_eq!(spare.take(|&n| n == 3), None);
    }

    #[test]
    fn a_shelf_that_somebody_holds_is_done_without() {
        let spare = Spare::new();
        spare.give(1);
        let held = spare.shelf();
        spare.give(2);
        assert_eq!(spare.take(|_| true), None);
        drop(held);
        assert_eq!(spare.take(|_| true), Some(1));
        assert_eq!(spare.take(|_| true), None);
    }
}
