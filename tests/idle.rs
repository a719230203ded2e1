//! A connection that was dialed and has received nothing holds no buffers.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wsdial::{Client, Dialer, Kind, Wait};

/// Counts what this thread has been given and has not given back.
struct Counting;

thread_local! {
    static GIVEN: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: all is the system's allocator's; only a number is kept, in a place that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = GIVEN.try_with(|given| given.set(given.get() + layout.size() as isize));
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _ = GIVEN.try_with(|given| given.set(given.get() - layout.size() as isize));
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_connection_that_was_only_dialed_holds_no_buffers() {
    let server = common::server::start();
    let mut dialer = Dialer::new();
    dialer.use_system_roots(false);
    dialer.add_ca_pem(&std::fs::read(&server.ca).unwrap()).unwrap();
    let client = Client::new(dialer);
    for (base, most) in [(&server.ws, 2 * 1024), (&server.wss, 16 * 1024)] {
        let dial = || client.dial(&format!("{base}/echo"), Wait::Forever).unwrap();
        // What is there for all of them: the trust roots, sessions, the pool of buffers.
        let first: Vec<_> = (0..10).map(|_| dial()).collect();
        let before = GIVEN.get();
        let more: Vec<_> = (0..20).map(|_| dial()).collect();
        for connection in &more {
            connection.send(Kind::Text, b"who only sends", Wait::Forever).unwrap();
        }
        let each = (GIVEN.get() - before) / more.len() as isize;
        assert!(each < most, "{base}: {each} bytes each");
        drop(first);
    }
}
