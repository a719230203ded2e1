//! A connection that is cut at every byte, plain and in TLS: a message that did not come whole is never given out, one
//! that did always is, and a lost connection is never told as a clean end. And the other way: a failure reaches the
//! server before the connection is gone.

mod raw;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use raw::{agree, close_body, dial, frame, serve};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wsdial::{Client, Code, Connection, Dialer, Error, Kind, Message, Outcome, Wait};

/// Nothing here waits for time; this only keeps a test from hanging.
const BOUND: Duration = Duration::from_secs(30);

/// What the server does once its bytes are used up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Ends its direction.
    Cut,
    /// Closes the socket over unread bytes, which resets the connection.
    Reset,
    /// Nothing; but every byte goes alone.
    Dribble,
}

/// The server's socket, through which only so many bytes pass. What is written behind them is lost without a word.
struct Faulty {
    stream: TcpStream,
    fault: Fault,
    left: usize,
    /// How much was written, lost bytes included.
    written: usize,
}

impl Read for Faulty {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stream.read(out)
    }
}

impl Write for Faulty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passing = &bytes[..bytes.len().min(self.left)];
        let each = if self.fault == Fault::Dribble { 1 } else { usize::MAX };
        for portion in passing.chunks(each) {
            self.stream.write_all(portion)?;
        }
        if self.left > 0 && self.left == passing.len() && self.fault == Fault::Cut {
            self.stream.shutdown(Shutdown::Write)?;
        }
        self.left -= passing.len();
        self.written += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where things end in the bytes that the server wrote.
#[derive(Default)]
struct Marks {
    /// The answer to the upgrade request.
    head: usize,
    /// Each message.
    messages: Vec<usize>,
    /// The close frame.
    close: usize,
}

/// The messages of the session, in order.
fn messages() -> Vec<(Kind, Vec<u8>)> {
    let binary = (0..600).map(|at| (at * 7) as u8).collect();
    vec![
        (Kind::Text, b"hello".to_vec()),
        (Kind::Binary, binary),
        (Kind::Text, "gr\u{fc}\u{df}e ".repeat(25).into_bytes()),
    ]
}

/// Plays the session; `written` tells how much went into the socket so far.
fn play<S: Read + Write>(stream: &mut S, written: impl Fn(&S) -> usize) -> io::Result<Marks> {
    agree(stream, b"");
    let mut marks = Marks { head: written(stream), ..Marks::default() };
    let all = messages();
    let (first, second) = all[1].1.split_at(300);
    let pieces = [
        frame(0x81, &all[0].1),
        [frame(0x02, first), frame(0x89, b"ping"), frame(0x80, second)].concat(),
        frame(0x81, &all[2].1),
    ];
    for piece in pieces {
        stream.write_all(&piece)?;
        marks.messages.push(written(stream));
    }
    stream.write_all(&frame(0x88, &close_body(1000, "done")))?;
    marks.close = written(stream);
    Ok(marks)
}

/// A server for one session over `left` bytes; `None` when the session did not get through to its end.
fn server(stream: TcpStream, tls: Option<Arc<ServerConfig>>, fault: Fault, left: usize) -> Option<Marks> {
    stream.set_nodelay(true).unwrap();
    let copy = stream.try_clone().unwrap();
    let faulty = Faulty { stream, fault, left, written: 0 };
    let marks = match tls {
        None => play(&mut { faulty }, |faulty| faulty.written),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            let mut stream = StreamOwned::new(connection, faulty);
            // In the middle of the TLS handshake the client's end of the stream is all there is to see.
            while stream.conn.is_handshaking() {
                if stream.conn.complete_io(&mut stream.sock).is_err() {
                    break;
                }
            }
            match stream.conn.is_handshaking() {
                true => Err(io::ErrorKind::UnexpectedEof.into()),
                false => play(&mut stream, |stream| stream.sock.written),
            }
        }
    };
    if fault == Fault::Reset {
        // The client's message has come and stays unread.
        let _ = copy.peek(&mut [0]);
    } else {
        let _ = copy.shutdown(Shutdown::Write);
        let _ = io::copy(&mut &copy, &mut io::sink());
    }
    marks.ok()
}

/// What the client saw of a session.
struct Saw {
    dialed: Result<Connection, Error>,
    messages: Vec<(Kind, Vec<u8>)>,
    end: Option<Result<Outcome, Error>>,
}

fn client(dialer: &Client, url: &str, fault: Fault) -> Saw {
    let wait = Wait::for_duration(BOUND);
    let dialed = dialer.dial(url, wait);
    let mut saw = Saw { dialed, messages: Vec::new(), end: None };
    let Ok(connection) = &saw.dialed else {
        return saw;
    };
    if fault == Fault::Reset {
        let _ = connection.send(Kind::Text, b"never read", wait);
    }
    let mut message = Message::new();
    loop {
        match connection.recv(&mut message, wait) {
            Ok(Outcome::Done) => saw.messages.push((message.kind(), message.data().to_vec())),
            end => {
                assert!(message.data().is_empty(), "an end with data");
                if matches!(end, Ok(Outcome::Closed)) {
                    assert_eq!(connection.close(1000, "", wait).expect("a clean end"), Outcome::Done);
                }
                saw.end = Some(end);
                return saw;
            }
        }
    }
}

