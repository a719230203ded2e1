//! Holds the code to the floor plan: the arrows between the folders of `src/` run one way only, and `unsafe` has two
//! homes.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that its files may name (`crate::room`), beside itself.
const ARROWS: [(&str, &[&str]); 12] = [
    ("ffi", &["client", "protocol", "buffer", "dialer", "error", "headers", "target", "wait"]),
    ("client", &["protocol", "net", "buffer", "dialer", "error", "headers", "target", "transcript", "wait"]),
    ("protocol", &["dialer", "error", "headers", "spare", "target"]),
    ("net", &["buffer", "dialer", "error", "target", "transcript", "wait"]),
    ("dialer", &["error", "headers", "buffer", "target", "transcript"]),
    ("target", &["error"]),
    ("error", &["headers", "transcript"]),
    ("transcript", &["headers"]),
    ("headers", &[]),
    ("wait", &[]),
    ("buffer", &[]),
    ("spare", &[]),
];

/// Public names at the crate's root stand for the room that they come from.
const ROOT_NAMES: [(&str, &str); 17] = [
    ("Endpoint", "target"),
    ("Client", "client"),
    ("Figure", "client"),
    ("Times", "transcript"),
    ("Connection", "client"),
    ("Outcome", "client"),
    ("CookieJar", "dialer"),
    ("Dialer", "dialer"),
    ("Code", "error"),
    ("Error", "error"),
    ("Phase", "error"),
    ("Redirect", "error"),
    ("Rejection", "error"),
    ("Headers", "headers"),
    ("Kind", "protocol"),
    ("Message", "protocol"),
    ("Wait", "wait"),
];

#[test]
fn arrows_run_one_way_only() {
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for file in sources() {
        let room = room_of(&file);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            assert!(room == "lib" || room == "bench_support", "{}: no room of the floor plan", file.display());
            continue;
        };
        for (number, line) in shipped(&file).lines().enumerate() {
            for named in crate_names(line) {
                arrows += 1;
                if named != room && !allowed.contains(&named) {
                    wrong.push(format!("{}:{}: {room} -> {named}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(arrows > 50, "only {arrows} arrows were found: is the reading of `use crate::` right?");
    assert!(wrong.is_empty(), "arrows that are not in the floor plan:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_lives_in_ffi_and_in_the_system_calls_only() {
    let mut homes = 0;
    for file in sources() {
        let has = shipped(&file).lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {")
                || code.contains("unsafe fn")
                || code.contains("unsafe impl")
                || code.contains("unsafe extern")
        });
        if has {
            homes += 1;
            let path = file.to_string_lossy();
            assert!(path.contains("src/ffi/") || path.ends_with("src/net/sys.rs"), "{path}: unsafe has no home here");
        }
    }
    assert!(homes >= 2, "no unsafe was found at all: is the reading right?");
}

#[test]
fn the_reading_sees_what_it_must() {
    assert_eq!(crate_names("use crate::net::sys;").collect::<Vec<_>>(), ["net"]);
    assert_eq!(
        crate_names("let x: crate::Outcome = crate::wait::Wait::Never;").collect::<Vec<_>>(),
        ["client", "wait"]
    );
    assert_eq!(crate_names("// says crate::net").count(), 0);
    assert_eq!(room_of(Path::new("src/net/tls/config.rs")), "net");
    assert_eq!(room_of(Path::new("src/wait.rs")), "wait");
}

/// The part of a file that ships: everything before its tests.
fn shipped(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].to_owned()
}

fn crate_names(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        ROOT_NAMES.iter().find(|(root, _)| *root == name).map_or(name, |(_, room)| room)
    })
}

fn room_of(file: &Path) -> String {
    let inside = file.components().skip_while(|part| part.as_os_str() != "src").nth(1).expect("a file in src");
    Path::new(&inside).file_stem().unwrap().to_string_lossy().into_owned()
}

/// The sources that ship: without files of tests.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "tests" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") && name != "tests" && !name.ends_with("_tests") {
                found.push(path);
            }
        }
    }
    found
}
