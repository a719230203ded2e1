//! Text as C reads it: bytes with a NUL behind them, made from ours once and kept as long as their owner.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::headers::Headers;

/// A copy that C can read. What holds a NUL (our texts do not) ends there.
pub(super) fn c_text(bytes: impl AsRef<[u8]>) -> CString {
    let bytes = bytes.as_ref();
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// The pointer to give out: NULL for nothing.
pub(super) fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}

/// Header fields, to be asked by name or by position. One piece of memory, as a connection keeps it for its life: a name, a
/// NUL, its value, a NUL, and so on.
#[derive(Debug)]
pub(super) struct Fields(Box<[u8]>);

impl Fields {
    pub(super) fn new(headers: &Headers) -> Fields {
        let texts = || headers.iter().flat_map(|(name, value)| [c_text(name), c_text(value)]);
        let mut all = Vec::with_capacity(texts().map(|text| text.as_bytes_with_nul().len()).sum());
        texts().for_each(|text| all.extend_from_slice(text.as_bytes_with_nul()));
        Fields(all.into_boxed_slice())
    }

    /// Names and values in turn, each with its NUL.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split_inclusive(|&byte| byte == 0)
    }

    /// The value of the field number `index` among those of that name, without regard to case; NULL behind the last.
    pub(super) fn by_name(&self, name: &[u8], index: usize) -> *const c_char {
        let mut texts = self.texts();
        let fields = std::iter::from_fn(|| Some((texts.next()?, texts.next()?)));
        let mut named = fields.filter(|(n, _)| n[..n.len() - 1].eq_ignore_ascii_case(name));
        start(named.nth(index).map(|(_, value)| value))
    }

    /// Name and value of the field at that place; NULL and NULL behind the last.
    pub(super) fn at(&self, position: usize) -> (*const c_char, *const c_char) {
        let mut texts = self.texts().skip(position.saturating_mul(2));
        (start(texts.next()), start(texts.next()))
    }
}

/// Where a text begins that has its NUL; NULL for none.
fn start(text: Option<&[u8]>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr().cast())
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn read(pointer: *const c_char) -> Option<String> {
        // SAFETY: NULL or the text of a `CString` that the test keeps.
        (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
    }

    #[test]
    fn fields_are_found_by_name_and_by_place() {
        let mut headers = Headers::new();
        headers.push("Set-Cookie", "a=1");
        headers.push("Server", "x");
        headers.push("set-cookie", "b=2");
        let fields = Fields::new(&headers);
        assert_eq!(read(fields.by_name(b"SET-COOKIE", 1)).as_deref(), Some("b=2"));
        assert_eq!(read(fields.by_name(b"Set-Cookie", 2)), None);
        let (name, value) = fields.at(1);
        assert_eq!((read(name).as_deref(), read(value).as_deref()), (Some("Server"), Some("x")));
        assert!(fields.at(3).0.is_null() && fields.at(usize::MAX).1.is_null());
    }

    #[test]
    fn a_nul_ends_a_text() {
        assert_eq!(c_text(b"ab\0cd").as_bytes(), b"ab");
    }
}
