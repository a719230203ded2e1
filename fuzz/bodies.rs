//! What the fuzzer's bytes are made to do, through the C ABI over memory: no socket, no clock. The same bodies run the
//! committed corpora in `tests/corpus.rs`.
//!
//! Beside "no panic" they assert what a peer of ours relies on, whatever it sent itself: our frames are whole and masked,
//! at most one close frame goes out and nothing after it, no message is over the limit, text is UTF-8.

#![allow(dead_code)] // each target uses one

use std::ffi::CString;
use std::ptr::{self, null, null_mut};
use std::slice;

use tungstenite::handshake::derive_accept_key;
use wsdial::ffi::*;

/// The limit on messages that sessions have.
const MAX_MESSAGE: usize = 4096;

/// An address, and what the request says when it is one.
pub(crate) fn address(data: &[u8]) {
    let Ok(url) = CString::new(data) else { return };
    let mut dialer = Dialer::new();
    dialer.header("X-Name", "value");
    let Some(mut conn) = dialer.dial(&url) else { return };
    if !data.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"wss")) {
        let request = conn.written();
        let text = std::str::from_utf8(&request).expect("a request in ASCII");
        assert!(text.starts_with("GET ") && text.ends_with("\r\n\r\n"), "{text}");
        let fields: Vec<&str> = text.trim_end().split("\r\n").collect();
        assert_eq!(fields.iter().filter(|field| field.starts_with("Host: ")).count(), 1, "{text}");
        assert!(fields[0].ends_with(" HTTP/1.1") && fields[0].split(' ').count() == 3, "{text}");
        assert!(text.is_ascii() && text.bytes().all(|byte| byte >= b' ' || b"\r\n".contains(&byte)), "{text}");
    }
}

/// A server's answer, in pieces, up to its end.
pub(crate) fn answer(data: &[u8]) {
    let mut dialer = Dialer::new();
    let Some((&cut, data)) = data.split_first() else { return };
    dialer.subprotocol("json");
    dialer.compression(cut & 1 != 0);
    let Some(mut conn) = dialer.dial(c"ws://example.org/") else { return };
    let key = conn.key();
    // Where the fuzzer writes a tilde the right answer stands, which no corpus can hold.
    let accept = derive_accept_key(key.as_bytes());
    let bytes: Vec<u8> =
        data.iter().flat_map(|byte| if *byte == b'~' { accept.bytes().collect() } else { vec![*byte] }).collect();
    for piece in bytes.chunks(usize::from(cut) + 1) {
        conn.arrive(piece);
        if conn.handshake() != WS_AGAIN {
            break;
        }
    }
    conn.arrive(&[]);
    assert_ne!(conn.handshake(), WS_AGAIN, "the end of the stream ends the handshake");
}

/// A proxy's answers, then a server's.
pub(crate) fn proxy(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let kinds = [
        c"http://127.0.0.1:1",
        c"http://user:password@[::1]:1",
        c"socks5://127.0.0.1:1",
        c"socks5h://user:password@proxy:1",
    ];
    let mut dialer = Dialer::new();
    dialer.proxy(kinds[usize::from(first) % kinds.len()]);
    let Some(mut conn) = dialer.dial(c"ws://example.org/") else { return };
    conn.written();
    for piece in data.chunks(usize::from(first / 4) + 1) {
        conn.arrive(piece);
        conn.written();
        if conn.handshake() != WS_AGAIN {
            break;
        }
    }
    conn.arrive(&[]);
    assert_ne!(conn.handshake(), WS_AGAIN, "the end of the stream ends the handshake");
}

