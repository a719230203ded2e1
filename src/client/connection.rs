//! A connection: its three locks, its facts, and the one place that ends it.
//!
//! `rx` is held by whoever receives, `tx` by whoever sends, both also while they wait; `link` is held to compute, never
//! to wait. The order is `rx`, `tx`, `link`; whoever holds `rx` or `link` may only *try* `tx`. `docs/threads.md` has the
//! drawing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::link::Link;
use crate::buffer::Buffer;
use crate::dialer::Dialer;
use crate::error::{Code, Error, Phase};
use crate::headers::Headers;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::net::tls::Tls;
use crate::protocol::close::Close;
use crate::protocol::decoder::Decoder;
use crate::protocol::handshake::Agreed;
use crate::protocol::message::Message;
use crate::wait::Wait;

/// An ordinary answer of a call on a connection that lives on. The numbers are those of the C header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Outcome {
    /// Done.
    Done = 0,
    /// Nothing can be done without waiting, and the caller would not wait.
    Again = 1,
    /// The time ran out; nothing was lost.
    Timeout = 2,
    /// The message was taken whole; bytes remain inside.
    Pending = 3,
    /// The connection ended with a close handshake.
    Closed = 4,
    /// The cancel token is fired; nothing was lost.
    Cancelled = 5,
    /// A signal arrived and the dialer asked to be told.
    Interrupted = 6,
}

impl Outcome {
    /// What a call answers whose patience ended before it could do anything.
    pub(super) fn of_impatience(wait: Wait) -> Outcome {
        if wait == Wait::Never { Outcome::Again } else { Outcome::Timeout }
    }
}

/// A WebSocket connection. Any method may be called from any thread at any time; one thread receives at a time (a
/// second is told so), any number send, closing is everybody's.
pub struct Connection {
    pub(super) stream: Stream,
    pub(super) rx: Mutex<Rx>,
    pub(super) tx: Mutex<Tx>,
    pub(super) link: Mutex<Link>,
    /// Something changed that a closer may wait for; goes with `link`.
    pub(super) turn: Condvar,
    /// How many wait for `turn`.
    pub(super) waiters: AtomicUsize,
    /// A thread is in `recv`.
    pub(super) receiving: AtomicBool,
    /// The holder of `tx` waits, or may at any moment.
    pub(super) tx_waits: AtomicBool,
    pub(super) max_message: AtomicU64,
    pub(super) secure: bool,
    pub(super) read_size: usize,
    pub(super) write_size: usize,
    pub(super) received: OnceLock<Close>,
    agreed: Box<Agreed>,
    tls_facts: Option<(&'static str, &'static str)>,
    /// Ours and the peer's, asked for at once: when the connection is over the system has forgotten them.
    addresses: (Option<SocketAddr>, Option<SocketAddr>),
    context: Box<str>,
    /// The process that dialed: a forked child has copies of locks that others held, of keys and of unsent bytes.
    generation: u64,
}

/// The receiving side.
pub(super) struct Rx {
    pub(super) decoder: Decoder,
    /// From the socket, sealed.
    pub(super) cipher: Buffer,
    /// From the socket, not decoded.
    pub(super) plain: Buffer,
    /// The message that is arriving.
    pub(super) message: Vec<u8>,
    /// Messages that were whole when a closer began to read.
    pub(super) ready: VecDeque<Message>,
    /// The end, once a receiver has met it.
    pub(super) over: Option<Result<Outcome, Error>>,
    /// This reader told the link that it is awake.
    pub(super) awake: bool,
    /// The last message was large: the next header is read alone, so that its payload needs no copy.
    pub(super) large: bool,
    /// What this call has read already.
    pub(super) spent: Spent,
}

/// What one call has read: a server that sends faster than we read must not keep it for ever.
#[derive(Default)]
pub(super) struct Spent {
    /// Reads since the message last grew.
    pub(super) reads: u32,
    /// How far the message has grown.
    pub(super) grown: usize,
}

