//! Dials through proxies that do what their script says: every kind, plain and TLS targets, refusals, silence and
//! dribbling, and the caller's own connecting.

mod common;
mod raw;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::server::{self, Server};
use raw::{BOUND, bound};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wsdial::{Cancel, Client, Code, Connection, Dialer, Endpoint, Error, Kind, Message, Outcome, Phase, Wait};

trait Wire: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// A proxy that runs as long as the test's process, and the requests that it has got.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    ca: String,
}

impl Proxy {
    fn url(&self, scheme: &str, user: &str) -> String {
        format!("{scheme}://{user}{}", self.address)
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

type Script = fn(&mut dyn Wire) -> io::Result<(String, TcpStream)>;

fn start(secure: bool, script: Script) -> Proxy {
    // A name of its own: among roots of one name TLS would try the wrong key.
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "the proxy's root");
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, log) = (Arc::clone(&config), Arc::clone(&log));
            thread::spawn(move || {
                let mut wire: Box<dyn Wire> = match secure {
                    true => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
                    false => Box::new(stream),
                };
                if let Ok((asked, target)) = script(&mut *wire) {
                    log.lock().unwrap().push(asked);
                    let _ = relay(&mut *wire, target);
                }
            });
        }
    });
    Proxy { address, asked, ca: cert.pem() }
}

/// Moves bytes both ways, looking at each side in turn, until one ends.
fn relay(wire: &mut dyn Wire, mut target: TcpStream) -> io::Result<()> {
    let turn = Some(Duration::from_millis(1));
    wire.socket().set_read_timeout(turn)?;
    target.set_read_timeout(turn)?;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match wire.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(n) => target.write_all(&bytes[..n])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match target.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(n) => wire.write_all(&bytes[..n]).and_then(|()| wire.flush())?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn take<const N: usize>(wire: &mut dyn Wire) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    wire.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Every name is the loopback's here.
fn reach(authority: &str) -> io::Result<TcpStream> {
    let port = authority.rsplit(':').next().unwrap_or_default();
    TcpStream::connect(format!("{}:{port}", if authority.starts_with("[::1]") { "[::1]" } else { "127.0.0.1" }))
}

/// CONNECT; with the first bytes an interim answer and fields to be skipped.
fn http(mut wire: &mut dyn Wire) -> io::Result<(String, TcpStream)> {
    let head = raw::read_head(&mut wire);
    let authority = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let target = reach(&authority)?;
    for part in
        ["HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r", "\nHTTP/1.1 200 Connection est", "ablished\r\nVia: p\r\n\r\n"]
    {
        wire.write_all(part.as_bytes()).and_then(|()| wire.flush())?;
    }
    Ok((head, target))
}

/// CONNECT for `user:open sesame` only.
fn guarded(mut wire: &mut dyn Wire) -> io::Result<(String, TcpStream)> {
    let head = raw::read_head(&mut wire);
    if head.contains("Proxy-Authorization: Basic dXNlcjpvcGVuIHNlc2FtZQ==\r\n") {
        let target = reach(head.split(' ').nth(1).unwrap_or_default())?;
        wire.write_all(b"HTTP/1.0 200 OK\r\n\r\n").and_then(|()| wire.flush())?;
        return Ok((head, target));
    }
    let no = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"tests\"\r\n\
         Content-Length: 6\r\n\r\nlog in";
    wire.write_all(no.as_bytes()).and_then(|()| wire.flush())?;
    let _ = wire.read(&mut [0; 64]);
    Err(io::ErrorKind::PermissionDenied.into())
}

/// SOCKS5: with user and password when they are offered.
fn socks(wire: &mut dyn Wire) -> io::Result<(String, TcpStream)> {
    let [_, count] = take(wire)?;
    let mut methods = vec![0; count.into()];
    wire.read_exact(&mut methods)?;
    let mut asked = String::new();
    if methods.contains(&2) {
        wire.write_all(&[5, 2])?;
        let [_, length] = take(wire)?;
        let mut user = vec![0; length.into()];
        wire.read_exact(&mut user)?;
        let [length] = take(wire)?;
        let mut password = vec![0; length.into()];
        wire.read_exact(&mut password)?;
        asked = format!("{}:{}@", String::from_utf8_lossy(&user), String::from_utf8_lossy(&password));
        let is_right = password == b"open sesame";
        wire.write_all(&[1, u8::from(!is_right)])?;
        if !is_right {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
    } else {
        wire.write_all(&[5, 0])?;
    }
    let [_, _, _, kind] = take(wire)?;
    let host = match kind {
        1 => std::net::Ipv4Addr::from(take::<4>(wire)?).to_string(),
        4 => format!("[{}]", std::net::Ipv6Addr::from(take::<16>(wire)?)),
        _ => {
            let [length] = take(wire)?;
            let mut name = vec![0; length.into()];
            wire.read_exact(&mut name)?;
            String::from_utf8_lossy(&name).into_owned()
        }
    };
    let authority = format!("{host}:{}", u16::from_be_bytes(take(wire)?));
    match reach(&authority) {
        Ok(target) => {
            for byte in [5, 0, 0, 1, 0, 0, 0, 0, 0, 0] {
                wire.write_all(&[byte])?;
            }
            Ok((asked + &authority, target))
        }
        Err(error) => {
            wire.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0])?;
            Err(error)
        }
    }
}

