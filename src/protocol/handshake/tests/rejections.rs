//! Answers that are a no: status, fields and the start of the body go with the error.

use super::*;

fn rejection(dialer: &Dialer, answer: &str, eof: bool) -> (String, Rejection) {
    match verdict(dialer, answer.as_bytes(), eof) {
        Verdict::Failed { code: Code::Rejected, phase: Phase::Handshake, sentence, rejection: Some(rejection) } => {
            (sentence.strip_prefix("handshake: ").unwrap_or_default().to_owned(), rejection)
        }
        other => panic!("{other:?} for {answer}"),
    }
}

fn body(head: &str, bytes: &str, eof: bool) -> String {
    let (_, rejection) = rejection(&Dialer::new(), &format!("HTTP/1.1 400 Bad\r\n{head}\r\n{bytes}"), eof);
    String::from_utf8(rejection.body).unwrap()
}

// RFC 6455 rule 4.1-status
#[test]
fn status_reason_fields_and_body_go_with_the_error() {
    let answer = "HTTP/1.1 404 Not Found\r\nServer: x\r\ncontent-LENGTH: 5\r\nX-A: \r\n\r\nhello, and more";
    let (text, rejection) = rejection(&Dialer::new(), answer, false);
    assert_eq!(text, "the server answered 404 Not Found");
    assert_eq!((rejection.status, rejection.reason.as_str()), (404, "Not Found"));
    assert_eq!(rejection.body, b"hello");
    let fields: Vec<(&str, &[u8])> = rejection.headers.iter().collect();
    assert_eq!(fields, [("Server", &b"x"[..]), ("content-LENGTH", b"5"), ("X-A", b"")]);
}

#[test]
fn the_sentence_says_what_can_be_acted_on() {
    let table = [
        ("500", "", "500"),
        ("500 ", "", "500"),
        ("200 OK", "", "200 OK"),
        ("999 what?", "", "999 what?"),
        ("400 gr\u{fc}n", "", "400 \"gr\\xc3\\xbcn\""),
        ("401 No", "", "401 No"),
        (
            "401 No",
            "WWW-Authenticate: Basic realm=a\r\nwww-authenticate: B",
            "401 No (it asks for \"Basic realm=a, B\")",
        ),
        ("407 No", "Proxy-Authenticate: Basic", "407 No (a proxy asks for \"Basic\")"),
        ("426 Upgrade", "Sec-WebSocket-Version: 8, 7", "426 Upgrade (it speaks WebSocket version \"8, 7\")"),
        ("426 Upgrade", "Upgrade: h2c", "426 Upgrade (it asks for an upgrade to \"h2c\")"),
        ("302 Found", "Location: https://a/b?token=c", "302 Found (it points to \"https://a/b\")"),
        ("302 Found", "", "302 Found"),
    ];
    for (status, fields, text) in table {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let answer = format!("{version} {status}\r\n{fields}Content-Length: 0\r\n\r\n");
            assert_eq!(rejection(&Dialer::new(), &answer, false).0, format!("the server answered {text}"));
        }
    }
}

