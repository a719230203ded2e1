//! Masking (RFC 6455 5.3), in one pass with the copy into the wire buffer.

/// Copies `from` to `to` (equally long) masked with `key`; `at` is how many bytes of the payload went before.
pub(crate) fn copy_masked(_to: &mut [u8], _from: &[u8], _key: [u8; 4], _at: u64) {
    unimplemented!()
}
