//! The C ABI as C sees it: every program of `tests/c` is compiled against the header and the library, and run.
//!
//! The same programs run under valgrind and AddressSanitizer in `tests/c_checked.rs`.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::c::{self, PLAIN};
use common::server;

fn run(name: &str) {
    let server = server::start();
    c::run(name, &PLAIN, &server.arguments());
}

#[test]
fn null_is_a_result_everywhere() {
    run("null.c");
}

#[test]
fn a_message_keeps_its_promises() {
    run("message.c");
}

#[test]
fn a_batch_keeps_its_promises() {
    run("batch.c");
}

#[test]
fn a_message_goes_and_comes_in_pieces() {
    run("pieces.c");
}

#[test]
fn every_function_in_every_state() {
    run("states.c");
}

#[test]
fn wrong_values_are_told_apart_and_times_are_kept() {
    run("values.c");
}

#[test]
fn a_vanished_peer_raises_no_sigpipe() {
    run("sigpipe.c");
}

#[test]
fn no_descriptor_goes_to_a_child_or_stays() {
    run("descriptors.c");
}

#[test]
fn any_thread_calls_anything() {
    run("threads.c");
}

#[test]
fn a_forked_child_is_refused_and_harms_nothing() {
    run("fork.c");
}

#[test]
fn a_connection_over_memory_lends_and_ends_as_it_should() {
    run("memory.c");
}

#[test]
fn a_loop_may_do_the_waiting() {
    run("loops.c");
}

#[test]
fn redirects_are_followed_and_a_jar_has_its_say() {
    run("answers.c");
}

#[test]
fn connections_are_made_by_a_callback_or_through_a_proxy() {
    run("proxy.c");
}

#[test]
fn a_token_ends_every_wait_and_loses_nothing() {
    run("cancel.c");
}

#[test]
fn a_library_that_is_unloaded_stays_for_its_threads() {
    let program = c::compile_alone(&c::root().join("tests/c/unload.c"));
    c::succeed(Command::new(program).arg(c::library_folder().join("libwsdial.so")), "unload.c");
}

/// The program at the head of the header, as a reader copies it.
fn program_of_the_header() -> String {
    let header = fs::read_to_string(c::root().join("include/wsdial.h")).expect("the header");
    let lines = header.lines().skip_while(|line| !line.contains("#include <stdio.h>"));
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(" *     ") || *line == " *");
    let program: Vec<&str> = lines.map(|line| line.strip_prefix(" *     ").unwrap_or_default()).collect();
    assert!((25..=40).contains(&program.len()), "{} lines of program", program.len());
    program.join("\n")
}

#[test]
fn the_program_of_the_header_runs_with_either_library() {
    let server = server::start();
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header_program.c");
    fs::write(&source, program_of_the_header()).expect("the program is written");
    let shared = c::compile(&source, &PLAIN);
    let fixed = c::compile_static(&source);
    for program in [shared, fixed] {
        let url = format!("{}/echo", server.ws);
        let talk = c::succeed(Command::new(&program).arg(url), "the program of the header");
        assert_eq!(talk, "negotiated protocol: \"json\"\nreceived: hello\n");
        let output = c::finish(Command::new(&program).arg("ws://127.0.0.1:1/"), "the program of the header");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("ws://127.0.0.1:1: connect: "), "{said}");
    }
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let library = c::library_folder().join("libwsdial.so");
    let symbols = c::succeed(Command::new("nm").args(["-D", "--defined-only"]).arg(library), "nm");
    let exported: BTreeSet<String> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    assert!(exported.len() >= 65, "{exported:?}");
    assert_eq!(exported, c::declared());
}

#[test]
fn the_null_test_knows_every_function_that_takes_a_pointer() {
    let test = fs::read_to_string(c::root().join("tests/c/null.c")).expect("the test");
    let without_pointers = ["ws_strerror", "ws_phase_name", "ws_version", "ws_version_number", "ws_dialer_new"];
    for name in c::declared() {
        let is_called_with_null = test.lines().any(|line| line.contains(&format!("{name}(")) && line.contains("NULL"));
        assert!(is_called_with_null || without_pointers.contains(&name.as_str()), "null.c leaves {name} out");
    }
}
