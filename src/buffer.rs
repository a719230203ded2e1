//! A byte queue over initialised memory, and the process-wide pool its memory comes from.
//!
//! Connections hold a buffer only while bytes are in it: an idle connection has given its memory back. The memory is
//! zeroed once, when it is first made, so that it can be read into without `unsafe`.

use std::collections::TryReserveError;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// What one pooled buffer holds: large enough that a system call moves many small messages and a large message leaves in
/// few (half of it costs a third more at 1 MiB), small enough for the cache.
pub(crate) const POOLED: usize = 256 * 1024;

/// So many bytes, most small messages, are few.
const FEW: usize = 2048;

/// Buffers kept for the next user; more are given back to the allocator.
const KEPT: usize = 8;

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Nobody waits for the pool: the allocator does as well, and in a child that was forked while another thread held the
/// lock it is held for ever.
fn pool() -> Option<MutexGuard<'static, Vec<Vec<u8>>>> {
    match POOL.try_lock() {
        Ok(pool) => Some(pool),
        // Nothing that can panic runs under this lock, so a poisoned one still guards a sound list.
        Err(TryLockError::Poisoned(pool)) => Some(pool.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Bytes between `start` and `end` are in the queue; all of `data` is initialised.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty queue without memory.
    pub(crate) const fn new() -> Buffer {
        Buffer { data: Vec::new(), start: 0, end: 0 }
    }

    /// The bytes in the queue.
    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes `n` bytes off the front.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room behind the bytes, at least `least` of it; moves or grows when there is less. Memory comes from the pool
    /// when the queue has none.
    #[inline]
    pub(crate) fn room(&mut self, least: usize) -> Result<&mut [u8], TryReserveError> {
        if self.data.len() - self.end < least {
            self.make_room(least)?;
        }
        Ok(&mut self.data[self.end..])
    }

    #[cold]
    fn make_room(&mut self, least: usize) -> Result<(), TryReserveError> {
        let len = self.len();
        // Memory of a small remainder's own size is left as soon as more is to come: it would cut every read short.
        if self.data.len() < POOLED && len + least <= POOLED {
            let mut pooled = take_pooled()?;
            if len > 0 {
                pooled[..len].copy_from_slice(self.filled());
            }
            // What it was is smaller than the pool's.
            self.data = pooled;
            (self.start, self.end) = (0, len);
            return Ok(());
        }
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = len;
        }
        if self.data.len() - len < least {
            let want = (len + least).max(self.data.len() * 2);
            self.data.try_reserve_exact(want - self.data.len())?;
            self.data.resize(want, 0);
        }
        Ok(())
    }

    /// Says that `n` bytes of the room were written.
    pub(crate) fn fill(&mut self, n: usize) {
        debug_assert!(n <= self.data.len() - self.end);
        self.end += n;
    }

    /// Appends a copy of `bytes`. Few of them, with nothing before them, have memory of their own size: one of the pool
    /// would cost more to take and to give back than they.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        if self.data.is_empty() && bytes.len() <= FEW {
            self.data.try_reserve_exact(bytes.len())?;
            self.data.extend_from_slice(bytes);
            self.end = bytes.len();
            return Ok(());
        }
        self.room(bytes.len())?[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
        Ok(())
    }

    /// Gives the memory away when nothing is in it, else keeps only what the bytes need when that is much less.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if !self.data.is_empty() && self.len() <= self.data.len() / 8 {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        let own = self.filled().to_vec();
        let used = std::mem::replace(&mut self.data, own);
        self.start = 0;
        self.end = self.data.len();
        give_back(used);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.data));
    }
}

fn take_pooled() -> Result<Vec<u8>, TryReserveError> {
    if let Some(pooled) = pool().and_then(|mut pool| pool.pop()) {
        return Ok(pooled);
    }
    // Zeroed by the system as it is touched: a reader that waits with a new buffer holds a page or two of it. The
    // zeroing kind of allocation aborts where there is no memory, so it is asked for in the other way first.
    std::hint::black_box(Vec::<u8>::new()).try_reserve_exact(POOLED)?;
    Ok(vec![0; POOLED])
}

fn give_back(data: Vec<u8>) {
    if data.len() == POOLED
        && let Some(mut pool) = pool()
        && pool.len() < KEPT
    {
        pool.push(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_through_growth_and_moves() {
        let mut buffer = Buffer::new();
        let (mut fed, mut taken) = (0u8, 0u8);
        for round in 1..2000usize {
            let portion: Vec<u8> = (0..round % 301).map(|i| fed.wrapping_add(i as u8)).collect();
            fed = fed.wrapping_add(portion.len() as u8);
            buffer.extend(&portion).unwrap();
            let n = buffer.len().min(round % 299);
            for &byte in &buffer.filled()[..n] {
                assert_eq!(byte, taken);
                taken = taken.wrapping_add(1);
            }
            buffer.consume(n);
            if round % 7 == 0 {
                buffer.rest();
            }
        }
    }

    #[test]
    fn an_empty_buffer_at_rest_has_no_memory_and_a_small_remainder_only_its_own() {
        let mut buffer = Buffer::new();
        buffer.extend(&[7; 900]).unwrap();
        assert_eq!(buffer.data.len(), 900);
        buffer.extend(&[7; 100]).unwrap();
        assert_eq!(buffer.data.len(), POOLED);
        buffer.consume(900);
        buffer.rest();
        assert_eq!((buffer.data.len(), buffer.filled()), (100, &[7; 100][..]));
        buffer.consume(100);
        buffer.rest();
        assert_eq!(buffer.data.capacity(), 0);
    }

    #[test]
    fn a_pool_that_somebody_holds_is_done_without() {
        let held = pool();
        let mut buffer = Buffer::new();
        buffer.extend(&[1; 10]).unwrap();
        buffer.consume(10);
        buffer.rest();
        assert_eq!(buffer.data.capacity(), 0);
        drop(held);
    }

    #[test]
    fn more_than_a_pooled_buffer_grows() {
        let mut buffer = Buffer::new();
        buffer.extend(&vec![1; POOLED]).unwrap();
        buffer.extend(&vec![2; POOLED]).unwrap();
        assert_eq!(buffer.len(), 2 * POOLED);
        assert!(buffer.room(usize::MAX / 2).is_err());
        assert_eq!(buffer.filled()[POOLED - 1..=POOLED], [1, 2]);
    }
}
