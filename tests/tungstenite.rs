//! Why tungstenite's own connection type is not used, each reason shown by running it.
//!
//! We take tungstenite's vocabulary (opcodes, accept keys) and its server role as an opponent, and write the connection
//! ourselves. The tests below are the reasons. When one fails, tungstenite has changed: the sentence says which reason
//! is gone, and the choice may be looked at again. Nothing in here touches our own code.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tungstenite::client::IntoClientRequest;
use tungstenite::error::{Error, ProtocolError, SubProtocolError};
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

/// A connection that reads what the test wrote down and keeps what is written to it.
#[derive(Default)]
struct Script {
    input: VecDeque<u8>,
    output: Vec<u8>,
    /// What the first read answers to the upgrade request.
    answer: Option<Answer>,
}

/// The answer to an upgrade request.
struct Answer {
    /// The value of its Connection field.
    connection: &'static str,
    /// Fields beyond the three that every answer needs.
    extra: &'static str,
    /// What the server sends right behind the head.
    behind: &'static [u8],
}

impl Script {
    fn of_frames(bytes: &[u8]) -> Script {
        Script { input: bytes.iter().copied().collect(), ..Script::default() }
    }

    fn of_answer(answer: Answer) -> Script {
        Script { answer: Some(answer), ..Script::default() }
    }
}

impl Read for Script {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(answer) = self.answer.take() {
            let head = answer.head(&self.output);
            self.input.extend(head);
            self.input.extend(answer.behind);
            self.output.clear();
        }
        self.input.read(out)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Answer {
    fn head(&self, request: &[u8]) -> Vec<u8> {
        let request = std::str::from_utf8(request).expect("an upgrade request in ASCII");
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let (connection, extra) = (self.connection, self.extra);
        let accept = derive_accept_key(key.as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: {connection}\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
        )
        .into_bytes()
    }
}

fn client(bytes: &[u8]) -> WebSocket<Script> {
    WebSocket::from_raw_socket(Script::of_frames(bytes), Role::Client, None)
}

fn dial(subprotocols: Option<&str>, answer: Answer) -> Result<(WebSocket<Script>, Response), Error> {
    let mut request = "ws://localhost/".into_client_request()?;
    if let Some(offer) = subprotocols {
        request.headers_mut().insert("Sec-WebSocket-Protocol", offer.parse().expect("a header value"));
    }
    tungstenite::client(request, Script::of_answer(answer)).map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::Interrupted(_) => unreachable!("a script never blocks"),
    })
}

/// Tells a method that takes `&mut self` from one that takes `&self`: exactly one of the two fits a given method.
trait Receiver<Marker> {
    const EXCLUSIVE: bool;
}

struct ByMut<R>(R);
struct ByRef<R>(R);

impl<F: Fn(&mut WebSocket<Script>) -> R, R> Receiver<ByMut<R>> for F {
    const EXCLUSIVE: bool = true;
}

impl<F: Fn(&WebSocket<Script>) -> R, R> Receiver<ByRef<R>> for F {
    const EXCLUSIVE: bool = false;
}

fn is_exclusive<Marker, F: Receiver<Marker>>(_method: F) -> bool {
    F::EXCLUSIVE
}

#[test]
fn reading_and_writing_both_need_the_whole_connection() {
    assert!(!is_exclusive(WebSocket::<Script>::can_read), "the probe itself must tell &self from &mut self");
    assert!(is_exclusive(WebSocket::<Script>::read), "tungstenite now reads through a shared reference");
    assert!(is_exclusive(WebSocket::<Script>::flush), "tungstenite now flushes through a shared reference");
    // `send`, `write` and `close` take an argument; these lines stop compiling when they no longer need `&mut`.
    let _: fn(&mut WebSocket<Script>, Message) -> Result<(), Error> = WebSocket::<Script>::send;
    let _: fn(&mut WebSocket<Script>, Message) -> Result<(), Error> = WebSocket::<Script>::write;
    let _: fn(&mut WebSocket<Script>, Option<CloseFrame>) -> Result<(), Error> = WebSocket::<Script>::close;
}

