//! The demands of RFC 6455 on what is received, one by one.

use super::*;

// RFC 6455 rule 6.2-parse
// RFC 6455 rule 5.4-both-forms
#[test]
fn the_examples_of_rfc_6455_5_7() {
    assert_eq!(run(b"\x81\x05Hello"), (vec![text("Hello")], DONE));
    assert_eq!(run(b"\x01\x03Hel\x80\x02lo"), (vec![text("Hello")], DONE));
    assert_eq!(
        run(b"\x89\x05Hello\x8a\x05Hello"),
        (vec![Said::Ping("Hello".into()), Said::Pong("Hello".into())], DONE)
    );
    for len in [256usize, 65536] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        assert_eq!(run(&frame(0x82, &payload)), (vec![Said::Message(Binary, payload)], DONE));
    }
}

// RFC 6455 rule 5.2-length-read
#[test]
fn payloads_at_every_border_of_the_three_lengths() {
    for len in [0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 200_000] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        let bytes = [frame(0x82, &payload), frame(0x81, b"next")].concat();
        assert_eq!(run(&bytes), (vec![Said::Message(Binary, payload), text("next")], DONE), "{len}");
    }
}

// RFC 6455 rule 6.2-type
// RFC 6455 rule 5.4-type
// RFC 6455 rule 6.2-next
#[test]
fn the_first_frame_gives_the_type_and_the_next_message_has_its_own() {
    let bytes = b"\x02\x01a\x00\x01b\x80\x01c\x01\x01d\x80\x01e\x82\x01f\x81\x01g";
    let said = vec![Said::Message(Binary, b"abc".into()), text("de"), Said::Message(Binary, b"f".into()), text("g")];
    assert_eq!(run(bytes), (said, DONE));
}

// RFC 6455 rule 5.4-order
// RFC 6455 rule 6.2-concatenate
#[test]
fn fragments_join_in_order_whatever_their_sizes() {
    let parts: [&[u8]; 6] = [b"", b"one ", b"", b"two ", &[b'x'; 300], b""];
    let mut bytes = frame(0x01, parts[0]);
    parts[1..5].iter().for_each(|part| bytes.extend(frame(0x00, part)));
    bytes.extend(frame(0x80, parts[5]));
    assert_eq!(run(&bytes), (vec![Said::Message(Text, parts.concat())], DONE));
    assert_eq!(run(&bytes[..bytes.len() - 1]), (vec![], OPEN));
}

#[test]
fn empty_messages_are_messages() {
    assert_eq!(run(b"\x81\x00\x82\x00"), (vec![text(""), Said::Message(Binary, vec![])], DONE));
    assert_eq!(run(b"\x01\x00\x00\x00\x80\x00"), (vec![text("")], DONE));
}

// RFC 6455 rule 5.4-control-between
// RFC 6455 rule 6.2-control
#[test]
fn control_frames_between_fragments_are_told_where_they_come() {
    let bytes = b"\x01\x02\xe6\xb0\x89\x01p\x00\x00\x8a\x00\x80\x01\xb4\x89\x00";
    let said = vec![Said::Ping(b"p".into()), Said::Pong(vec![]), text("水"), Said::Ping(vec![])];
    assert_eq!(run(bytes), (said, DONE));
}

// RFC 6455 rule 5.5-size
#[test]
fn a_control_frame_has_125_bytes_at_most() {
    let most = [0x55; 125];
    assert_eq!(run(&frame(0x89, &most)), (vec![Said::Ping(most.into())], DONE));
    for (first, name) in [(0x88, "close"), (0x89, "ping"), (0x8a, "pong")] {
        let (sentence, seen_at) = fails(&frame(first, &[0; 126]), Code::ProtocolControlSize, 1002);
        assert_eq!(sentence, format!("a {name} frame has a length field for more than 125 bytes"));
        assert_eq!(seen_at, 2);
        fails(&header(first, 1 << 20), Code::ProtocolControlSize, 1002);
    }
}

// RFC 6455 rule 5.4-control-whole
#[test]
fn a_control_frame_is_not_fragmented() {
    for (first, name) in [(0x08, "close"), (0x09, "ping"), (0x0a, "pong")] {
        let (sentence, seen_at) = fails(&frame(first, b""), Code::ProtocolControlFragment, 1002);
        assert_eq!((sentence, seen_at), (format!("a {name} frame is fragmented"), 1));
    }
}

