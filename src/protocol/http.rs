//! Response heads and what frames their bodies (RFC 9112), from bytes in any portions.
//!
//! Owns: where a head ends, its limits, its grammar, and Basic credentials. Must not know: what the answer is an answer
//! to; the upgrade exchange (RFC 6455) and a proxy's both stand on it. A recipient's freedoms are used where RFC 9112
//! grants them and nowhere else: a line may end with LF alone (2.2), a field may be folded (5.2), a reason may be
//! missing (4). Everything else that is off the grammar is an error, as soon as the line that shows it is complete.

mod answer;
mod body;

pub(crate) use answer::{Answer, Answered};
use body::Body;

use crate::error::{Code, Error, Rejection, quoted};
pub(crate) use crate::headers::base64;
use crate::headers::{Headers, is_token};

/// The most that one head may have, from its first byte to its empty line.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The most fields that one head may have.
pub(crate) const MAX_FIELDS: usize = 256;

/// Whose answer it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Peer {
    #[default]
    Server,
    Proxy,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub(crate) minor_version: u8,
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
}

/// Reads one head. It remembers how far it has looked, so a dribbled head costs what a whole one costs.
#[derive(Debug, Default)]
pub(crate) struct HeadParser {
    peer: Peer,
    /// Where the first line begins that is not complete yet.
    line: usize,
    /// Up to where no line end was found.
    looked: usize,
    /// Lines that are complete, the status line included.
    lines: usize,
    fields: usize,
}

impl Peer {
    /// Who it is in a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Server => "server",
            Peer::Proxy => "proxy",
        }
    }
}

impl Head {
    /// The sentence that tells a "no": `the server answered 403 Forbidden`.
    pub(crate) fn told(&self, peer: Peer) -> String {
        let mut text = format!("the {} answered {}", peer.name(), self.status);
        if !self.reason.is_empty() {
            // Quotes only where there is something to be quoted.
            let reason = quoted(self.reason.as_bytes());
            let is_plain = reason.len() == self.reason.len() + 2;
            text = format!("{text} {}", if is_plain { &self.reason } else { &reason });
        }
        text
    }

    /// What an error tells of the answer.
    pub(crate) fn into_rejection(self, body: Vec<u8>) -> Rejection {
        let Head { status, reason, headers, .. } = self;
        Rejection { status, reason, headers, body }
    }
}

impl HeadParser {
    /// For a head of that peer's.
    pub(crate) fn new(peer: Peer) -> HeadParser {
        HeadParser { peer, ..HeadParser::default() }
    }

    /// Looks at `bytes`, all that came since the head began: `None` while the head is incomplete, else the head and
    /// its length. The verdict depends on the bytes, not on the portions that they came in.
    pub(crate) fn parse(&mut self, bytes: &[u8]) -> Result<Option<(Head, usize)>, Error> {
        if self.lines == 0 {
            check_start(bytes, self.peer)?;
        }
        let within = &bytes[..bytes.len().min(MAX_HEAD)];
        while let Some(at) = within[self.looked..].iter().position(|&byte| byte == b'\n') {
            let end = self.looked + at;
            // RFC 9112 2.2: a single LF may be taken as a line's end, and a CR before it is ignored.
            let line = &within[self.line..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.line = end + 1;
            self.looked = self.line;
            self.lines += 1;
            if self.lines == 1 {
                check_status_line(line)?;
            } else if line.is_empty() {
                return read_head(&within[..self.line]).map(|head| Some((head, self.line)));
            } else {
                self.check_field_line(line)?;
            }
        }
        self.looked = within.len();
        if within.len() == MAX_HEAD {
            return Err(Error::new(Code::LimitHead, format!("the head of the answer is over {MAX_HEAD} bytes")));
        }
        Ok(None)
    }

    fn check_field_line(&mut self, line: &[u8]) -> Result<(), Error> {
        check_controls(line, self.lines)?;
        if matches!(line[0], b' ' | b'\t') {
            // RFC 9112 2.2: white space behind the status line is refused or skipped unread; it is no folding.
            return if self.lines == 2 { Err(bad_line(line, 2, "begins with white space")) } else { Ok(()) };
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return Err(bad_line(line, self.lines, "has no colon"));
        };
        let name = &line[..colon];
        if name.is_empty() {
            return Err(bad_line(line, self.lines, "has no name before its colon"));
        }
        if matches!(name.last(), Some(b' ' | b'\t')) {
            // RFC 9112 5.1: no white space is allowed between name and colon.
            return Err(bad_line(line, self.lines, "has white space before its colon"));
        }
        if !is_token(name) {
            return Err(bad_line(line, self.lines, "has a name that is not a token"));
        }
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Error::new(Code::LimitFields, format!("the answer has more than {MAX_FIELDS} header fields")));
        }
        Ok(())
    }
}