/// A whole connection: the bytes are what both sides do.
pub(crate) fn session(data: &[u8]) {
    let Some((&options, mut data)) = data.split_first() else { return };
    let mut dialer = Dialer::new();
    dialer.max_message(MAX_MESSAGE);
    dialer.compression(options & 1 != 0);
    dialer.control(options & 0x20 != 0, options & 0x40 == 0);
    let Some(mut conn) = dialer.dial(c"ws://example.org/") else { return };
    conn.open(options);
    let mut wire = Wire { may_compress: options & 1 != 0, ..Wire::default() };
    let mut batch: ws_batch = unsafe { std::mem::zeroed() };
    while let Some((&op, rest)) = data.split_first() {
        data = rest;
        match op {
            // Bytes from the server, as many as the number says.
            0..=159 => {
                let (piece, rest) = data.split_at(data.len().min(usize::from(op) + 1));
                data = rest;
                if !piece.is_empty() {
                    conn.arrive(piece);
                }
            }
            160..=175 => ignore(conn.recv()),
            176..=183 => conn.recv_batch(&mut batch, usize::from(op - 176) * 64),
            184..=191 => ignore(unsafe { ws_process(conn.0, null_mut()) }),
            252..=255 => conn.recv_into(usize::from(op - 251) * 130),
            248..=251 => {
                let is_final = i32::from(op & 1);
                let (kind, text) = if op & 2 == 0 { (WS_TEXT, &b"text"[..]) } else { (0, &b"more"[..]) };
                let _ =
                    unsafe { ws_send_fragment(conn.0, kind, text.as_ptr().cast(), 4, is_final, WS_NOWAIT, null_mut()) };
            }
            246..=247 => ignore(unsafe { ws_set_compression(conn.0, (op & 1).into(), 6, null_mut()) }),
            245 => ignore(unsafe { ws_start_close(conn.0, 1001, null(), null_mut()) }),
            192..=207 => ignore(conn.send(WS_TEXT, &b"a text, a text, a text, a text"[..usize::from(op - 192)])),
            208..=223 => ignore(conn.send(WS_BINARY, &vec![op; usize::from(op - 208) * 40])),
            224..=231 => ignore(unsafe {
                ws_ping(conn.0, [op; 7].as_ptr().cast(), usize::from(op - 224), WS_NOWAIT, null_mut())
            }),
            232..=235 => {
                ignore(unsafe { ws_close(conn.0, 1000 + i32::from(op - 232), c"why".as_ptr(), WS_NOWAIT, null_mut()) })
            }
            236..=239 => wire.take(&conn.part(usize::from(op - 235))),
            240..=243 => drop(unsafe { (ws_wants(conn.0), ws_timeout(conn.0), ws_close_code(conn.0)) }),
            _ => wire.take(&conn.written()),
        }
    }
    conn.arrive(&[]);
    // What came is given out, then the end, which stays.
    let end = (0..10_000).map(|_| conn.recv()).find(|result| *result != WS_OK).expect("an end");
    if end != WS_AGAIN {
        assert_eq!(conn.recv(), end, "the end stays");
    }
    wire.take(&conn.written());
    assert!(wire.rest.is_empty(), "our last frame is not whole: {:?}", wire.rest);
    unsafe { ws_batch_free(&mut batch) };
}

/// What we have sent, frame by frame.
#[derive(Default)]
struct Wire {
    rest: Vec<u8>,
    closed: bool,
    may_compress: bool,
}

impl Wire {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(len) = self.frame() {
            self.rest.drain(..len);
        }
    }

    /// Checks the first frame when it is whole; returns its length.
    fn frame(&mut self) -> Option<usize> {
        let (&first, &second) = (self.rest.first()?, self.rest.get(1)?);
        assert!(!self.closed, "a frame behind the close frame (RFC 6455 5.5.1)");
        assert!(second & 0x80 != 0, "a frame is not masked (RFC 6455 5.3)");
        assert!(first & 0x30 == 0 && (first & 0x40 == 0 || self.may_compress), "reserved bits in {first:#x}");
        let opcode = first & 0x0f;
        assert!(matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10), "opcode {opcode}");
        let (header, len) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes([*self.rest.get(2)?, *self.rest.get(3)?]))),
            127 => (10, u64::from_be_bytes(self.rest.get(2..10)?.try_into().expect("eight bytes")) as usize),
            len => (2, usize::from(len)),
        };
        if opcode >= 8 {
            assert!(len <= 125 && first & 0xc0 == 0x80, "a control frame of {len} bytes, {first:#x}");
        }
        self.rest.get(..header + 4 + len)?;
        self.closed |= opcode == 8;
        Some(header + 4 + len)
    }
}

