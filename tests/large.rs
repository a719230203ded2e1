//! A message of any size through 64 KiB of memory, both ways at once, pings answered in between: what the process has
//! does not grow with it. The server is another process, so that its memory is not counted.
//!
//! `WSDIAL_LARGE=n` is how many MiB each way; a gigabyte is 1024.

#[allow(dead_code)]
#[path = "scheduler/peer.rs"]
mod peer;
#[allow(dead_code)]
#[path = "common/puff.rs"]
mod puff;
mod raw;
#[allow(dead_code)]
#[path = "scheduler/session.rs"]
mod session;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use tungstenite::handshake::derive_accept_key;
use wsdial::{Client, Connection, Dialer, Kind, Outcome, Piece, Wait};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const BLOCK: usize = 64 * 1024;

/// What the process may have more in the middle of a message than at its beginning.
const MOST_GROWTH: usize = 3 << 20;

/// Set for the server's process: how it speaks, where it listens, how many bytes each way.
const SERVER: &str = "WSDIAL_TEST_LARGE_SERVER";

#[test]
fn a_large_message_each_way_in_constant_memory() {
    large("plain", 64);
}

#[test]
fn a_large_message_each_way_in_constant_memory_over_tls() {
    large("tls", 24);
}

#[test]
fn a_large_compressed_message_each_way_in_constant_memory() {
    large("deflate", 12);
}

/// The message at any position is a slice of this: long enough for a block from anywhere in its first half.
fn pattern() -> Vec<u8> {
    let period = (0..BLOCK).map(|n| b"wsdial "[n % 7] ^ (n / 700) as u8);
    let period: Vec<u8> = period.collect();
    [&period[..], &period].concat()
}

fn large(mode: &str, mebibytes: usize) {
    // One at a time: what the process has is everybody's.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let asked = std::env::var("WSDIAL_LARGE").ok().map(|text| text.parse::<usize>().expect("a number of MiB"));
    let size = asked.unwrap_or(mebibytes) << 20;
    let server = Server::start(mode, size);
    let mut dialer = Dialer::new();
    dialer.set_max_message(0);
    dialer.set_compression(mode == "deflate");
    dialer.use_system_roots(false);
    let mut url = "ws://localhost/";
    if mode == "tls" {
        dialer.add_ca_file(&server.at.with_extension("pem")).unwrap();
        url = "wss://localhost/";
    }
    let socket = UnixStream::connect(&server.at).unwrap();
    let connection = Client::new(dialer).dial_socket(socket.into(), url, Wait::Forever).map_err(|(_, e)| e).unwrap();
    let connection = Arc::new(connection);
    let sender = {
        let connection = Arc::clone(&connection);
        thread::spawn(move || send(&connection, size))
    };
    let growth = receive(&connection, size);
    sender.join().unwrap();
    assert_eq!(connection.close(1000, "", Wait::Forever).unwrap(), Outcome::Done);
    server.join();
    assert!(growth <= MOST_GROWTH, "{growth} bytes more than at the beginning of a message of {size}");
}

fn send(connection: &Connection, size: usize) {
    let pattern = pattern();
    let mut at = 0;
    while at < size {
        let n = BLOCK.min(size - at);
        let block = &pattern[at % BLOCK..][..n];
        at += n;
        assert_eq!(connection.send_fragment(Kind::Text, block, at == size, Wait::Forever).unwrap(), Outcome::Done);
    }
}

/// Returns how much the process has grown at the most.
fn receive(connection: &Connection, size: usize) -> usize {
    let pattern = pattern();
    let (mut to, mut piece) = (vec![0; BLOCK], Piece::NONE);
    let (mut at, mut first, mut most, mut look) = (0, 0, 0, 1 << 20);
    while !piece.is_final {
        assert_eq!(connection.recv_into(&mut to, &mut piece, Wait::Forever).unwrap(), Outcome::Done);
        assert!(to[..piece.len] == pattern[at % BLOCK..][..piece.len], "at {at}");
        assert_eq!(piece.kind, Kind::Binary);
        at += piece.len;
        if at >= look {
            let now = resident();
            first = if first == 0 { now } else { first };
            most = most.max(now);
            look = at + (1 << 20);
        }
    }
    assert_eq!(at, size);
    most - first
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

struct Server {
    process: Child,
    at: PathBuf,
    /// A server that could not write would fail.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(mode: &str, size: usize) -> Server {
        let at = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("large-{mode}-{}", std::process::id()));
        let _ = std::fs::remove_file(&at);
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["the_server_of_the_others", "--exact", "--ignored", "--nocapture"])
            .env(SERVER, format!("{mode} {size} {}", at.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(
            lines.by_ref().map_while(Result::ok).any(|line| line.ends_with("listening")),
            "the server does not start"
        );
        Server { process, at, _said: lines }
    }

    fn join(mut self) {
        assert!(self.process.wait().unwrap().success(), "the server has seen something wrong");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.at);
        let _ = std::fs::remove_file(self.at.with_extension("pem"));
    }
}

