//! The C doorway: the exported functions, written out plainly, and the manual of each.
//!
//! Owns the C ABI: its numbers, its handles, its rules about pointers. The only home of `unsafe`, beside the few system
//! calls in `net`. Knows nothing of sockets, frames or locks: every body turns its arguments into values, asks the client
//! and turns the answer into a number.
//!
//! The doc comments here are the manual pages of `include/wsdial.h`, which `build.rs` writes from them in the order of
//! `wsdial.h.in`; so they speak C, whose brackets are no links, and a `# Safety` section would be their whole text twice.
#![allow(non_camel_case_types, clippy::missing_safety_doc, rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

mod answers;
mod batch;
mod cancel;
mod compression;
mod connection;
mod dialer;
mod error;
mod fields;
mod guard;
#[cfg(feature = "test-hooks")]
mod hooks;
mod message;
mod pieces;
mod proxy;
mod status;
mod tls;
mod turns;

pub use answers::*;
pub use batch::*;
pub use cancel::*;
pub use compression::*;
pub use connection::*;
pub use dialer::*;
pub use error::*;
#[cfg(feature = "test-hooks")]
pub use hooks::*;
pub use message::*;
pub use pieces::*;
pub use proxy::*;
pub use status::*;
pub use tls::*;
pub use turns::*;

#[cfg(test)]
mod tests {
    /// The files that export functions.
    const SOURCES: &[(&str, &str)] = &[
        ("answers", include_str!("answers.rs")),
        ("batch", include_str!("batch.rs")),
        ("cancel", include_str!("cancel.rs")),
        ("compression", include_str!("compression.rs")),
        ("connection", include_str!("connection.rs")),
        ("dialer", include_str!("dialer.rs")),
        ("error", include_str!("error.rs")),
        ("message", include_str!("message.rs")),
        ("pieces", include_str!("pieces.rs")),
        ("proxy", include_str!("proxy.rs")),
        ("status", include_str!("status.rs")),
        ("tls", include_str!("tls.rs")),
        ("turns", include_str!("turns.rs")),
    ];

    /// The text of every exported function, from its doc comment to its closing brace.
    fn exported() -> Vec<(&'static str, &'static str)> {
        let items = SOURCES.iter().flat_map(|(_, text)| text.split("\n\n"));
        items
            .filter(|item| item.contains("#[unsafe(no_mangle)]"))
            .map(|item| {
                let name = item.split("extern \"C\" fn ").nth(1).expect("an exported item is a C function");
                (name.split('(').next().unwrap_or_default(), item)
            })
            .collect()
    }

    #[test]
    fn no_exported_body_is_written_without_the_guard() {
        let exported = exported();
        assert!(exported.len() >= 65, "found only {} exported functions", exported.len());
        for (name, item) in exported {
            let body = item.split_once(" {\n").expect("a body").1;
            let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            let body = lines.collect::<Vec<_>>().join(" ");
            let body = body.strip_prefix("unsafe { ").unwrap_or(&body);
            // What comes behind such an answer only writes it down.
            let body = body.strip_prefix("let ").and_then(|rest| rest.split_once(" = ")).map_or(body, |(_, body)| body);
            assert!(body.starts_with("guard::"), "{name} does not begin with the guard: {body}");
        }
    }

    #[test]
    fn every_manual_page_is_whole_and_at_most_ten_lines() {
        for (name, item) in exported() {
            let page = item.lines().filter_map(|line| line.strip_prefix("/// "));
            let page: Vec<&str> = page.filter(|line| !line.starts_with("cbindgen:")).collect();
            assert!((1..=10).contains(&page.len()), "{name}: {} lines of manual", page.len());
        }
    }

    #[test]
    fn raw_pointers_become_references_in_the_guard_only() {
        for (file, text) in SOURCES {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for wrong in [
                "&*",
                "&mut *",
                ".as_ref() }",
                ".as_mut()",
                "from_raw(",
                "CStr::from_ptr",
                "slice::from_raw_parts",
                "catch_unwind",
            ] {
                let line = code.lines().find(|line| line.contains(wrong) && !line.trim_start().starts_with("//"));
                assert_eq!(line, None, "{file}.rs does by itself what the guard is for ({wrong})");
            }
        }
    }
}
