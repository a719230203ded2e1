//! When our messages are compressed: where it is agreed (RFC 7692), switched on, and worth it.

use super::connection::{Connection, Tx};
use super::sync::{AtomicUsize, Ordering};
use crate::dialer::{DeflateOptions, one_to_nine};
use crate::error::Error;
use crate::protocol::deflate::Manner;

/// How our messages are compressed, where the server agrees to it.
pub(super) struct Deflating {
    /// 0 for not at all.
    level: AtomicUsize,
    options: DeflateOptions,
}

impl Deflating {
    pub(super) fn new(options: &DeflateOptions) -> Option<Box<Deflating>> {
        let level = AtomicUsize::new(options.level.into());
        options.is_offered.then(|| Box::new(Deflating { level, options: *options }))
    }

    /// Nothing cannot be compressed, and little is not worth it.
    #[inline]
    fn is_too_short(&self, data: &[u8]) -> bool {
        data.is_empty() || data.len() < self.options.threshold
    }
}

impl Connection {
    /// The extensions that were agreed, as the server answered; empty when there are none.
    pub fn extensions(&self) -> &str {
        self.agreed.get().and_then(|agreed| agreed.deflate.as_deref()).map_or("", |(_, extensions)| extensions)
    }

    /// Switches the compression of our messages on or off from the next message on, and sets its level, 1 to 9, or 0 for
    /// the dialer's. Where no compression was agreed it changes nothing.
    pub fn set_compression(&self, on: bool, level: u32) -> Result<(), Error> {
        let unset = self.deflating.as_ref().map_or(0, |deflating| deflating.options.level);
        let level = one_to_nine("level", level, unset)?;
        if let Some(deflating) = &self.deflating {
            deflating.level.store(if on { level.into() } else { 0 }, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Compresses `data` into `to` if that is to be; else it is to be sent as it is. The message is as good as taken: an
    /// error leaves the compressor as if it had never been.
    pub(super) fn deflate(
        &self,
        deflating: &Deflating,
        tx: &mut Tx,
        data: &[u8],
        to: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        if deflating.is_too_short(data) {
            return Ok(false);
        }
        match self.manner(deflating) {
            Some(manner) => tx.deflater.message(manner, data, to),
            None => Ok(false),
        }
    }

    /// How a message that is sent in fragments is compressed; `None`, it is not. How long it will be nobody knows: only
    /// one that ends with its first fragment may be too short for it.
    pub(super) fn fragments_manner(&self, data: &[u8], is_whole: bool) -> Option<Manner> {
        let deflating = self.deflating.as_ref()?;
        if is_whole && deflating.is_too_short(data) {
            return None;
        }
        self.manner(deflating)
    }

    /// How the next message is compressed; `None`, it is not.
    fn manner(&self, deflating: &Deflating) -> Option<Manner> {
        let level = deflating.level.load(Ordering::Relaxed);
        if level == 0 {
            return None;
        }
        let (agreed, _) = self.agreed.get()?.deflate.as_deref()?;
        let manner = Manner {
            level: level as u8,
            mem_level: deflating.options.mem_level,
            window_bits: agreed.client_window_bits,
            keeps_context: !agreed.client_no_context_takeover,
        };
        manner.is_possible().then_some(manner)
    }
}
