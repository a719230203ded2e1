//! The decoder beside tungstenite's reader on random streams, valid and not. Both must say the same and fail at the same
//! frame; where they differ, RFC 6455 decides, and exactly that difference is expected (see [`Difference`]).
//!
//! Each stream comes from a seed that a failure names: `WSDIAL_SEED=n` runs that one alone, `WSDIAL_STREAMS=n` runs so
//! many.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tungstenite::Error as TheirError;
use tungstenite::protocol::{Message as TheirMessage, Role, WebSocket, WebSocketConfig};

use super::*;

const STREAMS: u64 = 20_000;
const LIMIT: usize = 4096;

/// Where tungstenite 0.30 does other than RFC 6455 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// 5.2: the minimal number of bytes must be used to encode a length. It reads on as if it were so.
    LongLength,
    /// 7.4.1, 7.4.2: codes that must not be on the wire, or that nothing defines, are a violation here. It reports the
    /// close as if 1002 had been received.
    CloseCode,
    /// 7.4.2, 11.7: 1014 is registered. It does not know it and reports 1002.
    Code1014,
    /// 8.1, 5.2: what cannot be right any more fails here at once. It waits for the end of the header or frame.
    FailsLate,
}

/// How tungstenite ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum TheirEnd {
    Waits,
    Utf8,
    Capacity,
    Protocol,
}

/// A xorshift generator: small, reproducible, ours.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // A small seed shows in the first numbers.
        for _ in 0..4 {
            random.next();
        }
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[test]
fn random_streams_mean_to_us_what_they_mean_to_tungstenite() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let only = number("WSDIAL_SEED");
    let seeds = only.map_or(0..number("WSDIAL_STREAMS").unwrap_or(STREAMS), |seed| seed..seed + 1);
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let run = AssertUnwindSafe(|| {
            let mut random = Random::new(seed);
            let bytes = stream(&mut random);
            compare(&mut random, &bytes, &mut seen);
        });
        if let Err(cause) = catch_unwind(run) {
            eprintln!("failed with WSDIAL_SEED={seed}");
            resume_unwind(cause);
        }
    }
    if only.is_none() {
        use Difference::{CloseCode, Code1014, FailsLate, LongLength};
        // A difference that is gone must leave the list above.
        assert_eq!(seen, BTreeSet::from([LongLength, CloseCode, Code1014, FailsLate]));
    }
}

fn compare(random: &mut Random, bytes: &[u8], seen: &mut BTreeSet<Difference>) {
    let mut shortened = bytes.to_vec();
    let (mut said, end, close) = loop {
        let Ours { said, end, at, control } = ours(random, &shortened);
        // RFC 6455 5.2: with the length in its shortest form we go on exactly as tungstenite did with the long one.
        match end {
            End::Fails(Code::ProtocolLength | Code::ProtocolControlSize, ..) if shorten(&mut shortened, at) => {
                seen.insert(Difference::LongLength);
            }
            _ => break (said, end, control),
        }
    };
    let (their_said, their_end) = theirs(random, bytes);
    match &end {
        End::Waits { .. } => {
            if let Some(Said::Close(body)) = said.last_mut()
                && body.starts_with(&1014u16.to_be_bytes())
            {
                seen.insert(Difference::Code1014);
                *body = violation_body();
            }
            assert_eq!((&their_said, their_end), (&said, TheirEnd::Waits));
        }
        End::Fails(Code::ProtocolCloseCode, ..) if std::str::from_utf8(&close[2..]).is_err() => {
            // Wrong in two ways: it looks at the reason first.
            assert_eq!((their_said, their_end), (said, TheirEnd::Utf8));
        }
        End::Fails(Code::ProtocolCloseCode, ..) => {
            seen.insert(Difference::CloseCode);
            said.push(Said::Close(violation_body()));
            assert_eq!(their_said, said);
        }
        End::Fails(code, ..) => {
            if their_end == TheirEnd::Waits {
                seen.insert(Difference::FailsLate);
                let completed = complete(bytes);
                assert!(completed.len() > bytes.len(), "it waits for more than the last frame");
                return compare(random, &completed, seen);
            }
            assert_eq!(their_said, said);
            let expected: &[TheirEnd] = match code {
                Code::Utf8 => &[TheirEnd::Utf8],
                Code::LimitMessage => &[TheirEnd::Capacity],
                // A frame that is wrong and too large is one or the other to it.
                _ => &[TheirEnd::Protocol, TheirEnd::Capacity],
            };
            assert!(expected.contains(&their_end), "{end:?} but {their_end:?}");
        }
    }
}

