//! The same sessions by calls that wait, by calls that are broken off, by calls that never wait and over memory, through
//! sockets that take little at a time: the same frames on the wire and the same messages and ends, whatever the timing.
//!
//! `WSDIAL_SEED=n` runs one session, `WSDIAL_SESSIONS=n` so many.

#[path = "scheduler/drivers.rs"]
mod drivers;
#[path = "scheduler/memory.rs"]
mod memory;
#[path = "scheduler/peer.rs"]
mod peer;
#[path = "common/puff.rs"]
mod puff;
mod raw;
#[path = "scheduler/session.rs"]
mod session;

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use session::{Log, Random, Session};
use wsdial::{Client, Dialer};

type Driver = fn(&Client, UnixStream, &str, &Session, Random) -> Log;

/// No session takes longer, on the slowest machine.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn blocking_calls() {
    run("blocking", drivers::blocking, false, 150);
}

#[test]
fn broken_off_calls() {
    run("broken off", drivers::impatient, false, 100);
}

#[test]
fn calls_that_never_wait() {
    run("polling", drivers::polling, false, 150);
}

#[test]
fn memory() {
    run("memory", memory::memory, false, 150);
}

#[test]
fn memory_and_tls() {
    run("memory", memory::memory, true, 40);
}

#[test]
fn blocking_calls_over_tls() {
    run("blocking", drivers::blocking, true, 40);
}

#[test]
fn broken_off_calls_over_tls() {
    run("broken off", drivers::impatient, true, 40);
}

#[test]
fn calls_that_never_wait_over_tls() {
    run("polling", drivers::polling, true, 40);
}

fn run(name: &'static str, driver: Driver, secure: bool, sessions: u64) {
    let is_interrupted = name == "broken off";
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("WSDIAL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("WSDIAL_SESSIONS").unwrap_or(sessions),
    };
    let mut dialer = Dialer::new();
    dialer.add_ca_pem(peer::identity().0.as_bytes()).unwrap();
    dialer.use_system_roots(false);
    dialer.set_interruptible(is_interrupted);
    let clients = [(false, false), (true, false), (false, true), (true, true)].map(|(delivers, deflates)| {
        let mut dialer = dialer.clone();
        dialer.set_control_delivery(delivers);
        dialer.set_compression(deflates);
        Client::new(dialer)
    });
    for seed in seeds {
        let what = format!("session {seed}, {name}{}", if secure { " over TLS" } else { "" });
        let _dog = Dog::new(what.clone());
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(&clients, driver, secure, seed)));
        if let Err(panic) = outcome {
            eprintln!("{what}: run again with WSDIAL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn one(clients: &[Client; 4], driver: Driver, secure: bool, seed: u64) {
    let mut session = session::session(seed);
    let mut random = Random::new(!seed);
    let (ours, theirs) = UnixStream::pair().unwrap();
    for stream in [&ours, &theirs] {
        narrow(stream, &mut random);
    }
    let server = if secure { peer::tls(theirs) } else { theirs };
    let steps = std::mem::take(&mut session.server);
    let server = peer::serve(server, steps, session.terms.take(), random.clone());
    let url = if secure { "wss://localhost/" } else { "ws://localhost/" };
    session.delivers = random.one_in(2);
    let log = driver(
        &clients[usize::from(session.delivers) + 2 * usize::from(session.deflates)],
        ours,
        url,
        &session,
        random,
    );
    assert_eq!(log.seen, session.seen);
    let controls = if session.delivers { std::mem::take(&mut session.controls) } else { Vec::new() };
    assert!(log.controls == controls, "{:?} instead of {:?}", brief(&log.controls), brief(&controls));
    let mut frames = server.join().expect("the server's side");
    // The reason of a failure is the library's own.
    if let (Some((0x88, body)), Some((0x88, wanted))) = (frames.last_mut(), session.frames.last())
        && wanted.len() == 2
    {
        body.truncate(2);
    }
    assert_eq!(brief(&frames), brief(&session.frames));
    assert!(frames == session.frames, "a payload differs");
}

fn brief(frames: &[session::Frame]) -> Vec<String> {
    frames.iter().map(|(head, payload)| format!("{head:02x} {}", payload.len())).collect()
}

/// Makes the buffers of a socket as small as the system allows, most of the time.
fn narrow(stream: &UnixStream, random: &mut Random) {
    if random.one_in(4) {
        return;
    }
    for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        let size: libc::c_int = 1;
        // SAFETY: an int of its own size.
        let done = unsafe {
            let len = size_of::<libc::c_int>() as libc::socklen_t;
            libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const size).cast(), len)
        };
        assert_eq!(done, 0);
    }
}

/// Ends the process when a session does not end.
struct Dog(Option<mpsc::Sender<()>>);

impl Dog {
    fn new(what: String) -> Dog {
        let (over, end) = mpsc::channel::<()>();
        thread::spawn(move || {
            if end.recv_timeout(BOUND) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{what}: does not end");
                std::process::abort();
            }
        });
        Dog(Some(over))
    }
}

impl Drop for Dog {
    fn drop(&mut self) {
        self.0.take();
    }
}
