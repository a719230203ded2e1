//! Locks, conditions and atomics of the client: parking_lot's and std's, or, for `model.rs`, stand-ins with the same
//! names whose every step is a turn of a scheduler. Nothing else in the client knows which.

#[cfg(not(all(test, feature = "model")))]
pub(super) use {
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence},
    std::thread::yield_now,
};

#[cfg(all(test, feature = "model"))]
pub(super) use {
    modelled::{Condvar, Mutex, MutexGuard},
    shuttle::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence},
    shuttle::thread::yield_now,
};

#[cfg(all(test, feature = "model"))]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::time::Instant;

    use crate::net::stream::chance;

    pub(in crate::client) struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// `None` only while a condition has it.
    pub(in crate::client) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>, &'a Mutex<T>);

    impl<T> Mutex<T> {
        pub(in crate::client) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(in crate::client) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().expect("nobody panics inside")), self)
        }

        pub(in crate::client) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            Some(MutexGuard(Some(self.0.try_lock().ok()?), self))
        }

        /// May run out at any turn, if waits may run out at all.
        pub(in crate::client) fn try_lock_until(&self, moment: Instant) -> Option<MutexGuard<'_, T>> {
            while chance::waits_may_end() {
                if let Some(guard) = self.try_lock() {
                    return Some(guard);
                }
                if chance::ends(moment) {
                    return None;
                }
            }
            Some(self.lock())
        }

        pub(in crate::client) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().expect("nobody panics inside")
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect("no condition has it")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("no condition has it")
        }
    }

    /// `.1` counts the wake-ups, for the waits that may run out.
    pub(in crate::client) struct Condvar(shuttle::sync::Condvar, std::sync::atomic::AtomicUsize);

    pub(in crate::client) struct TimedOut(bool);

    impl TimedOut {
        pub(in crate::client) fn timed_out(&self) -> bool {
            self.0
        }
    }

    impl Condvar {
        pub(in crate::client) fn new() -> Condvar {
            Condvar(shuttle::sync::Condvar::new(), std::sync::atomic::AtomicUsize::new(0))
        }

        pub(in crate::client) fn notify_all(&self) {
            self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            self.0.notify_all();
        }

        pub(in crate::client) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let inner = guard.0.take().expect("no condition has it");
            guard.0 = Some(self.0.wait(inner).expect("nobody panics inside"));
        }

        pub(in crate::client) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, moment: Instant) -> TimedOut {
            if !chance::waits_may_end() {
                self.wait(guard);
                return TimedOut(false);
            }
            let before = self.1.load(std::sync::atomic::Ordering::SeqCst);
            drop(guard.0.take());
            let timed_out = loop {
                if self.1.load(std::sync::atomic::Ordering::SeqCst) != before {
                    break false;
                }
                if chance::ends(moment) {
                    break true;
                }
            };
            guard.0 = guard.1.lock().0.take();
            TimedOut(timed_out)
        }
    }
}
