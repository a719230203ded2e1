//! The lock rules of `docs/threads.md`, explored: the real client over a modelled socket (`net/stream_model.rs`), each
//! step of its locks, conditions and atomics a turn of shuttle's scheduler, which picks at random or by priorities (PCT).
//! A schedule in which everybody waits is a deadlock, and fails; so does one that never ends.
//!
//! Time stands still where a scenario says so: every timed wait is endless then, so nothing is saved by a timeout. Else
//! any timed wait may run out at any turn.
//!
//! Faults that were put in, one at a time, and what found them within 2,000 schedules:
//!
//! - `leave_tx` lets go of `tx` before it takes `link`: deadlock, the last pong stays inside
//!   (`every_message_and_the_newest_pong_get_out_past_stuck_senders`);
//! - `read_socket` sleeps without `settle`: the reader spins and nothing leaves (four scenarios, by the bound on steps);
//! - `leave_rx` without its look at `waiters`: deadlock, the closer sleeps on (three scenarios,
//!   `a_closer_takes_over_from_a_receiver_that_leaves` first).
//!
//! `cargo test --features model --lib model::` runs 200 schedules of each scenario; `WSDIAL_MODEL=10000` so many.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Arc;
use shuttle::{Config, MaxSteps, Runner, thread};

use super::connection::{Connection, Outcome};
use super::open::Trip;
use crate::dialer::Dialer;
use crate::headers::Headers;
use crate::net::stream::{Peer, chance, pair};
use crate::protocol::handshake::{Agreed, Handshake};
use crate::protocol::message::{Kind, Message};
use crate::target::Target;
use crate::wait::Wait;

const PING: u8 = 9;
const PONG: u8 = 10;
const CLOSE: u8 = 8;
/// Beside the opcode of a frame that is not the last of its message.
const MORE: u8 = 0x80;

/// Runs `scenario` under both schedulers; a timed wait's turn is its last with a chance of one in `one_in`, 0 for never.
fn explore(one_in: u32, scenario: fn()) {
    let count = std::env::var("WSDIAL_MODEL").ok().and_then(|count| count.parse().ok()).unwrap_or(200);
    let mut config = Config::new();
    config.stack_size = 512 * 1024;
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.silence_warnings = true;
    let run = move || {
        chance::set(one_in);
        scenario();
    };
    Runner::new(RandomScheduler::new(count / 2), config.clone()).run(run);
    Runner::new(PctScheduler::new(4, count - count / 2), config).run(run);
}

/// An open connection with room for `capacity` bytes each way, and its peer.
fn connected(capacity: usize) -> (Arc<Connection>, Peer) {
    let dialer = Dialer::default();
    let target = Target::parse("ws://model/").expect("a target");
    let handshake = Handshake::new(&target, &dialer, [0; 16], None).expect("a request");
    let (stream, peer) = pair(capacity);
    let mut connection = Connection::new(stream, Trip::direct(None, handshake), &dialer, &target, None);
    connection.rx.get_mut().opening = None;
    assert!(
        connection.agreed.set(Box::new(Agreed { subprotocol: None, headers: Headers::new(), deflate: None })).is_ok()
    );
    (Arc::new(connection), peer)
}

/// What the client sends, frame by frame; every frame must be whole and masked.
struct Frames<'a>(&'a Peer, Vec<u8>);

impl Frames<'_> {
    /// The next frame's opcode and payload; `None` at the end of the stream.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [first, second, rest @ ..] = &self.1[..] {
                let len = usize::from(second & 0x7f);
                assert!(first & 0x70 == 0 && second & 0x80 != 0 && len < 126, "no frame begins so: {:?}", self.1);
                if let Some(masked) = rest.get(4..4 + len) {
                    let payload = masked.iter().enumerate().map(|(i, byte)| byte ^ rest[i % 4]).collect();
                    let opcode = first & 15 | if first & 0x80 == 0 { MORE } else { 0 };
                    let known = [0, 1, 2, MORE, MORE | 1, MORE | 2, CLOSE, PING, PONG];
                    assert!(known.contains(&opcode), "opcode {opcode}");
                    self.1.drain(..6 + len);
                    return Some((opcode, payload));
                }
            }
            let mut some = [0; 16];
            match self.0.read(&mut some) {
                0 => return None,
                n => self.1.extend_from_slice(&some[..n]),
            }
        }
    }

    /// Up to the frame that `is_last` finds, which must come. Nothing may come behind a close frame.
    fn until(&mut self, mut is_last: impl FnMut(u8, &[u8]) -> bool) {
        while let Some((opcode, payload)) = self.next() {
            if is_last(opcode, &payload) {
                return;
            }
        }
        panic!("the stream ended first");
    }
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, payload.len() as u8], payload].concat()
}

