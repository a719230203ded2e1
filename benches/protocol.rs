//! Encode, decode, mask, UTF-8 and compression beside a plain copy of the same bytes in the same run.
//!
//! `cargo bench --features bench-internals --bench protocol`. Rounds of all candidates are interleaved and the fastest
//! round of each counts, so that a busy machine disturbs all alike and least.

mod payloads;

use std::hint::black_box;
use std::time::Instant;

use payloads::{frame, json, mixed};

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use wsdial::bench_support::{Decoder, Deflater, MAX_HEADER, copy_masked, encode, is_utf8, parse_header};

const ROUNDS: usize = 25;
const ROUND_NANOS: u128 = 2_000_000;
const SIZES: [(usize, &str); 4] = [(64, "64 B"), (1024, "1 KiB"), (64 * 1024, "64 KiB"), (1024 * 1024, "1 MiB")];

/// One thing to measure: a name and what to do a number of times.
struct Candidate<'a> {
    name: &'static str,
    run: Box<dyn FnMut(usize) + 'a>,
    times: usize,
    best: f64,
}

fn candidate<'a>(name: &'static str, mut once: impl FnMut() + 'a) -> Candidate<'a> {
    let run = Box::new(move |times| (0..times).for_each(|_| once()));
    Candidate { name, run, times: 1, best: f64::MAX }
}

fn main() {
    headers();
    for (size, title) in SIZES {
        println!("\n{title:>28} {:>12} {:>9} {:>8}", "ns/op", "GB/s", "x copy");
        payloads(size);
    }
}

/// Our header codec beside tungstenite's, which decides whether ours is worth having.
fn headers() {
    let short = [0x82u8, 64];
    let long = [0x82u8, 127, 0, 0, 0, 0, 0, 1, 0, 0];
    let theirs = |bytes: &[u8]| FrameHeader::parse(&mut std::io::Cursor::new(bytes)).unwrap().unwrap().1;
    let header = FrameHeader { opcode: OpCode::Data(Data::Binary), mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
    let mut list = [
        candidate("parse 2 bytes", || {
            black_box(parse_header(black_box(&short)));
        }),
        candidate("tungstenite parse 2 bytes", || {
            black_box(theirs(black_box(&short)));
        }),
        candidate("parse 10 bytes", || {
            black_box(parse_header(black_box(&long)));
        }),
        candidate("tungstenite parse 10 bytes", || {
            black_box(theirs(black_box(&long)));
        }),
        candidate("write 6 bytes", || {
            let mut to = [0; MAX_HEADER];
            black_box(encode(black_box(&mut to), black_box(&[]), black_box([1, 2, 3, 4])));
        }),
        candidate("tungstenite write 6 bytes", || {
            let mut to = [0; MAX_HEADER];
            header.format(black_box(64), &mut black_box(&mut to[..])).unwrap();
            black_box(to);
        }),
    ];
    measure(&mut list);
    println!("{:>28} {:>12}", "header", "ns/op");
    for c in &list {
        println!("{:>28} {:>12.1}", c.name, c.best);
    }
}

fn payloads(size: usize) {
    let ascii: Vec<u8> = (0..size).map(|i| b' ' + (i * 7 % 90) as u8).collect();
    let mixed = mixed(size);
    let (binary, text, wide) = (frame(0x82, &ascii), frame(0x81, &ascii), frame(0x81, &mixed));
    let json = json(size);
    let mut payload = Vec::new();
    Deflater::default().message(6, &json, &mut payload);
    let deflated = frame(0xc1, &payload);
    let mut to = vec![vec![0u8; size + MAX_HEADER]; 3];
    let [copy_to, mask_to, encode_to] = &mut to[..] else { unreachable!() };

    let mut list = [
        candidate("copy", || copy_to[..size].copy_from_slice(black_box(&ascii))),
        candidate("mask", || copy_masked(&mut mask_to[..size], black_box(&ascii), black_box([1, 2, 3, 4]))),
        candidate("encode", || {
            black_box(encode(encode_to, black_box(&ascii), black_box([1, 2, 3, 4])));
        }),
        candidate("decode binary", decode(Decoder::new(), &binary)),
        candidate("decode text, ASCII", decode(Decoder::new(), &text)),
        candidate("decode text, mixed", decode(Decoder::new(), &wide)),
        candidate("inflate text, JSON", decode(Decoder::inflating(), &deflated)),
        candidate("deflate 1, JSON", deflate(1, &json)),
        candidate("deflate 6, JSON", deflate(6, &json)),
        candidate("UTF-8, ASCII", || assert!(is_utf8(black_box(&ascii)))),
        candidate("UTF-8, mixed", || assert!(is_utf8(black_box(&mixed)))),
        candidate("std UTF-8, ASCII", || assert!(std::str::from_utf8(black_box(&ascii)).is_ok())),
        candidate("std UTF-8, mixed", || assert!(std::str::from_utf8(black_box(&mixed)).is_ok())),
    ];
    measure(&mut list);
    let copy = list[0].best;
    for c in &list {
        println!("{:>28} {:>12.1} {:>9.1} {:>8.2}", c.name, c.best, size as f64 / c.best, c.best / copy);
    }
}

/// Compresses a message into memory that is used again.
fn deflate(level: u8, data: &[u8]) -> impl FnMut() {
    let mut deflater = Deflater::default();
    let mut to = Vec::new();
    move || {
        to.clear();
        deflater.message(level, black_box(data), &mut to);
        black_box(&to);
    }
}

/// Decodes one frame that is whole into a message whose memory is used again.
fn decode(mut decoder: Decoder, frame: &[u8]) -> impl FnMut() {
    let mut message = Vec::new();
    move || {
        message.clear();
        assert_eq!(decoder.decode(black_box(frame), &mut message), (frame.len(), true));
        black_box(&message);
    }
}

fn measure(list: &mut [Candidate<'_>]) {
    for c in list.iter_mut() {
        while time(c) < ROUND_NANOS {
            c.times *= 2;
        }
    }
    for _ in 0..ROUNDS {
        for c in list.iter_mut() {
            c.best = c.best.min(time(c) as f64 / c.times as f64);
        }
    }
}

fn time(c: &mut Candidate<'_>) -> u128 {
    let start = Instant::now();
    (c.run)(c.times);
    start.elapsed().as_nanos()
}
