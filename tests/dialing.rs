//! A dial against scripted servers: what goes over the wire when, and how every way of going wrong is told.

mod raw;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use raw::{BOUND, agree, bound, dial, frame, read_head, recv};
use wsdial::{Client, Code, Dialer, Error, Phase, Wait};

/// A server for one connection that has not answered anything yet.
fn serve(script: impl FnOnce(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/chat?room=1", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        script(stream);
    });
    (url, thread)
}

fn refused(url: &str, wait: Wait) -> Error {
    Client::new(Dialer::new()).dial(url, wait).expect_err("the dial fails")
}

// RFC 6455 rule 4.1-key-fresh
#[test]
fn every_dial_has_a_key_of_its_own() {
    let mut keys = HashSet::new();
    for _ in 0..8 {
        let (url, server) = serve(|mut stream| {
            let head = read_head(&mut stream);
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: ").unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            stream.write_all(format!("{}\r\n\r\n{key}", key.len()).as_bytes()).unwrap();
        });
        let error = refused(&url, bound());
        assert_eq!(error.code(), Code::Rejected);
        assert!(keys.insert(error.rejection().unwrap().body.clone()), "a key came twice");
        server.join().unwrap();
    }
}

// RFC 6455 rule 4.1-wait
#[test]
fn behind_the_request_nothing_is_sent_until_the_answer_has_come() {
    let (url, server) = serve(|mut stream| {
        let mut request = Vec::new();
        stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        let silence = loop {
            let mut portion = [0; 4096];
            match stream.read(&mut portion) {
                Ok(n) => request.extend(&portion[..n]),
                Err(error) => break error,
            }
        };
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
        assert!(request.starts_with(b"GET /chat?room=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
        assert!(request.ends_with(b"\r\n\r\n"));
        agree(&mut std::io::Cursor::new(request).chain_to(&mut stream), &frame(0x81, b"hello"));
    });
    let connection = dial(&url);
    assert_eq!(recv(&connection).text(), Some("hello"));
    server.join().unwrap();
}

/// Reads from one, writes to the other.
struct Chain<'a> {
    from: std::io::Cursor<Vec<u8>>,
    to: &'a mut TcpStream,
}

trait ChainTo {
    fn chain_to(self, to: &mut TcpStream) -> Chain<'_>;
}

impl ChainTo for std::io::Cursor<Vec<u8>> {
    fn chain_to(self, to: &mut TcpStream) -> Chain<'_> {
        Chain { from: self, to }
    }
}

impl Read for Chain<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.from.read(to)
    }
}

impl Write for Chain<'_> {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.to.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

// RFC 6455 rule 4.1-cannot-open
#[test]
fn a_connection_that_cannot_be_opened_names_every_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let error = refused(&format!("ws://localhost:{port}"), bound());
    assert_eq!((error.code(), error.phase(), error.os_error()), (Code::Connect, Phase::Connect, libc::ECONNREFUSED));
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("ws://localhost:{port}: connect: ")), "{sentence}");
    assert!(sentence.contains(&format!("127.0.0.1:{port}: Connection refused")), "{sentence}");
}

#[test]
fn the_time_that_ran_out_names_its_phase() {
    // Silent from the start, silent in the middle of the head, silent in the middle of a rejection's body.
    let cases: [(&[u8], Code, Phase); 3] = [
        (b"", Code::Timeout, Phase::Handshake),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgr", Code::Timeout, Phase::Handshake),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nhalf", Code::Rejected, Phase::Body),
    ];
    for (said, code, phase) in cases {
        let (url, server) = serve(move |mut stream| {
            read_head(&mut stream);
            stream.write_all(said).unwrap();
            let _ = stream.read(&mut [0]);
        });
        let began = Instant::now();
        let error = refused(&url, Wait::for_duration(Duration::from_millis(400)));
        assert!(began.elapsed() >= Duration::from_millis(400) && began.elapsed() < BOUND);
        assert_eq!((error.code(), error.phase()), (code, phase), "{error}");
        if code == Code::Rejected {
            assert_eq!(error.rejection().unwrap().body, b"half");
        }
        server.join().unwrap();
    }
}

