//! `include/wsdial.hpp`: compiled as every C++ that it promises, and run.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::c::{declared, expect_success, finish, library_folder, root, succeed};
use common::server;

const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"];

/// The standards from C++17 on that compilers of the last years know by these names.
const STANDARDS: [&str; 3] = ["c++17", "c++20", "c++2b"];

fn compile(compiler: &str, name: &str, flags: &[&str]) -> PathBuf {
    let tag = [&[compiler, name], flags].concat().join("_").replace(['+', '=', ',', '.', '-'], "");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(tag);
    let folder = library_folder();
    let mut command = Command::new(compiler);
    command.args(WARNINGS).args(flags).args(["-g", "-I"]).arg(root().join("include"));
    command.arg(root().join("tests/cpp").join(name)).arg("-o").arg(&program);
    command.arg("-L").arg(&folder).args(["-lwsdial", "-lpthread"]).arg(format!("-Wl,-rpath,{}", folder.display()));
    succeed(&mut command, &format!("{compiler} {flags:?}"));
    program
}

fn run(compiler: &str, name: &str, flags: &[&str]) {
    let server = server::start();
    let output = finish(Command::new(compile(compiler, name, flags)).args(server.arguments()), name);
    expect_success(&output, name);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name} wrote to stderr");
}

#[test]
fn cpp_has_every_function() {
    let header = fs::read_to_string(root().join("include/wsdial.hpp")).expect("the header");
    // A C++ program says the first two in C; an error of C++ has its code by itself.
    let left = ["ws_version", "ws_version_number", "ws_error_code"];
    for name in declared().iter().filter(|name| !left.contains(&name.as_str())) {
        let is_used = header.match_indices(name.as_str()).any(|(at, _)| {
            let behind = header[at + name.len()..].chars().next();
            behind.is_some_and(|c| !c.is_alphanumeric() && c != '_')
        });
        assert!(is_used, "wsdial.hpp leaves {name} out");
    }
}

#[test]
fn a_program_of_cpp17_uses_all_of_it() {
    run("c++", "client.cpp", &["-std=c++17"]);
}

#[test]
fn a_program_of_cpp20_uses_all_of_it() {
    run("c++", "client.cpp", &["-std=c++20"]);
}

#[test]
fn a_program_without_exceptions_uses_the_rest() {
    run("c++", "without.cpp", &["-std=c++17", "-fno-exceptions", "-fno-rtti"]);
}

#[test]
#[ignore = "needs gcc and clang both, and their sanitizers"]
fn gcc_and_clang_build_it_as_every_standard_and_the_sanitizers_find_nothing() {
    for compiler in ["g++", "clang++"] {
        for standard in STANDARDS {
            let standard = format!("-std={standard}");
            run(compiler, "client.cpp", &[&standard, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        }
        run(compiler, "without.cpp", &["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fsanitize=address,undefined"]);
    }
}
