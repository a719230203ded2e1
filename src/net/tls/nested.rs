//! TLS inside of TLS: what a connection to a server is that goes through a proxy which is itself spoken to in TLS.
//!
//! The caller sees one [`Tls`]: its ciphertext is the outer one's, its plaintext and its facts are the inner one's.

use super::{Opened, Sink, Tls, no_memory};
use crate::buffer::Buffer;
use crate::error::Error;

/// The outer TLS, and the inner one's ciphertext on its way between the two.
pub(super) struct Outer {
    tls: Tls,
    /// Opened by the outer, to be opened by the inner.
    coming: Buffer,
    /// Sealed by the inner, to be sealed by the outer.
    going: Buffer,
}

impl Tls {
    /// Puts this TLS, whose handshake has not begun, inside of `outer`, whose handshake is over. `coming` are bytes that
    /// `outer` has opened already.
    pub(crate) fn inside(mut self, outer: Tls, coming: &[u8]) -> Result<Tls, Error> {
        let mut between = Buffer::new();
        if !coming.is_empty() {
            between.extend(coming).map_err(no_memory)?;
        }
        self.outer = Some(Box::new(Outer { tls: outer, coming: between, going: Buffer::new() }));
        Ok(self)
    }
}

impl Outer {
    pub(super) fn open(
        &mut self,
        inner: &mut Tls,
        cipher: &mut Buffer,
        plain: &mut dyn Sink,
        bound: usize,
        out: &mut Buffer,
    ) -> Result<Opened, Error> {
        // What the inner one has left of the last portion comes first: there is no more than two portions between them.
        let opened = if self.coming.len() < bound {
            self.tls.open(cipher, &mut self.coming, bound, out)
        } else {
            Ok(Opened::Bounded)
        };
        let inner_opened = inner.open_own(&mut self.coming, plain, bound, &mut self.going);
        self.coming.rest();
        let sent = self.send(out);
        match (inner_opened?, opened?) {
            (Opened::More, Opened::Closed) => Ok(Opened::Cut),
            (Opened::More, outer) => sent.map(|()| outer),
            (inner, _) => sent.map(|()| inner),
        }
    }

    pub(super) fn seal(&mut self, inner: &mut Tls, plain: &[u8], out: &mut Buffer) -> Result<(), Error> {
        inner.seal_own(plain, &mut self.going)?;
        self.send(out)
    }

    pub(super) fn close_notify(&mut self, inner: &mut Tls, out: &mut Buffer) {
        inner.close_notify_own(&mut self.going);
        // Without memory for it the peer sees the connection end, which it must survive anyway.
        let _ = self.send(out);
        self.tls.close_notify(out);
    }

    fn send(&mut self, out: &mut Buffer) -> Result<(), Error> {
        // Behind the outer one's own end nothing can follow, and nobody would look at it.
        let sealed = if self.tls.close_notify_sent { Ok(()) } else { self.tls.seal_own(self.going.filled(), out) };
        self.going.consume(self.going.len());
        self.going.rest();
        sealed
    }
}
