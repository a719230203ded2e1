//! Sessions without end through a relay that resets, cuts or dribbles them: nothing is lost, nothing comes twice, the order
//! is kept, a cut session is never told as a clean end, and what the process has, memory and descriptors, stays what it was.
//! The server and the relay are another process, so that what they hold is not counted.
//!
//! `cargo test --test soak` goes on for seconds; `WSDIAL_SOAK=3600 cargo test --release --test soak -- --nocapture` for an
//! hour (`make soak`), with a line each minute.

mod common;

use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use wsdial::{Client, Code, Connection, Dialer, Error, Kind, Message, Outcome, Wait};

/// Set for the process of the server.
const SERVER: &str = "WSDIAL_TEST_SOAK_SERVER";

/// How many messages a session has, in each direction.
const MESSAGES: u32 = 200;

/// So many sessions have been had before what the process has is looked at.
const WARM_UP: u32 = 8;

/// What it may have more afterwards: what an allocator keeps swings by that.
const MOST_GROWTH: usize = 8 << 20;

/// Nothing here waits for time; this only keeps it from hanging.
const BOUND: Duration = Duration::from_secs(60);

/// What the relay does to a session once some bytes of the server's have passed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Both sides get a reset.
    Reset,
    /// The client sees the end of the stream in the middle of whatever it was.
    Cut,
    /// Before that many bytes have passed, each goes alone.
    Dribble,
}

const FAULTS: [Fault; 4] = [Fault::None, Fault::Reset, Fault::Cut, Fault::Dribble];

/// xorshift64*: the same sessions in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

#[test]
fn sessions_without_end() {
    let seconds = std::env::var("WSDIAL_SOAK").map_or(1, |text| text.parse().expect("a number of seconds"));
    let relay = Relay::start();
    let mut dialer = Dialer::new();
    dialer.use_system_roots(false);
    dialer.add_ca_file(Path::new(&relay.ca)).unwrap();
    dialer.set_keepalive(20, 60_000).unwrap();
    let client = Client::new(dialer);

    let (begin, mut told) = (Instant::now(), Instant::now());
    let (mut seen, mut first) = (Seen::default(), None);
    // Whatever the machine, each fault has had its sessions over both transports before it may end.
    while seen.sessions < 3 * WARM_UP || begin.elapsed() < Duration::from_secs(seconds) {
        relay.session(&client, &mut seen);
        if seen.sessions == WARM_UP {
            first = Some((resident(), descriptors()));
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("{seen:?}, {} KiB, {} descriptors", resident() >> 10, descriptors());
        }
    }
    let (memory, open) = first.unwrap();
    let (memory_now, open_now) = (resident(), descriptors());
    println!(
        "{} s: {seen:?}; from {} to {} KiB, from {open} to {open_now} descriptors",
        begin.elapsed().as_secs(),
        memory >> 10,
        memory_now >> 10
    );
    assert_eq!(open, open_now, "descriptors");
    assert!(memory_now <= memory + MOST_GROWTH, "the process grew from {memory} to {memory_now} bytes");
    assert!(seen.whole > 0 && seen.broken > 0, "{seen:?}");
}

#[derive(Debug, Default)]
struct Seen {
    sessions: u32,
    /// That came to their end.
    whole: u32,
    /// That broke in the middle.
    broken: u32,
    /// That broke before they had begun.
    refused: u32,
    messages: u64,
}

/// The process of the server, and where the relay listens: for each fault, plain and TLS.
struct Relay {
    process: Child,
    ports: Vec<u16>,
    ca: String,
    /// A server that could not write would fail: it says so after a minute.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Relay {
    fn start() -> Relay {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["the_server_of_the_other", "--exact", "--ignored", "--nocapture"])
            .env(SERVER, "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = lines.by_ref().map_while(Result::ok);
        let said = said.find_map(|line| Some(line.split_once("listening ")?.1.to_owned()));
        let said = said.expect("the server starts");
        let (ports, ca) = said.split_once(' ').unwrap();
        Relay {
            process,
            ports: ports.split(',').map(|port| port.parse().unwrap()).collect(),
            ca: ca.to_owned(),
            _said: lines,
        }
    }

