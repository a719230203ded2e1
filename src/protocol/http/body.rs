//! The start of a rejection's body, without its transfer coding (RFC 9112 6 and 7).
//!
//! A rejection is told by its head; the body is there to be shown to a person. So wrong framing is no failure of its
//! own: what came before it counts.

use super::Head;
use crate::headers::Headers;

/// The longest line of a chunk's size with its extensions.
const MAX_CHUNK_LINE: usize = 4096;

/// Keeps the first bytes of a body, and knows when no more of it are wanted.
#[derive(Debug)]
pub(crate) struct Body {
    kept: Vec<u8>,
    limit: usize,
    framing: Framing,
}

#[derive(Debug)]
enum Framing {
    /// That many bytes are to come.
    Length(u64),
    Chunked(Chunk),
    /// Until the connection ends.
    Close,
    Ended,
}

#[derive(Debug)]
enum Chunk {
    /// In the line with the size: the line so far.
    Size(Vec<u8>),
    /// In the data: that many bytes are to come.
    Data(u64),
    /// In the line end behind the data.
    DataEnd,
}

impl Body {
    /// The body that follows `head` in answer to a GET, of which `limit` bytes are wanted.
    pub(crate) fn new(head: &Head, limit: usize) -> Body {
        let mut body = Body { kept: Vec::new(), limit, framing: framing(head) };
        body.settle();
        body
    }

    /// Whether nothing more is wanted: the body has ended, or enough of it is kept.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.framing, Framing::Ended)
    }

    /// Takes what came; nothing is kept behind the end.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_over() {
            let used = self.step(bytes);
            bytes = &bytes[used..];
            self.settle();
        }
    }

    /// What was kept.
    pub(crate) fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// Takes at least one of `bytes`, and says how many.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.framing {
            Framing::Ended => bytes.len(),
            Framing::Close => {
                keep(&mut self.kept, self.limit, bytes);
                bytes.len()
            }
            Framing::Length(left) | Framing::Chunked(Chunk::Data(left)) => {
                let part = &bytes[..usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len())];
                keep(&mut self.kept, self.limit, part);
                *left -= part.len() as u64;
                part.len()
            }
            Framing::Chunked(Chunk::Size(line)) => {
                let used = line_part(line, bytes);
                if line.last() == Some(&b'\n') {
                    self.framing = match chunk_size(line) {
                        // The trailer section that may follow the last chunk is of no use here.
                        None | Some(0) => Framing::Ended,
                        Some(size) => Framing::Chunked(Chunk::Data(size)),
                    };
                } else if line.len() >= MAX_CHUNK_LINE {
                    self.framing = Framing::Ended;
                }
                used
            }
            Framing::Chunked(Chunk::DataEnd) => {
                match bytes[0] {
                    b'\r' => {}
                    b'\n' => self.framing = Framing::Chunked(Chunk::Size(Vec::new())),
                    _ => self.framing = Framing::Ended,
                }
                1
            }
        }
    }

    /// Leaves a state in which nothing is to come.
    fn settle(&mut self) {
        match self.framing {
            _ if self.kept.len() >= self.limit => self.framing = Framing::Ended,
            Framing::Length(0) => self.framing = Framing::Ended,
            Framing::Chunked(Chunk::Data(0)) => self.framing = Framing::Chunked(Chunk::DataEnd),
            _ => {}
        }
    }
}

/// RFC 9112 6.3.
fn framing(head: &Head) -> Framing {
    if head.status < 200 || matches!(head.status, 204 | 304) {
        return Framing::Ended;
    }
    if head.headers.first("transfer-encoding").is_some() {
        let last = head.headers.tokens("transfer-encoding").last().unwrap_or_default();
        let chunked = last.eq_ignore_ascii_case(b"chunked");
        return if chunked { Framing::Chunked(Chunk::Size(Vec::new())) } else { Framing::Close };
    }
    content_length(&head.headers).map_or(Framing::Close, Framing::Length)
}

/// `None` when there is none that can be believed.
fn content_length(headers: &Headers) -> Option<u64> {
    let mut values = headers.all("content-length").flat_map(|value| value.split(|&byte| byte == b','));
    let first = number(values.next()?.trim_ascii(), 10)?;
    // RFC 9112 6.3: several that say the same may be taken as one.
    values.all(|value| number(value.trim_ascii(), 10) == Some(first)).then_some(first)
}

/// RFC 9112 7.1: hexadecimal digits, then white space or extensions, which are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.trim_ascii_end();
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match line[digits..].trim_ascii_start().first() {
        None | Some(b';') => number(&line[..digits], 16),
        Some(_) => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    // `from_str_radix` takes a sign, the RFC does not.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

fn line_part(line: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let used = end.min(MAX_CHUNK_LINE - line.len());
    line.extend_from_slice(&bytes[..used]);
    used
}

fn keep(kept: &mut Vec<u8>, limit: usize, bytes: &[u8]) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
}