fn through(proxy: &str, cas: &[String]) -> Client {
    let mut dialer = Dialer::new();
    dialer.set_proxy(Some(proxy)).unwrap();
    dialer.use_system_roots(false);
    for ca in cas {
        dialer.add_ca_pem(ca.as_bytes()).unwrap();
    }
    Client::new(dialer)
}

fn echo(connection: &Connection) {
    for size in [0, 5, 300_000] {
        let data = vec![b'x'; size];
        assert_eq!(connection.send(Kind::Binary, &data, bound()).unwrap(), Outcome::Done);
        let mut message = Message::new();
        assert_eq!(connection.recv(&mut message, bound()).unwrap(), Outcome::Done);
        assert_eq!(message.data(), data);
    }
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
}

fn targets() -> (Server, String) {
    let server = server::start();
    let ca = std::fs::read_to_string(&server.ca).unwrap();
    (server, ca)
}

#[test]
fn every_kind_of_proxy_carries_plain_and_tls() {
    let (server, ca) = targets();
    let (plain, secure, socks) = (start(false, http), start(true, http), start(false, socks));
    for (proxy, scheme) in [(&plain, "http"), (&secure, "https"), (&socks, "socks5"), (&socks, "socks5h")] {
        let client = through(&proxy.url(scheme, ""), &[ca.clone(), proxy.ca.clone()]);
        for url in [&server.ws, &server.wss] {
            let connection = client.dial(&format!("{url}/echo"), bound()).unwrap();
            assert_eq!(connection.tls_version().is_some(), url.starts_with("wss"), "end to end: {scheme} {url}");
            let proxy_port: u16 = proxy.address.rsplit(':').next().unwrap().parse().unwrap();
            assert_eq!(connection.peer_addr().unwrap().port(), proxy_port);
            echo(&connection);
            // Bytes right behind the answer are not lost, whatever lies in between.
            let connection = client.dial(&format!("{url}/raw/82026869"), bound()).unwrap();
            assert_eq!(raw::recv(&connection).data(), b"hi");
        }
    }
}

#[test]
fn who_resolves_and_what_is_asked() {
    let (server, ca) = targets();
    let port = server.wss.rsplit(':').next().unwrap();
    let (http, socks) = (start(false, http), start(false, socks));
    for (proxy, scheme, asked) in [
        (&http, "http", format!("CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\nX-Own: 1\r\n\r\n")),
        (&socks, "socks5", format!("127.0.0.1:{port}")),
        (&socks, "socks5h", format!("localhost:{port}")),
    ] {
        let mut dialer = through(&proxy.url(scheme, ""), std::slice::from_ref(&ca)).dialer().clone();
        dialer.add_proxy_header("X-Own", b"1").unwrap();
        echo(&Client::new(dialer).dial(&format!("{}/echo", server.wss), bound()).unwrap());
        assert_eq!(proxy.asked(), asked);
    }
    // A name that only the proxy knows.
    let port = server.ws.rsplit(':').next().unwrap();
    let url = format!("ws://only.the.proxy.invalid:{port}/echo");
    echo(&through(&http.url("http", ""), &[]).dial(&url, bound()).unwrap());
    echo(&through(&socks.url("socks5h", ""), &[]).dial(&url, bound()).unwrap());
}

