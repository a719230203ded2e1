//! Ways to be the client of a session. Each ends with the same log, or the library is at fault.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wsdial::{Batch, Cancel, Client, Connection, Error, Kind, Message, Outcome, Piece, Wait};

use crate::session::{Act, Log, Random, Session};

/// One call, with any wait.
type Call<'a> = &'a mut dyn FnMut(Wait) -> Result<Outcome, Error>;

/// Calls that wait as long as it takes.
pub(crate) fn blocking(client: &Client, socket: UnixStream, url: &str, session: &Session, random: Random) -> Log {
    let connection = client.dial_socket(socket.into(), url, Wait::Forever).map_err(|(_, error)| error).unwrap();
    Player::new(&connection, random).play(session, &mut |_, call| call(Wait::Forever))
}

/// Calls that are broken off all the time: by their own end, by a token that another thread fires, by a signal.
pub(crate) fn impatient(client: &Client, socket: UnixStream, url: &str, session: &Session, random: Random) -> Log {
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
        let mut waits = random.clone();
        let log = Player::new(&connection, random).play(session, &mut |is_close, call| {
            // The time of a close is the connection's: it ends when that is over. A call that never waits leaves it open.
            insist(&mut waits, &token, |wait| match wait {
                Wait::Until(_) if is_close => call(Wait::Never),
                _ => call(wait),
            })
        });
        stop.store(true, Ordering::SeqCst);
        log
    })
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
pub(crate) fn polling(client: &Client, socket: UnixStream, url: &str, session: &Session, mut random: Random) -> Log {
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
    let mut turns = random.clone();
    Player::new(&connection, random)
        .play(session, &mut |is_close, call| turn(&connection, &mut turns, is_close, || call(Wait::Never)))
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

/// Plays a session by any of the calls that do the same.
struct Player<'a> {
    connection: &'a Connection,
    random: Random,
    /// Messages that came in a batch and were not looked at.
    waiting: VecDeque<(Kind, Vec<u8>)>,
    log: Log,
}

impl<'a> Player<'a> {
    fn new(connection: &'a Connection, random: Random) -> Player<'a> {
        Player { connection, random, waiting: VecDeque::new(), log: Log::default() }
    }

    /// `go` makes a call until it has an answer; it is told whether the call is a close.
    fn play(mut self, session: &Session, go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>) -> Log {
        for acts in &session.client {
            for act in acts {
                let done = self.perform(act, go);
                if let Act::Close(..) = act {
                    self.log.seen.push(end(self.connection, done));
                    return self.log;
                }
                assert!(matches!(done.unwrap(), Outcome::Done | Outcome::Pending));
            }
            if !self.receive(go) {
                return self.log;
            }
        }
        panic!("the session does not end")
    }

    fn perform(
        &mut self,
        act: &Act,
        go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let connection = self.connection;
        match act {
            Act::Text(text) => self.send(Kind::Text, text.as_bytes(), go),
            Act::Binary(data) => self.send(Kind::Binary, data, go),
            Act::Ping(data) => go(false, &mut |wait| connection.ping(data, wait)),
            Act::Pong(data) => go(false, &mut |wait| connection.pong(data, wait)),
            Act::Close(code, reason) => go(true, &mut |wait| connection.close(*code, reason, wait)),
        }
    }

    /// Whole, in a batch, or in fragments.
    fn send(
        &mut self,
        kind: Kind,
        data: &[u8],
        go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let connection = self.connection;
        match self.random.below(4) {
            0 => {
                let (mut batch, mut taken) = (Batch::new(), 0);
                batch.push(kind, data);
                go(false, &mut |wait| connection.send_batch(&batch, &mut taken, wait))
            }
            1 => {
                let mut rest = data;
                while self.random.one_in(2) {
                    let (part, behind) = rest.split_at(self.random.below(rest.len() + 1));
                    go(false, &mut |wait| connection.send_fragment(kind, part, false, wait))?;
                    rest = behind;
                }
                go(false, &mut |wait| connection.send_fragment(kind, rest, true, wait))
            }
            _ => go(false, &mut |wait| connection.send(kind, data, wait)),
        }
    }

    /// Writes down what came next; false at the end.
    fn receive(&mut self, go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>) -> bool {
        loop {
            if let Some((kind, data)) = self.waiting.pop_front() {
                if self.log.note(kind, &data) {
                    return true;
                }
                continue;
            }
            let received = match self.random.below(3) {
                0 => self.receive_batch(go),
                1 => self.receive_pieces(go),
                _ => self.receive_whole(go),
            };
            if !matches!(received, Ok(Outcome::Done)) {
                self.log.seen.push(end(self.connection, received));
                // The end stays what it was.
                let again = self.connection.recv(&mut Message::new(), Wait::Never);
                assert_eq!(self.log.seen.last(), Some(&end(self.connection, again)));
                return false;
            }
        }
    }

    fn receive_whole(
        &mut self,
        go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let mut message = Message::new();
        let received = go(false, &mut |wait| self.connection.recv(&mut message, wait));
        if matches!(received, Ok(Outcome::Done)) {
            self.waiting.push_back((message.kind(), message.data().to_vec()));
        } else {
            assert!(message.data().is_empty());
        }
        received
    }

    fn receive_batch(
        &mut self,
        go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let mut batch = Batch::new();
        let (bytes, messages) = (self.random.below(3) * 100, self.random.below(4));
        let received = go(false, &mut |wait| self.connection.recv_batch(&mut batch, bytes, messages, wait));
        assert_eq!(batch.is_empty(), !matches!(received, Ok(Outcome::Done)));
        assert!(messages == 0 || batch.len() <= messages);
        self.waiting.extend(batch.iter().map(|(kind, data)| (kind, data.to_vec())));
        received
    }

    /// One message to its end, into memory of one size; control frames that come between go before it.
    fn receive_pieces(
        &mut self,
        go: &mut dyn FnMut(bool, Call<'_>) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let mut to = vec![0; [125, 1000, 70_000][self.random.below(3)]];
        let (mut all, mut piece) = (Vec::new(), Piece::NONE);
        loop {
            let received = go(false, &mut |wait| self.connection.recv_into(&mut to, &mut piece, wait));
            if !matches!(received, Ok(Outcome::Done)) {
                assert_eq!(piece, Piece::NONE);
                return received;
            }
            let data = &to[..piece.len];
            if !matches!(piece.kind, Kind::Text | Kind::Binary) {
                assert!(piece.is_final);
                self.waiting.push_back((piece.kind, data.to_vec()));
                continue;
            }
            all.extend_from_slice(data);
            if piece.is_final {
                self.waiting.push_back((piece.kind, all));
                return received;
            }
        }
    }
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
