use super::*;

const OK: &str = "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n";

fn target(url: &str) -> Target {
    Target::parse(url).unwrap()
}

fn proxy(text: &str) -> Proxy {
    Proxy::parse(text).unwrap()
}

fn fresh() -> Connect {
    Connect::new(&target("ws://a.example"), &proxy("p"), &Headers::new(), 1024)
}

fn asked(url: &str, via: &str, headers: &Headers) -> String {
    let mut connect = Connect::new(&target(url), &proxy(via), headers, 1024);
    let request = connect.request().unwrap();
    assert_eq!(connect.request(), None, "each part is sent once");
    String::from_utf8(request).unwrap()
}

/// The bytes behind the tunnel, or the error; `end` says that the connection ends behind them.
fn verdict(mut connect: Connect, portions: &[&[u8]], end: bool) -> Result<Vec<u8>, Error> {
    let mut behind = Vec::new();
    let mut is_done = false;
    for portion in portions {
        if is_done {
            behind.extend_from_slice(portion);
            continue;
        }
        if let Progress::Done { rest } = connect.feed(portion)? {
            is_done = true;
            behind = rest;
        }
    }
    if is_done {
        return Ok(behind);
    }
    if end { Err(connect.eof()) } else { panic!("no verdict") }
}

fn failure(answer: &[u8]) -> Error {
    verdict(fresh(), &[answer], true).unwrap_err()
}

/// The same verdict however the bytes are cut.
fn everywhere(answer: &[u8], check: impl Fn(Result<Vec<u8>, Error>)) {
    for cut in 0..=answer.len() {
        check(verdict(fresh(), &[&answer[..cut], &answer[cut..]], true));
    }
    let bytes: Vec<&[u8]> = answer.chunks(1).collect();
    check(verdict(fresh(), &bytes, true));
}

#[test]
fn the_request_has_the_authority_form_with_a_port_always() {
    for (url, authority) in [
        ("ws://a.example", "a.example:80"),
        ("wss://a.example", "a.example:443"),
        ("wss://a.example:8443/path?query", "a.example:8443"),
        ("ws://[2001:db8::1]:81", "[2001:db8::1]:81"),
        ("ws://10.0.0.1", "10.0.0.1:80"),
        ("ws://user:secret@a.example", "a.example:80"),
    ] {
        let expected = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        assert_eq!(asked(url, "p", &Headers::new()), expected);
    }
}

#[test]
fn credentials_and_headers_go_along() {
    let mut headers = Headers::new();
    headers.push("X-One", "1");
    let text = asked("ws://a", "http://Aladdin:open%20sesame@p", &headers);
    // RFC 7617 2 has the same user and password.
    let expected = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nX-One: 1\r\n\r\n";
    assert_eq!(text, expected);
    headers.push("proxy-authorization", "Bearer token");
    let text = asked("ws://a", "http://Aladdin:open%20sesame@p", &headers);
    assert!(text.ends_with("Host: a:80\r\nX-One: 1\r\nproxy-authorization: Bearer token\r\n\r\n"), "{text}");
    let connect = Connect::new(&target("ws://a"), &proxy("http://u:secret@p"), &headers, 1);
    assert_eq!(format!("{connect:?}"), "Connect");
}

#[test]
fn a_yes_is_any_2xx_and_what_comes_behind_it_is_kept() {
    everywhere(format!("{OK}\x16\x03\r\n\r\nbehind").as_bytes(), |verdict| {
        assert_eq!(verdict.unwrap(), b"\x16\x03\r\n\r\nbehind");
    });
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 299\r\n\r\n", "HTTP/1.1 204 No Content\n\n"] {
        assert_eq!(verdict(fresh(), &[head.as_bytes(), b"rest"], false).unwrap(), b"rest");
    }
    // RFC 9110 9.3.6: "A client MUST ignore any Content-Length or Transfer-Encoding header fields".
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc";
    assert_eq!(verdict(fresh(), &[head], false).unwrap(), b"abc");
}

