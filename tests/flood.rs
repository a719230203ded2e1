//! Both sides flood each other with messages and pings: one thread receives, two send, one closes in the middle. It must
//! end, with every message whole and in order, every time; over TCP, TLS and a unix socket; message by message and in
//! batches.
//!
//! `cargo test --test flood` runs it small and once in full size (1 MiB x 200); `WSDIAL_FLOOD=100 cargo test --release
//! --test flood` runs the full size that many times in a row.

#[path = "flood/pattern.rs"]
mod pattern;
#[path = "flood/peer.rs"]
mod peer;
#[path = "flood/watch.rs"]
mod watch;

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use wsdial::{Batch, Client, Connection, Dialer, Error, Kind, Message, Outcome, Wait};

use pattern::{Pattern, Sequences};
use peer::{Duplex, Manner, Seen, Socket};
use watch::{Dog, Watch};

/// How much each side sends.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: usize,
    messages: u32,
    /// So many messages go with one call, and as many as are there come with one; 1 is the calls for one message.
    batch: u32,
}

const SMALL: Size = Size { bytes: 64 << 10, messages: 60, batch: 1 };
const BATCHED: Size = Size { bytes: 500, messages: 6000, batch: 40 };
const FULL: Size = Size { bytes: 1 << 20, messages: 200, batch: 1 };

/// When the closer closes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// Once half of the messages have passed in each direction.
    Middle,
    /// Once all have.
    Last,
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Tcp,
    Tls,
    Unix,
}

const SENDERS: u8 = 2;

/// Far more than a close handshake behind one message of 1 MiB takes, even on a busy machine.
const CLOSING: Duration = Duration::from_secs(60);

#[test]
fn small_over_tcp() {
    flood(Transport::Tcp, SMALL, 1);
}

#[test]
fn small_over_tls() {
    flood(Transport::Tls, SMALL, 1);
}

#[test]
fn small_over_a_unix_socket() {
    flood(Transport::Unix, SMALL, 1);
}

#[test]
fn batches_over_tcp() {
    flood(Transport::Tcp, BATCHED, 1);
}

#[test]
fn batches_over_tls() {
    flood(Transport::Tls, BATCHED, 1);
}

#[test]
fn large_batches_over_a_unix_socket() {
    flood(Transport::Unix, Size { batch: 4, ..SMALL }, 1);
}

#[test]
fn full_over_tcp() {
    flood(Transport::Tcp, FULL, rounds());
}

#[test]
fn full_over_tls() {
    flood(Transport::Tls, FULL, rounds());
}

#[test]
fn full_over_a_unix_socket() {
    flood(Transport::Unix, FULL, rounds());
}

fn rounds() -> u32 {
    std::env::var("WSDIAL_FLOOD").map_or(1, |rounds| rounds.parse().expect("WSDIAL_FLOOD is a number of rounds"))
}

/// Against each manner of peer: so many floods that are closed in the middle, and one that is not.
fn flood(transport: Transport, size: Size, rounds: u32) {
    for manner in [Manner::Both, Manner::Turns] {
        for round in 0..rounds {
            session(transport, manner, size, Ending::Middle, round);
        }
        session(transport, manner, size, Ending::Last, rounds);
        println!("{transport:?}, {manner:?}, {size:?}: {rounds} closed in the middle, 1 behind the last message");
    }
}

/// Counts what passed, for the closer.
#[derive(Default)]
struct Progress {
    counts: Mutex<Counts>,
    more: Condvar,
}

#[derive(Default)]
struct Counts {
    sent: u32,
    received: u32,
}

impl Progress {
    fn count(&self, watch: &Watch, change: impl FnOnce(&mut Counts)) {
        watch.moved();
        change(&mut self.counts.lock().unwrap());
        self.more.notify_all();
    }

    fn wait_until_both_are(&self, wanted: u32) {
        let short = |counts: &mut Counts| counts.sent < wanted || counts.received < wanted;
        drop(self.more.wait_while(self.counts.lock().unwrap(), short).unwrap());
    }
}

/// What the client's threads share.
struct Side {
    connection: Connection,
    pattern: Arc<Pattern>,
    progress: Progress,
    watch: Arc<Watch>,
    pings: AtomicU32,
}

