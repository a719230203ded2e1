//! Compression through the whole connection: any message, in any fragments, with any parameters, in reads of any size
//! comes out equal, in both directions; corrupt and random streams give an error, and no more memory than the limit and a
//! constant. What we compress is read by an inflater of our own that is strict about windows and contexts (`puff`).
//!
//! Each session comes from a seed that a failure names: `WSDIAL_SEED=n` runs that one alone, `WSDIAL_SESSIONS=n` so many.

#[path = "common/puff.rs"]
mod puff;
mod raw;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use puff::Puff;
use wsdial::{Batch, Client, Code, Connection, Dialer, Error, Kind, Message, Outcome, Piece, Wait};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Strategy};

const SESSIONS: u64 = 60;
const LIMIT: usize = 1 << 20;

/// What a connection may hold beside the message: buffers, states, room that was made in one step.
const CONSTANT: isize = 1536 * 1024;

/// Counts what is given out, and the most of it.
struct Counting;

static GIVEN: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// Memory of this size and more is refused to this thread.
    static REFUSED: Cell<usize> = const { Cell::new(usize::MAX) };
}

// SAFETY: all is the system's allocator's; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if REFUSED.try_with(Cell::get).is_ok_and(|from| layout.size() >= from) {
            return ptr::null_mut();
        }
        let given = GIVEN.fetch_add(layout.size() as isize, Relaxed) + layout.size() as isize;
        MOST.fetch_max(given, Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        GIVEN.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The tests of this file run one by one, for they count memory.
static ONE: Mutex<()> = Mutex::new(());

/// A xorshift generator: small, reproducible, ours.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn size(&mut self) -> usize {
        let most = self.pick(&[1, 3, 130, 130, 2000, 2000, 2000, 60_000]);
        self.below(most)
    }

    /// Text that compresses well, badly, or not at all; bytes that are noise.
    fn message(&mut self) -> (Kind, Vec<u8>) {
        let size = self.size();
        let mut data = Vec::new();
        let manner = self.below(4);
        while data.len() < size {
            match manner {
                0 => data.extend(format!("{{\"id\":{},\"name\":\"größe 水\"}},", self.below(1000)).bytes()),
                1 => data.extend("🦀 and so on, ".bytes()),
                2 => data.push(b' ' + self.below(90) as u8),
                _ => data.push(self.next() as u8),
            }
        }
        if manner == 3 { (Kind::Binary, data) } else { (self.pick(&[Kind::Text, Kind::Binary]), data) }
    }
}

/// What a session is about: what we offer, what the server answers, how it compresses.
#[derive(Debug)]
struct Terms {
    client_bits: u32,
    server_bits: u32,
    flags: u32,
    answer: String,
    our_bits: u32,
    our_context: bool,
    their_bits: u32,
    their_context: bool,
}

impl Terms {
    fn new(random: &mut Random) -> Terms {
        let flags = random.below(8) as u32;
        let client_bits = if flags & 4 != 0 { 0 } else { random.pick(&[0, 8, 9, 10, 12, 15]) };
        let server_bits = random.pick(&[0, 8, 9, 11, 15]);
        let mut answer = "permessage-deflate".to_owned();
        let their_context = flags & 1 == 0 && !random.one_in(3);
        if !their_context {
            answer += "; server_no_context_takeover";
        }
        let mut our_context = flags & 2 == 0;
        if random.one_in(3) {
            our_context = false;
            answer += "; client_no_context_takeover";
        }
        // zlib compresses with no window of 8 bits; one of 9 that looks no further back does as well.
        let their_bits = if server_bits == 0 { random.pick(&[9, 12, 15]) } else { server_bits };
        if server_bits > 0 || random.one_in(2) {
            answer += &format!("; server_max_window_bits={their_bits}");
        }
        let mut our_bits = if client_bits == 0 { 15 } else { client_bits };
        if flags & 4 == 0 && random.one_in(2) {
            let asked = random.pick(&[8, 9, 10, 13, 15]);
            our_bits = our_bits.min(asked);
            answer += &format!("; client_max_window_bits={asked}");
        }
        Terms { client_bits, server_bits, flags, answer, our_bits, our_context, their_bits, their_context }
    }

    fn dialer(&self, random: &mut Random) -> Dialer {
        let mut dialer = Dialer::new();
        dialer.set_compression(true);
        dialer.set_compression_params(self.client_bits, self.server_bits, self.flags).unwrap();
        let threshold = random.pick(&[0, 1, 128, 5000]);
        dialer.set_compression_level(random.below(10) as u32, random.below(10) as u32, threshold).unwrap();
        dialer
    }
}

