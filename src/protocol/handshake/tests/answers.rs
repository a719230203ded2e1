//! Answers that are a yes, or that pretend to be one.

use super::*;

fn agreed(dialer: &Dialer, answer: &str) -> (Option<String>, Vec<u8>) {
    match verdict(dialer, answer.as_bytes(), false) {
        Verdict::Agreed { subprotocol, rest, .. } => (subprotocol, rest),
        other => panic!("{other:?} for {answer}"),
    }
}

fn without(name: &str) -> String {
    let lines = GOOD.split_inclusive("\r\n").filter(|line| !line.starts_with(name));
    lines.collect::<String>() + "\r\n"
}

fn with(name: &str, value: &str) -> String {
    format!("{}{name}: {value}\r\n\r\n", without(name).strip_suffix("\r\n").unwrap())
}

fn and(fields: &str) -> String {
    format!("{GOOD}{fields}\r\n")
}

#[test]
fn a_plain_yes() {
    assert_eq!(agreed(&Dialer::new(), &and("")), (None, Vec::new()));
    assert_eq!(agreed(&Dialer::new(), &and("").replace("\r\n", "\n")), (None, Vec::new()), "RFC 9112 2.2: LF alone");
    assert_eq!(agreed(&Dialer::new(), &and("").replace(" Switching Protocols", " ")), (None, Vec::new()));
    assert_eq!(agreed(&Dialer::new(), &and("").replace(" Switching Protocols", "")), (None, Vec::new()));
}

#[test]
fn what_follows_the_head_belongs_to_the_frames() {
    let rest = "\u{1}\u{2}hi\r\n\r\nHTTP/1.1 200 OK";
    assert_eq!(agreed(&Dialer::new(), &(and("") + rest)), (None, rest.as_bytes().to_vec()));
}

// RFC 6455 rule 4.1-answer-upgrade
#[test]
fn upgrade_is_websocket_in_any_case_and_once() {
    for good in ["websocket", "WebSocket", "WEBSOCKET", "  websocket  \t", "\r\n websocket"] {
        agreed(&Dialer::new(), &with("Upgrade", good));
    }
    for bad in ["", "websockets", "h2c, websocket", "websocket, h2c", "\"websocket\"", "web socket"] {
        let (code, text) = failure(&Dialer::new(), &with("Upgrade", bad));
        assert_eq!(code, Code::HandshakeUpgrade);
        assert_eq!(text, format!("the server's Upgrade is {}, expected \"websocket\"", quoted(bad.as_bytes())));
    }
    let expected = (Code::HandshakeUpgrade, "the server's 101 has no Upgrade".to_owned());
    assert_eq!(failure(&Dialer::new(), &without("Upgrade")), expected);
    let (code, text) = failure(&Dialer::new(), &and("upgrade: h2c\r\n"));
    assert_eq!(code, Code::HandshakeUpgrade);
    assert_eq!(text, "the server's 101 must have Upgrade exactly once, it has \"websocket\" and \"h2c\"");
}

// RFC 6455 rule 4.1-answer-connection
#[test]
fn connection_has_the_token_upgrade_anywhere() {
    let good = ["Upgrade", "keep-alive, Upgrade", "UPGRADE,close", ",, upgrade ,", "a\r\nConnection: upgrade"];
    for good in good {
        agreed(&Dialer::new(), &with("Connection", good));
    }
    for bad in ["", "keep-alive", "upgraded", "keep-alive Upgrade", "x-upgrade, close"] {
        let (code, text) = failure(&Dialer::new(), &with("Connection", bad));
        assert_eq!(code, Code::HandshakeConnection);
        assert_eq!(text, format!("the server's Connection is {}, expected \"Upgrade\" in it", quoted(bad.as_bytes())));
    }
    let expected = (Code::HandshakeConnection, "the server's 101 has no Connection".to_owned());
    assert_eq!(failure(&Dialer::new(), &without("Connection")), expected);
}

