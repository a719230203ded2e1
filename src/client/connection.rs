//! A connection: its three locks, its facts, and the one place that ends it.
//!
//! `rx` is held by whoever receives, `tx` by whoever sends, both also while they wait; `link` is held to compute, never
//! to wait. The order is `rx`, `tx`, `link`; whoever holds `rx` or `link` may only *try* `tx`. `docs/threads.md` has the
//! drawing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::cancel::Cancel;
use super::control;
use super::deflate::Deflating;
use super::figures::Moved;
use super::fragments::Fragments;
use super::keepalive::Keepalive;
use super::link::Link;
use super::open::{Opening, Trip};
use super::rare::Rare;
use super::sync::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Condvar, Mutex, Ordering};
use crate::buffer::Buffer;
use crate::dialer::{Dialer, History};
use crate::error::{Code, Error, Phase, Redirect};
use crate::headers::Headers;
use crate::net::stream::Stream;
use crate::net::sys;
use crate::protocol::close::Close;
use crate::protocol::decoder::Decoder;
use crate::protocol::deflate::Deflater;
use crate::protocol::handshake::Agreed;
use crate::protocol::message::Message;
use crate::target::{Target, display, route};
use crate::transcript::{self, Hop, Times};
use crate::wait::{Over, Wait};

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

impl From<Over> for Outcome {
    fn from(over: Over) -> Outcome {
        match over {
            Over::Never => Outcome::Again,
            Over::Time => Outcome::Timeout,
            Over::Cancelled => Outcome::Cancelled,
            Over::Interrupted => Outcome::Interrupted,
        }
    }
}

/// A WebSocket connection. Any method may be called from any thread at any time; one thread receives at a time (a
/// second is told so), any number send, closing is everybody's.
pub struct Connection {
    pub(super) stream: Stream,
    pub(super) rx: Mutex<Rx>,
    /// Counted by who holds `rx`.
    pub(super) arrived: Moved,
    pub(super) tx: Mutex<Tx>,
    /// Counted by who holds `tx`.
    pub(super) sent: Moved,
    pub(super) link: Mutex<Link>,
    /// Something changed that a closer may wait for; goes with `link`.
    pub(super) turn: Condvar,
    /// How many wait for `turn`.
    pub(super) waiters: AtomicUsize,
    /// The holder of `rx` is a receiver.
    pub(super) receiving: AtomicBool,
    /// The holder of `rx` waits, or may at any moment, and is no receiver.
    pub(super) rx_waits: AtomicBool,
    /// The holder of `tx` waits, or may at any moment.
    pub(super) tx_waits: AtomicBool,
    pub(super) max_message: AtomicU64,
    /// What becomes of control frames: bits of `control.rs`.
    pub(super) control: AtomicU8,
    /// Where compression is offered: how our messages are compressed.
    pub(super) deflating: Option<Box<Deflating>>,
    pub(super) secure: bool,
    pub(super) keeps_alive: bool,
    pub(super) interruptible: bool,
    read_size: u32,
    write_size: u32,
    read_ahead: (u32, u32),
    pub(super) received: OnceLock<Box<Close>>,
    pub(super) agreed: OnceLock<Box<Agreed>>,
    pub(super) times: OnceLock<Times>,
    pub(super) tls_facts: OnceLock<Box<(&'static str, &'static str)>>,
    pub(super) token: Mutex<Option<Arc<Cancel>>>,
    pub(super) has_token: AtomicBool,
    /// The process that made it.
    pub(super) generation: u64,
    /// The descriptor goes back to the caller who gave it.
    returned: bool,
    url: Box<str>,
    /// What most dials have nothing of.
    detour: Option<Box<Detour>>,
}

/// What there is to tell of the way: a proxy, redirects, the transcript; and when to ping.
struct Detour {
    /// The proxy, for error messages.
    via: Option<Box<str>>,
    history: Option<Arc<History>>,
    /// The last hop of the dial, where it is kept.
    hop: OnceLock<Arc<Hop>>,
    /// Between two pings, and how long a pong is awaited.
    keepalive: Option<(Duration, Option<Duration>)>,
}

impl Detour {
    fn new(via: Option<&str>, dialer: &Dialer) -> Option<Box<Detour>> {
        let (via, history, hop) = (via.map(Into::into), dialer.history.clone(), OnceLock::new());
        let keepalive = dialer.keepalive;
        let has_any = via.is_some() || history.is_some() || keepalive.is_some() || dialer.transcript;
        has_any.then(|| Box::new(Detour { via, history, hop, keepalive }))
    }
}