/// The server's compressor.
struct Theirs {
    deflate: Deflate,
    context: bool,
}

impl Theirs {
    fn new(random: &mut Random, bits: u32, context: bool) -> Theirs {
        let config = DeflateConfig {
            level: random.below(10) as i32,
            window_bits: -(bits.max(9) as i32),
            mem_level: 1 + random.below(9) as i32,
            strategy: random.pick(&[
                Strategy::Default,
                Strategy::Filtered,
                Strategy::HuffmanOnly,
                Strategy::Rle,
                Strategy::Fixed,
            ]),
            ..DeflateConfig::default()
        };
        Theirs { deflate: Deflate::new_with_config(config), context }
    }

    /// A message's payload: in one flush or several, or, ended as RFC 7692 7.2.3.4 has it, with a final block.
    fn message(&mut self, random: &mut Random, data: &[u8]) -> Vec<u8> {
        let ends = random.one_in(6);
        let mut payload = Vec::new();
        let mut rest = data;
        while random.one_in(2) && !rest.is_empty() {
            let (part, behind) = rest.split_at(random.below(rest.len() + 1));
            let flush = random.pick(&[DeflateFlush::SyncFlush, DeflateFlush::FullFlush, DeflateFlush::Block]);
            self.put(part, flush, &mut payload);
            rest = behind;
        }
        self.put(rest, if ends { DeflateFlush::Finish } else { DeflateFlush::SyncFlush }, &mut payload);
        if ends {
            payload.push(0);
        } else if payload.ends_with(&[0, 0, 0xff, 0xff]) {
            payload.truncate(payload.len() - 4);
        }
        if ends || !self.context {
            self.deflate.reset();
        }
        payload
    }

    fn put(&mut self, data: &[u8], flush: DeflateFlush, to: &mut Vec<u8>) {
        let mut room = vec![0; data.len() * 2 + 1000];
        let before = self.deflate.total_out();
        self.deflate.compress(data, &mut room, flush).unwrap();
        let made = (self.deflate.total_out() - before) as usize;
        assert!(made < room.len());
        to.extend_from_slice(&room[..made]);
    }
}

/// The server's end, in the same thread.
struct Server {
    stream: UnixStream,
    came: Vec<u8>,
}

impl Server {
    /// A connection of `dialer`'s to a server that answers with those extensions.
    fn agree(dialer: Dialer, answer: &str) -> (Server, Connection) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = Client::new(dialer);
        let connection = client.dial_socket(ours.into(), "ws://localhost/", Wait::Never).unwrap();
        let mut server = Server { stream: theirs, came: Vec::new() };
        let head = raw::read_head(&mut server.stream);
        raw::agree_to(&mut server.stream, &head, &format!("Sec-WebSocket-Extensions: {answer}"));
        assert_eq!(connection.handshake(raw::bound()).unwrap(), Outcome::Done);
        server.stream.set_nonblocking(true).unwrap();
        (server, connection)
    }

    /// The next whole frame: its first byte and its payload.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = self.stream.read(&mut piece) {
            self.came.extend_from_slice(&piece[..n]);
        }
        let &[first, second, ref rest @ ..] = &self.came[..] else { return None };
        let (len, size) = match second & 0x7f {
            126 => (u16::from_be_bytes(*rest.first_chunk()?).into(), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
            len => (len.into(), 2),
        };
        let key: [u8; 4] = *self.came.get(size..)?.first_chunk()?;
        let masked = self.came.get(size + 4..size + 4 + len)?;
        let payload = masked.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        self.came.drain(..size + 4 + len);
        Some((first, payload))
    }
}

/// Cuts a message into frames, with pings in between.
fn frames(random: &mut Random, kind: Kind, rsv: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut first = kind as u8 | rsv;
    let mut rest = payload;
    while random.one_in(2) {
        let (part, behind) = rest.split_at(random.below(rest.len() + 1));
        bytes.extend(raw::frame(first, part));
        if random.one_in(3) {
            bytes.extend(raw::frame(0x89, b"now?"));
        }
        first = 0;
        rest = behind;
    }
    bytes.extend(raw::frame(first | 0x80, rest));
    bytes
}