#[test]
#[ignore = "is a process of its own, started by the other tests"]
fn the_server_of_the_others() {
    let Ok(arguments) = std::env::var(SERVER) else { return };
    let [mode, size, at] = arguments.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let size: usize = size.parse().unwrap();
    let at = PathBuf::from(at);
    std::fs::write(at.with_extension("pem"), &peer::identity().0).unwrap();
    let listener = UnixListener::bind(&at).unwrap();
    println!("listening");
    std::io::stdout().flush().unwrap();
    let (wire, _) = listener.accept().unwrap();
    let mut stream = if mode == "tls" { peer::tls(wire) } else { wire };
    agree(&mut stream, mode == "deflate");
    let writer = Arc::new(Mutex::new(stream.try_clone().unwrap()));
    let (ponged, pong) = mpsc::channel();
    let sending = {
        let (writer, deflates) = (Arc::clone(&writer), mode == "deflate");
        thread::spawn(move || send_frames(&writer, size, deflates, &pong))
    };
    read_frames(&mut stream, size, mode == "deflate", |payload| ponged.send(payload).unwrap_or(()));
    sending.join().unwrap();
    writer.lock().unwrap().write_all(b"\x88\x02\x03\xe8").unwrap();
    writer.lock().unwrap().shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read(&mut [0]);
}

fn agree(stream: &mut UnixStream, deflates: bool) {
    let head = raw::read_head(stream);
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let extension = if deflates { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    assert_eq!(deflates, head.contains("permessage-deflate"));
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{extension}\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// Frames of many sizes, a ping before each, and the last one only when a ping before it was answered.
fn send_frames(writer: &Mutex<UnixStream>, size: usize, deflates: bool, pong: &Receiver<Vec<u8>>) {
    let pattern = pattern();
    let sizes = [BLOCK, 1, 5000, 0, 300_000, 1 << 20, 100];
    let mut deflate = Deflate::new(6, false, 15);
    let (mut at, mut frames) = (0, 0u32);
    while at < size {
        let most = if deflates { BLOCK } else { usize::MAX };
        let n = sizes[frames as usize % sizes.len()].min(most).min(size - at);
        let is_final = at + n == size;
        let ping = frames.to_be_bytes();
        writer.lock().unwrap().write_all(&raw::frame(0x89, &ping)).unwrap();
        while is_final && pong.recv().expect("the ping before the last frame is answered") != ping {}
        let mut payload = Vec::with_capacity(n);
        while payload.len() < n {
            let from = (at + payload.len()) % BLOCK;
            payload.extend_from_slice(&pattern[from..][..BLOCK.min(n - payload.len())]);
        }
        at += n;
        let mut head = if frames == 0 { 0x02 } else { 0x00 } | if is_final { 0x80 } else { 0 };
        if deflates {
            head |= if frames == 0 { 0x40 } else { 0 };
            payload = compress(&mut deflate, &payload);
            payload.truncate(payload.len() - if is_final { 4 } else { 0 });
        }
        writer.lock().unwrap().write_all(&raw::frame(head, &payload)).unwrap();
        frames += 1;
    }
}

fn compress(deflate: &mut Deflate, data: &[u8]) -> Vec<u8> {
    let mut to = vec![0; data.len() + 1000];
    let before = deflate.total_out();
    deflate.compress(data, &mut to, DeflateFlush::SyncFlush).unwrap();
    to.truncate((deflate.total_out() - before) as usize);
    to
}

/// Reads and compares until the client's close frame.
fn read_frames(stream: &mut UnixStream, size: usize, deflates: bool, mut pong: impl FnMut(Vec<u8>)) {
    let pattern = pattern();
    let mut stream = BufReader::with_capacity(BLOCK, stream);
    let mut inflate = Inflate::new(false, 15);
    let (mut at, mut frames, mut clear) = (0, 0u32, vec![0; BLOCK]);
    let mut take = |payload: &[u8]| {
        assert!(payload == &pattern[at % BLOCK..][..payload.len()], "at {at}");
        at += payload.len();
        at
    };
    loop {
        let (head, payload) = read_frame(&mut stream);
        match head {
            0x88 => return,
            0x8a => pong(payload),
            _ => {
                let wanted = if frames > 0 {
                    0x00
                } else if deflates {
                    0x41
                } else {
                    0x01
                };
                assert_eq!(head & 0x7f, wanted);
                frames += 1;
                let mut rest = &payload[..];
                let mut sum = if deflates { 0 } else { take(rest) };
                while deflates && !rest.is_empty() {
                    let (read, made) = (inflate.total_in(), inflate.total_out());
                    inflate.decompress(rest, &mut clear, InflateFlush::SyncFlush).unwrap();
                    rest = &rest[(inflate.total_in() - read) as usize..];
                    sum = take(&clear[..(inflate.total_out() - made) as usize]);
                }
                assert_eq!(head & 0x80 != 0, sum == size, "at {sum}");
            }
        }
    }
}

fn read_frame(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut len = usize::from(head[1] & 0x7f);
    assert!(head[1] & 0x80 != 0, "masked");
    if len >= 126 {
        let mut long = [0; 8];
        let from = if len == 126 { 6 } else { 0 };
        stream.read_exact(&mut long[from..]).unwrap();
        len = u64::from_be_bytes(long) as usize;
    }
    let mut key = [0; 4];
    stream.read_exact(&mut key).unwrap();
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (head[0], payload)
}