fn session(transport: Transport, manner: Manner, size: Size, ending: Ending, round: u32) {
    let watch = Arc::new(Watch::default());
    let _dog = Dog::new(format!("{transport:?}, {manner:?}, {size:?}, {ending:?}, round {round}"), &watch);
    let pattern = Arc::new(Pattern::new(size.bytes));
    let (dialer, url, accept) = listen(transport);
    let peer = thread::spawn({
        let (pattern, watch) = (pattern.clone(), watch.clone());
        move || peer::run(accept(), manner, &pattern, size.messages, &watch)
    });
    let connection = Client::new(dialer).dial(&url, Wait::for_duration(CLOSING)).expect("the dial");
    let side = Side { connection, pattern, progress: Progress::default(), watch, pings: AtomicU32::new(0) };

    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| if size.batch > 1 { side.receive_batches() } else { side.receive() });
        let senders = [("sender 0", 0), ("sender 1", 1)].map(|(name, sender)| {
            scope.spawn({
                let side = &side;
                let messages = size.messages / u32::from(SENDERS);
                move || match size.batch {
                    1 => side.send(name, sender, messages),
                    batch => side.send_batches(name, sender, messages, batch),
                }
            })
        });
        let closer = scope.spawn(|| {
            side.progress.wait_until_both_are(if ending == Ending::Middle { size.messages / 2 } else { size.messages });
            side.watch.at("closer", "in close".into());
            let verdict = side.connection.close(4000, "enough", Wait::for_duration(CLOSING));
            side.watch.at("closer", "gone".into());
            verdict
        });
        assert_eq!(closer.join().unwrap().expect("a clean close"), Outcome::Done);
        (senders.map(|sender| sender.join().unwrap()), receiver.join().unwrap())
    });
    let seen = peer.join().unwrap();
    check(&side, size, ending, (&sent, received), &seen);
}

/// What was taken has arrived, nothing else has, and both know how it ended.
fn check(side: &Side, size: Size, ending: Ending, (sent, received): (&[u32], u32), seen: &Seen) {
    // A sender of whom nothing came is not in the peer's list.
    let mut got = seen.received.clone();
    got.resize(got.len().max(sent.len()), 0);
    assert_eq!(got, sent, "messages that the peer got, and that the senders were told are taken");
    assert_eq!(seen.close, b"\x0f\xa0enough");
    assert_eq!(side.connection.close_code(), 4000);
    assert_eq!(side.connection.close_reason(), Some("enough"));
    assert_eq!(seen.pings, side.pings.load(Ordering::Relaxed), "pings that the peer got");
    assert!(seen.pongs > 0, "no ping of the peer was answered in the whole flood");
    let total: u32 = sent.iter().sum();
    match ending {
        Ending::Last => assert_eq!((total, received), (size.messages, size.messages)),
        Ending::Middle => assert!(total >= size.messages / 2 && received >= size.messages / 2),
    }
}

impl Side {
    /// Receives until the connection is closed: how many messages came.
    fn receive(&self) -> u32 {
        let mut message = Message::new();
        let mut sequences = Sequences::default();
        loop {
            self.watch.at("receiver", format!("in recv after {sequences:?}"));
            match self.connection.recv(&mut message, Wait::Forever).expect("no failure while receiving") {
                Outcome::Done => {}
                Outcome::Closed => break,
                other => panic!("recv answered {other:?}"),
            }
            sequences.take(&self.pattern, message.kind() as u8, message.data());
            self.progress.count(&self.watch, |counts| counts.received += 1);
        }
        self.watch.at("receiver", "gone".into());
        sequences.counts(1)[0]
    }

