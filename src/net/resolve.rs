//! Host names to addresses, with an end to the wait.
//!
//! The system's resolver cannot be interrupted, so it runs on a helper thread that is awaited through a descriptor and
//! left behind when the time is up. Numeric hosts and `localhost` (RFC 6761 6.3) need no resolver and no thread.
//! The order of RFC 6724, as the resolver gives it, is kept, with the families interleaved (RFC 8305 4).
use std::io::{self, PipeReader, PipeWriter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::connect::broken_off;
use super::sys::{self, PerProcess, SignalsBlocked, Watch};
use crate::error::{Code, Error, Phase};
use crate::wait::{Over, Patience, Wait};

/// All addresses of `host`, best first. Errors are in [`Phase::Resolve`].
pub(crate) fn resolve<'a>(host: &str, port: u16, wait: impl Into<Patience<'a>>) -> Result<Vec<SocketAddr>, Error> {
    let addresses = match without_resolver(host) {
        Some(addresses) => addresses,
        None => look_up(host, wait, system_look_up).map_err(|error| error.in_phase(Phase::Resolve))?,
    };
    Ok(interleaved(addresses).into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Look-ups that may be under way at once in a process, those that were left behind included.
const HELPERS: usize = 8;

/// How often one who may be cancelled looks whether there is room for another look-up.
const LOOK: Duration = Duration::from_millis(5);

/// glibc's resolver and its plug-ins keep their packets on the stack; this is twice what they are known to need.
const HELPER_STACK: usize = 256 * 1024;

fn without_resolver(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(vec![ip]);
    }
    // RFC 6761 6.3: names under `localhost.` are the loopback's, whatever a name server would say.
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    None
}

/// getaddrinfo(3). Scope ids do not occur: they belong to literals.
fn system_look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect())
}

type Found = io::Result<Vec<IpAddr>>;

fn look_up<'a>(
    host: &str,
    wait: impl Into<Patience<'a>>,
    work: impl FnOnce(&str) -> Found + Send + 'static,
) -> Result<Vec<IpAddr>, Error> {
    let wait = wait.into();
    let slot = Slot::take(SLOTS.get(), wait).map_err(|over| {
        let behind = format!("{HELPERS} earlier look-ups are still under way");
        match over {
            Over::Cancelled | Over::Interrupted => {
                broken_off(Some(over), &format!("waiting to look up {host}: {behind}"))
            }
            Over::Never | Over::Time => Error::new(Code::Timeout, format!("no answer for {host} in time: {behind}")),
        }
    })?;
    let (done, found) = start(slot, host, work)
        .map_err(|error| Error::from_io(Code::Resolve, &format!("cannot start to look up {host}"), &error))?;
    let mut watches = [Watch::new(done.as_fd(), true, false)];
    let over = sys::poll(&mut watches, wait)
        .map_err(|error| Error::from_io(Code::Resolve, &format!("cannot wait for {host}"), &error))?;
    match over {
        None => {}
        Some(Over::Cancelled | Over::Interrupted) => return Err(broken_off(over, &format!("looking up {host}"))),
        Some(_) => return Err(Error::new(Code::Timeout, format!("no answer for {host} in time"))),
    }
    match found.try_recv() {
        Ok(Ok(addresses)) if addresses.is_empty() => {
            Err(Error::new(Code::Resolve, format!("{host}: the name has no address")))
        }
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(refusal(host, &error)),
        Err(_) => Err(Error::new(Code::Internal, format!("the look-up of {host} broke off"))),
    }
}

/// Starts the helper: what it finds comes through the channel, and then the pipe's end says that it is there. Whoever
/// leaves early just drops both ends; the helper's are gone when the resolver comes back.
fn start(
    slot: Slot,
    host: &str,
    work: impl FnOnce(&str) -> Found + Send + 'static,
) -> io::Result<(PipeReader, Receiver<Found>)> {
    let (done, doing): (PipeReader, PipeWriter) = io::pipe()?;
    let (tell, found) = mpsc::sync_channel(1);
    let host = host.to_owned();
    let _blocked = SignalsBlocked::new();
    thread::Builder::new().name("wsdial-resolve".into()).stack_size(HELPER_STACK).spawn(move || {
        // The slot is free before the answer is known, so that one who asks again at once finds it so.
        let answer = work(&host);
        drop(slot);
        let _ = tell.send(answer);
        drop(doing);
    })?;
    Ok((done, found))
}

