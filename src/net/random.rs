//! Random bytes: handshake keys, and mask keys, which must be unpredictable (RFC 6455 5.3).
//!
//! "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of entropy":
//! each thread has a ChaCha20 generator keyed with 256 bits of the operating system's, so a key costs neither a system
//! call nor the 13 ns that Linux takes to make four bytes. A forked child keys its generators anew: parent and child never mask
//! with the same keys. Handshake keys (RFC 6455 4.1: "a nonce consisting of a randomly selected 16-byte value") come from the same
//! generators.
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use super::sys;
use crate::error::{Code, Error};

/// A fresh mask key. Cannot fail: see [`makeshift_key`].
#[inline]
pub(crate) fn mask_key() -> [u8; 4] {
    // While the thread ends its generator may be gone already; then each key costs a system call.
    SOURCE.try_with(|source| source.borrow_mut().next()).unwrap_or_else(|_| {
        let mut key = [0; 4];
        if getrandom::fill(&mut key).is_ok() { key } else { makeshift_key() }
    })
}

/// 16 fresh bytes for Sec-WebSocket-Key.
pub(crate) fn handshake_key() -> Result<[u8; 16], Error> {
    let mut key = [0; 16];
    let filled = SOURCE.try_with(|source| source.borrow_mut().fill(&mut key));
    match filled.unwrap_or_else(|_| getrandom::fill(&mut key)) {
        Ok(()) => Ok(key),
        Err(cause) => {
            let number = cause.raw_os_error().unwrap_or(0);
            Err(Error::new(Code::Io, format!("the operating system gives no random bytes: {cause}"))
                .with_os_error(number))
        }
    }
}

thread_local! {
    static SOURCE: RefCell<Source> = const { RefCell::new(Source { generator: None, generation: 0 }) };
}

struct Source {
    generator: Option<ChaCha20Rng>,
    /// The process that keyed the generator.
    generation: u64,
}

impl Source {
    #[inline]
    fn next(&mut self) -> [u8; 4] {
        let generation = sys::fork_generation();
        match &mut self.generator {
            Some(generator) if self.generation == generation => generator.next_u32().to_ne_bytes(),
            _ => self.begin(generation),
        }
    }

    fn fill(&mut self, key: &mut [u8]) -> Result<(), getrandom::Error> {
        let generation = sys::fork_generation();
        let generator = match &mut self.generator {
            Some(generator) if self.generation == generation => generator,
            _ => self.renew(generation)?,
        };
        generator.fill_bytes(key);
        Ok(())
    }

    #[cold]
    fn begin(&mut self, generation: u64) -> [u8; 4] {
        self.renew(generation).map_or_else(|_| makeshift_key(), |generator| generator.next_u32().to_ne_bytes())
    }

    fn renew(&mut self, generation: u64) -> Result<&mut ChaCha20Rng, getrandom::Error> {
        // A parent's is of no use here, whatever comes next.
        self.generator = None;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        self.generation = generation;
        Ok(self.generator.insert(ChaCha20Rng::from_seed(seed)))
    }
}

/// When the operating system refuses random bytes in the middle of a connection (a sandbox that forbids the call after
/// the dial, whose handshake key did need it), the frame is still masked: with a hash of the kernel's 16 random bytes
/// from the start of the program, a counter, the process's generation and the clock. Not predictable from the outside,
/// though not the operating system's; the alternative would be to fail a connection over a header field.
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

    // RFC 6455 rule 5.3-strong-key
    #[test]
    fn keys_differ_within_and_across_threads() {
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