    /// Sends until done or closed: how many messages were taken.
    fn send(&self, name: &'static str, sender: u8, messages: u32) -> u32 {
        for number in 0..messages {
            let kind = if Pattern::opcode(number) == 1 { Kind::Text } else { Kind::Binary };
            let message = self.pattern.message(sender, number);
            self.watch.at(name, format!("in send {number}"));
            if !is_taken(self.connection.send(kind, &message, Wait::Forever)) {
                self.watch.at(name, format!("gone before message {number}"));
                return number;
            }
            self.progress.count(&self.watch, |counts| counts.sent += 1);
            if number % 4 == 0 && is_taken(self.connection.ping(&number.to_be_bytes(), Wait::Forever)) {
                self.pings.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.watch.at(name, "gone".into());
        messages
    }
}

impl Side {
    fn receive_batches(&self) -> u32 {
        let mut batch = Batch::new();
        let mut sequences = Sequences::default();
        loop {
            self.watch.at("receiver", format!("in recv_batch after {sequences:?}"));
            match self.connection.recv_batch(&mut batch, 100_000, 0, Wait::Forever).expect("no failure while receiving")
            {
                Outcome::Done => {}
                Outcome::Closed => break,
                other => panic!("recv_batch answered {other:?}"),
            }
            batch.iter().for_each(|(kind, data)| sequences.take(&self.pattern, kind as u8, data));
            self.progress.count(&self.watch, |counts| counts.received += batch.len() as u32);
        }
        self.watch.at("receiver", "gone".into());
        sequences.counts(1)[0]
    }

    fn send_batches(&self, name: &'static str, sender: u8, messages: u32, each: u32) -> u32 {
        let mut number = 0;
        while number < messages {
            let mut batch = Batch::new();
            for number in number..messages.min(number + each) {
                let kind = if Pattern::opcode(number) == 1 { Kind::Text } else { Kind::Binary };
                batch.push(kind, &self.pattern.message(sender, number));
            }
            self.watch.at(name, format!("in send_batch {number}"));
            let mut taken = 0;
            let is_whole = is_taken(self.connection.send_batch(&batch, &mut taken, Wait::Forever));
            assert!(!is_whole || taken == batch.len());
            number += taken as u32;
            self.progress.count(&self.watch, |counts| counts.sent += taken as u32);
            if !is_whole {
                self.watch.at(name, format!("gone before message {number}"));
                return number;
            }
            if is_taken(self.connection.ping(&number.to_be_bytes(), Wait::Forever)) {
                self.pings.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.watch.at(name, "gone".into());
        messages
    }
}

/// Once somebody has begun to close, nothing more is taken; there is no other reason.
fn is_taken(answer: Result<Outcome, Error>) -> bool {
    match answer {
        Ok(Outcome::Done | Outcome::Pending) => true,
        Ok(Outcome::Closed) => false,
        Err(error) if error.code() == wsdial::Code::UsageState => false,
        other => panic!("send answered {other:?}"),
    }
}

/// A dialer, the address to dial, and the peer's wait for it.
fn listen(transport: Transport) -> (Dialer, String, Box<dyn FnOnce() -> Duplex + Send>) {
    let mut dialer = Dialer::new();
    match transport {
        Transport::Tcp => {
            let (url, socket) = listen_on_tcp("ws");
            (dialer, url, Box::new(move || Duplex::new(socket(), None)))
        }
        Transport::Tls => {
            let (url, socket) = listen_on_tcp("wss");
            let (config, root) = certificate();
            dialer.use_system_roots(false);
            dialer.add_ca_pem(root.as_bytes()).unwrap();
            let tls = ServerConnection::new(config).unwrap();
            (dialer, url, Box::new(move || Duplex::new(socket(), Some(tls))))
        }
        Transport::Unix => {
            let path = UnixPath::new();
            let listener = UnixListener::bind(&path.0).unwrap();
            let url = format!("ws+unix:{}:/", path.0.display());
            let accept = move || {
                let (stream, _) = listener.accept().unwrap();
                drop(path);
                Duplex::new(Socket::Unix(stream), None)
            };
            (dialer, url, Box::new(accept))
        }
    }
}

fn listen_on_tcp(scheme: &str) -> (String, impl FnOnce() -> Socket + Send + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://localhost:{}/", listener.local_addr().unwrap().port());
    (url, move || Socket::Tcp(listener.accept().unwrap().0))
}

fn certificate() -> (Arc<ServerConfig>, String) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config), signed.cert.pem())
}

/// A name for a socket that is gone again with its owner.
struct UnixPath(PathBuf);

impl UnixPath {
    fn new() -> UnixPath {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        UnixPath(std::env::temp_dir().join(format!("wsdial-flood-{}-{number}", std::process::id())))
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
