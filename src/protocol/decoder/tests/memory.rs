//! The message limit, memory, and what goes between the decoder and its caller.

use super::*;

#[test]
fn the_limit_is_judged_on_what_is_declared_before_any_payload_is_taken() {
    let over = |declared: u64, max: u64| {
        let sentence = format!("a message of {declared} bytes or more is over the limit of {max} bytes");
        End::Fails(Code::LimitMessage, 1009, sentence)
    };
    assert_eq!(run_limited(10, b"\x82\x0a0123456789"), (vec![Said::Message(Binary, b"0123456789".into())], DONE));
    assert_eq!(run_limited(10, b"\x82\x0b"), (vec![], over(11, 10)));
    assert_eq!(run_limited(10, b"\x82\x0b0123456789a"), (vec![], over(11, 10)));
    assert_eq!(run_limited(10, b"\x81\x0b\xff"), (vec![], over(11, 10)));
    let fragments = [frame(0x02, b"01234"), frame(0x00, b"56789"), frame(0x00, b"")].concat();
    assert_eq!(run_limited(10, &[&fragments[..], b"\x80\x00"].concat()).0.len(), 1);
    assert_eq!(run_limited(10, &[&fragments[..], b"\x80\x01"].concat()), (vec![], over(11, 10)));
    // Each message starts anew, control frames do not count.
    let bytes = [fragments, frame(0x89, &[0; 125]), b"\x80\x00\x81\x0a0123456789".to_vec()].concat();
    assert_eq!(run_limited(10, &bytes).1, DONE);
    assert_eq!(run_limited(1 << 20, &header(0x82, i64::MAX as u64)).1, over(i64::MAX as u64, 1 << 20));
}

#[test]
fn a_sum_of_declared_lengths_does_not_wrap() {
    let mut decoder = Decoder::new(1000);
    let mut message = Vec::new();
    assert!(decoder.decode(b"\x02\x05abcde", &mut message).1.is_ok());
    let (_, result) = decoder.decode(&header(0x00, i64::MAX as u64), &mut message);
    assert_eq!(result.unwrap_err().code(), Code::LimitMessage);
    assert_eq!(message, b"abcde");
}

#[test]
fn a_limit_that_is_set_holds_from_the_next_frame_on() {
    let mut decoder = Decoder::new(0);
    let mut message = Vec::new();
    assert!(decoder.decode(b"\x02\x08abcd", &mut message).1.is_ok());
    decoder.set_max_message(6);
    assert!(decoder.decode(b"efgh", &mut message).1.is_ok());
    assert_eq!(decoder.decode(b"\x00\x00", &mut message).1.unwrap_err().code(), Code::LimitMessage);
}

#[test]
fn decode_stops_behind_each_event_and_leaves_an_incomplete_header() {
    let mut decoder = Decoder::new(0);
    let mut message = Vec::new();
    let bytes = b"\x81\x01a\x89\x01b\x02\x01c\x80\x01d\x82\x7f\x00\x00";
    let mut at = 0;
    for (takes, says) in [(3, Event::Message(Text)), (3, Event::Ping), (6, Event::Message(Binary))] {
        message.clear();
        let (taken, event) = decoder.decode(&bytes[at..], &mut message);
        assert_eq!((taken, event.unwrap()), (takes, Some(says)));
        at += taken;
    }
    assert_eq!(message, b"cd");
    assert!(matches!(decoder.decode(&bytes[at..], &mut message), (0, Ok(None))));
}

#[test]
fn memory_follows_what_arrives_not_what_is_declared() {
    for direct in [false, true] {
        let mut reader = Reader::new(0);
        reader.feed(&header(0x82, 1 << 40));
        let mut arrived = 0;
        while arrived < 3_000_000 {
            let portion = vec![0; 50_000];
            arrived += if direct {
                reader.feed_direct(&portion, usize::MAX)
            } else {
                reader.feed(&portion);
                portion.len()
            };
            assert!(reader.message.capacity() <= 2 * arrived + 2 * FIRST_ROOM, "{arrived}");
        }
    }
}

#[test]
fn used_memory_of_exactly_the_payload_grows_by_the_spare_byte() {
    let mut reader = Reader::new(0);
    reader.message = Vec::with_capacity(LEAST_ROOM);
    let len = reader.message.capacity();
    reader.feed(&header(0x82, len as u64));
    assert_eq!(reader.feed_direct(&vec![0; len], usize::MAX), len);
    assert_eq!(reader.said.len(), 1);
}

#[test]
fn messages_may_join_behind_each_other() {
    let mut decoder = Decoder::new(0);
    let mut block = Vec::new();
    let mut bytes = [frame(0x82, b"one"), frame(0x81, &[b'x'; 300]), frame(0x01, b"ab")].concat();
    bytes.extend([&header(0x80, 1000)[..], b"c\xff"].concat());
    let mut at = 0;
    for len in [3, 303] {
        let (taken, event) = decoder.decode(&bytes[at..], &mut block);
        assert!(event.unwrap().is_some());
        assert_eq!(block.len(), len);
        at += taken;
    }
    let error = decoder.decode(&bytes[at..], &mut block).1.unwrap_err();
    assert_eq!(error.to_string(), "a text message is not UTF-8 at byte 3");
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    // `reserve` never asks for much, so the failure is forced by what the message already claims to hold.
    let error = Decoder::new(0).grow(&mut Vec::new(), usize::MAX).unwrap_err();
    assert_eq!((error.code(), error.close_code()), (Code::LimitMemory, 1009));
    assert!(error.to_string().starts_with("there is no memory for"));
}

#[test]
fn a_final_frame_takes_the_memory_it_needs_and_used_memory_is_kept() {
    let mut reader = Reader::new(0);
    reader.feed(&header(0x82, 5_000_000));
    for _ in 0..5000 {
        reader.feed(&[1; 1000]);
    }
    let capacity = reader.message.capacity();
    assert!((5_000_001..=5_000_002).contains(&capacity), "{capacity}");
    reader.feed(&header(0x82, 4_000_000));
    reader.feed(&vec![2; 4_000_000]);
    assert_eq!((reader.said.len(), reader.message.capacity()), (2, capacity));
}

#[test]
fn fragments_of_one_byte_cost_what_they_are() {
    let mut bytes = frame(0x02, b"x");
    (0..65_534).for_each(|_| bytes.extend(b"\x00\x01x"));
    bytes.extend(b"\x80\x01x");
    let mut reader = Reader::new(0);
    let (mut moves, mut capacity) = (0, 0);
    for fragment in bytes.chunks(3) {
        reader.feed(fragment);
        moves += usize::from(reader.message.capacity() != capacity);
        capacity = reader.message.capacity();
    }
    assert_eq!(reader.said, [Said::Message(Binary, vec![b'x'; 65_536])]);
    assert!(moves < 30, "the message was moved {moves} times");
}
