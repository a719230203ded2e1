//! The C programs once more, watched: under valgrind, and with AddressSanitizer, LeakSanitizer and
//! UndefinedBehaviorSanitizer in the C half. Run with `-- --ignored`; a tool that is not there is a failure.

mod common;

use common::c::{self, Build};
use common::server;

const PROGRAMS: &[&str] = &[
    "null.c",
    "message.c",
    "batch.c",
    "pieces.c",
    "states.c",
    "values.c",
    "sigpipe.c",
    "descriptors.c",
    "threads.c",
    "answers.c",
    "proxy.c",
    "memory.c",
    "loops.c",
    "cancel.c",
];

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
    ],
    tag: "valgrind",
};

const SANITIZED: Build<'static> = Build {
    compiler: "cc",
    flags: &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    runner: &[],
    tag: "sanitized",
};

#[test]
#[ignore = "needs valgrind and half a minute"]
fn valgrind_finds_nothing() {
    let server = server::start();
    let [ws, _, ca] = server.arguments();
    for name in PROGRAMS {
        c::run(name, &VALGRIND, &[ws, ws, ca]);
    }
}

/// valgrind does not follow ring's assembly and takes all that it seals for uninitialised; so TLS is watched with that
/// one finding left out, and everything else without. memory.c, which looks at sealed bytes itself, is watched over TLS by
/// the sanitizers only.
#[test]
#[ignore = "needs valgrind and half a minute"]
fn valgrind_finds_nothing_over_tls() {
    let server = server::start();
    let suppressions = format!("--suppressions={}", c::root().join("tests/c/valgrind.supp").display());
    let runner = [VALGRIND.runner, &[&suppressions]].concat();
    for name in PROGRAMS.iter().filter(|name| **name != "memory.c") {
        c::run(name, &Build { runner: &runner, tag: "valgrind-tls", ..VALGRIND }, &server.arguments());
    }
}

#[test]
#[ignore = "needs the compiler's sanitizers"]
fn the_sanitizers_find_nothing() {
    let server = server::start();
    for name in PROGRAMS {
        c::run(name, &SANITIZED, &server.arguments());
    }
}
