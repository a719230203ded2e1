//! How it looks.

use super::super::{Failed, Times, TlsFacts, Tries};
use super::*;
use crate::headers::Headers;

#[test]
fn times_have_three_digits_that_count() {
    for (us, text) in [
        (1, "1 us"),
        (999, "999 us"),
        (1000, "1.00 ms"),
        (12_345, "12.3 ms"),
        (123_456, "123 ms"),
        (1_234_567, "1.23 s"),
        (45_000_000, "45.0 s"),
    ] {
        assert_eq!(duration(us), text);
    }
}

#[test]
fn secrets_are_masked_and_what_is_none_is_shown() {
    for (name, value, shown) in [
        ("Authorization", "Bearer abc", "Bearer ***"),
        ("authorization", "abc", "***"),
        ("authorization", "abc def", "***"),
        ("Proxy-Authorization", "NTLM abc", "NTLM ***"),
        ("Proxy-Authorization", "Basic abc", "Basic ***"),
        ("Cookie", "a=1; b=2;c", "a=***; b=***; ***"),
        ("Set-Cookie", "a=1=2; Path=/; Secure", "a=***; Path=/; Secure"),
        ("Set-Cookie", "a", "***"),
        ("X-Auth-Token", "abc", "***"),
        ("X-CSRF-TOKEN", "abc", "***"),
        ("X-Api-Key", "abc", "***"),
        ("WWW-Authenticate", "Basic realm=x", "Basic realm=x"),
        ("Sec-WebSocket-Key", "dGhl", "dGhl"),
        ("Server", "x\u{1b}[31m", "x\\x1b[31m"),
        ("Server", "\u{fc}\ty", "\\xc3\\xbc y"),
    ] {
        assert_eq!(field(name, value.as_bytes(), &Secrets::default()), format!("{name}: {shown}"), "{name}: {value}");
    }
}

#[test]
fn no_line_is_too_wide_and_no_body_too_long() {
    let mut headers = Headers::new();
    headers.push("X", "y".repeat(300));
    let body = "z\r\n".repeat(40).into_bytes();
    let answer = Answer { status: 500, reason: "r".repeat(200), headers, body };
    let sentence = "word ".repeat(60);
    let failed = Some(Failed { phase: "handshake", sentence, check: Some(1) });
    let request = format!("GET /{} HTTP/1.1\r\n\r\n", "p".repeat(200)).into_bytes();
    let hop = Hop { url: "ws://a/".into(), answer: Some(answer), failed, request, ..Hop::default() };
    let text = all(&[Arc::new(hop)]);
    assert!(text.lines().all(|line| line.len() <= WIDTH && line.trim_end() == line), "{text}");
    assert!(text.contains(" ... (218 characters)") && text.contains("(28 lines more)"), "{text}");
}

#[test]
fn the_phases_that_there_were_are_told() {
    let tried = vec![
        Tried {
            address: "[::1]:9".parse().unwrap(),
            after: 1,
            took: 40,
            outcome: Attempt::Failed("Connection refused".into()),
        },
        Tried { address: "192.0.2.1:9".parse().unwrap(), after: 50, took: 260_000, outcome: Attempt::Silent },
        Tried { address: "127.0.0.1:9".parse().unwrap(), after: 250_060, took: 90, outcome: Attempt::Connected },
    ];
    let tls = TlsFacts { version: "TLSv1.3", cipher: "C", certificate: Certificate::Unchecked };
    let hop = Hop {
        url: "wss://a:9/".into(),
        via: Some("http://proxy:3128".into()),
        times: Times { resolve: 10, connect: 250_200, proxy: 1500, tls: 2000, handshake: 300 },
        tries: Tries { addresses: 3, tried, ..Tries::default() },
        asked_proxy: b"CONNECT a:9 HTTP/1.1\r\nProxy-Authorization: Basic abc\r\n\r\n".to_vec(),
        tls: Some(tls),
        skipped: vec![103],
        answer: Some(Answer { status: 101, reason: "S".into(), ..Answer::default() }),
        ..Hop::default()
    };
    let text = all(&[Arc::new(hop)]);
    let begin = "\
wss://a:9/

  resolve       10 us   3 addresses
  connect      250 ms   [::1]:9                  Connection refused in 40 us
                        192.0.2.1:9              no answer in 260 ms
                        127.0.0.1:9              connected in 90 us, begun after 250 ms
  proxy       1.50 ms   http://proxy:3128
  TLS         2.00 ms   TLSv1.3, C
                        certificate NOT VERIFIED
  upgrade      300 us   101 S, behind 1 interim
  in all       254 ms

  > CONNECT a:9 HTTP/1.1
  > Proxy-Authorization: Basic ***

  < HTTP/1.1 103, interim, skipped

  < HTTP/1.1 101 S

  ok      a well-formed head";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.ends_with("\n\n  open"), "{text}");
}
