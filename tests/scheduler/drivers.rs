//! Ways to be the client of a session. Each ends with the same log, or the library is at fault.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wsdial::{Cancel, Client, Connection, Error, Kind, Message, Outcome, Wait};

use crate::session::{Act, Random, Session, told};

/// Calls that wait as long as it takes.
pub(crate) fn blocking(client: &Client, socket: UnixStream, url: &str, session: &Session, _: Random) -> Vec<String> {
    let connection = client.dial_socket(socket.into(), url, Wait::Forever).map_err(|(_, error)| error).unwrap();
    let mut log = Vec::new();
    for acts in &session.client {
        for act in acts {
            let done = perform(&connection, act, Wait::Forever);
            if let Act::Close(..) = act {
                log.push(end(&connection, done));
                return log;
            }
            assert_eq!(done.unwrap(), Outcome::Done);
        }
        let mut message = Message::new();
        let received = connection.recv(&mut message, Wait::Forever);
        if !note(&connection, &mut log, &message, received) {
            return log;
        }
    }
    panic!("the session does not end")
}

/// Calls that are broken off all the time: by their own end, by a token that another thread fires, by a signal.
pub(crate) fn impatient(
    client: &Client,
    socket: UnixStream,
    url: &str,
    session: &Session,
    mut random: Random,
) -> Vec<String> {
    let token = Arc::new(Cancel::new().unwrap());
    let stop = AtomicBool::new(false);
    let client = client.with_cancel(None);
    let connection = client.dial_socket(socket.into(), url, Wait::Forever).map_err(|(_, error)| error).unwrap();
    connection.set_cancel(Some(Arc::clone(&token)));
    thread::scope(|scope| {
        let (own, fire, stopped) = (Myself::here(), Arc::clone(&token), &stop);
        scope.spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                fire.fire();
                thread::sleep(Duration::from_micros(200));
                own.interrupt();
                thread::sleep(Duration::from_micros(200));
            }
        });
        let log = impatient_log(&connection, session, &mut random, &token);
        stop.store(true, Ordering::SeqCst);
        log
    })
}

fn impatient_log(connection: &Connection, session: &Session, random: &mut Random, token: &Cancel) -> Vec<String> {
    let mut log = Vec::new();
    for acts in &session.client {
        for act in acts {
            // The time of a close is the connection's: it ends when that is over. A call that never waits leaves it open.
            let done = insist(random, token, |wait| match (act, wait) {
                (Act::Close(..), Wait::Until(_)) => perform(connection, act, Wait::Never),
                _ => perform(connection, act, wait),
            });
            if let Act::Close(..) = act {
                log.push(end(connection, done));
                return log;
            }
            assert_eq!(done.unwrap(), Outcome::Done);
        }
        let mut message = Message::new();
        let received = insist(random, token, |wait| connection.recv(&mut message, wait));
        if !note(connection, &mut log, &message, received) {
            return log;
        }
    }
    panic!("the session does not end")
}

/// Calls until the answer is one. A message that is taken is not sent again.
fn insist(
    random: &mut Random,
    token: &Cancel,
    mut call: impl FnMut(Wait) -> Result<Outcome, Error>,
) -> Result<Outcome, Error> {
    loop {
        let wait = match random.below(3) {
            0 => Wait::Never,
            1 => Wait::for_duration(Duration::from_micros(random.next() % 500)),
            _ => Wait::Forever,
        };
        match call(wait)? {
            // `Pending`: taken, and the next call sees to the rest. A close is done when it says so.
            Outcome::Done | Outcome::Pending => return Ok(Outcome::Done),
            Outcome::Closed => return Ok(Outcome::Closed),
            Outcome::Cancelled => token.reset(),
            Outcome::Again | Outcome::Timeout | Outcome::Interrupted => {}
        }
    }
}

