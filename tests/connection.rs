//! A connection against a scripted server: what the waiting part does, above all at the end of a connection.

mod raw;

use std::io::{Read, Write};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use raw::{BOUND, bound, close_body, dial, frame, recv, serve, serve_behind};
use wsdial::{Client, Code, Dialer, Kind, Message, Outcome, Phase, Wait};

#[test]
fn messages_in_the_segment_of_the_answer_are_not_lost() {
    let behind = [frame(0x81, b"first"), frame(0x02, b"sec"), frame(0x80, b"ond")].concat();
    let (url, server) = serve_behind(behind, |mut peer| assert_eq!(peer.read_close().0, 1000));
    let connection = dial(&url);
    let first = recv(&connection);
    assert_eq!((first.kind(), first.text()), (Kind::Text, Some("first")));
    let second = recv(&connection);
    assert_eq!((second.kind(), second.data()), (Kind::Binary, &b"second"[..]));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 5.1-mask-client
// RFC 6455 rule 5.3-mask-fresh
#[test]
fn every_frame_is_masked_with_a_key_of_its_own() {
    let (url, server) = serve(|mut peer| {
        let mut keys = std::collections::HashSet::new();
        for _ in 0..64 {
            let mut head = [0; 6];
            peer.stream.read_exact(&mut head).unwrap();
            assert_eq!(head[1] & 0x80, 0x80, "masked");
            let key = [head[2], head[3], head[4], head[5]];
            assert!(keys.insert(key), "a mask key came twice in 64 frames");
            let mut payload = vec![0; usize::from(head[1] & 0x7f)];
            peer.stream.read_exact(&mut payload).unwrap();
        }
    });
    let connection = dial(&url);
    for n in 0..16 {
        assert_eq!(connection.send(Kind::Text, b"x", bound()).unwrap(), Outcome::Done);
        assert_eq!(connection.send(Kind::Binary, &vec![0; n], bound()).unwrap(), Outcome::Done);
        assert_eq!(connection.ping(b"ping", bound()).unwrap(), Outcome::Done);
        assert_eq!(connection.pong(b"", bound()).unwrap(), Outcome::Done);
    }
    server.join().unwrap();
}

// RFC 6455 rule 5.5.2-pong
// RFC 6455 rule 5.5.3-pong-payload
#[test]
fn a_ping_is_answered_while_receiving_even_between_fragments() {
    let (url, server) = serve(|mut peer| {
        peer.frame(0x01, b"half ");
        peer.frame(0x89, b"are you there");
        let pong = peer.read().unwrap();
        assert_eq!((pong.head, pong.masked, pong.payload.as_slice()), (0x8a, true, &b"are you there"[..]));
        peer.frame(0x80, b"done");
        peer.read_close();
    });
    let connection = dial(&url);
    assert_eq!(recv(&connection).text(), Some("half done"));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 5.5.1-echo-close
// RFC 6455 rule 7.1.5-close-code
// RFC 6455 rule 7.1.6-close-reason
// RFC 6455 rule 6.1-open
// RFC 6455 rule 5.5.1-nothing-after-close
#[test]
fn the_servers_close_is_answered_with_its_code_and_told_once_and_for_ever() {
    let (url, server) = serve(|mut peer| {
        peer.frame(0x81, b"last words");
        peer.frame(0x88, &close_body(4001, "bye, märchen"));
        assert_eq!(peer.read_close(), (4001, String::new()));
        peer.finish();
        peer.expect_end();
    });
    let connection = dial(&url);
    assert_eq!(connection.close_code(), 0);
    assert_eq!(connection.close_reason(), None);
    assert_eq!(recv(&connection).text(), Some("last words"));
    let mut message = Message::new();
    for _ in 0..3 {
        assert_eq!(connection.recv(&mut message, bound()).unwrap(), Outcome::Closed);
        assert!(message.data().is_empty());
        assert_eq!(connection.send(Kind::Text, b"too late", bound()).unwrap(), Outcome::Closed);
        assert_eq!(connection.ping(b"", bound()).unwrap(), Outcome::Closed);
    }
    assert_eq!((connection.close_code(), connection.close_reason()), (4001, Some("bye, märchen")));
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    assert_eq!(connection.close(1000, "again", bound()).unwrap(), Outcome::Done);
    server.join().unwrap();
}

// RFC 6455 rule 7.1.5-no-code-1005
#[test]
fn a_close_without_a_body_is_1005_and_answered_without_a_body() {
    let (url, server) = serve(|mut peer| {
        peer.frame(0x88, b"");
        assert_eq!(peer.read_close(), (0, String::new()));
    });
    let connection = dial(&url);
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    assert_eq!((connection.close_code(), connection.close_reason()), (1005, Some("")));
    server.join().unwrap();
}

// RFC 6455 rule 7.1.1-server-closes-tcp
// RFC 6455 rule 5.5.1-tcp
#[test]
fn our_close_waits_for_the_peers_close_and_for_the_end_of_tcp() {
    let (url, server) = serve(|mut peer| {
        assert_eq!(peer.read_close(), (1001, "going".into()));
        peer.frame(0x88, &close_body(1001, ""));
        // The client must not end TCP before us: it is silent until we have.
        peer.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let waited = peer.stream.read(&mut [0]).unwrap_err();
        assert_eq!(waited.kind(), std::io::ErrorKind::WouldBlock);
        peer.finish();
        peer.stream.set_read_timeout(None).unwrap();
        peer.expect_end();
    });
    let connection = dial(&url);
    assert_eq!(connection.close(1001, "going", bound()).unwrap(), Outcome::Done);
    assert_eq!(connection.close_code(), 1001);
    server.join().unwrap();
}

#[test]
fn a_peer_that_keeps_tcp_open_is_shut_out_when_the_time_is_over_and_the_close_was_clean() {
    let (url, server) = serve(|mut peer| {
        peer.read_close();
        peer.frame(0x88, &close_body(1000, ""));
        peer.expect_end();
    });
    let connection = dial(&url);
    let began = Instant::now();
    assert_eq!(connection.close(1000, "", Wait::for_duration(Duration::from_millis(150))).unwrap(), Outcome::Done);
    assert!(began.elapsed() >= Duration::from_millis(140) && began.elapsed() < BOUND);
    server.join().unwrap();
}

#[test]
fn a_peer_that_never_answers_the_close_is_shut_out_when_the_time_is_over() {
    let (url, server) = serve(|mut peer| {
        peer.read_close();
        peer.expect_end();
    });
    let connection = Arc::new(dial(&url));
    let receiver = thread::spawn({
        let connection = Arc::clone(&connection);
        move || connection.recv(&mut Message::new(), Wait::Forever)
    });
    let soon = Wait::for_duration(Duration::from_millis(150));
    assert_eq!(connection.close(1000, "", soon).unwrap(), Outcome::Timeout);
    let failure = receiver.join().unwrap().unwrap_err();
    assert_eq!((failure.code(), failure.close_code()), (Code::Abnormal, 1006));
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Timeout);
    assert_eq!(connection.send(Kind::Text, b"", bound()).unwrap_err().code(), Code::Abnormal);
    assert_eq!(connection.close_code(), 1006);
    server.join().unwrap();
}

#[test]
fn a_receiver_meets_the_answer_to_a_close_from_another_thread() {
    let (inside, is_inside) = mpsc::channel();
    let (url, server) = serve(move |mut peer| {
        // Whoever answers a ping is in recv.
        peer.frame(0x89, b"");
        assert_eq!(peer.read().unwrap().head, 0x8a);
        inside.send(()).unwrap();
        let (code, reason) = peer.read_close();
        peer.frame(0x81, b"on its way");
        peer.frame(0x88, &close_body(code, &reason));
    });
    let connection = Arc::new(dial(&url));
    let receiver = thread::spawn({
        let connection = Arc::clone(&connection);
        move || {
            let message = recv(&connection);
            (message.text().map(str::to_owned), connection.recv(&mut Message::new(), Wait::Forever))
        }
    });
    is_inside.recv().unwrap();
    // Two closers: the second joins the wait of the first.
    let second = thread::spawn({
        let connection = Arc::clone(&connection);
        move || connection.close(1000, "bye", bound())
    });
    assert_eq!(connection.close(1000, "bye", bound()).unwrap(), Outcome::Done);
    assert_eq!(second.join().unwrap().unwrap(), Outcome::Done);
    let (text, end) = receiver.join().unwrap();
    assert_eq!(text.as_deref(), Some("on its way"));
    assert_eq!(end.unwrap(), Outcome::Closed);
    server.join().unwrap();
}

#[test]
fn messages_that_were_whole_before_the_close_stay_for_a_receiver() {
    let (url, server) = serve(|mut peer| {
        peer.raw(&[frame(0x81, b"one"), frame(0x81, b"two"), frame(0x82, b"three"), frame(0x01, b"part")].concat());
        peer.read_close();
        peer.frame(0x80, b"ial");
        peer.frame(0x81, b"late");
        peer.frame(0x88, &close_body(1000, ""));
    });
    let connection = dial(&url);
    assert_eq!(recv(&connection).text(), Some("one"));
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    assert_eq!(recv(&connection).text(), Some("two"));
    assert_eq!(recv(&connection).data(), b"three");
    assert_eq!(connection.recv(&mut Message::new(), bound()).unwrap(), Outcome::Closed);
    server.join().unwrap();
}

// RFC 6455 rule 7.1.7-fail-sends-close
// RFC 6455 rule 7.1.7-close
#[test]
fn every_violation_puts_its_code_on_the_wire_and_is_reported_for_ever_after() {
    let cases: [(&str, Vec<u8>, Code, u16); 15] = [
        ("reserved bit 1", vec![0xc1, 0], Code::ProtocolReservedBit, 1002),
        ("reserved bit 3", vec![0x91, 0], Code::ProtocolReservedBit, 1002),
        ("opcode 3", vec![0x83, 0], Code::ProtocolOpcode, 1002),
        ("opcode 11", vec![0x8b, 0], Code::ProtocolOpcode, 1002),
        ("masked", vec![0x81, 0x81, 1, 2, 3, 4, 5], Code::ProtocolMasked, 1002),
        ("fragmented ping", vec![0x09, 0], Code::ProtocolControlFragment, 1002),
        ("ping of 126", frame(0x89, &[0; 126]), Code::ProtocolControlSize, 1002),
        ("length not minimal", vec![0x82, 126, 0, 1, 7], Code::ProtocolLength, 1002),
        ("length of 64 bits", vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1], Code::ProtocolLength, 1002),
        ("lone continuation", vec![0x80, 0], Code::ProtocolContinuation, 1002),
        ("message in message", vec![0x01, 0, 0x81, 0], Code::ProtocolInterleaved, 1002),
        ("close of one byte", vec![0x88, 1, 3], Code::ProtocolCloseBody, 1002),
        ("close code 1005", frame(0x88, &close_body(1005, "")), Code::ProtocolCloseCode, 1002),
        ("close reason not UTF-8", vec![0x88, 3, 3, 0xe8, 0xff], Code::Utf8, 1007),
        ("text not UTF-8", vec![0x81, 5, b'a', 0xc0], Code::Utf8, 1007),
    ];
    for (name, bytes, code, close_code) in cases {
        let (url, server) = serve(move |mut peer| {
            peer.frame(0x81, b"before");
            peer.raw(&bytes);
            let (code, reason) = peer.read_close();
            assert_eq!(code, close_code);
            assert!(!reason.is_empty() && reason.len() <= 123, "{reason:?}");
            peer.expect_end();
        });
        let connection = dial(&url);
        assert_eq!(recv(&connection).text(), Some("before"), "{name}");
        for _ in 0..2 {
            let failure = connection.recv(&mut Message::new(), bound()).unwrap_err();
            assert_eq!((failure.code(), failure.phase()), (code, Phase::Recv), "{name}: {failure}");
            assert_eq!(failure.close_code(), close_code, "{name}");
        }
        assert_eq!(connection.send(Kind::Text, b"", bound()).unwrap_err().code(), code, "{name}");
        assert_eq!(connection.close(1000, "", bound()).unwrap_err().code(), code, "{name}");
        assert_eq!(connection.close_code(), close_code, "{name}");
        server.join().unwrap_or_else(|_| panic!("{name}: the server's end"));
    }
}