/// One session with that fault behind `left` bytes.
fn session(dialer: &Client, tls: Option<&Arc<ServerConfig>>, fault: Fault, left: usize) -> (Saw, Option<Marks>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("{}://localhost:{port}/", if tls.is_some() { "wss" } else { "ws" });
    let tls = tls.cloned();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        server(stream, tls, fault, left)
    });
    let saw = client(dialer, &url, fault);
    (saw, server.join().unwrap())
}

/// Judges what came of a session that was cut behind `left` bytes.
fn judge(saw: &Saw, marks: Option<&Marks>, fault: Fault, left: usize, secure: bool) {
    let wanted = messages();
    let whole = marks.map_or(0, |marks| marks.messages.iter().filter(|end| **end <= left).count());
    assert!(wanted.starts_with(&saw.messages), "{left} bytes: a message that was not sent like this");
    assert!(saw.messages.len() <= whole, "{left} bytes: a message that did not come whole was given out");
    if fault == Fault::Cut {
        assert_eq!(saw.messages.len(), whole, "{left} bytes: a message that came whole was not given out");
    }
    let Some(end) = &saw.end else {
        assert!(marks.is_none_or(|marks| left < marks.head), "{left} bytes: {:?}", saw.dialed);
        return;
    };
    let connection = saw.dialed.as_ref().unwrap();
    let marks = marks.expect("who was dialed has played");
    match end {
        Ok(Outcome::Closed) => {
            assert!(left >= marks.close, "{left} bytes: a lost connection was told as a clean end");
            assert_eq!((connection.close_code(), connection.close_reason()), (1000, Some("done")));
        }
        Err(error) => {
            assert!(fault == Fault::Reset || left < marks.close, "{left} bytes: a clean end was told as {error}");
            let truncated = secure && error.code() == Code::AbnormalTruncated;
            assert!(error.code() == Code::Abnormal || truncated, "{left} bytes: {error}");
            assert!(!secure || truncated || fault == Fault::Reset, "{left} bytes: cut TLS was told as {error}");
            assert_eq!((error.close_code(), connection.close_code()), (1006, 1006));
        }
        other => panic!("{left} bytes: {other:?}"),
    }
}

fn every_cut(dialer: &Client, tls: Option<&Arc<ServerConfig>>, fault: Fault) {
    let (saw, marks) = session(dialer, tls, fault, usize::MAX);
    judge(&saw, marks.as_ref(), fault, usize::MAX, tls.is_some());
    let marks = marks.expect("a whole session");
    // A reset needs a byte of the client's that is unread, so it begins behind the handshake. In TLS the lengths differ
    // by some bytes from session to session (signatures), so each is judged by its own marks.
    let from = if fault == Fault::Reset { marks.head + 8 } else { 1 };
    let next = std::sync::atomic::AtomicUsize::new(from);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let left = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if left > marks.close + 8 {
                        return;
                    }
                    let (saw, marks) = session(dialer, tls, fault, left);
                    judge(&saw, marks.as_ref(), fault, left, tls.is_some());
                }
            });
        }
    });
}

fn certificate() -> (Client, Arc<ServerConfig>) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let mut dialer = Dialer::new();
    dialer.use_system_roots(false);
    dialer.add_ca_pem(signed.cert.pem().as_bytes()).unwrap();
    (Client::new(dialer), Arc::new(config))
}

#[test]
fn cut_at_every_byte() {
    every_cut(&Client::new(Dialer::new()), None, Fault::Cut);
}

#[test]
fn reset_at_every_byte() {
    every_cut(&Client::new(Dialer::new()), None, Fault::Reset);
}

#[test]
fn cut_at_every_byte_of_tls() {
    let (dialer, config) = certificate();
    every_cut(&dialer, Some(&config), Fault::Cut);
}

#[test]
fn one_byte_at_a_time() {
    let (dialer, config) = certificate();
    for tls in [None, Some(&config)] {
        let (saw, marks) = session(&dialer, tls, Fault::Dribble, usize::MAX);
        assert_eq!(saw.messages, messages());
        judge(&saw, marks.as_ref(), Fault::Dribble, usize::MAX, tls.is_some());
    }
}

/// A server in the middle of writing when the failure comes must still be able to read why. `limit` is under what it
/// sends; `end` is what it does once it has the close frame.
fn fails_while_the_server_writes(end: impl FnOnce(&mut raw::Peer) + Send + 'static) -> Duration {
    let (url, server) = serve(|mut peer| {
        let message = frame(0x82, &vec![b'x'; 1 << 20]);
        let (begin, rest) = message.split_at(100);
        peer.raw(begin);
        peer.stream.peek(&mut [0]).expect("the close frame comes while the message is on its way");
        rest.chunks(16 << 10).for_each(|portion| peer.raw(portion));
        assert_eq!(peer.read_close().0, 1009);
        end(&mut peer);
    });
    let connection = dial(&url);
    connection.set_max_message(1000);
    let begin = Instant::now();
    let failure = connection.recv(&mut Message::new(), Wait::for_duration(BOUND)).expect_err("over the limit");
    assert_eq!(failure.code(), Code::LimitMessage);
    let took = begin.elapsed();
    drop(connection);
    server.join().unwrap();
    took
}

#[test]
fn a_server_that_is_still_writing_learns_why_we_failed() {
    fails_while_the_server_writes(|_| {});
}

#[test]
fn a_server_that_never_ends_the_stream_does_not_hold_a_failure_for_long() {
    // It waits for the client to go, which the client does after about a second.
    let took = fails_while_the_server_writes(|peer| while peer.read().is_some() {});
    assert!(took < Duration::from_secs(10), "the failure took {took:?}");
}
