//! The C programs once more, watched: under valgrind, and with AddressSanitizer, LeakSanitizer and
//! UndefinedBehaviorSanitizer in the C half. Run with `-- --ignored`; a tool that is not there is a failure.

mod common;

use common::c::{self, Build};
use common::server;

const PROGRAMS: [&str; 7] = ["null.c", "message.c", "states.c", "values.c", "sigpipe.c", "descriptors.c", "threads.c"];

const VALGRIND: Build<'static> = Build {
    compiler: "cc",
    flags: &[],
    runner: &[
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,possible",
        "--errors-for-leak-kinds=definite,possible",
        "--track-fds=yes",
    ],
    tag: "valgrind",
};

const SANITIZED: Build<'static> = Build {
    compiler: "cc",
    flags: &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    runner: &[],
    tag: "sanitized",
};

fn run_all(build: &Build) {
    let server = server::start();
    for name in PROGRAMS {
        c::run(name, build, &server.arguments());
    }
}

#[test]
#[ignore = "needs valgrind and half a minute"]
fn valgrind_finds_nothing() {
    run_all(&VALGRIND);
}

#[test]
#[ignore = "needs the compiler's sanitizers"]
fn the_sanitizers_find_nothing() {
    run_all(&SANITIZED);
}
