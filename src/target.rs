//! A parsed address: where to connect, which name TLS checks, what Host and the request line say, who logs in.

use std::path::PathBuf;

use crate::error::Error;

/// How the connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// TCP.
    Ws,
    /// TLS over TCP.
    Wss,
    /// A unix socket: `ws+unix:/path/of/socket:/request/target`.
    Unix,
}

/// An address, taken apart and checked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    /// To resolve and to name in TLS: IDNA applied, lower case, no brackets around an IPv6 literal. `localhost` for a unix socket.
    pub(crate) host: String,
    /// Never 0; 0 for a unix socket only.
    pub(crate) port: u16,
    /// The value of `Host`: brackets kept, default port left out.
    pub(crate) host_header: String,
    /// The request line's target: `/path?query`.
    pub(crate) request_target: String,
    /// User and password, percent-decoded.
    pub(crate) credentials: Option<(Vec<u8>, Vec<u8>)>,
    /// The unix socket.
    pub(crate) socket: Option<PathBuf>,
    /// For error messages: `wss://host:443`, `ws+unix:/path`; never credentials, path or query.
    pub(crate) display: String,
}

impl Target {
    /// Reads an address (`dialer.md` 2 and 5; RFC 6455 3).
    pub(crate) fn parse(_url: &str) -> Result<Target, Error> {
        unimplemented!()
    }
}
