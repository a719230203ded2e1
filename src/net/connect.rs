//! From an endpoint to a connected socket: all addresses, staggered (RFC 8305), every address's reason kept.
//!
//! One poll loop in the caller's thread over non-blocking sockets; the first that connects wins, the others are
//! closed.
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::resolve::resolve;
use super::stream::Stream;
use super::sys::{self, Watch};
use crate::error::{Code, Error, Phase};
use crate::target::Endpoint;
use crate::transcript::{Attempt as Outcome, Tried, Tries, microseconds};
use crate::wait::{Over, Patience, Wait};

/// Connects to a host or a unix socket. The error names the phase and every address that was tried; `tries` tells all.
pub(crate) fn connect<'a>(to: &Endpoint, wait: impl Into<Patience<'a>>, tries: &mut Tries) -> Result<Stream, Error> {
    let wait = wait.into();
    let mut begun = Instant::now();
    let connected = match to {
        Endpoint::Unix(path) => connect_unix(path, wait),
        Endpoint::Tcp(host, port) => {
            let addresses = resolve(host, *port, wait);
            let resolved = Instant::now();
            tries.resolve = microseconds(resolved - begun);
            begun = resolved;
            let addresses = addresses?;
            tries.addresses = addresses.len();
            connect_tcp(&addresses, wait, &mut tries.tried)
        }
    };
    tries.connect = microseconds(begun.elapsed());
    connected.map_err(|error| error.in_phase(Phase::Connect))
}

/// RFC 8305 5: "a recommended value for a default delay is 250 milliseconds".
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How often a unix listener with a full queue is asked again: there is no event to wait for.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(10);

fn connect_tcp(addresses: &[SocketAddr], wait: Patience<'_>, tried: &mut Vec<Tried>) -> Result<Stream, Error> {
    let begun = Instant::now();
    let (running, failures) = (Vec::new(), Vec::new());
    let mut race = Race { waiting: addresses, running, failures, next_at: begun, begun, tried };
    let connected = race.run(wait);
    for Attempt { addr, begun, .. } in std::mem::take(&mut race.running) {
        race.tell(addr, begun, Outcome::Silent);
    }
    connected
}

/// The attempts of one dial.
struct Race<'a> {
    /// Not begun yet, best first.
    waiting: &'a [SocketAddr],
    running: Vec<Attempt>,
    failures: Vec<(SocketAddr, io::Error)>,
    /// When the next one begins, unless one fails before.
    next_at: Instant,
    begun: Instant,
    tried: &'a mut Vec<Tried>,
}

struct Attempt {
    addr: SocketAddr,
    socket: TcpStream,
    begun: Instant,
}

