//! Several threads close one connection: they join one wait and are told one verdict.

mod raw;

use std::thread;
use std::time::Duration;

use raw::{bound, dial, serve};
use wsdial::{Message, Outcome, Wait};

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
