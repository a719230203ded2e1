//! Servers that flood. One does while it reads: a thread for each direction, so neither ever waits for the other. The
//! other does not read while it writes, as many servers do not: it lives only if the client does both at once. Frames are
//! made and read here by hand; over TLS the two threads share the TLS state for moments, never for a wait.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex};
use std::thread;

use rustls::ServerConnection;
use tungstenite::handshake::derive_accept_key;

use crate::SENDERS;
use crate::pattern::{Pattern, Sequences};
use crate::watch::Watch;

/// The most of a message that goes into one write.
const PORTION: usize = 16 * 1024;

/// A connected socket whose two directions are used by two threads.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn read(&self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).read(out),
            Socket::Unix(stream) => (&mut &*stream).read(out),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write_all(bytes),
            Socket::Unix(stream) => (&mut &*stream).write_all(bytes),
        }
    }

    fn end_of_writing(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// A stream of bytes in both directions at once, in TLS or not.
pub(crate) struct Duplex {
    socket: Socket,
    tls: Option<Mutex<ServerConnection>>,
}

impl Duplex {
    pub(crate) fn new(socket: Socket, tls: Option<ServerConnection>) -> Duplex {
        Duplex { socket, tls: tls.map(Mutex::new) }
    }

    /// Some bytes behind those in `to`; none at the end. One thread reads.
    fn read(&self, to: &mut Vec<u8>) -> io::Result<usize> {
        let had = to.len();
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let n = self.socket.read(&mut bytes)?;
            let Some(tls) = &self.tls else {
                to.extend_from_slice(&bytes[..n]);
                return Ok(n);
            };
            if n == 0 {
                return Ok(0);
            }
            let mut sealed = &bytes[..n];
            let mut answer = Vec::new();
            {
                let mut tls = tls.lock().unwrap();
                while !sealed.is_empty() {
                    tls.read_tls(&mut sealed)?;
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    let opened = state.plaintext_bytes_to_read();
                    let at = to.len();
                    to.resize(at + opened, 0);
                    tls.reader().read_exact(&mut to[at..])?;
                    if state.peer_has_closed() {
                        return Ok(to.len() - had);
                    }
                }
                // Only the handshake answers from here: afterwards there is nothing to say but what the writer says.
                while tls.is_handshaking() && tls.wants_write() {
                    tls.write_tls(&mut answer)?;
                }
            }
            self.socket.write_all(&answer)?;
            if to.len() > had {
                return Ok(to.len() - had);
            }
        }
    }

    /// One thread writes.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            return self.socket.write_all(bytes);
        };
        for portion in bytes.chunks(PORTION) {
            let mut sealed = Vec::with_capacity(PORTION + 64);
            {
                let mut tls = tls.lock().unwrap();
                tls.writer().write_all(portion)?;
                while tls.wants_write() {
                    tls.write_tls(&mut sealed)?;
                }
            }
            self.socket.write_all(&sealed)?;
        }
        Ok(())
    }

    fn end_of_writing(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            let mut sealed = Vec::new();
            let mut tls = tls.lock().unwrap();
            tls.send_close_notify();
            while tls.wants_write() {
                tls.write_tls(&mut sealed)?;
            }
            drop(tls);
            self.socket.write_all(&sealed)?;
        }
        self.socket.end_of_writing()
    }

    fn accept_upgrade(&self) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(self.read(&mut head)?, 0, "the client went inside its request");
        }
        let head = String::from_utf8(head).expect("a request in ASCII");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.write(answer.as_bytes())
    }
}

/// What the reader owes through the writer: the newest pong, and the answer to a close.
#[derive(Default)]
struct Owed {
    pong: Option<Vec<u8>>,
    close: Option<Vec<u8>>,
}

#[derive(Default)]
struct Debts {
    owed: Mutex<Owed>,
    more: Condvar,
}

impl Debts {
    fn add(&self, change: impl FnOnce(&mut Owed)) {
        change(&mut self.owed.lock().unwrap());
        self.more.notify_one();
    }

    fn wait(&self) {
        let nothing = |owed: &mut Owed| owed.pong.is_none() && owed.close.is_none();
        drop(self.more.wait_while(self.owed.lock().unwrap(), nothing).unwrap());
    }
}

/// What the peer saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whole messages, by sender, each in its order.
    pub(crate) received: Vec<u32>,
    pub(crate) pings: u32,
    pub(crate) pongs: u32,
    /// The body of the client's close frame.
    pub(crate) close: Vec<u8>,
}

/// How the peer goes about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Reads and writes at the same time.
    Both,
    /// Writes a message, then reads one, and so on.
    Turns,
}

/// Floods the client with `messages` messages, then waits for its close frame; answers what it saw, whole.
pub(crate) fn run(duplex: Duplex, manner: Manner, pattern: &Pattern, messages: u32, watch: &Watch) -> Seen {
    duplex.accept_upgrade().expect("the peer takes the upgrade");
    let debts = Debts::default();
    let writer = Writer { duplex: &duplex, debts: &debts, watch };
    let reader = Reader::new(&duplex, &debts, pattern, watch);
    match manner {
        Manner::Both => thread::scope(|scope| {
            let flood = scope.spawn(|| writer.flood(pattern, messages));
            let seen = reader.read_to_the_end();
            flood.join().expect("the peer's writer");
            seen
        }),
        Manner::Turns => take_turns(writer, reader, pattern, messages),
    }
}

