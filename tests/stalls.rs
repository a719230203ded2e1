//! Every phase of a dial with a peer that stops in it: each ends in its time with the phase in the error, and is cancelled
//! from another thread. `tests/stalls/scenes.rs` is the list; `cargo bench --bench stalls` prints how fast each ends.

#[path = "stalls/scenes.rs"]
mod scenes;

use std::time::Duration;

use scenes::{End, RESOLVE, SCENES, Scene, fail};
use wsdial::{Code, Phase};

/// No dial ends later than this behind its time.
const BOUND: Duration = Duration::from_secs(2);

fn ends_in_time(scene: &Scene) {
    let (error, later) = fail(scene, End::Time(Duration::from_millis(100)));
    assert_eq!((error.code(), error.phase()), (scene.late, scene.phase), "{}: {error}", scene.name);
    assert!(later < BOUND, "{}: {later:?} behind its time", scene.name);
    // A refusal is told with what came of its body.
    let body = error.rejection().map(|rejection| rejection.body.starts_with(b"no"));
    assert_eq!(body, (scene.late != Code::Timeout).then_some(true), "{}", scene.name);
}

fn is_cancelled(scene: &Scene) {
    let (error, later) = fail(scene, End::Cancel(Duration::from_millis(100)));
    assert_eq!((error.code(), error.phase()), (Code::Cancelled, scene.phase), "{}: {error}", scene.name);
    assert!(later < BOUND, "{}: {later:?} behind the token", scene.name);
}

#[test]
fn every_phase_that_stalls_ends_in_its_time_with_its_name() {
    SCENES.iter().for_each(ends_in_time);
}

#[test]
fn every_phase_that_stalls_is_cancelled_from_another_thread() {
    SCENES.iter().for_each(is_cancelled);
}

#[test]
fn every_phase_has_its_scene() {
    for phase in [Phase::Connect, Phase::Proxy, Phase::Tls, Phase::Handshake, Phase::Body] {
        assert!(SCENES.iter().any(|scene| scene.phase == phase), "{phase:?}");
    }
}

#[test]
#[ignore = "needs a name server that is silent: tests/stalls/run.sh"]
fn a_silent_name_server_stalls_as_the_others_do() {
    ends_in_time(&RESOLVE);
    is_cancelled(&RESOLVE);
    // The resolver of each goes on behind its dial, and only so many may: then dials wait for one of them to end.
    for _ in 0..16 {
        is_cancelled(&RESOLVE);
    }
    ends_in_time(&RESOLVE);
}
