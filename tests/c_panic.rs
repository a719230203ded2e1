//! A panic inside the library, seen from C. Only with the feature `test-hooks`, which never is in a shipped build; the
//! library is built in a folder of its own:
//!
//! `cargo test --features test-hooks --target-dir target/hooks --test c_panic`

mod common;

use common::c::{self, PLAIN};
use common::server;

#[test]
fn a_panic_inside_comes_out_as_a_code_with_nothing_on_stderr() {
    let server = server::start();
    c::run("panic.c", &PLAIN, &server.arguments());
}
