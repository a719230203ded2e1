//! Signals that the program handles, during every wait, with SA_RESTART and without: they end nothing and prolong
//! nothing, unless the dialer asked to be told. And fork: a connection is the parent's.

mod raw;
mod waits;

use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use raw::{bound, dial, recv, serve};
use waits::{Around, CALLS, DIALS, Dog, LONG, run};
use wsdial::{Client, Code, Dialer, Kind, Message, Outcome, Wait};

/// SIGUSR1 has SA_RESTART, SIGUSR2 has not.
const SIGNALS: [(libc::c_int, libc::c_int); 2] = [(libc::SIGUSR1, libc::SA_RESTART), (libc::SIGUSR2, 0)];

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn install() {
    for (signal, flags) in SIGNALS {
        // SAFETY: the handler only counts.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = flags;
            assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
        }
    }
}

/// Sends a signal to the thread that made it, every other millisecond until it is dropped.
struct Storm {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Storm {
    fn new(signal: libc::c_int) -> Storm {
        let over = Arc::new(AtomicBool::new(false));
        // SAFETY: only asks who this is.
        let (stop, target) = (Arc::clone(&over), unsafe { libc::pthread_self() });
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(2));
                // SAFETY: the storm is dropped, and this thread joined, by the target itself.
                unsafe { libc::pthread_kill(target, signal) };
            }
        });
        Storm { over, thread: Some(thread) }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn client(interruptible: bool) -> Client {
    let mut dialer = Dialer::new();
    dialer.set_interruptible(interruptible);
    Client::new(dialer)
}

fn with_storm<T>(signal: libc::c_int, work: impl FnOnce(&Around<'_>) -> T) -> T {
    let storm = std::cell::RefCell::new(None);
    work(&Around { begin: &|| *storm.borrow_mut() = Some(Storm::new(signal)), end: &|| drop(storm.take()) })
}

#[test]
fn unless_asked_for_no_signal_ends_or_prolongs_a_wait() {
    install();
    let limit = Duration::from_millis(150);
    for (name, stage) in DIALS.into_iter().chain(CALLS) {
        for (signal, _) in SIGNALS {
            let before = HANDLED.load(Ordering::SeqCst);
            let wait = || Wait::for_duration(limit);
            let (end, took) = with_storm(signal, |around| run(name, stage, &client(false), &wait, around));
            let wanted = if name == "body of a no" { "Rejected" } else { "Timeout" };
            assert_eq!(end, wanted, "{name}, signal {signal}");
            assert!(took >= limit - Duration::from_millis(1) && took < 10 * limit, "{name} took {took:?}");
            assert!(HANDLED.load(Ordering::SeqCst) > before + 5, "{name}: too few signals to tell");
        }
    }
}

#[test]
fn when_asked_for_a_signal_ends_every_wait_and_nothing_is_lost() {
    install();
    for (name, stage) in DIALS.into_iter().chain(CALLS) {
        for (signal, _) in SIGNALS {
            let wait = || Wait::for_duration(LONG);
            let (end, took) = with_storm(signal, |around| run(name, stage, &client(true), &wait, around));
            assert_eq!(end, "Interrupted", "{name}, signal {signal}");
            assert!(took < LONG / 4, "{name} took {took:?}");
        }
    }
}

#[test]
fn a_receive_that_waits_for_ever_goes_on_after_signals() {
    install();
    for (signal, _) in SIGNALS {
        let _dog = Dog::new(format!("a receive under signal {signal}"), LONG);
        let (url, server) = serve(|mut peer| {
            let from = HANDLED.load(Ordering::SeqCst);
            peer.raw(&[0x81, 2, b'a']);
            while HANDLED.load(Ordering::SeqCst) < from + 10 {
                thread::yield_now();
            }
            peer.raw(b"b");
            peer.read();
        });
        let connection = dial(&url);
        let storm = Storm::new(signal);
        let mut message = Message::new();
        assert_eq!(connection.recv(&mut message, Wait::Forever).unwrap(), Outcome::Done);
        drop(storm);
        assert_eq!(message.data(), b"ab");
        drop(connection);
        server.join().unwrap();
    }
}

/// Runs `work` in a child; false when it panics.
fn child(work: impl FnOnce()) -> bool {
    // SAFETY: the child leaves by `_exit`, so it runs no handler and no destructor of the parent's.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::alarm(20);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            libc::_exit(i32::from(!done));
        }
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

#[test]
fn in_a_forked_child_a_connection_refuses_its_free_says_nothing_and_a_new_dial_works() {
    let _dog = Dog::new("fork".to_owned(), LONG);
    let (url, server) = serve(|mut peer| {
        peer.frame(0x81, b"for the parent");
        assert_eq!(peer.read().expect("the parent's message").payload, b"from the parent");
        assert_eq!(peer.read_close().0, 1000);
        peer.frame(0x88, &raw::close_body(1000, ""));
        peer.finish();
        assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0, "the child sent something");
    });
    let (other_url, other) = serve(|mut peer| {
        assert_eq!(peer.read().expect("the child's message").payload, b"from the child");
        peer.frame(0x82, b"for the child");
        peer.read();
    });
    let connection = dial(&url);
    // Locks are taken at the moment of the fork, as they would be by other threads.
    let ended = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let first = recv(&connection);
            assert_eq!(first.data(), b"for the parent");
            connection.recv(&mut Message::new(), Wait::Forever)
        });
        thread::sleep(Duration::from_millis(50));
        let fd = connection.fd().unwrap().as_raw_fd();
        let borrowed = &raw const connection;
        let done = child(|| {
            let refused = |answer: Result<Outcome, wsdial::Error>| {
                assert_eq!(answer.unwrap_err().code(), Code::UsageForked);
            };
            for wait in [Wait::Never, Wait::Forever] {
                refused(connection.send(Kind::Text, b"from the child", wait));
                refused(connection.recv(&mut Message::new(), wait));
                refused(connection.ping(b"", wait));
                refused(connection.flush(wait));
                refused(connection.close(1000, "", wait));
                refused(connection.handshake(wait));
            }
            refused(connection.process());
            connection.wants();
            connection.timeout();
            assert_eq!((connection.round_trip(), connection.close_code()), (None, 0));
            // SAFETY: the child has its own copy and never looks at it again.
            drop(unsafe { borrowed.read() });
            // SAFETY: no memory is passed.
            assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, -1, "the descriptor is still open");
            let own = dial(&other_url);
            assert_eq!(own.send(Kind::Binary, b"from the child", bound()).unwrap(), Outcome::Done);
            assert_eq!(recv(&own).data(), b"for the child");
        });
        let sent = connection.send(Kind::Text, b"from the parent", bound());
        let closed = connection.close(1000, "", bound());
        (done, sent.ok(), closed.ok(), receiver.join().unwrap().ok())
    });
    assert_eq!(ended, (true, Some(Outcome::Done), Some(Outcome::Done), Some(Outcome::Closed)));
    drop(connection);
    server.join().unwrap();
    other.join().unwrap();
}