#[test]
fn ipv6_targets_are_asked_for_as_such() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            raw::agree(&mut stream, &raw::frame(0x81, b"six"));
        }
    });
    let (http, socks) = (start(false, http), start(false, socks));
    for (proxy, scheme) in [(&http, "http"), (&socks, "socks5"), (&socks, "socks5h")] {
        let connection = through(&proxy.url(scheme, ""), &[]).dial(&format!("ws://[::1]:{port}"), bound()).unwrap();
        assert_eq!(raw::recv(&connection).text(), Some("six"));
        let asked = proxy.asked();
        assert!(asked.starts_with(&format!("CONNECT [::1]:{port} ")) || asked == format!("[::1]:{port}"), "{asked}");
    }
    server.join().unwrap();
}

#[test]
fn credentials_are_given_and_refusals_told() {
    let (server, _) = targets();
    let url = format!("{}/echo", server.ws);
    let (http, https, socks) = (start(false, guarded), start(true, guarded), start(false, socks));
    for (proxy, scheme) in [(&http, "http"), (&https, "https"), (&socks, "socks5"), (&socks, "socks5h")] {
        let cas = [proxy.ca.clone()];
        echo(&through(&proxy.url(scheme, "user:open%20sesame@"), &cas).dial(&url, bound()).unwrap());
        let error = through(&proxy.url(scheme, "user:secret@"), &cas).dial(&url, bound()).unwrap_err();
        assert_eq!((error.code(), error.phase()), (Code::ProxyAuth, Phase::Proxy), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.to_string().starts_with(&format!("{} through {scheme}://localhost:", server.ws)), "{error}");
        let Some(no) = error.rejection() else {
            assert!(scheme.starts_with("socks"));
            continue;
        };
        assert_eq!((no.status, &no.body[..]), (407, &b"log in"[..]));
        assert_eq!(no.headers.first("proxy-authenticate"), Some(&b"Basic realm=\"tests\""[..]));
        assert!(error.to_string().contains("it asks for \"Basic realm="), "{error}");
    }
}

#[test]
fn an_https_proxy_is_verified_by_its_own_name() {
    let (server, ca) = targets();
    let proxy = start(true, http);
    let error = through(&proxy.url("https", ""), std::slice::from_ref(&ca)).dial(&server.ws, bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::TlsUnknownIssuer, Phase::Proxy), "{error}");
    let other = proxy.url("https", "").replace("localhost", "127.0.0.1");
    let error = through(&other, std::slice::from_ref(&proxy.ca)).dial(&server.ws, bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::TlsWrongHost, Phase::Proxy), "{error}");
    // The target's certificate is judged inside, in a phase of its own.
    let error =
        through(&proxy.url("https", ""), std::slice::from_ref(&proxy.ca)).dial(&server.wss, bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::TlsUnknownIssuer, Phase::Tls), "{error}");
    // Not to verify the server is not to trust any proxy.
    let mut dialer = through(&proxy.url("https", ""), &[ca]).dialer().clone();
    dialer.set_insecure_skip_verify(true);
    let error = Client::new(dialer).dial(&server.wss, bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::TlsUnknownIssuer, Phase::Proxy), "{error}");
}

#[test]
fn an_unreachable_target_is_the_proxys_to_tell() {
    let socks = start(false, socks);
    // localhost has two addresses, and nobody listens there on port 1.
    let error = through(&socks.url("socks5", ""), &[]).dial("ws://localhost:1", bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::ProxyUnreachable, Phase::Proxy));
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1 refused") && text.contains("[::1]:1 refused"), "{text}");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = through(&format!("http://{gone}"), &[]).dial("ws://a.example", bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::Connect, Phase::Connect));
    assert!(error.to_string().starts_with(&format!("ws://a.example:80 through http://{gone}: connect: ")), "{error}");
}

/// A peer that reads and says `first`, then a byte of `more` whenever it likes.
fn stalling(first: Vec<u8>, more: u8) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = stream.write_all(&first);
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut bytes = [0; 1024];
        while said.is_ok() {
            match stream.read(&mut bytes) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ if more != 0 => said = stream.write_all(&[more]),
                _ => {}
            }
        }
    });
    (address, server)
}

/// Each leg with a proxy that stops in it: scheme, what it says first, what it dribbles, and where that ends.
fn stalls() -> Vec<(&'static str, &'static str, Vec<u8>, u8, Phase)> {
    let yes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let socks_yes = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0".to_vec();
    vec![
        ("http", "ws", b"".to_vec(), 0, Phase::Proxy),
        ("http", "ws", b"HTTP/1.1 200 OK\r\nA: ".to_vec(), b'x', Phase::Proxy),
        ("https", "ws", b"".to_vec(), 0, Phase::Proxy),
        ("https", "wss", b"\x16\x03\x03\x40\x00".to_vec(), 2, Phase::Proxy),
        ("socks5", "ws", b"".to_vec(), 0, Phase::Proxy),
        ("socks5h", "ws", b"\x05\x00\x05\x00\x00\x03\xff".to_vec(), b'x', Phase::Proxy),
        ("http", "wss", yes.clone(), 0, Phase::Tls),
        ("socks5", "wss", socks_yes.clone(), 0, Phase::Tls),
        ("http", "ws", yes, 0, Phase::Handshake),
        ("socks5", "ws", [socks_yes, b"HTTP/1.1 101 X\r\nA: ".to_vec()].concat(), b'x', Phase::Handshake),
    ]
}

