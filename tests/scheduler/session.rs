//! Sessions made from a seed: what the server does, what the client does, and what both must see. The server waits for
//! each reply before it goes on, so that there is one right order of frames whatever the timing.

use wsdial::Kind;
use zlib_rs::{Deflate, DeflateFlush};

/// xorshift64*: small, and the same everywhere.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Less than `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `n`.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, len: usize) -> String {
        (0..len).map(|_| ['a', '\0', 'é', '€', '🦀'][self.below(5)]).collect()
    }

    fn size(&mut self) -> usize {
        match self.below(10) {
            0 => 0,
            1..=5 => self.below(126),
            6..=8 => self.below(5_000),
            _ => self.below(70_000),
        }
    }
}

/// What the server does next.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Until so many frames in all have come from the client.
    Await(usize),
    /// Ends its direction.
    Finish,
}

/// What the client does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, &'static str),
}

/// A frame, unmasked: its first byte and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

pub(crate) struct Session {
    pub(crate) server: Vec<Step>,
    /// After message n, or before the first: the client's acts.
    pub(crate) client: Vec<Vec<Act>>,
    /// What the server must see.
    pub(crate) frames: Vec<Frame>,
    /// What the client must see.
    pub(crate) seen: Vec<String>,
    /// The pings and pongs that it must see where control frames are delivered.
    pub(crate) controls: Vec<Frame>,
    /// Whether they are.
    pub(crate) delivers: bool,
    /// Whether compression is agreed.
    pub(crate) deflates: bool,
    /// How the server does it.
    pub(crate) terms: Option<Deflates>,
}

/// What was agreed, and the server's state.
pub(crate) struct Deflates {
    deflate: Deflate,
    server_context: bool,
    pub(crate) client_context: bool,
}

impl Deflates {
    fn new(random: &mut Random) -> Deflates {
        Deflates {
            deflate: Deflate::new(6, false, 15),
            server_context: random.one_in(2),
            client_context: random.one_in(2),
        }
    }

    /// The server's answer.
    pub(crate) fn field(&self) -> String {
        let mut field = "Sec-WebSocket-Extensions: permessage-deflate".to_owned();
        if !self.server_context {
            field += "; server_no_context_takeover";
        }
        if !self.client_context {
            field += "; client_no_context_takeover";
        }
        field
    }

    fn payload(&mut self, data: &[u8]) -> Vec<u8> {
        if !self.server_context {
            self.deflate.reset();
        }
        let before = self.deflate.total_out();
        let mut payload = vec![0; data.len() + data.len() / 8 + 100];
        self.deflate.compress(data, &mut payload, DeflateFlush::SyncFlush).unwrap();
        payload.truncate((self.deflate.total_out() - before) as usize);
        match payload.strip_suffix(&[0, 0, 0xff, 0xff]) {
            Some(all) => all.to_vec(),
            // Nothing, of which nothing is flushed (RFC 7692 7.2.3.6).
            None => vec![0],
        }
    }
}

/// What a client saw.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) seen: Vec<String>,
    pub(crate) controls: Vec<Frame>,
}

impl Log {
    /// Writes down what came. Whether it was a message.
    pub(crate) fn note(&mut self, kind: Kind, data: &[u8]) -> bool {
        match kind {
            Kind::Text | Kind::Binary => self.seen.push(told(kind == Kind::Text, data)),
            // The end tells of it.
            Kind::Close => return false,
            _ => self.controls.push((0x80 | kind as u8, data.to_vec())),
        }
        matches!(kind, Kind::Text | Kind::Binary)
    }
}

/// How a message looks in the client's log.
pub(crate) fn told(is_text: bool, payload: &[u8]) -> String {
    let sum = payload.iter().fold(0u32, |sum, &byte| sum.rotate_left(5) ^ u32::from(byte));
    format!("{} {} {sum:08x}", if is_text { "text" } else { "binary" }, payload.len())
}

pub(crate) fn session(seed: u64) -> Session {
    let random = &mut Random::new(seed);
    let mut session = Session {
        server: vec![],
        client: vec![],
        frames: vec![],
        seen: vec![],
        controls: vec![],
        delivers: false,
        deflates: random.one_in(2),
        terms: None,
    };
    session.terms = session.deflates.then(|| Deflates::new(random));
    session.acts(random);
    for _ in 0..random.below(7) {
        session.message(random);
        session.acts(random);
    }
    session.end(random);
    session
}

impl Session {
    fn acts(&mut self, random: &mut Random) {
        let count = if random.one_in(2) { random.below(4) } else { 0 };
        let acts: Vec<Act> = (0..count)
            .map(|_| match random.below(6) {
                0 => Act::Ping({
                    let len = random.below(126);
                    random.bytes(len)
                }),
                1 => Act::Pong({
                    let len = random.below(126);
                    random.bytes(len)
                }),
                2 | 3 => Act::Text({
                    let len = random.size();
                    random.text(len)
                }),
                _ => Act::Binary({
                    let len = random.size();
                    random.bytes(len)
                }),
            })
            .collect();
        self.frames.extend(acts.iter().map(Act::frame));
        self.client.push(acts);
        self.server.push(Step::Await(self.frames.len()));
    }

