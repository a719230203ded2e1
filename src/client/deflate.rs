//! When our messages are compressed: where it is agreed (RFC 7692), switched on, and worth it.

use super::connection::{Connection, Tx};
use super::sync::Ordering;
use crate::dialer::one_to_nine;
use crate::error::Error;
use crate::protocol::deflate::Manner;

impl Connection {
    /// The extensions that were agreed, as the server answered; empty when there are none.
    pub fn extensions(&self) -> &str {
        self.agreed.get().map_or("", |agreed| &agreed.extensions)
    }

    /// Switches the compression of our messages on or off from the next message on, and sets its level, 1 to 9, or 0 for
    /// the dialer's. Where no compression was agreed it changes nothing.
    pub fn set_compression(&self, on: bool, level: u32) -> Result<(), Error> {
        let level = one_to_nine("level", level, self.deflate.level)?;
        self.deflate_level.store(if on { level.into() } else { 0 }, Ordering::Relaxed);
        Ok(())
    }

    /// Compresses `data` into `to` if that is to be; else it is to be sent as it is. The message is as good as taken: an
    /// error leaves the compressor as if it had never been.
    #[inline]
    pub(super) fn deflate(&self, tx: &mut Tx, data: &[u8], may_deflate: bool, to: &mut Vec<u8>) -> Result<bool, Error> {
        let level = self.deflate_level.load(Ordering::Relaxed);
        // Nothing cannot be compressed.
        if level == 0 || !may_deflate || data.is_empty() || data.len() < self.deflate.threshold {
            return Ok(false);
        }
        match self.manner(level) {
            Some(manner) => tx.deflater.message(manner, data, to),
            None => Ok(false),
        }
    }

    /// How a message that is sent in fragments is compressed; `None`, it is not. How long it will be nobody knows: only
    /// one that ends with its first fragment may be too short for it.
    pub(super) fn fragments_manner(&self, data: &[u8], is_whole: bool) -> Option<Manner> {
        let level = self.deflate_level.load(Ordering::Relaxed);
        if level == 0 || (is_whole && (data.is_empty() || data.len() < self.deflate.threshold)) {
            return None;
        }
        self.manner(level)
    }

    fn manner(&self, level: usize) -> Option<Manner> {
        let agreed = self.agreed.get()?.deflate?;
        let manner = Manner {
            level: level as u8,
            mem_level: self.deflate.mem_level,
            window_bits: agreed.client_window_bits,
            keeps_context: !agreed.client_no_context_takeover,
        };
        manner.is_possible().then_some(manner)
    }
}
