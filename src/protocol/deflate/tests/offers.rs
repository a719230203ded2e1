//! The offer, and what a server may answer to it.

use super::super::{answered, offer};
use super::*;
use crate::dialer::{DeflateOptions, Dialer};
use crate::headers::Headers;

fn options(client_bits: u32, server_bits: u32, flags: u32) -> DeflateOptions {
    let mut dialer = Dialer::new();
    dialer.set_compression(true);
    dialer.set_compression_params(client_bits, server_bits, flags).unwrap();
    dialer.deflate
}

/// The answer to an offer; `|` begins another line.
fn answer(options: &DeflateOptions, value: &str) -> Result<Option<(Agreement, String)>, String> {
    let mut headers = Headers::new();
    value.split('|').for_each(|line| headers.push("Sec-WebSocket-Extensions", line));
    answered(&headers, options).map_err(|error| {
        assert_eq!(error.code(), Code::HandshakeExtension);
        error.to_string()
    })
}

fn refused(options: &DeflateOptions, value: &str) -> String {
    answer(options, value).unwrap_err()
}

// RFC 7692 rule 5-offer
// RFC 7692 rule 7.1.2-offered-value
#[test]
fn the_offer_says_what_was_decided() {
    assert_eq!(offer(&DeflateOptions::default()), None);
    for (client, server, flags, expected) in [
        (0, 0, 0, "permessage-deflate; client_max_window_bits"),
        (0, 0, 4, "permessage-deflate"),
        (10, 0, 0, "permessage-deflate; client_max_window_bits=10"),
        (0, 9, 0, "permessage-deflate; server_max_window_bits=9; client_max_window_bits"),
        (
            8,
            15,
            3,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=15; client_max_window_bits=8",
        ),
    ] {
        assert_eq!(offer(&options(client, server, flags)).as_deref(), Some(expected));
    }
}

// RFC 7692 rule 7.1.1.2-client
// RFC 7692 rule 7.1.2.2-client
#[test]
fn what_the_server_answers_is_what_is_agreed() {
    let agreement = |options: &DeflateOptions, value: &str| answer(options, value).unwrap().unwrap();
    let any = options(0, 0, 0);
    let all = Agreement {
        client_window_bits: 15,
        server_window_bits: 15,
        client_no_context_takeover: false,
        server_no_context_takeover: false,
    };
    assert_eq!(agreement(&any, "permessage-deflate"), (all, "permessage-deflate".to_owned()));
    let (agreed, text) = agreement(
        &any,
        " permessage-deflate ;client_max_window_bits = 12; server_max_window_bits=\"10\";\
         client_no_context_takeover ; server_no_context_takeover,",
    );
    let expected = Agreement {
        client_window_bits: 12,
        server_window_bits: 10,
        client_no_context_takeover: true,
        server_no_context_takeover: true,
    };
    assert_eq!(agreed, expected);
    assert_eq!(
        text,
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; \
         client_max_window_bits=12"
    );
    // What we said we do is done whatever the server says.
    let (agreed, _) = agreement(&options(11, 0, 2), "permessage-deflate; client_max_window_bits=13");
    assert_eq!((agreed.client_window_bits, agreed.client_no_context_takeover), (11, true));
    assert_eq!(agreement(&options(0, 12, 0), "permessage-deflate; server_max_window_bits=11").0.server_window_bits, 11);
    assert_eq!(answer(&any, "").unwrap(), None);
    assert_eq!(answer(&DeflateOptions::default(), ",").unwrap(), None);
}

