//! Header fields in the order and spelling in which they stood on the wire.

/// A list of header fields. Names compare without case (RFC 9110 5.1); values are bytes, for HTTP promises no more.
///
/// One piece of memory for all of them, as every connection keeps its server's: the length of a name, the name, the
/// length of its value, the value, and so on.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<u8>);

impl Headers {
    /// No fields.
    pub const fn new() -> Headers {
        Headers(Vec::new())
    }

    /// Adds a field behind the others.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) {
        let parts = [name.as_ref().as_bytes(), value.as_ref()];
        self.0.reserve_exact(parts.map(|part| LENGTH + part.len()).iter().sum());
        for part in parts {
            self.0.extend_from_slice(&part.len().to_ne_bytes());
            self.0.extend_from_slice(part);
        }
    }

    /// Every value of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The first value of that name.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let name = take(&mut rest)?;
            Some((std::str::from_utf8(name).unwrap_or_default(), take(&mut rest)?))
        })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The non-empty elements of a field that is a list, over all its lines (RFC 9110 5.6.1), without the white
    /// space around them.
    pub(crate) fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|v| v.split(|&b| b == b',')).map(<[u8]>::trim_ascii).filter(|t| !t.is_empty())
    }
}

/// Bytes of a length.
const LENGTH: usize = size_of::<usize>();

/// The next part of what `push` has put together.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<LENGTH>()?;
    let (part, behind) = behind.split_at_checked(usize::from_ne_bytes(*length))?;
    *rest = behind;
    Some(part)
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Whether `text` is a token (RFC 9110 5.6.2), as names of fields and subprotocols are.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// RFC 4648 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// What [`base64`] made, with its `=` or without; `None` for anything else.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_lists_span_lines() {
        let mut headers = Headers::new();
        headers.push("Connection", "keep-alive, Upgrade");
        headers.push("connection", " ,close ,");
        assert_eq!(headers.tokens("CONNECTION").collect::<Vec<_>>(), [&b"keep-alive"[..], b"Upgrade", b"close"]);
        assert_eq!(headers.first("connection"), Some(&b"keep-alive, Upgrade"[..]));
        assert_eq!(headers.all("connection").count(), 2);
        assert_eq!(headers.first("upgrade"), None);
    }

    #[test]
    fn base64_goes_both_ways() {
        for size in 0..20u8 {
            let bytes: Vec<u8> = (0..size).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
            let text = base64(&bytes);
            assert_eq!(from_base64(text.as_bytes()).as_ref(), Some(&bytes));
            assert_eq!(from_base64(text.trim_end_matches('=').as_bytes()), Some(bytes));
        }
        assert_eq!(from_base64(b"a-b"), None);
    }

    #[test]
    fn fields_come_out_as_they_went_in() {
        let mut headers = Headers::new();
        assert!(headers.is_empty() && headers.iter().next().is_none());
        let fields = [("A", &b""[..]), ("b", b"\xff\0"), ("c", &[7; 5000])];
        for (name, value) in fields {
            headers.push(name, value);
        }
        assert_eq!(headers.iter().collect::<Vec<_>>(), fields);
        assert_eq!(headers.len(), 3);
    }
}