// RFC 6455 rule 5.2-rsv
// RFC 6455 rule 5.8-extensions
#[test]
fn a_reserved_bit_fails_on_any_frame() {
    for (bit, name) in [(0x40, "RSV1"), (0x20, "RSV2"), (0x10, "RSV3"), (0x70, "RSV1")] {
        for first in [0x81, 0x01, 0x82, 0x88, 0x89, 0x8a] {
            let (sentence, seen_at) = fails(&frame(first | bit, b""), Code::ProtocolReservedBit, 1002);
            assert_eq!(sentence, format!("a frame has {name} set and no extension that gives it a meaning"));
            assert_eq!(seen_at, 1);
        }
    }
    let (said, end) = run(b"\x81\x02ok\x01\x01a\xc0\x01b");
    assert_eq!(said, [text("ok")]);
    assert!(matches!(end, End::Fails(Code::ProtocolReservedBit, 1002, _)));
}

// RFC 6455 rule 5.2-opcode
#[test]
fn a_reserved_opcode_fails() {
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        for fin in [0, 0x80] {
            let (sentence, seen_at) = fails(&frame(fin | opcode, b"x"), Code::ProtocolOpcode, 1002);
            assert_eq!((sentence, seen_at), (format!("a frame has the reserved opcode 0x{opcode:x}"), 1));
        }
    }
}

// RFC 6455 rule 5.1-masked-server
#[test]
fn a_masked_frame_from_the_server_fails() {
    let (sentence, seen_at) = fails(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Code::ProtocolMasked, 1002);
    assert_eq!((sentence.as_str(), seen_at), ("the server masked a frame", 2));
    fails(b"\x89\x80\x00\x00\x00\x00", Code::ProtocolMasked, 1002);
    fails(b"\x82\xfe\x01\x00", Code::ProtocolMasked, 1002);
}

// RFC 6455 rule 5.2-length-minimal
#[test]
fn a_length_is_in_its_shortest_form() {
    for len in [0u16, 1, 124, 125] {
        let bytes = [&[0x82, 126][..], &len.to_be_bytes(), &[0; 125]].concat();
        let (sentence, seen_at) = fails(&bytes, Code::ProtocolLength, 1002);
        let expected = format!("a frame writes the length {len} in 2 bytes, which is not the shortest form");
        assert_eq!((sentence, seen_at), (expected, 4));
    }
    for len in [0u64, 125, 126, 65535] {
        let (_, seen_at) = fails(&[&[0x81, 127][..], &len.to_be_bytes()].concat(), Code::ProtocolLength, 1002);
        assert_eq!(seen_at, 10);
    }
}

// RFC 6455 rule 5.2-length-top-bit
#[test]
fn a_length_has_its_top_bit_clear() {
    for len in [1 << 63, u64::MAX] {
        let (sentence, _) = fails(&header(0x82, len), Code::ProtocolLength, 1002);
        assert_eq!(sentence, "a frame's length has its top bit set");
    }
    assert_eq!(run(&header(0x82, i64::MAX as u64)), (vec![], OPEN));
}

// RFC 6455 rule 5.4-continuation
#[test]
fn a_continuation_needs_something_to_continue() {
    for bytes in [&b"\x80\x01x"[..], b"\x00\x01x", b"\x80\x00"] {
        fails(bytes, Code::ProtocolContinuation, 1002);
    }
    for bytes in [&b"\x81\x02ok\x80\x00"[..], b"\x01\x01o\x80\x01k\x80\x00"] {
        let (said, end) = run(bytes);
        assert_eq!(said, [text("ok")]);
        assert!(matches!(end, End::Fails(Code::ProtocolContinuation, 1002, _)), "{end:?}");
    }
}

// RFC 6455 rule 5.4-interleaved
#[test]
fn a_message_does_not_begin_inside_another() {
    for (bytes, name) in [(&b"\x01\x01a\x81\x01b"[..], "text"), (b"\x01\x01a\x02\x00", "binary")] {
        let (sentence, _) = fails(bytes, Code::ProtocolInterleaved, 1002);
        assert_eq!(sentence, format!("a {name} frame begins a new message inside a fragmented one"));
    }
    let (said, end) = run(b"\x02\x00\x89\x00\x00\x00\x81\x00");
    assert_eq!(said, [Said::Ping(vec![])]);
    assert!(matches!(end, End::Fails(Code::ProtocolInterleaved, 1002, _)), "{end:?}");
}

// RFC 6455 rule 5.5.1-body
#[test]
fn a_close_body_is_empty_or_starts_with_a_code() {
    assert_eq!(run(b"\x88\x00"), (vec![Said::Close(vec![])], DONE));
    assert_eq!(run(b"\x88\x06\x03\xe8done"), (vec![Said::Close(b"\x03\xe8done".into())], DONE));
    fails(b"\x88\x01\x03", Code::ProtocolCloseBody, 1002);
}

