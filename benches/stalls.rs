//! How fast a dial that has stalled ends: `cargo bench --bench stalls` dials peers that stop in every phase (tests/stalls),
//! and prints how long after its time, and how long after a cancel from another thread, each dial was over.
//! tests/stalls/run.sh runs it where a name server is silent, with WSDIAL_SILENT_RESOLVER set, so that the resolver is
//! measured too.

#[path = "../tests/stalls/scenes.rs"]
mod scenes;

use std::time::Duration;

use scenes::{End, RESOLVE, SCENES, Scene, fail};

const ROUNDS: usize = 9;
const TIME: Duration = Duration::from_millis(50);

fn main() {
    println!("{:36} {:>10}   {:>21}   {:>21}", "", "", "after its time", "after a cancel");
    println!("{:36} {:>10}   {:>10} {:>10}   {:>10} {:>10}", "", "phase", "median", "most", "median", "most");
    let resolver = std::env::var_os("WSDIAL_SILENT_RESOLVER").map(|_| &RESOLVE);
    for scene in resolver.into_iter().chain(&SCENES) {
        let ([median, most], [median_cancel, most_cancel]) =
            (measure(scene, End::Time(TIME)), measure(scene, End::Cancel(TIME)));
        let phase = format!("{:?}", scene.phase);
        println!("{:36} {phase:>10}   {median:>10} {most:>10}   {median_cancel:>10} {most_cancel:>10}", scene.name);
    }
}

/// Median and most.
fn measure(scene: &Scene, end: End) -> [String; 2] {
    let mut took: Vec<_> = (0..ROUNDS).map(|_| fail(scene, end).1).collect();
    took.sort();
    [took[ROUNDS / 2], took[ROUNDS - 1]].map(|took| format!("{} us", took.as_micros()))
}
