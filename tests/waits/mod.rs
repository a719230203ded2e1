//! Every wait of the library, each with a peer that lets it wait: what ends it is the test's affair. Behind the end each
//! shows that nothing was lost.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wsdial::{Client, Connection, Error, Kind, Message, Outcome, Wait};

use crate::raw::{Peer, bound, close_body, frame, recv, serve};

/// How a wait ended: an outcome's name, or an error code's.
pub type End = String;

/// How long to wait, from the moment on when it is asked.
pub type Limit<'a> = &'a dyn Fn() -> Wait;

/// A test around a wait: `begin` before it, `end` behind it.
pub struct Around<'a> {
    pub begin: &'a dyn Fn(),
    pub end: &'a dyn Fn(),
}

impl Around<'_> {
    fn call<T: std::fmt::Debug>(&self, call: impl FnOnce() -> Result<T, Error>) -> End {
        (self.begin)();
        let answer = call();
        (self.end)();
        match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => format!("{:?}", error.code()),
        }
    }
}

pub type Stage = fn(&Client, Limit<'_>, &Around<'_>) -> End;

/// The waits of a dial.
pub const DIALS: [(&str, Stage); 4] =
    [("connect", connect), ("TLS", tls_handshake), ("head of the answer", answer_head), ("body of a no", no_body)];

/// The waits of a connection.
pub const CALLS: [(&str, Stage); 6] = [
    ("recv", receive),
    ("recv in a message", receive_in_a_message),
    ("send", send),
    ("flush", flush),
    ("close", close),
    ("send behind a sender", send_behind_a_sender),
];

fn connect(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let hole = BlackHole::new();
    around.call(|| client.dial(&format!("ws://{}/", hole.addr), wait()))
}

fn tls_handshake(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    silent_server(client, "wss", b"", wait, around)
}

fn answer_head(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    silent_server(client, "ws", b"HTTP/1.1 101 Swit", wait, around)
}

fn no_body(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    silent_server(client, "ws", b"HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nbeca", wait, around)
}

/// Says a few bytes and nothing more.
fn silent_server(client: &Client, scheme: &str, says: &[u8], wait: Limit<'_>, around: &Around<'_>) -> End {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let url = format!("{scheme}://{addr}/");
    let says = says.to_vec();
    let (over, end) = mpsc::channel::<()>();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&says).unwrap();
        let _ = end.recv();
    });
    let answer = around.call(|| client.dial(&url, wait()));
    drop(over);
    // A dial that was ended before it began has sent the server nobody.
    let _other = TcpStream::connect(addr);
    server.join().unwrap();
    answer
}

/// A connection whose peer does `first` at once and `then` when it is told to.
fn connection(
    client: &Client,
    first: impl FnOnce(&mut Peer) + Send + 'static,
    then: impl FnOnce(Peer) + Send + 'static,
) -> (Connection, impl FnOnce()) {
    let (go, told) = mpsc::channel::<()>();
    let (url, server) = serve(move |mut peer| {
        first(&mut peer);
        told.recv().unwrap();
        then(peer);
    });
    let connection = client.dial(&url, bound()).expect("the dial succeeds");
    let release = move || {
        go.send(()).unwrap();
        // Whoever is still to read is not waited for.
        drop(server);
    };
    (connection, release)
}

fn receive(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let (connection, go) = connection(
        client,
        |_| {},
        |mut peer| {
            peer.frame(0x81, b"late");
            peer.read();
        },
    );
    let answer = around.call(|| connection.recv(&mut Message::new(), wait()));
    go();
    assert_eq!(recv(&connection).data(), b"late");
    answer
}

fn receive_in_a_message(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let whole = frame(0x82, &[7; 100_000]);
    let rest = whole[50_001..].to_vec();
    let (connection, go) = connection(
        client,
        move |peer| peer.raw(&whole[..50_001]),
        move |mut peer| {
            peer.raw(&rest);
            peer.read();
        },
    );
    let mut message = Message::new();
    let answer = around.call(|| connection.recv(&mut message, wait()));
    assert!(message.data().is_empty());
    go();
    assert!(recv(&connection).data() == [7; 100_000]);
    answer
}

/// Sends until nothing more is taken; the peer then finds just that.
fn send(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let (counts, count) = mpsc::channel();
    let (connection, go) = connection(
        client,
        |_| {},
        move |mut peer| {
            let mut sizes = Vec::new();
            while let Some(frame) = peer.read() {
                match frame.head {
                    0x82 => sizes.push(frame.payload.len()),
                    _ => break,
                }
            }
            counts.send(sizes).unwrap();
        },
    );
    let taken = fill(&connection);
    let answer = around.call(|| connection.send(Kind::Text, b"not taken", wait()));
    go();
    // What the peer makes of the close is not asked here.
    let _ = connection.close(1000, "", bound());
    assert_eq!(count.recv_timeout(Duration::from_secs(20)).unwrap(), vec![1 << 20; taken]);
    answer
}

