//! Compressed messages: RSV1, fragments, UTF-8, the limit, and what may stand between.

use super::*;
use crate::protocol::deflate::{Deflater, Manner};

const MANNER: Manner = Manner { level: 6, mem_level: 8, window_bits: 15, keeps_context: true };
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut to = Vec::new();
    Deflater::default().part(MANNER, data, true, &mut to).unwrap();
    to
}

fn reader(limit: u64) -> Reader {
    let mut reader = Reader::new(limit);
    reader.decoder.inflate(true);
    reader
}

fn by_deflated(limit: u64, portions: &[&[u8]]) -> (Vec<Said>, End) {
    let mut reader = reader(limit);
    portions.iter().for_each(|portion| reader.feed(portion));
    let end = reader.end();
    (reader.said, end)
}

/// Runs `bytes` whole, cut at every byte, and byte by byte.
fn run_deflated(limit: u64, bytes: &[u8]) -> (Vec<Said>, End) {
    let whole = by_deflated(limit, &[bytes]);
    for cut in 0..bytes.len().min(3000) {
        assert_eq!(by_deflated(limit, &[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    assert_eq!(by_deflated(limit, &bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    whole
}

fn fails_deflated(bytes: &[u8]) -> (Code, u16, String) {
    match run_deflated(0, bytes) {
        (_, End::Fails(code, close_code, sentence)) => (code, close_code, sentence),
        other => panic!("{other:?}"),
    }
}

// RFC 7692 rule 6.2-inflate
// RFC 7692 rule 6.2-uncompressed
// RFC 7692 rule 7.2.2-inflate
#[test]
fn compressed_and_other_messages_and_control_frames_take_turns() {
    let bytes = [
        frame(0xc1, HELLO),
        frame(0x81, b"plain"),
        frame(0xc1, b"\xf2\x00\x11\x00\x00"),
        frame(0x42, &HELLO[..3]),
        frame(0x89, b"in between"),
        frame(0x00, &HELLO[3..4]),
        frame(0x00, b""),
        frame(0x80, &HELLO[4..]),
        frame(0x02, b"pla"),
        frame(0x80, b"in"),
        frame(0xc1, b"\x00"),
        frame(0xc2, b""),
        frame(0x41, b""),
        frame(0x80, HELLO),
        frame(0xc2, HELLO),
    ];
    let hello = |kind| Said::Message(kind, b"Hello".to_vec());
    let expected = vec![
        hello(Text),
        text("plain"),
        hello(Text),
        Said::Ping(b"in between".to_vec()),
        hello(Binary),
        Said::Message(Binary, b"plain".to_vec()),
        text(""),
        Said::Message(Binary, Vec::new()),
        hello(Text),
        hello(Binary),
    ];
    assert_eq!(run_deflated(0, &bytes.concat()), (expected, DONE));
}

// RFC 7692 rule 6.1-control
// RFC 7692 rule 6.1-continuation
// RFC 7692 rule 6-agreed
#[test]
fn rsv1_stands_on_the_first_frame_of_a_message_only() {
    for (bytes, sentence) in [
        (&b"\xc9\x00"[..], "a ping frame has RSV1 set, which only the first frame of a message may have"),
        (b"\xca\x00", "a pong frame has RSV1 set, which only the first frame of a message may have"),
        (b"\xc8\x00", "a close frame has RSV1 set, which only the first frame of a message may have"),
        (b"\x01\x01a\xc0\x00", "a continuation frame has RSV1 set, which only the first frame of a message may have"),
        (b"\xa1\x00", "a frame has RSV2 set and no extension that gives it a meaning"),
        (b"\xe1\x00", "a frame has RSV2 set and no extension that gives it a meaning"),
        (b"\xd1\x00", "a frame has RSV3 set and no extension that gives it a meaning"),
    ] {
        assert_eq!(fails_deflated(bytes), (Code::ProtocolReservedBit, 1002, sentence.to_owned()));
    }
    assert_eq!(fails_deflated(b"\xc3\x00").0, Code::ProtocolOpcode);
    // Without the extension it has no meaning at all.
    assert_eq!(fails(b"\xc1", Code::ProtocolReservedBit, 1002).1, 1);
}

#[test]
fn text_is_judged_as_it_is_inflated() {
    let bad = [&b"x".repeat(500)[..], b"\xed\xa0\x80 and more that never matters"].concat();
    let sentence = "a text message is not UTF-8 at byte 500".to_owned();
    assert_eq!(fails_deflated(&frame(0xc1, &deflate(&bad))), (Code::Utf8, 1007, sentence));
    let sentence = "a text message ends inside a character at byte 3".to_owned();
    assert_eq!(fails_deflated(&frame(0xc1, &deflate(b"ab \xf0\x9f\xa6"))), (Code::Utf8, 1007, sentence));
    assert_eq!(run_deflated(0, &frame(0xc2, &deflate(&bad))).1, DONE);
    let cut = "ab\u{1f980}".repeat(20_000);
    assert_eq!(by_deflated(0, &[&frame(0xc1, &deflate(cut.as_bytes()))]), (vec![text(&cut)], DONE));
    // It fails before the rest of the message is there.
    let payload = deflate(
        &[&b"\xff".repeat(100)[..], &(0..200_000u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect::<Vec<_>>()]
            .concat(),
    );
    let (said, end) = by_deflated(0, &[&frame(0xc1, &payload)[..200]]);
    assert!(said.is_empty() && matches!(end, End::Fails(Code::Utf8, 1007, _)), "{end:?}");
}

#[test]
fn the_limit_is_for_what_comes_out() {
    let sentence = "a compressed message inflates to more than the limit of 10 bytes".to_owned();
    let over = End::Fails(Code::LimitMessage, 1009, sentence);
    let ten = frame(0xc2, &deflate(b"0123456789"));
    assert_eq!(
        run_deflated(10, &[&ten[..], &ten].concat()),
        (vec![Said::Message(Binary, b"0123456789".to_vec()); 2], DONE)
    );
    assert_eq!(run_deflated(10, &frame(0xc2, &deflate(b"0123456789a"))), (vec![], over.clone()));
    // In fragments it is the sum, and what is declared is no matter.
    let long = [frame(0x42, &[0, 0, 0, 0xff, 0xff].repeat(5)), frame(0x80, &deflate(b"0123456789"))].concat();
    assert_eq!(run_deflated(10, &long).1, DONE);
    let long = [frame(0x42, &[&deflate(b"012345")[..], &[0, 0, 0xff, 0xff]].concat()), frame(0x80, &deflate(b"6789a"))];
    assert_eq!(run_deflated(10, &long.concat()).1, over);
}

#[test]
fn a_bomb_is_stopped_one_byte_behind_the_limit() {
    let bomb = frame(0xc2, &deflate(&vec![0; 5_000_000]));
    for limit in [1u64, 1000, 100_000, 1 << 20] {
        let mut reader = reader(limit);
        reader.feed(&bomb);
        assert_eq!(reader.failed.unwrap().code(), Code::LimitMessage);
        assert_eq!(reader.message.len() as u64, limit + 1);
        assert!(reader.message.capacity() as u64 <= limit + 2 + INFLATED as u64, "{}", reader.message.capacity());
    }
}

#[test]
fn a_limit_lowered_inside_a_message_holds() {
    let mut reader = reader(0);
    let payload = deflate(&vec![7; 100_000]);
    reader.feed(&frame(0x42, &payload[..payload.len() / 2]));
    assert!(reader.message.len() > 1000);
    reader.decoder.set_max_message(1000);
    reader.feed(&frame(0x80, &payload[payload.len() / 2..]));
    assert_eq!(reader.failed.unwrap().code(), Code::LimitMessage);
}

#[test]
fn a_compressed_payload_is_never_read_straight_into_the_message() {
    let mut reader = reader(0);
    reader.feed(&header(0xc2, 100_000));
    assert_eq!((reader.decoder.direct(), reader.decoder.is_deflated()), (0, true));
    reader.feed(&deflate(&[b'x'; 100]));
    assert_eq!(reader.decoder.direct(), 0);
}
