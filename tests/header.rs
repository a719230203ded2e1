//! `include/wsdial.h`: it is what the sources say, it reads well, and every compiler takes it in every language that
//! it promises.
//!
//! `WSDIAL_BLESS=1 cargo test --test header` (which is `make header`) copies the generated one, and writes the list of
//! what the library exports from it.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::c::{declared, root, succeed};

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

/// The linker's script for the shared library: the committed list of what it exports, each under the version that it came
/// with.
fn map_of_the_header() -> String {
    let mut versions: BTreeMap<(u32, u32), BTreeSet<String>> = BTreeMap::new();
    for name in declared() {
        versions.entry(since(&name)).or_default().insert(name);
    }
    let mut map = String::new();
    let mut before = String::new();
    for (index, ((major, minor), names)) in versions.iter().enumerate() {
        let names: String = names.iter().map(|name| format!("    {name};\n")).collect();
        let locals = if index == 0 { "local:\n    *;\n" } else { "" };
        map += &format!("WSDIAL_{major}.{minor} {{\nglobal:\n{names}{locals}}}{before};\n");
        before = format!(" WSDIAL_{major}.{minor}");
    }
    map
}

/// The version at the end of a function's manual; what says none has been there from the beginning.
fn since(name: &str) -> (u32, u32) {
    let call = format!("{name}(");
    let is_declared = |item: &&str| item.rsplit("*/").next().is_some_and(|code| code.contains(&call));
    let item = GENERATED.split("\n\n").find(is_declared).unwrap_or_else(|| panic!("{name} is not declared"));
    let mut words = item.split_whitespace().skip_while(|word| *word != "Since").skip(1).filter(|word| *word != "*");
    let Some(version) = words.next() else { return (0, 1) };
    let (major, minor) = version.trim_end_matches('.').split_once('.').expect("a version");
    (major.parse().expect("a major version"), minor.parse().expect("a minor version"))
}

#[test]
fn the_list_of_exports_is_what_the_header_declares() {
    let (path, map) = (root().join("packaging/wsdial.map"), map_of_the_header());
    if std::env::var_os("WSDIAL_BLESS").is_some() {
        fs::write(&path, &map).expect("the list is written");
    }
    assert!(
        fs::read_to_string(path).expect("the list") == map,
        "packaging/wsdial.map is not what the header says: make header"
    );
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

/// The page on dialing has every setter in its table, and nothing that is not there.
#[test]
fn the_page_on_dialing_names_what_there_is() {
    let page = fs::read_to_string(root().join("docs/dialer.md")).expect("the page");
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.len() > 3).map(str::to_owned).collect()
    };
    let header = words(GENERATED);
    let named: BTreeSet<String> =
        words(&page).into_iter().filter(|w| w.starts_with("ws_") || w.starts_with("WS_")).collect();
    let unknown: Vec<_> = named.iter().filter(|name| !name.ends_with('_') && !header.contains(*name)).collect();
    assert!(unknown.is_empty(), "the header has none of {unknown:?}");

    let table = page.split("## What can be set").nth(1).and_then(|rest| rest.split("\n\n").nth(2)).expect("the table");
    let mut told = BTreeSet::new();
    for row in table.lines().skip(2) {
        let column = row.split('|').nth(3).expect("three columns");
        for name in column
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains(' ') && !matches!(*name, "timeout_ms" | "ws"))
        {
            let name = if name.starts_with("ws_") { name.to_owned() } else { format!("ws_dialer_{name}") };
            assert!(header.contains(&name), "the header has no {name}");
            told.insert(name);
        }
    }
    let setters = header.iter().filter(|name| name.starts_with("ws_dialer_"));
    let untold: Vec<_> =
        setters.filter(|name| !told.contains(*name) && !NO_DECISIONS.contains(&name.as_str())).collect();
    assert!(untold.is_empty(), "docs/dialer.md does not tell of {untold:?}");
}

/// What begins as the setters do and is none.
const NO_DECISIONS: [&str; 2] = ["ws_dialer_new", "ws_dialer_free"];

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
