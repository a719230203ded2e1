//! A server that does what its script says, frame by frame and byte by byte: for what no well-behaved server does.
#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use wsdial::{Client, Connection, Dialer, Message, Outcome, Wait};

/// Nothing in these tests may take longer; all of it takes milliseconds.
pub const BOUND: Duration = Duration::from_secs(2);

/// The waiting of a call that must come to an end.
pub fn bound() -> Wait {
    Wait::for_duration(BOUND)
}

/// The server's end of one connection, after the handshake.
pub struct Peer<S = TcpStream> {
    pub stream: S,
}

/// A frame as it came from the client, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub head: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

impl<S: Read + Write> Peer<S> {
    /// Sends a frame: its first byte (FIN, RSV, opcode) and its payload.
    pub fn frame(&mut self, head: u8, payload: &[u8]) {
        self.raw(&frame(head, payload));
    }

    /// Sends bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the peer writes");
    }

    /// The client's next frame; `None` at the end of the stream.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        let len = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.bytes())),
            127 => u64::from_be_bytes(self.bytes()),
            short => u64::from(short),
        };
        let masked = head[1] & 0x80 != 0;
        let key: [u8; 4] = if masked { self.bytes() } else { [0; 4] };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).ok()?;
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[at % 4];
        }
        Some(Frame { head: head[0], masked, payload })
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("the peer reads a header");
        bytes
    }

    /// The client's close frame: code (0 when there is none) and reason; messages before it are passed over.
    pub fn read_close(&mut self) -> (u16, String) {
        loop {
            let frame = self.read().expect("a close frame before the end");
            if frame.head == 0x88 {
                assert!(frame.masked);
                if frame.payload.is_empty() {
                    return (0, String::new());
                }
                let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
                return (code, String::from_utf8(frame.payload[2..].to_vec()).unwrap());
            }
        }
    }

    /// Asserts that the client's stream has ended: nothing follows.
    pub fn expect_end(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => panic!("byte {:#04x} after the end", byte[0]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

impl Peer {
    /// Ends our direction.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// An unmasked frame.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head];
    match payload.len() {
        len @ 0..126 => bytes.push(len as u8),
        len @ 126..65536 => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// The payload of a close frame.
pub fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Starts a server for one connection, which answers the handshake and then plays the script. Returns its address and
/// the thread, whose panic is the test's.
pub fn serve(script: impl FnOnce(Peer) + Send + 'static) -> (String, JoinHandle<()>) {
    serve_behind(Vec::new(), script)
}

/// The same, with bytes in the same segment as the answer's head.
pub fn serve_behind(behind: Vec<u8>, script: impl FnOnce(Peer) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        agree(&mut stream, &behind);
        script(Peer { stream });
    });
    (url, thread)
}

/// Answers the handshake, with bytes in the same segment as the answer's head.
pub fn agree(stream: &mut (impl Read + Write), behind: &[u8]) {
    let head = read_head(stream);
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    answer.extend(behind);
    stream.write_all(&answer).unwrap();
}

/// Agrees to the request with that head; a header field may go with it.
pub fn agree_to(stream: &mut impl Write, head: &str, field: &str) {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    let field = if field.is_empty() { String::new() } else { format!("{field}\r\n") };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{field}Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// The request's head, byte by byte so that nothing behind it is taken.
pub fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Dials with the defaults.
pub fn dial(url: &str) -> Connection {
    Client::new(Dialer::new()).dial(url, bound()).expect("the dial succeeds")
}

/// The next message, which must come.
pub fn recv(connection: &Connection) -> Message {
    let mut message = Message::new();
    assert_eq!(connection.recv(&mut message, bound()).expect("a message"), Outcome::Done);
    message
}
