//! One message in pieces, each way, and control frames as messages, against a scripted server.

mod raw;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use raw::{Peer, bound, close_body, dial, frame, recv, serve, serve_behind};
use wsdial::{Batch, Client, Code, Connection, Dialer, Kind, Message, Outcome, Piece, Wait};

fn fragment(connection: &Connection, kind: Option<Kind>, data: &[u8], is_final: bool) -> Outcome {
    connection.send_fragment(kind, data, is_final, bound()).unwrap()
}

/// The next piece, which must come, of at most `room` bytes.
fn piece(connection: &Connection, room: usize) -> (Kind, Vec<u8>, bool) {
    let (mut to, mut piece) = (vec![0xee; room], Piece::NONE);
    assert_eq!(connection.recv_into(&mut to, &mut piece, bound()).expect("a piece"), Outcome::Done);
    (piece.kind, to[..piece.len].to_vec(), piece.is_final)
}

/// A whole message, in pieces of at most `room` bytes.
fn pieced(connection: &Connection, room: usize) -> (Kind, Vec<u8>) {
    let mut all = Vec::new();
    loop {
        let (kind, data, is_final) = piece(connection, room);
        all.extend(data);
        if is_final {
            return (kind, all);
        }
    }
}

fn heads(peer: &mut Peer, count: usize) -> Vec<(u8, Vec<u8>)> {
    (0..count)
        .map(|_| {
            let frame = peer.read().unwrap();
            assert!(frame.masked);
            (frame.head, frame.payload)
        })
        .collect()
}

