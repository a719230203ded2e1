//! Frame headers (RFC 6455 5.2).