/// Announces that a read is about to block.
struct Announcing(TcpStream, mpsc::Sender<()>);

impl Read for Announcing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1.send(()).expect("the test listens");
        self.0.read(out)
    }
}

impl Write for Announcing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn a_blocked_reader_locks_every_sender_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let (about_to_read, reading) = mpsc::channel();
    let socket = WebSocket::from_raw_socket(Announcing(stream, about_to_read), Role::Client, None);
    let shared = Arc::new(Mutex::new(socket));

    let reader = thread::spawn({
        let shared = Arc::clone(&shared);
        move || shared.lock().unwrap().read().unwrap()
    });
    reading.recv_timeout(Duration::from_secs(10)).expect("the reader reaches the socket");
    assert!(shared.try_lock().is_err(), "tungstenite now lets a sender in while a reader waits");

    peer.write_all(b"\x81\x02hi").unwrap();
    assert_eq!(reader.join().unwrap(), Message::text("hi"));
    assert!(shared.try_lock().is_ok(), "the connection is free once the reader has gone");
}

#[test]
fn every_reserved_bit_is_refused_so_there_is_no_compression() {
    for bit in [0x40, 0x20, 0x10] {
        let answer = client(&[0x82 | bit, 1, b'x']).read();
        let refused = matches!(answer, Err(Error::Protocol(ProtocolError::NonZeroReservedBits)));
        assert!(refused, "tungstenite now takes reserved bit {bit:#x}: {answer:?}");
    }
}

#[test]
fn a_list_in_connection_is_refused() {
    let usual = Answer { connection: "Upgrade", extra: "", behind: b"" };
    dial(None, usual).expect("the plain spelling is taken");
    // RFC 6455 4.1 asks for the token "Upgrade" in the list, not for a list of one.
    for connection in ["keep-alive, Upgrade", "Upgrade, keep-alive"] {
        let answer = dial(None, Answer { connection, extra: "", behind: b"" }).map(|(_, response)| response);
        let refused = matches!(answer, Err(Error::Protocol(ProtocolError::MissingConnectionUpgradeHeader)));
        assert!(refused, "tungstenite now reads Connection as a list: {answer:?}");
    }
}

#[test]
fn an_extension_that_was_never_offered_is_accepted() {
    // RFC 6455 4.1: the client MUST fail the connection.
    let extra = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let answer = dial(None, Answer { connection: "Upgrade", extra, behind: b"" }).map(|(_, response)| response);
    let response = answer.expect("tungstenite now refuses an extension that it did not offer");
    assert_eq!(response.headers()["Sec-WebSocket-Extensions"], "permessage-deflate");
}

#[test]
fn a_server_that_picks_no_subprotocol_is_refused() {
    let extra = "Sec-WebSocket-Protocol: json\r\n";
    dial(Some("json"), Answer { connection: "Upgrade", extra, behind: b"" }).expect("a choice is taken");
    // RFC 6455 4.2.2: a server that agrees to none leaves the field out.
    let answer = dial(Some("json"), Answer { connection: "Upgrade", extra: "", behind: b"" }).map(|_| ());
    let declined = ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::NoSubProtocol);
    let refused = matches!(&answer, Err(Error::Protocol(error)) if *error == declined);
    assert!(refused, "tungstenite now lets a server decline every subprotocol: {answer:?}");
}

#[test]
fn bytes_behind_the_101_are_lost_when_the_stream_is_taken_back() {
    let answer = || Answer { connection: "Upgrade", extra: "", behind: b"\x81\x02hi" };
    // Its own connection keeps them, and shows that they were there.
    let (mut socket, _) = dial(None, answer()).expect("a sound answer");
    assert_eq!(socket.read().unwrap(), Message::text("hi"));
    // Whoever wants its handshake but another connection gets the stream back without them, and cannot ask for them.
    let (socket, _) = dial(None, answer()).expect("a sound answer");
    let mut left = Vec::new();
    socket.into_inner().read_to_end(&mut left).unwrap();
    assert!(left.is_empty(), "tungstenite now gives back what it read too much: {left:?}");
}

