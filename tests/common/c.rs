//! C programs: compiled against the header and the library that cargo has just built, and run.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No program of these tests takes longer; under valgrind they take seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// What the C tests are compiled with, whatever else.
pub const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic-errors"];

/// How a program is built and run.
pub struct Build<'a> {
    pub compiler: &'a str,
    pub flags: &'a [&'a str],
    /// In front of the program on the command line.
    pub runner: &'a [&'a str],
    /// For the program's file name: two builds of one source do not meet.
    pub tag: &'a str,
}

pub const PLAIN: Build<'static> = Build { compiler: "cc", flags: &[], runner: &[], tag: "plain" };

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo has put the library's shared and static form for this test.
pub fn library_folder() -> PathBuf {
    let itself = std::env::current_exe().expect("the test's own program");
    let folder = itself.parent().expect("a folder").to_owned();
    assert!(folder.join("libwsdial.so").exists(), "no libwsdial.so in {}", folder.display());
    folder
}

/// Compiles a program against the shared library.
pub fn compile(source: &Path, build: &Build) -> PathBuf {
    let folder = library_folder();
    let (mut compiler, program) = compiler(source, build);
    compiler.arg("-L").arg(&folder).args(["-lwsdial", "-lpthread"]).arg(format!("-Wl,-rpath,{}", folder.display()));
    succeed(&mut compiler, "the compiler");
    program
}

/// Compiles a program that looks for the library by itself.
pub fn compile_alone(source: &Path) -> PathBuf {
    let (mut compiler, program) = compiler(source, &Build { tag: "alone", ..PLAIN });
    succeed(compiler.args(["-ldl", "-lpthread"]), "the compiler");
    program
}

/// Compiles a program with the static library in it.
pub fn compile_static(source: &Path) -> PathBuf {
    let (mut compiler, program) = compiler(source, &Build { tag: "static", ..PLAIN });
    compiler.arg(library_folder().join("libwsdial.a")).args(["-lpthread", "-lm", "-ldl"]);
    succeed(&mut compiler, "the compiler");
    program
}

fn compiler(source: &Path, build: &Build) -> (Command, PathBuf) {
    let name = source.file_stem().and_then(OsStr::to_str).expect("a name");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", build.tag));
    let mut compiler = Command::new(build.compiler);
    compiler.args(STRICT).args(build.flags).args(["-D_GNU_SOURCE", "-g"]);
    compiler.arg("-I").arg(root().join("include")).arg(source).arg("-o").arg(&program);
    (compiler, program)
}

/// Compiles and runs one of `tests/c`: it must say nothing on stderr and end with 0.
pub fn run(name: &str, build: &Build, arguments: &[&str]) {
    let program = compile(&root().join("tests/c").join(name), build);
    let output = finish(command(&program, build).args(arguments), name);
    expect_success(&output, name);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name} wrote to stderr");
}

fn command(program: &Path, build: &Build) -> Command {
    match build.runner.split_first() {
        None => Command::new(program),
        Some((runner, rest)) => {
            let mut command = Command::new(runner);
            command.args(rest).arg(program);
            command
        }
    }
}

/// Runs a program to its end, which must come in time.
pub fn finish(command: &mut Command, name: &str) -> Output {
    // cargo names the folder with the last `cargo build`'s library first, which may be an older one.
    command.env("LD_LIBRARY_PATH", library_folder());
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = spawned.unwrap_or_else(|error| panic!("{name}: {:?} cannot be run: {error}", command.get_program()));
    let id = child.id();
    let waiter = thread::spawn(move || child.wait_with_output());
    let begin = Instant::now();
    while !waiter.is_finished() {
        if begin.elapsed() > LIMIT {
            let _ = Command::new("kill").args(["-ABRT", &id.to_string()]).status();
            panic!("{name} did not end within {LIMIT:?}");
        }
        thread::park_timeout(Duration::from_millis(2));
    }
    waiter.join().expect("the waiting thread").expect("the program's output")
}

pub fn expect_success(output: &Output, name: &str) {
    assert!(
        output.status.success(),
        "{name} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a tool that must be there and must succeed; returns what it printed.
pub fn succeed(command: &mut Command, name: &str) -> String {
    let output = finish(command, name);
    expect_success(&output, name);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The functions that the header declares.
pub fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/wsdial.h")).expect("the header");
    // Outside comments and macros a name is called only where it is declared.
    let code = header.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect::<String>();
    let code = code.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let names = code.split('(').filter_map(|before| before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next());
    names.filter(|name| name.starts_with("ws_")).map(str::to_owned).collect()
}
