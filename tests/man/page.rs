//! Writes a page in mdoc(7).

use std::collections::BTreeSet;

use super::Page;
use super::header::{Constant, Function, Header, Item};

/// When the words of the pages were last looked at as a whole.
const DATE: &str = "November 25, 2026";

/// The sections that are on the page of the whole library.
pub(crate) const OVERVIEW: &[&str] = &["Answers, times, kinds", "Objects"];

/// The page `wsdial(3)`.
pub(crate) fn overview(header: &Header, pages: &[Page]) -> String {
    let mut page = start("wsdial", "wsdial", "a WebSocket client");
    page += ".Sh LIBRARY\nThe WebSocket client wsdial (libwsdial, \\-lwsdial)\n.Sh SYNOPSIS\n.In wsdial.h\n.Sh DESCRIPTION\n";
    let mut laws = false;
    for (index, paragraph) in header.preface.iter().enumerate() {
        let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        // The first line names the file and its licence, and the one before the program announces it.
        let text = text.split_once("Apache-2.0").map_or(text.as_str(), |(_, text)| text.trim());
        if text.is_empty() || text.ends_with("A program:") && index == 0 {
            continue;
        }
        if text.starts_with("1. ") {
            laws = true;
            page += ".Bl -enum\n";
            for law in split_laws(text) {
                page += ".It\n";
                page += &prose(&law, &[]);
            }
            page += ".El\n";
            continue;
        }
        page += ".Pp\n";
        page += &prose(text.trim_end_matches(" A program:"), &[]);
    }
    assert!(laws, "the laws are in the header");
    for title in OVERVIEW {
        page += &format!(".Ss {title}\n");
        for item in &header.section(title).items {
            page += &describe(item);
        }
    }
    page += ".Sh EXAMPLES\n";
    page += &literal(&header.program);
    page += ".Sh SEE ALSO\n";
    page += &references(pages.iter().map(|page| page.name));
    without_empty_paragraphs(&(page + &standards()))
}

fn split_laws(text: &str) -> Vec<String> {
    let mut laws: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_number = word.len() == 2 && word.ends_with('.') && word.starts_with(|c: char| c.is_ascii_digit());
        match laws.last_mut() {
            _ if is_number => laws.push(String::new()),
            Some(law) => *law = format!("{law} {word}").trim().to_owned(),
            None => {}
        }
    }
    laws
}

/// The page of a group of functions.
pub(crate) fn page(header: &Header, page: &Page, example: &str) -> String {
    let functions: Vec<&Function> = header.functions(page.sections).collect();
    let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let mut text = start(page.name, &names.join(" ,\n.Nm "), page.about);
    text += ".Sh LIBRARY\nThe WebSocket client wsdial (libwsdial, \\-lwsdial)\n.Sh SYNOPSIS\n.In wsdial.h\n";
    for function in &functions {
        text += &prototype(function);
    }
    text += ".Sh DESCRIPTION\n";
    for title in page.sections {
        for item in &header.section(title).items {
            text += &describe(item);
        }
    }
    text += ".Sh EXAMPLES\n";
    text += &literal(example);
    text += &failures(header, page, &functions);
    text += ".Sh SEE ALSO\n";
    let see = page.see.iter().copied().chain(["wsdial"]).filter(|name| *name != page.name);
    text += &references(see);
    without_empty_paragraphs(&(text + &standards()))
}