fn flush(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let (connection, go) = connection(client, |_| {}, |mut peer| while peer.read().is_some() {});
    fill(&connection);
    let answer = around.call(|| connection.flush(wait()));
    go();
    assert_eq!(connection.flush(bound()).unwrap(), Outcome::Done);
    answer
}

fn send_behind_a_sender(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let (connection, go) = connection(client, |_| {}, |mut peer| while peer.read().is_some() {});
    fill(&connection);
    // The first sender holds what the second one waits for. A token ends both.
    thread::scope(|scope| {
        let sender = scope.spawn(|| insist(|| connection.send(Kind::Binary, b"first", Wait::Forever)));
        // A call that never waits says Again for either reason, so the sender is given time to get in.
        thread::sleep(Duration::from_millis(20));
        let answer = around.call(|| connection.send(Kind::Binary, b"second", wait()));
        go();
        sender.join().unwrap();
        answer
    })
}

fn close(client: &Client, wait: Limit<'_>, around: &Around<'_>) -> End {
    let (connection, go) = connection(
        client,
        |_| {},
        |mut peer| {
            assert_eq!(peer.read_close(), (3000, "enough".to_owned()));
            peer.frame(0x88, &close_body(3000, ""));
            peer.finish();
        },
    );
    let answer = around.call(|| connection.close(3000, "enough", wait()));
    go();
    if answer == "Timeout" {
        // The time of a close is the connection's.
        assert_eq!(connection.close(3000, "enough", bound()).unwrap(), Outcome::Timeout);
    } else {
        assert_eq!(insist(|| connection.close(3000, "enough", bound())), Outcome::Done);
        assert_eq!(connection.close_code(), 3000);
    }
    answer
}

/// Calls again while signals end it.
fn insist(call: impl Fn() -> Result<Outcome, Error>) -> Outcome {
    loop {
        match call().unwrap() {
            Outcome::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Sends messages of 1 MiB until no more are taken. Returns how many were.
fn fill(connection: &Connection) -> usize {
    // A system that sizes the buffers by itself would take more in the middle of the test.
    for (option, size) in [(libc::SO_SNDBUF, 1 << 18), (libc::SO_RCVBUF, 1 << 18)] {
        let size: libc::c_int = size;
        let len = size_of::<libc::c_int>() as libc::socklen_t;
        let fd = connection.fd().unwrap().as_raw_fd();
        // SAFETY: an int of its own size.
        assert_eq!(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const size).cast(), len) }, 0);
    }
    let megabyte = vec![0; 1 << 20];
    let (mut taken, mut refused) = (0, 0);
    while refused < 3 {
        if connection.send(Kind::Binary, &megabyte, Wait::Never).unwrap() == Outcome::Again {
            refused += 1;
            // The peer's window goes on opening for a moment.
            thread::sleep(Duration::from_millis(20));
        } else {
            (taken, refused) = (taken + 1, 0);
        }
        assert!(taken < 100, "the socket takes everything");
    }
    taken
}

/// An address that does not answer: a listener whose queue is full.
struct BlackHole {
    addr: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> BlackHole {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
            queued.push(stream);
        }
        BlackHole { addr, _listener: listener, _queued: queued }
    }
}

/// Nothing may take as long as this.
pub const LONG: Duration = Duration::from_secs(20);

/// Ends the process when the test does not end.
pub struct Dog(#[allow(dead_code)] mpsc::Sender<()>);

impl Dog {
    pub fn new(what: String, bound: Duration) -> Dog {
        let (over, end) = mpsc::channel::<()>();
        thread::spawn(move || {
            if end.recv_timeout(bound) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{what}: does not end");
                std::process::abort();
            }
        });
        Dog(over)
    }
}

/// Runs a stage with a dog, and measures the wait.
pub fn run(name: &str, stage: Stage, client: &Client, wait: Limit<'_>, around: &Around<'_>) -> (End, Duration) {
    let _dog = Dog::new(name.to_owned(), LONG);
    let begun = std::cell::Cell::new(Instant::now());
    let took = std::cell::Cell::new(Duration::ZERO);
    let timed = Around {
        begin: &|| {
            begun.set(Instant::now());
            (around.begin)();
        },
        end: &|| {
            took.set(begun.get().elapsed());
            (around.end)();
        },
    };
    let end = stage(client, wait, &timed);
    (end, took.get())
}
