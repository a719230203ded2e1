//! The decoder from bytes. Every case is run whole, cut at every byte, byte by byte and by the direct path, and must
//! say the same each time.

use super::*;
use crate::protocol::message::Kind::{Binary, Text};

mod deflate;
mod memory;
mod pieces;
mod random;
mod rules;

/// What a run said, in order.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// More bytes would be taken; whether a message has begun.
    Waits { in_message: bool },
    /// The code, the close code and the sentence.
    Fails(Code, u16, String),
}

const DONE: End = End::Waits { in_message: false };
const OPEN: End = End::Waits { in_message: true };

/// A reader: a buffer in front of a decoder, and what came out.
struct Reader {
    decoder: Decoder,
    buffer: Vec<u8>,
    message: Vec<u8>,
    said: Vec<Said>,
    failed: Option<Error>,
    /// All bytes that were taken, from wherever.
    taken: usize,
}

impl Reader {
    fn new(limit: u64) -> Reader {
        let decoder = Decoder::new(limit);
        Reader { decoder, buffer: Vec::new(), message: Vec::new(), said: Vec::new(), failed: None, taken: 0 }
    }

    /// Bytes arrive in the buffer and are decoded until more are needed.
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while self.failed.is_none() {
            let (taken, result) = self.decoder.decode(&self.buffer, &mut self.message);
            self.taken += taken;
            self.buffer.drain(..taken);
            if self.note(result) {
                continue;
            }
            assert!(self.failed.is_some() || self.buffer.len() <= 9, "only an incomplete header is left behind");
            break;
        }
    }

    /// Bytes are read straight into the message; returns how many.
    fn feed_direct(&mut self, bytes: &[u8], at_most: usize) -> usize {
        self.decoder.reserve(&mut self.message).unwrap();
        let room = self.message.capacity() - self.message.len();
        assert!(room > 0);
        let awaited = usize::try_from(self.decoder.direct()).unwrap_or(usize::MAX);
        let n = bytes.len().min(room).min(awaited).min(at_most);
        let before = self.message.capacity();
        self.message.extend_from_slice(&bytes[..n]);
        assert_eq!(before, self.message.capacity());
        let result = self.decoder.read_direct(&self.message, n);
        self.taken += n;
        self.note(result);
        n
    }

    /// Bytes arrive in the buffer, and payload goes on into memory of that size, again and again.
    fn feed_pieces(&mut self, bytes: &[u8], room: usize) {
        self.buffer.extend_from_slice(bytes);
        let mut to = vec![0xee; room];
        while self.failed.is_none() {
            to.fill(0xee);
            let decoded = self.decoder.decode_into(&self.buffer, &mut to);
            let is_touched = to[decoded.put..].iter().any(|&byte| byte != 0xee);
            assert!(!is_touched || decoded.event.is_err() || self.decoder.is_deflated());
            self.message.reserve(decoded.put + 1);
            self.message.extend_from_slice(&to[..decoded.put]);
            self.taken += decoded.taken;
            self.buffer.drain(..decoded.taken);
            if !self.note(decoded.event) && decoded.put < room {
                break;
            }
        }
    }

    fn note(&mut self, result: Result<Option<Event>, Error>) -> bool {
        let control = || self.decoder.control().to_vec();
        match result {
            Ok(None) => return false,
            Ok(Some(Event::Message(kind))) => {
                assert!(self.message.capacity() > self.message.len(), "a byte is spare behind the payload");
                assert!(!self.decoder.in_message());
                self.said.push(Said::Message(kind, self.message.clone()));
                self.message.clear();
            }
            Ok(Some(Event::Ping)) => self.said.push(Said::Ping(control())),
            Ok(Some(Event::Pong)) => self.said.push(Said::Pong(control())),
            Ok(Some(Event::Close)) => self.said.push(Said::Close(control())),
            Err(error) => self.failed = Some(error),
        }
        true
    }

    fn control(&self) -> Vec<u8> {
        self.decoder.control().to_vec()
    }

    fn end(&mut self) -> End {
        let Some(error) = self.failed.clone() else { return End::Waits { in_message: self.decoder.in_message() } };
        // It stays that failure, whatever comes, and takes nothing more.
        let again = self.decoder.decode(b"\x81\x00", &mut self.message);
        assert_eq!((again.0, again.1.unwrap_err().to_string()), (0, error.to_string()));
        assert_eq!(self.decoder.read_direct(&[], 0).unwrap_err().to_string(), error.to_string());
        assert_eq!(self.decoder.direct(), 0);
        End::Fails(error.code(), error.close_code(), error.to_string())
    }
}