#[test]
fn a_message_over_the_limit_ends_with_1009_before_its_payload_comes() {
    let (url, server) = serve(|mut peer| {
        peer.frame(0x82, &[7; 1000]);
        peer.frame(0x02, &[7; 600]);
        peer.raw(&[0x80, 126, 401u16.to_be_bytes()[0], 401u16.to_be_bytes()[1]]);
        assert_eq!(peer.read_close().0, 1009);
    });
    let mut dialer = Dialer::new();
    dialer.set_max_message(1000);
    let connection = Client::new(dialer).dial(&url, bound()).unwrap();
    assert_eq!(recv(&connection).data(), [7; 1000]);
    let failure = connection.recv(&mut Message::new(), bound()).unwrap_err();
    assert_eq!((failure.code(), failure.close_code()), (Code::LimitMessage, 1009));
    assert!(failure.to_string().contains("1001") && failure.to_string().contains("1000"), "{failure}");
    server.join().unwrap();
}

// RFC 6455 rule 7.1.5-abnormal-1006
// RFC 6455 rule 7.2.1-lost
#[test]
fn an_end_without_a_close_frame_is_abnormal_and_no_part_of_a_message_is_given_out() {
    let (url, server) = serve(|mut peer| peer.raw(&[0x82, 10, 1, 2, 3]));
    let connection = dial(&url);
    let mut message = Message::new();
    let failure = connection.recv(&mut message, bound()).unwrap_err();
    assert_eq!((failure.code(), failure.close_code()), (Code::Abnormal, 1006));
    assert!(message.data().is_empty());
    assert!(failure.to_string().starts_with(url.trim_end_matches('/')), "{failure}");
    assert_eq!(connection.close(1000, "", bound()).unwrap_err().code(), Code::Abnormal);
    server.join().unwrap();
}