/// Writes `bytes` in portions of any size; receives after each.
fn bring(
    random: &mut Random,
    server: &mut Server,
    connection: &Connection,
    bytes: &[u8],
    most: usize,
) -> Result<Option<Message>, Error> {
    let mut message = Message::new();
    let mut is_whole = false;
    let mut rest = bytes;
    while !rest.is_empty() {
        let portion = 1 + random.below(most.min(rest.len()));
        server.stream.write_all(&rest[..portion]).expect("room in the socket");
        rest = &rest[portion..];
        loop {
            match connection.recv(&mut message, Wait::Never)? {
                Outcome::Done => {
                    assert!(rest.is_empty(), "a message before its last byte");
                    is_whole = true;
                    break;
                }
                // It may end with bytes left in the socket: then it wants to read.
                Outcome::Again if connection.wants().buffered => {}
                Outcome::Again => break,
                outcome => panic!("{outcome:?}"),
            }
        }
    }
    if !is_whole {
        let outcome = connection.recv(&mut message, Wait::for_duration(std::time::Duration::from_secs(2)))?;
        assert_eq!(outcome, Outcome::Done);
    }
    Ok(Some(message))
}

fn session(seed: u64) -> usize {
    let random = &mut Random::new(seed);
    let terms = Terms::new(random);
    let (mut server, connection) = Server::agree(terms.dialer(random), &terms.answer);
    let mut theirs = Theirs::new(random, terms.their_bits, terms.their_context);
    let mut puff = Puff::default();
    let mut deflated = 0;
    let mut before = (Kind::Text, b"the first".to_vec());
    for _ in 0..4 + random.below(8) {
        // The same again, which only a context makes shorter, or another.
        let message = if random.one_in(3) { before } else { random.message() };
        let (kind, data) = &message;
        let is_plain = random.one_in(5);
        let payload = if is_plain { data.clone() } else { theirs.message(random, data) };
        let bytes = frames(random, *kind, if is_plain { 0 } else { 0x40 }, &payload);
        let most = random.pick(&[1, 10, 3000, 100_000]).max(bytes.len() / 300);
        let came = bring(random, &mut server, &connection, &bytes, most).unwrap().unwrap();
        assert_eq!((came.kind(), came.data()), (*kind, &data[..]), "{terms:?}");

        if random.one_in(4) {
            connection.set_compression(!random.one_in(4), random.below(10) as u32).unwrap();
        }
        let is_plain = random.one_in(5);
        let sent = match is_plain {
            true => connection.send_uncompressed(*kind, data, Wait::Never),
            false => connection.send(*kind, data, Wait::Never),
        };
        assert!(matches!(sent.unwrap(), Outcome::Done | Outcome::Pending));
        deflated += usize::from(take(&mut server, &connection, &mut puff, &terms, &message, is_plain));
        before = message;
    }
    assert!(puff.furthest <= 1 << terms.our_bits, "{} bytes back: {terms:?}", puff.furthest);
    deflated
}