fn violation_body() -> Vec<u8> {
    [&1002u16.to_be_bytes()[..], b"Protocol violation"].concat()
}

/// What we said.
struct Ours {
    said: Vec<Said>,
    end: End,
    /// How many bytes were taken.
    at: usize,
    /// The payload of the last control frame.
    control: Vec<u8>,
}

/// What we say to `bytes` in random portions.
fn ours(random: &mut Random, bytes: &[u8]) -> Ours {
    let mut reader = Reader::new(LIMIT as u64);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (portion, behind) = rest.split_at(random.below(rest.len()) + 1);
        reader.feed(portion);
        rest = behind;
    }
    let end = reader.end();
    let control = reader.control();
    Ours { said: reader.said, end, at: reader.taken, control }
}

/// What tungstenite says to `bytes`.
fn theirs(random: &mut Random, bytes: &[u8]) -> (Vec<Said>, TheirEnd) {
    let config =
        WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT)).read_buffer_size(256);
    let (part, rest) = bytes.split_at(random.below(bytes.len() + 1));
    let wire = Wire { bytes: rest.to_vec(), at: 0, portion: random.below(300) + 1 };
    let mut socket = WebSocket::from_partially_read(wire, part.to_vec(), Role::Client, Some(config));
    let mut said = Vec::new();
    loop {
        said.push(match socket.read() {
            Ok(TheirMessage::Text(text)) => Said::Message(Kind::Text, text.as_bytes().to_vec()),
            Ok(TheirMessage::Binary(data)) => Said::Message(Kind::Binary, data.to_vec()),
            Ok(TheirMessage::Ping(data)) => Said::Ping(data.to_vec()),
            Ok(TheirMessage::Pong(data)) => Said::Pong(data.to_vec()),
            Ok(TheirMessage::Close(close)) => {
                let body = close.map(|close| [&u16::from(close.code).to_be_bytes(), close.reason.as_bytes()].concat());
                said.push(Said::Close(body.unwrap_or_default()));
                return (said, TheirEnd::Waits);
            }
            Ok(TheirMessage::Frame(_)) => unreachable!("raw frames are only written"),
            Err(TheirError::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                return (said, TheirEnd::Waits);
            }
            Err(TheirError::Protocol(_)) => return (said, TheirEnd::Protocol),
            Err(TheirError::Capacity(_)) => return (said, TheirEnd::Capacity),
            Err(TheirError::Utf8(_)) => return (said, TheirEnd::Utf8),
            Err(error) => panic!("{error}"),
        });
    }
}

/// A wire with `bytes` on it that comes in portions; what is written to it is lost.
struct Wire {
    bytes: Vec<u8>,
    at: usize,
    portion: usize,
}

