//! The few system calls that std does not offer in the form we need, each with its reason.
//!
//! None raises SIGPIPE. Interrupted calls are begun again; waits keep their end. Descriptors made here are closed on
//! exec. This file and `ffi` are the only homes of `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::wait::{Over, Patience, Wait};

/// recv(2); std's cannot say MSG_DONTWAIT. `Ok(0)` for a non-empty `to` is the end of the stream.
pub(crate) fn recv(fd: BorrowedFd<'_>, to: &mut [u8], block: bool) -> io::Result<usize> {
    // SAFETY: the slice is writable for its whole length while the call lasts.
    unsafe { recv_raw(fd, to.as_mut_ptr(), to.len(), block) }
}

/// recv(2) behind the content of `to` without zeroing the room first, at most `most` bytes. Having no room is an
/// error, as the system's answer 0 would look like the end of the stream.
pub(crate) fn recv_behind(fd: BorrowedFd<'_>, to: &mut Vec<u8>, most: usize, block: bool) -> io::Result<usize> {
    let room = to.spare_capacity_mut();
    let len = room.len().min(most);
    if len == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the spare capacity is ours to write, `len` does not exceed it, and nothing reads it before `set_len`.
    let n = unsafe { recv_raw(fd, room.as_mut_ptr().cast::<u8>(), len, block)? };
    // SAFETY: the system wrote the first `n <= len` bytes of the spare capacity.
    unsafe { to.set_len(to.len() + n) };
    Ok(n)
}

/// # Safety
/// `to` must be writable for `len` bytes.
unsafe fn recv_raw(fd: BorrowedFd<'_>, to: *mut u8, len: usize, block: bool) -> io::Result<usize> {
    let flags = if block { 0 } else { libc::MSG_DONTWAIT };
    loop {
        // SAFETY: the caller vouches for the memory; the descriptor is borrowed, so it is open.
        let n = unsafe { libc::recv(fd.as_raw_fd(), to.cast(), len, flags) };
        if n >= 0 {
            return Ok(n as usize);
        }
        again_if_interrupted()?;
    }
}

/// send(2) with MSG_NOSIGNAL: a vanished peer must not kill the process. The system takes a part when it likes.
#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, from: &[u8], block: bool) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | if block { 0 } else { libc::MSG_DONTWAIT };
    loop {
        // SAFETY: the slice is readable for its whole length; the descriptor is borrowed, so it is open.
        let n = unsafe { libc::send(fd.as_raw_fd(), from.as_ptr().cast(), from.len(), flags) };
        if n >= 0 {
            return Ok(n as usize);
        }
        again_if_interrupted()?;
    }
}

/// `Ok` after EINTR, else the error of the last call.
fn again_if_interrupted() -> io::Result<()> {
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

/// One descriptor of a [`poll`]: what is wanted, and what came of it.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Watch(libc::pollfd);

impl Watch {
    /// A watch for the given directions.
    pub(crate) fn new(fd: BorrowedFd<'_>, read: bool, write: bool) -> Watch {
        let events = if read { libc::POLLIN } else { 0 } | if write { libc::POLLOUT } else { 0 };
        Watch(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 })
    }

    /// Whether reading would not wait: data, the end, or an error to be fetched by the call.
    pub(crate) fn readable(&self) -> bool {
        self.0.events & libc::POLLIN != 0 && self.0.revents & (libc::POLLIN | TROUBLE) != 0
    }

    /// Whether writing would not wait: room, or an error to be fetched by the call.
    pub(crate) fn writable(&self) -> bool {
        self.0.events & libc::POLLOUT != 0 && self.0.revents & (libc::POLLOUT | TROUBLE) != 0
    }
}

impl Watch {
    /// Whether the socket has failed or hung up, whatever was wanted.
    pub(crate) fn has_trouble(&self) -> bool {
        self.0.revents & TROUBLE != 0
    }
}

const TROUBLE: libc::c_short = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;

/// Watches of one poll beside the token's: a dial's attempts are few.
const WATCHES: usize = 8;

