//! Every phase of a dial, each with a peer that stops in it. The test asserts how each ends, the benchmark prints how fast.
#![allow(dead_code, unreachable_pub)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wsdial::{Cancel, Client, Code, Dialer, Error, Phase, Wait};

/// A dial that does not come to its end by itself.
pub struct Scene {
    pub name: &'static str,
    /// What the error tells, whatever ended the dial.
    pub phase: Phase,
    /// What it is when the time ran out; a refusal whose body stalls is the refusal.
    pub late: Code,
    way: Way,
    /// What the peer says at once, and then over and over, or 0 for nothing more.
    first: &'static [u8],
    more: u8,
}

enum Way {
    /// A name that is looked up; the process has a name server that is silent.
    Name,
    /// An address that takes no connection and refuses none.
    Hole,
    /// The peer is a server, dialed with this scheme.
    Server(&'static str),
    /// The peer is a proxy of this scheme; the server's scheme.
    Proxy(&'static str, &'static str),
}

const fn scene(name: &'static str, phase: Phase, way: Way, first: &'static [u8], more: u8) -> Scene {
    Scene { name, phase, late: Code::Timeout, way, first, more }
}

const fn refusal(name: &'static str, phase: Phase, late: Code, way: Way, first: &'static [u8], more: u8) -> Scene {
    Scene { late, ..scene(name, phase, way, first, more) }
}

/// Needs a name server that does not answer: tests/stalls/run.sh.
pub const RESOLVE: Scene = scene("resolver, silent", Phase::Resolve, Way::Name, b"", 0);

const NO: &[u8] = b"HTTP/1.1 403 No\r\nContent-Length: 100000\r\n\r\nno";
const NO_UNTIL_THE_END: &[u8] = b"HTTP/1.1 403 No\r\n\r\nno";
const NO_IN_CHUNKS: &[u8] = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\nno";
const YES: &[u8] = b"HTTP/1.1 200 Yes\r\n\r\n";
const SOCKS_YES: &[u8] = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0";

pub const SCENES: [Scene; 20] = [
    scene("connect, a black hole", Phase::Connect, Way::Hole, b"", 0),
    scene("connect to the proxy, a black hole", Phase::Connect, Way::Proxy("hole", "ws"), b"", 0),
    scene("http proxy, silent", Phase::Proxy, Way::Proxy("http", "ws"), b"", 0),
    scene("http proxy, dribbling", Phase::Proxy, Way::Proxy("http", "ws"), b"HTTP/1.1 200 Yes\r\nA: ", b'x'),
    scene("https proxy, silent", Phase::Proxy, Way::Proxy("https", "ws"), b"", 0),
    scene("https proxy, dribbling", Phase::Proxy, Way::Proxy("https", "wss"), b"\x16\x03\x03\x40\x00", 2),
    scene("SOCKS5 proxy, silent", Phase::Proxy, Way::Proxy("socks5", "ws"), b"", 0),
    scene("SOCKS5 proxy, dribbling", Phase::Proxy, Way::Proxy("socks5h", "ws"), b"\x05\x00\x05\x00\x00\x03\xff", b'x'),
    refusal("proxy's refusal, body", Phase::Proxy, Code::ProxyRejected, Way::Proxy("http", "ws"), NO, 0),
    refusal("the same, dribbling", Phase::Proxy, Code::ProxyRejected, Way::Proxy("http", "ws"), NO, b'x'),
    scene("TLS, silent", Phase::Tls, Way::Server("wss"), b"", 0),
    scene("TLS, dribbling", Phase::Tls, Way::Server("wss"), b"\x16\x03\x03\x40\x00", 2),
    scene("TLS behind a proxy, silent", Phase::Tls, Way::Proxy("http", "wss"), YES, 0),
    scene("head of the answer, silent", Phase::Handshake, Way::Server("ws"), b"", 0),
    scene("head of the answer, dribbling", Phase::Handshake, Way::Server("ws"), b"HTTP/1.1 101 Switching\r\nA: ", b'x'),
    scene("the same behind a proxy", Phase::Handshake, Way::Proxy("socks5", "ws"), SOCKS_YES, 0),
    refusal("rejection, body", Phase::Body, Code::Rejected, Way::Server("ws"), NO, 0),
    refusal("rejection, body dribbling", Phase::Body, Code::Rejected, Way::Server("ws"), NO, b'x'),
    refusal("rejection, body in chunks", Phase::Body, Code::Rejected, Way::Server("ws"), NO_IN_CHUNKS, 0),
    refusal("rejection, body until the end", Phase::Body, Code::Rejected, Way::Server("ws"), NO_UNTIL_THE_END, 0),
];

/// What ends a dial.
#[derive(Clone, Copy)]
pub enum End {
    /// Its time, so much of it.
    Time(Duration),
    /// A token that another thread fires so much later.
    Cancel(Duration),
}

/// How a dial failed, and how much later than it was to.
pub fn fail(scene: &Scene, end: End) -> (Error, Duration) {
    let hole = matches!(scene.way, Way::Hole | Way::Proxy("hole", _)).then(BlackHole::new);
    let peer = || hole.as_ref().map_or_else(|| stalling(scene.first, scene.more), |hole| hole.addr);
    let mut dialer = Dialer::new();
    dialer.use_system_roots(false);
    dialer.add_ca_pem(CA.as_bytes()).expect("a certificate");
    let url = match scene.way {
        Way::Name => "ws://name.example/".to_owned(),
        Way::Hole => format!("ws://{}/", peer()),
        Way::Server(scheme) => format!("{scheme}://{}/", peer()),
        Way::Proxy(proxy, scheme) => {
            let proxy = if proxy == "hole" { "http" } else { proxy };
            dialer.set_proxy(Some(&format!("{proxy}://{}", peer()))).expect("a proxy");
            format!("{scheme}://127.0.0.1:9/")
        }
    };
    let token = Arc::new(Cancel::new().expect("a token"));
    let client = Client::new(dialer).with_cancel(Some(Arc::clone(&token)));
    let begun = Instant::now();
    match end {
        End::Time(time) => {
            let error = client.dial(&url, Wait::for_duration(time)).expect_err(scene.name);
            (error, begun.elapsed().checked_sub(time).expect("not before its time"))
        }
        End::Cancel(time) => {
            let firing = thread::spawn(move || {
                thread::sleep(time);
                token.fire();
                Instant::now()
            });
            let error = client.dial(&url, Wait::Forever).expect_err(scene.name);
            let ended = Instant::now();
            (error, ended.saturating_duration_since(firing.join().expect("the token is fired")))
        }
    }
}

/// A peer that reads, says `first`, and then a byte of `more` every 5 ms, until the dial has gone.
fn stalling(first: &'static [u8], more: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let addr = listener.local_addr().expect("its address");
    thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(first)?;
        stream.set_read_timeout(Some(Duration::from_millis(5)))?;
        loop {
            match stream.read(&mut [0; 1024]) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ if more != 0 => stream.write_all(&[more])?,
                _ => {}
            }
        }
    });
    addr
}

/// A listener whose queue is full: the system drops what comes.
struct BlackHole {
    addr: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> BlackHole {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let addr = listener.local_addr().expect("its address");
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
            queued.push(stream);
        }
        BlackHole { addr, _listener: listener, _queued: queued }
    }
}

/// A root that nobody has the key of: TLS needs one, and comes to none of them here.
static CA: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate").cert.pem()
});
