//! A connected stream socket, TCP or unix, used through a shared reference.
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::wait::Wait;

/// The socket. The descriptor is blocking and closed on exec.
#[derive(Debug)]
pub(crate) struct Stream {
    _fd: OwnedFd,
}

/// Directions of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Stream {
    /// Takes over a connected socket; sets TCP_NODELAY on TCP.
    pub(crate) fn new(_fd: OwnedFd) -> io::Result<Stream> {
        unimplemented!()
    }

    /// recv(2) into `to`: `Ok(0)` is the end. `block` lets the call itself wait; else `WouldBlock` says there is nothing.
    pub(crate) fn recv(&self, _to: &mut [u8], _block: bool) -> io::Result<usize> {
        unimplemented!()
    }

    /// recv(2) behind the content of `to`, at most `most` bytes and at most its spare capacity.
    pub(crate) fn recv_behind(&self, _to: &mut Vec<u8>, _most: usize, _block: bool) -> io::Result<usize> {
        unimplemented!()
    }

    /// send(2) with MSG_NOSIGNAL. A blocking one may still return after a part (as after a signal).
    pub(crate) fn send(&self, _from: &[u8], _block: bool) -> io::Result<usize> {
        unimplemented!()
    }

    /// poll(2) until one of the wanted directions is ready or `wait` is over (then neither is); errors and hang-ups
    /// count as ready in the wanted directions, the next call on the socket tells which.
    pub(crate) fn poll(&self, _read: bool, _write: bool, _wait: Wait) -> io::Result<Ready> {
        unimplemented!()
    }

    /// shutdown(2) of both directions: wakes every call that is inside. Never fails in a way that matters.
    pub(crate) fn shutdown(&self) {
        unimplemented!()
    }

    /// shutdown(2) of our direction only (TCP FIN).
    pub(crate) fn shutdown_write(&self) {
        unimplemented!()
    }

    /// `None` for a unix socket.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        unimplemented!()
    }

    /// `None` for a unix socket.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        unimplemented!()
    }
}