/// poll(2): `Ok(None)` when something is ready, else why the wait was over. A wait longer than poll can name (24 days)
/// is cut into several. A fired token wins over what is ready: who cancels wants to be heard.
pub(crate) fn poll<'a>(watches: &mut [Watch], patience: impl Into<Patience<'a>>) -> io::Result<Option<Over>> {
    let patience = patience.into();
    let Some(token) = patience.token else { return poll_raw(watches, patience) };
    let mut few = [const { Watch(libc::pollfd { fd: -1, events: 0, revents: 0 }) }; WATCHES + 1];
    let mut many = Vec::new();
    let all = if watches.len() <= WATCHES {
        &mut few[..=watches.len()]
    } else {
        many.resize(watches.len() + 1, few[0]);
        &mut many[..]
    };
    all[0] = Watch::new(token, true, false);
    all[1..].copy_from_slice(watches);
    let over = poll_raw(all, patience)?;
    watches.copy_from_slice(&all[1..]);
    Ok(if all[0].readable() { Some(Over::Cancelled) } else { over })
}

fn poll_raw(watches: &mut [Watch], patience: Patience<'_>) -> io::Result<Option<Over>> {
    loop {
        let ms = patience.wait.poll_ms();
        // SAFETY: `Watch` is a transparent `pollfd`, and the slice is writable for its whole length.
        let n = unsafe { libc::poll(watches.as_mut_ptr().cast(), watches.len() as libc::nfds_t, ms) };
        if n > 0 {
            return Ok(None);
        }
        if n == 0
            && let Some(over) = patience.over()
        {
            return Ok(Some(over));
        }
        if n < 0 {
            again_if_interrupted()?;
            if patience.interruptible && patience.wait != Wait::Never {
                watches.iter_mut().for_each(|watch| watch.0.revents = 0);
                return Ok(Some(Over::Interrupted));
            }
        }
    }
}

/// An eventfd: readable from [`signal_event`] until [`clear_event`].
pub(crate) fn new_event() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes an event readable. Safe in a signal handler: one write(2), errno as it was.
pub(crate) fn signal_event(event: BorrowedFd<'_>) {
    let one = 1u64;
    // SAFETY: errno is this thread's; the eight bytes are readable. A full counter is readable already.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(event.as_raw_fd(), (&raw const one).cast(), 8);
        *errno = before;
    }
}

/// Makes an event unreadable.
pub(crate) fn clear_event(event: BorrowedFd<'_>) {
    let mut count = 0u64;
    // SAFETY: the eight bytes are writable. Not readable is EAGAIN, and just as good.
    unsafe { libc::read(event.as_raw_fd(), (&raw mut count).cast(), 8) };
}

