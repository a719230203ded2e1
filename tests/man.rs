//! The manual pages `docs/man/*.3`: they are what the header says, by group, with a link for every function, and each has
//! a program that is compiled and run.
//!
//! `WSDIAL_BLESS=1 cargo test --test man` (which is part of `make header`) writes them anew.

mod common;
#[path = "man/header.rs"]
mod header;
#[path = "man/page.rs"]
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::c::{self, PLAIN, declared, root, succeed};
use common::server;
use header::Header;

const GENERATED: &str = include_str!(env!("WSDIAL_GENERATED_HEADER"));

/// A page: its name, what it is about, the parts of the header that are on it, and those that it points to.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) sections: &'static [&'static str],
    pub(crate) see: &'static [&'static str],
}

const PAGES: &[Page] = &[
    Page {
        name: "ws_dial",
        about: "dial, send, receive, close",
        sections: &["The five"],
        see: &["ws_dialer", "ws_message", "ws_error"],
    },
    Page {
        name: "ws_message",
        about: "memory of messages and connections",
        sections: &["Lifetime"],
        see: &["ws_dial", "ws_batch"],
    },
    Page {
        name: "ws_dialer",
        about: "decide about dialing",
        sections: &["The dialer"],
        see: &["ws_dial", "ws_tls", "ws_cancel"],
    },
    Page {
        name: "ws_tls",
        about: "decide about TLS",
        sections: &["The dialer: TLS (docs/tls.md)"],
        see: &["ws_dialer", "ws_facts"],
    },
    Page {
        name: "ws_proxy",
        about: "proxies, and connections made by the caller",
        sections: &["The way there: proxies, and connections made by the caller"],
        see: &["ws_dialer", "ws_memory"],
    },
    Page {
        name: "ws_facts",
        about: "facts about a connection",
        sections: &["Facts about a connection"],
        see: &["ws_dial", "ws_error"],
    },
    Page {
        name: "ws_ping",
        about: "more about messages",
        sections: &["More about messages"],
        see: &["ws_dial", "ws_dialer"],
    },
    Page {
        name: "ws_batch",
        about: "many messages with one call",
        sections: &["Many messages at once"],
        see: &["ws_dial", "ws_message"],
    },
    Page {
        name: "ws_fragment",
        about: "a message in pieces",
        sections: &["One message in pieces"],
        see: &["ws_dial", "ws_message"],
    },
    Page {
        name: "ws_control",
        about: "pings, pongs and closes as messages",
        sections: &["Control frames"],
        see: &["ws_ping", "ws_dialer"],
    },
    Page {
        name: "ws_process",
        about: "connections in an event loop",
        sections: &["Event loops"],
        see: &["ws_dial", "ws_memory"],
    },
    Page {
        name: "ws_memory",
        about: "a socket, or bytes, of the caller's",
        sections: &["Bring your own socket, or your own bytes"],
        see: &["ws_dial", "ws_process"],
    },
    Page { name: "ws_cancel", about: "end waiting calls", sections: &["Cancelling"], see: &["ws_dial", "ws_dialer"] },
    Page { name: "ws_error", about: "what went wrong", sections: &["Errors", "Failures"], see: &["ws_dial"] },
    Page { name: "ws_version", about: "the version of the library", sections: &["Version"], see: &["wsdial"] },
];

/// Every file of `docs/man` and what it has to hold.
fn expected() -> BTreeMap<String, String> {
    let header = Header::parse(GENERATED);
    let mut files = BTreeMap::new();
    let pages: Vec<&str> = PAGES.iter().map(|page| page.name).collect();
    files.insert("wsdial.3".to_owned(), page::overview(&header, PAGES));
    for each in PAGES {
        files.insert(format!("{}.3", each.name), page::page(&header, each, &example(each.name)));
        for function in header.functions(each.sections).filter(|function| !pages.contains(&function.name.as_str())) {
            files.insert(format!("{}.3", function.name), format!(".so man3/{}.3\n", each.name));
        }
    }
    files
}

fn folder() -> PathBuf {
    root().join("docs/man")
}

fn example(page: &str) -> String {
    let path = folder().join("examples").join(format!("{page}.c"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_pages_are_what_the_header_says() {
    let expected = expected();
    if std::env::var_os("WSDIAL_BLESS").is_some() {
        for file in pages_there() {
            fs::remove_file(folder().join(file)).expect("an old page is removed");
        }
        for (file, text) in &expected {
            fs::write(folder().join(file), text).expect("a page is written");
        }
    }
    assert_eq!(pages_there(), expected.keys().cloned().collect::<Vec<_>>(), "make header");
    for (file, text) in &expected {
        let there = fs::read_to_string(folder().join(file)).expect("a page");
        assert!(there == *text, "docs/man/{file} is not what the header says: make header");
    }
}

fn pages_there() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("docs/man");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".3")).collect();
    names.sort();
    names
}

#[test]
fn every_function_has_its_page_and_every_section_is_on_one() {
    let header = Header::parse(GENERATED);
    for name in declared() {
        assert!(pages_there().contains(&format!("{name}.3")), "{name} has no page");
    }
    for section in &header.sections {
        let is_overview = page::OVERVIEW.contains(&section.title.as_str());
        let pages = PAGES.iter().filter(|page| page.sections.contains(&section.title.as_str())).count();
        assert_eq!(pages + usize::from(is_overview), 1, "on how many pages is {:?}?", section.title);
    }
}

#[test]
fn the_program_of_each_page_runs() {
    let server = server::start();
    for page in PAGES {
        let source = folder().join("examples").join(format!("{}.c", page.name));
        let program = c::compile(&source, &PLAIN);
        let output = c::finish(Command::new(&program).arg(format!("{}/echo", server.wss)).arg(&server.ca), page.name);
        c::expect_success(&output, page.name);
        assert!(!output.stdout.is_empty(), "the program of {} says nothing", page.name);
    }
}

#[test]
#[ignore = "needs mandoc"]
fn mandoc_finds_nothing() {
    for name in pages_there() {
        let mut mandoc = Command::new("mandoc");
        mandoc.args(["-Tlint", "-Wwarning"]).arg(folder().join(&name)).current_dir(root().join("docs"));
        let text = fs::read_to_string(folder().join(&name)).expect("a page");
        if !text.starts_with(".so ") {
            assert_eq!(succeed(&mut mandoc, &name), "", "{name}");
        }
    }
}