fn receiver(client: &Arc<Connection>, wait: fn() -> Wait) -> thread::JoinHandle<Vec<Vec<u8>>> {
    let client = Arc::clone(client);
    thread::spawn(move || {
        let (mut messages, mut message) = (Vec::new(), Message::new());
        loop {
            match client.recv(&mut message, wait()) {
                Ok(Outcome::Done) => messages.push(message.data().to_vec()),
                Ok(Outcome::Closed) | Err(_) => return messages,
                Ok(Outcome::Timeout) => {}
                other => panic!("{other:?}"),
            }
        }
    })
}

/// Sends `count` messages of 20 bytes that begin with `name`; says how many were taken.
fn sender(client: &Arc<Connection>, name: u8, count: u8, wait: Wait) -> thread::JoinHandle<usize> {
    let client = Arc::clone(client);
    thread::spawn(move || {
        let mut taken = 0;
        for number in 0..count {
            let mut data = [0; 20];
            (data[0], data[1]) = (name, number);
            match client.send(Kind::Binary, &data, wait) {
                Ok(Outcome::Done | Outcome::Pending) => taken += 1,
                Ok(Outcome::Again | Outcome::Timeout) => {}
                Ok(Outcome::Closed) | Err(_) => return taken,
                other => panic!("{other:?}"),
            }
        }
        taken
    })
}

fn closer(client: &Arc<Connection>, wait: Wait) -> thread::JoinHandle<Result<Outcome, crate::Error>> {
    let client = Arc::clone(client);
    thread::spawn(move || client.close(1000, "", wait))
}

fn forever() -> Wait {
    Wait::Forever
}

/// Reads until the close frame, answers it and ends the stream.
fn answer_close(peer: &Peer) {
    Frames(peer, Vec::new()).until(|opcode, _| opcode == CLOSE);
    peer.write(&frame(CLOSE, &[3, 232]));
    peer.close();
}

#[test]
fn two_senders_a_receiver_and_a_closer_all_end() {
    explore(0, || {
        let (client, peer) = connected(16);
        let threads = [sender(&client, 1, 2, Wait::Forever), sender(&client, 2, 2, Wait::Forever)];
        let (receiver, closer) = (receiver(&client, forever), closer(&client, Wait::Forever));
        let peer = thread::spawn(move || {
            for number in 0..3 {
                peer.write(&frame(PING, &[number; 9]));
                peer.write(&frame(2, &[number; 5]));
            }
            answer_close(&peer);
        });
        assert_eq!(closer.join().unwrap().unwrap(), Outcome::Done);
        let _ = threads.map(|thread| thread.join().unwrap());
        receiver.join().unwrap();
        peer.join().unwrap();
    });
}

/// The peer reads nothing until it has written, which the client must read on for while its senders are stuck.
#[test]
fn every_message_and_the_newest_pong_get_out_past_stuck_senders() {
    explore(0, || {
        let (client, peer) = connected(16);
        let threads = [sender(&client, 1, 2, Wait::Forever), sender(&client, 2, 2, Wait::Forever)];
        let receiver = receiver(&client, forever);
        for number in 0..4 {
            assert!(peer.write(&frame(PING, &[number; 6])));
        }
        let (mut newest, mut seen) = (0, [0; 3]);
        let mut frames = Frames(&peer, Vec::new());
        frames.until(|opcode, payload| {
            match opcode {
                PONG => {
                    assert!(payload[0] >= newest, "an older pong behind a newer one");
                    newest = payload[0];
                }
                _ => {
                    assert_eq!((opcode, payload.len(), payload[1]), (2, 20, seen[usize::from(payload[0])]));
                    seen[usize::from(payload[0])] += 1;
                }
            }
            newest == 3 && seen == [0, 2, 2]
        });
        assert!(peer.write(&frame(CLOSE, &[3, 232])));
        frames.until(|opcode, _| opcode == CLOSE);
        peer.close();
        let _ = threads.map(|thread| assert_eq!(thread.join().unwrap(), 2));
        receiver.join().unwrap();
    });
}

