//! The parts that the exchanges' tests do not reach, and the parser on bytes that nobody chose.

use super::*;

#[test]
fn base64_has_the_vectors_of_rfc_4648() {
    let table =
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
    for (bytes, text) in table {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
    assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    assert_eq!(basic_authorization(b"u", b"\xff:"), "Basic dTr/Og==");
}

#[test]
fn a_head_says_where_it_ends() {
    let bytes = b"HTTP/1.1 200 Fine\r\nA: b\r\n\r\nrest";
    let (head, length) = HeadParser::default().parse(bytes).unwrap().unwrap();
    assert_eq!(&bytes[length..], b"rest");
    assert_eq!((head.minor_version, head.status, head.reason.as_str()), (1, 200, "Fine"));
    assert_eq!(head.headers.iter().collect::<Vec<_>>(), [("A", &b"b"[..])]);
    let mut parser = HeadParser::default();
    for end in 0..length {
        assert_eq!(parser.parse(&bytes[..end]).unwrap(), None, "{end}");
    }
    assert_eq!(parser.parse(&bytes[..length]).unwrap(), Some((head, length)));
}

/// What the line checks let through httparse must take: its own errors cannot quote.
#[test]
fn nothing_gets_past_the_checks_of_the_lines() {
    let mut seed = 0x1234_5678_9abc_def1_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut complete = 0;
    for _ in 0..200_000 {
        let mut bytes = b"HTTP/1.1 200 ok\r\nA: b\r\nCc: dd\r\n e\r\nF:\r\n\r\n".to_vec();
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] = b" \t\r\n:\0,;\"\x80"[random(10)],
                _ => drop(bytes.remove(at)),
            }
        }
        match HeadParser::default().parse(&bytes) {
            Ok(None) => {}
            Ok(Some((head, length))) => {
                complete += 1;
                assert!(length <= bytes.len() && (100..1000).contains(&head.status));
                for (name, value) in head.headers.iter() {
                    assert!(is_token(name.as_bytes()), "{}", quoted(&bytes));
                    assert!(!value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'), "{}", quoted(&bytes));
                    assert_eq!(value.trim_ascii(), value, "{}", quoted(&bytes));
                }
            }
            Err(error) => assert!(!error.to_string().contains("malformed"), "{error} for {}", quoted(&bytes)),
        }
    }
    assert!(complete > 20_000, "{complete} heads were whole");
}