#[test]
fn a_reason_and_values_that_are_not_ascii_are_kept() {
    let answer = b"HTTP/1.1 400 a\xffb\r\nX: \xe4\t\xf6\r\nContent-Length: 0\r\n\r\n";
    match verdict(&Dialer::new(), answer, false) {
        Verdict::Failed { rejection: Some(rejection), .. } => {
            assert_eq!(rejection.reason, "a\u{fffd}b");
            assert_eq!(rejection.headers.first("x"), Some(&b"\xe4\t\xf6"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folded_field_is_read_with_one_space() {
    let answer =
        "HTTP/1.1 400 x\r\nA: b \r\n \t c\r\n\td\r\nE:\r\n f\r\nG: h\r\n \r\nI:\n \n\nContent-Length: 0\r\n\r\n";
    let answer = answer.replace("\n\nC", "\nC");
    let (_, rejection) = rejection(&Dialer::new(), &answer, false);
    let fields: Vec<(&str, &[u8])> = rejection.headers.iter().collect();
    assert_eq!(fields, [("A", &b"b c d"[..]), ("E", b"f"), ("G", b"h"), ("I", b""), ("Content-Length", b"0")]);
}

#[test]
fn a_body_with_a_length() {
    assert_eq!(body("Content-Length: 5\r\n", "hello", false), "hello");
    assert_eq!(body("Content-Length: 5, 5\r\ncontent-length: 5\r\n", "hello", false), "hello");
    assert_eq!(body("Content-Length: 0\r\n", "", false), "");
    assert_eq!(body("Content-Length: 9\r\n", "hello", true), "hello", "the connection ended first");
}

#[test]
fn a_body_until_the_end_of_the_connection() {
    assert_eq!(body("", "hello", true), "hello");
    assert_eq!(body("", "", true), "");
    assert_eq!(body("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", "hello", true), "hello");
    // RFC 9112 6.3: a length that cannot be believed is none.
    for bad in ["x", "-1", "+5", "5, 6", "5\r\nContent-Length: 6", "99999999999999999999", "", "0x5"] {
        assert_eq!(body(&format!("Content-Length: {bad}\r\n"), "hello!!", true), "hello!!", "{bad}");
    }
}

#[test]
fn a_chunked_body() {
    let chunked = |bytes: &str, eof: bool| body("Content-Length: 1\r\nTransfer-Encoding: Chunked\r\n", bytes, eof);
    assert_eq!(chunked("5\r\nhello\r\n1;a=\"b\"\r\n,\r\n0006 ; c\r\n world\r\n0\r\n\r\n", false), "hello, world");
    assert_eq!(chunked("5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", false), "hello");
    assert_eq!(chunked("5\nhello\n0\n", false), "hello");
    assert_eq!(chunked("A\r\n0123456789\r\n0\r\n", false), "0123456789");
    assert_eq!(chunked("5\r\nhe", true), "he", "the connection ended first");
    for bad in ["x\r\n", "5\r\nhelloX\r\n", "\r\n", "-1\r\n", "5 5\r\n", "11111111111111111\r\n"] {
        let expected = if bad.contains("hello") { "hello" } else { "" };
        assert_eq!(chunked(bad, false), expected, "{bad}");
    }
    assert_eq!(chunked(&format!("1\r\na\r\n1;{}", "x".repeat(5000)), false), "a", "an endless line");
}

#[test]
fn answers_without_a_body() {
    for status in ["204 No Content", "304 Not Modified"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(rejection(&Dialer::new(), &answer, false).1.body, b"");
    }
}

#[test]
fn only_the_start_of_a_body_is_kept_and_awaited() {
    let mut dialer = Dialer::new();
    dialer.set_max_rejection_body(3).unwrap();
    for head in ["Content-Length: 99999999999\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\n9\r\n"] {
        let answer = format!("HTTP/1.1 400 Bad\r\n{head}hello");
        assert_eq!(rejection(&dialer, &answer, false).1.body, b"hel");
    }
    dialer.set_max_rejection_body(0).unwrap();
    assert_eq!(rejection(&dialer, "HTTP/1.1 400 Bad\r\n\r\n", false).1.body, b"");
}

#[test]
fn time_runs_out_inside_a_body() {
    let mut handshake = exchange(&Dialer::new());
    assert!(handshake.give_up().is_none() && !handshake.awaits_body());
    assert!(matches!(handshake.feed(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nsor"), Ok(Progress::More)));
    assert!(handshake.awaits_body());
    let error = handshake.give_up().unwrap();
    assert_eq!((error.code(), error.rejection().unwrap().body.as_slice()), (Code::Rejected, &b"sor"[..]));
    assert!(handshake.give_up().is_none() && !handshake.awaits_body());
}