/// Calls that never wait, in an order of their own; what to wait for is as the connection says.
pub(crate) fn polling(
    client: &Client,
    socket: UnixStream,
    url: &str,
    session: &Session,
    mut random: Random,
) -> Vec<String> {
    let random = &mut random;
    socket.set_nonblocking(random.one_in(2)).unwrap();
    let connection = client.dial_socket(socket.into(), url, Wait::Never).map_err(|(_, error)| error).unwrap();
    loop {
        // Once it is open `process` may meet the end already; the log shall tell of that.
        if random.one_in(2) && !matches!(connection.process(), Ok(Outcome::Again)) {
            break;
        }
        if connection.handshake(Wait::Never).unwrap() == Outcome::Done {
            break;
        }
        pause(&connection);
    }
    let mut log = Vec::new();
    for acts in &session.client {
        for act in acts {
            let done =
                turn(&connection, random, matches!(act, Act::Close(..)), || perform(&connection, act, Wait::Never));
            if let Act::Close(..) = act {
                log.push(end(&connection, done));
                return log;
            }
            assert!(matches!(done.unwrap(), Outcome::Done | Outcome::Pending));
        }
        let mut message = Message::new();
        let received = turn(&connection, random, false, || connection.recv(&mut message, Wait::Never));
        if !note(&connection, &mut log, &message, received) {
            return log;
        }
    }
    panic!("the session does not end")
}

/// Calls until the answer is not `Again`; between the calls does what an event loop does, and more.
fn turn(
    connection: &Connection,
    random: &mut Random,
    is_close: bool,
    mut call: impl FnMut() -> Result<Outcome, Error>,
) -> Result<Outcome, Error> {
    loop {
        // A message that `process` reads ahead of a close is a receiver's; one that the closer reads is nobody's.
        match random.below(4) {
            0 if !is_close => drop(connection.process()),
            1 => drop(connection.flush(Wait::Never)),
            _ => {}
        }
        match call()? {
            Outcome::Again => pause(connection),
            answer => return Ok(answer),
        }
    }
}

/// What an event loop does when a call said `Again`.
fn pause(connection: &Connection) {
    let wants = connection.wants();
    assert!(wants.read || wants.write || wants.buffered, "nothing is wanted, so nobody would ever call again");
    assert!(!wants.buffered, "a call would progress, it says, but the call said Again: {wants:?} {connection:?}");
    let ms = connection.timeout().map_or(-1, |left| left.as_millis().try_into().unwrap_or(i32::MAX));
    let fd = connection.fd().expect("a descriptor").as_fd().as_raw_fd();
    let events = if wants.read { libc::POLLIN } else { 0 } | if wants.write { libc::POLLOUT } else { 0 };
    let mut watch = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one writable pollfd.
    unsafe { libc::poll(&raw mut watch, 1, ms) };
}

fn perform(connection: &Connection, act: &Act, wait: Wait) -> Result<Outcome, Error> {
    match act {
        Act::Text(text) => connection.send(Kind::Text, text.as_bytes(), wait),
        Act::Binary(data) => connection.send(Kind::Binary, data, wait),
        Act::Ping(data) => connection.ping(data, wait),
        Act::Pong(data) => connection.pong(data, wait),
        Act::Close(code, reason) => connection.close(*code, reason, wait),
    }
}

/// Writes down what a receive said; false at the end.
fn note(connection: &Connection, log: &mut Vec<String>, message: &Message, received: Result<Outcome, Error>) -> bool {
    if let Ok(Outcome::Done) = received {
        log.push(told(message.kind() == Kind::Text, message.data()));
        return true;
    }
    assert!(message.data().is_empty());
    log.push(end(connection, received));
    // The end stays what it was.
    let again = connection.recv(&mut Message::new(), Wait::Never);
    assert_eq!(log.last(), Some(&end(connection, again)));
    false
}

pub(crate) fn end(connection: &Connection, answer: Result<Outcome, Error>) -> String {
    match answer {
        Ok(Outcome::Closed | Outcome::Done) => {
            format!("closed {} {}", connection.close_code(), connection.close_reason().unwrap_or("-"))
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("failed {}", error.close_code()),
    }
}

/// A thread that may be sent a signal.
#[derive(Clone, Copy)]
struct Myself(libc::pthread_t);

impl Myself {
    fn here() -> Myself {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: SIGUSR1 gets a handler that does nothing; the rest reads.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
            Myself(libc::pthread_self())
        }
    }

    fn interrupt(self) {
        // SAFETY: the thread outlives the scope that this is called in.
        unsafe { libc::pthread_kill(self.0, libc::SIGUSR1) };
    }
}