impl Race<'_> {
    fn run(&mut self, wait: Patience<'_>) -> Result<Stream, Error> {
        loop {
            while self.is_next_due() {
                if let Some(stream) = self.start_next() {
                    return Ok(stream);
                }
            }
            if self.running.is_empty() {
                return Err(self.lost());
            }
            let next = if self.waiting.is_empty() { Wait::Forever } else { Wait::Until(self.next_at) };
            let mut watches: Vec<Watch> =
                self.running.iter().map(|attempt| Watch::new(attempt.socket.as_fd(), false, true)).collect();
            let over = sys::poll(&mut watches, wait.at_most(next))
                .map_err(|error| Error::from_io(Code::Io, "cannot wait for a connection", &error))?;
            if let Some(stream) = self.judge(&watches) {
                return Ok(stream);
            }
            match over {
                Some(Over::Cancelled | Over::Interrupted) => return Err(self.broken_off(over)),
                Some(_) if wait.over().is_some() => return Err(self.timed_out()),
                _ => {}
            }
        }
    }

    /// Writes down what became of an attempt.
    fn tell(&mut self, address: SocketAddr, begun: Instant, outcome: Outcome) {
        let (after, took) = (begun.saturating_duration_since(self.begun), begun.elapsed());
        let (after, took) = (microseconds(after), microseconds(took));
        self.tried.push(Tried { address, after, took, outcome });
    }

    fn is_next_due(&self) -> bool {
        !self.waiting.is_empty() && (self.running.is_empty() || Instant::now() >= self.next_at)
    }

    fn start_next(&mut self) -> Option<Stream> {
        let (&addr, rest) = self.waiting.split_first()?;
        self.waiting = rest;
        let begun = Instant::now();
        self.next_at = begun + ATTEMPT_DELAY;
        match sys::connect_tcp(&addr) {
            Ok((fd, connected)) => {
                let attempt = Attempt { addr, socket: fd.into(), begun };
                if connected {
                    return self.take(attempt);
                }
                self.running.push(attempt);
            }
            Err(error) => self.failed(addr, begun, error),
        }
        None
    }

    /// Looks at every attempt that poll woke us for; the first that is connected wins.
    fn judge(&mut self, watches: &[Watch]) -> Option<Stream> {
        let running = std::mem::take(&mut self.running);
        let mut won = None;
        for (attempt, watch) in running.into_iter().zip(watches) {
            if won.is_some() {
                continue;
            }
            if !watch.writable() {
                self.running.push(attempt);
                continue;
            }
            let outcome = if watch.has_trouble() { attempt.socket.take_error() } else { Ok(None) };
            match outcome {
                Ok(None) => won = self.take(attempt),
                Ok(Some(error)) | Err(error) => self.failed(attempt.addr, attempt.begun, error),
            }
        }
        won
    }

    fn take(&mut self, attempt: Attempt) -> Option<Stream> {
        let Attempt { addr, begun, .. } = attempt;
        match attempt.into_stream() {
            Ok(stream) => {
                self.tell(addr, begun, Outcome::Connected);
                Some(stream)
            }
            Err(error) => {
                self.failed(addr, begun, error);
                None
            }
        }
    }

    fn failed(&mut self, addr: SocketAddr, begun: Instant, error: io::Error) {
        self.tell(addr, begun, Outcome::Failed(reason(&error)));
        self.failures.push((addr, error));
        // RFC 8305 5: a failure lets the next one begin at once.
        self.next_at = Instant::now();
    }

    fn reasons(&self) -> String {
        let mut text = String::new();
        for (addr, error) in &self.failures {
            let reason = reason(error);
            let _ = write!(text, "{}{addr}: {reason}", if text.is_empty() { "" } else { "; " });
        }
        text
    }

    fn last_os_error(&self) -> i32 {
        self.failures.last().and_then(|(_, error)| error.raw_os_error()).unwrap_or(0)
    }

    fn lost(&self) -> Error {
        let detail = if self.failures.is_empty() { "the host has no address".to_owned() } else { self.reasons() };
        Error::new(Code::Connect, detail).with_os_error(self.last_os_error())
    }

    fn broken_off(&self, over: Option<Over>) -> Error {
        broken_off(over, &format!("connecting to {}", self.silent()))
    }

    fn silent(&self) -> String {
        self.running.iter().map(|attempt| attempt.addr.to_string()).collect::<Vec<_>>().join(", ")
    }

    fn timed_out(&self) -> Error {
        let mut detail = format!("no answer in time from {}", self.silent());
        if !self.failures.is_empty() {
            let _ = write!(detail, "; {}", self.reasons());
        }
        if !self.waiting.is_empty() {
            let untried: Vec<String> = self.waiting.iter().map(SocketAddr::to_string).collect();
            let _ = write!(detail, "; not tried yet: {}", untried.join(", "));
        }
        Error::new(Code::Timeout, detail).with_os_error(self.last_os_error())
    }
}

impl Attempt {
    fn into_stream(self) -> io::Result<Stream> {
        let local = self.socket.local_addr()?;
        // A port nobody listens on may be the very one that the system picked for us: TCP then connects to itself.
        if local == self.addr {
            return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        }
        Stream::connected(self.socket, Some(local), Some(self.addr))
    }
}

fn connect_unix<'a>(path: &Path, wait: impl Into<Patience<'a>>) -> Result<Stream, Error> {
    let wait = wait.into();
    let bytes = path.as_os_str().as_bytes();
    let (shown, len, most) = (path.display(), bytes.len(), sys::UNIX_PATH_MAX);
    if len > most {
        let detail = format!("the path of the unix socket is {len} bytes long, at most {most} fit: {shown}");
        return Err(Error::new(Code::UrlHost, detail));
    }
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Error::new(Code::UrlHost, "the path of the unix socket is empty or has a zero byte"));
    }
    let refused = |error: &io::Error| Error::from_io(Code::Connect, &shown.to_string(), error);
    loop {
        match sys::connect_unix(path) {
            // A unix socket is connected at once or not at all (unix(7)): its queue has room or has none.
            Ok((fd, _)) => {
                return Stream::connected(TcpStream::from(fd), None, None).map_err(|error| refused(&error));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if wait.over().is_some() {
                    let detail = format!("no answer in time from {shown}: its queue is full");
                    return Err(Error::new(Code::Timeout, detail).with_os_error(libc::EAGAIN));
                }
                let pause = wait.at_most(Wait::for_duration(QUEUE_FULL_DELAY));
                let over = sys::poll(&mut [], pause).map_err(|error| refused(&error))?;
                if matches!(over, Some(Over::Cancelled | Over::Interrupted)) {
                    return Err(broken_off(over, &format!("connecting to {shown}")));
                }
            }
            Err(error) => return Err(refused(&error)),
        }
    }
}

