//! Many messages with one call, each way, against a scripted server.

mod raw;

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use raw::{Peer, bound, close_body, dial, frame, recv, serve, serve_behind};
use wsdial::{Batch, Client, Code, Connection, Dialer, Kind, Message, Outcome, Wait};

fn batch(connection: &Connection, max_bytes: usize, max_messages: usize) -> Vec<(Kind, Vec<u8>)> {
    let mut batch = Batch::new();
    assert_eq!(connection.recv_batch(&mut batch, max_bytes, max_messages, bound()).expect("a batch"), Outcome::Done);
    assert!(!batch.is_empty());
    batch.iter().map(|(kind, data)| (kind, data.to_vec())).collect()
}

fn binary(data: &[u8]) -> (Kind, Vec<u8>) {
    (Kind::Binary, data.to_vec())
}

#[test]
fn all_that_is_here_comes_at_once_whatever_stands_between() {
    let large = vec![7; 70_000];
    let behind = [
        frame(0x81, b"one"),
        frame(0x89, b"are you there"),
        frame(0x01, b"tw"),
        frame(0x8a, b""),
        frame(0x80, b"o"),
        frame(0x82, &large),
        frame(0x82, b""),
        frame(0x88, &close_body(4002, "enough")),
    ];
    let (url, server) = serve_behind(behind.concat(), |mut peer| {
        let pong = peer.read().unwrap();
        assert_eq!((pong.head, &pong.payload[..]), (0x8a, &b"are you there"[..]));
        assert_eq!(peer.read_close().0, 4002, "the close is answered though nobody asked for the end yet");
        peer.finish();
    });
    let connection = dial(&url);
    let mut all = Vec::new();
    while all.len() < 4 {
        // The bytes behind the answer's head may come in more than one segment.
        all.extend(batch(&connection, 0, 0));
    }
    assert_eq!(all, [(Kind::Text, b"one".to_vec()), (Kind::Text, b"two".to_vec()), binary(&large), binary(b"")]);
    server.join().unwrap();
    let mut last = Batch::new();
    last.push(Kind::Text, b"of before");
    for _ in 0..2 {
        assert_eq!(connection.recv_batch(&mut last, 0, 0, bound()).unwrap(), Outcome::Closed);
        assert!(last.is_empty());
    }
    assert_eq!((connection.close_code(), connection.close_reason()), (4002, Some("enough")));
}