/// Any answer is fine.
fn ignore(_answer: i32) {}

struct Dialer(*mut ws_dialer);

// SAFETY of all that follows: the pointers are those that the functions were made for, and live as long as their owner.
impl Dialer {
    fn new() -> Dialer {
        Dialer(unsafe { ws_dialer_new() })
    }

    fn header(&mut self, name: &str, value: &str) {
        let (name, value) = (CString::new(name).unwrap(), CString::new(value).unwrap());
        assert_eq!(unsafe { ws_dialer_add_header(self.0, name.as_ptr(), value.as_ptr(), null_mut()) }, WS_OK);
    }

    fn subprotocol(&mut self, name: &str) {
        let name = CString::new(name).unwrap();
        assert_eq!(unsafe { ws_dialer_add_subprotocol(self.0, name.as_ptr(), null_mut()) }, WS_OK);
    }

    fn compression(&mut self, on: bool) {
        assert_eq!(unsafe { ws_dialer_set_compression(self.0, on.into(), null_mut()) }, WS_OK);
    }

    fn control(&mut self, deliver: bool, auto_pong: bool) {
        assert_eq!(unsafe { ws_dialer_set_control_delivery(self.0, deliver.into(), null_mut()) }, WS_OK);
        assert_eq!(unsafe { ws_dialer_set_auto_pong(self.0, auto_pong.into(), null_mut()) }, WS_OK);
    }

    fn max_message(&mut self, bytes: usize) {
        assert_eq!(unsafe { ws_dialer_set_max_message(self.0, bytes, null_mut()) }, WS_OK);
    }

    fn proxy(&mut self, url: &std::ffi::CStr) {
        assert_eq!(unsafe { ws_dialer_set_proxy(self.0, url.as_ptr(), null_mut()) }, WS_OK);
    }

    fn dial(&self, url: &std::ffi::CStr) -> Option<Conn> {
        let mut conn = null_mut();
        let mut error = null_mut();
        let result = unsafe { ws_dial_memory(url.as_ptr(), self.0, &mut conn, &mut error) };
        assert_eq!(result == WS_AGAIN, !conn.is_null());
        assert_eq!(result < 0, !error.is_null());
        unsafe { ws_error_free(error) };
        (!conn.is_null()).then(|| Conn(conn))
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        unsafe { ws_dialer_free(self.0) }
    }
}

struct Conn(*mut ws_conn);

impl Conn {
    fn handshake(&self) -> i32 {
        unsafe { ws_handshake(self.0, WS_NOWAIT, null_mut()) }
    }