// RFC 6455 rule 5.4-fragments-sent
// RFC 6455 rule 6.1-fin
// RFC 6455 rule 6.1-opcode
#[test]
fn fragments_leave_as_they_are_and_control_frames_go_between() {
    let large = vec![7; 100_000];
    let expected = large.clone();
    let (url, server) = serve(move |mut peer| {
        let frames = heads(&mut peer, 8);
        let wanted: [(u8, &[u8]); 8] = [
            (0x01, "m\u{e4}".as_bytes().split_at(2).0),
            (0x89, b"between"),
            (0x00, "\u{e4}rchen".as_bytes().split_at(1).1),
            (0x80, b""),
            (0x02, &expected),
            (0x00, b""),
            (0x80, b"end"),
            (0x82, b"whole"),
        ];
        for ((head, payload), (wanted_head, wanted)) in frames.iter().zip(wanted) {
            assert!(*head == wanted_head && payload == wanted, "{head:x} {} {wanted_head:x}", payload.len());
        }
        assert_eq!(peer.read_close().0, 1000);
    });
    let connection = dial(&url);
    assert_eq!(fragment(&connection, Some(Kind::Text), b"m\xc3", false), Outcome::Done);
    assert_eq!(connection.ping(b"between", bound()).unwrap(), Outcome::Done);
    assert_eq!(fragment(&connection, None, b"\xa4rchen", false), Outcome::Done);
    assert_eq!(fragment(&connection, Some(Kind::Text), b"", true), Outcome::Done);
    assert_eq!(fragment(&connection, Some(Kind::Binary), &large, false), Outcome::Done);
    assert_eq!(fragment(&connection, None, b"", false), Outcome::Done);
    assert_eq!(fragment(&connection, Some(Kind::Binary), b"end", true), Outcome::Done);
    assert_eq!(fragment(&connection, Some(Kind::Binary), b"whole", true), Outcome::Done);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 5.6-utf8-sent
#[test]
fn a_fragment_that_cannot_be_is_refused_and_the_message_goes_on_without_it() {
    let (url, server) = serve(|mut peer| {
        assert_eq!(heads(&mut peer, 2), [(0x01, b"\xe2\x82".to_vec()), (0x80, b"\xac".to_vec())]);
        peer.read_close();
    });
    let connection = dial(&url);
    let code = |kind: Option<Kind>, data: &[u8], is_final| {
        connection.send_fragment(kind, data, is_final, bound()).unwrap_err().code()
    };
    assert_eq!(code(None, b"x", false), Code::UsageKind, "no message has begun");
    assert_eq!(code(Some(Kind::Ping), b"x", true), Code::UsageKind);
    assert_eq!(code(Some(Kind::Text), b"\xff", false), Code::UsageUtf8);
    assert_eq!(code(Some(Kind::Text), b"\xe2", true), Code::UsageUtf8);
    assert_eq!(fragment(&connection, Some(Kind::Text), b"\xe2\x82", false), Outcome::Done);
    assert_eq!(code(Some(Kind::Binary), b"x", true), Code::UsageKind);
    assert_eq!(code(None, b"x", false), Code::UsageUtf8);
    assert_eq!(code(None, b"", true), Code::UsageUtf8);
    assert_eq!(fragment(&connection, None, b"\xac", true), Outcome::Done);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 5.4-interleaved-sent
#[test]
fn other_senders_wait_until_the_message_ends() {
    let (url, server) = serve(|mut peer| {
        let frames = heads(&mut peer, 3);
        assert_eq!(frames, [(0x02, b"a".to_vec()), (0x80, b"b".to_vec()), (0x82, b"other".to_vec())]);
        peer.read_close();
    });
    let connection = Arc::new(dial(&url));
    assert_eq!(fragment(&connection, Some(Kind::Binary), b"a", false), Outcome::Done);
    let error = connection.send(Kind::Text, b"now", Wait::Never).unwrap_err();
    assert_eq!(error.code(), Code::UsageState);
    let mut batch = Batch::new();
    batch.push(Kind::Text, b"now");
    assert_eq!(connection.send_batch(&batch, &mut 0, Wait::Never).unwrap_err().code(), Code::UsageState);
    let soon = Wait::for_duration(Duration::from_millis(10));
    assert_eq!(connection.send(Kind::Text, b"soon", soon).unwrap(), Outcome::Timeout);
    let other = {
        let connection = Arc::clone(&connection);
        thread::spawn(move || connection.send(Kind::Binary, b"other", bound()).unwrap())
    };
    // Whether it waits already is nobody's to know; either way it comes behind.
    thread::sleep(Duration::from_millis(20));
    assert_eq!(fragment(&connection, None, b"b", true), Outcome::Done);
    assert_eq!(other.join().unwrap(), Outcome::Done);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

#[test]
fn a_close_in_the_middle_of_a_message_ends_it_for_everybody() {
    let (url, server) = serve(|mut peer| {
        assert_eq!(peer.read().unwrap().head, 0x02);
        assert_eq!(peer.read_close().0, 1000);
        peer.frame(0x88, &close_body(1000, ""));
        peer.expect_end();
    });
    let connection = Arc::new(dial(&url));
    assert_eq!(fragment(&connection, Some(Kind::Binary), b"abandoned", false), Outcome::Done);
    let other = {
        let connection = Arc::clone(&connection);
        thread::spawn(move || connection.send(Kind::Binary, b"other", Wait::Forever).unwrap())
    };
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    assert_eq!(other.join().unwrap(), Outcome::Closed);
    assert_eq!(fragment(&connection, None, b"late", true), Outcome::Closed);
    server.join().unwrap();
}

#[test]
fn the_peers_close_frees_those_who_wait_for_a_message_to_end() {
    let (url, server) = serve(|mut peer| {
        assert_eq!(peer.read().unwrap().head, 0x01);
        peer.frame(0x88, &close_body(1001, ""));
        assert_eq!(peer.read_close().0, 1001);
    });
    let connection = Arc::new(dial(&url));
    assert_eq!(fragment(&connection, Some(Kind::Text), b"abandoned", false), Outcome::Done);
    let other = {
        let connection = Arc::clone(&connection);
        thread::spawn(move || connection.send(Kind::Binary, b"other", Wait::Forever).unwrap())
    };
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    assert_eq!(other.join().unwrap(), Outcome::Closed);
    server.join().unwrap();
}

// RFC 6455 rule 5.4-order
// RFC 6455 rule 5.4-control-between
#[test]
fn a_message_of_any_frames_comes_in_pieces_of_any_size() {
    let payload: Vec<u8> = (0..200_000u32).map(|n| (n * 31 / 7) as u8).collect();
    for room in [1000, 4096, 65_536, 1 << 20] {
        let sent = payload.clone();
        let (url, server) = serve(move |mut peer| {
            let cuts = [0, 0, 3, 5000, 5000, 80_000, 81_000, 200_000];
            for (n, cut) in cuts.windows(2).enumerate() {
                let head = if n == 0 { 0x02 } else { 0x00 };
                peer.frame(head, &sent[cut[0]..cut[1]]);
                peer.frame(0x89, b"and?");
            }
            peer.frame(0x80, b"");
            peer.frame(0x81, b"next");
            assert!((0..7).all(|_| peer.read().unwrap().head == 0x8a));
            peer.read_close();
        });
        let connection = dial(&url);
        assert!(pieced(&connection, room) == (Kind::Binary, payload.clone()), "{room}");
        assert_eq!(recv(&connection).text(), Some("next"));
        let _ = connection.close(1000, "", Wait::Never);
        server.join().unwrap();
    }
}

#[test]
fn what_others_read_of_a_message_comes_first_and_nothing_is_handed_out_twice() {
    let (told, more) = mpsc::channel::<()>();
    let (url, server) = serve(move |mut peer| {
        peer.raw(b"\x01\x06abcdef");
        more.recv().unwrap();
        peer.raw(&[frame(0x00, b"ghi"), frame(0x80, b"jkl"), frame(0x81, b"two"), frame(0x82, b"three")].concat());
        peer.read_close();
    });
    let connection = dial(&url);
    let soon = || Wait::for_duration(Duration::from_millis(30));
    // A receiver of whole messages has begun it, and gave up.
    assert_eq!(connection.recv(&mut Message::new(), soon()).unwrap(), Outcome::Timeout);
    assert_eq!(piece(&connection, 4), (Kind::Text, b"abcd".to_vec(), false));
    assert!(connection.wants().buffered, "two bytes are here");
    for _ in 0..2 {
        let error = connection.recv(&mut Message::new(), Wait::Never).unwrap_err();
        assert_eq!(error.code(), Code::UsageState);
        let error = connection.recv_batch(&mut Batch::new(), 0, 0, bound()).unwrap_err();
        assert_eq!(error.code(), Code::UsageState);
    }
    assert_eq!(piece(&connection, 9), (Kind::Text, b"ef".to_vec(), false));
    let mut none = Piece::NONE;
    assert_eq!(connection.recv_into(&mut [0; 9], &mut none, Wait::Never).unwrap(), Outcome::Again);
    assert_eq!(connection.recv_into(&mut [0; 9], &mut none, soon()).unwrap(), Outcome::Timeout);
    assert_eq!(none, Piece::NONE);
    told.send(()).unwrap();
    // All of it is read ahead: the rest is whole then, but still no message.
    while !connection.wants().buffered {
        connection.process().unwrap();
        thread::yield_now();
    }
    assert_eq!(pieced(&connection, 4), (Kind::Text, b"ghijkl".to_vec()));
    assert_eq!(recv(&connection).text(), Some("two"));
    assert_eq!(piece(&connection, 9), (Kind::Binary, b"three".to_vec(), true));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

/// With nobody to take it `process` reads no more of a message in pieces than may be read ahead.
#[test]
fn reading_ahead_of_a_message_in_pieces_is_bounded() {
    const SIZE: usize = 8 << 20;
    let (url, server) = serve(|mut peer| {
        peer.frame(0x82, &vec![5; SIZE]);
        peer.read_close();
    });
    let mut dialer = Dialer::new();
    dialer.set_read_ahead(4, 100_000);
    let connection = Client::new(dialer).dial(&url, bound()).unwrap();
    let mut seen = piece(&connection, 10).1.len();
    while connection.wants().read {
        connection.process().unwrap();
        thread::yield_now();
    }
    assert!(connection.wants().buffered);
    assert_eq!(connection.process().unwrap(), Outcome::Done);
    let read_ahead = {
        let mut to = vec![0; SIZE];
        let mut piece = Piece::NONE;
        let mut read = 0;
        // What the buffers give without the socket's help is what was read ahead.
        while read < 100_000 {
            assert_eq!(connection.recv_into(&mut to, &mut piece, Wait::Never).unwrap(), Outcome::Done);
            read += piece.len;
        }
        read
    };
    assert!(read_ahead < 2 << 20, "{read_ahead}");
    seen += read_ahead;
    seen += pieced(&connection, 1 << 20).1.len();
    assert_eq!(seen, SIZE);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 8.1-utf8
#[test]
fn text_in_pieces_is_checked_as_it_comes_and_limits_hold() {
    let (url, server) = serve(|mut peer| {
        peer.raw(&[frame(0x01, b"m\xc3"), frame(0x00, b"\xa4r"), frame(0x80, b"x\xffy")].concat());
        assert_eq!(peer.read_close().0, 1007);
    });
    let connection = dial(&url);
    let mut text = Vec::new();
    let error = loop {
        let mut to = [0; 3];
        let mut piece = Piece::NONE;
        match connection.recv_into(&mut to, &mut piece, bound()) {
            Ok(_) => {
                assert!(!piece.is_final);
                text.extend_from_slice(&to[..piece.len]);
            }
            Err(error) => break error,
        }
    };
    assert!("m\u{e4}r".as_bytes().starts_with(&text) && text.len() >= 3, "{text:x?}");
    assert_eq!(error.code(), Code::Utf8);
    // The failure is everybody's: what was in the middle is no message any more.
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap_err().code(), Code::Utf8);
    assert_eq!(connection.recv_into(&mut [0; 3], &mut Piece::NONE.clone(), bound()).unwrap_err().code(), Code::Utf8);
    server.join().unwrap();

    let (url, server) = serve(|mut peer| {
        peer.raw(&[frame(0x02, &[1; 900]), frame(0x80, &[1; 200])].concat());
        assert_eq!(peer.read_close().0, 1009);
    });
    let connection = dial(&url);
    connection.set_max_message(1000);
    let mut seen = 0;
    let error = loop {
        let mut piece = Piece::NONE;
        match connection.recv_into(&mut [0; 100], &mut piece, bound()) {
            Ok(_) => seen += piece.len,
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), seen), (Code::LimitMessage, 900));
    server.join().unwrap();
}

#[test]
fn a_connection_that_is_cut_inside_a_message_never_ends_it() {
    let (url, server) = serve(|mut peer| {
        peer.raw(b"\x82\x7f\0\0\0\0\0\x10\0\0");
        peer.raw(&[9; 50_000]);
    });
    let connection = dial(&url);
    let mut seen = 0;
    let error = loop {
        let mut piece = Piece::NONE;
        match connection.recv_into(&mut [0; 8192], &mut piece, bound()) {
            Ok(_) => {
                assert!(!piece.is_final);
                seen += piece.len;
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), seen), (Code::Abnormal, 50_000));
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap_err().code(), Code::Abnormal);
    server.join().unwrap();
}

#[test]
fn memory_for_a_piece_is_some() {
    let (url, server) = serve(|mut peer| drop(peer.read_close()));
    let connection = dial(&url);
    let code = |room| connection.recv_into(&mut vec![0; room], &mut Piece::NONE.clone(), bound()).unwrap_err().code();
    assert_eq!(code(0), Code::UsageLength);
    connection.set_control(true, true, true);
    assert_eq!(code(124), Code::UsageLength);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

fn delivering(url: &str) -> Connection {
    let mut dialer = Dialer::new();
    dialer.set_control_delivery(true);
    Client::new(dialer).dial(url, bound()).unwrap()
}

const SCRIPT: [(u8, &[u8]); 7] = [
    (0x81, b"one"),
    (0x89, b"ping"),
    (0x01, b"tw"),
    (0x8a, b"pong"),
    (0x80, b"o"),
    (0x82, b"three"),
    (0x88, b"\x0f\xa2away"),
];

fn delivered() -> Vec<(Kind, Vec<u8>)> {
    let list: [(Kind, &[u8]); 6] = [
        (Kind::Text, b"one"),
        (Kind::Ping, b"ping"),
        (Kind::Pong, b"pong"),
        (Kind::Text, b"two"),
        (Kind::Binary, b"three"),
        (Kind::Close, b"\x0f\xa2away"),
    ];
    list.map(|(kind, data)| (kind, data.to_vec())).to_vec()
}

fn script(mut peer: Peer) {
    for (head, payload) in SCRIPT {
        peer.frame(head, payload);
    }
    let pong = peer.read().unwrap();
    assert_eq!((pong.head, &pong.payload[..]), (0x8a, &b"ping"[..]));
    assert_eq!(peer.read_close(), (4002, String::new()));
}

#[test]
fn control_frames_are_delivered_in_order_and_answered_all_the_same() {
    let (url, server) = serve(script);
    let connection = delivering(&url);
    let mut all = Vec::new();
    for _ in 0..6 {
        let message = recv(&connection);
        assert_eq!(message.text().is_some(), message.kind() == Kind::Text);
        all.push((message.kind(), message.data().to_vec()));
    }
    assert_eq!(all, delivered());
    // The end comes behind the close, which was answered before anybody asked for it.
    server.join().unwrap();
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    assert_eq!((connection.close_code(), connection.close_reason()), (4002, Some("away")));
}

#[test]
fn control_frames_are_delivered_in_batches_and_read_ahead() {
    for reads_ahead in [false, true] {
        let (url, server) = serve(script);
        let connection = delivering(&url);
        if reads_ahead {
            while connection.wants().read {
                let _ = connection.process();
                thread::yield_now();
                if connection.close_code() != 0 {
                    break;
                }
            }
        }
        let (mut all, mut batch) = (Vec::new(), Batch::new());
        while connection.recv_batch(&mut batch, 0, 0, bound()).unwrap() == Outcome::Done {
            all.extend(batch.iter().map(|(kind, data)| (kind, data.to_vec())));
        }
        assert_eq!(all, delivered());
        server.join().unwrap();
    }
}

#[test]
fn control_frames_come_whole_between_pieces() {
    let (url, server) = serve(script);
    let connection = delivering(&url);
    let (mut controls, mut messages, mut text) = (Vec::new(), Vec::new(), Vec::new());
    let (mut to, mut piece) = ([0; 125], Piece::NONE);
    while connection.recv_into(&mut to, &mut piece, bound()).unwrap() == Outcome::Done {
        let data = &to[..piece.len];
        if matches!(piece.kind, Kind::Text | Kind::Binary) {
            text.extend_from_slice(data);
            if piece.is_final {
                messages.push((piece.kind, std::mem::take(&mut text)));
            }
        } else {
            assert!(piece.is_final);
            controls.push((piece.kind, data.to_vec()));
        }
    }
    let (wanted_messages, wanted_controls) =
        delivered().into_iter().partition(|(kind, _)| matches!(kind, Kind::Text | Kind::Binary));
    assert_eq!((messages, controls), (wanted_messages, wanted_controls));
    server.join().unwrap();
}

#[test]
fn without_automatic_pongs_the_program_answers() {
    let (url, server) = serve(|mut peer| {
        peer.frame(0x89, b"one");
        let pong = peer.read().unwrap();
        assert_eq!((pong.head, &pong.payload[..]), (0x8a, &b"mine"[..]));
        peer.frame(0x89, b"two");
        let pong = peer.read().unwrap();
        assert_eq!((pong.head, &pong.payload[..]), (0x8a, &b"two"[..]));
        peer.frame(0x81, b"end");
        peer.read_close();
    });
    let mut dialer = Dialer::new();
    dialer.set_control_delivery(true);
    dialer.set_auto_pong(false);
    let connection = Client::new(dialer).dial(&url, bound()).unwrap();
    assert_eq!(recv(&connection).kind(), Kind::Ping);
    connection.set_control(false, true, true);
    assert_eq!(connection.pong(b"mine", bound()).unwrap(), Outcome::Done);
    assert_eq!(recv(&connection).text(), Some("end"));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 5.5.1-echo-close
#[test]
fn a_close_that_the_program_answers_may_come_behind_the_rest_of_a_message() {
    let (url, server) = serve(|mut peer| {
        assert_eq!(peer.read().unwrap().head, 0x01);
        peer.frame(0x88, &close_body(4000, "soon"));
        let rest = peer.read().unwrap();
        assert_eq!((rest.head, &rest.payload[..]), (0x80, &b"end"[..]));
        assert_eq!(peer.read_close(), (4001, "mine".to_owned()));
    });
    let connection = delivering(&url);
    connection.set_control(true, true, false);
    assert_eq!(fragment(&connection, Some(Kind::Text), b"begin", false), Outcome::Done);
    let close = recv(&connection);
    assert_eq!((close.kind(), close.data()), (Kind::Close, &close_body(4000, "soon")[..]));
    assert_eq!(connection.close_code(), 4000);
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    assert_eq!(fragment(&connection, None, b"end", true), Outcome::Done);
    assert_eq!(connection.close(4001, "mine", bound()).unwrap(), Outcome::Done);
    assert_eq!(connection.send(Kind::Text, b"late", bound()).unwrap(), Outcome::Closed);
    server.join().unwrap();
}

/// Also in one segment with the answer of the handshake, and with nothing delivered.
#[test]
fn a_close_that_nobody_answers_leaves_the_connection_to_its_limit() {
    let (url, server) = serve_behind(frame(0x88, &close_body(4000, "")), |mut peer| {
        assert_eq!(peer.read_close(), (1000, String::new()));
    });
    let connection = dial(&url);
    connection.set_control(false, true, false);
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    let left = connection.timeout().expect("a limit");
    assert!(left <= Duration::from_secs(5) && left > Duration::from_secs(3), "{left:?}");
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    server.join().unwrap();
}

/// Until something waits for a receiver, and what came with it.
fn read_ahead(connection: &Connection) {
    loop {
        let _ = connection.process();
        if connection.wants().buffered {
            return;
        }
        thread::yield_now();
    }
}

/// A frame of before delivery was switched off, which no longer fits: it is refused, stays, and comes whole.
#[test]
fn a_control_frame_that_has_no_room_is_kept() {
    let (url, server) = serve(|mut peer| {
        peer.raw(&[frame(0x89, &[b'p'; 100]), frame(0x81, b"text")].concat());
        peer.read_close();
    });
    let connection = delivering(&url);
    read_ahead(&connection);
    connection.set_control(false, true, true);
    let mut piece = Piece::NONE;
    for _ in 0..2 {
        let error = connection.recv_into(&mut [0; 99], &mut piece, bound()).unwrap_err();
        assert_eq!((error.code(), piece), (Code::UsageLength, Piece::NONE));
    }
    assert_eq!(self::piece(&connection, 100), (Kind::Ping, vec![b'p'; 100], true));
    assert_eq!(pieced(&connection, 2), (Kind::Text, b"text".to_vec()));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

/// A closer that never waits comes back in the middle of what it drops. Who receives then gets what was whole before, and
/// never the rest of the message.
#[test]
fn nobody_gets_the_rest_of_what_a_closer_began_to_drop() {
    for way in 0..5 {
        let (told, wait) = std::sync::mpsc::channel::<()>();
        let (url, server) = serve(move |mut peer| {
            peer.raw(&[frame(0x82, b"whole"), frame(0x02, b"begin")].concat());
            assert_eq!(peer.read_close().0, 1000);
            wait.recv().unwrap();
            peer.raw(&[frame(0x00, b"go on"), frame(0x80, b"end"), frame(0x82, b"late")].concat());
            peer.frame(0x88, &close_body(1000, ""));
        });
        let connection = dial(&url);
        let mut message = Message::new();
        let mut to = [0; 4];
        let mut piece = Piece::NONE;
        if way == 0 {
            // The beginning was handed out.
            assert_eq!(recv(&connection).data(), b"whole");
            assert_eq!(connection.recv_into(&mut to, &mut piece, bound()).unwrap(), Outcome::Done);
        } else {
            read_ahead(&connection);
        }
        assert_eq!(connection.close(1000, "", Wait::Never).unwrap(), Outcome::Again);
        told.send(()).unwrap();
        let mut batch = Batch::new();
        let mut receive = || match way {
            0 | 1 => connection.recv_into(&mut to, &mut piece, bound()).map(|outcome| (outcome, piece.len)),
            2 => connection.recv_batch(&mut batch, 0, 0, bound()).map(|outcome| (outcome, batch.len())),
            3 => connection.recv(&mut message, bound()).map(|outcome| (outcome, message.data().len())),
            _ => {
                while connection.close_code() == 0 {
                    let _ = connection.process();
                    thread::yield_now();
                }
                connection.recv(&mut message, bound()).map(|outcome| (outcome, message.data().len()))
            }
        };
        let mut came = Vec::new();
        let end = loop {
            match receive().unwrap() {
                (Outcome::Done, size) => came.push(size),
                (outcome, _) => break outcome,
            }
        };
        let wanted: &[usize] = [&[][..], &[4, 1], &[1], &[5], &[5]][way];
        assert_eq!((end, &came[..]), (Outcome::Closed, wanted), "{way}");
        assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
        server.join().unwrap();
    }
}
