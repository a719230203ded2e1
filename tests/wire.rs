//! The wire, rule by rule: each demand of RFC 6455 and RFC 7692 on a client (`tests/wire/rules.toml`) -> the file that meets it ->
//! the tests that show it, found by their tags. Fails on a rule without a test and on a tag without a rule, and compares
//! `docs/wire.md` with what it finds; `WSDIAL_BLESS=1` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What a tag begins with, and what then goes before the rule's name: the ids of RFC 6455 stand for themselves.
const TAGS: [(&str, &str); 2] = [("RFC 6455 rule ", ""), ("RFC 7692 rule ", DEFLATE)];
const DEFLATE: &str = "7692 ";
const ENDINGS: [&str; 8] = ["rs", "c", "cpp", "h", "hpp", "py", "go", "js"];
const PLACES: [&str; 3] = ["src", "tests", "bindings"];

/// One demand of the RFC.
#[derive(Debug, Default)]
struct Rule {
    id: String,
    text: String,
    source: String,
    left: String,
}

impl Rule {
    fn section(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }
}

/// A test that names a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Proof {
    file: String,
    test: String,
}

#[test]
fn every_rule_has_a_test_and_the_page_says_so() {
    let mut proofs = BTreeMap::new();
    for place in PLACES {
        for path in files(&root().join(place)) {
            let file = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            for (id, test) in tags(&read(&path)).unwrap_or_else(|fault| panic!("{file}: {fault}")) {
                proofs.entry(id).or_insert_with(Vec::new).push(Proof { file: file.clone(), test });
            }
        }
    }
    proofs.values_mut().for_each(|list| list.sort());
    let rules = parse_rules(&read(&root().join("tests/wire/rules.toml")));
    assert_eq!(faults(&rules, &proofs), Vec::<String>::new());
    let page = page(&rules, &proofs);
    let path = root().join("docs/wire.md");
    if std::env::var_os("WSDIAL_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(read(&path) == page, "docs/wire.md is not what the tests show: WSDIAL_BLESS=1 cargo test --test wire");
}

/// What is wrong between rules and tests.
fn faults(rules: &[Rule], proofs: &BTreeMap<String, Vec<Proof>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let id = &rule.id;
        if rules[..i].iter().any(|other| other.id == *id) {
            faults.push(format!("rule {id} is there twice"));
        }
        match (proofs.contains_key(id), rule.left.is_empty()) {
            (false, true) => faults.push(format!("rule {id} has no test")),
            (true, false) => faults.push(format!("rule {id} has a test and is not left any more")),
            _ => {}
        }
        if !root().join(&rule.source).is_file() {
            faults.push(format!("rule {id} names {}, which is not there", rule.source));
        }
    }
    for (id, list) in proofs {
        if !rules.iter().any(|rule| rule.id == *id) {
            faults.push(format!("{}: {} names rule {id}, which is not there", list[0].file, list[0].test));
        }
    }
    faults
}

/// The rules of the file: `[[rule]]`, then `key = "text"`.
fn parse_rules(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "[[rule]]" {
            rules.push(Rule::default());
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("no rule line: {line}"));
        let rule = rules.last_mut().expect("a rule before its lines");
        let text =
            || value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect("a quoted text").to_owned();
        match key {
            "id" => rule.id = text(),
            "text" => rule.text = text(),
            "source" => rule.source = text(),
            "left" => rule.left = text(),
            _ => panic!("no key of a rule: {key}"),
        }
    }
    rules
}

/// The tags of a file, each with the test behind it: comments that hold nothing else, before the test's first line.
fn tags(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let mut waiting: Vec<String> = Vec::new();
    let mut is_marked = false;
    for line in text.lines().map(str::trim) {
        let comment = ["///", "//", "/*", "#"].iter().find_map(|start| line.strip_prefix(start));
        let tag = |comment: &str| {
            let ids = TAGS.iter().map(|(tag, prefix)| (comment.trim().strip_prefix(tag), prefix));
            let mut ids = ids.filter_map(|(id, prefix)| Some(format!("{prefix}{}", id?.trim_end_matches("*/").trim())));
            ids.next()
        };
        if let Some(id) = comment.and_then(tag) {
            waiting.push(id);
            is_marked = false;
            continue;
        }
        is_marked |= line.starts_with("#[test]");
        if waiting.is_empty() || line.is_empty() || comment.is_some() || line.starts_with('@') {
            continue;
        }
        let name = line.split('(').next().unwrap_or_default().split_whitespace().last().unwrap_or_default();
        // In Rust the mark of a test must be between the tag and the name.
        if name.is_empty() || (line.starts_with("fn ") && !is_marked) {
            return Err(format!("no test behind the tag of rule {}", waiting[0]));
        }
        found.extend(waiting.drain(..).map(|id| (id, name.to_owned())));
    }
    match waiting.first() {
        Some(id) => Err(format!("nothing behind the tag of rule {id}")),
        None => Ok(found),
    }
}