/// The system's words, without the number, which is a field of its own.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// What a dial says that a token or a signal has ended.
pub(crate) fn broken_off(over: Option<Over>, doing: &str) -> Error {
    match over {
        Some(Over::Interrupted) => Error::new(Code::Interrupted, format!("interrupted by a signal while {doing}")),
        _ => Error::new(Code::Cancelled, format!("cancelled while {doing}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn connect<'a>(to: &Endpoint, wait: impl Into<Patience<'a>>) -> Result<Stream, Error> {
        super::connect(to, wait, &mut Tries::default())
    }

    fn connect_tcp<'a>(addresses: &[SocketAddr], wait: impl Into<Patience<'a>>) -> Result<Stream, Error> {
        super::connect_tcp(addresses, wait.into(), &mut Vec::new())
    }

    fn limit(ms: u64) -> Patience<'static> {
        Wait::for_duration(Duration::from_millis(ms)).into()
    }

    fn listener(ip: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    /// An address whose connections get no answer: its listener's queue is full.
    struct BlackHole {
        addr: SocketAddr,
        _listener: TcpListener,
        _queue: Vec<OwnedFd>,
    }

    impl BlackHole {
        fn new() -> BlackHole {
            let (listener, addr) = listener("127.0.0.1");
            sys::shorten_queue(listener.as_fd());
            let mut queue = Vec::new();
            loop {
                let (fd, _) = sys::connect_tcp(&addr).unwrap();
                let mut watch = [Watch::new(fd.as_fd(), false, true)];
                let answered = sys::poll(&mut watch, limit(100)).unwrap().is_none();
                queue.push(fd);
                if !answered {
                    return BlackHole { addr, _listener: listener, _queue: queue };
                }
                assert!(queue.len() < 100);
            }
        }
    }

    /// An address that refuses: nobody listens there any more.
    fn closed(ip: &str) -> SocketAddr {
        listener(ip).1
    }

    #[test]
    fn the_connection_is_blocking_and_closed_on_exec_and_to_whom_it_says() {
        let (listener, addr) = listener("127.0.0.1");
        let stream = connect_tcp(&[addr], limit(5000)).unwrap();
        assert!(sys::is_closed_on_exec(stream.fd().unwrap()));
        assert_eq!(stream.peer_addr(), Some(addr));
        let server = thread::spawn(move || {
            let mut peer = listener.accept().unwrap().0;
            thread::sleep(Duration::from_millis(20));
            peer.write_all(b"late").unwrap();
        });
        assert_eq!(stream.recv(&mut [0; 8], true).unwrap(), 4);
        server.join().unwrap();
    }

    #[test]
    fn every_refusing_address_is_named_with_its_reason() {
        let (v4, v6) = (closed("127.0.0.1"), closed("::1"));
        let error = connect_tcp(&[v4, v6], limit(5000)).unwrap_err();
        assert_eq!((error.code(), error.os_error()), (Code::Connect, libc::ECONNREFUSED));
        assert_eq!(error.to_string(), format!("{v4}: Connection refused; {v6}: Connection refused"));
    }

    #[test]
    fn a_refusal_lets_the_next_begin_at_once_and_silence_after_250_ms() {
        let (_listener, good) = listener("127.0.0.2");
        // A busy machine may be slow once, not always.
        let at_once = (0..20).any(|_| {
            let begun = Instant::now();
            let stream = connect_tcp(&[closed("127.0.0.1"), good], Wait::Forever).unwrap();
            assert_eq!(stream.peer_addr(), Some(good));
            begun.elapsed() < ATTEMPT_DELAY
        });
        assert!(at_once);
        let hole = BlackHole::new();
        let begun = Instant::now();
        let stream = connect_tcp(&[hole.addr, good], Wait::Forever).unwrap();
        assert_eq!(stream.peer_addr(), Some(good));
        assert!(begun.elapsed() >= ATTEMPT_DELAY);
        // The refusal in the middle does not cost a delay of its own.
        let at_once = (0..20).any(|_| {
            let begun = Instant::now();
            connect_tcp(&[hole.addr, closed("127.0.0.1"), good], Wait::Forever).unwrap();
            begun.elapsed() < 2 * ATTEMPT_DELAY
        });
        assert!(at_once);
    }

    #[test]
    fn an_attempt_that_is_late_may_still_win() {
        // Both are silent at first; the one begun first finds room in its queue when the other is under way as well.
        let (first, second) = (BlackHole::new(), BlackHole::new());
        let addresses = [first.addr, second.addr];
        let won = Arc::new(AtomicBool::new(false));
        let seen = won.clone();
        let opened = thread::spawn(move || {
            thread::sleep(ATTEMPT_DELAY + Duration::from_millis(100));
            let BlackHole { _listener: listener, _queue: queue, .. } = first;
            drop(queue);
            while !seen.load(Ordering::SeqCst) {
                listener.accept().unwrap();
            }
        });
        // The system sends the next SYN after a second.
        let stream = connect_tcp(&addresses, limit(30_000)).unwrap();
        assert_eq!(stream.peer_addr(), Some(addresses[0]));
        won.store(true, Ordering::SeqCst);
        let _wake = sys::connect_tcp(&addresses[0]).unwrap();
        opened.join().unwrap();
    }

    #[test]
    fn a_timeout_names_who_was_silent_who_refused_and_who_was_not_asked() {
        let (one, two) = (BlackHole::new(), BlackHole::new());
        let refusing = closed("127.0.0.1");
        let never: SocketAddr = "127.0.0.9:9".parse().unwrap();
        let begun = Instant::now();
        let error = connect_tcp(&[refusing, one.addr, two.addr, never], limit(400)).unwrap_err();
        assert!((400..10_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        assert_eq!(error.code(), Code::Timeout);
        let expected = format!(
            "no answer in time from {}, {}; {refusing}: Connection refused; not tried yet: {never}",
            one.addr, two.addr
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(connect_tcp(&[one.addr], Wait::Never).unwrap_err().code(), Code::Timeout);
    }

    #[test]
    fn nothing_stays_open_but_the_winner() {
        let (_listener, good) = listener("127.0.0.3");
        let (hole, refusing) = (BlackHole::new(), closed("127.0.0.1"));
        let opened = sys::in_forked_child(|| {
            let count = || std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
            let before = count();
            let winner = connect_tcp(&[refusing, hole.addr, good], Wait::Forever).unwrap();
            let with_winner = count();
            drop(winner);
            connect_tcp(&[refusing, hole.addr], limit(10)).unwrap_err();
            (with_winner - before) * 10 + count() - before
        });
        assert_eq!(opened, 10);
    }

    struct Socket(PathBuf);

    impl Socket {
        fn new(name: &str) -> Socket {
            let path = std::env::temp_dir().join(format!("wsdial-{}-{name}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            Socket(path)
        }

        fn endpoint(&self) -> Endpoint {
            Endpoint::Unix(self.0.clone())
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_unix_socket_connects_or_says_why_not() {
        let socket = Socket::new("plain");
        let error = connect(&socket.endpoint(), limit(1000)).unwrap_err();
        assert_eq!((error.code(), error.phase(), error.os_error()), (Code::Connect, Phase::Connect, libc::ENOENT));
        assert_eq!(error.to_string(), format!("connect: {}: No such file or directory", socket.0.display()));
        let listener = UnixListener::bind(&socket.0).unwrap();
        let stream = connect(&socket.endpoint(), limit(1000)).unwrap();
        assert!(sys::is_closed_on_exec(stream.fd().unwrap()));
        let mut peer: UnixStream = listener.accept().unwrap().0;
        peer.write_all(b"hi").unwrap();
        assert_eq!(stream.recv(&mut [0; 8], true).unwrap(), 2);
        drop(listener);
        let error = connect(&socket.endpoint(), limit(1000)).unwrap_err();
        assert_eq!(error.os_error(), libc::ECONNREFUSED);
    }

    #[test]
    fn the_path_of_a_unix_socket_fits_or_is_refused_with_the_limit() {
        let long = Socket(PathBuf::from(format!("/{}", "x".repeat(107))));
        let error = connect(&long.endpoint(), Wait::Forever).unwrap_err();
        assert_eq!(error.code(), Code::UrlHost);
        assert!(error.to_string().contains("is 108 bytes long, at most 107 fit"), "{error}");
        let fits = Socket(PathBuf::from(format!("/{}", "x".repeat(106))));
        assert_eq!(connect(&fits.endpoint(), Wait::Forever).unwrap_err().os_error(), libc::ENOENT);
        for path in ["", "a\0b"] {
            assert_eq!(connect(&Socket(path.into()).endpoint(), Wait::Forever).unwrap_err().code(), Code::UrlHost);
        }
    }

    #[test]
    fn a_unix_listener_with_a_full_queue_is_asked_again_until_the_time_is_up() {
        let socket = Socket::new("full");
        let listener = UnixListener::bind(&socket.0).unwrap();
        sys::shorten_queue(listener.as_fd());
        let mut queue = Vec::new();
        while let Ok(stream) = connect(&socket.endpoint(), Wait::Never) {
            queue.push(stream);
            assert!(queue.len() < 100);
        }
        let begun = Instant::now();
        let error = connect(&socket.endpoint(), limit(50)).unwrap_err();
        assert_eq!(error.code(), Code::Timeout);
        assert!((50..10_000).contains(&begun.elapsed().as_millis()));
        let accepting = thread::spawn(move || listener.accept().map(|_| listener));
        connect(&socket.endpoint(), limit(10_000)).unwrap();
        accepting.join().unwrap().unwrap();
    }
}
