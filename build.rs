//! Generates the C header into OUT_DIR, and nothing anywhere else: `include/wsdial.h` is a copy that a test compares.
//!
//! cbindgen writes the declarations of `src/ffi`, each with its manual; `src/ffi/wsdial.h.in` says in which order a
//! reader meets them and what stands between. A line `@name` stands for the declaration of that name, a line
//! `@NAME PREFIX_*` for those constants. Every declaration has its place, once, or the build fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

/// The files that declare something for C, in the order of their declarations.
const SOURCES: &[&str] = &[
    "status",
    "error",
    "message",
    "dialer",
    "compression",
    "tls",
    "connection",
    "batch",
    "pieces",
    "turns",
    "cancel",
    "answers",
    "proxy",
];

/// The longest line of a prototype and of its manual.
const WIDTH: usize = 100;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo names the crate's folder");
    let root = Path::new(&root);
    let template = fs::read_to_string(root.join("src/ffi/wsdial.h.in")).expect("the header's template");
    let header = arrange(&template, &declarations(root));
    let out = env::var("OUT_DIR").expect("cargo names the folder to write to");
    let path = Path::new(&out).join("wsdial.h");
    fs::write(&path, header).expect("the header is written");
    println!("cargo:rustc-env=WSDIAL_GENERATED_HEADER={}", path.display());
    // A look-up of a name has a thread of its own, which a dlclose must not take the code from.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}

/// What cbindgen makes of the sources.
fn declarations(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join("src/ffi").join(source).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder.generate().expect("cbindgen reads src/ffi").write(&mut text);
    String::from_utf8(text).expect("the header is UTF-8")
}

/// Puts the declarations where the template wants them.
fn arrange(template: &str, declarations: &str) -> String {
    let mut constants = Vec::new();
    let mut others = BTreeMap::new();
    for item in declarations.split("\n\n").map(str::trim).filter(|item| !item.is_empty()) {
        match constant(item) {
            Some(constant) => constants.push(constant),
            None => drop(others.insert(name_of(item).to_owned(), item)),
        }
    }
    let mut left: BTreeSet<String> = others.keys().cloned().collect();
    left.extend(constants.iter().map(|constant| constant.name.clone()));
    let mut header = String::new();
    for line in template.lines() {
        match line.strip_prefix('@') {
            None => header.push_str(line),
            Some(names) if names == names.to_uppercase() => {
                let mut chosen = Vec::new();
                for name in names.split(' ') {
                    let before = chosen.len();
                    chosen.extend(constants.iter().filter(|constant| constant.is_named(name)));
                    assert!(chosen.len() > before, "no constant is named {name}");
                }
                for constant in &chosen {
                    assert!(left.remove(&constant.name), "{} stands twice in the header", constant.name);
                }
                header.push_str(&table(&chosen));
            }
            Some(name) => {
                let item = others.get(name).unwrap_or_else(|| panic!("src/ffi declares no {name}"));
                assert!(left.remove(name), "{name} stands twice in the header");
                header.push_str(&declaration(item));
            }
        }
        header.push('\n');
    }
    assert!(left.is_empty(), "src/ffi/wsdial.h.in has no place for {left:?}");
    header
}

struct Constant {
    name: String,
    value: String,
    text: String,
}

impl Constant {
    fn is_named(&self, pattern: &str) -> bool {
        pattern.strip_suffix('*').map_or(self.name == pattern, |prefix| self.name.starts_with(prefix))
    }
}

/// Reads `/* text */ #define NAME value`.
fn constant(item: &str) -> Option<Constant> {
    let (comment, define) = item.split_once("#define ")?;
    let (name, value) = define.split_once(' ')?;
    let text = comment_lines(comment).join(" ").trim_end_matches('.').to_owned();
    // A negative number without parentheses would change its neighbours' meaning.
    let value = if value.starts_with('-') { format!("({value})") } else { value.to_owned() };
    Some(Constant { name: name.to_owned(), value, text })
}

/// Constants in columns: name, value, meaning.
fn table(constants: &[&Constant]) -> String {
    let names = constants.iter().map(|constant| constant.name.len()).max().unwrap_or(0);
    let values = constants.iter().map(|constant| constant.value.len()).max().unwrap_or(0);
    let lines = constants
        .iter()
        .map(|Constant { name, value, text }| format!("#define {name:names$} {value:>values$} /* {text} */"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The name that a declaration declares.
fn name_of(item: &str) -> &str {
    let code = if item.contains('{') { item.rsplit('}').next() } else { item.rsplit("*/").next() };
    let code = code.unwrap_or_default();
    if code.trim_start().starts_with("typedef")
        && let Some((_, pointer)) = code.split_once("(*")
    {
        // The type of a function of the caller's.
        return pointer.split(')').next().unwrap_or_default();
    }
    let code = code.split('(').next().unwrap_or_default().trim_end_matches(';');
    code.rsplit([' ', '*']).next().unwrap_or_default()
}

/// The lines of a comment, without what makes it one.
fn comment_lines(comment: &str) -> Vec<&str> {
    let text = comment.trim().trim_start_matches("/*").trim_end_matches("*/");
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// A declaration as a person would have written it.
fn declaration(item: &str) -> String {
    let (manual, code) = match item.strip_prefix("/*") {
        Some(rest) => rest.split_once("*/").expect("a comment has an end"),
        None => ("", item),
    };
    assert!(!manual.is_empty(), "no manual: {item}");
    let tagged = format!("typedef struct {} {{", name_of(item));
    let code =
        if code.contains('{') { fields(&code.trim().replace("typedef struct {", &tagged)) } else { prototype(code) };
    format!("{}\n{code}", comment(&comment_lines(manual).join(" ")))
}

/// A comment in as few lines as fit.
fn comment(text: &str) -> String {
    let mut out = String::from("/*");
    let mut column = out.len();
    let words: Vec<&str> = text.split(' ').collect();
    for (n, word) in words.iter().enumerate() {
        // The end of the comment stays with its last word.
        let end = if n + 1 == words.len() { " */" } else { "" };
        if column + 1 + word.len() + end.len() > WIDTH {
            out += "\n *";
            column = 2;
        }
        out += &format!(" {word}{end}");
        column += 1 + word.len();
    }
    out
}

/// A struct, the comments of its fields each on one line.
fn fields(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some((before, comment)) = rest.split_once("/*") {
        let (comment, after) = comment.split_once("*/").expect("a comment has an end");
        out += &format!("{before}/* {} */", comment_lines(comment).join(" "));
        rest = after;
    }
    out + rest
}

/// A prototype in as few lines as fit, its arguments under each other.
fn prototype(code: &str) -> String {
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    if code.len() <= WIDTH {
        return code;
    }
    let (head, arguments) = code.split_once('(').expect("what is that long is a function");
    let indent = head.len() + 1;
    let mut out = format!("{head}(");
    let mut column = indent;
    for (n, argument) in arguments.split(", ").enumerate() {
        if n > 0 && column + 2 + argument.len() + 1 > WIDTH {
            out += &format!(",\n{:indent$}", "");
            column = indent;
        } else if n > 0 {
            out += ", ";
            column += 2;
        }
        out += argument;
        column += argument.len();
    }
    out
}
