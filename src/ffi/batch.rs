//! `ws_batch`: many received messages in the caller's struct, and the calls that move many at once.

use std::ffi::{c_char, c_int, c_uchar, c_void};
use std::ptr;

use super::connection::ws_conn;
use super::error::ws_error;
use super::guard;
use super::message::{KEPT, PATIENCE};
use super::status::wait;
use crate::client::Outcome;
use crate::error::Error;
use crate::protocol::batch::{Batch, Messages};

/// Received messages, count of them, in one block. Starts as WS_BATCH_INIT and is filled by ws_recv_batch.
/// Message i is the bytes of data from offsets[i] to offsets[i + 1], of kind kinds[i]; offsets[0] is 0, so
/// that offsets[count] bytes of data are all of them, and copying those, count + 1 offsets and count kinds
/// copies the batch. One NUL is behind the block, none between messages. For its memory, its owner and its
/// layout holds what is said of ws_message; ws_batch_free gives it back. After any result but WS_OK count
/// is 0 and the pointers are NULL.
#[repr(C)]
#[derive(Debug)]
pub struct ws_batch {
    /// The payloads, one behind the other.
    pub data: *const c_char,
    /// Where each begins, and where the last ends: count + 1 of them.
    pub offsets: *const usize,
    /// WS_TEXT (checked UTF-8) or WS_BINARY, for each.
    pub kinds: *const c_uchar,
    /// How many messages.
    pub count: usize,
    // A `Memory` of ours, or NULL.
    private_memory: *mut c_void,
    // For later versions.
    private_reserved: [usize; 3],
}

// Frozen: C programs compile the size in.
const _: () =
    assert!(size_of::<ws_batch>() == size_of::<[usize; 8]>() && align_of::<ws_batch>() == align_of::<usize>());

/// What the private pointer leads to.
#[derive(Default)]
struct Memory {
    batch: Batch,
    /// How many small batches came in a row.
    small: c_int,
}

impl ws_batch {
    /// No messages; the memory stays.
    fn clear(&mut self) {
        self.data = ptr::null();
        self.offsets = ptr::null();
        self.kinds = ptr::null();
        self.count = 0;
    }

    /// The memory to receive into.
    fn memory(&mut self) -> Result<&mut Memory, Error> {
        if self.private_memory.is_null() {
            self.private_memory = guard::make(Memory::default).cast();
        }
        // SAFETY: NULL or made here, and freed by `ws_batch_free` alone, which sets it to NULL.
        let memory = unsafe { guard::unique::<Memory>("memory", self.private_memory.cast()) }?;
        if memory.small >= PATIENCE {
            *memory = Memory::default();
        }
        Ok(memory)
    }

    /// Shows the messages that are in the memory.
    fn show(&mut self) -> Result<(), Error> {
        let Memory { batch, small } = self.memory()?;
        batch.end_with_nul()?;
        let is_small = batch.capacity() > KEPT && batch.used() < batch.capacity() / 4;
        *small = if is_small { small.saturating_add(1) } else { 0 };
        let (data, offsets, kinds, count) =
            (batch.data().as_ptr().cast(), batch.offsets().as_ptr(), batch.kinds().as_ptr(), batch.len());
        self.data = data;
        self.offsets = offsets;
        self.kinds = kinds;
        self.count = count;
        Ok(())
    }
}

/// Receives many messages with one call: waits for the first as ws_recv does, then takes those that are
/// here already, without another system call, until their payloads would be over max_bytes or they are
/// max_messages; 0 is no limit (seldom more than 256 KiB are here; inflated, it ends at 1 MiB and a
/// message). A message over max_bytes comes alone. Answers as ws_recv: messages first, an end or a
/// failure behind them with the next call. May be mixed with ws_recv.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_recv_batch(
    conn: *mut ws_conn,
    timeout_ms: c_int,
    max_bytes: usize,
    max_messages: usize,
    out: *mut ws_batch,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let out = guard::unique("out", out)?;
            out.clear();
            let conn = guard::living("conn", conn)?;
            let wait = wait(timeout_ms, None)?;
            let result = conn.connection().recv_batch(&mut out.memory()?.batch, max_bytes, max_messages, wait);
            if let Ok(Outcome::Done) = result {
                out.show()?;
            }
            result
        })
    }
}

/// As ws_message_free, for a batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_batch_free(batch: *mut ws_batch) {
    guard::plain((), || {
        // SAFETY: NULL or a batch that nobody else uses; its memory is NULL or was made by `guard::make`.
        unsafe {
            if let Ok(batch) = guard::unique("batch", batch) {
                batch.clear();
                guard::free::<Memory>(std::mem::replace(&mut batch.private_memory, ptr::null_mut()).cast());
            }
        }
    });
}

/// Sends count messages in as few system calls as possible, one for many small ones. They lie as in a
/// ws_batch: data has the payloads, offsets (count + 1 of them, rising) where each begins and the last
/// ends, kinds WS_TEXT or WS_BINARY for each; all are checked before anything is sent. Each is taken whole
/// or not at all. *taken, which may be NULL, is how many were, whatever the answer: WS_OK or WS_PENDING for
/// all of them, else as ws_send answers for the first that was not; go on with kinds + *taken, data and
/// offsets + *taken.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_send_batch(
    conn: *mut ws_conn,
    kinds: *const c_uchar,
    data: *const c_void,
    offsets: *const usize,
    count: usize,
    timeout_ms: c_int,
    taken: *mut usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::put(taken, 0);
            let conn = guard::living("conn", conn)?;
            let kinds = guard::list("kinds", kinds, count)?;
            let offsets = guard::list("offsets", offsets, count.saturating_add(1))?;
            let data = guard::bytes("data", data, offsets.last().copied().unwrap_or(0))?;
            let wait = wait(timeout_ms, None)?;
            let mut many = 0;
            let answer = conn.connection().send_messages(Messages::new(kinds, data, offsets)?, &mut many, wait);
            guard::put(taken, many);
            answer
        })
    }
}