fn take_turns(writer: Writer, mut reader: Reader, pattern: &Pattern, messages: u32) -> Seen {
    for number in 0..messages {
        writer.watch.at("peer's writer", format!("message {number}"));
        writer.send_message(&pattern.message(0, number), number);
        loop {
            match reader.step() {
                Step::Message => break,
                Step::Control => {}
                Step::Close => {
                    writer.serve_owed();
                    return reader.end();
                }
            }
        }
    }
    while !writer.serve_owed() {
        reader.step();
    }
    reader.end()
}

struct Writer<'a> {
    duplex: &'a Duplex,
    debts: &'a Debts,
    watch: &'a Watch,
}

impl Writer<'_> {
    fn flood(&self, pattern: &Pattern, messages: u32) {
        for number in 0..messages {
            self.watch.at("peer's writer", format!("message {number}"));
            if self.send_message(&pattern.message(0, number), number) {
                return;
            }
        }
        self.watch.at("peer's writer", "waiting for the close".into());
        while !self.serve_owed() {
            self.debts.wait();
        }
    }

    /// One frame, or three with pings between; answers whether the close frame went out behind the message.
    fn send_message(&self, message: &[u8], number: u32) -> bool {
        let opcode = Pattern::opcode(number);
        if number.is_multiple_of(3) {
            self.frame(0x80 | opcode, message);
            return self.serve_owed();
        }
        let (first, rest) = message.split_at(message.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        self.frame(opcode, first);
        self.frame(0x89, &number.to_be_bytes());
        self.frame(0x00, second);
        self.serve_pong();
        self.frame(0x80, third);
        self.serve_owed()
    }

    fn serve_pong(&self) {
        let pong = self.debts.owed.lock().unwrap().pong.take();
        if let Some(payload) = pong {
            self.frame(0x8a, &payload);
        }
    }

    fn serve_owed(&self) -> bool {
        self.serve_pong();
        let close = self.debts.owed.lock().unwrap().close.take();
        let Some(body) = close else {
            return false;
        };
        self.watch.at("peer's writer", "closing".into());
        self.frame(0x88, &body);
        self.duplex.end_of_writing().expect("the peer ends its direction");
        self.watch.at("peer's writer", "gone".into());
        true
    }

    fn frame(&self, head: u8, payload: &[u8]) {
        let mut bytes = vec![head];
        match payload.len() {
            len @ 0..126 => bytes.push(len as u8),
            len @ 126..0x10000 => {
                bytes.push(126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                bytes.push(127);
                bytes.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        self.duplex.write(&bytes).expect("the peer writes");
        self.watch.moved();
    }
}

struct Reader<'a> {
    duplex: &'a Duplex,
    debts: &'a Debts,
    pattern: &'a Pattern,
    watch: &'a Watch,
    bytes: Vec<u8>,
    at: usize,
    seen: Seen,
    sequences: Sequences,
}

/// What a frame was.
#[derive(PartialEq)]
enum Step {
    Message,
    Control,
    Close,
}

impl<'a> Reader<'a> {
    fn new(duplex: &'a Duplex, debts: &'a Debts, pattern: &'a Pattern, watch: &'a Watch) -> Reader<'a> {
        let (seen, sequences) = (Seen::default(), Sequences::default());
        Reader { duplex, debts, pattern, watch, bytes: Vec::new(), at: 0, seen, sequences }
    }

    fn read_to_the_end(mut self) -> Seen {
        while self.step() != Step::Close {}
        self.end()
    }

    /// Reads a frame and takes it into account.
    fn step(&mut self) -> Step {
        self.watch.at("peer's reader", format!("after {:?}", self.sequences));
        let (head, payload) = self.frame();
        self.watch.moved();
        match head {
            0x81 | 0x82 => {
                self.sequences.take(self.pattern, head & 0x0f, &payload);
                return Step::Message;
            }
            0x89 => {
                self.seen.pings += 1;
                self.debts.add(|owed| owed.pong = Some(payload));
            }
            0x8a => self.seen.pongs += 1,
            0x88 => {
                self.seen.close = payload.clone();
                self.debts.add(|owed| owed.close = Some(payload));
                return Step::Close;
            }
            other => panic!("a frame that begins with {other:#04x} from the client"),
        }
        Step::Control
    }

    /// RFC 6455 5.5.1: nothing follows the close frame.
    fn end(mut self) -> Seen {
        self.watch.at("peer's reader", "waiting for the end".into());
        while self.at == self.bytes.len() {
            if self.duplex.read(&mut self.bytes).expect("the peer reads to the end") == 0 {
                self.watch.at("peer's reader", "gone".into());
                self.seen.received = self.sequences.counts(SENDERS);
                return self.seen;
            }
        }
        panic!("{} bytes behind the client's close frame", self.bytes.len() - self.at);
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.take(2);
        assert_eq!(head[1] & 0x80, 0x80, "an unmasked frame from the client");
        let len = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.take(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).try_into().unwrap()),
            short => u64::from(short),
        };
        let key = self.take(4);
        let mut payload = self.take(usize::try_from(len).unwrap());
        unmask(&mut payload, &key);
        (head[0], payload)
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        while self.bytes.len() - self.at < len {
            self.bytes.drain(..self.at);
            self.at = 0;
            let n = self.duplex.read(&mut self.bytes).expect("the peer reads");
            assert_ne!(n, 0, "the client went without a close frame");
        }
        self.at += len;
        self.bytes[self.at - len..self.at].to_vec()
    }
}

/// Eight bytes at a time, because this runs without optimisation too.
fn unmask(payload: &mut [u8], key: &[u8]) {
    let wide = u64::from_ne_bytes([key, key].concat().try_into().unwrap());
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let bytes = u64::from_ne_bytes(chunk[..].try_into().unwrap());
        chunk.copy_from_slice(&(bytes ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= mask;
    }
}