/// The page for people.
fn page(rules: &[Rule], proofs: &BTreeMap<String, Vec<Proof>>) -> String {
    let mut page = String::from(
        "# The wire, rule by rule\n\nWhat RFC 6455 and RFC 7692 demand of a client, the file that meets it and the tests that \
         show it. Generated by\n`tests/wire.rs` from `tests/wire/rules.toml` and the tags in the tests \
         (`WSDIAL_BLESS=1 cargo test --test wire`); do not edit.\n",
    );
    let mut section = "";
    for rule in rules {
        if rule.section() != section {
            section = rule.section();
            let section =
                section.strip_prefix(DEFLATE).map_or(format!("6455 {section}"), |own| format!("{DEFLATE}{own}"));
            writeln!(page, "\n## RFC {section}\n\n| rule | demand | met in | shown by |\n|---|---|---|---|").unwrap();
        }
        let shown = match proofs.get(&rule.id) {
            Some(list) => list.iter().map(link).collect::<Vec<_>>().join("<br>"),
            None => rule.left.clone(),
        };
        let source = format!("[{0}](../{0})", rule.source);
        let name = rule.id.split_once('-').map_or("", |(_, name)| name);
        writeln!(page, "| {name} | {} | {source} | {shown} |", rule.text).unwrap();
    }
    page
}

fn link(proof: &Proof) -> String {
    format!("[{}](../{})", proof.test.replace('_', " "), proof.file)
}

fn files(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(place) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
            // This file holds tags that are no tags.
            found.extend((!path.ends_with("tests/wire.rs")).then_some(path));
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn tags_are_found_in_every_language() {
    let cases = [
        ("// RFC 6455 rule 5.1-a\n// RFC 6455 rule 5.1-b\n#[test]\nfn it() {", vec![("5.1-a", "it"), ("5.1-b", "it")]),
        ("/* RFC 6455 rule 5.1-a */\nstatic void test_it(void)\n{", vec![("5.1-a", "test_it")]),
        ("    # RFC 6455 rule 5.1-a\n    def test_it(self):", vec![("5.1-a", "test_it")]),
        ("// RFC 7692 rule 5.1-a\nfunc TestThat(t *testing.T) {", vec![("7692 5.1-a", "TestThat")]),
        ("// RFC 6455 rule 5.1-a\nfunc TestIt(t *testing.T) {", vec![("5.1-a", "TestIt")]),
    ];
    for (text, expected) in cases {
        let found = tags(text).unwrap();
        let found: Vec<_> = found.iter().map(|(id, test)| (id.as_str(), test.as_str())).collect();
        assert_eq!(found, expected);
    }
    assert!(tags("// RFC 6455 rule 5.1-a\nfn helper() {").is_err());
    assert!(tags("// RFC 6455 rule 5.1-a\n").is_err());
}

#[test]
fn what_is_wrong_is_told() {
    let rule = |id: &str| Rule { id: id.into(), source: "Cargo.toml".into(), ..Rule::default() };
    let proof = |id: &str| (id.to_owned(), vec![Proof { file: "a.rs".into(), test: "it".into() }]);
    let told = |rules: &[Rule], proofs: &[&str]| faults(rules, &proofs.iter().map(|id| proof(id)).collect()).join("; ");
    assert_eq!(told(&[rule("1-a")], &["1-a"]), "");
    assert_eq!(told(&[rule("1-a")], &[]), "rule 1-a has no test");
    assert_eq!(told(&[rule("1-a"), rule("1-a")], &["1-a"]), "rule 1-a is there twice");
    assert_eq!(told(&[], &["1-b"]), "a.rs: it names rule 1-b, which is not there");
    let left = Rule { left: "reason".into(), ..rule("1-a") };
    assert_eq!(told(&[left], &[]), "");
    let gone = Rule { source: "gone.rs".into(), ..rule("1-a") };
    assert_eq!(told(&[gone], &["1-a"]), "rule 1-a names gone.rs, which is not there");
}
