use super::*;

const V4: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90";

fn credentials() -> Credentials {
    (b"user".to_vec(), b"pass".to_vec())
}

fn fresh(credentials: Option<&Credentials>) -> Socks5 {
    Socks5::new("a.example", None, 80, credentials)
}

/// What was behind the yes, if there was one.
type Verdict = Result<Option<Vec<u8>>, Error>;

/// Feeds `portions`; everything that was to be sent, one part after the other, and the verdict.
fn run(mut socks: Socks5, portions: &[&[u8]]) -> (Vec<Vec<u8>>, Verdict) {
    let mut sent: Vec<Vec<u8>> = socks.request().into_iter().collect();
    let mut behind: Option<Vec<u8>> = None;
    for portion in portions {
        if let Some(behind) = &mut behind {
            behind.extend_from_slice(portion);
            continue;
        }
        match socks.feed(portion) {
            Ok(Progress::More) => {}
            Ok(Progress::Done { rest }) => behind = Some(rest),
            Err(error) => return (sent, Err(error)),
        }
        sent.extend(socks.request());
    }
    (sent, Ok(behind))
}

/// The same, however the bytes are cut.
fn everywhere(credentials: Option<&Credentials>, answer: &[u8], check: impl Fn(Vec<Vec<u8>>, Verdict)) {
    for cut in 0..=answer.len() {
        let (sent, verdict) = run(fresh(credentials), &[&answer[..cut], &answer[cut..]]);
        check(sent, verdict);
    }
    let bytes: Vec<&[u8]> = answer.chunks(1).collect();
    let (sent, verdict) = run(fresh(credentials), &bytes);
    check(sent, verdict);
}

fn failure(credentials: Option<&Credentials>, answer: &[u8]) -> Error {
    run(fresh(credentials), &[answer]).1.unwrap_err()
}

#[test]
fn without_credentials_there_are_two_requests() {
    let (sent, verdict) = run(fresh(None), &[b"\x05\x00", V4, b"behind"]);
    assert_eq!(verdict.unwrap().unwrap(), b"behind");
    assert_eq!(sent, [&b"\x05\x01\x00"[..], b"\x05\x01\x00\x03\x09a.example\x00\x50"]);
}

#[test]
fn with_credentials_there_are_three_when_the_proxy_wants_them() {
    let credentials = credentials();
    let (sent, verdict) = run(fresh(Some(&credentials)), &[b"\x05\x02", b"\x01\x00", V4]);
    assert_eq!(verdict.unwrap().unwrap(), b"");
    let expected = [&b"\x05\x02\x00\x02"[..], b"\x01\x04user\x04pass", b"\x05\x01\x00\x03\x09a.example\x00\x50"];
    assert_eq!(sent, expected);
    let (sent, verdict) = run(fresh(Some(&credentials)), &[b"\x05\x00", V4]);
    assert!(verdict.unwrap().is_some());
    assert_eq!(sent.len(), 2, "the password stays here when nobody wants it");
    // Some proxies write the version of SOCKS into their answer.
    assert!(run(fresh(Some(&credentials)), &[b"\x05\x02", b"\x05\x00", V4]).1.unwrap().is_some());
    assert_eq!(format!("{:?}", fresh(Some(&credentials))), "Socks5 { to: \"a.example:80\", .. }");
}

#[test]
fn an_address_goes_as_an_address() {
    let asked = |host: &str, address: Option<&str>| {
        let socks = Socks5::new(host, address.map(|ip| ip.parse().unwrap()), 443, None);
        run(socks, &[b"\x05\x00"]).0[1].clone()
    };
    assert_eq!(asked("10.0.0.1", None), b"\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb");
    let v6 = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
    assert_eq!(asked("2001:db8::1", None), v6);
    assert_eq!(asked("a.example", Some("2001:db8::1")), v6);
    assert_eq!(asked("a.example", Some("10.0.0.1")), b"\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb");
    let longest = "x".repeat(254);
    assert_eq!(asked(&longest, None), [b"\x05\x01\x00\x03\xfe", longest.as_bytes(), b"\x01\xbb"].concat());
}

#[test]
fn a_yes_is_read_in_any_portions_with_any_kind_of_address() {
    let v6: &[u8] = &[b"\x05\x00\x00\x04".as_slice(), &[7; 18]].concat();
    for reply in [V4, v6, b"\x05\x00\x00\x03\x03abc\x00\x50", b"\x05\x00\x00\x03\x00\x00\x50"] {
        let answer = [b"\x05\x00", reply, b"\x05behind\x00"].concat();
        everywhere(None, &answer, |_, verdict| assert_eq!(verdict.unwrap().unwrap(), b"\x05behind\x00"));
    }
    let answer = [b"\x05\x02\x01\x00", V4, b"x"].concat();
    everywhere(Some(&credentials()), &answer, |sent, verdict| {
        assert_eq!(verdict.unwrap().unwrap(), b"x");
        assert!(sent.len() >= 2);
    });
}