    /// A message in fragments, with pings that are answered and pongs that nobody asked for before each.
    fn message(&mut self, random: &mut Random) {
        let is_text = random.one_in(2);
        let size = random.size();
        let payload = if is_text { random.text(size).into_bytes() } else { random.bytes(size) };
        self.seen.push(told(is_text, &payload));
        let pieces = if random.one_in(2) { 1 } else { 1 + random.below(5) };
        let mut opcode = if is_text { 1 } else { 2 };
        let payload = match &mut self.terms {
            Some(deflates) if !random.one_in(4) => {
                opcode |= 0x40;
                deflates.payload(&payload)
            }
            _ => payload,
        };
        let mut rest = &payload[..];
        for left in (0..pieces).rev() {
            self.controls(random);
            let (piece, behind) = rest.split_at(if left == 0 { rest.len() } else { random.below(rest.len() + 1) });
            self.send(if left == 0 { 0x80 } else { 0 } | opcode, piece);
            (rest, opcode) = (behind, 0);
        }
    }

    fn controls(&mut self, random: &mut Random) {
        while random.one_in(3) {
            let len = random.below(126);
            let payload = random.bytes(len);
            let is_pong = random.one_in(3);
            self.controls.push((if is_pong { 0x8a } else { 0x89 }, payload.clone()));
            if is_pong {
                self.send(0x8a, &payload);
                continue;
            }
            self.send(0x89, &payload);
            self.frames.push((0x8a, payload));
            self.server.push(Step::Await(self.frames.len()));
        }
    }

    fn send(&mut self, head: u8, payload: &[u8]) {
        self.server.push(Step::Send(frame(head, payload)));
    }

    fn end(&mut self, random: &mut Random) {
        match random.below(4) {
            0 => self.server_closes(),
            1 => self.client_closes(random),
            2 => self.violation(random),
            _ => {
                let cut = frame(0x82, &random.bytes(300));
                let len = random.below(cut.len());
                self.server.push(Step::Send(cut[..len].to_vec()));
                self.seen.push("failed 1006".to_owned());
            }
        }
        self.server.push(Step::Finish);
    }

    fn server_closes(&mut self) {
        let body = [&1001u16.to_be_bytes()[..], "away".as_bytes()].concat();
        self.send(0x88, &body);
        self.frames.push((0x88, 1001u16.to_be_bytes().to_vec()));
        self.server.push(Step::Await(self.frames.len()));
        self.seen.push("closed 1001 away".to_owned());
    }

    fn client_closes(&mut self, random: &mut Random) {
        let close = Act::Close(3000, "that was all");
        self.frames.push(close.frame());
        self.server.push(Step::Await(self.frames.len()));
        self.client.last_mut().expect("acts before the first message").push(close);
        for _ in 0..random.below(3) {
            // Read for nobody, and no pong may follow the close frame.
            let len = random.size();
            let unread = random.bytes(len);
            self.send(0x82, &unread);
            self.send(0x89, b"?");
        }
        self.send(0x88, &3000u16.to_be_bytes());
        self.seen.push("closed 3000 ".to_owned());
    }

    fn violation(&mut self, random: &mut Random) {
        let (bytes, code): (&[u8], u16) = [
            (&[0x83, 0][..], 1002),
            (&[0xa2, 0], 1002),
            (&[0x82, 0x80, 1, 2, 3, 4], 1002),
            (&[0x80, 0], 1002),
            (&[0x09, 0], 1002),
            (&[0x88, 1, 3], 1002),
            (&[0x88, 2, 0x03, 0xed], 1002),
            (&[0x81, 3, b'a', 0xff, b'b'], 1007),
        ][random.below(8)];
        self.server.push(Step::Send(bytes.to_vec()));
        // Our reason is our own text; the code is what counts.
        self.frames.push((0x88, code.to_be_bytes().to_vec()));
        self.server.push(Step::Await(self.frames.len()));
        self.seen.push(format!("failed {code}"));
    }
}

impl Act {
    fn frame(&self) -> Frame {
        match self {
            Act::Text(text) => (0x81, text.clone().into_bytes()),
            Act::Binary(data) => (0x82, data.clone()),
            Act::Ping(data) => (0x89, data.clone()),
            Act::Pong(data) => (0x8a, data.clone()),
            Act::Close(code, reason) => (0x88, [&code.to_be_bytes()[..], reason.as_bytes()].concat()),
        }
    }
}

fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    crate::raw::frame(head, payload)
}
