//! `include/wsdial.h`: it is what the sources say, it reads well, and every compiler takes it in every language that
//! it promises.
//!
//! `WSDIAL_BLESS=1 cargo test --test header the_header_is` (which is `make header`) copies the generated one.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::c::{root, succeed};

const GENERATED: &str = include_str!(env!("WSDIAL_GENERATED_HEADER"));

fn committed() -> PathBuf {
    root().join("include/wsdial.h")
}

#[test]
fn the_header_is_what_the_sources_say() {
    if std::env::var_os("WSDIAL_BLESS").is_some() {
        fs::write(committed(), GENERATED).expect("the header is written");
    }
    let header = fs::read_to_string(committed()).expect("the header");
    let difference = header.lines().zip(GENERATED.lines()).position(|(a, b)| a != b);
    assert!(header == GENERATED, "include/wsdial.h is not what src/ffi says, from line {difference:?} on: make header");
}

#[test]
fn the_header_reads_well() {
    assert!(GENERATED.lines().count() <= 900, "{} lines", GENERATED.lines().count());
    for (number, line) in GENERATED.lines().enumerate() {
        let width = if line.starts_with("#define") { 108 } else { 100 };
        assert!(line.len() <= width, "line {} is too long", number + 1);
        assert!(line.is_ascii() && !line.contains('\t') && line.trim_end() == line, "line {}: {line}", number + 1);
        assert!(!line.contains("//") || line.contains("://"), "line {} has a comment that C89 has not", number + 1);
        let Some(define) = line.strip_prefix("#define ") else { continue };
        assert!(define.starts_with("WS_"), "line {} defines a name that is not ours: {line}", number + 1);
    }
}

/// Uses everything that needs the language: the initialiser, the attributes, the size, and the header twice.
const PROGRAM: &str = "
#include <wsdial.h>
#include <wsdial.h>
typedef char size_is_frozen[sizeof(ws_message) == (sizeof(void *) == 8 ? 56 : 32) ? 1 : -1];
typedef char batch_is_frozen[sizeof(ws_batch) == 8 * sizeof(void *) ? 1 : -1];
#if WS_E_USAGE_NULL != -101 || WS_FOREVER - 1 != -2 || WS_VERSION_NUMBER < 1000
#error the numbers are integers for the preprocessor too
#endif
int main(void)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_batch batch = WS_BATCH_INIT;
    batch_is_frozen unused_too = { 0 };
    size_is_frozen unused = { 0 };
    const char *name = ws_subprotocol(NULL);
    int (*receive)(ws_conn *, int, ws_message *, ws_error **) = ws_recv;
    int fd = (int)ws_fd(NULL);
    uint64_t round_trip = 0;
    int figure = ws_stat(NULL, WS_STAT_ROUND_TRIP, &round_trip, NULL);
    (void)unused;
    (void)unused_too;
    ws_batch_free(&batch);
    ws_message_free(&message);
    return name && receive && fd < 0 && figure < 0 && round_trip == 0 ? 0 : 1;
}
";

const C: [&str; 5] = ["c89", "c99", "c11", "c17", "c2x"];
const CPP: [&str; 5] = ["c++98", "c++11", "c++14", "c++17", "c++20"];

/// Compiles the program as every standard; the header counts as the user's own, so nothing is passed over.
fn compile_as_everything(compiler: &str, standards: &[&str], ending: &str) {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("matrix-{compiler}.{ending}"));
    fs::write(&source, PROGRAM).expect("the program is written");
    for standard in standards {
        let mut command = Command::new(compiler);
        command.arg(format!("-std={standard}")).args(["-Wall", "-Wextra", "-pedantic-errors", "-Werror", "-Wundef"]);
        command.args(["-fsyntax-only", "-I"]).arg(root().join("include")).arg(&source);
        succeed(&mut command, &format!("{compiler} -std={standard}"));
    }
}

#[test]
fn the_compiler_here_takes_it_as_c89_to_c23_and_cpp98_to_cpp20() {
    compile_as_everything("cc", &C, "c");
    compile_as_everything("c++", &CPP, "cc");
}

#[test]
#[ignore = "needs gcc and clang both"]
fn gcc_and_clang_take_it_as_c89_to_c23_and_cpp98_to_cpp20() {
    for (c, cpp) in [("gcc", "g++"), ("clang", "clang++")] {
        compile_as_everything(c, &C, "c");
        compile_as_everything(cpp, &CPP, "cc");
    }
}
