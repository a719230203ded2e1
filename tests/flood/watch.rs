//! Tells a flood that stands still from one that is slow, and says where everybody was.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing at all moves for this long: it hangs.
const STILL: Duration = Duration::from_secs(30);

/// Even a flood that moves must be over by then.
const BOUND: Duration = Duration::from_secs(300);

/// What everybody is doing.
#[derive(Default)]
pub(crate) struct Watch {
    moves: AtomicU64,
    doing: Mutex<BTreeMap<&'static str, String>>,
}

impl Watch {
    /// Something went forward.
    pub(crate) fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Who is doing what from now on.
    pub(crate) fn at(&self, who: &'static str, what: String) {
        self.doing.lock().unwrap().insert(who, what);
    }

    fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }
}

/// Ends the process when the flood stands still, unless dropped before.
pub(crate) struct Dog {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Dog {
    pub(crate) fn new(what: String, watch: &Arc<Watch>) -> Dog {
        let (over, end) = mpsc::channel::<()>();
        let watch = Arc::clone(watch);
        let thread = thread::spawn(move || {
            let begin = Instant::now();
            let mut moves = watch.moves();
            while end.recv_timeout(STILL) == Err(RecvTimeoutError::Timeout) {
                let now = watch.moves();
                if now == moves || begin.elapsed() > BOUND {
                    give_up(&what, &watch);
                }
                moves = now;
            }
        });
        Dog { over: Some(over), thread: Some(thread) }
    }
}

impl Drop for Dog {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes by hand: what print macros say in a test is kept for its end, which will not come.
fn give_up(what: &str, watch: &Watch) -> ! {
    let mut report = format!("the flood over {what} does not end; {} moves so far\n", watch.moves());
    for (who, doing) in watch.doing.lock().unwrap().iter() {
        report += &format!("  {who}: {doing}\n");
    }
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        report +=
            &format!("  thread {}: {} in {}\n", task.file_name().display(), read("comm").trim(), read("wchan").trim());
    }
    let _ = io::stderr().write_all(report.as_bytes());
    std::process::abort();
}
