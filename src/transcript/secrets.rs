//! What nobody is to read in a transcript or in the sentence of an error: secret fields, the secrets of addresses, and what
//! was secret in a request wherever an answer says it back.
//!
//! A server that wants to give a secret away can always find a spelling that is not known here. This is for those that say
//! back what they got, as error pages and debugging servers do.

use crate::headers::{base64, from_base64};

/// What a field's name has in it when its value is nobody's business.
const SECRET: &[&str] =
    &["auth", "cookie", "token", "secret", "passw", "api-key", "apikey", "session", "credential", "signature", "jwt"];

/// Fields that look so and are no secrets but questions.
const PUBLIC: &[&str] = &["www-authenticate", "proxy-authenticate"];

/// Fields whose value is an address, or has one in it.
const ADDRESSES: &[&str] = &["location", "content-location", "referer", "refresh", "link"];

/// The names that may be shown in front of credentials (RFC 9110 11.1). Any other word may be a part of them.
const SCHEMES: &[&str] = &[
    "basic",
    "bearer",
    "digest",
    "negotiate",
    "ntlm",
    "dpop",
    "gnap",
    "hoba",
    "mutual",
    "oauth",
    "token",
    "apikey",
    "scram-sha-1",
    "scram-sha-256",
    "vapid",
    "aws4-hmac-sha256",
];

/// What stands for a secret.
const MASK: &[u8] = b"***";

/// Shorter values are looked for nowhere: a page of which every `1` were masked would explain nothing.
const SHORTEST: usize = 4;

/// `&quot;` and `\\u0022`.
const LONGEST_ESCAPE: usize = 6;

/// Secrets as they are found.
#[derive(Default)]
pub(super) struct Found(Vec<Vec<u8>>);

impl Found {
    /// Those in the head of a request.
    pub(super) fn request(&mut self, head: &[u8]) {
        for line in head.split(|&byte| byte == b'\n').skip(1) {
            if let Some((name, value)) = split_at(line, b':') {
                self.field(&String::from_utf8_lossy(name), value.trim_ascii());
            }
        }
    }

    /// Those in a field of a request or an answer.
    pub(super) fn field(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            _ if !is_secret(&name) => {}
            "cookie" => {
                self.0.push(value.to_vec());
                value.split(|&byte| byte == b';').for_each(|pair| self.cookie(pair.trim_ascii()));
            }
            "set-cookie" => self.cookie(split_at(value, b';').map_or(value, |(pair, _)| pair).trim_ascii()),
            "authorization" | "proxy-authorization" => self.authorization(value),
            _ => self.0.push(value.to_vec()),
        }
    }

    fn cookie(&mut self, pair: &[u8]) {
        self.0.push(pair.to_vec());
        self.0.extend(split_at(pair, b'=').map(|(_, value)| value.to_vec()));
    }

    fn authorization(&mut self, value: &[u8]) {
        self.0.push(value.to_vec());
        let Some((scheme, rest)) = split_at(value, b' ') else { return };
        let rest = rest.trim_ascii();
        self.0.push(rest.to_vec());
        if scheme.eq_ignore_ascii_case(b"basic")
            && let Some(pair) = from_base64(rest)
        {
            self.0.extend(split_at(&pair, b':').into_iter().flat_map(|(user, word)| [user.to_vec(), word.to_vec()]));
            self.0.push(pair);
        }
        // RFC 9110 11.4: parameters, of which some are secrets.
        for (_, value) in rest.split(|&byte| byte == b',').filter_map(|parameter| split_at(parameter, b'=')) {
            let value = value.trim_ascii();
            let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            self.0.push(inner.unwrap_or(value).to_vec());
        }
    }
}

impl From<Found> for Secrets {
    fn from(Found(mut found): Found) -> Secrets {
        let encoded: Vec<Vec<u8>> = found.iter().flat_map(|secret| encoded(secret)).collect();
        found.extend(encoded);
        found.retain(|secret| secret.len() >= SHORTEST);
        // The longest first: a part of it that is a secret too would leave the rest to be seen.
        found.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
        found.dedup();
        Secrets(found)
    }
}

