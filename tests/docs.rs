//! The pages of `docs/`, of the root and of the packages: each block of code is made of lines of a file that the tests run, in their order;
//! links lead somewhere; the table of errors is the header's.
//!
//! A block's file stands in a comment above it: `<!-- from examples/c/echo.c -->`. What is no program (`sh`, `diff`, a drawing)
//! needs none; any other word behind the fence is refused, so that no program slips by under a name of its own. `WSDIAL_BLESS=1 cargo test --test docs` (part of `make header`) writes the table of errors anew.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use common::c::root;

const PROGRAMS: [&str; 5] = ["c", "cpp", "python", "go", "rust"];
const OTHERS: [&str; 3] = ["", "sh", "diff"];
const PACKAGES: [&str; 2] = ["bindings/python/README.md", "packaging/README.sdk.md"];

fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in [root().to_owned(), root().join("docs")] {
        let entries = fs::read_dir(folder).expect("a folder");
        pages.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.extend(PACKAGES.map(|page| root().join(page)));
    pages.sort();
    pages
}

fn name(page: &Path) -> String {
    page.strip_prefix(root()).expect("a page of ours").display().to_string()
}

/// A block of code: the line of its page that it begins in, its language, the file above it, its lines.
struct Block {
    line: usize,
    language: String,
    file: Option<String>,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut inside, mut above) = (Vec::<Block>::new(), false, "");
    for (number, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                let file = above.strip_prefix("<!-- from ").and_then(|rest| rest.strip_suffix(" -->"));
                let (language, file) = (language.to_owned(), file.map(str::to_owned));
                blocks.push(Block { line: number + 1, language, file, lines: Vec::new() });
            }
            None if inside => blocks.last_mut().expect("a block").lines.push(line.trim().to_owned()),
            None => {}
        }
        if !line.trim().is_empty() {
            above = line.trim();
        }
    }
    blocks
}

#[test]
fn every_block_of_code_is_of_a_file_that_the_tests_run() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for block in &blocks(&text) {
            let place = format!("{}:{}", name(&page), block.line);
            if OTHERS.contains(&block.language.as_str()) {
                continue;
            }
            assert!(PROGRAMS.contains(&block.language.as_str()), "{place}: what is {}?", block.language);
            let file = block.file.as_ref().unwrap_or_else(|| panic!("{place}: from which file is it?"));
            let source =
                fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{place}: {file}: {error}"));
            // The program at the head of the header stands in a comment.
            let mut rest = source.lines().map(|line| line.trim().trim_start_matches("* ").trim());
            for line in block.lines.iter().filter(|line| !line.is_empty()) {
                assert!(rest.any(|of_file| of_file == line), "{place}: {file} has no such line there: {line}");
            }
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} blocks were found");
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = page.parent().expect("a folder").join(target);
            assert!(path.exists(), "{}: a link to nowhere: {link}", name(&page));
            count += 1;
        }
    }
    assert!(count > 30, "only {count} links were found");
}

/// `docs/errors.md`, from the header.
fn errors() -> String {
    let header = fs::read_to_string(root().join("include/wsdial.h")).expect("the header");
    let mut page = "# Errors\n\nWritten from `include/wsdial.h` by `make header`.\n\n\
        A call that failed answers one of these numbers, the same in every language: `ws_error_code` in C, `code()` in C++,\n\
        `error_code` in Python, `Code` in Go. Numbers never change their meaning. An error has more to tell: the phase, a\n\
        sentence with host and cause, the `errno`, the HTTP answer, the close code, the transcript of the dial.\n"
        .to_owned();
    let failures = header.split("/* ---- Failures ").nth(1).expect("the failures");
    for part in failures.split("\n\n") {
        let lines: Vec<&str> = part.lines().filter(|line| line.starts_with("#define WS_E_")).collect();
        if lines.is_empty() {
            continue;
        }
        let about = part.split("*/").next().unwrap_or_default().trim().trim_start_matches("/*");
        let about = about.split_whitespace().filter(|word| *word != "*").collect::<Vec<_>>().join(" ");
        let (title, more) = about.split_once(['.', ':']).unwrap_or((&about, ""));
        write!(page, "\n## {title}\n\n").expect("a string takes all");
        if !more.trim().is_empty() {
            write!(page, "{}\n\n", more.trim()).expect("a string takes all");
        }
        page += "| number | name | what happened |\n|---|---|---|\n";
        for line in lines {
            let mut words = line["#define ".len()..].splitn(2, ' ');
            let (code, rest) = (words.next().expect("a name"), words.next().expect("a value"));
            let (value, meaning) = rest.split_once("/*").expect("a meaning");
            let value = value.trim().trim_matches(['(', ')']);
            let meaning = meaning.trim_end_matches("*/").trim();
            writeln!(page, "| {value} | `{code}` | {meaning} |").expect("a string takes all");
        }
    }
    page
}

#[test]
fn the_page_of_errors_is_what_the_header_says() {
    let (path, errors) = (root().join("docs/errors.md"), errors());
    if std::env::var_os("WSDIAL_BLESS").is_some() {
        fs::write(&path, &errors).expect("the page is written");
    }
    assert!(
        fs::read_to_string(path).expect("the page") == errors,
        "docs/errors.md is not what the header says: make header"
    );
}

/// The words of code files under `folder` whose name ends so, declarations or not, without tests.
fn words_of(folder: &str, ending: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(ending) && !name.ends_with("_test.go") {
                let text = fs::read_to_string(&path).expect("a file");
                let new = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
                words.extend(new.map(str::to_owned));
            }
        }
    }
    words
}

/// The identifiers that a table's column has as code, with the row's title: the last part of `a::b` and `A.B`, a keyword
/// without its `=`.
fn column(page: &str, title: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(page)).expect("the page");
    let mut rows = text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let at = rows
        .find_map(|row| row.iter().position(|cell| cell.split(' ').next() == Some(title)))
        .unwrap_or_else(|| panic!("{page} has no column {title}"));
    let mut found = Vec::new();
    for row in rows.take_while(|row| row.len() > at).filter(|row| !row[at].starts_with("--")) {
        for code in row[at].split('`').skip(1).step_by(2) {
            let code = code.trim_end_matches('=').rsplit([':', '.']).next().expect("a part");
            found.push((row[0].to_owned(), code.to_owned()));
        }
    }
    found
}

/// What Go's and Python's own libraries call what is set there.
const FOREIGN: [&str; 3] = ["RootCAs", "Certificates", "KeyLogWriter"];

#[test]
fn the_tables_of_names_have_names_that_each_door_has() {
    let doors = [
        ("C", words_of("include", ".h")),
        ("C++", words_of("include", ".hpp")),
        ("Rust", words_of("src", ".rs")),
        ("Python", words_of("bindings/python/src/wsdial", ".py")),
        ("Go", words_of("bindings/go", ".go")),
    ];
    let mut unknown = Vec::new();
    for (door, words) in &doors {
        let mut named = column("docs/names.md", door);
        assert!(named.len() > 10, "of {door} only {named:?} were found");
        // The table of settings has C and C++ in one column, without what all names of C begin with.
        if *door != "C++" {
            named.extend(column("docs/dialer.md", door));
        }
        for (row, name) in named {
            let spelled = [name.clone(), format!("ws_dialer_{name}")];
            if !spelled.iter().any(|name| words.contains(name)) && !FOREIGN.contains(&name.as_str()) {
                unknown.push(format!("{door}, {row}: {name}"));
            }
        }
    }
    assert!(unknown.is_empty(), "names that their door has not: {unknown:#?}");
}