    /// One session, of a kind that its number tells.
    fn session(&self, client: &Client, seen: &mut Seen) {
        let which = seen.sessions as usize % self.ports.len();
        let fault = FAULTS[which / 2];
        let (scheme, port) = (["ws", "wss"][which % 2], self.ports[which]);
        let number = seen.sessions;
        seen.sessions += 1;
        let connection = match client.dial(&format!("{scheme}://localhost:{port}/echo"), Wait::for_duration(BOUND)) {
            Ok(connection) => connection,
            Err(error) => {
                assert!(matches!(fault, Fault::Reset | Fault::Cut) && is_lost(&error), "{fault:?}: {error:?}");
                seen.refused += 1;
                return;
            }
        };
        let (sent, received) = thread::scope(|scope| {
            let sender = scope.spawn(|| send(&connection, number));
            let received = receive(&connection, number);
            (sender.join().unwrap(), received)
        });
        seen.messages += u64::from(received.0);
        if let Some(error) = received.1 {
            assert!(matches!(fault, Fault::Reset | Fault::Cut) && is_lost(&error), "{fault:?}: {error:?}");
            seen.broken += 1;
            return;
        }
        assert_eq!((sent, received.0), (MESSAGES, MESSAGES), "{fault:?}");
        seen.whole += 1;
        let closed = connection.close(1000, "", Wait::for_duration(BOUND));
        match fault {
            Fault::None | Fault::Dribble => assert_eq!(closed.unwrap(), Outcome::Done),
            // The relay may have its turn here.
            Fault::Reset | Fault::Cut => {
                assert!(closed.is_ok_and(|outcome| outcome == Outcome::Done) || connection.close_code() == 1006)
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.ca);
    }
}

/// A lost connection, in whatever phase.
fn is_lost(error: &Error) -> bool {
    let dialing = [Code::HandshakeEof, Code::Io, Code::Tls];
    let open = [Code::Abnormal, Code::AbnormalTruncated];
    dialing.contains(&error.code()) || open.contains(&error.code())
}

/// A message that no other one can look like, mostly a small one, now and then a large one.
fn message(session: u32, number: u32, to: &mut Vec<u8>) {
    let mut random = Random((u64::from(session) << 32 | u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let size = match random.below(300) {
        0 => random.below(1 << 20),
        1..30 => random.below(1 << 14),
        _ => random.below(200),
    };
    to.clear();
    to.extend_from_slice(format!("{session}:{number}:").as_bytes());
    // With no period that a shift could hide in.
    static BASE: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..2usize << 20).map(|at| b' ' + ((at * at / 7 + at * 31) % 95) as u8).collect());
    to.extend_from_slice(&BASE[random.below(1 << 20) as usize..][..size as usize]);
}

fn kind(number: u32) -> Kind {
    if number.is_multiple_of(2) { Kind::Text } else { Kind::Binary }
}

/// How many messages were taken.
fn send(connection: &Connection, session: u32) -> u32 {
    let mut data = Vec::new();
    for number in 0..MESSAGES {
        message(session, number, &mut data);
        match connection.send(kind(number), &data, Wait::for_duration(BOUND)) {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Closed) | Err(_) => return number,
            other => panic!("send answered {other:?}"),
        }
    }
    MESSAGES
}

/// How many came, each compared, and what broke it off.
fn receive(connection: &Connection, session: u32) -> (u32, Option<Error>) {
    let (mut got, mut data) = (Message::new(), Vec::new());
    for number in 0..MESSAGES {
        match connection.recv(&mut got, Wait::for_duration(BOUND)) {
            Ok(Outcome::Done) => {}
            Err(error) => return (number, Some(error)),
            other => panic!("recv answered {other:?} in the middle of session {session}"),
        }
        message(session, number, &mut data);
        assert!(got.kind() == kind(number) && got.data() == data, "session {session}, message {number}");
    }
    (MESSAGES, None)
}

/// Both have the socket open, so closing it would not do: a TCP socket that is connected to nothing tells its peer so.
fn reset(stream: &TcpStream) {
    let mut nothing = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    // SAFETY: the address is as long as is said.
    unsafe { libc::connect(stream.as_raw_fd(), &raw mut nothing, size_of_val(&nothing) as u32) };
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
#[ignore = "is a process of its own, started by the other test"]
fn the_server_of_the_other() {
    if std::env::var_os(SERVER).is_none() {
        return;
    }
    let server = common::server::start();
    let port = |url: &str| -> u16 { url.rsplit(':').next().unwrap().parse().unwrap() };
    let mut ports = Vec::new();
    for fault in FAULTS {
        for to in [port(&server.ws), port(&server.wss)] {
            ports.push(relay(to, fault).to_string());
        }
    }
    println!("listening {} {}", ports.join(","), server.ca.display());
    // Whoever started it holds the other end.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

/// Relays to that port; where it listens.
fn relay(to: u16, fault: Fault) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut random = Random(u64::from(to) << 8 | 1);
        for client in listener.incoming().flatten() {
            // From somewhere in the handshake to behind what a session has.
            let left = match random.below(4) {
                0 => random.below(3000),
                1 => random.below(60_000),
                _ => random.below(1 << 22),
            };
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut up, &mut down);
                let _ = down.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                pass(server, client, fault, left as usize);
            });
        }
    });
    port
}

/// The direction to the client.
fn pass(mut from: TcpStream, mut to: TcpStream, fault: Fault, mut left: usize) {
    let mut room = vec![0; 64 * 1024];
    loop {
        let most = if fault == Fault::None { room.len() } else { room.len().min(left.max(1)) };
        let Ok(n @ 1..) = from.read(&mut room[..most]) else { break };
        let each = if fault == Fault::Dribble && left > 0 { 1 } else { n };
        for portion in room[..n].chunks(each) {
            if to.write_all(portion).is_err() {
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
        left = left.saturating_sub(n);
        if left == 0 && matches!(fault, Fault::Reset | Fault::Cut) {
            let _ = from.shutdown(Shutdown::Both);
            if fault == Fault::Reset {
                reset(&to);
            }
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
