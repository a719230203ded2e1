//! What becomes of control frames: whether they are delivered like messages, and who answers them.

use super::connection::{Connection, Rx};
use super::sync::Ordering;
use crate::protocol::message::{Kind, Message};

/// Pings, pongs and closes are delivered.
const DELIVERED: u8 = 1;
/// Pings are answered by the program.
const OWN_PONGS: u8 = 2;
/// The peer's close is answered by the program.
const OWN_CLOSE: u8 = 4;

/// What `Connection::control` holds for these settings.
pub(super) fn bits(deliver: bool, auto_pong: bool, auto_close: bool) -> u8 {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    bit(deliver, DELIVERED) | bit(!auto_pong, OWN_PONGS) | bit(!auto_close, OWN_CLOSE)
}

impl Rx {
    /// Puts the control frame that the decoder has just said behind what waits for a receiver.
    pub(super) fn keep_control(&mut self, kind: Kind) {
        let data = self.decoder.control().to_vec();
        self.ready_bytes += data.len();
        self.ready.push_back(Message { kind, data });
    }

    /// Takes it away again, unread.
    pub(super) fn drop_control(&mut self) {
        if let Some(dropped) = self.ready.pop_back() {
            self.ready_bytes -= dropped.data.len();
        }
    }
}

impl Connection {
    /// From the next control frame on: whether pings, pongs and closes are delivered as messages of those kinds, in order
    /// with the others and before a message that they come in the middle of; whether pings are answered by themselves; and
    /// whether the peer's close is. Whoever answers a close does so by `close`, within 5 s, and may finish a fragmented
    /// message before.
    pub fn set_control(&self, deliver: bool, auto_pong: bool, auto_close: bool) {
        self.control.store(bits(deliver, auto_pong, auto_close), Ordering::Relaxed);
    }

    pub(super) fn delivers_control(&self) -> bool {
        self.control.load(Ordering::Relaxed) & DELIVERED != 0
    }

    pub(super) fn answers_pings(&self) -> bool {
        self.control.load(Ordering::Relaxed) & OWN_PONGS == 0
    }

    pub(super) fn answers_closes(&self) -> bool {
        self.control.load(Ordering::Relaxed) & OWN_CLOSE == 0
    }
}