#[test]
fn limits_are_kept_and_a_message_over_them_comes_alone() {
    let messages = [&[1; 10][..], &[2; 10], &[3; 30], &[4; 5], &[5; 5], &[6; 5], &[7; 200], &[8; 1]];
    let mut behind: Vec<u8> = messages.iter().flat_map(|data| frame(0x82, data)).collect();
    behind.extend([frame(0x02, &[9; 15]), frame(0x80, &[9; 15]), frame(0x82, &[10; 1])].concat());
    let (url, server) = serve(move |mut peer| {
        peer.raw(&behind);
        peer.frame(0x89, b"all is there");
        assert_eq!(peer.read().unwrap().payload, b"all is there");
        assert_eq!(peer.read_close().0, 1000);
    });
    let connection = dial(&url);
    // `process` reads all ahead, so that what is here is known.
    while connection.process().unwrap() == Outcome::Done && connection.wants().read {
        thread::yield_now();
        if connection.wants().buffered {
            break;
        }
    }
    let take = |max_bytes, max_messages| -> Vec<usize> {
        batch(&connection, max_bytes, max_messages).iter().map(|(_, data)| data.len()).collect()
    };
    assert_eq!(take(25, 0), [10, 10]);
    assert_eq!(take(25, 0), [30], "alone");
    assert_eq!(take(25, 2), [5, 5]);
    assert_eq!(take(5, 1), [5]);
    assert_eq!(take(1, 0), [200]);
    assert_eq!(recv(&connection).data(), [8], "mixed with recv");
    assert_eq!(take(20, 0), [30], "a fragmented one");
    assert_eq!(take(0, 0), [1]);
    let mut none = Batch::new();
    assert_eq!(connection.recv_batch(&mut none, 0, 0, Wait::Never).unwrap(), Outcome::Again);
    let soon = Wait::for_duration(Duration::from_millis(5));
    assert_eq!(connection.recv_batch(&mut none, 0, 0, soon).unwrap(), Outcome::Timeout);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

#[test]
fn a_part_of_a_message_stays_and_a_failure_comes_behind_what_was_right() {
    let (url, server) = serve(|mut peer| {
        peer.raw(&[frame(0x81, b"right"), b"\x82\x04ab".to_vec()].concat());
        assert_eq!(peer.read().unwrap().payload, b"go on");
        peer.raw(&[b"cd".to_vec(), frame(0x81, b"also"), frame(0x81, b"\xff")].concat());
        assert_eq!(peer.read_close().0, 1007);
    });
    let connection = dial(&url);
    assert_eq!(batch(&connection, 0, 0), [(Kind::Text, b"right".to_vec())]);
    let mut none = Batch::new();
    assert_eq!(connection.recv_batch(&mut none, 0, 0, Wait::Never).unwrap(), Outcome::Again);
    assert_eq!(connection.send(Kind::Text, b"go on", bound()).unwrap(), Outcome::Done);
    let mut rest = Vec::new();
    while rest.len() < 2 {
        rest.extend(batch(&connection, 0, 0));
    }
    assert_eq!(rest, [binary(b"abcd"), (Kind::Text, b"also".to_vec())]);
    for _ in 0..2 {
        assert_eq!(connection.recv_batch(&mut none, 0, 0, bound()).unwrap_err().code(), Code::Utf8);
        assert!(none.is_empty());
    }
    server.join().unwrap();
}

#[test]
fn a_batch_is_what_many_sends_would_have_been() {
    let sizes = [0, 1, 125, 126, 16 * 1024, 16 * 1024 + 1, 70_000, 3, 300_000, 64, 0];
    let (url, server) = serve(move |mut peer| {
        for round in 0..3 {
            for (n, size) in sizes.into_iter().enumerate() {
                let frame = peer.read().unwrap();
                assert_eq!((frame.head, frame.masked), (if n % 2 == 0 { 0x81 } else { 0x82 }, true));
                assert_eq!(frame.payload, vec![b'a' + n as u8; size], "{round}");
            }
        }
        assert_eq!(peer.read_close().0, 1000);
    });
    let connection = dial(&url);
    let mut batch = Batch::new();
    for (n, size) in sizes.into_iter().enumerate() {
        batch.push(if n % 2 == 0 { Kind::Text } else { Kind::Binary }, &vec![b'a' + n as u8; size]);
    }
    let mut taken = 0;
    assert_eq!(connection.send_batch(&batch, &mut taken, bound()).unwrap(), Outcome::Done);
    assert_eq!(taken, sizes.len());
    assert_eq!(connection.send_batch(&batch, &mut taken, bound()).unwrap(), Outcome::Done, "nothing is left to send");
    // In three parts.
    for from in [0, 3, 9] {
        let mut part = Batch::new();
        let end = [3, 9, 11][[0, 3, 9].iter().position(|&n| n == from).unwrap()];
        (from..end).for_each(|n| batch.get(n).into_iter().for_each(|(kind, data)| part.push(kind, data)));
        assert_eq!(connection.send_batch(&part, &mut 0, bound()).unwrap(), Outcome::Done);
    }
    // From the middle on, the part before by hand.
    for n in 0..4 {
        let (kind, data) = batch.get(n).unwrap();
        assert_eq!(connection.send(kind, data, bound()).unwrap(), Outcome::Done);
    }
    let mut taken = 4;
    assert_eq!(connection.send_batch(&batch, &mut taken, bound()).unwrap(), Outcome::Done);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

#[test]
fn text_that_is_none_keeps_the_whole_batch_back() {
    let (url, server) = serve(|mut peer| assert_eq!(peer.read().unwrap().head, 0x88));
    let connection = dial(&url);
    let mut batch = Batch::new();
    batch.push(Kind::Text, b"right");
    batch.push(Kind::Text, b"\xff");
    let mut taken = 0;
    let error = connection.send_batch(&batch, &mut taken, bound()).unwrap_err();
    assert_eq!((error.code(), taken), (Code::UsageUtf8, 0));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

/// A peer that reads nothing until it is told: the limit of unsent bytes ends a batch between two messages.
#[test]
fn who_does_not_wait_is_told_how_many_were_taken() {
    const SIZE: usize = 10_000;
    let (told, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = serve(move |mut peer| {
        wait.recv().unwrap();
        let mut n = 0u32;
        while let Some(frame) = peer.read() {
            if frame.head == 0x88 {
                break;
            }
            assert_eq!((frame.payload.len(), &frame.payload[..4]), (SIZE, &n.to_be_bytes()[..]));
            n += 1;
        }
        assert_eq!(n, 3000);
        peer.frame(0x88, &close_body(1000, ""));
    });
    let connection = dial(&url);
    let mut batch = Batch::new();
    let mut data = vec![0; SIZE];
    for n in 0..3000u32 {
        data[..4].copy_from_slice(&n.to_be_bytes());
        batch.push(Kind::Binary, &data);
    }
    let mut taken = 0;
    assert_eq!(connection.send_batch(&batch, &mut taken, Wait::Never).unwrap(), Outcome::Again);
    assert!((100..2900).contains(&taken), "{taken}");
    // The socket takes a little more for a while; then the limit is reached.
    let mut before = 0;
    while taken > before {
        before = taken;
        assert_eq!(connection.send_batch(&batch, &mut taken, Wait::Never).unwrap(), Outcome::Again);
    }
    let soon = Wait::for_duration(Duration::from_millis(20));
    assert_eq!(connection.send_batch(&batch, &mut taken, soon).unwrap(), Outcome::Timeout);
    told.send(()).unwrap();
    assert_eq!(connection.send_batch(&batch, &mut taken, bound()).unwrap(), Outcome::Done);
    assert_eq!(taken, 3000);
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    server.join().unwrap();
}

/// A long batch answers pings and makes way for a closer between two messages.
#[test]
fn a_long_batch_serves_what_is_owed_and_ends_for_a_closer() {
    const MANY: usize = 20_000;
    let (url, server) = serve(|mut peer: Peer| {
        let (mut messages, mut pong_after) = (0, 0);
        loop {
            let frame = peer.read().unwrap();
            match frame.head {
                0x82 => {
                    messages += 1;
                    if messages == 1 {
                        peer.frame(0x89, b"in the middle");
                    }
                }
                0x8a => {
                    pong_after = messages;
                    // Nobody closes before this.
                    peer.frame(0x81, b"ponged");
                }
                _ => break,
            }
        }
        assert!(pong_after % MANY != 0, "the pong did not wait for the batch's end");
        peer.frame(0x88, &close_body(1000, ""));
        peer.stream.flush().unwrap();
    });
    let connection = Arc::new(Client::new(Dialer::new()).dial(&url, bound()).unwrap());
    let mut batch = Batch::new();
    (0..MANY).for_each(|_| batch.push(Kind::Binary, &[5; 2000]));
    let sender = {
        let connection = Arc::clone(&connection);
        thread::spawn(move || {
            // Again and again: it ends because of the closer alone.
            loop {
                let mut taken = 0;
                match connection.send_batch(&batch, &mut taken, Wait::Forever).unwrap() {
                    Outcome::Done => assert_eq!(taken, batch.len()),
                    answer => return (answer, taken < batch.len()),
                }
            }
        })
    };
    assert_eq!(recv(&connection).text(), Some("ponged"));
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    assert_eq!(sender.join().unwrap(), (Outcome::Closed, true));
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    server.join().unwrap();
}
