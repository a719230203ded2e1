//! Stands in for `stream.rs` when the client runs under a scheduler (`client/model.rs`): a socket of bounded capacity in
//! both directions, whose every call is a turn of the scheduler, and the peer's end of it. Tests only.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::wait::{Over, Patience, Wait};

/// Whether and when a timed wait runs out.
pub(crate) mod chance {
    use std::cell::Cell;
    use std::time::Instant;

    use shuttle::rand::{Rng, thread_rng};

    use crate::wait::model as clock;

    std::thread_local! {
        static ONE_IN: Cell<u32> = const { Cell::new(0) };
    }

    /// Every turn of a timed wait is its last with a chance of one in `n`; 0: time stands still.
    pub(crate) fn set(n: u32) {
        clock::reset();
        ONE_IN.set(n);
    }

    pub(crate) fn waits_may_end() -> bool {
        ONE_IN.get() > 0
    }

    /// Gives others a turn, then says whether the wait until `moment` is over.
    pub(crate) fn ends(moment: Instant) -> bool {
        shuttle::thread::yield_now();
        let has_ended = clock::now() >= moment || thread_rng().gen_range(0..ONE_IN.get()) == 0;
        if has_ended {
            clock::reach(moment);
        }
        has_ended
    }
}

#[derive(Debug, Default)]
struct Way {
    bytes: VecDeque<u8>,
    /// Its writer writes no more.
    ended: bool,
    /// Its reader reads no more.
    deaf: bool,
}

#[derive(Debug)]
struct Wires {
    up: Way,
    down: Way,
    capacity: usize,
}

impl Wires {
    fn take(way: &mut Way, to: &mut [u8]) -> Option<usize> {
        if way.bytes.is_empty() {
            return (way.ended || way.deaf).then_some(0);
        }
        let n = to.len().min(way.bytes.len());
        for (to, byte) in to.iter_mut().zip(way.bytes.drain(..n)) {
            *to = byte;
        }
        Some(n)
    }

    fn put(way: &mut Way, from: &[u8], capacity: usize) -> Option<io::Result<usize>> {
        if way.ended || way.deaf {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = from.len().min(capacity - way.bytes.len());
        way.bytes.extend(&from[..n]);
        (n > 0 || from.is_empty()).then_some(Ok(n))
    }

    fn is_readable(&self) -> bool {
        !self.down.bytes.is_empty() || self.down.ended || self.down.deaf
    }

    fn is_writable(&self) -> bool {
        self.up.bytes.len() < self.capacity || self.up.ended || self.up.deaf
    }
}

/// The client's end, with the interface of the socket that it stands in for.
#[derive(Debug)]
pub(crate) struct Stream(Arc<(Mutex<Wires>, Condvar)>);

/// The peer's end.
pub(crate) struct Peer(Arc<(Mutex<Wires>, Condvar)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) over: Option<Over>,
}

/// Two ends with room for `capacity` bytes each way.
pub(crate) fn pair(capacity: usize) -> (Stream, Peer) {
    let wires = Wires { up: Way::default(), down: Way::default(), capacity };
    let shared = Arc::new((Mutex::new(wires), Condvar::new()));
    (Stream(Arc::clone(&shared)), Peer(shared))
}

fn lock(shared: &Arc<(Mutex<Wires>, Condvar)>) -> MutexGuard<'_, Wires> {
    shared.0.lock().expect("nobody panics inside")
}

/// Tries until it works, or once; who changed something tells the others.
fn attempt<T>(
    shared: &Arc<(Mutex<Wires>, Condvar)>,
    block: bool,
    mut call: impl FnMut(&mut Wires) -> Option<T>,
) -> Option<T> {
    let mut wires = lock(shared);
    loop {
        if let Some(done) = call(&mut wires) {
            shared.1.notify_all();
            return Some(done);
        }
        if !block {
            return None;
        }
        wires = shared.1.wait(wires).expect("nobody panics inside");
    }
}

impl Stream {
    pub(crate) fn connected(
        inner: std::net::TcpStream,
        _: Option<SocketAddr>,
        _: Option<SocketAddr>,
    ) -> io::Result<Stream> {
        Stream::adopt(inner.into()).map_err(|(_, error)| error)
    }

    pub(crate) fn has_met_end(&self) -> bool {
        false
    }

    pub(crate) fn adopt(fd: OwnedFd) -> Result<Stream, (OwnedFd, io::Error)> {
        Err((fd, io::ErrorKind::Unsupported.into()))
    }

    pub(crate) fn memory() -> Stream {
        pair(0).0
    }

    pub(crate) fn is_memory(&self) -> bool {
        false
    }

    pub(crate) fn has_ended(&self) -> bool {
        false
    }

    pub(crate) fn recv(&self, to: &mut [u8], block: bool) -> io::Result<usize> {
        attempt(&self.0, block, |wires| Wires::take(&mut wires.down, to)).ok_or(io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn recv_behind(&self, to: &mut Vec<u8>, most: usize, block: bool) -> io::Result<usize> {
        let mut came = vec![0; most.min(to.capacity() - to.len())];
        let n = self.recv(&mut came, block)?;
        to.extend_from_slice(&came[..n]);
        Ok(n)
    }

    pub(crate) fn send(&self, from: &[u8], block: bool) -> io::Result<usize> {
        attempt(&self.0, block, |wires| Wires::put(&mut wires.up, from, wires.capacity))
            .unwrap_or(Err(io::ErrorKind::WouldBlock.into()))
    }

    pub(crate) fn poll<'a>(&self, read: bool, write: bool, patience: impl Into<Patience<'a>>) -> io::Result<Ready> {
        let wait = patience.into().wait;
        let look = |wires: &mut Wires| {
            let ready = Ready { read: read && wires.is_readable(), write: write && wires.is_writable(), over: None };
            (ready.read || ready.write).then_some(ready)
        };
        let over = |over| Ready { read: false, write: false, over: Some(over) };
        Ok(match wait {
            Wait::Never => attempt(&self.0, false, look).unwrap_or(over(Over::Never)),
            Wait::Until(moment) if chance::waits_may_end() => loop {
                if let Some(ready) = attempt(&self.0, false, look) {
                    break ready;
                }
                if chance::ends(moment) {
                    break over(Over::Time);
                }
            },
            _ => attempt(&self.0, true, look).unwrap_or(over(Over::Never)),
        })
    }

    pub(crate) fn shutdown(&self) {
        let mut wires = lock(&self.0);
        (wires.up.ended, wires.down.deaf) = (true, true);
        self.0.1.notify_all();
    }

    pub(crate) fn shutdown_write(&self) {
        lock(&self.0).up.ended = true;
        self.0.1.notify_all();
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        None
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    pub(crate) fn into_fd(self) -> Option<OwnedFd> {
        None
    }
}

impl Peer {
    /// What has come, at least a byte; `Ok(0)` is the end.
    pub(crate) fn read(&self, to: &mut [u8]) -> usize {
        attempt(&self.0, true, |wires| Wires::take(&mut wires.up, to)).unwrap_or(0)
    }

    /// Writes all of it; false when nobody reads it any more.
    pub(crate) fn write(&self, mut from: &[u8]) -> bool {
        while !from.is_empty() {
            match attempt(&self.0, true, |wires| Wires::put(&mut wires.down, from, wires.capacity)) {
                Some(Ok(n)) => from = &from[n..],
                _ => return false,
            }
        }
        true
    }

    /// Closes the socket in both directions.
    pub(crate) fn close(&self) {
        let mut wires = lock(&self.0);
        (wires.down.ended, wires.up.deaf) = (true, true);
        self.0.1.notify_all();
    }
}