// RFC 6455 rule 4.1-accept
#[test]
fn accept_fits_the_key_and_stands_once() {
    const RIGHT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    agreed(&Dialer::new(), &with("Sec-WebSocket-Accept", &format!(" {RIGHT} \t")));
    for bad in ["", "x", "S3PPLMBiTxaQ9kYGzzhZRbK+xOo=", RIGHT.trim_end_matches('='), "dGhlIHNhbXBsZSBub25jZQ=="] {
        let (code, text) = failure(&Dialer::new(), &with("Sec-WebSocket-Accept", bad));
        assert_eq!(code, Code::HandshakeAccept);
        let bad = quoted(bad.as_bytes());
        assert_eq!(text, format!("the server's Sec-WebSocket-Accept is {bad}, expected \"{RIGHT}\""));
    }
    let expected = (Code::HandshakeAccept, "the server's 101 has no Sec-WebSocket-Accept".to_owned());
    assert_eq!(failure(&Dialer::new(), &without("Sec-WebSocket-Accept")), expected);
}

// RFC 6455 rule 11.3.3-accept-once
#[test]
fn accept_stands_once_even_when_both_are_right() {
    let (code, text) = failure(&Dialer::new(), &and("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_eq!(code, Code::HandshakeAccept);
    assert!(text.starts_with("the server's 101 must have Sec-WebSocket-Accept exactly once, it has \"s3pP"), "{text}");
}

// RFC 6455 rule 4.1-answer-extensions
#[test]
fn no_extension_is_taken_that_was_not_offered() {
    for bad in ["permessage-deflate", "x; a=1, y", ", x"] {
        let (code, text) = failure(&Dialer::new(), &and(&format!("Sec-WebSocket-Extensions: {bad}\r\n")));
        assert_eq!(code, Code::HandshakeExtension);
        assert!(text.ends_with("\", none was offered"), "{text}");
    }
    // RFC 9110 5.6.1: a list of empty elements is an empty list, and chooses nothing.
    agreed(&Dialer::new(), &and("Sec-WebSocket-Extensions:\r\nsec-websocket-extensions: ,\r\n"));
}

fn chosen(value: &str) -> String {
    and(&format!("Sec-WebSocket-Protocol: {value}\r\n"))
}

// RFC 6455 rule 4.1-answer-protocol
#[test]
fn the_subprotocol_is_one_of_those_offered() {
    let dialer = offering(&["json", "XML"]);
    assert_eq!(agreed(&dialer, &chosen("json")).0.as_deref(), Some("json"));
    assert_eq!(agreed(&dialer, &chosen(" XML\t")).0.as_deref(), Some("XML"));
    assert_eq!(agreed(&dialer, &and("")).0, None);
    for bad in ["JSON", "jso", "json, XML", "json,", "yaml", ""] {
        let (code, text) = failure(&dialer, &chosen(bad));
        assert_eq!(code, Code::HandshakeSubprotocol);
        let bad = quoted(bad.as_bytes());
        assert_eq!(text, format!("the server chose the subprotocol {bad}, offered was \"json, XML\""));
    }
    let (code, text) = failure(&Dialer::new(), &chosen("json"));
    assert_eq!(code, Code::HandshakeSubprotocol);
    assert_eq!(text, "the server chose the subprotocol \"json\", none was offered");
}

// RFC 6455 rule 11.3.4-protocol-once
#[test]
fn the_subprotocol_stands_once() {
    let (code, text) = failure(&offering(&["json"]), &chosen("json\r\nSec-WebSocket-Protocol: json"));
    assert_eq!(code, Code::HandshakeSubprotocol);
    assert!(text.contains("exactly once, it has \"json\" and \"json\""), "{text}");
}

#[test]
fn a_required_subprotocol_must_be_chosen() {
    let mut dialer = offering(&["json", "xml"]);
    dialer.require_subprotocol(true);
    assert_eq!(agreed(&dialer, &chosen("xml")).0.as_deref(), Some("xml"));
    let (code, text) = failure(&dialer, &and(""));
    assert_eq!(code, Code::HandshakeNoSubprotocol);
    assert_eq!(text, "the server chose none of the offered subprotocols (json, xml)");
}

#[test]
fn the_checks_are_made_in_their_order() {
    // Each field is wrong until the one before it is right.
    let right = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="];
    let wrong = ["Upgrade: x", "Connection: x", "Sec-WebSocket-Accept: x", "Sec-WebSocket-Extensions: x"];
    let last = "Sec-WebSocket-Protocol: x\r\n\r\n";
    let code = |version: &str, correct: usize| {
        let mut lines: Vec<&str> = right.iter().copied().take(correct).collect();
        lines.extend(wrong.iter().skip(correct));
        failure(&Dialer::new(), &format!("{version} 101 x\r\n{}\r\n{last}", lines.join("\r\n"))).0
    };
    assert_eq!(code("HTTP/1.0", 0), Code::HandshakeVersion);
    let codes: Vec<Code> = (0..5).map(|correct| code("HTTP/1.1", correct)).collect();
    let expected = [Code::HandshakeUpgrade, Code::HandshakeConnection, Code::HandshakeAccept, Code::HandshakeExtension];
    assert_eq!((&codes[..4], codes[4]), (&expected[..], Code::HandshakeSubprotocol));
}

#[test]
fn interim_answers_are_skipped_up_to_a_bound() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    agreed(&Dialer::new(), &format!("HTTP/1.1 100 Continue\r\n\r\n{interim}{}", and("")));
    agreed(&Dialer::new(), &(interim.repeat(16) + &and("")));
    let (code, text) = failure(&Dialer::new(), &(interim.repeat(17) + &and("")));
    assert_eq!(code, Code::LimitHead);
    assert_eq!(text, "the server sent more than 16 interim answers, the last with 103");
}

// RFC 6455 rule 4.1-answer-http
#[test]
fn what_is_no_head_is_told_by_its_fault() {
    let table: &[(&str, &str)] = &[
        ("SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP"),
        ("\x15\x03\x01\0\x02\x02\x46", "the answer is not HTTP"),
        ("\r\nHTTP/1.1 101 x\r\n\r\n", "the answer is not HTTP"),
        ("http/1.1 101 x\r\n\r\n", "the answer is not HTTP"),
        ("HTTP/1.1  101 x\r\n", "line 1 of the answer has no status of three digits: \"HTTP/1.1  101 x\""),
        ("HTTP/1.1 1010 x\r\n", "line 1 of the answer has no status of three digits: \"HTTP/1.1 1010 x\""),
        ("HTTP/1.1 099 x\r\n", "line 1 of the answer has no status of three digits: \"HTTP/1.1 099 x\""),
        ("HTTP/1.1\r\n", "line 1 of the answer has no status of three digits: \"HTTP/1.1\""),
        ("HTTP/1.1 101 a\0\r\n", "line 1 of the answer holds a NUL: \"HTTP/1.1 101 a\\x00\""),
        ("HTTP/1.1 101 x\r\n a: b\r\n", "line 2 of the answer begins with white space: \" a: b\""),
        ("HTTP/1.1 101 x\r\na\r\n", "line 2 of the answer has no colon: \"a\""),
        ("HTTP/1.1 101 x\r\na: b\r\n: c\r\n", "line 3 of the answer has no name before its colon: \": c\""),
        ("HTTP/1.1 101 x\r\na : b\r\n", "line 2 of the answer has white space before its colon: \"a : b\""),
        ("HTTP/1.1 101 x\r\na b: c\r\n", "line 2 of the answer has a name that is not a token: \"a b: c\""),
        ("HTTP/1.1 101 x\r\na: b\rc\r\n", "line 2 of the answer holds a CR without its LF: \"a: b\\x0dc\""),
        ("HTTP/1.1 101 x\r\na: b\r\r\n", "line 2 of the answer holds a CR without its LF: \"a: b\\x0d\""),
        ("HTTP/1.1 101 x\r\na: \0\r\n", "line 2 of the answer holds a NUL: \"a: \\x00\""),
        ("HTTP/1.1 101 x\r\na: b\r\n \x07\r\n", "line 3 of the answer holds a control character: \" \\x07\""),
    ];
    for (answer, text) in table {
        assert_eq!(failure(&Dialer::new(), answer), (Code::HandshakeHead, (*text).to_owned()));
    }
}

#[test]
fn only_http_1_1_has_an_upgrade() {
    let table = [
        ("HTTP/2 101\r\n", "the answer's version is \"HTTP/2\", expected HTTP/1.1"),
        ("HTTP/1.2 101 x\r\n", "the answer's version is \"HTTP/1.2\", expected HTTP/1.1"),
        ("HTTP/1.0 101 x\r\n\r\n", "the server answered 101 with HTTP/1.0, which has no upgrade"),
    ];
    for (answer, text) in table {
        assert_eq!(failure(&Dialer::new(), answer), (Code::HandshakeVersion, text.to_owned()));
    }
}

#[test]
fn what_speaks_no_http_is_quoted() {
    let sentence = |answer: &[u8]| exchange(&Dialer::new()).feed(answer).unwrap_err().to_string();
    let text = "handshake: the answer is not HTTP: it begins with \"SSH-2.0-x\"";
    assert_eq!(sentence(b"SSH-2.0-x\r\nmore"), text);
    let text = "handshake: the answer is not HTTP: it begins with \"\\x15\\x03\\x01\", as TLS does (should the address be wss?)";
    assert_eq!(sentence(b"\x15\x03\x01"), text);
}

#[test]
fn the_limits_of_a_head() {
    let long = |bytes: usize| and(&format!("X: {}\r\n", "x".repeat(bytes - and("X: \r\n").len())));
    agreed(&Dialer::new(), &long(64 * 1024));
    let (code, text) = failure(&Dialer::new(), &long(64 * 1024 + 1));
    assert_eq!((code, text.as_str()), (Code::LimitHead, "the head of the answer is over 65536 bytes"));
    assert_eq!(failure(&Dialer::new(), &format!("HTTP/1.1 101 {}", "x".repeat(70_000))).0, Code::LimitHead);
    agreed(&Dialer::new(), &and(&"X: y\r\n".repeat(256 - 3)));
    let (code, text) = failure(&Dialer::new(), &and(&"X: y\r\n".repeat(257 - 3)));
    assert_eq!((code, text.as_str()), (Code::LimitFields, "the answer has more than 256 header fields"));
}

#[test]
fn a_dribbled_head_costs_what_a_whole_one_costs() {
    let answer = and(&format!("X: {}\r\n", "x".repeat(60_000)));
    let started = std::time::Instant::now();
    for _ in 0..20 {
        feed(&Dialer::new(), answer.as_bytes().chunks(1), false);
    }
    // 1.2 million portions take about a second; looking at everything again for each would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn the_connection_ends_inside_the_head() {
    let end = |answer: &str| match verdict(&Dialer::new(), answer.as_bytes(), true) {
        Verdict::Failed { code: Code::HandshakeEof, sentence, rejection: None, .. } => sentence,
        other => panic!("{other:?}"),
    };
    assert_eq!(end(""), "handshake: the server ended the connection without an answer");
    let text = "handshake: the server ended the connection inside the head of its answer, after \"HTTP/1.1 10\"";
    assert_eq!(end("HTTP/1.1 10"), text);
    let text = "handshake: the server ended the connection after an interim answer";
    assert_eq!(end("HTTP/1.1 100 \r\n\r\n"), text);
}

#[test]
fn after_the_verdict_nothing_is_decided_again() {
    let mut handshake = exchange(&Dialer::new());
    assert!(matches!(handshake.feed(and("").as_bytes()), Ok(Progress::Done { .. })));
    assert_eq!(handshake.feed(b"x").unwrap_err().code(), Code::Internal);
    assert!(handshake.give_up().is_none() && !handshake.awaits_body());
}
