//! What a connection has moved and how long its dial took: counted by whoever holds the lock of that direction anyway,
//! read without any lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::connection::Connection;
use crate::protocol::encoder::Control;
use crate::transcript::{Times, microseconds};

/// A figure of a connection. The numbers are those of the C header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Figure {
    /// Microseconds from the last answered keepalive ping to its pong.
    RoundTrip = 1,
    /// Microseconds of the dial for the name; 0 when none was looked up. All times are those of the last address, where
    /// redirects were followed.
    Resolve = 2,
    /// Microseconds for connecting; 0 when the caller did.
    Connect = 3,
    /// Microseconds for the exchange with a proxy, TLS with it among them.
    Proxy = 4,
    /// Microseconds for TLS with the server.
    Tls = 5,
    /// Microseconds from the upgrade request to its verified answer.
    Handshake = 6,
    /// Whole messages taken to be sent.
    MessagesSent = 7,
    /// Whole messages that have come.
    MessagesReceived = 8,
    /// Frames, control frames among them.
    FramesSent = 9,
    /// Frames that have come.
    FramesReceived = 10,
    /// Payload of the messages, before compression.
    BytesSent = 11,
    /// Payload of the messages that came, after inflating.
    BytesReceived = 12,
    /// Bytes that the transport took: handshake, frames, TLS.
    WireSent = 13,
    /// Bytes that the transport brought.
    WireReceived = 14,
    /// Pings, the keepalive's among them.
    PingsSent = 15,
    /// Pings that have come.
    PingsReceived = 16,
    /// Pongs.
    PongsSent = 17,
    /// Pongs that have come.
    PongsReceived = 18,
}

impl Figure {
    /// Every figure, by its number.
    pub const ALL: &[Figure] = &[
        Figure::RoundTrip,
        Figure::Resolve,
        Figure::Connect,
        Figure::Proxy,
        Figure::Tls,
        Figure::Handshake,
        Figure::MessagesSent,
        Figure::MessagesReceived,
        Figure::FramesSent,
        Figure::FramesReceived,
        Figure::BytesSent,
        Figure::BytesReceived,
        Figure::WireSent,
        Figure::WireReceived,
        Figure::PingsSent,
        Figure::PingsReceived,
        Figure::PongsSent,
        Figure::PongsReceived,
    ];
}

/// What was moved in one direction. One thread counts at a time, any may look: a plain addition that is never torn.
#[derive(Default)]
pub(super) struct Moved {
    messages: AtomicU64,
    bytes: AtomicU64,
    wire: AtomicU64,
}

impl Moved {
    /// A whole message of that length.
    #[inline]
    pub(super) fn message(&self, len: usize) {
        self.messages(1, len);
    }

    /// So many whole messages, together of that length.
    #[inline]
    pub(super) fn messages(&self, count: usize, len: usize) {
        add(&self.messages, count as u64);
        add(&self.bytes, len as u64);
    }

    /// Bytes that the transport has moved.
    #[inline]
    pub(super) fn wire(&self, n: usize) {
        add(&self.wire, n as u64);
    }
}

#[inline]
fn add(figure: &AtomicU64, more: u64) {
    // The lock of the direction is held: nobody else adds.
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// Control frames and fragments, under the link; most connections have none.
#[derive(Clone, Copy, Default)]
pub(super) struct Controls {
    sent: [u64; 3],
    received: [u64; 3],
    /// Data frames that were not the last of their message.
    pub(super) fragments_sent: u64,
    pub(super) fragments_received: u64,
    /// How long the last answered ping took.
    pub(super) round_trip: Option<Duration>,
}

impl Controls {
    pub(super) fn sent(&mut self, control: Control) {
        self.sent[place(control)] += 1;
    }

    pub(super) fn received(&mut self, control: Control) {
        self.received[place(control)] += 1;
    }
}

fn place(control: Control) -> usize {
    match control {
        Control::Ping => 0,
        Control::Pong => 1,
        Control::Close => 2,
    }
}

impl Connection {
    /// One of the connection's figures.
    pub fn figure(&self, figure: Figure) -> u64 {
        let (sent, received) = (&self.sent, &self.arrived);
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let controls = || {
            // Another process's lock may be held by a thread that this one has not.
            if self.is_inherited() {
                Controls::default()
            } else {
                self.link.lock().controls.as_deref().copied().unwrap_or_default()
            }
        };
        match figure {
            Figure::RoundTrip => self.round_trip().map_or(0, |time| microseconds(time).into()),
            Figure::Resolve => self.times().resolve.into(),
            Figure::Connect => self.times().connect.into(),
            Figure::Proxy => self.times().proxy.into(),
            Figure::Tls => self.times().tls.into(),
            Figure::Handshake => self.times().handshake.into(),
            Figure::MessagesSent => read(&sent.messages),
            Figure::MessagesReceived => read(&received.messages),
            Figure::FramesSent => {
                let controls = controls();
                read(&sent.messages) + controls.fragments_sent + controls.sent.iter().sum::<u64>()
            }
            Figure::FramesReceived => {
                let controls = controls();
                read(&received.messages) + controls.fragments_received + controls.received.iter().sum::<u64>()
            }
            Figure::BytesSent => read(&sent.bytes),
            Figure::BytesReceived => read(&received.bytes),
            Figure::WireSent => read(&sent.wire),
            Figure::WireReceived => read(&received.wire),
            Figure::PingsSent => controls().sent[place(Control::Ping)],
            Figure::PingsReceived => controls().received[place(Control::Ping)],
            Figure::PongsSent => controls().sent[place(Control::Pong)],
            Figure::PongsReceived => controls().received[place(Control::Pong)],
        }
    }

    /// How long the phases of the dial took: those of the last address, where redirects were followed.
    pub fn times(&self) -> Times {
        self.times.get().copied().unwrap_or_default()
    }
}