fn refusal(host: &str, error: &io::Error) -> Error {
    let text = error.to_string();
    // std puts its own words before the resolver's.
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let text = text.split(" (os error").next().unwrap_or_default();
    // EAI_AGAIN: nobody answered the question, which says nothing about the name.
    let unanswered = text.starts_with("Temporary failure");
    let hint =
        if unanswered { " (no name server answered: is there a network, and are its name servers right?)" } else { "" };
    Error::new(Code::Resolve, format!("{host}: {text}{hint}")).with_os_error(error.raw_os_error().unwrap_or(0))
}

/// RFC 8305 4: the families take turns, beginning with that of the best address; each keeps its own order.
fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut distinct: Vec<IpAddr> = Vec::with_capacity(addresses.len());
    for ip in addresses {
        if !distinct.contains(&ip) {
            distinct.push(ip);
        }
    }
    let Some(v6_first) = distinct.first().map(IpAddr::is_ipv6) else { return distinct };
    let count = distinct.len();
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) = distinct.into_iter().partition(|ip| ip.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::with_capacity(count);
    while turns.len() < count {
        turns.extend(first.next());
        turns.extend(second.next());
    }
    turns
}

/// The right to one helper thread; given back when dropped.
struct Slot(&'static Slots);

#[derive(Default)]
struct Slots {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn taken(&self) -> MutexGuard<'_, usize> {
        // Nothing that can panic runs under this lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A forked child has none of its parent's helpers.
static SLOTS: PerProcess<Slots> = PerProcess::new();

impl Slot {
    fn take(slots: &'static Slots, wait: Patience<'_>) -> Result<Slot, Over> {
        if !wait.needs_slices() {
            return Slot::take_of(slots, wait.wait).ok_or(Over::Time);
        }
        // A token and a signal are seen at once, a free slot by the next look.
        loop {
            if let Some(slot) = Slot::take_of(slots, Wait::Never) {
                return Ok(slot);
            }
            match sys::poll(&mut [], wait.at_most(Wait::for_duration(LOOK))) {
                Ok(Some(over @ (Over::Cancelled | Over::Interrupted))) => return Err(over),
                _ => wait.over().map_or(Ok(()), Err)?,
            }
        }
    }

    fn take_of(slots: &'static Slots, wait: Wait) -> Option<Slot> {
        let mut taken = slots.taken();
        while *taken == HELPERS {
            taken = match wait.remaining() {
                None => slots.freed.wait(taken).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return None,
                Some(left) => slots.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        *taken += 1;
        Some(Slot(slots))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.taken() -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn numeric_hosts_and_localhost_need_no_resolver() {
        for (host, expected) in [
            ("127.0.0.1", &["127.0.0.1"][..]),
            ("::1", &["::1"]),
            ("2001:db8::1", &["2001:db8::1"]),
            ("localhost", &["127.0.0.1", "::1"]),
            ("LocalHost.", &["127.0.0.1", "::1"]),
            ("a.b.localhost", &["127.0.0.1", "::1"]),
        ] {
            assert_eq!(without_resolver(host), Some(ips(expected)), "{host}");
        }
        for host in ["1", "127.1", "0x7f000001", "notlocalhost", "localhost.example", "localhost..", ""] {
            assert_eq!(without_resolver(host), None, "{host}");
        }
        let found = resolve("localhost", 80, Wait::Never).unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn families_take_turns_in_the_resolvers_order_and_nothing_comes_twice() {
        let given = ips(&["::1", "::2", "::1", "::3", "10.0.0.1", "10.0.0.2", "10.0.0.1"]);
        assert_eq!(interleaved(given), ips(&["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]));
        let given = ips(&["10.0.0.1", "10.0.0.2", "::1"]);
        assert_eq!(interleaved(given), ips(&["10.0.0.1", "::1", "10.0.0.2"]));
        assert!(interleaved(Vec::new()).is_empty());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_resolvers_reason() {
        let error = resolve("nothing.invalid", 80, Wait::for_duration(Duration::from_secs(30))).unwrap_err();
        assert_eq!((error.code(), error.phase()), (Code::Resolve, Phase::Resolve));
        let text = error.to_string();
        assert!(text.starts_with("resolve: nothing.invalid: ") && !text.contains("failed to lookup"), "{text}");
        let error = look_up("empty", Wait::Forever, |_| Ok(Vec::new())).unwrap_err();
        assert_eq!(error.to_string(), "empty: the name has no address");
        let error = refusal("far.example", &io::Error::other("Temporary failure in name resolution"));
        assert!(
            error.to_string().contains("far.example: Temporary failure in name resolution (no name server answered")
        );
        let error = resolve("nul\0byte", 80, Wait::Forever).unwrap_err();
        assert_eq!(error.code(), Code::Resolve);
    }

    #[test]
    fn a_stuck_look_up_is_left_behind_in_time_and_cleans_up_after_itself() {
        struct Gone(Arc<AtomicBool>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let gone = Arc::new(AtomicBool::new(false));
        let (release, released) = mpsc::channel::<()>();
        let held = Gone(gone.clone());
        let begun = Instant::now();
        let error = look_up("slow", Wait::for_duration(Duration::from_millis(50)), move |_| {
            let _held = held;
            let _ = released.recv();
            Ok(Vec::new())
        })
        .unwrap_err();
        assert_eq!((error.code(), &error.to_string()[..]), (Code::Timeout, "no answer for slow in time"));
        assert!(begun.elapsed() < Duration::from_secs(5) && !gone.load(Ordering::SeqCst));
        drop(release);
        while !gone.load(Ordering::SeqCst) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
    }

    #[test]
    fn a_ninth_look_up_waits_for_a_slot_within_its_time() {
        static SLOTS: PerProcess<Slots> = PerProcess::new();
        let mut taken: Vec<Slot> = (0..HELPERS).map(|_| Slot::take_of(SLOTS.get(), Wait::Never).unwrap()).collect();
        assert!(Slot::take_of(SLOTS.get(), Wait::Never).is_none());
        assert!(Slot::take_of(SLOTS.get(), Wait::for_duration(Duration::from_millis(20))).is_none());
        let one = taken.pop();
        let freeing = thread::spawn(move || drop(one));
        let slot = Slot::take_of(SLOTS.get(), Wait::for_duration(Duration::from_secs(10)));
        assert!(slot.is_some());
        freeing.join().unwrap();
        // In a child nobody holds any.
        assert_eq!(sys::in_forked_child(|| u64::from(Slot::take_of(SLOTS.get(), Wait::Never).is_some())), 1);
    }

    #[test]
    fn who_waits_for_a_slot_can_be_cancelled() {
        static SLOTS: PerProcess<Slots> = PerProcess::new();
        let (token, mut fire) = io::pipe().unwrap();
        let patience = |wait| Patience { wait, token: Some(token.as_fd()), interruptible: false };
        let mut taken: Vec<Slot> =
            (0..HELPERS).map(|_| Slot::take(SLOTS.get(), patience(Wait::Never)).unwrap()).collect();
        let little = Wait::for_duration(Duration::from_millis(20));
        assert_eq!(Slot::take(SLOTS.get(), patience(little)).err(), Some(Over::Time));
        let one = taken.pop();
        let freeing = thread::spawn(move || drop(one));
        taken.push(Slot::take(SLOTS.get(), patience(Wait::Forever)).unwrap());
        freeing.join().unwrap();
        let firing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            io::Write::write_all(&mut fire, b"!").unwrap();
            fire
        });
        assert_eq!(Slot::take(SLOTS.get(), patience(Wait::Forever)).err(), Some(Over::Cancelled));
        firing.join().unwrap();
    }

    #[test]
    fn a_helper_runs_no_signal_handler_and_a_panic_in_it_is_an_error() {
        let answer = look_up("signals", Wait::Forever, |_| {
            // SignalsBlocked restores what it found: still blocked afterwards means blocked before.
            let status = std::fs::read_to_string("/proc/thread-self/status")?;
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap_or_default().trim();
            let blocked = u64::from_str_radix(blocked, 16).unwrap_or(0);
            let term = 1 << (libc::SIGTERM - 1) | 1 << (libc::SIGINT - 1) | 1 << (libc::SIGUSR1 - 1);
            Ok(if blocked & term == term { ips(&["::1"]) } else { ips(&["::2"]) })
        });
        assert_eq!(answer.unwrap(), ips(&["::1"]));
        let error = look_up("broken", Wait::Forever, |_| panic!("on purpose")).unwrap_err();
        assert_eq!(error.code(), Code::Internal);
    }
}
