//! A connected stream socket, TCP or unix, used through a shared reference.
//!
//! Owns the descriptor and what is known of it, so that the system is asked nothing twice: no buffer, no lock. Timeouts
//! of the socket itself (SO_RCVTIMEO, SO_SNDTIMEO) are never set, as they would cut every other thread's call too; waits
//! are [`Stream::poll`]'s.
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::sys::{self, Watch};
use crate::wait::{Over, Patience};

/// Where bytes come from and go to.
#[derive(Debug)]
pub(crate) enum Stream {
    /// A connected socket.
    Socket(Socket),
    /// Nowhere: the caller moves the bytes. It only knows whether more will come.
    Memory {
        /// Nothing more will come.
        ended: AtomicBool,
    },
}

/// A connected socket and its state.
#[derive(Debug)]
pub(crate) struct Socket {
    /// std's type serves a unix socket as well for what is asked of it here, and closes it.
    inner: TcpStream,
    /// Ours and the peer's. The system forgets the peer's when the connection is reset.
    addresses: (Option<SocketAddr>, Option<SocketAddr>),
    /// It is non-blocking, as it was to connect: the first call that lets the system wait makes it blocking.
    non_blocking: AtomicBool,
    /// It was shut in both directions.
    is_shut: AtomicBool,
    /// The peer has ended its direction, and all before that was read.
    has_met_end: AtomicBool,
}

/// Directions of a wait, and why it was over when neither is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) over: Option<Over>,
}

impl Stream {
    /// Takes over a socket that we have just connected, and that is non-blocking still.
    pub(crate) fn connected(
        inner: TcpStream,
        local: Option<SocketAddr>,
        peer: Option<SocketAddr>,
    ) -> io::Result<Stream> {
        let socket = Socket::new(inner, (local, peer), true);
        // A unix socket has nothing to delay.
        if peer.is_some() {
            socket.inner.set_nodelay(true)?;
        }
        Ok(Stream::Socket(socket))
    }

    /// Takes over a connected socket of somebody's, in whatever state; sets TCP_NODELAY on TCP. A descriptor that is no
    /// usable socket is given back.
    pub(crate) fn adopt(fd: OwnedFd) -> Result<Stream, (OwnedFd, io::Error)> {
        if let Err(error) = sys::check_stream(fd.as_fd()) {
            return Err((fd, error));
        }
        let inner = TcpStream::from(fd);
        match inner.set_nodelay(true) {
            // What a unix socket answers.
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT)) => {
                Err((inner.into(), error))
            }
            _ => {
                let addresses = (inner.local_addr().ok(), inner.peer_addr().ok());
                Ok(Stream::Socket(Socket::new(inner, addresses, false)))
            }
        }
    }

    /// A stream whose bytes the caller moves.
    pub(crate) fn memory() -> Stream {
        Stream::Memory { ended: AtomicBool::new(false) }
    }

    /// Whether the caller moves the bytes.
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self, Stream::Memory { .. })
    }

    /// Whether it is over memory and nothing more will come.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Stream::Memory { ended } if ended.load(Ordering::SeqCst))
    }

    /// recv(2) into `to`: `Ok(0)` is the end. `block` lets the call itself wait; else `WouldBlock` says there is nothing.
    pub(crate) fn recv(&self, to: &mut [u8], block: bool) -> io::Result<usize> {
        debug_assert!(!to.is_empty(), "no room would look like the end");
        match self {
            Stream::Socket(socket) => {
                socket.let_wait(block)?;
                sys::recv(socket.fd(), to, block).map(|n| socket.note_end(n))
            }
            Stream::Memory { ended } => end_or_wait(ended),
        }
    }

    /// recv(2) behind the content of `to`, at most `most` bytes and at most its spare capacity, which must not be none.
    pub(crate) fn recv_behind(&self, to: &mut Vec<u8>, most: usize, block: bool) -> io::Result<usize> {
        match self {
            Stream::Socket(socket) => {
                socket.let_wait(block)?;
                sys::recv_behind(socket.fd(), to, most, block).map(|n| socket.note_end(n))
            }
            Stream::Memory { ended } => end_or_wait(ended),
        }
    }

    /// send(2) with MSG_NOSIGNAL. A blocking one may still return after a part (as after a signal).
    // A call and its frame would be a twentieth of what a small message costs.
    #[inline(always)]
    pub(crate) fn send(&self, from: &[u8], block: bool) -> io::Result<usize> {
        match self {
            Stream::Socket(socket) => {
                socket.let_wait(block)?;
                sys::send(socket.fd(), from, block)
            }
            Stream::Memory { .. } => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// poll(2) until one of the wanted directions is ready or the wait is over (then neither is); errors and hang-ups
    /// count as ready in the wanted directions, the next call on the socket tells which.
    pub(crate) fn poll<'a>(&self, read: bool, write: bool, patience: impl Into<Patience<'a>>) -> io::Result<Ready> {
        let Stream::Socket(socket) = self else {
            return Ok(Ready { read: false, write: false, over: Some(Over::Never) });
        };
        let mut watches = [Watch::new(socket.fd(), read, write)];
        let over = sys::poll(&mut watches, patience)?;
        Ok(Ready { read: watches[0].readable(), write: watches[0].writable(), over })
    }

    /// shutdown(2) of both directions: wakes every call that is inside. Never fails in a way that matters.
    pub(crate) fn shutdown(&self) {
        match self {
            Stream::Socket(socket) if socket.is_shut.swap(true, Ordering::SeqCst) => {}
            // ENOTCONN after a reset: nothing is left to be shut.
            Stream::Socket(socket) => drop(socket.inner.shutdown(Shutdown::Both)),
            Stream::Memory { ended } => ended.store(true, Ordering::SeqCst),
        }
    }

    /// shutdown(2) of our direction only (TCP FIN).
    pub(crate) fn shutdown_write(&self) {
        if let Stream::Socket(socket) = self
            && !socket.is_shut.load(Ordering::SeqCst)
        {
            let _ = socket.inner.shutdown(Shutdown::Write);
        }
    }

    /// Whether the peer has ended its direction and all before that was read: nothing is left to be read away.
    pub(crate) fn has_met_end(&self) -> bool {
        match self {
            Stream::Socket(socket) => socket.has_met_end.load(Ordering::Relaxed),
            Stream::Memory { .. } => true,
        }
    }

    /// `None` for a unix socket.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket()?.addresses.0
    }

    /// `None` for a unix socket.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket()?.addresses.1
    }

    /// The descriptor, to be waited on by others.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket().map(Socket::fd)
    }

    /// Gives the descriptor back, open and as it is.
    pub(crate) fn into_fd(self) -> Option<OwnedFd> {
        match self {
            Stream::Socket(socket) => Some(socket.inner.into()),
            Stream::Memory { .. } => None,
        }
    }

    fn socket(&self) -> Option<&Socket> {
        match self {
            Stream::Socket(socket) => Some(socket),
            Stream::Memory { .. } => None,
        }
    }
}

