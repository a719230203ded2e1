//! The fuzzer's corpora once more, without the fuzzer: what it found must go on being met.

#[path = "../fuzz/bodies.rs"]
#[allow(clippy::undocumented_unsafe_blocks, reason = "each is a call of the C ABI, made as its manual asks")]
mod bodies;

use std::fs;
use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        body(&fs::read(entry.expect("an entry").path()).expect("a file"));
        count += 1;
    }
    assert!(count >= 20, "{target}: only {count} files");
}

#[test]
fn addresses() {
    replay("address", bodies::address);
}

#[test]
fn answers() {
    replay("answer", bodies::answer);
}

#[test]
fn proxies() {
    replay("proxy", bodies::proxy);
}

#[test]
fn sessions() {
    replay("session", bodies::session);
}
