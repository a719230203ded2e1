//! What the hot paths cost in instructions, which do not depend on how busy the machine is: the work for
//! `benches/instructions.sh`, which runs it under callgrind and holds it to the committed table.
//!
//! Every path is played twice, so many and three times as many times, with a call of [`mark`] behind each, where callgrind
//! begins a new part; the difference is the path's own.

mod payloads;
#[path = "../tests/raw/mod.rs"]
mod raw;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use payloads::{frame, json, mixed};
use raw::{agree_to, read_head};
use wsdial::bench_support::{Decoder, Deflater, MAX_HEADER, copy_masked, encode, is_utf8};
use wsdial::{Client, Connection, Dialer, Kind, Message, Outcome, Wait};

fn main() {
    for (size, title, times) in [(64, "64 B", 1000), (1024, "1 KiB", 200), (64 * 1024, "64 KiB", 10)] {
        protocol(size, title, times);
    }
    for (size, title) in [(64, "64 B"), (1024, "1 KiB")] {
        connection(size, title);
    }
}

/// Begins a new part of callgrind's account.
#[inline(never)]
fn mark() {
    black_box(());
}

/// Plays a path, and says so in the order of the parts: one before, then two that are told of.
fn play(name: &str, title: &str, times: usize, mut path: impl FnMut(usize)) {
    println!("{}\t{name}, {title}", 2 * times);
    // Memory is made and caches of the library are filled.
    path(times);
    mark();
    path(times);
    mark();
    path(3 * times);
    mark();
}

fn play_each(name: &str, title: &str, times: usize, mut once: impl FnMut()) {
    play(name, title, times, |times| (0..times).for_each(|_| once()));
}

/// Bytes to bytes.
fn protocol(size: usize, title: &str, times: usize) {
    let (mixed, json) = (mixed(size), json(size));
    let mut payload = Vec::new();
    Deflater::default().message(6, &json, &mut payload);
    let mut to = vec![0; size + MAX_HEADER];
    let key = [1, 2, 3, 4];
    play_each("mask", title, times, || copy_masked(&mut to[..json.len()], black_box(&json), black_box(key)));
    play_each("encode", title, times, || {
        black_box(encode(&mut to, black_box(&json), black_box(key)));
    });
    play_each("decode binary", title, times, decode(Decoder::new(), frame(0x82, &json)));
    play_each("decode text, ASCII", title, times, decode(Decoder::new(), frame(0x81, &json)));
    play_each("decode text, mixed", title, times, decode(Decoder::new(), frame(0x81, &mixed)));
    play_each("UTF-8, mixed", title, times, || assert!(is_utf8(black_box(&mixed))));
    play_each("inflate text, JSON", title, times, decode(Decoder::inflating(), frame(0xc1, &payload)));
    let mut deflater = Deflater::default();
    play_each("deflate 6, JSON", title, times.div_ceil(4), || {
        payload.clear();
        deflater.message(6, black_box(&json), &mut payload);
    });
}

/// Decodes one frame that is whole into a message whose memory is used again.
fn decode(mut decoder: Decoder, frame: Vec<u8>) -> impl FnMut() {
    let mut message = Vec::new();
    move || {
        message.clear();
        assert_eq!(decoder.decode(black_box(&frame), &mut message), (frame.len(), true));
        black_box(&message);
    }
}

/// Whole calls over a socket, without what the system does in it; with the one `read` or `write` of the other end.
fn connection(size: usize, title: &str) {
    const TIMES: usize = 200;
    let (connection, mut peer) = connected();
    let data = json(size);
    let (one, mut message) = (frame(0x82, &data), Message::new());
    let many: Vec<Vec<u8>> = [TIMES, 3 * TIMES].iter().map(|&times| one.repeat(times)).collect();
    play("receive from a full buffer", title, TIMES, |times| {
        // No more than fits in a socket's buffer, so that the other end need not be a thread.
        for part in many[usize::from(times > TIMES)].chunks(32 * one.len()) {
            peer.write_all(part).expect("the peer writes");
            for _ in 0..part.len() / one.len() {
                receive(&connection, &mut message, size);
            }
        }
    });
    let mut room = vec![0; 4096];
    play_each("send", title, TIMES, || {
        assert!(matches!(connection.send(Kind::Binary, black_box(&data), Wait::Forever), Ok(Outcome::Done)));
        assert!(peer.read(&mut room).expect("the peer reads") > size);
    });
    play_each("receive, a read each", title, TIMES, || {
        peer.write_all(&one).expect("the peer writes");
        receive(&connection, &mut message, size);
    });
}

fn receive(connection: &Connection, message: &mut Message, size: usize) {
    assert!(matches!(connection.recv(message, Wait::Forever), Ok(Outcome::Done)));
    assert_eq!(message.data().len(), size);
}

fn connected() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let head = read_head(&mut stream);
        agree_to(&mut stream, &head, "");
        stream
    });
    let client = Client::new(Dialer::new());
    let connection = client.dial(&url, Wait::for_duration(Duration::from_secs(60))).expect("the dial succeeds");
    (connection, server.join().expect("the server agrees"))
}