/// A stream socket of the address's family, closed on exec from its birth, non-blocking.
fn socket(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the descriptor is an open stream socket that is or was connected, or is connecting; and what it is not.
#[cfg_attr(all(test, feature = "model"), allow(dead_code))]
pub(crate) fn check_stream(fd: BorrowedFd<'_>) -> io::Result<()> {
    if socket_option(fd, libc::SO_TYPE)? != libc::SOCK_STREAM {
        return Err(io::Error::from_raw_os_error(libc::EPROTOTYPE));
    }
    let mut watch = libc::pollfd { fd: fd.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one entry, which is writable.
    unsafe { libc::poll(&raw mut watch, 1, 0) };
    // What was never connected hangs up without an error (tcp(7), unix(7)); a peer that has gone was there.
    let hangs = watch.revents & libc::POLLHUP != 0 && watch.revents & libc::POLLERR == 0;
    if socket_option(fd, libc::SO_ACCEPTCONN)? != 0 || (hangs && !has_peer(fd)) {
        return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
    }
    Ok(())
}

fn has_peer(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: all-zero bytes are a valid address; it is writable, and its length is told.
    unsafe {
        let mut address: libc::sockaddr_storage = std::mem::zeroed();
        let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        libc::getpeername(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut len) == 0
    }
}

fn socket_option(fd: BorrowedFd<'_>, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, which is writable, and its length is told.
    match unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut len) } {
        0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Begins to connect a new non-blocking socket (std's connect waits for the answer). `true`: it is connected already.
pub(crate) fn connect_tcp(addr: &SocketAddr) -> io::Result<(OwnedFd, bool)> {
    match addr {
        SocketAddr::V4(v4) => {
            // SAFETY: all-zero bytes are a valid `sockaddr_in`.
            let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            let fd = socket(libc::AF_INET)?;
            // SAFETY: a `sockaddr_in` of its own length.
            let done = unsafe { connect_raw(&fd, (&raw const raw).cast(), size_of::<libc::sockaddr_in>())? };
            Ok((fd, done))
        }
        SocketAddr::V6(v6) => {
            // SAFETY: all-zero bytes are a valid `sockaddr_in6`.
            let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_flowinfo = v6.flowinfo();
            raw.sin6_scope_id = v6.scope_id();
            let fd = socket(libc::AF_INET6)?;
            // SAFETY: a `sockaddr_in6` of its own length.
            let done = unsafe { connect_raw(&fd, (&raw const raw).cast(), size_of::<libc::sockaddr_in6>())? };
            Ok((fd, done))
        }
    }
}

/// The longest path that fits a unix socket's address with its closing zero byte.
pub(crate) const UNIX_PATH_MAX: usize = size_of::<libc::sockaddr_un>() - size_of::<libc::sa_family_t>() - 1;

/// Begins to connect a new non-blocking unix socket; `WouldBlock` says that the listener's queue is full. The path is
/// at most [`UNIX_PATH_MAX`] bytes long.
pub(crate) fn connect_unix(path: &Path) -> io::Result<(OwnedFd, bool)> {
    let path = path.as_os_str().as_bytes();
    if path.is_empty() || path.len() > UNIX_PATH_MAX || path.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: all-zero bytes are a valid `sockaddr_un`.
    let mut raw: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, &from) in raw.sun_path.iter_mut().zip(path) {
        *to = from as libc::c_char;
    }
    let fd = socket(libc::AF_UNIX)?;
    // SAFETY: a `sockaddr_un` of its own length, zero-terminated as the path is shorter than the field.
    let done = unsafe { connect_raw(&fd, (&raw const raw).cast(), size_of::<libc::sockaddr_un>())? };
    Ok((fd, done))
}

/// # Safety
/// `addr` must point at a socket address of `len` bytes.
unsafe fn connect_raw(fd: &OwnedFd, addr: *const libc::sockaddr, len: usize) -> io::Result<bool> {
    // SAFETY: the caller vouches for the address; the descriptor is borrowed, so it is open.
    if unsafe { libc::connect(fd.as_raw_fd(), addr, len as libc::socklen_t) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // A non-blocking connect that a signal interrupts goes on by itself (connect(2)).
        Some(libc::EINPROGRESS | libc::EINTR) => Ok(false),
        _ => Err(error),
    }
}

/// Blocks every signal in this thread until dropped, so that threads born meanwhile never run the program's handlers.
pub(crate) struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    pub(crate) fn new() -> SignalsBlocked {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigfillset` initialises `all`; with a valid `how` `pthread_sigmask` cannot fail and sets `before`.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            SignalsBlocked(before.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the mask is the one that `new` was given.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// The word that fork wipes: 0 in a child that has not looked yet.
static WORD: OnceLock<&'static AtomicU64> = OnceLock::new();

/// Copied at fork like all memory, so a child's numbers go on where its parent's were.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// Which process this is in its line of forks: a value made under another generation was inherited from a parent. Two
/// loads, so cheap enough for every call; getpid(2) costs a system call.
#[inline]
pub(crate) fn fork_generation() -> u64 {
    let word = WORD.get_or_init(wiped_on_fork);
    match word.load(Ordering::Relaxed) {
        0 => begin_generation(word),
        generation => generation,
    }
}

#[cold]
fn begin_generation(word: &AtomicU64) -> u64 {
    let next = GENERATIONS.fetch_add(1, Ordering::Relaxed) + 1;
    match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(other) => other,
    }
}

/// A word on a page of its own that the kernel zeroes in a child (MADV_WIPEONFORK, Linux 4.14); where it will not, a
/// word that fork's own hook zeroes, which a raw clone(2) escapes.
fn wiped_on_fork() -> &'static AtomicU64 {
    const PAGE: usize = 4096;
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    extern "C" fn in_child() {
        FALLBACK.store(0, Ordering::Relaxed);
    }
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new private mapping, at no address that anybody uses; it is zeroed, aligned to a page and never
    // unmapped, so the reference to its first word may live for ever.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), PAGE, protection, flags, -1, 0);
        if page != libc::MAP_FAILED {
            if libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) == 0 {
                return &*page.cast::<AtomicU64>();
            }
            libc::munmap(page, PAGE);
        }
        libc::pthread_atfork(None, None, Some(in_child));
    }
    &FALLBACK
}

/// One `T` for each process: after a fork the child begins with a fresh one, as the parent's may be locked, or count
/// threads that the child does not have.
pub(crate) struct PerProcess<T>(AtomicPtr<(u64, T)>);

impl<T: Default + Send + Sync + 'static> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's value. A parent's is left alone: dropping it might need the lock that it holds.
    pub(crate) fn get(&self) -> &'static T {
        let now = fork_generation();
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: what is stored came from `Box::into_raw` below and is never freed once it was stored.
        if let Some((generation, value)) = unsafe { found.as_ref() }
            && *generation == now
        {
            return value;
        }
        let fresh = Box::into_raw(Box::new((now, T::default())));
        match self.0.compare_exchange(found, fresh, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: as above: stored, hence never freed.
            Ok(_) => unsafe { &(*fresh).1 },
            Err(other) => {
                // SAFETY: `fresh` was never shared, and is given up here; `other` was stored, hence never freed, and
                // was stored by this process, as the child of a fork begins with one thread.
                unsafe {
                    drop(Box::from_raw(fresh));
                    &(*other).1
                }
            }
        }
    }
}

/// The 16 random bytes that the kernel gave this program at its start; `None` where it gives none.
pub(crate) fn random_at_start() -> Option<[u8; 16]> {
    // SAFETY: getauxval reads a table of the process; AT_RANDOM's value is 0 or the address of 16 bytes that stay.
    unsafe {
        let at = libc::getauxval(libc::AT_RANDOM) as *const [u8; 16];
        at.as_ref().copied()
    }
}

/// Whether a descriptor is closed on exec.
#[cfg(test)]
pub(crate) fn is_closed_on_exec(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no memory is passed; the descriptor is borrowed, so it is open.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}

/// Bytes that glibc's allocator has given out.
#[cfg(test)]
pub(crate) fn allocated() -> usize {
    // SAFETY: no memory is passed.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Makes the queue of a listener so short that one connection fills it, for tests of peers that do not answer.
#[cfg(test)]
pub(crate) fn shorten_queue(listener: BorrowedFd<'_>) {
    // SAFETY: no memory is passed; the descriptor is borrowed, so it is open.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
}

/// Runs `work` in a forked child and gives its answer back, for tests of what a child sees.
#[cfg(test)]
pub(crate) fn in_forked_child(work: impl FnOnce() -> u64) -> u64 {
    use std::io::Read;
    let (mut answer, told) = io::pipe().unwrap();
    // SAFETY: the child only computes, writes to a pipe and leaves by `_exit`, so it runs no handler and no destructor.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(u64::MAX);
            libc::write(told.as_raw_fd(), (&raw const value).cast(), 8);
            libc::_exit(0);
        }
        drop(told);
        let mut bytes = [0; 8];
        answer.read_exact(&mut bytes).unwrap();
        libc::waitpid(child, ptr::null_mut(), 0);
        u64::from_ne_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn receiving_behind_keeps_what_is_there_and_never_grows() {
        let (a, b) = UnixStream::pair().unwrap();
        assert_eq!(send(a.as_fd(), b"abcdef", true).unwrap(), 6);
        let mut to = Vec::with_capacity(64);
        to.extend_from_slice(b"xy");
        assert_eq!(recv_behind(b.as_fd(), &mut to, 4, true).unwrap(), 4);
        assert_eq!((&to[..], to.capacity()), (&b"xyabcd"[..], 64));
        let mut full = Vec::new();
        assert_eq!(recv_behind(b.as_fd(), &mut full, 4, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let mut two = [0; 8];
        assert_eq!(recv(b.as_fd(), &mut two, false).unwrap(), 2);
        assert_eq!(recv(b.as_fd(), &mut two, false).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(a);
        assert_eq!(recv(b.as_fd(), &mut two, true).unwrap(), 0);
    }

    #[test]
    fn sending_to_a_vanished_peer_is_an_error_and_no_signal() {
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        assert_eq!(send(a.as_fd(), b"x", true).unwrap_err().raw_os_error(), Some(libc::EPIPE));
    }

    #[test]
    fn a_poll_ends_at_its_time_and_sees_each_direction() {
        let (a, b) = UnixStream::pair().unwrap();
        let begun = Instant::now();
        let mut watches = [Watch::new(b.as_fd(), true, false)];
        assert_eq!(poll(&mut watches, Wait::for_duration(Duration::from_millis(30))).unwrap(), Some(Over::Time));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        send(a.as_fd(), b"x", true).unwrap();
        let mut watches = [Watch::new(b.as_fd(), true, true)];
        assert_eq!(poll(&mut watches, Wait::Forever).unwrap(), None);
        assert!(watches[0].readable() && watches[0].writable());
        drop(a);
        let mut watches = [Watch::new(b.as_fd(), false, true)];
        assert_eq!(poll(&mut watches, Wait::Forever).unwrap(), None);
        assert!(watches[0].writable() && !watches[0].readable());
    }

    #[test]
    fn a_signal_neither_ends_nor_prolongs_a_wait() {
        extern "C" fn nothing(_: libc::c_int) {}
        let (a, b) = UnixStream::pair().unwrap();
        // SAFETY: SIGUSR1 gets a handler that does nothing, without SA_RESTART, so that calls are interrupted.
        let thread = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
            libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut());
            libc::pthread_self()
        };
        let ended = AtomicU64::new(0);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let ended = &ended;
            scope.spawn(move || {
                while ended.load(Ordering::SeqCst) == 0 && begun.elapsed() < Duration::from_secs(10) {
                    // SAFETY: the thread lives as long as the scope.
                    unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
                    std::thread::sleep(Duration::from_millis(1));
                }
                send(a.as_fd(), b"x", true).unwrap();
            });
            let mut watches = [Watch::new(b.as_fd(), true, false)];
            assert_eq!(poll(&mut watches, Wait::for_duration(Duration::from_millis(50))).unwrap(), Some(Over::Time));
            assert!(begun.elapsed() >= Duration::from_millis(50));
            ended.store(1, Ordering::SeqCst);
            assert_eq!(recv(b.as_fd(), &mut [0; 1], true).unwrap(), 1);
        });
    }

    #[test]
    fn a_child_is_of_another_generation_and_its_child_again() {
        let here = fork_generation();
        assert_eq!(here, fork_generation());
        let child = in_forked_child(fork_generation);
        let grandchild = in_forked_child(|| {
            fork_generation();
            in_forked_child(fork_generation)
        });
        assert!(child > here && grandchild > child);
        assert_eq!(here, fork_generation());
    }

    #[test]
    fn a_child_begins_with_a_fresh_value_though_the_parents_is_locked() {
        static VALUE: PerProcess<Mutex<u64>> = PerProcess::new();
        let mut held = VALUE.get().lock().unwrap();
        *held = 7;
        assert_eq!(in_forked_child(|| *VALUE.get().lock().unwrap()), 0);
        drop(held);
        assert_eq!(*VALUE.get().lock().unwrap(), 7);
    }

    #[test]
    fn signals_are_blocked_in_between_only() {
        fn is_blocked() -> bool {
            // SAFETY: the mask is initialised by the call, which reads nothing.
            unsafe {
                let mut mask = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut mask);
                libc::sigismember(&raw const mask, libc::SIGTERM) == 1
            }
        }
        assert!(!is_blocked());
        let blocked = SignalsBlocked::new();
        assert!(is_blocked());
        drop(blocked);
        assert!(!is_blocked());
    }
}
