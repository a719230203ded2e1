//! Servers that send faster than a client reads: no wait ever begins, and still every call ends in its time.

mod raw;

use std::time::{Duration, Instant};

use raw::{Peer, dial, frame, serve};
use wsdial::{Connection, Message, Outcome, Wait};

/// How long the server goes on: a call that is kept by it takes at least as long.
const SERVED: Duration = Duration::from_secs(6);

/// The patience of a call that has some.
const PATIENCE: Duration = Duration::from_millis(200);

/// What a call may take here, busy machines included.
const BOUND: Duration = Duration::from_secs(3);

/// Asserts how a call ends, in time, on a connection whose server sends `head` first and `block` again and again.
fn assert_ends(head: &[u8], piece: &[u8], expected: Outcome, call: impl Fn(&Connection) -> Outcome) {
    let (head, block) = (head.to_vec(), piece.repeat((1 << 20) / piece.len()));
    let (url, server) = serve(move |mut peer: Peer| {
        use std::io::Write;
        let begun = Instant::now();
        let mut sent = peer.stream.write_all(&head);
        peer.stream.set_write_timeout(Some(SERVED)).unwrap();
        while sent.is_ok() && begun.elapsed() < SERVED {
            sent = peer.stream.write_all(&block);
        }
    });
    let connection = dial(&url);
    let begun = Instant::now();
    assert_eq!(call(&connection), expected);
    assert!(begun.elapsed() < BOUND, "it took {:?}", begun.elapsed());
    drop(connection);
    server.join().unwrap();
}

fn recv(connection: &Connection, wait: Wait) -> Outcome {
    connection.recv(&mut Message::new(), wait).unwrap()
}

#[test]
fn a_receive_ends_in_its_time_under_control_frames_without_end() {
    for head in [0x8a, 0x89] {
        let flood = frame(head, &[7; 100]);
        assert_ends(b"", &flood, Outcome::Timeout, |connection| recv(connection, Wait::for_duration(PATIENCE)));
        assert_ends(b"", &flood, Outcome::Again, |connection| recv(connection, Wait::Never));
    }
}

#[test]
fn a_receive_ends_in_its_time_under_empty_fragments_without_end() {
    let (first, flood) = (frame(0x02, b"begun"), frame(0x00, b""));
    assert_ends(&first, &flood, Outcome::Timeout, |connection| recv(connection, Wait::for_duration(PATIENCE)));
    assert_ends(&first, &flood, Outcome::Again, |connection| recv(connection, Wait::Never));
}

#[test]
fn a_close_ends_in_its_time_under_messages_without_end() {
    for flood in [frame(0x82, b"x"), frame(0x82, &[7; 60_000])] {
        let close = |connection: &Connection, wait| connection.close(1000, "", wait).unwrap();
        assert_ends(b"", &flood, Outcome::Timeout, |connection| close(connection, Wait::for_duration(PATIENCE)));
        assert_ends(b"", &flood, Outcome::Again, |connection| close(connection, Wait::Never));
    }
}
