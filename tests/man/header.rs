//! Reads the generated header: its sections, and in each what is declared, with its manual.

/// The header by sections.
pub(crate) struct Header {
    /// The comment at the top, paragraph by paragraph, without the program.
    pub(crate) preface: Vec<String>,
    pub(crate) program: String,
    pub(crate) sections: Vec<Section>,
}

pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) items: Vec<Item>,
}

/// A comment and what is declared below it, or either alone.
pub(crate) enum Item {
    Function(Function),
    Type { manual: String, code: String },
    Constants { manual: String, lines: Vec<Constant> },
    Prose(String),
}

pub(crate) struct Function {
    pub(crate) name: String,
    /// What it answers, and its arguments, as C has them.
    pub(crate) answer: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) manual: String,
}

pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) meaning: String,
}

impl Header {
    pub(crate) fn parse(text: &str) -> Header {
        let (top, rest) = text.split_once("*/").expect("the comment at the top");
        let (preface, program) = preface(top);
        let mut sections: Vec<Section> = Vec::new();
        for part in rest.split("\n\n").map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(title) = part.strip_prefix("/* ---- ") {
                let title = title.trim_end_matches(['-', '*', '/', ' ']).to_owned();
                sections.push(Section { title, items: Vec::new() });
            } else if let Some(section) = sections.last_mut()
                && let Some(item) = item(part)
            {
                section.items.push(item);
            }
        }
        Header { preface, program, sections }
    }

    pub(crate) fn section(&self, title: &str) -> &Section {
        self.sections.iter().find(|section| section.title == title).unwrap_or_else(|| panic!("no section {title:?}"))
    }

    pub(crate) fn functions(&self, titles: &'static [&'static str]) -> impl Iterator<Item = &Function> {
        titles.iter().flat_map(|title| &self.section(title).items).filter_map(|item| match item {
            Item::Function(function) => Some(function),
            _ => None,
        })
    }

    /// Every constant, by any section.
    pub(crate) fn constant(&self, name: &str) -> Option<&Constant> {
        let items = self.sections.iter().flat_map(|section| &section.items);
        let mut constants = items.filter_map(|item| match item {
            Item::Constants { lines, .. } => Some(lines),
            _ => None,
        });
        constants.find_map(|lines| lines.iter().find(|constant| constant.name == name))
    }
}

fn preface(top: &str) -> (Vec<String>, String) {
    let lines: Vec<&str> = top.lines().map(|line| line.trim_start_matches("/*").trim_start_matches(" *")).collect();
    let program: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("     ")).collect();
    let first = lines.iter().position(|line| line.starts_with("     ")).expect("a program");
    let last = lines.iter().rposition(|line| line.starts_with("     ")).expect("a program");
    let blank = |at: usize| lines[first..=last][at - first].is_empty();
    let body: Vec<&str> = (first..=last).map(|at| if blank(at) { "" } else { &lines[at][5..] }).collect();
    assert!(program.len() > 20);
    let prose = [&lines[..first], &lines[last + 1..]].concat();
    let paragraphs = prose.split(|line| line.trim().is_empty()).map(|lines| lines.join("\n"));
    (paragraphs.filter(|text| !text.trim().is_empty()).collect(), body.join("\n"))
}

fn item(part: &str) -> Option<Item> {
    let (manual, code) = match part.strip_prefix("/*") {
        Some(commented) => {
            let (manual, code) = commented.split_once("*/").expect("the end of a comment");
            (flow(manual), code.trim())
        }
        None => (String::new(), part),
    };
    if code.is_empty() {
        return Some(Item::Prose(manual));
    }
    if code.starts_with("#define") {
        let lines = code.lines().filter_map(constant).collect();
        return Some(Item::Constants { manual, lines });
    }
    if code.starts_with("typedef") {
        return Some(Item::Type { manual, code: code.to_owned() });
    }
    if code.starts_with('#') {
        return None;
    }
    Some(Item::Function(function(manual, code)))
}

/// A comment's lines as one text.
fn flow(comment: &str) -> String {
    let words = comment.lines().flat_map(|line| line.trim_start().trim_start_matches("* ").split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

fn constant(line: &str) -> Option<Constant> {
    let rest = line.strip_prefix("#define ")?;
    let (name, rest) = rest.split_once(char::is_whitespace)?;
    let (value, meaning) = rest.split_once("/*").map_or((rest, ""), |(value, meaning)| (value, meaning));
    let value = value.trim().trim_start_matches('(').trim_end_matches(')');
    let meaning = meaning.trim_end_matches("*/").trim();
    Some(Constant { name: name.to_owned(), value: value.to_owned(), meaning: meaning.to_owned() })
}

fn function(manual: String, code: &str) -> Function {
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let code = code.replace("WS_MUST_USE ", "").replace("WS_NONNULL ", "");
    let (head, arguments) = code.split_once('(').expect("a function");
    let name = head.rsplit([' ', '*']).next().expect("a name").to_owned();
    let answer = head[..head.len() - name.len()].trim().to_owned();
    let arguments = arguments.trim_end_matches(");");
    Function { name, answer, arguments: split_arguments(arguments), manual }
}

/// At the commas that are in no parentheses of a pointer to a function.
fn split_arguments(text: &str) -> Vec<String> {
    let (mut depth, mut arguments) = (0, vec![String::new()]);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().expect("one").push(c);
    }
    arguments.iter().map(|argument| argument.trim().to_owned()).collect()
}
