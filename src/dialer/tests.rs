//! Each setter takes what it should, and refuses the rest with its own code and sentence.

use super::*;

mod identity;

fn refused(result: Result<(), Error>) -> (Code, String) {
    let error = result.unwrap_err();
    (error.code(), error.to_string())
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap().cert.pem()
}

// RFC 6455 rule 4.1-protocols
#[test]
fn subprotocols_are_tokens_and_differ() {
    let mut dialer = Dialer::new();
    for good in ["json", "v2.chat", "JSON", "!#$%&'*+-.^_`|~09"] {
        dialer.add_subprotocol(good).unwrap();
    }
    assert_eq!(dialer.subprotocols, ["json", "v2.chat", "JSON", "!#$%&'*+-.^_`|~09"]);
    for bad in [" json", "a,b", "a b", "a\r\nX: y", "\u{e9}", "a/b", "a;b", "\"a\"", "a=b", "a\0"] {
        let text = format!("the subprotocol {} is not a token ({TOKEN})", quoted(bad.as_bytes()));
        assert_eq!(refused(dialer.add_subprotocol(bad)), (Code::OptionSubprotocol, text));
    }
    let text = "a subprotocol has no name".to_owned();
    assert_eq!(refused(dialer.add_subprotocol("")), (Code::OptionSubprotocol, text));
    let text = "the subprotocol \"json\" is offered twice".to_owned();
    assert_eq!(refused(dialer.add_subprotocol("json")), (Code::OptionSubprotocol, text));
    assert_eq!(dialer.subprotocols.len(), 4);
}

#[test]
fn a_header_may_make_the_offer_instead() {
    let mut dialer = Dialer::new();
    dialer.add_header("sec-websocket-PROTOCOL", b" json ,\txml").unwrap();
    dialer.add_header("Sec-WebSocket-Protocol", b"yaml").unwrap();
    assert_eq!(dialer.subprotocols, ["json", "xml", "yaml"]);
    assert!(dialer.headers.is_empty());
    for bad in ["", "a,", "a b", "cbor, json", "cbor, cbor"] {
        let (code, _) = refused(dialer.add_header("Sec-WebSocket-Protocol", bad.as_bytes()));
        assert_eq!(code, Code::OptionSubprotocol, "{bad}");
        assert_eq!(dialer.subprotocols.len(), 3, "{bad}: all are taken or none");
    }
    let expected = (Code::OptionSubprotocol, OFFERED_TWICE.to_owned());
    assert_eq!(refused(dialer.add_subprotocol("cbor")), expected);
    let mut dialer = Dialer::new();
    dialer.add_subprotocol("json").unwrap();
    assert_eq!(refused(dialer.add_header("Sec-WebSocket-Protocol", b"xml")), expected);
}

#[test]
fn headers_keep_spelling_and_order() {
    let mut dialer = Dialer::new();
    dialer.add_header("oRiGiN", b"https://a").unwrap();
    dialer.add_header("Cookie", b" \ta=\xff\tb \t").unwrap();
    dialer.add_header("X-Empty", b"").unwrap();
    dialer.add_header("Cookie", b"c").unwrap();
    let fields: Vec<(&str, &[u8])> = dialer.headers.iter().collect();
    assert_eq!(fields, [("oRiGiN", &b"https://a"[..]), ("Cookie", b"a=\xff\tb"), ("X-Empty", b""), ("Cookie", b"c")]);
}

#[test]
fn headers_that_cannot_be_sent_are_refused() {
    let mut dialer = Dialer::new();
    for bad in ["", "a b", "a:", " a", "a\r\nb", "\u{e9}", "a\0", "(a)"] {
        let text = format!("the header name {} is not a token ({TOKEN})", quoted(bad.as_bytes()));
        assert_eq!(refused(dialer.add_header(bad, b"x")), (Code::OptionHeader, text));
    }
    let table: &[(&[u8], &str)] = &[
        (b"a\r\nX: y", "a carriage return at byte 1"),
        (b"a\n", "a line feed at byte 1"),
        (b"\0", "a NUL at byte 0"),
        (b"ab\x1b", "the control character 0x1b at byte 2"),
        (b"ab\x7f", "the control character 0x7f at byte 2"),
    ];
    for (value, what) in table {
        let text = format!("the value of the header X-Test has {what}");
        assert_eq!(refused(dialer.add_header("X-Test", value)), (Code::OptionHeader, text));
    }
    assert!(dialer.headers.is_empty());
}