#[test]
fn a_rejection_whose_body_is_cut_by_a_reset_is_told_with_what_came() {
    let (url, server) = serve(|mut stream| {
        // A byte of the request stays unread, so that closing resets the connection.
        let mut rest = [0; 1];
        while stream.peek(&mut [0; 4096]).unwrap() < 50 {}
        stream.read_exact(&mut rest).unwrap();
        stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
        thread::sleep(Duration::from_millis(50));
    });
    let error = refused(&url, bound());
    assert_eq!((error.code(), error.phase()), (Code::Rejected, Phase::Body), "{error}");
    assert_eq!(error.rejection().unwrap().body, b"half");
    server.join().unwrap();
}

#[test]
fn an_answer_that_dribbles_is_read_and_one_that_ends_early_is_told() {
    let (url, server) = serve(|mut stream| {
        let mut answer = Vec::new();
        let head = read_head(&mut stream);
        agree(&mut Both { from: head.as_bytes(), to: &mut answer }, &frame(0x82, b"!"));
        for byte in answer {
            stream.write_all(&[byte]).unwrap();
        }
    });
    assert_eq!(recv(&dial(&url)).data(), b"!");
    server.join().unwrap();

    let (url, server) = serve(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 101 Switching Pro").unwrap();
    });
    let error = refused(&url, bound());
    assert_eq!((error.code(), error.phase()), (Code::HandshakeEof, Phase::Handshake), "{error}");
    server.join().unwrap();
}

struct Both<'a> {
    from: &'a [u8],
    to: &'a mut Vec<u8>,
}

impl Read for Both<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.from.read(to)
    }
}

impl Write for Both<'_> {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.to.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// RFC 6455 rule 8.1-handshake
#[test]
fn a_subprotocol_that_is_not_utf8_fails_the_handshake() {
    let (url, server) = serve(|mut stream| {
        let head = read_head(&mut stream);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: js"
        );
        stream.write_all(&[answer.as_bytes(), b"\xffn\r\n\r\n"].concat()).unwrap();
    });
    let mut dialer = Dialer::new();
    dialer.add_subprotocol("json").unwrap();
    let error = Client::new(dialer).dial(&url, bound()).unwrap_err();
    assert_eq!(error.code(), Code::HandshakeSubprotocol, "{error}");
    assert!(error.to_string().contains("js\\xffn"), "{error}");
    server.join().unwrap();
}

// RFC 6455 rule 4.1-tls-first
// RFC 6455 rule 4.1-sni
#[test]
fn tls_comes_before_the_request_and_names_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = vec![0; 4096];
        let n = stream.read(&mut hello).unwrap();
        // A handshake record (RFC 8446 5.1) with a ClientHello in it, and nothing readable but names.
        assert_eq!((hello[0], hello[5]), (22, 1));
        assert!(hello[..n].windows(9).any(|w| w == b"localhost"), "the server's name");
        assert!(!hello[..n].windows(4).any(|w| w == b"GET "));
        // No TLS: the dial must end, and nothing be tried on the connection.
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|w| w == b"GET "));
    });
    let error = refused(&url, bound());
    assert_eq!(error.phase(), Phase::Tls, "{error}");
    server.join().unwrap();
}

// RFC 6455 rule 4.1-tls-fails
#[test]
fn a_certificate_that_cannot_be_verified_ends_the_dial() {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let mut other = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    other.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
    let other = other.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config.into()).unwrap(), tcp);
        let alert = stream.read(&mut [0]).unwrap_err();
        assert!(alert.to_string().contains("received fatal alert"), "{alert}");
    });
    let mut dialer = Dialer::new();
    dialer.add_ca_pem(other.as_bytes()).unwrap();
    dialer.use_system_roots(false);
    let error = Client::new(dialer).dial(&url, bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::TlsUnknownIssuer, Phase::Tls), "{error}");
    server.join().unwrap();
}

#[test]
fn a_unix_socket_is_dialed_by_its_path() {
    let folder = std::env::temp_dir().join(format!("wsdial-dialing-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        agree(&mut stream, &frame(0x81, b"by path"));
    });
    let connection = dial(&format!("ws+unix:{}:/chat", path.display()));
    assert_eq!(recv(&connection).text(), Some("by path"));
    assert_eq!((connection.peer_addr(), connection.local_addr()), (None, None));
    server.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_dial_cannot_be_done_without_waiting() {
    assert_eq!(refused("ws://localhost", Wait::Never).code(), Code::UsageTimeout);
}