/// The sending side.
pub(super) struct Tx {
    /// Bytes for the socket, sealed if there is TLS. Whole frames, whenever `tx` is free.
    pub(super) wire: Buffer,
    /// Masked bytes of a frame on their way to be sealed.
    pub(super) plain: Buffer,
}

/// What a dial brings home.
pub(super) struct Parts {
    pub(super) stream: Stream,
    pub(super) tls: Option<Tls>,
    /// Sealed bytes behind the answer.
    pub(super) cipher: Buffer,
    /// Bytes behind the answer: they belong to the frames.
    pub(super) plain: Buffer,
    /// Records that are still to be sent.
    pub(super) tls_out: Buffer,
    pub(super) agreed: Box<Agreed>,
    pub(super) context: String,
}

impl Connection {
    pub(super) fn new(parts: Parts, dialer: &Dialer) -> Connection {
        let tls_facts =
            parts.tls.as_ref().map(|tls| (tls.version().unwrap_or_default(), tls.cipher().unwrap_or_default()));
        let mut rx = Rx {
            decoder: Decoder::new(dialer.max_message),
            cipher: parts.cipher,
            plain: parts.plain,
            message: Vec::new(),
            ready: VecDeque::new(),
            over: None,
            awake: false,
            large: false,
            spent: Spent::default(),
        };
        rx.cipher.rest();
        rx.plain.rest();
        Connection {
            addresses: (parts.stream.local_addr(), parts.stream.peer_addr()),
            stream: parts.stream,
            rx: Mutex::new(rx),
            tx: Mutex::new(Tx { wire: Buffer::new(), plain: Buffer::new() }),
            secure: parts.tls.is_some(),
            link: Mutex::new(Link { tls: parts.tls.map(Box::new), tls_out: parts.tls_out, ..Link::default() }),
            turn: Condvar::new(),
            waiters: AtomicUsize::new(0),
            receiving: AtomicBool::new(false),
            tx_waits: AtomicBool::new(false),
            max_message: AtomicU64::new(dialer.max_message),
            read_size: dialer.read_buffer,
            write_size: dialer.write_buffer,
            received: OnceLock::new(),
            agreed: parts.agreed,
            tls_facts,
            context: parts.context.into_boxed_str(),
            generation: sys::fork_generation(),
        }
    }

    /// Refuses in a forked child: two processes that both move the bytes of one stream would break it for both.
    pub(super) fn check_process(&self) -> Result<(), Error> {
        if self.is_inherited() {
            let sentence = "the connection was dialed by the parent of this forked process and is the parent's";
            return Err(self.about_us(Error::new(Code::UsageForked, sentence)));
        }
        Ok(())
    }

    fn is_inherited(&self) -> bool {
        self.generation != sys::fork_generation()
    }

    /// The subprotocol that the server chose; empty when none.
    pub fn subprotocol(&self) -> &str {
        self.agreed.subprotocol.as_deref().unwrap_or_default()
    }

    /// Limits received messages to that many bytes, 0 for no limit, from the next frame on.
    pub fn set_max_message(&self, bytes: u64) {
        self.max_message.store(bytes, Ordering::Relaxed);
    }

    /// How the connection ended: the received close code, 1005 for a close without one, 1006 for a lost connection, the
    /// code that we sent for a violation; 0 while it lives.
    pub fn close_code(&self) -> u16 {
        if self.is_inherited() {
            return 0;
        }
        if let Some(failure) = &self.link.lock().failure {
            return failure.close_code();
        }
        self.received.get().map_or(0, |close| close.code)
    }

    /// The peer's close reason; `None` until its close frame has come.
    pub fn close_reason(&self) -> Option<&str> {
        self.received.get().map(|close| close.reason.as_str())
    }

    /// The status of the server's answer: 101.
    pub fn status(&self) -> u16 {
        self.agreed.head.status
    }

    /// The header fields of the server's answer.
    pub fn headers(&self) -> &Headers {
        &self.agreed.head.headers
    }