#[test]
fn every_leg_that_stalls_ends_in_time_with_its_phase() {
    for (proxy, scheme, first, more, phase) in stalls() {
        let (address, server) = stalling(first, more);
        let client = through(&format!("{proxy}://{address}"), &[rcgen_ca()]);
        let begun = Instant::now();
        let wait = Wait::for_duration(Duration::from_millis(100));
        let error = client.dial(&format!("{scheme}://127.0.0.1:9"), wait).unwrap_err();
        assert_eq!((error.code(), error.phase()), (Code::Timeout, phase), "{proxy} {scheme}: {error}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(100) && took < BOUND, "{proxy} {scheme} took {took:?}");
        server.join().unwrap();
    }
}

#[test]
fn every_leg_that_stalls_is_cancelled_from_another_thread() {
    for (proxy, scheme, first, more, phase) in stalls() {
        let (address, server) = stalling(first, more);
        let token = Arc::new(Cancel::new().unwrap());
        let client = through(&format!("{proxy}://{address}"), &[rcgen_ca()]).with_cancel(Some(Arc::clone(&token)));
        let begun = Instant::now();
        let firing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(60));
            token.fire();
        });
        let error = client.dial(&format!("{scheme}://127.0.0.1:9"), Wait::Forever).unwrap_err();
        assert_eq!((error.code(), error.phase()), (Code::Cancelled, phase), "{proxy} {scheme}: {error}");
        assert!(begun.elapsed() < BOUND);
        firing.join().unwrap();
        server.join().unwrap();
    }
}

#[test]
fn a_refusal_whose_body_stalls_is_told_with_what_came() {
    let (address, server) = stalling(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nabc".to_vec(), 0);
    let wait = Wait::for_duration(Duration::from_millis(100));
    let error = through(&address, &[]).dial("ws://a.example", wait).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::ProxyRejected, Phase::Proxy), "{error}");
    assert_eq!(error.rejection().unwrap().body, b"abc");
    server.join().unwrap();
}

fn rcgen_ca() -> String {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
}

#[test]
fn over_a_socket_of_the_callers_the_exchange_runs_on_it_without_waiting() {
    let (server, ca) = targets();
    let (plain, secure, socks) = (start(false, http), start(true, http), start(false, socks));
    for (proxy, scheme) in [(&plain, "http"), (&secure, "https"), (&socks, "socks5")] {
        let client = through(&proxy.url(scheme, ""), &[ca.clone(), proxy.ca.clone()]);
        for url in [&server.ws, &server.wss] {
            let url = format!("{url}/echo");
            let Endpoint::Tcp(host, port) = client.route(&url).unwrap() else { panic!("no host") };
            let socket = TcpStream::connect((host.as_str(), port)).unwrap();
            let connection = client.dial_socket(socket.into(), &url, Wait::Never).map_err(|(_, e)| e).unwrap();
            let begun = Instant::now();
            while connection.handshake(Wait::Never).unwrap() == Outcome::Again {
                assert!(begun.elapsed() < BOUND);
                thread::yield_now();
            }
            echo(&connection);
            // Over a socket nothing is resolved: the name goes to the proxy.
            assert!(proxy.asked().contains(&url[url.find("//").unwrap() + 2..url.rfind('/').unwrap()]));
        }
    }
}