#[test]
fn replies_are_told_apart() {
    let mut texts = Vec::new();
    for reply in 1..=9 {
        // A whole reply, or one that ends behind its code, as some proxies send.
        let whole = [b"\x05\x00\x05", &[reply][..], b"\x00\x01\0\0\0\0\0\0"].concat();
        everywhere(None, &whole, |_, verdict| assert!(verdict.is_err()));
        let short = failure(None, &whole[..4]);
        let error = failure(None, &whole);
        let code = if matches!(reply, 3..=6 | 8) { Code::ProxyUnreachable } else { Code::ProxyRejected };
        assert_eq!((error.code(), short.code()), (code, code));
        assert_eq!(error.to_string(), short.to_string());
        assert!(error.to_string().ends_with(&format!("(SOCKS5 reply {reply})")), "{error}");
        texts.push(error.to_string());
    }
    assert_eq!(texts[4], "the proxy answered: a.example:80 refused the connection (SOCKS5 reply 5)");
    let says =
        ["failed", "rules", "network", "host", "refused", "time to live", "CONNECT", "type of address", "unassigned"];
    for (text, says) in texts.iter().zip(says) {
        assert!(text.contains(says), "{text}");
    }
    assert!(failure(None, b"\x05\x00\x05\xff").to_string().contains("(SOCKS5 reply 255)"));
}

#[test]
fn refused_credentials_are_told_apart() {
    let (none, some) = (None, Some(credentials()));
    for (credentials, answer, says) in [
        (&none, &b"\x05\xff"[..], "takes no connection without credentials, and none were given"),
        (&some, b"\x05\xff", "takes neither user and password nor"),
        (&some, b"\x05\x02\x01\x01", "does not accept user and password (status 1)"),
        (&some, b"\x05\x02\x01\xff", "does not accept user and password (status 255)"),
    ] {
        everywhere(credentials.as_ref(), answer, |_, verdict| {
            let error = verdict.unwrap_err();
            assert_eq!(error.code(), Code::ProxyAuth, "{error}");
            assert!(error.to_string().contains(says) && !error.to_string().contains("pass\""), "{error}");
        });
    }
    // RFC 1929 2: who does not accept them closes the connection, some without a word.
    let mut socks = fresh(some.as_ref());
    socks.feed(b"\x05\x02").unwrap();
    assert_eq!(socks.eof().code(), Code::ProxyAuth);
}

#[test]
fn hostile_answers_are_told_apart() {
    let some = credentials();
    for (answer, says) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "as an HTTP proxy does"),
        (b"\x04\x5a", "as SOCKS4 does"),
        (b"\x15\x03\x01", "as TLS does"),
        (b"\xff", "begins with \"\\xff\""),
        (b"\x05\x01", "chose the authentication method 1, which was not offered"),
        (b"\x05\x80", "chose the authentication method 128"),
        (b"\x05\x02\x02\x00", "has version 2, expected 1"),
        (b"\x05\x00\x04\x00", "as SOCKS4 does"),
        (b"\x05\x00\x05\x00\x00\x02\x00", "an address of the unknown type 2"),
    ] {
        let error = failure(Some(&some), answer);
        assert_eq!(error.code(), Code::ProxyAnswer, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = failure(None, b"\x05\x02");
    assert!(error.to_string().contains("method 2, which was not offered"), "{error}");
    for (fed, says) in [(&b""[..], "greeting"), (b"\x05\x00", "reply to CONNECT"), (b"\x05\x00\x05\x00\x00", "reply")] {
        let mut socks = fresh(None);
        socks.feed(fed).unwrap();
        let error = socks.eof();
        assert_eq!(error.code(), Code::ProxyEof);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(socks.feed(b"\x05").unwrap_err().code(), Code::Internal);
    }
}

#[test]
fn a_proxy_that_says_back_the_password_is_not_quoted() {
    let credentials = credentials();
    for answer in [&b"\x05\x02\x01\x00\x01\x04user\x04pass"[..], b"\x05\x02\x01\x00\x70ass"] {
        let error = failure(Some(&credentials), answer);
        assert_eq!(error.code(), Code::ProxyAnswer);
        let text = error.to_string();
        assert!(!text.contains("user") && !text.contains("ass"), "{text}");
    }
}
