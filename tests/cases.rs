//! One behaviour in every language: `tests/cases/cases.txt` through C. Go and Python run the same file.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::c::{self, PLAIN};

/// The script that plays the server's side; it ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(cases: &Path) -> (Server, String) {
        let script = c::root().join("tests/cases/server.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(cases).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("server.py said {line:?}")).to_owned();
        (Server(child), port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs the cases of a file; the runner's last words, and whether it was content.
fn run(cases: &Path) -> (String, bool) {
    let runner = c::compile(&c::root().join("tests/cases/runner.c"), &PLAIN);
    let (_server, port) = Server::start(cases);
    let header = c::root().join("include/wsdial.h");
    let output = c::finish(Command::new(runner).arg(cases).arg(header).arg(port), "runner.c");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (said.into_owned(), output.status.success())
}

#[test]
fn every_case_comes_out_as_it_must() {
    let cases = c::root().join("tests/cases/cases.txt");
    let (said, is_content) = run(&cases);
    assert!(is_content && said.ends_with(" passed, 0 failed\n"), "{said}");
    let count = fs::read_to_string(&cases).expect("the cases").lines().filter(|line| line.starts_with('[')).count();
    assert!(said.starts_with(&format!("{count} passed")), "{said}");

    // A runner that finds nothing wrong would be content with anything: three cases that cannot come out.
    let wrong = "[outcome]\nserver answer\nserver send 81 01 \"a\"\nclient dial -> open\nclient recv -> text \"b\"\n\n\
                 [server]\nserver answer\nserver want text \"a\"\nclient dial -> open\nclient send text \"b\" -> sent\n\n\
                 [failure]\nserver head \"HTTP/1.1 403 No\\r\\n\\r\\n\"\nserver end\nclient dial -> WS_E_REJECTED 404\n";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join("wrong-cases.txt");
    fs::write(&path, wrong).expect("a file");
    let (said, is_content) = run(&path);
    assert!(!is_content && said.ends_with("0 passed, 3 failed\n"), "{said}");
}

#[test]
fn the_page_is_what_the_cases_say() {
    let render = c::root().join("tests/cases/render.py");
    let output = Command::new("python3").arg(render).arg("--check").output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