/// What is looked for in what answers say, the longest first.
#[derive(Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// Somebody's bytes without the secrets. What they end with may be the beginning of one, when they were cut.
    pub(super) fn hide(&self, bytes: &[u8]) -> Vec<u8> {
        if self.0.is_empty() {
            return bytes.to_vec();
        }
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            match self.0.iter().find_map(|secret| found(rest, secret)) {
                Some(length) => {
                    shown.extend_from_slice(MASK);
                    rest = &rest[length..];
                }
                None => {
                    shown.push(*first);
                    rest = behind;
                }
            }
        }
        shown
    }

    /// A line of somebody's, which may have addresses in it.
    pub(super) fn line(&self, bytes: &[u8]) -> Vec<u8> {
        without_users(&self.hide(bytes))
    }

    /// A sentence of ours without the secrets of what it quotes, and of the reason in it.
    pub(super) fn hide_quoted(&self, sentence: &str, reason: &str) -> String {
        let mut shown = Vec::with_capacity(sentence.len());
        let (mut begin, mut is_quoted, mut is_escaped) = (0, false, false);
        for (at, byte) in sentence.bytes().enumerate() {
            if byte == b'"' && !is_escaped {
                shown.extend(self.part(&sentence.as_bytes()[begin..at], is_quoted));
                (begin, is_quoted) = (at, !is_quoted);
            }
            is_escaped = byte == b'\\' && !is_escaped;
        }
        shown.extend_from_slice(&sentence.as_bytes()[begin..]);
        let shown = String::from_utf8_lossy(&without_users(&shown)).into_owned();
        let hidden = without_users(&self.hide(reason.as_bytes()));
        if hidden == reason.as_bytes() { shown } else { shown.replace(reason, &String::from_utf8_lossy(&hidden)) }
    }

    /// What is between two quotes; it begins with the first of them.
    fn part(&self, bytes: &[u8], is_quoted: bool) -> Vec<u8> {
        match bytes.split_first() {
            Some((quote, content)) if is_quoted => [&[*quote], &self.hide(content)[..]].concat(),
            _ => bytes.to_vec(),
        }
    }

    /// The value of a field as it may be shown.
    pub(super) fn field(&self, name: &str, value: &[u8]) -> Vec<u8> {
        let name = name.to_ascii_lowercase();
        if !is_secret(&name) {
            return addresses(&name, &self.hide(value));
        }
        match name.as_str() {
            // What attributes a cookie has is worth knowing.
            "set-cookie" => match split_at(value, b';') {
                Some((pair, attributes)) => [&cookie(pair)[..], b";", &self.hide(attributes)].concat(),
                None => cookie(value),
            },
            "cookie" => {
                let pairs: Vec<Vec<u8>> =
                    value.split(|&byte| byte == b';').map(|pair| cookie(pair.trim_ascii())).collect();
                pairs.join(&b"; "[..])
            }
            "authorization" | "proxy-authorization" => match split_at(value, b' ') {
                Some((scheme, _)) if is_scheme(scheme) => [scheme, b" ", MASK].concat(),
                _ => MASK.to_vec(),
            },
            _ => MASK.to_vec(),
        }
    }
}

fn is_secret(name: &str) -> bool {
    !PUBLIC.contains(&name) && SECRET.iter().any(|secret| name.contains(secret))
}

fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| scheme.as_bytes().eq_ignore_ascii_case(word))
}

fn split_at(bytes: &[u8], by: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == by)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// A cookie without its value.
fn cookie(pair: &[u8]) -> Vec<u8> {
    split_at(pair, b'=').map_or_else(|| MASK.to_vec(), |(name, _)| [name, b"=", MASK].concat())
}

/// How programs write bytes in text: in base64, with either alphabet, as far as what follows them does not matter.
fn encoded(secret: &[u8]) -> [Vec<u8>; 2] {
    let text = base64(&secret[..secret.len() / 3 * 3]);
    [text.replace('+', "-").replace('/', "_").into_bytes(), text.into_bytes()]
}