#[test]
fn no_close_frame_follows_a_violation() {
    // RFC 6455 7.1.7 and 8.1: a close frame with 1002, or 1007, should go out before the connection ends.
    let violations: [(&str, &[u8]); 6] = [
        ("a reserved bit", &[0xc2, 0]),
        ("a reserved opcode", &[0x83, 0]),
        ("a masked frame", &[0x82, 0x80, 0, 0, 0, 0]),
        ("a ping in fragments", &[0x09, 0]),
        ("a continuation of nothing", &[0x80, 0]),
        ("text that is not UTF-8", &[0x81, 1, 0xff]),
    ];
    for (what, bytes) in violations {
        let mut socket = client(bytes);
        assert!(socket.read().is_err(), "{what} is a violation");
        let _ = socket.flush();
        let sent = &socket.get_ref().output;
        assert!(sent.is_empty(), "tungstenite now answers {what} with {sent:02x?}");
    }
}

#[test]
fn there_is_no_deadline_anywhere() {
    // What can be decided about a connection: sizes, and whether a client may go unmasked. A deadline would be a field.
    let config = format!("{:?}", WebSocketConfig::default());
    let fields: Vec<&str> = config.split([' ', '{', '}', ',']).filter_map(|word| word.strip_suffix(':')).collect();
    let known = [
        "read_buffer_size",
        "write_buffer_size",
        "max_write_buffer_size",
        "max_message_size",
        "max_frame_size",
        "accept_unmasked_frames",
    ];
    assert_eq!(fields, known, "tungstenite now has other settings: is one of them a deadline, or compression?");

    // And a server that takes the connection and never answers holds the dial for as long as it likes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, end) = mpsc::channel();
    let dialing = thread::spawn(move || {
        let _ = ended.send(tungstenite::connect(format!("ws://{address}/")).is_err());
    });
    let (silent, _) = listener.accept().unwrap();
    let early = end.recv_timeout(Duration::from_millis(500));
    assert_eq!(early, Err(RecvTimeoutError::Timeout), "tungstenite now gives up on a silent server");
    drop(silent);
    assert_eq!(end.recv_timeout(Duration::from_secs(10)), Ok(true), "the dial ends with its connection");
    dialing.join().unwrap();
}

/// Uses the whole of each buffer it is lent as scratch room, hands out one small frame, and notes what it was lent.
struct Scribbler {
    lent: Vec<Lent>,
}

struct Lent {
    address: usize,
    len: usize,
    zeros: usize,
}

impl Read for Scribbler {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let zeros = out.iter().filter(|byte| **byte == 0).count();
        self.lent.push(Lent { address: out.as_ptr() as usize, len: out.len(), zeros });
        out.fill(0xff);
        out[..3].copy_from_slice(&[0x82, 1, b'x']);
        Ok(3)
    }
}

impl Write for Scribbler {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_read_fills_up_to_128_kib_with_zeros() {
    let mut socket = WebSocket::from_raw_socket(Scribbler { lent: Vec::new() }, Role::Client, None);
    for _ in 0..10 {
        assert_eq!(socket.read().unwrap(), Message::binary(&b"x"[..]));
    }
    let lent = &socket.get_ref().lent;
    let first = &lent[0];
    assert_eq!(
        (first.len, first.zeros),
        (128 << 10, 128 << 10),
        "tungstenite's first read is no longer 128 KiB of zeros"
    );
    // The later buffers lie inside the first one, where only scribbles were left, and are zeros again all the same.
    for later in &lent[1..] {
        let again = (first.address..first.address + first.len).contains(&later.address);
        assert!(again, "tungstenite now moves its buffer, so this test shows nothing");
        assert_eq!(later.zeros, later.len, "tungstenite no longer fills its buffer with zeros before each read");
        assert!(later.len > 120 << 10, "tungstenite now offers only {} bytes to a read", later.len);
    }
}

#[test]
fn its_keys_and_accept_keys_are_what_we_take() {
    // RFC 6455 1.3: the sample key and its answer; 4.1: a key is 16 bytes in base64.
    assert_eq!(derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(generate_key().len(), 24);
}
