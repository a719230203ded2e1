//! Pings that keep a connection alive, the deadline of their pongs, and `process`, which answers the peer's pings behind
//! messages that nobody has taken yet (RFC 6455 5.5.2).

mod raw;
mod waits;

use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use raw::{Peer, agree, bound, recv, serve};
use waits::{Dog, LONG};
use wsdial::{Client, Code, Connection, Dialer, Kind, Message, Outcome, Wait, Wants};

fn dialer(ping_ms: u64, pong_ms: u64) -> Dialer {
    let mut dialer = Dialer::new();
    dialer.set_keepalive(ping_ms, pong_ms).unwrap();
    dialer
}

fn dial(dialer: Dialer, url: &str) -> Connection {
    Client::new(dialer).dial(url, bound()).expect("the dial succeeds")
}

/// One turn of an event loop without a receive: waits as the connection says, then `process`.
fn turn(connection: &Connection) -> Result<Outcome, wsdial::Error> {
    let wants = connection.wants();
    let events = if wants.read { libc::POLLIN } else { 0 } | if wants.write { libc::POLLOUT } else { 0 };
    let fd = connection.fd().expect("a descriptor").as_fd().as_raw_fd();
    let mut watch = libc::pollfd { fd: if events == 0 { -1 } else { fd }, events, revents: 0 };
    let left = connection.timeout().map_or(100, |left| left.as_micros().div_ceil(1000).min(100));
    // SAFETY: one writable pollfd.
    unsafe { libc::poll(&raw mut watch, 1, left as libc::c_int) };
    connection.process()
}

/// Reads pings, answers each, and says when it came.
fn answer_pings(mut peer: Peer, count: usize) -> Vec<Duration> {
    let begun = Instant::now();
    let mut at = Vec::new();
    let mut payloads = Vec::new();
    while at.len() < count {
        let ping = peer.read().expect("a ping");
        assert_eq!((ping.head, ping.masked), (0x89, true));
        at.push(begun.elapsed());
        assert!(!payloads.contains(&ping.payload), "two pings with one payload");
        thread::sleep(Duration::from_millis(20));
        peer.frame(0x8a, &ping.payload);
        payloads.push(ping.payload);
    }
    peer.frame(0x81, b"enough");
    peer.read();
    at
}

fn assert_in_time(at: &[Duration], every: Duration) {
    for (number, at) in at.iter().enumerate() {
        let wanted = every * (number as u32 + 1);
        // Early is an error by all means; late is the machine's affair, within reason.
        assert!(*at + Duration::from_millis(30) >= wanted, "ping {number} came after {at:?}");
        assert!(*at < wanted + Duration::from_secs(3), "ping {number} came after {at:?}");
    }
}

#[test]
fn pings_go_out_in_time_from_a_receive_and_the_round_trip_is_measured() {
    let _dog = Dog::new("keepalive while receiving".to_owned(), LONG);
    let (url, server) = serve(|peer| assert_in_time(&answer_pings(peer, 4), Duration::from_millis(100)));
    let connection = dial(dialer(100, 5000), &url);
    assert_eq!(connection.round_trip(), None);
    let mut message = Message::new();
    assert_eq!(connection.recv(&mut message, Wait::Forever).unwrap(), Outcome::Done);
    let round_trip = connection.round_trip().expect("pongs came");
    assert!(round_trip >= Duration::from_millis(19) && round_trip < Duration::from_secs(2), "{round_trip:?}");
    drop(connection);
    server.join().unwrap();
}

