//! `ws_message`: a received message in the caller's struct, in memory of ours that is used again.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use super::guard;
use crate::error::{Code, Error};
use crate::protocol::message::Message;

/// Memory up to here stays whatever comes.
pub(super) const KEPT: usize = 64 * 1024;

/// So many messages in a row that need less than a quarter of the memory, and it is given back. More than one, so
/// that a large message now and then does not cost an allocation each time.
pub(super) const PATIENCE: c_int = 16;

/// A received message. Starts as WS_MESSAGE_INIT and is filled by ws_recv. Its memory is the library's:
/// the next ws_recv into the same struct uses it again, ws_message_free gives it back, once. It is
/// independent of the connection, is not copied by assignment (two structs, one memory), and one thread
/// uses it at a time. After any result but WS_OK data is NULL, len and kind are 0, and the memory stays
/// for the next call. The layout is final, the private part not yours.
#[repr(C)]
#[derive(Debug)]
pub struct ws_message {
    /// The payload; one NUL behind it, not counted.
    pub data: *const c_char,
    /// Its length in bytes.
    pub len: usize,
    /// WS_TEXT (checked UTF-8) or WS_BINARY.
    pub kind: c_int,
    // How many small messages came in a row.
    private_small: c_int,
    // The start and the capacity of a `Vec<u8>` of ours, or zero.
    private_memory: *mut c_void,
    private_capacity: usize,
    // For later versions.
    private_reserved: [usize; 2],
}

// Frozen: C programs compile the size in.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<ws_message>() == 56 && align_of::<ws_message>() == 8);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ws_message>() == 32 && align_of::<ws_message>() == 4);

impl ws_message {
    /// No payload; the memory stays.
    pub(super) fn clear(&mut self) {
        self.data = ptr::null();
        self.len = 0;
        self.kind = 0;
    }

    /// The memory, to receive into. The struct is without any until it is given back.
    pub(super) fn take(&mut self) -> Message {
        self.clear();
        let capacity = std::mem::take(&mut self.private_capacity);
        let memory = std::mem::replace(&mut self.private_memory, ptr::null_mut());
        let mut message = Message::new();
        if !memory.is_null() && capacity > 0 {
            // SAFETY: the two words are zero or were written by `keep`, which took them from a `Vec<u8>` and forgot
            // it; they are zero again now, so the memory has one owner.
            message.data = unsafe { Vec::from_raw_parts(memory.cast(), 0, capacity) };
        }
        if self.private_small >= PATIENCE {
            self.private_small = 0;
            if message.data.capacity() > KEPT {
                message.data = Vec::new();
            }
        }
        message
    }

    /// Keeps the memory of a message that did not come.
    pub(super) fn keep(&mut self, message: Message) {
        let mut memory = message.data;
        memory.clear();
        self.hold(memory);
    }

    /// Shows a whole message.
    pub(super) fn fill(&mut self, message: Message) -> Result<(), Error> {
        let kind = message.kind;
        let mut memory = message.data;
        let len = memory.len();
        if memory.try_reserve(1).is_err() {
            let detail = format!("there is no memory for the NUL behind a message of {len} bytes");
            return Err(Error::new(Code::LimitMemory, detail));
        }
        memory.push(0);
        let is_small = memory.capacity() > KEPT && len < memory.capacity() / 4;
        self.private_small = if is_small { self.private_small.saturating_add(1) } else { 0 };
        self.hold(memory);
        self.data = self.private_memory.cast_const().cast();
        self.len = len;
        self.kind = kind as c_int;
        Ok(())
    }

    fn hold(&mut self, memory: Vec<u8>) {
        if memory.capacity() == 0 {
            return;
        }
        let mut memory = std::mem::ManuallyDrop::new(memory);
        self.private_memory = memory.as_mut_ptr().cast();
        self.private_capacity = memory.capacity();
    }
}

/// Gives the memory of a message back and makes it WS_MESSAGE_INIT again, ready for another ws_recv. A
/// message that was never filled, or freed already, is fine; so is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_message_free(message: *mut ws_message) {
    guard::plain((), || {
        // SAFETY: NULL or a message that nobody else uses.
        if let Ok(message) = unsafe { guard::unique("message", message) } {
            drop(message.take());
            message.private_small = 0;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::Kind;

    fn zeroed() -> ws_message {
        ws_message {
            data: ptr::null(),
            len: 0,
            kind: 0,
            private_small: 0,
            private_memory: ptr::null_mut(),
            private_capacity: 0,
            private_reserved: [0; 2],
        }
    }

    /// What `ws_recv` does for a message of `len` bytes: the decoder reserves one byte more than it needs.
    fn receive(message: &mut ws_message, len: usize) -> usize {
        let mut inner = message.take();
        let had = inner.data.capacity();
        inner.data.reserve_exact(len + 1);
        inner.data.resize(len, b'x');
        inner.kind = Kind::Text;
        message.fill(inner).expect("memory");
        had
    }

    fn payload(message: &ws_message) -> &[u8] {
        // SAFETY: `fill` has put len bytes and one NUL there.
        unsafe { std::slice::from_raw_parts(message.data.cast(), message.len + 1) }
    }

    #[test]
    fn a_message_has_a_nul_behind_it_and_its_memory_is_used_again() {
        let mut message = zeroed();
        receive(&mut message, 10);
        assert_eq!(payload(&message), b"xxxxxxxxxx\0");
        assert_eq!((message.len, message.kind), (10, 1));
        let first = message.data;
        assert_eq!(receive(&mut message, 5), 11);
        assert_eq!((message.data, payload(&message)), (first, &b"xxxxx\0"[..]));
        receive(&mut message, 0);
        assert_eq!(payload(&message), b"\0");
        // SAFETY: the message is ours; freeing twice is allowed.
        unsafe {
            ws_message_free(&raw mut message);
            assert!(message.data.is_null() && message.private_memory.is_null() && message.private_capacity == 0);
            ws_message_free(&raw mut message);
            ws_message_free(ptr::null_mut());
        }
    }

    #[test]
    fn another_result_shows_nothing_and_keeps_the_memory() {
        let mut message = zeroed();
        receive(&mut message, 100);
        let inner = message.take();
        message.keep(inner);
        assert!(message.data.is_null());
        assert_eq!((message.len, message.kind), (0, 0));
        assert_eq!(receive(&mut message, 3), 101);
        // SAFETY: the message is ours.
        unsafe { ws_message_free(&raw mut message) };
    }

    #[test]
    fn large_memory_goes_when_small_messages_come_and_not_before() {
        let mut message = zeroed();
        receive(&mut message, 1 << 20);
        for _ in 0..PATIENCE {
            assert_eq!(receive(&mut message, 100), (1 << 20) + 1);
        }
        assert_eq!(receive(&mut message, 100), 0, "the memory was kept");
        // A large one now and then keeps it: no allocation storm.
        receive(&mut message, 1 << 20);
        for n in 0..10 * PATIENCE {
            let len = if n % PATIENCE == 0 { 1 << 20 } else { 100 };
            assert_eq!(receive(&mut message, len), (1 << 20) + 1);
        }
        // And 64 KiB are never worth the trouble.
        // SAFETY: the message is ours.
        unsafe { ws_message_free(&raw mut message) };
        receive(&mut message, KEPT - 1);
        for _ in 0..3 * PATIENCE {
            assert_eq!(receive(&mut message, 1), KEPT);
        }
        // SAFETY: the message is ours.
        unsafe { ws_message_free(&raw mut message) };
    }
}