fn by_portions<'a>(limit: u64, portions: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Said>, End) {
    let mut reader = Reader::new(limit);
    portions.into_iter().for_each(|portion| reader.feed(portion));
    let end = reader.end();
    (reader.said, end)
}

/// Headers go through the decoder byte by byte, data payload is read straight into the message.
fn by_direct(limit: u64, bytes: &[u8], at_most: usize) -> (Vec<Said>, End) {
    let mut reader = Reader::new(limit);
    let mut at = 0;
    while at < bytes.len() && reader.failed.is_none() {
        if reader.decoder.direct() > 0 {
            at += reader.feed_direct(&bytes[at..], at_most);
        } else {
            reader.feed(&bytes[at..at + 1]);
            at += 1;
        }
    }
    let end = reader.end();
    (reader.said, end)
}

/// Runs `bytes` in every way and returns what all of them said.
fn run_limited(limit: u64, bytes: &[u8]) -> (Vec<Said>, End) {
    let whole = by_portions(limit, [bytes]);
    // Long ones are cut where headers can be, and here and there.
    for cut in (0..bytes.len()).filter(|&cut| bytes.len() < 600 || cut < 40 || cut % 997 == 0) {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(by_portions(limit, [head, tail]), whole, "cut at {cut}");
    }
    assert_eq!(by_portions(limit, bytes.chunks(1)), whole, "byte by byte");
    for room in [1, 5, 4096] {
        let mut reader = Reader::new(limit);
        bytes.chunks(room + 2).for_each(|portion| reader.feed_pieces(portion, room));
        let end = reader.end();
        assert_eq!(
            pieces::comparable(reader.said, end),
            pieces::comparable(whole.0.clone(), whole.1.clone()),
            "{room}"
        );
    }
    for at_most in [1, 7, usize::MAX] {
        assert_eq!(by_direct(limit, bytes, at_most), whole, "direct, {at_most} at most");
    }
    whole
}

fn run(bytes: &[u8]) -> (Vec<Said>, End) {
    run_limited(0, bytes)
}

/// Runs what must fail after nothing else, and returns the failure and how many bytes it took to see it.
#[track_caller]
fn fails(bytes: &[u8], code: Code, close_code: u16) -> (String, usize) {
    let (said, end) = run(bytes);
    assert_eq!(said, []);
    let End::Fails(its_code, its_close_code, sentence) = end else { panic!("{bytes:x?} did not fail: {end:?}") };
    assert_eq!((its_code, its_close_code), (code, close_code), "{sentence}");
    let mut reader = Reader::new(0);
    let seen_at = bytes.iter().position(|byte| {
        reader.feed(std::slice::from_ref(byte));
        reader.failed.is_some()
    });
    (sentence, seen_at.unwrap() + 1)
}

fn text(data: &str) -> Said {
    Said::Message(Text, data.into())
}

/// A server's frame: the first byte, the shortest length, the payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

fn header(first: u8, len: u64) -> Vec<u8> {
    match len {
        0..=125 => vec![first, len as u8],
        126..=0xffff => [&[first, 126][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[first, 127][..], &len.to_be_bytes()].concat(),
    }
}