// RFC 7692 rule 7.1-unknown
// RFC 7692 rule 7.1-invalid
// RFC 7692 rule 7.1-twice
// RFC 7692 rule 5-not-offered
#[test]
fn each_wrong_answer_has_its_own_sentence() {
    let any = options(0, 0, 0);
    for (value, text) in [
        ("; x=1", "the server's permessage-deflate has the unknown parameter \"x\""),
        (";", "the server's permessage-deflate has the unknown parameter \"\""),
        (
            "; client_max_window_bits=9; client_max_window_bits=9",
            "the server's permessage-deflate has client_max_window_bits twice",
        ),
        (
            "; server_no_context_takeover; server_no_context_takeover",
            "the server's permessage-deflate has server_no_context_takeover twice",
        ),
        (
            "; client_no_context_takeover=1",
            "the server's client_no_context_takeover has the value \"1\", it takes none",
        ),
        ("; client_max_window_bits", "the server's client_max_window_bits has no value, an answer must give one"),
        ("; server_max_window_bits=7", "the server's server_max_window_bits is \"7\", expected 8 to 15"),
        ("; server_max_window_bits=16", "the server's server_max_window_bits is \"16\", expected 8 to 15"),
        ("; server_max_window_bits=1O", "the server's server_max_window_bits is \"1O\", expected 8 to 15"),
        ("; server_max_window_bits=", "the server's server_max_window_bits is \"\", expected 8 to 15"),
        ("; server_max_window_bits=+9", "the server's server_max_window_bits is \"+9\", expected 8 to 15"),
        ("; server_max_window_bits=09", "the server's server_max_window_bits is \"09\", written with a leading zero"),
        (
            ", permessage-deflate",
            "the server chose permessage-deflate twice, the second time as \"permessage-deflate\"",
        ),
        (
            "|permessage-deflate; x",
            "the server chose permessage-deflate twice, the second time as \"permessage-deflate; x\"",
        ),
        (", foo; a", "the server chose the extension \"foo\", offered was permessage-deflate"),
        ("x", "the server chose the extension \"permessage-deflatex\", offered was permessage-deflate"),
    ] {
        assert_eq!(refused(&any, &format!("permessage-deflate{value}")), text, "{value}");
    }
    let text = "the server chose the extension \"permessage-deflate\", none was offered";
    assert_eq!(refused(&DeflateOptions::default(), "permessage-deflate"), text);
}

// RFC 7692 rule 7.1.2.2-not-offered
// RFC 7692 rule 7.1.2.1-greater
// RFC 7692 rule 7.1.1.1-granted
#[test]
fn what_was_asked_for_is_granted_or_the_dial_fails() {
    let text = "the server's permessage-deflate has client_max_window_bits, which was not offered";
    assert_eq!(refused(&options(0, 0, 4), "permessage-deflate; client_max_window_bits=10"), text);
    let text = "the server's server_max_window_bits is 11, at most 10 was asked for";
    assert_eq!(refused(&options(0, 10, 0), "permessage-deflate; server_max_window_bits=11"), text);
    let text = "the server's permessage-deflate lacks server_max_window_bits, 10 was asked for";
    assert_eq!(refused(&options(0, 10, 0), "permessage-deflate"), text);
    let text = "the server's permessage-deflate lacks server_no_context_takeover, which was asked for";
    assert_eq!(refused(&options(0, 0, 1), "permessage-deflate"), text);
}

#[test]
fn a_dialer_refuses_what_cannot_be() {
    let mut dialer = Dialer::new();
    for (client, server, flags, text) in [
        (7, 0, 0, "the client's window bits are 7, expected 8 to 15, or 0 to ask for nothing"),
        (0, 16, 0, "the server's window bits are 16, expected 8 to 15, or 0 to ask for nothing"),
        (0, 0, 8, "the flags of compression are 0x8; 0x7 are known"),
        (9, 0, 4, "the client's window is either offered or fixed"),
    ] {
        let error = dialer.set_compression_params(client, server, flags).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Code::OptionValue, text));
    }
    for (level, mem_level, text) in [
        (10, 0, "the level of compression is 10, expected 1 to 9, or 0 for the default"),
        (0, 10, "the memory level of compression is 10, expected 1 to 9, or 0 for the default"),
    ] {
        assert_eq!(dialer.set_compression_level(level, mem_level, 0).unwrap_err().to_string(), text);
    }
    dialer.set_compression_level(9, 1, 7).unwrap();
    assert_eq!((dialer.deflate.level, dialer.deflate.mem_level, dialer.deflate.threshold), (9, 1, 7));
    dialer.set_compression_level(0, 0, 128).unwrap();
    assert_eq!(dialer.deflate, DeflateOptions::default());
}