#[test]
fn a_connect_callback_makes_the_connections() {
    let (server, _) = targets();
    let port: u16 = server.ws.rsplit(':').next().unwrap().parse().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let mut dialer = Dialer::new();
    dialer.set_connect_callback(Arc::new(move |to: &Endpoint, left: Option<Duration>| {
        log.lock().unwrap().push((to.clone(), left));
        TcpStream::connect(("127.0.0.1", port)).map(Into::into)
    }));
    let client = Client::new(dialer.clone());
    echo(&client.dial("ws://nowhere.invalid:7/echo", bound()).unwrap());
    echo(&client.dial("ws+unix:/no/such/path:/echo", Wait::Forever).unwrap());
    {
        let asked = asked.lock().unwrap();
        assert_eq!(asked[0].0, Endpoint::Tcp("nowhere.invalid".into(), 7));
        assert!(asked[0].1.is_some_and(|left| left <= BOUND));
        assert_eq!(asked[1], (Endpoint::Unix("/no/such/path".into()), None));
    }
    let fails = |answer: fn() -> io::Error| -> Error {
        let mut dialer = dialer.clone();
        dialer.set_connect_callback(Arc::new(move |_: &Endpoint, _: Option<Duration>| Err(answer())));
        Client::new(dialer).dial("ws://a.example", bound()).unwrap_err()
    };
    for (errno, code) in [
        (libc::ECONNREFUSED, Code::Connect),
        (libc::ETIMEDOUT, Code::Timeout),
        (libc::ECANCELED, Code::Cancelled),
        (libc::EINTR, Code::Interrupted),
    ] {
        let error = match errno {
            libc::ECONNREFUSED => fails(|| io::Error::from_raw_os_error(libc::ECONNREFUSED)),
            libc::ETIMEDOUT => fails(|| io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            libc::ECANCELED => fails(|| io::Error::from_raw_os_error(libc::ECANCELED)),
            _ => fails(|| io::Error::from_raw_os_error(libc::EINTR)),
        };
        assert_eq!((error.code(), error.phase(), error.os_error()), (code, Phase::Connect, errno), "{error}");
    }
    // What cannot be used is closed and told, before anything is sent.
    type Made = fn() -> std::os::fd::OwnedFd;
    let bad: [(Made, libc::c_int); 5] = [
        (|| std::fs::File::open("/dev/null").unwrap().into(), libc::ENOTSOCK),
        (|| std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(), libc::EPROTOTYPE),
        (|| TcpListener::bind("127.0.0.1:0").unwrap().into(), libc::ENOTCONN),
        (|| unconnected(libc::AF_INET), libc::ENOTCONN),
        (|| unconnected(libc::AF_UNIX), libc::ENOTCONN),
    ];
    for (made, errno) in bad {
        dialer.set_connect_callback(Arc::new(move |_: &Endpoint, _: Option<Duration>| Ok(made())));
        let error = Client::new(dialer.clone()).dial("ws://a.example", bound()).unwrap_err();
        assert_eq!((error.code(), error.phase(), error.os_error()), (Code::Connect, Phase::Connect, errno), "{error}");
        assert!(
            error.to_string().contains("the connect callback's descriptor is no connected stream socket: "),
            "{error}"
        );
        let (fd, error) = Client::new(Dialer::new()).dial_socket(made(), "ws://a.example", bound()).unwrap_err();
        assert_eq!((error.code(), error.phase(), error.os_error()), (Code::Io, Phase::Connect, errno), "{error}");
        drop(fd);
    }
}

/// A stream socket that nobody has connected.
fn unconnected(family: libc::c_int) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: no memory is passed; the descriptor is new.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(libc::socket(family, libc::SOCK_STREAM, 0)) }
}

#[test]
fn a_proxy_that_speaks_another_protocol_is_told_by_its_own_address() {
    let client = |scheme: &str, said: &'static [u8]| {
        let (address, server) = stalling(said.to_vec(), 0);
        let error =
            through(&format!("{scheme}://{address}"), &[rcgen_ca()]).dial("wss://a.example", bound()).unwrap_err();
        server.join().unwrap();
        assert_eq!(error.phase(), if said.ends_with(b"SSH") { Phase::Tls } else { Phase::Proxy }, "{error}");
        error.to_string()
    };
    let text = client("https", b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(text.ends_with("the proxy's bytes are not TLS (should the proxy's address begin with http://?)"), "{text}");
    let text = client("http", b"\x15\x03\x01\x00\x02\x02\x0a");
    assert!(text.ends_with("as TLS does (should the proxy's address begin with https://?)"), "{text}");
    let text = client("http", b"\x05\xff");
    assert!(text.ends_with("as SOCKS5 does (should the proxy's address begin with socks5://?)"), "{text}");
    let text = client("socks5h", b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(text.ends_with("as an HTTP proxy does (should its address begin with http://?)"), "{text}");
    // Behind the proxy it is the server's address again.
    let text = client("http", b"HTTP/1.1 200 OK\r\n\r\nSSH");
    assert!(text.ends_with("the peer's bytes are not TLS (should the address be ws?)"), "{text}");
}