/// Reads what we sent, and says whether it was compressed.
fn take(
    server: &mut Server,
    connection: &Connection,
    puff: &mut Puff,
    terms: &Terms,
    sent: &(Kind, Vec<u8>),
    is_plain: bool,
) -> bool {
    loop {
        let Some((first, payload)) = server.frame() else {
            connection.flush(Wait::Never).unwrap();
            continue;
        };
        if first & 0x0f == 10 {
            assert_eq!(first, 0x8a, "a control frame is never compressed");
            continue;
        }
        assert_eq!(first & 0xbf, 0x80 | sent.0 as u8);
        if first & 0x40 == 0 {
            assert_eq!(payload, sent.1);
            return false;
        }
        assert!(!is_plain && terms.our_bits > 8, "{terms:?}");
        assert!(payload.len() <= sent.1.len() + 16);
        if !terms.our_context {
            puff.forget();
        }
        assert!(puff.message(&payload).unwrap() == sent.1, "{terms:?}");
        return true;
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn each_seed(count: u64, mut run: impl FnMut(u64)) {
    let only = number("WSDIAL_SEED");
    for seed in only.map_or(0..number("WSDIAL_SESSIONS").unwrap_or(count), |seed| seed..seed + 1) {
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("failed with WSDIAL_SEED={seed}");
            resume_unwind(cause);
        }
    }
}

// RFC 7692 rule 6.1-deflate
// RFC 7692 rule 7.1.2-window
// RFC 7692 rule 7.1.1.2-client
// RFC 7692 rule 7.1.2.2-client
// RFC 7692 rule 7.2.2-inflate
#[test]
fn any_message_in_any_way_comes_out_equal() {
    let _one = ONE.lock();
    let mut deflated = 0;
    each_seed(SESSIONS, |seed| deflated += session(seed));
    if number("WSDIAL_SEED").is_none() {
        assert!(deflated > 20, "only {deflated} messages were compressed");
    }
}

/// What a stream that is wrong may end with.
fn is_told(error: &Error) -> bool {
    matches!(
        (error.code(), error.close_code()),
        (Code::Deflate, 1002) | (Code::Utf8, 1007) | (Code::LimitMessage, 1009)
    )
}

#[test]
fn corrupt_and_random_streams_are_an_error_and_cost_no_memory() {
    let _one = ONE.lock();
    let (mut failed, mut passed) = (0, 0);
    each_seed(5 * SESSIONS, |seed| {
        let random = &mut Random::new(seed ^ 0xc0de);
        let mut dialer = Dialer::new();
        dialer.set_compression(true);
        dialer.set_max_message(LIMIT as u64);
        let (mut server, connection) = Server::agree(dialer, "permessage-deflate");
        let mut theirs = Theirs::new(random, 15, true);
        let before = GIVEN.load(Relaxed);
        MOST.store(before, Relaxed);
        for _ in 0..6 {
            let (kind, data) = random.message();
            let mut payload = match random.below(3) {
                0 => (0..random.size()).map(|_| random.next() as u8).collect(),
                1 => vec![random.next() as u8; random.size()],
                _ => theirs.message(random, &data),
            };
            for _ in 0..random.below(4) {
                let at = random.below(payload.len().max(1));
                match payload.get_mut(at) {
                    Some(byte) if random.one_in(2) => *byte ^= 1 << random.below(8),
                    _ => payload.truncate(at),
                }
            }
            let bytes = frames(random, kind, 0x40, &payload);
            match bring(random, &mut server, &connection, &bytes, 100_000) {
                Ok(message) => {
                    assert!(message.unwrap().data().len() <= LIMIT);
                    passed += 1;
                }
                Err(error) => {
                    assert!(is_told(&error), "{error}");
                    failed += 1;
                    break;
                }
            }
        }
        let most = MOST.load(Relaxed) - before;
        assert!(most < LIMIT as isize + CONSTANT, "{most} bytes");
    });
    if number("WSDIAL_SEED").is_none() {
        assert!(failed > 100 && passed > 50, "{failed} failed, {passed} passed");
    }
}

/// How much memory a bomb takes that inflates to a thousand times its size, of zeros or of letters.
#[test]
fn a_bomb_costs_the_limit_and_a_constant() {
    let _one = ONE.lock();
    for (kind, byte) in [(Kind::Binary, 0), (Kind::Text, b'x')] {
        let mut deflate = Deflate::new(9, false, 15);
        let mut bomb = Vec::new();
        let block = vec![byte; 1 << 20];
        for times in [1, 199] {
            let mut room = vec![0; 10_000];
            let before = deflate.total_out();
            deflate.compress(&block, &mut room, DeflateFlush::SyncFlush).unwrap();
            // The second refers to what is before it as any further one would.
            bomb.extend(room[..(deflate.total_out() - before) as usize].repeat(times));
        }
        drop(deflate);
        let mut dialer = Dialer::new();
        dialer.set_compression(true);
        dialer.set_max_message(LIMIT as u64);
        let (mut server, connection) = Server::agree(dialer, "permessage-deflate");
        let bytes = raw::frame(0xc0 | kind as u8, &bomb);
        let before = GIVEN.load(Relaxed);
        MOST.store(before, Relaxed);
        // It fails before the rest is looked at, which the socket would not take at once.
        server.stream.write_all(&bytes[..60_000]).unwrap();
        let mut message = Message::new();
        // Each call that never waits reads on or ends it; one that read over the bomb would end never.
        let error = (0..1000).find_map(|_| match connection.recv(&mut message, Wait::Never) {
            Ok(Outcome::Again) => None,
            Ok(outcome) => panic!("{outcome:?}"),
            Err(error) => Some(error),
        });
        let error = error.expect("the limit is met");
        assert_eq!((error.code(), error.close_code()), (Code::LimitMessage, 1009));
        let most = MOST.load(Relaxed) - before;
        assert!(most < LIMIT as isize + CONSTANT, "{most} bytes");
    }
}

/// Zeros, `size` of them, in one compressed message.
fn zeros(size: usize) -> Vec<u8> {
    let mut deflate = Deflate::new(9, false, 15);
    let mut payload = vec![0; size / 500 + 100];
    deflate.compress(&vec![0; size], &mut payload, DeflateFlush::SyncFlush).unwrap();
    payload.truncate(deflate.total_out() as usize - 4);
    payload
}

/// Many bombs are read at once and each inflates to the limit: a batch that is given none of its own ends soon all the
/// same, and what was here before a closer is kept for a receiver only so far.
#[test]
fn many_bombs_at_once_cost_no_more() {
    let _one = ONE.lock();
    for closes in [false, true] {
        let mut dialer = Dialer::new();
        dialer.set_compression(true);
        dialer.set_max_message(LIMIT as u64);
        let (mut server, connection) = Server::agree(dialer, "permessage-deflate; server_no_context_takeover");
        let bytes = raw::frame(0xc2, &zeros(LIMIT)).repeat(100);
        server.stream.write_all(&bytes).expect("room in the socket");
        let before = GIVEN.load(Relaxed);
        MOST.store(before, Relaxed);
        let (mut batch, mut came) = (Batch::new(), 0);
        if closes {
            assert_eq!(connection.recv(&mut Message::new(), Wait::Never).unwrap(), Outcome::Done);
            assert_eq!(connection.close(1000, "", Wait::Never).unwrap(), Outcome::Again);
            // Kept by the closer for whoever asks.
            while connection.recv_batch(&mut batch, 0, 0, Wait::Never).unwrap() == Outcome::Done {
                came += batch.len();
            }
            assert!((2..30).contains(&came), "{came} were kept");
        } else {
            while came < 100 {
                assert_eq!(connection.recv_batch(&mut batch, 0, 0, raw::bound()).unwrap(), Outcome::Done);
                came += batch.len();
            }
        }
        let most = MOST.load(Relaxed) - before;
        let kept = if closes { 2 * (17 << 20) } else { 0 };
        assert!(most < 3 * LIMIT as isize + CONSTANT + kept, "{most} bytes, {closes}");
    }
}

/// A message without end and without limit: what a closer reads over is not kept.
#[test]
fn a_closer_reads_over_any_message_in_constant_memory() {
    let _one = ONE.lock();
    for is_deflated in [false, true] {
        let mut dialer = Dialer::new();
        dialer.set_compression(true);
        dialer.set_max_message(0);
        let (mut server, connection) = Server::agree(dialer, "permessage-deflate");
        let (first, payload) = if is_deflated { (0x42, zeros(1 << 20)) } else { (0x02, vec![7; 100_000]) };
        let mut payload = payload;
        if is_deflated {
            payload.extend([0, 0, 0xff, 0xff]);
        }
        let next = raw::frame(0x00, &payload);
        server.stream.write_all(&raw::frame(first, &payload)).expect("room in the socket");
        let (mut to, mut piece) = ([0; 4096], Piece::NONE);
        assert_eq!(connection.recv_into(&mut to, &mut piece, Wait::Never).unwrap(), Outcome::Done);
        let before = GIVEN.load(Relaxed);
        MOST.store(before, Relaxed);
        for _ in 0..100 {
            assert_eq!(connection.close(1000, "", Wait::Never).unwrap(), Outcome::Again);
            let mut rest = &next[..];
            while !rest.is_empty() {
                if let Ok(n) = server.stream.write(rest) {
                    rest = &rest[n..];
                }
                assert_eq!(connection.close(1000, "", Wait::Never).unwrap(), Outcome::Again);
            }
        }
        let most = MOST.load(Relaxed) - before;
        // What was read before it is looked through for whole messages: a mebibyte.
        assert!(most < CONSTANT + (2 << 20), "{most} bytes, {is_deflated}");
        server.stream.write_all(&raw::frame(0x88, &raw::close_body(1000, ""))).unwrap();
        drop(server);
        assert_eq!(connection.close(1000, "", raw::bound()).unwrap(), Outcome::Done);
    }
}

/// The bomb that comes in pieces, into memory of the caller's: there is nothing to fill, but the limit holds.
#[test]
fn a_bomb_in_pieces_ends_at_the_limit() {
    let _one = ONE.lock();
    let mut dialer = Dialer::new();
    dialer.set_compression(true);
    dialer.set_max_message(LIMIT as u64);
    let (mut server, connection) = Server::agree(dialer, "permessage-deflate");
    server.stream.write_all(&raw::frame(0xc2, &zeros(8 * LIMIT))).expect("room in the socket");
    let (mut to, mut piece, mut came) = (vec![0; 64 * 1024], Piece::NONE, 0);
    let error = loop {
        match connection.recv_into(&mut to, &mut piece, raw::bound()) {
            Ok(Outcome::Done) => came += piece.len,
            Ok(outcome) => panic!("{outcome:?}"),
            Err(error) => break error,
        }
        assert!(came <= LIMIT, "{came} bytes of a message that may have {LIMIT}");
    };
    assert_eq!((error.code(), error.close_code()), (Code::LimitMessage, 1009));
}

/// Without memory to compress with, a message is not taken and nothing is lost: not the connection, not the messages before
/// it in the same batch.
#[test]
fn memory_that_is_refused_to_the_compressor_costs_only_the_message() {
    let _one = ONE.lock();
    let text = b"as compressible as compressible can be ".repeat(40);
    for batched in [false, true] {
        let mut dialer = Dialer::new();
        dialer.set_compression(true);
        // A state that no other test has left for the next one.
        dialer.set_compression_level(if batched { 8 } else { 7 }, 0, 0).unwrap();
        let (mut server, connection) = Server::agree(dialer, "permessage-deflate");
        let mut batch = Batch::new();
        batch.push(Kind::Text, b"");
        batch.push(Kind::Text, &text);
        let mut taken = 0;
        // The buffer that the messages of a batch are gathered in is the pool's from here on.
        let mut first = Batch::new();
        first.push(Kind::Text, b"");
        connection.send_batch(&first, &mut taken, Wait::Forever).unwrap();
        server.frame().unwrap();
        taken = 0;
        REFUSED.set(100_000);
        let refused = match batched {
            true => connection.send_batch(&batch, &mut taken, Wait::Forever),
            false => connection.send(Kind::Text, &text, Wait::Forever),
        };
        REFUSED.set(usize::MAX);
        assert_eq!(refused.expect_err("no memory").code(), Code::LimitMemory);
        let sent = match batched {
            true => {
                assert_eq!(taken, 1);
                connection.send_batch(&batch, &mut taken, Wait::Forever)
            }
            false => connection.send(Kind::Text, &text, Wait::Forever),
        };
        assert_eq!(sent.unwrap(), Outcome::Done);
        if batched {
            assert_eq!(server.frame().unwrap().1, b"");
        }
        let (_, payload) = server.frame().unwrap();
        assert!(Puff::default().message(&payload).unwrap() == text);
    }
}

/// A server that looks further back than was agreed (RFC 7692 7.1.2.1): we have the memory for any window, and so take it,
/// however the message is received, or cut into frames.
#[test]
fn a_window_beyond_the_agreed_one_is_taken_in_any_reads() {
    let _one = ONE.lock();
    let mut random = Random::new(9);
    let mut text: Vec<u8> = (0..3000).map(|_| b'a' + random.below(26) as u8).collect();
    text.extend_from_within(..3000);
    let mut payload = vec![0; 10_000];
    let mut deflate = Deflate::new(9, false, 15);
    deflate.compress(&text, &mut payload, DeflateFlush::SyncFlush).unwrap();
    payload.truncate(deflate.total_out() as usize - 4);
    for cut in [payload.len(), 700] {
        for room in [0, 16 * 1024, 1000, 200] {
            let mut dialer = Dialer::new();
            dialer.set_compression(true);
            dialer.set_compression_params(0, 9, 0).unwrap();
            let (mut server, connection) = Server::agree(dialer, "permessage-deflate; server_max_window_bits=9");
            let mut first = 0x41;
            let mut rest = &payload[..];
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(cut.min(rest.len()));
                let last = if behind.is_empty() { 0x80 } else { 0 };
                server.stream.write_all(&raw::frame(first | last, part)).unwrap();
                (first, rest) = (0, behind);
            }
            let mut came = Vec::new();
            let verdict = if room == 0 {
                let mut message = Message::new();
                let verdict = connection.recv(&mut message, raw::bound());
                came.extend_from_slice(message.data());
                verdict.map(drop)
            } else {
                let (mut to, mut piece) = (vec![0; room], Piece::NONE);
                loop {
                    match connection.recv_into(&mut to, &mut piece, raw::bound()) {
                        Ok(_) => came.extend_from_slice(&to[..piece.len]),
                        Err(error) => break Err(error),
                    }
                    if piece.is_final {
                        break Ok(());
                    }
                }
            };
            assert!(verdict.is_ok() && came == text, "frames of {cut}, reads of {room}: {verdict:?}");
        }
    }
}