/// The value of an `Authorization` field with these credentials (RFC 7617 2).
pub(crate) fn basic_authorization(user: &[u8], password: &[u8]) -> String {
    format!("Basic {}", base64(&[user, b":", password].concat()))
}

/// What speaks no HTTP is known by its first bytes, and may never send an empty line.
fn check_start(bytes: &[u8], peer: Peer) -> Result<(), Error> {
    const START: &[u8] = b"HTTP/";
    let known = bytes.len().min(START.len());
    if bytes[..known] == START[..known] {
        return Ok(());
    }
    let hint = match (bytes[0], peer) {
        (0x15 | 0x16, Peer::Server) => ", as TLS does (should the address be wss?)",
        (0x15 | 0x16, Peer::Proxy) => ", as TLS does (should the proxy's address begin with https://?)",
        (5, Peer::Proxy) => ", as SOCKS5 does (should the proxy's address begin with socks5://?)",
        _ => "",
    };
    let text = format!("the answer is not HTTP: it begins with {}{hint}", quoted(first_line(bytes)));
    Err(Error::new(Code::HandshakeHead, text))
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default()
}

/// RFC 9112 4: `HTTP/1.1 101 Switching Protocols`.
fn check_status_line(line: &[u8]) -> Result<(), Error> {
    check_controls(line, 1)?;
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let version = parts.next().unwrap_or_default();
    if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
        let text = format!("the answer's version is {}, expected HTTP/1.1", quoted(version));
        return Err(Error::new(Code::HandshakeVersion, text));
    }
    match parts.next() {
        Some([b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']) => Ok(()),
        _ => Err(bad_line(line, 1, "has no status of three digits")),
    }
}

fn check_controls(line: &[u8], number: usize) -> Result<(), Error> {
    match line.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t') {
        None => Ok(()),
        Some(b'\r') => Err(bad_line(line, number, "holds a CR without its LF")),
        Some(0) => Err(bad_line(line, number, "holds a NUL")),
        Some(_) => Err(bad_line(line, number, "holds a control character")),
    }
}

fn bad_line(line: &[u8], number: usize, what: &str) -> Error {
    Error::new(Code::HandshakeHead, format!("line {number} of the answer {what}: {}", quoted(line)))
}

/// Takes a complete head apart whose lines were checked.
fn read_head(bytes: &[u8]) -> Result<Head, Error> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let mut config = httparse::ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(true);
    let malformed = |cause| Error::new(Code::HandshakeHead, format!("the answer's head is malformed: {cause}"));
    let status = config.parse_response(&mut response, bytes).map_err(|cause| malformed(cause.to_string()))?;
    if status != httparse::Status::Complete(bytes.len()) {
        return Err(malformed("it does not end with its empty line".to_owned()));
    }
    let mut headers = Headers::new();
    for field in response.headers.iter() {
        headers.push(field.name, unfold(field.value));
    }
    // httparse gives no reason at all when one byte of it is not ASCII.
    let reason = first_line(bytes).get("HTTP/1.1 101 ".len()..).unwrap_or_default();
    Ok(Head {
        minor_version: response.version.unwrap_or_default(),
        status: response.code.unwrap_or_default(),
        reason: String::from_utf8_lossy(reason).into_owned(),
        headers,
    })
}

/// RFC 9112 5.2: a folding, with the white space around it, is read as one space.
fn unfold(value: &[u8]) -> Vec<u8> {
    if !value.contains(&b'\n') {
        return value.to_vec();
    }
    let lines = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests;