/// How long `secret` is at the start of `text`, in whatever case and however it is escaped.
fn found(text: &[u8], secret: &[u8]) -> Option<usize> {
    let mut rest = text;
    for (n, &byte) in secret.iter().enumerate() {
        if rest.is_empty() {
            return (n >= SHORTEST).then_some(text.len());
        }
        match written(rest, byte) {
            Some(length) => rest = &rest[length..],
            // The end may have cut an escape.
            None if n >= SHORTEST && rest.len() < LONGEST_ESCAPE && b"&%\\".contains(&rest[0]) => {
                return Some(text.len());
            }
            None => return None,
        }
    }
    Some(text.len() - rest.len())
}

/// How many bytes at the start of `text` stand for that one: itself, or as addresses, HTML, JSON and our own sentences
/// escape it.
fn written(text: &[u8], byte: u8) -> Option<usize> {
    const NAMED: [(&[u8], u8); 5] =
        [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    let is_hex = |from: usize| {
        let digits = text.get(from..from + 2).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) == Some(byte)
    };
    match text {
        [first, ..] if first.eq_ignore_ascii_case(&byte) => Some(1),
        [b'+', ..] if byte == b' ' => Some(1),
        [b'%', ..] if is_hex(1) => Some(3),
        [b'\\', b'x', ..] if is_hex(2) => Some(4),
        [b'\\', b'u', b'0', b'0', ..] if is_hex(4) => Some(6),
        [b'\\', rest @ ..] => written(rest, byte).map(|length| length + 1),
        [b'&', b'#', rest @ ..] => {
            let end = rest.iter().take(6).position(|&byte| byte == b';')?;
            let digits = std::str::from_utf8(&rest[..end]).ok()?;
            let hex = digits.strip_prefix(['x', 'X']);
            let number = hex.map_or_else(|| digits.parse(), |hex| u32::from_str_radix(hex, 16)).ok()?;
            (number == u32::from(byte)).then_some(end + 3)
        }
        [b'&', ..] => {
            NAMED.iter().find(|(name, stands)| *stands == byte && text.starts_with(name)).map(|(name, _)| name.len())
        }
        _ => None,
    }
}

/// A field's value without the users, passwords and fragments of the addresses in it.
fn addresses(name: &str, value: &[u8]) -> Vec<u8> {
    let is_address = ADDRESSES.contains(&name);
    let shown = without_users(value);
    let mut text = Vec::with_capacity(shown.len());
    for token in shown.split_inclusive(|&byte| ends_address(byte)) {
        let (address, end) = match token.split_last() {
            Some((last, address)) if ends_address(*last) => (address, &token[address.len()..]),
            _ => (token, &token[token.len()..]),
        };
        match address.iter().position(|&byte| byte == b'#') {
            // OAuth 2.0 (RFC 6749 4.2.2) hands out tokens in fragments.
            Some(at) if is_address || has_authority(address) => text.extend([&address[..=at], MASK].concat()),
            _ => text.extend_from_slice(address),
        }
        text.extend_from_slice(end);
    }
    // A reference whose slashes were forgotten.
    let path = text.iter().position(|byte| b"?#".contains(byte)).unwrap_or(text.len());
    match text[..path].iter().rposition(|&byte| byte == b'@') {
        Some(at) if is_address && !text.starts_with(b"/") && !has_authority(&text[..path]) => {
            [MASK, &text[at..]].concat()
        }
        _ => text,
    }
}

/// Without what stands before the `@` of an authority (RFC 3986 3.2.1), or of what was meant for one.
fn without_users(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(slashes) = rest.windows(2).position(|two| two == b"//") {
        let (before, behind) = rest.split_at(slashes + 2);
        shown.extend_from_slice(before);
        let end = behind.iter().position(|&byte| ends_address(byte) || b"?#".contains(&byte)).unwrap_or(behind.len());
        let (authority, behind) = behind.split_at(end);
        // A slash in front of it is a path's, unless it stands in a password.
        let at = authority.iter().rposition(|&byte| byte == b'@');
        match at.filter(|&at| authority[..at].contains(&b':') || !authority[..at].contains(&b'/')) {
            Some(at) => shown.extend([MASK, &authority[at..]].concat()),
            None => shown.extend_from_slice(authority),
        }
        rest = behind;
    }
    shown.extend_from_slice(rest);
    shown
}

fn has_authority(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"//")
}

fn ends_address(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'<>".contains(&byte)
}