// RFC 6455 rule 7.4.2-ranges
// RFC 6455 rule 7.4.1-reserved
#[test]
fn a_close_code_is_one_that_may_be_sent() {
    for code in [1000u16, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let body = code.to_be_bytes();
        assert_eq!(run(&frame(0x88, &body)), (vec![Said::Close(body.into())], DONE));
    }
    for code in [0u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        let (sentence, seen_at) = fails(&frame(0x88, &code.to_be_bytes()), Code::ProtocolCloseCode, 1002);
        assert_eq!((sentence, seen_at), (format!("close code {code} must not be sent"), 4));
    }
}

// RFC 6455 rule 5.5.1-reason
// RFC 6455 rule 8.1-utf8
#[test]
fn a_close_reason_is_utf8() {
    let (sentence, _) = fails(b"\x88\x05\x03\xe8ab\xff", Code::Utf8, 1007);
    assert_eq!(sentence, "the close reason is not UTF-8 at its byte 2");
    fails(b"\x88\x04\x03\xe8\xe6\xb0", Code::Utf8, 1007);
}

// RFC 6455 rule 7.1.7-no-more
#[test]
fn nothing_is_said_after_a_close_or_a_failure() {
    let (said, end) = run(b"\x88\x02\x03\xe8\x89\x00\x81\x02hi\xff\xff\xff");
    assert_eq!((said, end), (vec![Said::Close(b"\x03\xe8".into())], DONE));
    let (said, end) = run(b"\x81\x02ok\x83\x00\x89\x00\x81\x02hi\x88\x00");
    assert_eq!(said, [text("ok")]);
    assert!(matches!(end, End::Fails(Code::ProtocolOpcode, 1002, _)));
}

// RFC 6455 rule 5.6-utf8
// RFC 6455 rule 8.1-utf8
#[test]
fn text_fails_at_its_first_wrong_byte_in_the_middle_of_a_frame() {
    let cases: [(&[u8], usize, &str); 7] = [
        (b"ab\xffcd", 3, "is not UTF-8 at byte 2"),
        (b"\xc0\xafabc", 1, "is not UTF-8 at byte 0"),
        (b"a\xe0\x9f\xbfb", 3, "is not UTF-8 at byte 1"),
        (b"\xed\xa0\x80abc", 2, "is not UTF-8 at byte 0"),
        (b"\xf4\x90\x80\x80a", 2, "is not UTF-8 at byte 0"),
        (b"\xe6\xb0abcdef", 3, "is not UTF-8 at byte 0"),
        (b"abc\xe6\xb0", 5, "ends inside a character at byte 3"),
    ];
    for (payload, wrong, how) in cases {
        let (sentence, seen_at) = fails(&frame(0x81, payload), Code::Utf8, 1007);
        assert_eq!((sentence, seen_at), (format!("a text message {how}"), 2 + wrong), "{payload:x?}");
        // The same in a large frame that has hardly begun to arrive.
        let large = [header(0x81, 1 << 20), payload.to_vec(), b"x".to_vec()].concat();
        let (_, seen_at) = fails(&large, Code::Utf8, 1007);
        assert_eq!(seen_at, 10 + wrong.min(payload.len()) + usize::from(how.starts_with("ends")), "{payload:x?}");
        // And behind a fragment that ends inside a character.
        let second = [&b"\x9f\xa6\x80"[..], payload].concat();
        let fragments = [frame(0x01, b"\xf0"), frame(0x80, &second)].concat();
        let (_, seen_at) = fails(&fragments, Code::Utf8, 1007);
        assert_eq!(seen_at, 3 + 2 + 3 + wrong, "{payload:x?}");
    }
}

// RFC 6455 rule 5.6-utf8
#[test]
fn a_frame_may_cut_a_character_a_message_may_not() {
    let whole = "κόσμε 水 🦀";
    for cut in 0..=whole.len() {
        let (first, second) = whole.as_bytes().split_at(cut);
        let bytes = [frame(0x01, first), frame(0x89, b""), frame(0x80, second)].concat();
        assert_eq!(run(&bytes), (vec![Said::Ping(vec![]), text(whole)], DONE));
    }
    let mut bytes = vec![];
    whole.bytes().enumerate().for_each(|(i, byte)| bytes.extend(frame(u8::from(i == 0), &[byte])));
    bytes.extend(b"\x80\x00");
    assert_eq!(run(&bytes), (vec![text(whole)], DONE));
    let (said, end) = run(b"\x01\x02\xe6\xb0\x80\x00");
    assert_eq!(said, []);
    assert_eq!(end, End::Fails(Code::Utf8, 1007, "a text message ends inside a character at byte 0".into()));
    // Binary is never judged.
    assert_eq!(run(b"\x82\x02\xff\xfe"), (vec![Said::Message(Binary, b"\xff\xfe".into())], DONE));
}
