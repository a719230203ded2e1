//! What the user decided about dialing, as values. Every setter validates at once.
//!
//! Parsed trust roots and TLS sessions are not decisions; they live with `client::Client`.

use crate::error::Error;
use crate::headers::Headers;

/// The decisions about TLS. Two dialers with equal ones may share a configuration and its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// Trust roots of the user's, DER.
    pub(crate) roots: Vec<Vec<u8>>,
    /// Whether the operating system's roots count too (the default).
    pub(crate) system_roots: bool,
    /// The name to send and to check instead of the address's host.
    pub(crate) server_name: Option<String>,
}

/// Decisions about dialing; what is not decided has a secure default.
#[derive(Clone, Debug)]
pub struct Dialer {
    pub(crate) subprotocols: Vec<String>,
    pub(crate) require_subprotocol: bool,
    pub(crate) headers: Headers,
    pub(crate) tls: TlsOptions,
    /// Bytes, 0 is none.
    pub(crate) max_message: u64,
    /// Bytes kept of a rejection's body.
    pub(crate) max_rejection_body: usize,
    /// The most that one read takes from the socket, and the most that one write gives to it.
    pub(crate) read_buffer: usize,
    pub(crate) write_buffer: usize,
}

impl Default for Dialer {
    fn default() -> Dialer {
        Dialer {
            subprotocols: Vec::new(),
            require_subprotocol: false,
            headers: Headers::new(),
            tls: TlsOptions { roots: Vec::new(), system_roots: true, server_name: None },
            max_message: 64 << 20,
            max_rejection_body: 1024,
            read_buffer: crate::buffer::POOLED,
            write_buffer: crate::buffer::POOLED,
        }
    }
}

impl Dialer {
    /// The defaults.
    pub fn new() -> Dialer {
        Dialer::default()
    }

    /// Offers a subprotocol, behind those offered before. It must be a token (RFC 9110 5.6.2) and not offered twice.
    pub fn add_subprotocol(&mut self, _name: &str) -> Result<(), Error> {
        unimplemented!()
    }

    /// Makes it a failure when the server chooses none of the offered subprotocols (RFC 6455 allows it to).
    pub fn require_subprotocol(&mut self, on: bool) {
        self.require_subprotocol = on;
    }

    /// Adds a header field to the request, spelling and order kept.
    pub fn add_header(&mut self, _name: &str, _value: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Limits received messages to that many bytes, 0 for no limit.
    pub fn set_max_message(&mut self, bytes: u64) {
        self.max_message = bytes;
    }

    /// Keeps at most that many bytes of a rejection's body (1 KiB unless set, at most 16 MiB).
    pub fn set_max_rejection_body(&mut self, _bytes: u64) -> Result<(), Error> {
        unimplemented!()
    }

    /// Sets the most that one read and one write move, 0 for the default; at least 1 KiB, at most 16 MiB.
    pub fn set_buffer_sizes(&mut self, _read: u64, _write: u64) -> Result<(), Error> {
        unimplemented!()
    }

    /// Trusts the certificates of a PEM file, beside what is trusted already.
    pub fn add_ca_file(&mut self, _path: &std::path::Path) -> Result<(), Error> {
        unimplemented!()
    }

    /// Trusts the certificates in PEM, beside what is trusted already.
    pub fn add_ca_pem(&mut self, _pem: &[u8]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Whether the operating system's trust roots count (they do unless switched off).
    pub fn use_system_roots(&mut self, on: bool) {
        self.tls.system_roots = on;
    }

    /// Sends and checks this name in TLS instead of the address's host.
    pub fn set_server_name(&mut self, _name: &str) -> Result<(), Error> {
        unimplemented!()
    }
}
