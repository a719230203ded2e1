//! TLS by rustls: records in and out of the caller's buffers, no I/O.
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::dialer::TlsOptions;
use crate::error::Error;

/// A configuration made from options: roots parsed, sessions kept.
#[derive(Clone, Debug)]
pub(crate) struct TlsConfig(#[allow(dead_code)] Arc<rustls::ClientConfig>);

impl TlsConfig {
    /// Reads the operating system's trust store when asked to, so: once for each dialer.
    pub(crate) fn new(_options: &TlsOptions) -> Result<TlsConfig, Error> {
        unimplemented!()
    }
}

/// What opening records led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// All whole records were opened; more bytes are needed.
    More,
    /// The bound was reached; whole records may be left.
    Bounded,
    /// The peer's close_notify: nothing follows.
    Closed,
}

/// One TLS connection: state only.
pub(crate) struct Tls {}

impl Tls {
    /// `host` is the name to check (an IP literal too), unless the options named another.
    pub(crate) fn new(_config: &TlsConfig, _options: &TlsOptions, _host: &str) -> Result<Tls, Error> {
        unimplemented!()
    }

    /// Carries on the handshake, or opens records: takes bytes off `cipher`, puts plaintext behind `plain` (about
    /// `bound` bytes at the most), and what must be sent behind `out` (handshake messages, alerts, key updates). After
    /// an error `out` may hold the alert that tells the peer.
    pub(crate) fn open(
        &mut self,
        _cipher: &mut Buffer,
        _plain: &mut Buffer,
        _bound: usize,
        _out: &mut Buffer,
    ) -> Result<Opened, Error> {
        unimplemented!()
    }

    /// Seals `plain` behind `out`. What `open` put out before must have been sent before: records keep their order.
    pub(crate) fn seal(&mut self, _plain: &[u8], _out: &mut Buffer) -> Result<(), Error> {
        unimplemented!()
    }

    /// Seals close_notify behind `out`, once.
    pub(crate) fn close_notify(&mut self, _out: &mut Buffer) {
        unimplemented!()
    }

    /// Whether the handshake is still under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        unimplemented!()
    }

    /// `TLSv1.3` or `TLSv1.2`, once known.
    pub(crate) fn version(&self) -> Option<&'static str> {
        unimplemented!()
    }

    /// The cipher suite's name, once known.
    pub(crate) fn cipher(&self) -> Option<&'static str> {
        unimplemented!()
    }
}