impl Socket {
    fn new(inner: TcpStream, addresses: (Option<SocketAddr>, Option<SocketAddr>), non_blocking: bool) -> Socket {
        let (is_shut, has_met_end) = (AtomicBool::new(false), AtomicBool::new(false));
        Socket { inner, addresses, non_blocking: AtomicBool::new(non_blocking), is_shut, has_met_end }
    }

    #[inline]
    fn fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }

    /// Two threads may both find it non-blocking; both make it blocking before they go on.
    #[inline]
    fn let_wait(&self, block: bool) -> io::Result<()> {
        if block && self.non_blocking.load(Ordering::Acquire) {
            self.inner.set_nonblocking(false)?;
            self.non_blocking.store(false, Ordering::Release);
        }
        Ok(())
    }

    #[inline]
    fn note_end(&self, n: usize) -> usize {
        if n == 0 {
            self.has_met_end.store(true, Ordering::Relaxed);
        }
        n
    }
}

fn end_or_wait(ended: &AtomicBool) -> io::Result<usize> {
    if ended.load(Ordering::SeqCst) { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::wait::Wait;

    fn tcp_pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Stream::adopt(ours.into()).unwrap(), listener.accept().unwrap().0)
    }

    #[test]
    fn tcp_has_addresses_and_no_delay_and_unix_neither() {
        let (ours, theirs) = tcp_pair();
        assert!(ours.socket().unwrap().inner.nodelay().unwrap());
        assert_eq!(ours.peer_addr(), theirs.local_addr().ok());
        assert_eq!(ours.local_addr(), theirs.peer_addr().ok());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let ours = Stream::adopt(ours.into()).unwrap();
        assert_eq!((ours.local_addr(), ours.peer_addr()), (None, None));
    }

    #[test]
    fn shutdown_wakes_a_blocked_reader_and_a_blocked_writer() {
        let (ours, _theirs) = tcp_pair();
        let (told, ended) = mpsc::channel();
        std::thread::scope(|scope| {
            let (reader, writer) = (told.clone(), told);
            let ours = &ours;
            scope.spawn(move || reader.send(ours.recv(&mut [0; 16], true).is_ok_and(|n| n == 0)).unwrap());
            scope.spawn(move || {
                let block = vec![0; 1 << 20];
                while ours.send(&block, true).is_ok() {}
                writer.send(true).unwrap();
            });
            // The writer is inside when the socket takes no more.
            while ours.poll(false, true, Wait::for_duration(Duration::from_millis(20))).unwrap().write {}
            ours.shutdown();
            for _ in 0..2 {
                assert!(ended.recv_timeout(Duration::from_secs(10)).unwrap());
            }
        });
    }

    #[test]
    fn a_hang_up_is_ready_in_the_wanted_direction_only() {
        let (ours, theirs) = tcp_pair();
        assert_eq!(
            ours.poll(true, false, Wait::Never).unwrap(),
            Ready { read: false, write: false, over: Some(Over::Never) }
        );
        drop(theirs);
        assert_eq!(ours.poll(true, false, Wait::Forever).unwrap(), Ready { read: true, write: false, over: None });
        assert_eq!(ours.recv(&mut [0; 1], false).unwrap(), 0);
    }
}