#[test]
fn what_the_handshake_sets_is_refused() {
    let names = ["Upgrade", "connection", "SEC-WEBSOCKET-KEY", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"];
    for name in names {
        let (code, text) = refused(Dialer::new().add_header(name, b"x"));
        assert_eq!(code, Code::OptionHeaderReserved);
        assert!(text.starts_with(&format!("the header {name} is refused: the handshake sets it itself")), "{text}");
    }
    for name in ["Content-Length", "transfer-encoding"] {
        let text = format!("the header {name} is refused: the request has no body, the server would wait for one");
        assert_eq!(refused(Dialer::new().add_header(name, b"x")), (Code::OptionHeaderReserved, text));
    }
}

#[test]
fn host_is_given_once_and_is_a_host() {
    let mut dialer = Dialer::new();
    for bad in ["", "  ", "a b", "a, b", "http://a", "u@a", "a?b"] {
        let text = format!("the header Host {} is not a host with or without a port", quoted(bad.trim().as_bytes()));
        assert_eq!(refused(dialer.add_header("Host", bad.as_bytes())), (Code::OptionHeader, text));
    }
    dialer.add_header("Host", b" [::1]:80 ").unwrap();
    let text = "the header Host is given twice".to_owned();
    assert_eq!(refused(dialer.add_header("host", b"b")), (Code::OptionHeader, text));
}

#[test]
fn headers_have_room_up_to_a_bound() {
    let mut dialer = Dialer::new();
    for _ in 0..256 {
        dialer.add_header("a", b"b").unwrap();
    }
    let text = "at most 256 header fields can be added".to_owned();
    assert_eq!(refused(dialer.add_header("a", b"b")), (Code::OptionHeader, text));
    let mut dialer = Dialer::new();
    dialer.add_header("a", &vec![b'b'; (1 << 20) - 2]).unwrap();
    let text = "the header fields would have 1048577 bytes together, 1048576 at most".to_owned();
    assert_eq!(refused(dialer.add_header("a", b"b")), (Code::OptionHeader, text));
    dialer.add_header("a", b"").unwrap();
}

#[test]
fn sizes_have_their_ranges() {
    let mut dialer = Dialer::new();
    dialer.set_max_rejection_body(16 << 20).unwrap();
    dialer.set_max_rejection_body(0).unwrap();
    let text = "at most 16777216 bytes of a rejection's body can be kept, not 16777217".to_owned();
    assert_eq!(refused(dialer.set_max_rejection_body((16 << 20) + 1)), (Code::OptionValue, text));
    assert_eq!(dialer.max_rejection_body, 0);
    dialer.set_buffer_sizes(1024, 16 << 20).unwrap();
    assert_eq!((dialer.read_buffer, dialer.write_buffer), (1024, 16 << 20));
    let text = "the read buffer has 1024 to 16777216 bytes, or 0 for the default, not 1023".to_owned();
    assert_eq!(refused(dialer.set_buffer_sizes(1023, 2048)), (Code::OptionValue, text));
    let text = format!("the write buffer has 1024 to 16777216 bytes, or 0 for the default, not {}", u64::MAX);
    assert_eq!(refused(dialer.set_buffer_sizes(2048, u64::MAX)), (Code::OptionValue, text));
    assert_eq!((dialer.read_buffer, dialer.write_buffer), (1024, 16 << 20), "all or nothing");
    dialer.set_buffer_sizes(0, 0).unwrap();
    assert_eq!((dialer.read_buffer, dialer.write_buffer), (crate::buffer::POOLED, crate::buffer::POOLED));
}

#[test]
fn certificates_in_pem() {
    let (one, two) = (certificate(), certificate());
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let mut dialer = Dialer::new();
    dialer.add_ca_pem(format!("words\n{one}{key}# more\r\n{}", two.replace('\n', "\r\n")).as_bytes()).unwrap();
    assert_eq!(dialer.tls.roots.len(), 2);
    let one_der = dialer.tls.roots[0].clone();
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let end = "-----END CERTIFICATE-----\n";
    let table: &[(Vec<u8>, &str)] = &[
        (b"".to_vec(), "the PEM is empty"),
        (b" \r\n".to_vec(), "the PEM is empty"),
        (b"hello".to_vec(), "the PEM has no certificate, there is no line -----BEGIN CERTIFICATE-----"),
        (one_der, "this is DER, a certificate is wanted as PEM (-----BEGIN CERTIFICATE-----)"),
        (key.into_bytes(), "the PEM has no certificate, what was found is \"PRIVATE KEY\""),
        (
            b"-----BEGIN A-----\n-----END A-----\n-----BEGIN B-----\n-----END B-----\n".to_vec(),
            "the PEM has no certificate, what was found is \"A, B\"",
        ),
        (format!("{one}{begin}AAAA\n").into_bytes(), "section 2 of the PEM has no end"),
        (format!("{begin}!!!!\n{end}").into_bytes(), "section 1 of the PEM is not base64"),
        (format!("{begin}{end}").into_bytes(), "section 1 of the PEM is a certificate without DER in it"),
        (format!("{begin}MAAA\n{end}").into_bytes(), "section 1 of the PEM is a certificate without DER in it"),
        (b"-----BEGIN CERTIFICATE--\n".to_vec(), "section 1 of the PEM begins with a malformed line"),
    ];
    for (pem, text) in table {
        assert_eq!(refused(dialer.add_ca_pem(pem)), (Code::OptionPem, (*text).to_owned()));
        assert_eq!(dialer.tls.roots.len(), 2, "all are taken or none");
    }
}

#[test]
fn certificates_in_a_file() {
    let path = std::env::temp_dir().join(format!("wsdial-roots-{}.pem", std::process::id()));
    let mut dialer = Dialer::new();
    std::fs::write(&path, certificate()).unwrap();
    dialer.add_ca_file(&path).unwrap();
    assert_eq!(dialer.tls.roots.len(), 1);
    std::fs::write(&path, "").unwrap();
    let text = format!("{}: the PEM is empty", path.display());
    assert_eq!(refused(dialer.add_ca_file(&path)), (Code::OptionPem, text));
    std::fs::remove_file(&path).unwrap();
    let error = dialer.add_ca_file(&path).unwrap_err();
    assert_eq!((error.code(), error.os_error()), (Code::OptionFile, libc::ENOENT));
    assert_eq!(error.to_string(), format!("{}: No such file or directory", path.display()));
    let error = dialer.add_ca_file(&std::env::temp_dir()).unwrap_err();
    assert_eq!((error.code(), error.os_error()), (Code::OptionFile, libc::EISDIR));
    let endless = std::env::temp_dir().join(format!("wsdial-endless-{}", std::process::id()));
    std::fs::File::create(&endless).and_then(|file| file.set_len((16 << 20) + 1)).unwrap();
    let text = format!("{}: a file of certificates or keys has at most 16777216 bytes", endless.display());
    assert_eq!(refused(dialer.add_ca_file(&endless)), (Code::OptionFile, text));
    std::fs::remove_file(&endless).unwrap();
    assert_eq!(dialer.tls.roots.len(), 1);
}

#[test]
fn the_server_name_is_a_host_or_an_ip_address() {
    let mut dialer = Dialer::new();
    for good in ["a.example", "127.0.0.1", "::1", "xn--bcher-kva.example"] {
        dialer.set_server_name(good).unwrap();
        assert_eq!(dialer.tls.server_name.as_deref(), Some(good));
    }
    for bad in ["", " ", "a b", "[::1]", "a.example:443", "https://a", "a..b", "a\0"] {
        let text = format!("the server name {} is not a host name or IP address", quoted(bad.as_bytes()));
        assert_eq!(refused(dialer.set_server_name(bad)), (Code::OptionValue, text));
    }
    let (_, text) = refused(dialer.set_server_name("b\u{fc}cher.example"));
    assert!(text.ends_with(" (an international name is given in its xn-- form)"), "{text}");
}