    /// Bytes from the peer; none is the end.
    fn arrive(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            ignore(unsafe { ws_input_done(self.0, 0, null_mut()) });
            return;
        }
        while !bytes.is_empty() {
            let mut room = 0;
            let place = unsafe { ws_input(self.0, &mut room) };
            if place.is_null() {
                // No room: a message has to be taken first, or nothing is wanted any more.
                if self.recv() != WS_OK {
                    return;
                }
                continue;
            }
            let n = room.min(bytes.len());
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), n) };
            assert_eq!(unsafe { ws_input_done(self.0, n, null_mut()) }, WS_OK);
            bytes = &bytes[n..];
            self.handshake();
        }
    }

    /// At most `most` bytes of what is to be written.
    fn part(&mut self, most: usize) -> Vec<u8> {
        let mut len = 0;
        let place = unsafe { ws_output(self.0, &mut len) };
        if place.is_null() {
            return Vec::new();
        }
        let len = len.min(most);
        let bytes = unsafe { slice::from_raw_parts(place.cast::<u8>(), len) }.to_vec();
        assert_eq!(unsafe { ws_output_done(self.0, len, null_mut()) }, WS_OK);
        bytes
    }

    /// All that is to be written.
    fn written(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let part = self.part(usize::MAX);
            if part.is_empty() {
                return bytes;
            }
            bytes.extend(part);
        }
    }

    /// The key of the request, which is taken.
    fn key(&mut self) -> String {
        let request = String::from_utf8(self.written()).expect("a request in ASCII");
        let (_, key) = request.split_once("Sec-WebSocket-Key: ").expect("a key");
        key.split("\r\n").next().expect("a line").to_owned()
    }

    /// A handshake that succeeds, with the extension that `options` ask for.
    fn open(&mut self, options: u8) {
        let accept = derive_accept_key(self.key().as_bytes());
        let extension = match options & 0x1f {
            extension if extension & 1 == 0 => "",
            1 => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            3 => "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
            5 => "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n",
            _ => "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
        };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{extension}\r\n"
        );
        self.arrive(answer.as_bytes());
        assert_eq!(self.handshake(), WS_OK, "{answer}");
    }

    fn recv(&mut self) -> i32 {
        let mut message: ws_message = unsafe { std::mem::zeroed() };
        let mut error = null_mut();
        let result = unsafe { ws_recv(self.0, WS_NOWAIT, &mut message, &mut error) };
        assert_eq!(result < 0, !error.is_null());
        if result == WS_OK {
            assert!(!message.data.is_null() && unsafe { *message.data.add(message.len) } == 0, "a NUL behind it");
            check(unsafe { slice::from_raw_parts(message.data.cast(), message.len) }, message.kind);
        } else {
            assert_eq!((message.data, message.len), (null(), 0));
        }
        unsafe {
            ws_error_free(error);
            ws_message_free(&mut message);
        }
        result
    }

    fn recv_batch(&mut self, batch: &mut ws_batch, most: usize) {
        let result = unsafe { ws_recv_batch(self.0, WS_NOWAIT, most, most / 16, batch, null_mut()) };
        assert_eq!(result == WS_OK, batch.count > 0);
        for index in 0..batch.count {
            let (begin, end) = unsafe { (*batch.offsets.add(index), *batch.offsets.add(index + 1)) };
            let data = unsafe { slice::from_raw_parts(batch.data.cast::<u8>().add(begin), end - begin) };
            check(data, i32::from(unsafe { *batch.kinds.add(index) }));
        }
    }

    fn recv_into(&mut self, size: usize) {
        let mut buffer = vec![0_u8; size];
        let (mut len, mut kind, mut is_final) = (7, 7, 7);
        let (place, size) = (buffer.as_mut_ptr().cast(), buffer.len());
        let result =
            unsafe { ws_recv_into(self.0, WS_NOWAIT, place, size, &mut len, &mut kind, &mut is_final, null_mut()) };
        match result {
            WS_OK => assert!(len <= size && matches!(kind, WS_TEXT | WS_BINARY | WS_CLOSE..=WS_PONG)),
            _ => assert_eq!((len, kind, is_final), (0, 0, 0)),
        }
    }

    fn send(&mut self, kind: i32, data: &[u8]) -> i32 {
        unsafe { ws_send(self.0, kind, data.as_ptr().cast(), data.len(), WS_NOWAIT, null_mut()) }
    }
}

fn check(data: &[u8], kind: i32) {
    match kind {
        WS_TEXT => assert!(std::str::from_utf8(data).is_ok(), "text that is not UTF-8"),
        WS_CLOSE | WS_PING | WS_PONG => assert!(data.len() <= 125, "a control frame of {} bytes", data.len()),
        _ => assert_eq!(kind, WS_BINARY),
    }
    assert!(data.len() <= MAX_MESSAGE.max(64), "a message of {} bytes", data.len());
}

impl Drop for Conn {
    fn drop(&mut self) {
        unsafe { ws_conn_free(self.0) }
    }
}