/// What callers who do not wait leave inside, a reader who sleeps gets out.
#[test]
fn a_sleeping_reader_sends_what_others_left() {
    explore(0, || {
        let (client, peer) = connected(16);
        let sender = sender(&client, 1, 2, Wait::Never);
        let other = Arc::clone(&client);
        let pinger =
            thread::spawn(move || matches!(other.ping(b"abc", Wait::Never), Ok(Outcome::Done | Outcome::Pending)));
        assert!(peer.write(&frame(PING, b"zz")));
        let (taken, pinged) = (sender.join().unwrap(), pinger.join().unwrap());
        let receiver = receiver(&client, forever);
        let mut left = [taken, usize::from(pinged), 1];
        let mut frames = Frames(&peer, Vec::new());
        frames.until(|opcode, _| {
            match opcode {
                2 => left[0] -= 1,
                PING => left[1] -= 1,
                _ => left[2] -= 1,
            }
            left == [0; 3]
        });
        assert!(peer.write(&frame(CLOSE, &[])));
        frames.until(|opcode, _| opcode == CLOSE);
        peer.close();
        receiver.join().unwrap();
    });
}

/// Without a reader the bytes are the flusher's.
#[test]
fn flush_waits_for_everything() {
    explore(0, || {
        let (client, peer) = connected(16);
        let threads = [sender(&client, 1, 2, Wait::Never), sender(&client, 2, 2, Wait::Never)];
        let peer = thread::spawn(move || {
            let (mut frames, mut count) = (Frames(&peer, Vec::new()), 0);
            while frames.next().is_some() {
                count += 1;
            }
            assert!(frames.1.is_empty(), "a part of a frame");
            count
        });
        let taken: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
        assert_eq!(client.flush(Wait::Forever).unwrap(), Outcome::Done);
        drop(client);
        assert_eq!(peer.join().unwrap(), taken);
    });
}

#[test]
fn two_closers_and_a_receiver_agree() {
    explore(0, || {
        let (client, peer) = connected(8);
        let closers = [closer(&client, Wait::Forever), closer(&client, Wait::Forever)];
        let receiver = receiver(&client, forever);
        peer.write(&frame(2, b"message"));
        answer_close(&peer);
        let _ = closers.map(|closer| assert_eq!(closer.join().unwrap().unwrap(), Outcome::Done));
        receiver.join().unwrap();
    });
}

/// A receiver whose call ends hands `rx` to the closer who waits for it.
#[test]
fn a_closer_takes_over_from_a_receiver_that_leaves() {
    explore(0, || {
        let (client, peer) = connected(16);
        let other = Arc::clone(&client);
        let once = thread::spawn(move || {
            let mut message = Message::new();
            matches!(other.recv(&mut message, Wait::Forever), Ok(Outcome::Done | Outcome::Closed))
        });
        let closer = closer(&client, Wait::Forever);
        assert!(peer.write(&frame(2, b"one")));
        answer_close(&peer);
        assert_eq!(closer.join().unwrap().unwrap(), Outcome::Done);
        assert!(once.join().unwrap());
    });
}

#[test]
fn stuck_senders_come_back_when_the_peer_goes() {
    explore(0, || {
        let (client, peer) = connected(8);
        let threads = [sender(&client, 1, 3, Wait::Forever), sender(&client, 2, 3, Wait::Forever)];
        let receiver = receiver(&client, forever);
        peer.write(&frame(PING, b"ab"));
        peer.close();
        let _ = threads.map(|thread| thread.join().unwrap());
        receiver.join().unwrap();
    });
}

/// The peer neither reads nor writes: time alone ends it, and the closer frees everybody.
#[test]
fn a_closer_in_time_frees_everybody_from_a_dead_peer() {
    explore(20, || {
        let (client, _peer) = connected(8);
        let threads = [sender(&client, 1, 2, Wait::Forever), sender(&client, 2, 2, Wait::Forever)];
        let receiver = receiver(&client, forever);
        let limit = Wait::for_duration(std::time::Duration::from_secs(1));
        let answer = closer(&client, limit).join().unwrap();
        assert!(matches!(answer, Ok(Outcome::Timeout) | Err(_)), "{answer:?}");
        let _ = threads.map(|thread| thread.join().unwrap());
        receiver.join().unwrap();
    });
}

