//! From a target to a connected socket: all addresses, staggered (RFC 8305), every address's reason kept.
//!
//! One poll loop in the caller's thread over non-blocking sockets; the first that connects wins, the others are
//! closed. The descriptor that comes out is blocking.
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
use crate::target::Target;
use crate::wait::Wait;

/// Connects to `target`, a unix socket included. The error names the phase and every address that was tried.
pub(crate) fn connect(target: &Target, wait: Wait) -> Result<Stream, Error> {
    if let Some(path) = &target.socket {
        return connect_unix(path, wait).map_err(|error| error.in_phase(Phase::Connect));
    }
    let addresses = resolve(&target.host, target.port, wait)?;
    connect_tcp(&addresses, wait).map_err(|error| error.in_phase(Phase::Connect))
}

/// RFC 8305 5: "a recommended value for a default delay is 250 milliseconds".
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How often a unix listener with a full queue is asked again: there is no event to wait for.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(10);

fn connect_tcp(addresses: &[SocketAddr], wait: Wait) -> Result<Stream, Error> {
    let mut race = Race { waiting: addresses, running: Vec::new(), failures: Vec::new(), next_at: Instant::now() };
    loop {
        while race.is_next_due() {
            if let Some(stream) = race.start_next() {
                return Ok(stream);
            }
        }
        if race.running.is_empty() {
            return Err(race.lost());
        }
        let next = if race.waiting.is_empty() { Wait::Forever } else { Wait::Until(race.next_at) };
        let mut watches: Vec<Watch> =
            race.running.iter().map(|attempt| Watch::new(attempt.socket.as_fd(), false, true)).collect();
        let ready = sys::poll(&mut watches, wait.earlier(next))
            .map_err(|error| Error::from_io(Code::Io, "cannot wait for a connection", &error))?;
        if let Some(stream) = race.judge(&watches) {
            return Ok(stream);
        }
        if !ready && wait.is_over() {
            return Err(race.timed_out());
        }
    }
}

/// The attempts of one dial.
struct Race<'a> {
    /// Not begun yet, best first.
    waiting: &'a [SocketAddr],
    running: Vec<Attempt>,
    failures: Vec<(SocketAddr, io::Error)>,
    /// When the next one begins, unless one fails before.
    next_at: Instant,
}

struct Attempt {
    addr: SocketAddr,
    socket: TcpStream,
}

impl Race<'_> {
    fn is_next_due(&self) -> bool {
        !self.waiting.is_empty() && (self.running.is_empty() || Instant::now() >= self.next_at)
    }

    fn start_next(&mut self) -> Option<Stream> {
        let (&addr, rest) = self.waiting.split_first()?;
        self.waiting = rest;
        self.next_at = Instant::now() + ATTEMPT_DELAY;
        match sys::connect_tcp(&addr) {
            Ok((fd, connected)) => {
                let attempt = Attempt { addr, socket: fd.into() };
                if connected {
                    return self.take(attempt);
                }
                self.running.push(attempt);
            }
            Err(error) => self.failed(addr, error),
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
            match attempt.socket.take_error() {
                Ok(None) => won = self.take(attempt),
                Ok(Some(error)) | Err(error) => self.failed(attempt.addr, error),
            }
        }
        won
    }

    fn take(&mut self, attempt: Attempt) -> Option<Stream> {
        match attempt.finish() {
            Ok(stream) => Some(stream),
            Err((addr, error)) => {
                self.failed(addr, error);
                None
            }
        }
    }

    fn failed(&mut self, addr: SocketAddr, error: io::Error) {
        self.failures.push((addr, error));
        // RFC 8305 5: a failure lets the next one begin at once.
        self.next_at = Instant::now();
    }

    fn reasons(&self) -> String {
        let mut text = String::new();
        for (addr, error) in &self.failures {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or_default();
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

    fn timed_out(&self) -> Error {
        let silent: Vec<String> = self.running.iter().map(|attempt| attempt.addr.to_string()).collect();
        let mut detail = format!("no answer in time from {}", silent.join(", "));
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
    fn finish(self) -> Result<Stream, (SocketAddr, io::Error)> {
        let addr = self.addr;
        self.into_stream().map_err(|error| (addr, error))
    }

    fn into_stream(self) -> io::Result<Stream> {
        // A port nobody listens on may be the very one that the system picked for us: TCP then connects to itself.
        if self.socket.local_addr()? == self.addr {
            return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        }
        self.socket.set_nonblocking(false)?;
        Stream::new(self.socket.into())
    }
}

fn connect_unix(path: &Path, wait: Wait) -> Result<Stream, Error> {
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
                let socket = TcpStream::from(fd);
                socket.set_nonblocking(false).map_err(|error| refused(&error))?;
                return Stream::new(socket.into()).map_err(|error| refused(&error));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if wait.is_over() {
                    let detail = format!("no answer in time from {shown}: its queue is full");
                    return Err(Error::new(Code::Timeout, detail).with_os_error(libc::EAGAIN));
                }
                let pause = wait.earlier(Wait::for_duration(QUEUE_FULL_DELAY));
                sys::poll(&mut [], pause).map_err(|error| refused(&error))?;
            }
            Err(error) => return Err(refused(&error)),
        }
    }
}