/// A size in half the memory; what is larger stands for no limit.
fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// The receiving side.
pub(super) struct Rx {
    /// The opening handshake, while it is under way.
    pub(super) opening: Option<Box<Opening>>,
    pub(super) decoder: Decoder,
    /// From the socket, sealed.
    pub(super) cipher: Rare<Buffer>,
    /// From the socket, not decoded.
    pub(super) plain: Buffer,
    /// Lent to the caller to be filled. Apart from the bytes that came before, which a receiver may take meanwhile.
    pub(super) input: Option<Box<Input>>,
    /// The socket's bytes are not sealed yet: TLS begins behind the exchange with a proxy.
    pub(super) in_clear: bool,
    /// The message that is arriving.
    pub(super) message: Vec<u8>,
    /// Messages that were whole before anybody asked for them.
    pub(super) ready: Rare<VecDeque<Message>>,
    pub(super) ready_bytes: usize,
    /// How much of the message that is received in pieces has gone out, of what is in `message` or first in `ready`.
    pub(super) piece_at: usize,
    /// Its beginning has gone out.
    pub(super) in_pieces: bool,
    /// Messages are received in pieces: the last receiver did.
    pub(super) streams: bool,
    /// The end, once a receiver has met it.
    pub(super) over: Option<Result<Outcome, Error>>,
    /// A closer reads for nobody.
    pub(super) drains: bool,
    /// The end was told to a receiver.
    pub(super) told: bool,
    /// This reader told the link that it is awake.
    pub(super) awake: bool,
    /// The last message was large: the next header is read alone, so that its payload needs no copy.
    pub(super) large: bool,
    /// Nothing can be made of what is here: more bytes are needed.
    pub(super) dry: bool,
    /// What this call has read already.
    pub(super) spent: Spent,
}

/// Room that is lent to the caller, who moves the bytes.
pub(super) enum Input {
    /// For whatever comes.
    Bytes(Buffer),
    /// The message that is arriving, for payload behind what it has: then nothing is in `Rx::message`.
    Payload(Vec<u8>),
}

/// What one call has read: a server that sends faster than we read must not keep it for ever.
#[derive(Default)]
pub(super) struct Spent {
    /// Reads since the message last grew.
    pub(super) reads: u32,
    /// How far the message has grown.
    pub(super) grown: usize,
    /// Pongs that were sent at once since the last read.
    pub(super) pongs: u32,
}

/// The sending side.
#[derive(Default)]
pub(super) struct Tx {
    /// Bytes for the socket, sealed if there is TLS. Whole frames, whenever `tx` is free.
    pub(super) wire: Buffer,
    /// Masked bytes of a frame on their way to be sealed.
    pub(super) plain: Rare<Buffer>,
    /// Bytes of before `wire`, lent to the caller to be written.
    pub(super) output: Option<Buffer>,
    /// The message that is being sent in fragments.
    pub(super) fragments: Option<Box<Fragments>>,
    pub(super) deflater: Deflater,
}

impl Tx {
    pub(super) fn unsent(&self) -> usize {
        self.wire.len() + self.output.as_ref().map_or(0, |output| output.len())
    }
}

impl Connection {
    /// A connection that has yet to open: `trip` lies before it on `stream`.
    pub(super) fn new(stream: Stream, trip: Trip, dialer: &Dialer, target: &Target, via: Option<&str>) -> Connection {
        let secure = trip.is_secure();
        let (opening, tls) = Opening::new(trip, dialer.transcript);
        let rx = Rx {
            opening: Some(Box::new(opening)),
            in_clear: secure && tls.is_none(),
            decoder: Decoder::new(dialer.max_message),
            cipher: Rare::default(),
            plain: Buffer::new(),
            input: None,
            message: Vec::new(),
            ready: Rare::default(),
            ready_bytes: 0,
            piece_at: 0,
            in_pieces: false,
            streams: false,
            over: None,
            drains: false,
            told: false,
            awake: false,
            large: false,
            dry: false,
            spent: Spent::default(),
        };
        Connection {
            stream,
            rx: Mutex::new(rx),
            arrived: Moved::default(),
            tx: Mutex::new(Tx::default()),
            sent: Moved::default(),
            secure,
            link: Mutex::new(Link { tls, ..Link::default() }),
            turn: Condvar::new(),
            waiters: AtomicUsize::new(0),
            receiving: AtomicBool::new(false),
            rx_waits: AtomicBool::new(false),
            tx_waits: AtomicBool::new(false),
            max_message: AtomicU64::new(dialer.max_message),
            control: AtomicU8::new(control::bits(dialer.delivers_control, dialer.auto_pong, true)),
            deflating: Deflating::new(&dialer.deflate),
            keeps_alive: dialer.keepalive.is_some(),
            interruptible: dialer.interruptible,
            read_size: small(dialer.read_buffer),
            write_size: small(dialer.write_buffer),
            read_ahead: (small(dialer.read_ahead.0), small(dialer.read_ahead.1)),
            received: OnceLock::new(),
            agreed: OnceLock::new(),
            times: OnceLock::new(),
            tls_facts: OnceLock::new(),
            token: Mutex::new(None),
            has_token: AtomicBool::new(false),
            generation: sys::fork_generation(),
            returned: false,
            url: target.url().into(),
            detour: Detour::new(via, dialer),
        }
    }