/// A paragraph begins by itself behind a heading.
fn without_empty_paragraphs(page: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in page.lines() {
        let is_behind_heading = kept.last().is_some_and(|last| last.starts_with(".Sh ") || last.starts_with(".Ss "));
        if line != ".Pp" || !is_behind_heading {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

fn start(name: &str, names: &str, about: &str) -> String {
    let title = name.to_uppercase();
    format!(
        ".\\\" Written from include/wsdial.h by cargo test --test man: change src/ffi, then make header.\n\
         .Dd {DATE}\n.Dt {title} 3\n.Os\n.Sh NAME\n.Nm {names}\n.Nd {about}\n"
    )
}

fn standards() -> String {
    ".Sh STANDARDS\n.Rs\n.%A I. Fette\n.%A A. Melnikov\n.%D December 2011\n.%R RFC 6455\n.%T The WebSocket Protocol\n.Re\n"
        .to_owned()
}

fn references<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    let lines: Vec<String> = names.iter().map(|name| format!(".Xr {name} 3")).collect();
    lines.join(" ,\n") + "\n"
}

fn prototype(function: &Function) -> String {
    let mut text = format!(".Ft {}\n.Fo {}\n", function.answer, function.name);
    for argument in &function.arguments {
        text += &format!(".Fa \"{argument}\"\n");
    }
    text + ".Fc\n"
}

fn describe(item: &Item) -> String {
    match item {
        Item::Prose(text) => format!(".Pp\n{}", prose(text, &[])),
        Item::Function(function) => {
            let arguments: Vec<&str> = function.arguments.iter().map(|argument| name_of(argument)).collect();
            format!(".Ss {}\n{}", function.name, prose(&function.manual, &arguments))
        }
        Item::Type { manual, code } => {
            let mut text = if manual.is_empty() { String::new() } else { format!(".Pp\n{}", prose(manual, &[])) };
            if code.contains('{') {
                text += &literal(code);
            } else {
                text = format!("{text}.Pp\n.Dl {code}\n");
            }
            text
        }
        Item::Constants { manual, lines } => {
            let mut text = if manual.is_empty() { String::new() } else { format!(".Pp\n{}", prose(manual, &[])) };
            // What an initialiser is made of is nobody's business.
            let told = lines.iter().filter(|constant| !constant.meaning.is_empty());
            if told.clone().next().is_some() {
                text += &table(told);
            }
            text
        }
    }
}

fn name_of(argument: &str) -> &str {
    argument.rsplit([' ', '*']).next().unwrap_or(argument)
}

fn table<'a>(constants: impl Iterator<Item = &'a Constant>) -> String {
    let mut text = ".Bl -tag -width Ds\n".to_owned();
    for constant in constants {
        text += &format!(".It Dv {} Pq {}\n", constant.name, constant.value);
        text += &prose(&constant.meaning, &[]);
    }
    text + ".El\n"
}

/// The failures that the manuals of these functions name.
fn failures(header: &Header, page: &Page, functions: &[&Function]) -> String {
    if page.sections.contains(&"Failures") {
        return String::new();
    }
    let manuals = functions.iter().flat_map(|function| words(&function.manual));
    let named: BTreeSet<&str> = manuals.filter(|word| word.starts_with("WS_E_")).collect();
    let mut constants: Vec<&Constant> = named.iter().filter_map(|name| header.constant(name)).collect();
    if constants.is_empty() {
        return String::new();
    }
    constants.sort_by_key(|constant| -constant.value.parse::<i32>().unwrap_or(0));
    let mut text = ".Sh ERRORS\nThe failures that are named above;\n.Xr ws_error 3\nhas all.\n".to_owned();
    text += &table(constants.into_iter());
    text
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Text with its names marked, a sentence a line. Fonts and not macros: a macro would want each bracket and comma beside
/// a name as an argument.
fn prose(text: &str, arguments: &[&str]) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let marked = marked(word, arguments);
        if line.len() + marked.len() > 78 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &marked;
        if word.ends_with(['.', ':', '?']) || word.ends_with(".)") {
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    lines.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

fn marked(word: &str, arguments: &[&str]) -> String {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    match font(core, word, arguments) {
        Some(font) => {
            let (before, after) = word.split_once(core).expect("a word holds its core");
            format!("{}\\f{font}\\%{core}\\fR{}", escaped(before), escaped(after).trim_start_matches("\\&"))
        }
        None => escaped(word),
    }
}

/// The font of a word that is a name.
fn font(core: &str, word: &str, arguments: &[&str]) -> Option<char> {
    let is_name = core.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name || word.contains('/') {
        return None;
    }
    let is_ours = ["ws_", "WS_"].iter().any(|prefix| core.len() > 3 && core.starts_with(prefix));
    // Most names of arguments are English words too; these can be told.
    let is_argument = arguments.contains(&core) && (core.contains('_') || word.contains('*'));
    if is_ours { Some('B') } else { is_argument.then_some('I') }
}

/// As roff takes it: no backslash, no control character at the start.
fn escaped(word: &str) -> String {
    let word = word.replace('\\', "\\e");
    if word.starts_with(['.', '\'']) { format!("\\&{word}") } else { word }
}

fn literal(code: &str) -> String {
    let lines: Vec<String> = code
        .trim_end()
        .lines()
        .map(|line| {
            let line = line.replace('\\', "\\e");
            if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
        })
        .collect();
    format!(".Bd -literal\n{}\n.Ed\n", lines.join("\n"))
}
