//! Random bytes from the operating system: handshake keys, and mask keys, which must be unpredictable (RFC 6455 5.3).

/// A fresh mask key.
pub(crate) fn mask_key() -> [u8; 4] {
    unimplemented!()
}

/// 16 fresh bytes for Sec-WebSocket-Key.
pub(crate) fn handshake_key() -> Result<[u8; 16], crate::error::Error> {
    unimplemented!()
}