    /// Starts what begins with the connection being open.
    pub(super) fn start_keepalive(&self) {
        if let Some((every, within)) = self.detour.as_ref().and_then(|detour| detour.keepalive) {
            self.link.lock().keepalive = Some(Box::new(Keepalive::new(every, within)));
        }
    }

    /// The most that one read takes from the socket.
    pub(super) fn read_size(&self) -> usize {
        self.read_size as usize
    }

    /// The most that one write gives to it.
    pub(super) fn write_size(&self) -> usize {
        self.write_size as usize
    }

    /// How many messages and bytes are read ahead.
    pub(super) fn read_ahead(&self) -> (usize, usize) {
        (self.read_ahead.0 as usize, self.read_ahead.1 as usize)
    }

    /// The subprotocol that the server chose; empty when none.
    pub fn subprotocol(&self) -> &str {
        self.agreed.get().and_then(|agreed| agreed.subprotocol.as_deref()).unwrap_or_default()
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

    /// The status of the server's answer: 101; 0 while it is awaited.
    pub fn status(&self) -> u16 {
        if self.is_open() { 101 } else { 0 }
    }

    /// The header fields of the server's answer.
    pub fn headers(&self) -> &Headers {
        static NONE: Headers = Headers::new();
        self.agreed.get().map_or(&NONE, |agreed| &agreed.headers)
    }

    /// The address that took the connection, the last one where redirects were followed: without user and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The redirects that led here, the first one first.
    pub fn redirects(&self) -> &[Redirect] {
        self.detour.as_ref().and_then(|detour| detour.history.as_ref()).map_or(&[], |history| &history.redirects)
    }

    /// What the dial did, for people: phases with their times, heads with secrets masked, each check with its verdict.
    /// `None` unless the dialer was told to keep it.
    pub fn transcript(&self) -> Option<String> {
        let hop = self.detour.as_ref()?.hop.get()?.clone();
        let hops = [self.hops_before(), &[hop]].concat();
        Some(transcript::text(&hops))
    }

    pub(super) fn keep_hop(&self, hop: Hop) {
        if let Some(detour) = &self.detour {
            let _ = detour.hop.set(Arc::new(hop));
        }
    }

    pub(super) fn via(&self) -> Option<&str> {
        self.detour.as_ref()?.via.as_deref()
    }

    pub(super) fn hops_before(&self) -> &[Arc<Hop>] {
        self.detour.as_ref().and_then(|detour| detour.history.as_ref()).map_or(&[], |history| &history.hops)
    }

    /// Our address; `None` on a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.stream.local_addr()
    }

    /// The peer's address; `None` on a unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }

    /// `TLSv1.3`, `TLSv1.2`, or `None` without TLS.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.tls_facts.get().map(|facts| facts.0)
    }

    /// The cipher suite, or `None` without TLS.
    pub fn tls_cipher(&self) -> Option<&'static str> {
        self.tls_facts.get().map(|facts| facts.1)
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
        let error = error.in_phase(phase).about(&self.context());
        if link.close_received {
            // Behind the peer's close frame nothing counts any more (RFC 6455 5.5.1): the end stays a clean one.
            return error;
        }
        link.failure = Some(error.clone());
        link.pong = None;
        if !matches!(error.close_code(), 0 | 1006) {
            let close = Close { code: error.close_code(), reason: error.code().text().to_owned() };
            link.owe_close(close, Wait::Never);
        }
        self.wake_waiters();
        error
    }

    fn context(&self) -> String {
        route(&display(&self.url), self.via())
    }

    /// Says whose error it is.
    pub(super) fn about_us(&self, error: Error) -> Error {
        error.about(&self.context())
    }

    /// The stream has ended: cleanly if the peer's close frame came before, else the connection is lost (RFC 6455 7.1.5).
    pub(super) fn lost(&self, error: Error) -> Result<Outcome, Error> {
        let ending = self.link.lock().ending();
        let ending = ending.unwrap_or_else(|| Err(self.fail(error.with_close_code(1006), Phase::Recv)));
        let mut link = self.link.lock();
        link.eof = true;
        link.close_held = false;
        self.wake_waiters();
        drop(link);
        if ending.is_ok() {
            self.take_leave();
        }
        self.stream.shutdown();
        ending
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("to", &self.context())
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Gives the socket back as it is, for a handshake that failed over a descriptor of the caller's.
    pub(crate) fn into_socket(mut self) -> Option<OwnedFd> {
        self.returned = true;
        std::mem::replace(&mut self.stream, Stream::memory()).into_fd()
    }
}

impl Drop for Connection {
    /// Never waits. What has come and was not read is read away, for closing a socket over unread bytes sends a reset,
    /// which can overtake our close frame. A forked child only closes its descriptor: the socket is the parent's too.
    fn drop(&mut self) {
        if self.is_inherited() || self.returned {
            return;
        }
        if self.link.get_mut().close_sent {
            self.take_leave();
        }
        self.stream.shutdown_write();
        if self.stream.has_met_end() {
            return;
        }
        let mut away = [0; 4096];
        for _ in 0..256 {
            match self.stream.recv(&mut away, false) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
    }
}