/// The peer closes and reads no more while senders are stuck: the receiver that learns of it frees them, within the
/// close limit.
#[test]
fn the_peers_close_frees_stuck_senders() {
    explore(20, || {
        let (client, peer) = connected(8);
        let threads = [sender(&client, 1, 3, Wait::Forever), sender(&client, 2, 3, Wait::Forever)];
        let receiver = receiver(&client, forever);
        peer.write(&frame(CLOSE, &[3, 232]));
        let _ = threads.map(|thread| thread.join().unwrap());
        receiver.join().unwrap();
    });
}

/// Any wait may run out at any time; what was taken arrives, and everybody ends.
#[test]
fn timeouts_lose_nothing() {
    explore(6, || {
        let (client, peer) = connected(16);
        let soon = Wait::for_duration(std::time::Duration::from_millis(1));
        let threads = [sender(&client, 1, 3, soon), sender(&client, 2, 3, soon)];
        let receiver = receiver(&client, || Wait::for_duration(std::time::Duration::from_millis(1)));
        let peer = thread::spawn(move || {
            assert!(peer.write(&frame(PING, &[7; 9])));
            assert!(peer.write(&frame(2, &[8; 40])));
            let (mut count, mut ponged) = (0, false);
            let mut frames = Frames(&peer, Vec::new());
            frames.until(|opcode, payload| {
                count += usize::from(opcode == 2 && payload.len() == 20);
                ponged |= opcode == PONG;
                opcode == 1
            });
            while !ponged {
                let (opcode, _) = frames.next().expect("the pong is owed");
                ponged = opcode == PONG;
            }
            assert!(peer.write(&frame(CLOSE, &[3, 232])));
            frames.until(|opcode, _| opcode == CLOSE);
            peer.close();
            count
        });
        let taken: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
        while client.send(Kind::Text, b"last", Wait::Forever).unwrap() != Outcome::Done {}
        assert_eq!(peer.join().unwrap(), taken);
        assert_eq!(receiver.join().unwrap(), [vec![8; 40]]);
    });
}

/// `process` beside senders who hold `tx`: it goes away, and the holder leaves nothing behind.
#[test]
fn process_beside_a_busy_sender_leaves_nothing_owed() {
    explore(0, || {
        let (client, peer) = connected(16);
        let sender = sender(&client, 1, 2, Wait::Forever);
        assert!(peer.write(&frame(PING, &[1; 6])));
        let other = Arc::clone(&client);
        let looper = thread::spawn(move || {
            // The ping is in the socket: one call meets it.
            other.process()
        });
        assert!(looper.join().unwrap().is_ok());
        let peer = thread::spawn(move || {
            let mut left = 3;
            Frames(&peer, Vec::new()).until(|_, _| {
                left -= 1;
                left == 0
            });
        });
        assert_eq!(sender.join().unwrap(), 2);
        assert_eq!(client.flush(Wait::Forever).unwrap(), Outcome::Done);
        peer.join().unwrap();
    });
}

/// Sends a message in `count` fragments of four bytes, and says whether it ended.
fn fragmenter(client: &Arc<Connection>, name: u8, count: u8, wait: Wait) -> thread::JoinHandle<bool> {
    let client = Arc::clone(client);
    thread::spawn(move || {
        let mut number = 0;
        while number < count {
            match client.send_fragment(Kind::Binary, &[name, number, 0, 0], number + 1 == count, wait) {
                Ok(Outcome::Done | Outcome::Pending) => number += 1,
                Ok(Outcome::Timeout) => {}
                Ok(Outcome::Closed) | Err(_) => return false,
                other => panic!("{other:?}"),
            }
        }
        true
    })
}

/// Checks the frames of one fragmented message and of whole ones: nothing but control frames is between the fragments.
struct Order {
    next: u8,
    whole: u8,
}

impl Order {
    fn see(&mut self, opcode: u8, payload: &[u8]) {
        match opcode {
            PING | PONG | CLOSE => return,
            2 if payload.len() == 20 => {
                assert_eq!(self.next, 0, "a message between two fragments");
                self.whole += 1;
                return;
            }
            _ => {}
        }
        assert_eq!((payload[1], opcode & 15), (self.next, if self.next == 0 { 2 } else { 0 }));
        self.next = if opcode & MORE != 0 { self.next + 1 } else { 0 };
    }
}

