//! A WebSocket server on tungstenite's server role, plain and over TLS, that does what the path of the request says:
//!
//! | path | after the handshake |
//! |---|---|
//! | `/echo` | sends back what comes, answers a close |
//! | `/raw/<hex>` | sends those bytes, then reads without a word until a close frame comes |
//! | `/big/<n>,<n>…` | sends one binary message of each length, then as `/echo` |
//! | `/silent` | reads nothing and writes nothing |
//! | `/rst`, `/fin` | waits for the first byte, then is gone by a reset, or by a plain end without a close frame |
//!
//! and instead of the handshake: `/reject` says 403, `/to/<path>` redirects there with a cookie, `/hang` says nothing. The
//! length of the request's `Cookie` comes back as `X-Cookie`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// The subprotocols that the server knows, the one it likes best first.
const SUBPROTOCOLS: [&str; 2] = ["json", "v2.bin"];

/// A server that runs as long as the test's process.
pub struct Server {
    /// `ws://127.0.0.1:port`
    pub ws: String,
    /// `wss://localhost:port`
    pub wss: String,
    /// A file with the certificate to trust.
    pub ca: PathBuf,
}

impl Server {
    /// What every C program is told.
    pub fn arguments(&self) -> [&str; 3] {
        [&self.ws, &self.wss, self.ca.to_str().expect("a path in UTF-8")]
    }
}

/// Starts a server for both schemes.
pub fn start() -> Server {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the certificate fits its key");
    let config = Arc::new(config);

    let plain = listen(|stream| serve(Wire::Plain(stream)));
    let tls = listen(move |stream| {
        let tls = ServerConnection::new(Arc::clone(&config)).expect("a TLS session");
        serve(Wire::Tls(Box::new(StreamOwned::new(tls, stream))));
    });
    let ca = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ca-{tls}.pem"));
    fs::write(&ca, made.cert.pem()).expect("the certificate is written");
    Server { ws: format!("ws://127.0.0.1:{plain}"), wss: format!("wss://localhost:{tls}"), ca }
}

/// Takes connections, each on a thread of its own; returns the port.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            // No test may hang because of a peer that waits.
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
            stream.set_nodelay(true).expect("an option");
            thread::spawn(move || serve(stream));
        }
    });
    port
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(into),
            Wire::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(from),
            Wire::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

/// Reads the request's head byte by byte, so that what is behind it stays in the socket, and gives it to tungstenite
/// again.
struct Replay {
    head: Vec<u8>,
    at: usize,
    wire: Wire,
}

impl Read for Replay {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.head.len() {
            return self.wire.read(into);
        }
        let n = into.len().min(self.head.len() - self.at);
        into[..n].copy_from_slice(&self.head[self.at..][..n]);
        self.at += n;
        Ok(n)
    }
}

impl Write for Replay {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.wire.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.wire.flush()
    }
}

/// One connection. Clients of these tests vanish and break rules, so a failure here only ends it.
fn serve(mut wire: Wire) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match wire.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&head);
    let path = text.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    match path.as_str() {
        path if path.starts_with("to/") => {
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nSet-Cookie: a=1\r\n\r\n", &path[2..]);
            let _ = wire.write_all(answer.as_bytes()).and_then(|()| wire.flush());
            return drop(read_to_end(&mut wire));
        }
        "hang" => return drop(read_to_end(&mut wire)),
        "reject" => {
            let answer =
                "HTTP/1.1 403 Not You\r\nX-Why: because\r\nX-Why: again\r\nContent-Length: 9\r\n\r\ngo away\r\n";
            let _ = wire.write_all(answer.as_bytes()).and_then(|()| wire.flush());
            return drop(read_to_end(&mut wire));
        }
        _ => {}
    }
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let replay = Replay { head, at: 0, wire };
    if let Ok(socket) = tungstenite::accept_hdr_with_config(replay, answer, Some(config)) {
        perform(socket, &path);
    }
}

#[allow(clippy::result_large_err, clippy::unnecessary_wraps)]
fn answer(
    request: &Request,
    mut response: Response,
) -> Result<Response, tungstenite::handshake::server::ErrorResponse> {
    let offered = request.headers().get_all("sec-websocket-protocol").iter();
    let offered: Vec<&str> = offered.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(", ")).collect();
    let headers = response.headers_mut();
    if let Some(chosen) = SUBPROTOCOLS.into_iter().find(|known| offered.contains(known)) {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(chosen));
    }
    for value in ["one", "two"] {
        headers.append(HeaderName::from_static("x-test"), HeaderValue::from_static(value));
    }
    if let Some(cookie) = request.headers().get("cookie") {
        headers.insert("x-cookie", HeaderValue::from(cookie.len()));
    }
    if let Some(seen) = request.headers().get("x-seen") {
        headers.insert("x-seen", seen.clone());
    }
    Ok(response)
}

fn perform(mut socket: WebSocket<Replay>, path: &str) {
    let (verb, argument) = path.split_once('/').unwrap_or((path, ""));
    let wire = &mut socket.get_mut().wire;
    match verb {
        "raw" => {
            let _ = wire.write_all(&unhex(argument)).and_then(|()| wire.flush());
            while socket.read().is_ok_and(|message| !message.is_close()) {}
        }
        // The socket stays open, and nobody looks at it, until the test's process ends.
        "silent" => std::mem::forget(socket),
        // Closing a socket over unread bytes resets the connection.
        "rst" => drop(wire.socket().peek(&mut [0])),
        // With nothing unread it ends it, and what comes later is answered by a reset.
        "fin" => drop(wire.socket().read(&mut [0; 4096])),
        _ => {
            for len in argument.split(',').filter_map(|len| len.parse().ok()) {
                if socket.send(Message::binary(vec![b'x'; len])).is_err() {
                    return;
                }
            }
            echo(&mut socket);
        }
    }
}

fn echo(socket: &mut WebSocket<Replay>) {
    while let Ok(message) = socket.read() {
        if message.is_close() {
            break;
        }
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
    let _ = socket.flush();
    // RFC 6455 7.1.1: the server closes first.
    let wire = &mut socket.get_mut().wire;
    if let Wire::Tls(tls) = wire {
        tls.conn.send_close_notify();
        let _ = tls.flush();
    }
    let _ = wire.socket().shutdown(Shutdown::Write);
    let _ = std::io::copy(&mut wire.socket(), &mut std::io::sink());
}

fn read_to_end(wire: &mut Wire) -> std::io::Result<u64> {
    std::io::copy(wire, &mut std::io::sink())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).expect("hex")).collect()
}
