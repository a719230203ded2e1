//! What an idle connection costs: `cargo bench --bench idle` opens 5,000 (or as many as it is told) to a server in another
//! process, sends a message each way over each, lets them rest, and prints the memory, the descriptors and the threads
//! that each has. Fails when that is more than is promised.
//!
//! Memory is counted twice: what was asked of the allocator and not given back, and what the system has given to the
//! process (the allocator's own bookkeeping and its gaps among it).

#[path = "../tests/raw/mod.rs"]
mod raw;

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use raw::{Peer, agree_to, read_head};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wsdial::{Client, Connection, Dialer, Kind, Message, Outcome, Wait};

/// Both ways, once.
const MESSAGE: usize = 100_000;

/// The most that a connection may cost at rest.
const PLAIN: usize = 1024;
const TLS: usize = 10 * 1024;

/// The same with compression. With contexts both their states stay: 375 and 49 KiB, or with the smallest windows and the
/// least memory 139 and 49; without them nothing does.
const CONTEXTS: usize = 432 * 1024;
const LEAST_CONTEXTS: usize = 192 * 1024;
const NO_CONTEXTS: usize = PLAIN + 512;

/// Of those whose contexts stay not all are needed to know what one costs.
const MOST_CONTEXTS: usize = 400;

/// Counts what is given out.
struct Counting;

static GIVEN: AtomicUsize = AtomicUsize::new(0);
static PIECES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is the system's allocator's; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        GIVEN.fetch_add(layout.size(), Ordering::Relaxed);
        PIECES.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        GIVEN.fetch_sub(layout.size(), Ordering::Relaxed);
        PIECES.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    more_descriptors();
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "server") {
        return serve();
    }
    let count = arguments.first().map_or(5000, |count| count.parse().expect("a number of connections"));
    let server = Server::start();
    println!("size_of::<Connection>() is {}", size_of::<Connection>());
    let mut dialer = Dialer::new();
    dialer.add_ca_file(server.ca.as_ref()).expect("the certificate");
    dialer.use_system_roots(false);
    let client = Client::new(dialer.clone());
    let deflating = |client_bits, mem_level, flags| {
        let mut dialer = dialer.clone();
        dialer.set_compression(true);
        dialer.set_compression_params(client_bits, 0, flags).expect("parameters");
        dialer.set_compression_level(0, mem_level, 128).expect("levels");
        Client::new(dialer)
    };
    let no_context = Dialer::SERVER_NO_CONTEXT_TAKEOVER | Dialer::CLIENT_NO_CONTEXT_TAKEOVER;
    let few = count.min(MOST_CONTEXTS);
    let kept = [
        measure("plain", &client, &server.ws, count, PLAIN),
        measure("TLS", &client, &server.wss, count, TLS),
        measure("compressed, with contexts", &deflating(0, 0, 0), &server.ws, few, CONTEXTS),
        measure("compressed, with the smallest contexts", &deflating(9, 1, 0), &server.ws, few, LEAST_CONTEXTS),
        measure("compressed, without contexts", &deflating(0, 0, no_context), &server.ws, count, NO_CONTEXTS),
    ];
    let is_kept = kept.into_iter().all(|kept| kept);
    drop(server);
    std::process::exit(i32::from(!is_kept));
}

/// What the process has.
struct Figures {
    given: usize,
    pieces: usize,
    resident: usize,
    descriptors: usize,
    threads: usize,
}

impl Figures {
    fn now() -> Figures {
        let status = fs::read_to_string("/proc/self/status").expect("the process's status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of the status");
            line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().expect("a number")
        };
        Figures {
            given: GIVEN.load(Ordering::Relaxed),
            pieces: PIECES.load(Ordering::Relaxed),
            resident: field("VmRSS:") * 1024,
            descriptors: fs::read_dir("/proc/self/fd").expect("the descriptors").count(),
            threads: field("Threads:"),
        }
    }
}

fn measure(name: &str, client: &Client, url: &str, count: usize, most: usize) -> bool {
    let data = vec![b'x'; MESSAGE];
    let mut message = Message::new();
    let mut open = || {
        let connection = client.dial(url, raw::bound()).expect("the dial succeeds");
        assert_eq!(connection.send(Kind::Binary, &data, Wait::Forever).expect("a send"), Outcome::Done);
        assert_eq!(connection.recv(&mut message, Wait::Forever).expect("a receive"), Outcome::Done);
        assert_eq!(message.data().len(), MESSAGE);
        connection
    };
    // What the first ones leave behind is everybody's: buffers, parsed roots, sessions.
    drop((0..300).map(|_| open()).collect::<Vec<_>>());
    let before = Figures::now();
    let mut connections = Vec::with_capacity(count);
    connections.extend((0..count).map(|_| open()));
    let after = Figures::now();
    let each = |of: fn(&Figures) -> usize| (of(&after) as f64 - of(&before) as f64) / count as f64;
    let given = each(|figures| figures.given);
    println!(
        "{name}: {count} idle connections, each {given:.0} bytes in {:.1} pieces ({:.0} resident), {:.3} descriptors, \
         {:.3} threads",
        each(|figures| figures.pieces),
        each(|figures| figures.resident),
        each(|figures| figures.descriptors),
        each(|figures| figures.threads),
    );
    drop(connections);
    let is_kept =
        given <= most as f64 && after.descriptors == before.descriptors + count && after.threads == before.threads;
    if !is_kept {
        println!("{name}: at most {most} bytes, one descriptor and no thread are promised");
    }
    is_kept
}

/// As many descriptors as the system lets us have.
fn more_descriptors() {
    // SAFETY: the limits are writable, then readable.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

/// The server's process; ended when dropped.
struct Server {
    process: Child,
    ws: String,
    wss: String,
    ca: String,
}

impl Server {
    fn start() -> Server {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .arg("server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        Server { ws: line(), wss: line(), ca: line(), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.ca);
    }
}

/// One client after the other: the handshake, an echo, and then nothing more. Ends with its input.
fn serve() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the certificate fits its key");
    let config = Arc::new(config);
    let ca = env::temp_dir().join(format!("wsdial-idle-{}.pem", std::process::id()));
    fs::write(&ca, made.cert.pem()).expect("the certificate is written");
    let plain = listen(Some);
    let tls = listen(move |stream| Some(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).ok()?, stream)));
    println!("ws://127.0.0.1:{plain}/\nwss://localhost:{tls}/\n{}", ca.display());
    std::io::stdout().flush().expect("the output");
    let _ = std::io::stdin().read(&mut [0]);
}

/// What is compressed comes back as it is.
fn extension(head: &str) -> &'static str {
    match (head.contains("permessage-deflate"), head.contains("server_no_context_takeover")) {
        (false, _) => "",
        (true, false) => "Sec-WebSocket-Extensions: permessage-deflate",
        (true, true) => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        }
    }
}

fn listen<S: Read + Write + Send>(dress: impl Fn(TcpStream) -> Option<S> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut idle = Vec::new();
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            let Some(mut stream) = dress(stream) else { continue };
            let head = read_head(&mut stream);
            agree_to(&mut stream, &head, extension(&head));
            let mut peer = Peer { stream };
            let Some(frame) = peer.read() else { continue };
            peer.frame(frame.head, &frame.payload);
            let _ = peer.stream.flush();
            idle.push(peer);
        }
    });
    port
}