impl Read for Wire {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = to.len().min(self.portion).min(self.bytes.len() - self.at);
        to[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header at `at`, whatever it is: its size without a mask key, the mask key's size and the declared length.
fn header_at(bytes: &[u8], at: usize) -> Option<(usize, usize, u64)> {
    let second = *bytes.get(at + 1)?;
    let key = if second & 0x80 == 0 { 0 } else { 4 };
    match second & 0x7f {
        126 => Some((4, key, u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?).into())),
        127 => Some((10, key, u64::from_be_bytes(bytes.get(at + 2..at + 10)?.try_into().ok()?))),
        len => Some((2, key, len.into())),
    }
}

/// Writes the length of the header at `at` in its shortest form; `false` when it is so already, or incomplete.
fn shorten(bytes: &mut Vec<u8>, at: usize) -> bool {
    let Some((size, 0, len)) = header_at(bytes, at) else { return false };
    let short = header(bytes[at], len);
    if short.len() >= size {
        return false;
    }
    bytes.splice(at..at + size, short);
    true
}

/// Adds what the last frame lacks, so that tungstenite judges it.
fn complete(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    loop {
        let Some((size, key, len)) = header_at(&bytes, at) else {
            bytes.push(0);
            continue;
        };
        // One over the limit is judged by its header.
        let end = at + size + key + if len > LIMIT as u64 { 0 } else { len as usize };
        if end >= bytes.len() {
            bytes.resize(end, b'a');
            return bytes;
        }
        at = end;
    }
}

/// A stream of frames, most of them right, cut off somewhere at times.
pub(super) fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Some are right to the end, some are wrong soon, a few are noise.
    let wrong = random.pick(&[usize::MAX, usize::MAX, 30, 5]);
    let mut begun: Option<Fragments> = None;
    for _ in 0..random.below(12) + 1 {
        match random.below(if wrong == usize::MAX { 40 } else { 42 }) {
            0..10 => bytes.extend(control(random)),
            10 => bytes.extend(frame(0x88, &close_body(random))),
            41 => bytes.extend((0..random.below(20)).map(|_| random.next() as u8).collect::<Vec<u8>>()),
            _ => bytes.extend(data(random, &mut begun)),
        }
        if random.one_in(wrong) {
            bytes.extend(misdeed(random));
        }
        if !bytes.is_empty() && random.one_in(wrong) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
    }
    if random.one_in(3) {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    bytes
}

/// A message that is sent in fragments.
struct Fragments {
    rest: Vec<u8>,
}

/// The next data frame: a whole message, or a fragment of one.
fn data(random: &mut Random, begun: &mut Option<Fragments>) -> Vec<u8> {
    if let Some(fragments) = begun {
        let n = random.below(fragments.rest.len() + 1);
        let part: Vec<u8> = fragments.rest.drain(..n).collect();
        if random.one_in(3) {
            let last = [part, fragments.rest.clone()].concat();
            *begun = None;
            return frame(0x80, &last);
        }
        return frame(0x00, &part);
    }
    let (opcode, payload) = if random.one_in(2) { (1, text(random)) } else { (2, binary(random)) };
    if random.one_in(2) {
        return frame(0x80 | opcode, &payload);
    }
    let (first, rest) = payload.split_at(random.below(payload.len() + 1));
    *begun = Some(Fragments { rest: rest.to_vec() });
    frame(opcode, first)
}

fn control(random: &mut Random) -> Vec<u8> {
    let payload = (0..random.below(126)).map(|_| random.next() as u8).collect::<Vec<u8>>();
    frame(random.pick(&[0x89, 0x8a]), &payload)
}

fn binary(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 60, 125, 126, 127, 300, LIMIT, LIMIT + 1, 2000]);
    let len = if random.one_in(2) { random.below(len + 1) } else { len };
    (0..len).map(|_| random.next() as u8).collect()
}

fn text(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 3, 20, 70, 125, 300]);
    let mut text: Vec<u8> = (0..len)
        .flat_map(|_| {
            random.pick(&["a", "é", "水", "🦀", "\u{7ff}", "\u{d7ff}", "\u{e000}", "\u{10ffff}", "\0"]).bytes()
        })
        .collect();
    if random.one_in(12) && !text.is_empty() {
        let at = random.below(text.len());
        text[at] = random.pick(&[0x80, 0xbf, 0xc0, 0xed, 0xf4, 0xff, 0xe0, 0xf0, b'x']);
    }
    if random.one_in(30) {
        text.pop();
    }
    text
}

fn close_body(random: &mut Random) -> Vec<u8> {
    let known = [1000u16, 1001, 1003, 1007, 1011, 1013, 1014, 1004, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 0, 999];
    let code = if random.one_in(4) { random.next() as u16 } else { random.pick(&known) };
    match random.below(12) {
        0 => vec![],
        1 => vec![3],
        2 => [&code.to_be_bytes()[..], b"\xe6\xb0"].concat(),
        3 => [&code.to_be_bytes()[..], &[b'x'; 123]].concat(),
        _ => [&code.to_be_bytes()[..], "bye 水".as_bytes()].concat(),
    }
}

/// One thing that a server must not do.
fn misdeed(random: &mut Random) -> Vec<u8> {
    let payload = vec![b'x'; random.below(20)];
    match random.below(9) {
        0 => frame(random.pick(&[0xc1, 0xa2, 0x90, 0xf1]), &payload),
        1 => frame(random.pick(&[0x83, 0x07, 0x8b, 0x8f]), &payload),
        2 => frame(random.pick(&[0x08, 0x09, 0x0a]), &payload),
        3 => frame(random.pick(&[0x88, 0x89, 0x8a]), &[b'x'; 126]),
        4 => [&[random.pick(&[0x81, 0x89, 0x02]), 0x80 | payload.len() as u8, 1, 2, 3, 4], &payload[..]].concat(),
        5 => [&[random.pick(&[0x81, 0x82, 0x89]), 126, 0, payload.len() as u8], &payload[..]].concat(),
        6 => {
            [&[random.pick(&[0x81, 0x00, 0x8a]), 127, 0, 0, 0, 0, 0, 0, 0, payload.len() as u8], &payload[..]].concat()
        }
        7 => header(0x82, random.pick(&[1 << 63, u64::MAX, 1 << 40, LIMIT as u64 + 1])),
        _ => frame(random.pick(&[0x80, 0x00, 0x81, 0x01, 0x82]), &payload),
    }
}
