//! Header fields in the order and spelling in which they stood on the wire.

/// A list of header fields. Names compare without case (RFC 9110 5.1); values are bytes, for HTTP promises no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No fields.
    pub const fn new() -> Headers {
        Headers(Vec::new())
    }

    /// Adds a field behind the others.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Every value of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
    }

    /// The first value of that name.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_slice()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
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

/// Whether `text` is a token (RFC 9110 5.6.2), as names of fields and subprotocols are.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
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
}
