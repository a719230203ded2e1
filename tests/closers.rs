//! Several threads close one connection: they join one wait and are told one verdict.

mod common;
mod raw;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use raw::{bound, dial, serve};
use wsdial::{Client, Dialer, Kind, Message, Outcome, Wait};

#[test]
fn closers_of_different_patience_get_the_same_verdict() {
    for round in 0..50 {
        let (url, server) = serve(|mut peer| while peer.read().is_some() {});
        let connection = dial(&url);
        thread::scope(|scope| {
            let connection = &connection;
            let short = scope.spawn(|| connection.close(1000, "", Wait::for_duration(Duration::from_millis(20))));
            let long: Vec<_> = (0..3).map(|_| scope.spawn(|| connection.close(1000, "", bound()))).collect();
            // With a receiver the closers wait for it, without one they take turns at reading.
            if round % 2 == 0 {
                scope.spawn(|| connection.recv(&mut Message::new(), bound()));
            }
            for closer in long.into_iter().chain([short]) {
                assert_eq!(closer.join().unwrap().unwrap(), Outcome::Timeout);
            }
        });
        drop(connection);
        server.join().unwrap();
    }
}

/// close_notify may be on its way in another thread's hands when the closer looks: it is not a close frame that could not
/// leave.
#[test]
fn what_follows_the_close_frame_does_not_count_as_stuck() {
    let server = common::server::start();
    let mut dialer = Dialer::new();
    dialer.use_system_roots(false);
    dialer.add_ca_pem(&std::fs::read(&server.ca).unwrap()).unwrap();
    let client = Client::new(dialer);
    for round in 0..100 {
        let connection = client.dial(&format!("{}/echo", server.wss), bound()).unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let _ = connection.send(Kind::Binary, b"x", bound());
                    }
                });
            }
            let closed = if round % 2 == 0 {
                connection.close(1000, "", bound())
            } else {
                std::iter::repeat_with(|| connection.close(1000, "", Wait::Never))
                    .find(|closed| !matches!(closed, Ok(Outcome::Again)))
                    .unwrap()
            };
            is_over.store(true, Ordering::Relaxed);
            assert!(matches!(closed, Ok(Outcome::Done)), "round {round}: {closed:?}");
        });
    }
}
