//! A connected stream socket, TCP or unix, used through a shared reference.
//!
//! Owns the descriptor and nothing else: no buffer, no lock, no state. Timeouts of the socket itself (SO_RCVTIMEO,
//! SO_SNDTIMEO) are never set, as they would cut every other thread's call too; waits are [`Stream::poll`]'s.
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sys::{self, Watch};
use crate::wait::Wait;

/// The socket. The descriptor is blocking and closed on exec.
#[derive(Debug)]
pub(crate) struct Stream {
    /// std's type serves a unix socket as well for what is asked of it here, and closes it.
    socket: TcpStream,
}

/// Directions of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Stream {
    /// Takes over a connected socket; sets TCP_NODELAY on TCP.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Stream> {
        let socket = TcpStream::from(fd);
        match socket.set_nodelay(true) {
            // What a unix socket answers.
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT)) => Err(error),
            _ => Ok(Stream { socket }),
        }
    }

    /// recv(2) into `to`: `Ok(0)` is the end. `block` lets the call itself wait; else `WouldBlock` says there is nothing.
    pub(crate) fn recv(&self, to: &mut [u8], block: bool) -> io::Result<usize> {
        debug_assert!(!to.is_empty(), "no room would look like the end");
        sys::recv(self.socket.as_fd(), to, block)
    }

    /// recv(2) behind the content of `to`, at most `most` bytes and at most its spare capacity, which must not be none.
    pub(crate) fn recv_behind(&self, to: &mut Vec<u8>, most: usize, block: bool) -> io::Result<usize> {
        sys::recv_behind(self.socket.as_fd(), to, most, block)
    }

    /// send(2) with MSG_NOSIGNAL. A blocking one may still return after a part (as after a signal).
    pub(crate) fn send(&self, from: &[u8], block: bool) -> io::Result<usize> {
        sys::send(self.socket.as_fd(), from, block)
    }

    /// poll(2) until one of the wanted directions is ready or `wait` is over (then neither is); errors and hang-ups
    /// count as ready in the wanted directions, the next call on the socket tells which.
    pub(crate) fn poll(&self, read: bool, write: bool, wait: Wait) -> io::Result<Ready> {
        let mut watches = [Watch::new(self.socket.as_fd(), read, write)];
        sys::poll(&mut watches, wait)?;
        Ok(Ready { read: watches[0].readable(), write: watches[0].writable() })
    }

    /// shutdown(2) of both directions: wakes every call that is inside. Never fails in a way that matters.
    pub(crate) fn shutdown(&self) {
        // ENOTCONN after a reset: nothing is left to be shut.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// shutdown(2) of our direction only (TCP FIN).
    pub(crate) fn shutdown_write(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// `None` for a unix socket.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// `None` for a unix socket, and after a reset.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn tcp_pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Stream::new(ours.into()).unwrap(), listener.accept().unwrap().0)
    }

    #[test]
    fn tcp_has_addresses_and_no_delay_and_unix_neither() {
        let (ours, theirs) = tcp_pair();
        assert!(ours.socket.nodelay().unwrap());
        assert_eq!(ours.peer_addr(), theirs.local_addr().ok());
        assert_eq!(ours.local_addr(), theirs.peer_addr().ok());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let ours = Stream::new(ours.into()).unwrap();
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
        assert_eq!(ours.poll(true, false, Wait::Never).unwrap(), Ready { read: false, write: false });
        drop(theirs);
        assert_eq!(ours.poll(true, false, Wait::Forever).unwrap(), Ready { read: true, write: false });
        assert_eq!(ours.recv(&mut [0; 1], false).unwrap(), 0);
    }
}