#[test]
fn interim_answers_are_skipped_but_not_without_end() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n";
    everywhere(format!("{interim}{OK}rest").as_bytes(), |verdict| assert_eq!(verdict.unwrap(), b"rest"));
    let error = failure("HTTP/1.1 199 x\r\n\r\n".repeat(17).as_bytes());
    assert_eq!(error.code(), Code::LimitHead);
    assert_eq!(failure(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").code(), Code::ProxyAnswer);
}

#[test]
fn a_no_comes_with_status_fields_and_body_however_it_is_cut() {
    let answer = "HTTP/1.1 403 Forbidden\r\nVia: p\r\nContent-Length: 8\r\n\r\nnot you!";
    everywhere(answer.as_bytes(), |verdict| {
        let error = verdict.unwrap_err();
        assert_eq!((error.code(), &error.to_string()[..]), (Code::ProxyRejected, "the proxy answered 403 Forbidden"));
        let rejection = error.rejection().unwrap();
        assert_eq!(
            (rejection.status, &rejection.reason[..], &rejection.body[..]),
            (403, "Forbidden", &b"not you!"[..])
        );
        assert_eq!(rejection.headers.first("via"), Some(&b"p"[..]));
    });
    // Cut off, or until the end: what came counts.
    let error = failure(b"HTTP/1.1 502 Bad\xff\r\nContent-Length: 80\r\n\r\npart");
    assert_eq!(error.rejection().unwrap().body, b"part");
    let error = failure(b"HTTP/1.0 503 \r\n\r\nuntil the end");
    assert_eq!(error.to_string(), "the proxy answered 503");
    assert_eq!(error.rejection().unwrap().body, b"until the end");
    let error = failure(b"HTTP/1.1 504 Slow\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(error.rejection().unwrap().body, b"abc");
}

#[test]
fn a_407_names_the_challenge() {
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
         Proxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n";
    let error = failure(answer.as_bytes());
    assert_eq!(error.code(), Code::ProxyAuth);
    let expected =
        "the proxy answered 407 Proxy Authentication Required (it asks for \"Basic realm=\\\"x\\\", Negotiate\")";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.rejection().unwrap().status, 407);
}

#[test]
fn a_401_of_a_proxys_is_about_its_own_passwords() {
    let error = failure(b"HTTP/1.0 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((error.code(), error.rejection().unwrap().status), (Code::ProxyAuth, 401));
}

#[test]
fn patience_that_ends_in_a_body_gives_the_no_that_has_come() {
    let mut connect = fresh();
    assert_eq!(connect.feed(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n").unwrap(), Progress::More);
    assert!(connect.give_up().is_none());
    assert_eq!(connect.feed(b"\r\nabc").unwrap(), Progress::More);
    let error = connect.give_up().unwrap();
    assert_eq!(error.rejection().unwrap().body, b"abc");
    assert!(connect.give_up().is_none());
    let mut small = Connect::new(&target("ws://a"), &proxy("p"), &Headers::new(), 4);
    let error = small.feed(b"HTTP/1.1 403 No\r\n\r\n123456789").unwrap_err();
    assert_eq!(error.rejection().unwrap().body, b"1234", "as much as is kept");
}

#[test]
fn hostile_answers_are_told_apart() {
    for (answer, code, says) in [
        (&b""[..], Code::ProxyEof, "without an answer"),
        (b"HTTP/1.1 200 OK\r\nX", Code::ProxyEof, "inside the head of its answer, after \"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Code::ProxyEof, "after an interim answer"),
        (b"SSH-2.0-x\r\n", Code::ProxyAnswer, "is not HTTP: it begins with \"SSH-2.0-x\""),
        (
            b"\x15\x03\x01\x00\x02\x02\x0a",
            Code::ProxyAnswer,
            "as TLS does (should the proxy's address begin with https",
        ),
        (b"\x05\xff", Code::ProxyAnswer, "is not HTTP"),
        (b"HTTP/2 200\r\n\r\n", Code::ProxyAnswer, "version is \"HTTP/2\""),
        (b"HTTP/1.1 2xx OK\r\n\r\n", Code::ProxyAnswer, "no status of three digits"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Code::ProxyAnswer, "has no colon"),
        (b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", Code::ProxyAnswer, "holds a NUL"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Code::ProxyAnswer, "white space before its colon"),
    ] {
        everywhere(answer, |verdict| assert_eq!(verdict.unwrap_err().code(), code));
        let error = failure(answer);
        assert!(error.to_string().contains(says), "{error}");
    }
    let endless = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &[b'x'; 70_000]].concat();
    assert_eq!(failure(&endless).code(), Code::LimitHead);
    let many = ["HTTP/1.1 200 OK\r\n", &"a: b\r\n".repeat(257)].concat();
    assert_eq!(failure(many.as_bytes()).code(), Code::LimitFields);
    let mut over = fresh();
    over.feed(OK.as_bytes()).unwrap();
    assert_eq!(over.feed(b"x").unwrap_err().code(), Code::Internal);
}
