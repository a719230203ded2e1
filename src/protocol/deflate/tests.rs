//! The compressor and the inflater against each other and against RFC 7692's own bytes; the offer and its answers.

use super::inflater::Step;
use super::*;

mod offers;

const MANNER: Manner = Manner { level: 6, mem_level: 8, window_bits: 15, keeps_context: true };

/// What `payload`, a whole message cut where `portions` end, inflates to; `room` at a time.
fn inflate(inflater: &mut Inflater, portions: &[&[u8]], room: usize) -> Result<Vec<u8>, Error> {
    let mut message = Vec::new();
    for portion in portions {
        let mut at = 0;
        loop {
            let Step { taken, is_full, .. } = inflater.step(&portion[at..], &mut message, room)?;
            at += taken;
            if !is_full {
                assert_eq!(at, portion.len());
                break;
            }
        }
    }
    inflater.finish().map(|()| message)
}

fn inflated(payload: &[u8]) -> Result<Vec<u8>, Error> {
    inflate(&mut Inflater::new(true), &[payload], 100)
}

fn deflated(deflater: &mut Deflater, manner: Manner, data: &[u8]) -> Vec<u8> {
    let mut to = Vec::new();
    deflater.part(manner, data, true, &mut to).unwrap();
    to
}

// RFC 7692 rule 7.2.2-inflate
#[test]
fn the_examples_of_rfc_7692_7_2_3_inflate() {
    let hello = b"Hello".to_vec();
    // 7.2.3.1, one block; and in two fragments.
    assert_eq!(inflated(b"\xf2\x48\xcd\xc9\xc9\x07\x00").unwrap(), hello);
    let fragments: [&[u8]; 2] = [b"\xf2\x48\xcd", b"\xc9\xc9\x07\x00"];
    assert_eq!(inflate(&mut Inflater::new(true), &fragments, 1).unwrap(), hello);
    // 7.2.3.2, the window is shared.
    let mut inflater = Inflater::new(true);
    for payload in [&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], b"\xf2\x00\x11\x00\x00"] {
        assert_eq!(inflate(&mut inflater, &[payload], 2).unwrap(), hello);
    }
    // 7.2.3.3, a block without compression.
    assert_eq!(inflated(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00").unwrap(), hello);
    // 7.2.3.4, a final block.
    assert_eq!(inflated(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00").unwrap(), hello);
    // 7.2.3.5, two blocks.
    assert_eq!(inflated(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00").unwrap(), hello);
    // 7.2.3.6, an empty message.
    assert_eq!(inflated(b"\x00").unwrap(), b"");
}

// RFC 7692 rule 7.2.1-deflate
// RFC 7692 rule 7.2.1-tail
// RFC 7692 rule 7.2.1-flush
#[test]
fn the_examples_of_rfc_7692_7_2_3_are_what_we_send() {
    let mut deflater = Deflater::default();
    assert_eq!(deflated(&mut deflater, MANNER, b"Hello"), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    assert_eq!(deflated(&mut deflater, MANNER, b"Hello"), b"\xf2\x00\x11\x00\x00");
    assert_eq!(deflated(&mut deflater, MANNER, b""), b"\x00");
    // 7.1.1.2: without a context each is as the first.
    let manner = Manner { keeps_context: false, ..MANNER };
    let mut deflater = Deflater::default();
    for _ in 0..3 {
        assert_eq!(deflated(&mut deflater, manner, b"Hello"), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    }
}

// RFC 7692 rule 7.1.1.1-no-context
#[test]
fn without_a_context_a_message_cannot_refer_to_those_before_it() {
    let mut inflater = Inflater::new(false);
    for _ in 0..2 {
        assert_eq!(inflate(&mut inflater, &[b"\xf2\x48\xcd\xc9\xc9\x07\x00"], 9).unwrap(), b"Hello");
    }
    let error = inflate(&mut inflater, &[b"\xf2\x00\x11\x00\x00"], 9).unwrap_err();
    assert_eq!((error.code(), error.close_code()), (Code::Deflate, 1002));
    assert_eq!(error.to_string(), "a compressed message cannot be inflated: invalid distance too far back");
}

#[test]
fn final_blocks_may_stand_anywhere_and_messages_go_on_behind_them() {
    let one: &[u8] = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
    let hellos = [one, one, b"\xf2\x48\xcd\xc9\xc9\x07\x00"].concat();
    let mut inflater = Inflater::new(true);
    for room in [1, 4, 5, 6, 100] {
        assert_eq!(inflate(&mut inflater, &[&hellos], room).unwrap(), b"HelloHelloHello");
        assert_eq!(inflate(&mut inflater, &hellos.chunks(1).collect::<Vec<_>>(), room).unwrap(), b"HelloHelloHello");
        // Without the byte of 7.2.3.4 behind it too: nothing else can be meant.
        assert_eq!(inflate(&mut inflater, &[one], room).unwrap(), b"Hello");
        assert_eq!(inflate(&mut inflater, &[], room).unwrap(), b"");
        // A final block that the tail completes.
        assert_eq!(inflate(&mut inflater, &[b"\x01"], room).unwrap(), b"");
    }
}

#[test]
fn a_message_that_is_cut_inside_a_block_is_an_error() {
    let data: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let mut whole = 0;
    for manner in [MANNER, Manner { level: 1, ..MANNER }] {
        let payload = deflated(&mut Deflater::default(), manner, &data);
        assert_eq!(inflated(&payload).unwrap(), data);
        for cut in 1..payload.len() {
            match inflated(&payload[..cut]) {
                Err(error) => assert_eq!(error.code(), Code::Deflate),
                // It ends where a block does and the next is an empty one: then it is a shorter message, and right.
                Ok(shorter) => whole += usize::from(data.starts_with(&shorter)),
            }
        }
    }
    assert!(whole < 3, "{whole} cuts were taken for a message's end");
}

#[test]
fn garbage_is_an_error_in_words() {
    for (payload, how) in [
        (&b"\xff\xff\xff\xff"[..], "invalid block type"),
        (b"\x00\x05\x00\x00\x00Hello\x00", "invalid stored block lengths"),
        (b"\xf2\x48\xcd\xc9", "it ends inside a block"),
        (b"\x00\x05\x00\xfa\xffHel", "it ends inside a block"),
    ] {
        let error = inflated(payload).unwrap_err();
        assert_eq!(error.to_string(), format!("a compressed message cannot be inflated: {how}"));
    }
}

#[test]
fn what_is_no_gain_is_sent_as_it_is_and_the_peer_still_understands_the_next() {
    let mut seed = 1u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    let noise: Vec<u8> = noise.take(100_000).collect();
    let text = b"the same text again and again and again".repeat(10);
    for keeps_context in [true, false] {
        let manner = Manner { keeps_context, ..MANNER };
        let (mut deflater, mut inflater) = (Deflater::default(), Inflater::new(keeps_context));
        let mut plain = 0;
        for data in [&text[..], &noise[..500], &text, &noise[500..], &text, b"x", &text] {
            let mut to = Vec::new();
            if deflater.message(manner, data, &mut to).unwrap() {
                assert!(to.len() <= data.len() + 8);
                assert_eq!(inflate(&mut inflater, &[&to], 1000).unwrap(), data);
            } else {
                plain += 1;
            }
        }
        assert_eq!(plain, if keeps_context { 1 } else { 3 });
    }
}

#[test]
fn another_level_begins_without_the_context() {
    let (mut deflater, mut inflater) = (Deflater::default(), Inflater::new(true));
    for level in [1, 1, 9, 6, 3, 1] {
        let payload = deflated(&mut deflater, Manner { level, ..MANNER }, &b"abcdefgh".repeat(30));
        assert_eq!(inflate(&mut inflater, &[&payload], 77).unwrap(), b"abcdefgh".repeat(30));
    }
}

#[test]
fn parts_join_to_one_message() {
    let data: Vec<u8> = b"some json, and more of it; ".repeat(50);
    for size in [1, 7, 500, 5000] {
        let (mut deflater, mut inflater) = (Deflater::default(), Inflater::new(true));
        for _ in 0..3 {
            let mut parts: Vec<Vec<u8>> = Vec::new();
            for chunk in data.chunks(size) {
                let mut to = Vec::new();
                deflater.part(MANNER, chunk, false, &mut to).unwrap();
                parts.push(to);
            }
            parts.push(deflated(&mut deflater, MANNER, b""));
            let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
            assert_eq!(inflate(&mut inflater, &parts, 333).unwrap(), data);
        }
    }
}

#[test]
fn a_window_of_8_bits_is_none_to_compress_with() {
    assert!(!Manner { window_bits: 8, ..MANNER }.is_possible());
    assert!(Manner { window_bits: 9, ..MANNER }.is_possible());
}

#[test]
fn states_without_a_context_are_given_back_and_used_again() {
    let manner = Manner { keeps_context: false, level: 3, ..MANNER };
    let mut deflater = Deflater::default();
    deflated(&mut deflater, manner, b"Hello");
    assert!(deflater.state.is_none());
    let mut deflater = Deflater::default();
    deflated(&mut deflater, MANNER, b"Hello");
    assert!(deflater.state.is_some());
}

#[test]
fn what_cannot_be_inflated_is_told_the_same_when_it_is_asked_again() {
    let mut inflater = inflater::Inflater::new(true);
    let mut out = Vec::new();
    // A block of the type that does not exist (RFC 1951 3.2.3).
    let first = inflater.step(b"\x07", &mut out, 100).expect_err("no such block");
    let again = inflater.step(b"\x07", &mut out, 100).expect_err("no such block");
    assert!(first.to_string().contains("invalid block type"), "{first}");
    assert_eq!(first.to_string(), again.to_string());
}

/// zlib's quick way, for which there must be enough of everything, forgets what it found.
#[test]
fn what_is_found_on_the_quick_way_is_told_too() {
    // A block with the fixed codes that begins with three bytes from a distance of one; and much behind it.
    let far = [&b"\x03\x02"[..], &[0; 300]].concat();
    for room in [1, 1000] {
        let mut inflater = inflater::Inflater::new(true);
        let error = inflater.step(&far, &mut Vec::new(), room).expect_err("nothing is before the start");
        assert!(error.to_string().contains("distance too far back"), "{room}: {error}");
    }
}
