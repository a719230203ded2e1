//! Random bytes from the operating system: handshake keys, and mask keys, which must be unpredictable (RFC 6455 5.3).
//!
//! "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of entropy":
//! every mask key is the operating system's own, fetched by the block, so that a key costs no system call. A forked
//! child throws the inherited block away: parent and child never mask with the same keys.
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::sys;
use crate::error::{Code, Error};

/// A fresh mask key. Cannot fail: see [`makeshift_key`].
pub(crate) fn mask_key() -> [u8; 4] {
    // While the thread ends its block may be gone already; then each key costs a system call.
    BLOCK.try_with(|block| block.borrow_mut().next()).unwrap_or_else(|_| {
        let mut key = [0; 4];
        if getrandom::fill(&mut key).is_ok() { key } else { makeshift_key() }
    })
}

/// 16 fresh bytes for Sec-WebSocket-Key.
pub(crate) fn handshake_key() -> Result<[u8; 16], Error> {
    let mut key = [0; 16];
    match getrandom::fill(&mut key) {
        Ok(()) => Ok(key),
        Err(cause) => {
            let number = cause.raw_os_error().unwrap_or(0);
            Err(Error::new(Code::Io, format!("the operating system gives no random bytes: {cause}"))
                .with_os_error(number))
        }
    }
}

/// 128 keys: a system call's cost spread thin, and little memory in each thread.
const BLOCK_LEN: usize = 512;

thread_local! {
    static BLOCK: RefCell<Block> = const { RefCell::new(Block { bytes: [0; BLOCK_LEN], used: BLOCK_LEN, generation: 0 }) };
}

struct Block {
    bytes: [u8; BLOCK_LEN],
    used: usize,
    /// The process that fetched the bytes.
    generation: u64,
}

impl Block {
    fn next(&mut self) -> [u8; 4] {
        let generation = sys::fork_generation();
        if (self.used == BLOCK_LEN || self.generation != generation) && !self.fetch(generation) {
            return makeshift_key();
        }
        let key = [0, 1, 2, 3].map(|i| self.bytes[self.used + i]);
        self.used += 4;
        key
    }

    #[cold]
    fn fetch(&mut self, generation: u64) -> bool {
        let fetched = getrandom::fill(&mut self.bytes).is_ok();
        self.used = if fetched { 0 } else { BLOCK_LEN };
        self.generation = generation;
        fetched
    }
}

/// When the operating system refuses random bytes in the middle of a connection (a sandbox that forbids the call after
/// the dial, whose handshake key did need it), the frame is still masked: with a keyed hash of the kernel's 16 random
/// bytes from the start of the program, a counter, the process's generation and the clock. Not predictable from the outside, though not the
/// operating system's; the alternative would be to fail a connection over a header field.
#[cold]
fn makeshift_key() -> [u8; 4] {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut hasher = DefaultHasher::new();
    sys::random_at_start().hash(&mut hasher);
    COUNTER.fetch_add(1, Ordering::Relaxed).hash(&mut hasher);
    sys::fork_generation().hash(&mut hasher);
    SystemTime::now().hash(&mut hasher);
    (hasher.finish() as u32).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_differ_across_blocks_and_threads() {
        let other = std::thread::spawn(|| (0..1000).map(|_| mask_key()).collect::<Vec<_>>()).join().unwrap();
        let keys: HashSet<[u8; 4]> = (0..1000).map(|_| mask_key()).chain(other).collect();
        // 2000 draws out of 2^32 collide about once in two thousand runs; three collisions never.
        assert!(keys.len() > 1997, "{}", keys.len());
        assert_ne!(handshake_key().unwrap(), handshake_key().unwrap());
    }

    #[test]
    fn every_bit_of_a_key_is_used() {
        let (mut ones, mut zeros) = (0, 0);
        for _ in 0..200 {
            let key = u32::from_ne_bytes(mask_key());
            ones |= key;
            zeros |= !key;
        }
        assert_eq!((ones, zeros), (u32::MAX, u32::MAX));
    }

    #[test]
    fn a_forked_child_does_not_repeat_its_parents_keys() {
        let two = || {
            let (a, b) = (u32::from_ne_bytes(mask_key()), u32::from_ne_bytes(mask_key()));
            u64::from(a) << 32 | u64::from(b)
        };
        mask_key();
        let (first, second) = (sys::in_forked_child(two), sys::in_forked_child(two));
        let parent = two();
        assert!(first != parent && second != parent && first != second);
    }

    #[test]
    fn makeshift_keys_differ_too() {
        let keys: HashSet<[u8; 4]> = (0..1000).map(|_| makeshift_key()).collect();
        assert!(keys.len() > 997);
    }
}