/// Senders of whole messages wait for the end of a message in fragments, and go on then; a pong goes between.
#[test]
fn senders_wait_until_a_fragmented_message_ends() {
    explore(0, || {
        let (client, peer) = connected(16);
        let fragments = fragmenter(&client, 9, 3, Wait::Forever);
        let threads = [sender(&client, 1, 2, Wait::Forever), sender(&client, 2, 1, Wait::Forever)];
        let receiver = receiver(&client, forever);
        assert!(peer.write(&frame(PING, b"abc")));
        let (mut order, mut ponged, mut ended) = (Order { next: 0, whole: 0 }, false, false);
        let mut frames = Frames(&peer, Vec::new());
        frames.until(|opcode, payload| {
            order.see(opcode, payload);
            ponged |= opcode == PONG;
            ended |= opcode == 0;
            ponged && ended && order.whole == 3
        });
        assert!(peer.write(&frame(CLOSE, &[3, 232])));
        frames.until(|opcode, _| opcode == CLOSE);
        peer.close();
        assert!(fragments.join().unwrap());
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [2, 1]);
        receiver.join().unwrap();
    });
}

/// A message that nobody ends, or that somebody ends at that moment, and a closer: everybody comes back.
#[test]
fn a_closer_frees_who_waits_for_an_abandoned_message() {
    explore(0, || {
        let (client, peer) = connected(16);
        assert_eq!(client.send_fragment(Kind::Binary, &[9, 0, 0, 0], false, Wait::Forever).unwrap(), Outcome::Done);
        let threads = [sender(&client, 1, 1, Wait::Forever), sender(&client, 2, 1, Wait::Forever)];
        let other = Arc::clone(&client);
        let last = thread::spawn(move || other.send_fragment(None, &[9, 1, 0, 0], true, Wait::Forever).unwrap());
        let closer = closer(&client, Wait::Forever);
        let mut order = Order { next: 0, whole: 0 };
        Frames(&peer, Vec::new()).until(|opcode, payload| {
            order.see(opcode, payload);
            opcode == CLOSE
        });
        peer.write(&frame(CLOSE, &[3, 232]));
        peer.close();
        assert_eq!(closer.join().unwrap().unwrap(), Outcome::Done);
        assert!(matches!(last.join().unwrap(), Outcome::Done | Outcome::Closed));
        let _ = threads.map(|thread| thread.join().unwrap());
    });
}

/// The peer's close, or its end, does the same.
#[test]
fn the_peers_end_frees_who_waits_for_an_abandoned_message() {
    for end in [frame(CLOSE, &[3, 232]), Vec::new()] {
        static END: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());
        END.lock().unwrap().clone_from(&end);
        explore(0, || {
            let (client, peer) = connected(16);
            assert_eq!(client.send_fragment(Kind::Binary, &[9], false, Wait::Forever).unwrap(), Outcome::Done);
            let sender = sender(&client, 1, 1, Wait::Forever);
            let receiver = receiver(&client, forever);
            let end = END.lock().unwrap().clone();
            if !end.is_empty() {
                assert!(peer.write(&end));
            }
            peer.close();
            assert_eq!(sender.join().unwrap(), 0);
            receiver.join().unwrap();
        });
    }
}

/// Waits that run out lose nothing and leave the order as it was.
#[test]
fn timeouts_around_a_fragmented_message_lose_nothing() {
    explore(6, || {
        let (client, peer) = connected(16);
        let soon = Wait::for_duration(std::time::Duration::from_millis(1));
        let fragments = fragmenter(&client, 9, 3, soon);
        let sender = sender(&client, 1, 2, soon);
        let receiver = receiver(&client, || Wait::for_duration(std::time::Duration::from_millis(1)));
        let peer = thread::spawn(move || {
            let mut order = Order { next: 0, whole: 0 };
            let mut frames = Frames(&peer, Vec::new());
            frames.until(|opcode, payload| {
                if opcode != 1 {
                    order.see(opcode, payload);
                }
                opcode == 1
            });
            assert!(peer.write(&frame(CLOSE, &[3, 232])));
            frames.until(|opcode, _| opcode == CLOSE);
            peer.close();
            order.whole
        });
        assert!(fragments.join().unwrap());
        let taken = sender.join().unwrap();
        while client.send(Kind::Text, b"last", Wait::Forever).unwrap() != Outcome::Done {}
        assert_eq!(usize::from(peer.join().unwrap()), taken);
        receiver.join().unwrap();
    });
}
