//! What a dial did, hop by hop: facts, cheap to gather on the way; their text is made when somebody asks for it.
//!
//! Owns: the facts, and how a person reads them (`text`). Must not know: how they came about.

mod secrets;
mod text;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::headers::Headers;

/// How long the phases of a dial took, in microseconds; what there was not is 0, what there was at least 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Looking up the host name.
    pub resolve: u32,
    /// Connecting the socket.
    pub connect: u32,
    /// The exchange with a proxy, TLS with it included.
    pub proxy: u32,
    /// TLS with the server.
    pub tls: u32,
    /// The upgrade exchange.
    pub handshake: u32,
}

/// Microseconds, rounded up: what was measured is never 0, which is no measurement.
pub(crate) fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// How the search for a connection went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tries {
    pub(crate) resolve: u32,
    pub(crate) connect: u32,
    /// How many addresses the host has; 0 for a unix socket, and when none was found.
    pub(crate) addresses: usize,
    /// Those that were tried, in the order of their outcome.
    pub(crate) tried: Vec<Tried>,
}

/// An address that was tried.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) address: SocketAddr,
    /// When the attempt began, and how long it took.
    pub(crate) after: u32,
    pub(crate) took: u32,
    pub(crate) outcome: Attempt,
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub(crate) enum Attempt {
    Connected,
    Failed(String),
    /// It had no answer when another won, or the time was over.
    Silent,
}

/// An answer of HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

/// TLS as it came to be.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    pub(crate) certificate: Certificate,
}

/// What is known of the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// It is for this name, and trusted.
    VerifiedFor(String),
    /// Nobody looked, as the dialer was told.
    Unchecked,
    /// TLS failed before that was known, or because of it.
    Open,
}

/// Why the dial ended here.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) phase: &'static str,
    pub(crate) sentence: String,
    /// The check of the answer that failed, by its place in [`CHECKS`].
    pub(crate) check: Option<usize>,
}

/// The checks of an answer in their order, and the section that commands each.
pub(crate) const CHECKS: [(&str, &str); 7] = [
    ("a well-formed head of HTTP/1.1", "RFC 9112 2.1"),
    ("the status is 101", "RFC 6455 4.1"),
    ("Upgrade is websocket", "RFC 6455 4.1"),
    ("Connection has upgrade", "RFC 6455 4.1"),
    ("Sec-WebSocket-Accept fits the key", "RFC 6455 4.2.2"),
    ("extensions as offered", "RFC 6455 9.1"),
    ("subprotocol as offered", "RFC 6455 4.1"),
];

/// The way to one address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hop {
    pub(crate) url: String,
    /// The proxy between.
    pub(crate) via: Option<String>,
    /// The caller brought the connection.
    pub(crate) is_brought: bool,
    pub(crate) times: Times,
    pub(crate) tries: Tries,
    /// What a proxy was asked, when it speaks HTTP.
    pub(crate) asked_proxy: Vec<u8>,
    pub(crate) tls: Option<TlsFacts>,
    /// The head of the request, if it was sent.
    pub(crate) request: Vec<u8>,
    /// Interim answers that were skipped.
    pub(crate) skipped: Vec<u16>,
    pub(crate) answer: Option<Answer>,
    /// What came instead of an answer.
    pub(crate) rubbish: Vec<u8>,
    /// `None`: it is open.
    pub(crate) failed: Option<Failed>,
}

/// A sentence about a dial that went that way, secrets masked.
pub(crate) fn hidden(sentence: &str, hops: &[Arc<Hop>]) -> String {
    let reason = hops.last().and_then(|hop| hop.answer.as_ref()).map_or("", |answer| &answer.reason);
    secrets_of(hops).hide_quoted(sentence, reason)
}

fn secrets_of(hops: &[Arc<Hop>]) -> secrets::Secrets {
    let mut secrets = secrets::Found::default();
    for hop in hops {
        secrets.request(&hop.asked_proxy);
        secrets.request(&hop.request);
        if let Some(answer) = &hop.answer {
            answer.headers.iter().for_each(|(name, value)| secrets.field(name, value));
        }
    }
    secrets.into()
}

/// The text for all hops of a dial, secrets masked.
pub(crate) fn text(hops: &[Arc<Hop>]) -> String {
    text::all(hops)
}