#[test]
fn pings_go_out_in_time_from_process() {
    let _dog = Dog::new("keepalive from process".to_owned(), LONG);
    let (url, server) = serve(|peer| assert_in_time(&answer_pings(peer, 4), Duration::from_millis(100)));
    let connection = dial(dialer(100, 5000), &url);
    let mut turns = 0;
    while !connection.wants().buffered {
        assert!(matches!(turn(&connection).unwrap(), Outcome::Done | Outcome::Again));
        turns += 1;
    }
    assert!(turns < 100, "{turns} turns for four pings: the loop spins");
    assert!(connection.round_trip().is_some());
    assert_eq!(recv(&connection).data(), b"enough");
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_silent_peer_ends_the_connection_in_a_receive_and_in_process() {
    for processes in [false, true] {
        let _dog = Dog::new(format!("a silent peer, process: {processes}"), LONG);
        let (url, server) = serve(|mut peer| while peer.read().is_some() {});
        let connection = dial(dialer(50, 100), &url);
        let begun = Instant::now();
        let error = loop {
            let answer =
                if processes { turn(&connection) } else { connection.recv(&mut Message::new(), Wait::Forever) };
            match answer {
                Ok(outcome) => assert!(processes && matches!(outcome, Outcome::Done | Outcome::Again)),
                Err(error) => break error,
            }
        };
        assert_eq!((error.code(), error.close_code()), (Code::AbnormalPing, 1006));
        assert!(begun.elapsed() >= Duration::from_millis(145) && begun.elapsed() < LONG / 4);
        // Nothing is left to be done, so nothing is waited for.
        assert_eq!((connection.wants(), connection.timeout()), (Wants::default(), None), "process: {processes}");
        assert_eq!(connection.close(1000, "", bound()).unwrap_err().code(), Code::AbnormalPing);
        drop(connection);
        server.join().unwrap();
    }
}

#[test]
fn a_busy_peer_that_sends_no_pong_is_not_dead() {
    let _dog = Dog::new("a busy peer".to_owned(), LONG);
    let (url, server) = serve(|mut peer| {
        // One large frame, dribbled: bytes come all the time, and no pong can.
        let frame = raw::frame(0x82, &[5; 40]);
        for byte in frame {
            peer.raw(&[byte]);
            thread::sleep(Duration::from_millis(25));
        }
        peer.read();
    });
    // A byte every 25 ms moves the pong's deadline of 300 ms; all of it takes three times as long.
    let connection = dial(dialer(20, 300), &url);
    assert_eq!(recv(&connection).data(), [5; 40]);
    assert_eq!(connection.round_trip(), None);
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_busy_program_does_not_take_its_peer_for_dead() {
    let _dog = Dog::new("a busy program".to_owned(), LONG);
    let (pinged, was_pinged) = mpsc::channel();
    let (url, server) = serve(move |mut peer| {
        let ping = peer.read().expect("a ping");
        peer.frame(0x8a, &ping.payload);
        peer.frame(0x81, b"here");
        pinged.send(()).unwrap();
        while peer.read().is_some() {}
    });
    let connection = dial(dialer(20, 40), &url);
    while was_pinged.try_recv().is_err() {
        turn(&connection).unwrap();
        assert!(!connection.wants().buffered || was_pinged.recv().is_ok());
        if connection.wants().buffered {
            break;
        }
    }
    // The deadline passes while the program does something else; the pong is in the socket all the time.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(recv(&connection).data(), b"here");
    drop(connection);
    server.join().unwrap();
}

#[test]
fn process_answers_pings_behind_messages_as_far_as_it_may_read_ahead() {
    let _dog = Dog::new("read-ahead".to_owned(), LONG);
    let (url, server) = serve(|mut peer| {
        for _ in 0..3 {
            peer.frame(0x81, b"a message");
        }
        peer.frame(0x89, b"behind three");
        let pong = peer.read().expect("a pong");
        assert_eq!((pong.head, &pong.payload[..]), (0x8a, &b"behind three"[..]));
        for _ in 0..4 {
            peer.frame(0x81, b"a message");
        }
        peer.frame(0x89, b"behind seven");
        let pong = peer.read().expect("a pong");
        assert_eq!(pong.payload, b"behind seven");
        peer.frame(0x81, b"the last");
        peer.read();
    });
    let mut dialer = Dialer::new();
    dialer.set_read_ahead(5, 1 << 20);
    let connection = dial(dialer, &url);
    let full = Wants { read: false, write: false, buffered: true };
    while connection.wants() != full {
        turn(&connection).unwrap();
    }
    // The bound is reached: no read is wanted, and no time is named, so a loop may sleep until messages are taken.
    assert_eq!(connection.timeout(), None);
    assert_eq!(connection.process().unwrap(), Outcome::Done);
    assert_eq!(connection.wants(), full);
    for _ in 0..7 {
        assert_eq!(recv(&connection).data(), b"a message");
    }
    assert_eq!(recv(&connection).data(), b"the last");
    assert_eq!(connection.wants(), Wants { read: true, write: false, buffered: false });
    drop(connection);
    server.join().unwrap();
}

#[test]
fn a_full_read_ahead_is_backpressure_and_no_spin_with_keepalive() {
    let _dog = Dog::new("backpressure".to_owned(), LONG);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        agree(&mut stream, &raw::frame(0x82, &[1; 1000]).repeat(8));
        let mut peer = Peer { stream };
        while peer.read().is_some_and(|frame| frame.head != 0x82) {}
        peer.frame(0x82, b"it lives");
        while peer.read().is_some() {}
    });
    let mut dialer = dialer(30, 30);
    dialer.set_read_ahead(100, 3000);
    let connection = dial(dialer, &url);
    let (begun, mut turns) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(400) {
        // It never says dead: what was not read may hold the pong.
        turn(&connection).unwrap();
        turns += 1;
    }
    assert!(!connection.wants().read && connection.wants().buffered);
    assert!(turns < 60, "{turns} turns in 400 ms: the loop spins");
    assert_eq!(connection.send(Kind::Binary, b"?", bound()).unwrap(), Outcome::Done);
    for _ in 0..8 {
        assert_eq!(recv(&connection).data().len(), 1000);
    }
    drop(connection);
    server.join().unwrap();
}

/// RFC 6455 5.5.3: of pings that came together only the newest has to be answered.
#[test]
fn a_buffer_full_of_pings_does_not_keep_a_call_for_as_many_pongs() {
    let _dog = Dog::new("a buffer full of pings".to_owned(), LONG);
    const PINGS: u32 = 3000;
    let (written, was_written) = mpsc::channel();
    let (url, answered) = serve(move |mut peer| {
        let pings: Vec<u8> = (0..PINGS).flat_map(|number| raw::frame(0x89, &number.to_be_bytes())).collect();
        peer.raw(&pings);
        written.send(()).unwrap();
        let (mut pongs, mut newest) = (0, 0);
        while newest != PINGS - 1 {
            let pong = peer.read().expect("a pong");
            let number = u32::from_be_bytes(pong.payload.as_slice().try_into().expect("four bytes"));
            assert!(pong.head == 0x8a && number >= newest, "{number} after {newest}");
            assert!(number == newest + 1 || pongs == 0 || pongs >= 64, "a few pings are answered one by one");
            (newest, pongs) = (number, pongs + 1);
        }
        assert!(pongs < PINGS / 2, "{pongs} pongs");
    });
    let connection = dial(Dialer::new(), &url);
    was_written.recv().unwrap();
    // Until the server, who has them all, ends the stream.
    while turn(&connection).is_ok() {}
    answered.join().unwrap();
}
