//! UTF-8 as it arrives (RFC 6455 8.1, RFC 3629): fails at the first byte that cannot be.

/// Whether the whole is UTF-8.
pub(crate) fn is_utf8(_bytes: &[u8]) -> bool {
    unimplemented!()
}

/// Validates text that comes in portions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Utf8 {}

/// The text cannot be UTF-8, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

impl Utf8 {
    /// Takes the next portion.
    pub(crate) fn feed(&mut self, _bytes: &[u8]) -> Result<(), Invalid> {
        unimplemented!()
    }

    /// The text ends here: an error inside a character. Ready for the next text.
    pub(crate) fn finish(&mut self) -> Result<(), Invalid> {
        unimplemented!()
    }
}
