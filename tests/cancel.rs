//! Cancel tokens: over every phase of a dial and every waiting call, fired by another thread and in a signal handler;
//! and cancelling and closing at the same time as everything else, ten thousand times.

#[path = "scheduler/session.rs"]
#[allow(dead_code)]
mod session;

mod raw;
mod waits;

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use raw::{Peer, agree, bound, dial, frame, serve};
use session::Random;
use waits::{Around, CALLS, DIALS, Dog, LONG, run};
use wsdial::{Cancel, Client, Code, Dialer, Kind, Message, Outcome, Wait};

fn token() -> Arc<Cancel> {
    Arc::new(Cancel::new().unwrap())
}

/// Fires a little after the wait has begun, and makes the token as new behind it.
fn every_wait(fire: impl Fn() + Send + Sync + 'static, token: &Arc<Cancel>, wait: Wait) {
    let fire = Arc::new(fire);
    let client = Client::new(Dialer::new()).with_cancel(Some(Arc::clone(token)));
    for (name, stage) in DIALS.into_iter().chain(CALLS) {
        // At once, in between, and when the wait has certainly begun.
        for delay in [0, 1, 30] {
            let begin = || {
                let fire = Arc::clone(&fire);
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(delay));
                    fire();
                });
            };
            let end = || {
                assert!(token.is_fired());
                token.reset();
            };
            let (end, took) = run(name, stage, &client, &|| wait, &Around { begin: &begin, end: &end });
            assert_eq!(end, "Cancelled", "{name}");
            assert!(took < LONG / 4, "{name} took {took:?}");
        }
    }
}

#[test]
fn a_token_ends_every_wait_from_another_thread() {
    let token = token();
    let fired = Arc::clone(&token);
    every_wait(move || fired.fire(), &token, Wait::Forever);
}

static IN_HANDLER: AtomicPtr<Cancel> = AtomicPtr::new(ptr::null_mut());

extern "C" fn fire_in_handler(_: libc::c_int) {
    // SAFETY: the token lives until the end of the test that set it.
    if let Some(token) = unsafe { IN_HANDLER.load(Ordering::SeqCst).as_ref() } {
        token.fire();
    }
}

#[test]
fn a_token_ends_every_wait_from_a_signal_handler() {
    let token = token();
    IN_HANDLER.store(Arc::as_ptr(&token).cast_mut(), Ordering::SeqCst);
    // SAFETY: the handler fires a token, which is one store and one write(2).
    let thread = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = fire_in_handler as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()), 0);
        libc::pthread_self() as usize
    };
    // SAFETY: the thread is the test's own, which waits.
    let interrupt = move || assert_eq!(unsafe { libc::pthread_kill(thread as libc::pthread_t, libc::SIGUSR1) }, 0);
    every_wait(interrupt, &token, Wait::for_duration(10 * LONG));
    IN_HANDLER.store(ptr::null_mut(), Ordering::SeqCst);
}

#[test]
fn a_fired_token_ends_what_begins_later_but_not_what_never_waits() {
    let (url, server) = serve(|mut peer| while peer.read().is_some() {});
    let (connection, token) = (dial(&url), token());
    connection.set_cancel(Some(Arc::clone(&token)));
    token.fire();
    let mut message = Message::new();
    assert_eq!(connection.recv(&mut message, Wait::Forever).unwrap(), Outcome::Cancelled);
    assert_eq!(connection.send(Kind::Text, b"no", Wait::Forever).unwrap(), Outcome::Cancelled);
    assert_eq!(connection.send(Kind::Text, b"yes", Wait::Never).unwrap(), Outcome::Done);
    assert_eq!(connection.recv(&mut message, Wait::Never).unwrap(), Outcome::Again);
    let client = Client::new(Dialer::new()).with_cancel(Some(Arc::clone(&token)));
    assert_eq!(client.dial(&url, bound()).unwrap_err().code(), Code::Cancelled);
    drop(connection);
    server.join().unwrap();
}

/// What the races are between.
const CALLS_AT_ONCE: usize = 9;

/// A server that answers whatever comes, on every connection, until it ends.
fn answering() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                agree(&mut stream, &frame(0x89, b"!"));
                answer(&mut Peer { stream });
            });
        }
    });
    url
}

/// Each of the client's messages with a ping and the message; a close with a close. The client may go at any time.
fn answer(peer: &mut Peer) {
    use std::io::Write;
    loop {
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| peer.read()));
        let Ok(Some(came)) = read else { return };
        let answer = match came.head {
            0x88 => frame(0x88, &came.payload),
            0x81 | 0x82 => [frame(0x89, b"?"), frame(came.head, &came.payload)].concat(),
            _ => continue,
        };
        if peer.stream.write_all(&answer).is_err() {
            return;
        }
        if came.head == 0x88 {
            let _ = peer.stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Every call while another thread fires, resets and at last closes: each comes back, and what was begun ends.
#[test]
fn cancelling_and_closing_race_with_every_call_ten_thousand_times() {
    let url = answering();
    let races = std::env::var("WSDIAL_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let seed = std::env::var("WSDIAL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let at = Arc::new(AtomicUsize::new(0));
    let _dog = Dog::new(format!("a race with seed {seed}"), Duration::from_secs(240));
    let threads: Vec<_> = (0..2)
        .map(|half| {
            let (url, at) = (url.clone(), Arc::clone(&at));
            thread::spawn(move || {
                let token = token();
                let client = Client::new(Dialer::new()).with_cancel(Some(Arc::clone(&token)));
                let mut random = Random::new(seed * 2 + half);
                while at.fetch_add(1, Ordering::SeqCst) < races {
                    race(&client, &token, &url, &mut random);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn race(client: &Client, token: &Cancel, url: &str, random: &mut Random) {
    let connection = client.dial(url, Wait::Forever).expect("nobody cancels a dial here");
    let call = random.below(CALLS_AT_ONCE);
    let (closes, fires, pause) = (!random.one_in(3), random.one_in(2), random.below(200));
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut message = Message::new();
            let data = [b'x'; 3000];
            match call {
                0 => drop(connection.recv(&mut message, Wait::Forever)),
                1 => drop(connection.send(Kind::Binary, &data, Wait::Forever)),
                2 => drop(connection.flush(Wait::Forever)),
                3 => drop(connection.ping(b"", Wait::Forever)),
                4 => drop(connection.close(1001, "", Wait::Forever)),
                5 => drop(connection.process()),
                6 => drop((connection.wants(), connection.timeout(), connection.recv(&mut message, Wait::Never))),
                7 => drop(connection.recv(&mut message, Wait::for_duration(Duration::from_millis(1)))),
                _ => {
                    let _ = connection.send(Kind::Text, b"y", Wait::Forever);
                    let _ = connection.recv(&mut message, Wait::Forever);
                }
            }
        });
        for _ in 0..pause {
            std::hint::spin_loop();
        }
        if fires || !closes {
            token.fire();
        }
        if closes {
            let answer = connection.close(1000, "", Wait::Forever);
            assert!(matches!(answer, Ok(Outcome::Done | Outcome::Cancelled)), "{answer:?}");
        }
        caller.join().unwrap();
    });
    token.reset();
    // After all of that it still closes as it should.
    assert_eq!(connection.close(1000, "", bound()).expect("a clean end"), Outcome::Done, "call {call}");
    assert!(matches!(connection.close_code(), 1000 | 1001));
}