    /// Our address; `None` on a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses.0
    }

    /// The peer's address; `None` on a unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.addresses.1
    }

    /// `TLSv1.3`, `TLSv1.2`, or `None` without TLS.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.tls_facts.map(|(version, _)| version)
    }

    /// The cipher suite, or `None` without TLS.
    pub fn tls_cipher(&self) -> Option<&'static str> {
        self.tls_facts.map(|(_, cipher)| cipher)
    }

    /// Ends the connection for a fault of our own; every later call tells.
    pub(crate) fn fail_internal(&self) {
        if self.is_inherited() {
            return;
        }
        self.fail(Error::new(Code::Internal, "a fault inside the library ended the connection"), Phase::None);
        self.stream.shutdown();
    }

    /// The one place where a connection fails. Records why, once, and owes the close frame that tells the peer (RFC
    /// 6455 7.1.7). Returns the failure that stands.
    pub(super) fn fail(&self, error: Error, phase: Phase) -> Error {
        let mut link = self.link.lock();
        if let Some(earlier) = &link.failure {
            return earlier.clone();
        }
        let error = error.in_phase(phase).about(&self.context);
        if link.close_received {
            // Behind the peer's close frame nothing counts any more (RFC 6455 5.5.1): the end stays a clean one.
            return error;
        }
        link.failure = Some(error.clone());
        link.pong = None;
        if !matches!(error.close_code(), 0 | 1006) {
            link.owe_close(Close { code: error.close_code(), reason: error.code().text().to_owned() });
        }
        self.wake_waiters();
        error
    }

    /// Says whose error it is.
    pub(super) fn about_us(&self, error: Error) -> Error {
        error.about(&self.context)
    }

    /// The stream has ended: cleanly if the peer's close frame came before, else the connection is lost (RFC 6455 7.1.5).
    pub(super) fn lost(&self, error: Error) -> Result<Outcome, Error> {
        let ending = self.link.lock().ending();
        let ending = ending.unwrap_or_else(|| Err(self.fail(error.with_close_code(1006), Phase::Recv)));
        let mut link = self.link.lock();
        link.eof = true;
        self.wake_waiters();
        drop(link);
        if ending.is_ok() {
            self.take_leave();
        }
        self.stream.shutdown();
        ending
    }

    /// Lets waiters look again. `link` is held, or nothing was changed under it.
    pub(super) fn wake_waiters(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.turn.notify_all();
        }
    }

    /// Waits for somebody's change under `link`: false when the time is over. The caller counts itself in `waiters`.
    pub(super) fn await_turn(&self, link: &mut MutexGuard<'_, Link>, wait: Wait) -> bool {
        match wait {
            Wait::Never => false,
            Wait::Forever => {
                self.turn.wait(link);
                true
            }
            Wait::Until(moment) => !self.turn.wait_until(link, moment).timed_out(),
        }
    }

    /// Lets go of `rx`. A closer may wait for it: either it sees `rx` free when it tries, or we see it counted.
    #[inline]
    pub(super) fn leave_rx(&self, rx: MutexGuard<'_, Rx>) {
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

impl Connection {
    /// In a forked child only the descriptor is closed: the stream is the parent's. The buffers are left behind, for
    /// their pool's lock may have been held by a thread that the child does not have.
    fn abandon(&mut self) {
        let (rx, tx, link) = (self.rx.get_mut(), self.tx.get_mut(), self.link.get_mut());
        for buffer in [&mut rx.cipher, &mut rx.plain, &mut tx.wire, &mut tx.plain, &mut link.tls_out] {
            std::mem::forget(std::mem::take(buffer));
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("to", &self.context)
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    /// Never waits. What has come and was not read is read away, for closing a socket over unread bytes sends a reset,
    /// which can overtake our close frame.
    fn drop(&mut self) {
        if self.is_inherited() {
            return self.abandon();
        }
        if self.link.get_mut().close_sent {
            self.take_leave();
        }
        self.stream.shutdown_write();
        let mut away = [0; 4096];
        for _ in 0..256 {
            match self.stream.recv(&mut away, false) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
    }
}