#[test]
fn a_receive_that_times_out_in_the_middle_of_a_message_loses_nothing() {
    let (go, gone) = mpsc::channel();
    let (url, server) = serve(move |mut peer| {
        let payload: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let bytes = [frame(0x02, &payload[..100_000]), frame(0x80, &payload[100_000..])].concat();
        for portion in [&bytes[..1], &bytes[1..5], &bytes[5..60_000], &bytes[60_000..100_011], &bytes[100_011..]] {
            gone.recv().unwrap();
            peer.raw(portion);
        }
        gone.recv().unwrap();
    });
    let connection = dial(&url);
    let mut message = Message::new();
    for turn in 0..5 {
        let outcome = connection.recv(&mut message, Wait::for_duration(Duration::from_millis(20))).unwrap();
        assert_eq!((outcome, message.data().len()), (Outcome::Timeout, 0), "turn {turn}");
        assert_eq!(connection.recv(&mut message, Wait::Never).unwrap(), Outcome::Again);
        go.send(()).unwrap();
    }
    assert_eq!(connection.recv(&mut message, bound()).unwrap(), Outcome::Done);
    assert!(message.data().iter().enumerate().all(|(at, &byte)| byte == at as u8));
    assert_eq!(message.data().len(), 200_000);
    go.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn a_second_receiver_is_told_so() {
    let (url, server) = serve(|mut peer| {
        peer.read();
        peer.frame(0x81, b"for the first");
        peer.read_close();
    });
    let connection = Arc::new(dial(&url));
    let (first, second) = (Arc::clone(&connection), Arc::clone(&connection));
    let receiver = thread::spawn(move || {
        let mut message = Message::new();
        // Which of the two is the second is open until one of them is inside for good.
        while first.recv(&mut message, bound()).is_err_and(|error| error.code() == Code::UsageReceiver) {}
        message.text().map(str::to_owned)
    });
    let refused = thread::spawn(move || {
        let mut message = Message::new();
        loop {
            match second.recv(&mut message, Wait::Never) {
                Err(error) => return error.code(),
                Ok(outcome) => assert_eq!(outcome, Outcome::Again),
            }
        }
    });
    assert_eq!(refused.join().unwrap(), Code::UsageReceiver);
    connection.send(Kind::Text, b"go on", bound()).unwrap();
    assert_eq!(receiver.join().unwrap().as_deref(), Some("for the first"));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 6.1-sent
#[test]
fn a_send_that_cannot_leave_is_pending_whole_and_leaves_with_a_flush() {
    let payload: Vec<u8> = (0..16_000_000u32).map(|n| (n / 7) as u8).collect();
    let expected = payload.clone();
    let (go, gone) = mpsc::channel::<()>();
    let (url, server) = serve(move |mut peer| {
        gone.recv().unwrap();
        assert_eq!(peer.read().unwrap().payload, expected);
        let frame = peer.read().unwrap();
        assert_eq!((frame.head, frame.payload.as_slice()), (0x81, &b"behind"[..]));
    });
    let connection = dial(&url);
    let wait = Wait::for_duration(Duration::from_millis(50));
    assert_eq!(connection.send(Kind::Binary, &payload, wait).unwrap(), Outcome::Pending);
    // What is unsent is over the limit, so nothing more is taken.
    assert_eq!(connection.send(Kind::Text, b"not taken", Wait::Never).unwrap(), Outcome::Again);
    let wait = Wait::for_duration(Duration::from_millis(20));
    assert_eq!(connection.send(Kind::Text, b"not taken", wait).unwrap(), Outcome::Timeout);
    assert_eq!(connection.flush(Wait::Never).unwrap(), Outcome::Again);
    go.send(()).unwrap();
    assert_eq!(connection.flush(bound()).unwrap(), Outcome::Done);
    assert_eq!(connection.send(Kind::Text, b"behind", bound()).unwrap(), Outcome::Done);
    server.join().unwrap();
}

#[test]
fn a_receiver_writes_what_a_sender_left_behind() {
    let payload = vec![5; 16_000_000];
    let (go, gone) = mpsc::channel::<()>();
    let (url, server) = serve(move |mut peer| {
        gone.recv().unwrap();
        assert_eq!(peer.read().unwrap().payload.len(), 16_000_000);
        peer.frame(0x81, b"got it");
        peer.read_close();
    });
    let connection = dial(&url);
    let wait = Wait::for_duration(Duration::from_millis(50));
    assert_eq!(connection.send(Kind::Binary, &payload, wait).unwrap(), Outcome::Pending);
    go.send(()).unwrap();
    assert_eq!(recv(&connection).text(), Some("got it"));
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

#[test]
fn a_close_wakes_a_sender_that_the_peer_does_not_read_from() {
    let (go, gone) = mpsc::channel::<()>();
    let (url, server) = serve(move |peer| {
        gone.recv().unwrap();
        drop(peer);
    });
    let connection = Arc::new(dial(&url));
    let (told, answer) = mpsc::channel();
    thread::spawn({
        let connection = Arc::clone(&connection);
        // More than any socket takes.
        move || told.send(connection.send(Kind::Binary, &vec![0; 64 << 20], Wait::Forever))
    });
    while connection.send(Kind::Text, b"", Wait::Never).unwrap() != Outcome::Again {}
    let began = Instant::now();
    let outcome = connection.close(1000, "", Wait::for_duration(Duration::from_millis(200))).unwrap();
    assert_eq!(outcome, Outcome::Timeout);
    let failure = answer.recv_timeout(BOUND).expect("the sender comes back").unwrap_err();
    assert_eq!(failure.code(), Code::Abnormal);
    assert!(began.elapsed() < BOUND);
    go.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn a_flood_of_pings_gets_the_newest_answered_and_stays_bounded() {
    let (url, server) = serve(|mut peer| {
        let mut reader = peer.stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            for n in 0..200_000u32 {
                peer.frame(0x89, &n.to_be_bytes());
            }
            peer.frame(0x81, b"enough");
            peer
        });
        // Reads nothing until all pings are out: the client's answers fill the way back, and it must not mind.
        let peer = writer.join().unwrap();
        let (mut last, mut count, mut bytes) = (0, 0, Vec::<u8>::new());
        reader.set_read_timeout(Some(BOUND)).unwrap();
        while last != 199_999 {
            let mut portion = [0; 65536];
            let n = reader.read(&mut portion).unwrap();
            bytes.extend(&portion[..n]);
            let whole = bytes.len() / 10 * 10;
            for pong in bytes[..whole].chunks(10) {
                assert_eq!(pong[..2], [0x8a, 0x84]);
                let n: Vec<u8> = (0..4).map(|at| pong[6 + at] ^ pong[2 + at]).collect();
                let n = u32::from_be_bytes(n.try_into().unwrap());
                assert!(n >= last, "pongs keep the order of the pings");
                last = n;
                count += 1;
            }
            bytes.drain(..whole);
        }
        assert!(count <= 200_000);
        drop(peer);
    });
    let connection = dial(&url);
    let mut message = Message::new();
    assert_eq!(connection.recv(&mut message, Wait::for_duration(Duration::from_secs(20))).unwrap(), Outcome::Done);
    assert_eq!(message.text(), Some("enough"));
    // The newest pong may be waiting for room: receiving goes on until the server ends.
    assert_eq!(connection.recv(&mut message, bound()).unwrap_err().code(), Code::Abnormal);
    server.join().unwrap();
}

// RFC 6455 rule 5.6-utf8-sent
#[test]
fn what_must_not_be_sent_is_refused_before_anything_is() {
    let (url, server) = serve(|mut peer| {
        let frame = peer.read().unwrap();
        assert_eq!((frame.head, frame.payload.as_slice()), (0x81, &b"only this"[..]));
        peer.read_close();
    });
    let connection = dial(&url);
    let usage = |answer: Result<Outcome, wsdial::Error>| answer.unwrap_err().code();
    assert_eq!(usage(connection.send(Kind::Text, b"\xff", bound())), Code::UsageUtf8);
    assert_eq!(usage(connection.ping(&[0; 126], bound())), Code::UsageControlSize);
    assert_eq!(usage(connection.pong(&[0; 126], bound())), Code::UsageControlSize);
    for code in [1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        assert_eq!(usage(connection.close(code, "", bound())), Code::UsageCloseCode, "{code}");
    }
    assert_eq!(usage(connection.close(1000, &"x".repeat(124), bound())), Code::UsageCloseReason);
    assert_eq!(usage(connection.close(0, "reason without a code", bound())), Code::UsageCloseReason);
    connection.send(Kind::Text, b"only this", bound()).unwrap();
    let _ = connection.close(1000, &"x".repeat(123), Wait::Never);
    server.join().unwrap();
}

// RFC 6455 rule 5.5.1-nothing-after-close
#[test]
fn nothing_follows_our_close_frame_whatever_else_is_asked_for() {
    let (url, server) = serve(|mut peer| {
        assert_eq!(peer.read_close().0, 1000);
        peer.frame(0x89, b"a ping behind it");
        peer.frame(0x81, b"and a message");
        peer.frame(0x88, &close_body(1000, ""));
        peer.finish();
        peer.expect_end();
    });
    let connection = dial(&url);
    let _ = connection.close(1000, "", Wait::Never);
    assert_eq!(connection.send(Kind::Text, b"late", bound()).unwrap(), Outcome::Closed);
    assert_eq!(connection.ping(b"late", bound()).unwrap(), Outcome::Closed);
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    server.join().unwrap();
}

// RFC 6455 rule 5.4-interleaved-sent
#[test]
fn messages_of_several_threads_never_mix() {
    const THREADS: u8 = 4;
    const EACH: usize = 40;
    let (url, server) = serve(|mut peer| {
        let mut counts = [0; THREADS as usize];
        while counts.iter().sum::<usize>() < EACH * usize::from(THREADS) {
            let frame = peer.read().unwrap();
            let sender = frame.payload[0];
            let size = 1 + counts[usize::from(sender)] * 3_777;
            assert_eq!((frame.head, frame.payload.len()), (0x82, size));
            assert!(frame.payload.iter().all(|&byte| byte == sender));
            counts[usize::from(sender)] += 1;
        }
        peer.read_close();
    });
    let connection = dial(&url);
    thread::scope(|scope| {
        for sender in 0..THREADS {
            let connection = &connection;
            scope.spawn(move || {
                for n in 0..EACH {
                    let payload = vec![sender; 1 + n * 3_777];
                    assert_eq!(connection.send(Kind::Binary, &payload, Wait::Forever).unwrap(), Outcome::Done);
                }
            });
        }
    });
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

#[test]
fn a_close_that_never_waits_says_again_until_it_is_done() {
    let (url, server) = serve(|mut peer| {
        peer.read_close();
        peer.frame(0x88, &close_body(1000, ""));
    });
    let connection = dial(&url);
    let began = Instant::now();
    while connection.close(1000, "", Wait::Never).unwrap() == Outcome::Again {
        assert!(began.elapsed() < BOUND);
        thread::yield_now();
    }
    assert_eq!(connection.close(1000, "", Wait::Never).unwrap(), Outcome::Done);
    server.join().unwrap();
}

#[test]
fn a_connection_that_is_dropped_without_a_close_ends_its_stream() {
    let (url, server) = serve(|mut peer| {
        peer.raw(&frame(0x82, &[1; 100_000]));
        peer.stream.flush().unwrap();
        peer.expect_end();
    });
    drop(dial(&url));
    server.join().unwrap();
}
