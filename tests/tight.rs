//! Batches through sockets that hold almost nothing, and messages in fragments by several threads at once over TLS: all
//! come, whole and in order, and nobody's fragment stands between another's.

mod common;
mod raw;

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;

use wsdial::{Batch, Client, Connection, Dialer, Kind, Message, Outcome, Wait};

const MESSAGES: u32 = 1500;

/// The kernel makes the least it can of it.
fn tighten(socket: RawFd) {
    let least: libc::c_int = 1;
    for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the option's value is a living int.
        let result = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const least).cast(), size) };
        assert_eq!(result, 0);
    }
}

/// From nothing to more than the socket holds.
fn data(number: u32) -> Vec<u8> {
    let size = [0, 1, 125, 126, 700, 9000][number as usize % 6];
    let mut data = number.to_be_bytes().to_vec();
    data.resize(4 + size, number as u8);
    data
}

/// What a batch has, checked against what is next.
fn take(batch: &Batch, next: &mut u32) {
    for (kind, got) in batch.iter() {
        assert!(kind == Kind::Binary && got == data(*next), "message {next}");
        *next += 1;
    }
}

/// A peer on the other end of a pair, that agrees and sends back all that comes, then our close.
fn echo(mut stream: UnixStream) {
    raw::agree(&mut stream, b"");
    let mut peer = raw::Peer { stream };
    while let Some(frame) = peer.read() {
        peer.frame(frame.head, &frame.payload);
        if frame.head == 0x88 {
            return;
        }
    }
}

#[test]
fn batches_through_sockets_that_hold_almost_nothing() {
    for waits in [true, false] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        tighten(ours.as_raw_fd());
        tighten(theirs.as_raw_fd());
        let peer = thread::spawn(move || echo(theirs));
        let connection = Client::new(Dialer::new()).dial_socket(ours.into(), "ws://localhost/", raw::bound()).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| send(&connection, waits));
            let (mut batch, mut next) = (Batch::new(), 0);
            while next < MESSAGES {
                assert_eq!(connection.recv_batch(&mut batch, 20_000, 7, raw::bound()).unwrap(), Outcome::Done);
                assert!(batch.len() <= 7);
                take(&batch, &mut next);
            }
        });
        assert_eq!(connection.close(1000, "", raw::bound()).unwrap(), Outcome::Done);
        peer.join().unwrap();
    }
}

/// In batches of any length; where it does not wait, on from what was taken.
fn send(connection: &Connection, waits: bool) {
    let mut number = 0;
    while number < MESSAGES {
        let mut batch = Batch::new();
        let end = MESSAGES.min(number + 1 + number % 97);
        (number..end).for_each(|number| batch.push(Kind::Binary, &data(number)));
        let mut taken = 0;
        while taken < batch.len() {
            let wait = if waits { raw::bound() } else { Wait::Never };
            match connection.send_batch(&batch, &mut taken, wait).unwrap() {
                Outcome::Done | Outcome::Pending => assert_eq!(taken, batch.len()),
                Outcome::Again if !waits => assert_ne!(connection.flush(raw::bound()).unwrap(), Outcome::Closed),
                other => panic!("send_batch answered {other:?}"),
            }
        }
        number = end;
    }
    // A receiver that slept before the last bytes were put in does not see to them: their sender does.
    while connection.flush(raw::bound()).unwrap() != Outcome::Done {}
}

/// Two threads whose messages are in three fragments each, one whose are whole: each comes as it was sent, and each sender's
/// in its order. Those who send in fragments take turns, for a message in fragments is the connection's; whole ones need no
/// such care.
#[test]
fn fragments_by_several_threads_over_tls() {
    const EACH: u32 = 200;
    let server = common::server::start();
    let mut dialer = Dialer::new();
    dialer.use_system_roots(false);
    dialer.add_ca_file(&server.ca).unwrap();
    let connection = Client::new(dialer).dial(&format!("{}/echo", server.wss), raw::bound()).unwrap();
    let turns = Mutex::new(());
    let message = |sender: u32, number: u32| [&sender.to_be_bytes()[..], &data(number)].concat();
    thread::scope(|scope| {
        for sender in 0..3 {
            let (connection, turns) = (&connection, &turns);
            scope.spawn(move || {
                for number in 0..EACH {
                    let data = message(sender, number);
                    if sender == 2 {
                        assert_eq!(connection.send(Kind::Binary, &data, raw::bound()).unwrap(), Outcome::Done);
                        continue;
                    }
                    let _turn = turns.lock().unwrap();
                    let (first, rest) = data.split_at(data.len() / 3);
                    let (second, third) = rest.split_at(rest.len() / 2);
                    for (part, is_final) in [(first, false), (second, false), (third, true)] {
                        let outcome = connection.send_fragment(Kind::Binary, part, is_final, raw::bound());
                        assert_eq!(outcome.unwrap(), Outcome::Done);
                    }
                }
            });
        }
        let (mut got, mut next) = (Message::new(), BTreeMap::new());
        for _ in 0..3 * EACH {
            assert_eq!(connection.recv(&mut got, raw::bound()).unwrap(), Outcome::Done);
            let sender = u32::from_be_bytes(*got.data().first_chunk().unwrap());
            let number = next.entry(sender).or_insert(0);
            assert!(got.data() == message(sender, *number), "message {number} of {sender}");
            *number += 1;
        }
        assert!(next.into_values().eq([EACH; 3]));
    });
    assert_eq!(connection.close(1000, "", raw::bound()).unwrap(), Outcome::Done);
}
