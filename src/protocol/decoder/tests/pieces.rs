//! Messages in pieces: whatever the frames, the compression, the sizes of reads and of the caller's memory, what comes out
//! is what comes out whole; also of wrong streams.

use super::random::{Random, stream};
use super::*;
use crate::protocol::deflate::{Deflater, Manner};

/// What must be the same. Where in a text the fault is can be told to a character only, and what is wrong with compressed
/// data depends on how much of it was seen at once.
pub(super) fn comparable(said: Vec<Said>, end: End) -> (Vec<Said>, End) {
    match end {
        End::Fails(code @ (Code::Utf8 | Code::Deflate), close_code, _) => {
            (said, End::Fails(code, close_code, String::new()))
        }
        end => (said, end),
    }
}

/// What is said to `bytes` in random portions, by pieces of random sizes or as messages or by turns.
fn read(random: &mut Random, bytes: &[u8], limit: u64, inflates: Option<bool>) -> (Vec<Said>, End) {
    let mut reader = Reader::new(limit);
    if let Some(keeps_context) = inflates {
        reader.decoder.inflate(keeps_context);
    }
    let (by_turns, most) = (random.one_in(3), [3, 50, 5000][random.below(3)]);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (portion, behind) = rest.split_at(1 + random.below(rest.len().min(most)));
        if by_turns && random.one_in(2) {
            reader.feed(portion);
        } else {
            reader.feed_pieces(portion, 1 + random.below(most));
        }
        rest = behind;
    }
    let end = reader.end();
    comparable(reader.said, end)
}

fn whole(bytes: &[u8], limit: u64, inflates: Option<bool>) -> (Vec<Said>, End) {
    let mut reader = Reader::new(limit);
    if let Some(keeps_context) = inflates {
        reader.decoder.inflate(keeps_context);
    }
    reader.feed(bytes);
    let end = reader.end();
    comparable(reader.said, end)
}

fn seeds(many: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    number("WSDIAL_SEED").map_or(0..number("WSDIAL_STREAMS").unwrap_or(many), |seed| seed..seed + 1)
}

#[test]
fn random_streams_in_pieces_mean_what_they_mean_whole() {
    for seed in seeds(2000) {
        let mut random = Random::new(seed);
        let bytes = stream(&mut random);
        let limit = if random.one_in(2) { 0 } else { 1000 };
        assert_eq!(read(&mut random, &bytes, limit, None), whole(&bytes, limit, None), "WSDIAL_SEED={seed}");
    }
}

#[test]
fn compressed_messages_in_pieces_come_out_as_they_went_in_and_corrupt_ones_fail_alike() {
    for seed in seeds(600) {
        let random = &mut Random::new(seed);
        let window_bits = 9 + random.below(7) as u8;
        let keeps_context = random.one_in(2);
        let manner = Manner { level: 1 + random.below(9) as u8, mem_level: 8, window_bits, keeps_context };
        let (mut bytes, mut deflater, mut expected) = (Vec::new(), Deflater::default(), Vec::new());
        for _ in 0..1 + random.below(3) {
            compressed(random, manner, &mut deflater, &mut bytes, &mut expected);
        }
        if random.one_in(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            expected.clear();
        }
        let limit = if random.one_in(2) { 0 } else { 3000 };
        let all = whole(&bytes, limit, Some(keeps_context));
        if !expected.is_empty() && limit == 0 {
            assert_eq!(all, (expected.clone(), DONE), "WSDIAL_SEED={seed}");
        }
        for _ in 0..3 {
            let pieces = read(random, &bytes, limit, Some(keeps_context));
            match (&pieces.1, &all.1) {
                // Which of its faults is seen first depends on how much of it was seen at once.
                (End::Fails(..), End::Fails(..)) if expected.is_empty() => assert_eq!(pieces.0, all.0),
                _ => assert_eq!(pieces, all, "WSDIAL_SEED={seed}"),
            }
        }
    }
}

/// One message, cut anywhere into parts that are compressed one by one, and those into frames, with pings between.
fn compressed(
    random: &mut Random,
    manner: Manner,
    deflater: &mut Deflater,
    bytes: &mut Vec<u8>,
    expected: &mut Vec<Said>,
) {
    let pieces = ["a", "\0", "{\"key\": 17}", "m\u{e4}rchen ", "\u{1f980}", "wsdial wsdial "];
    let text: String = (0..random.below(2000)).map(|_| pieces[random.below(6)]).collect();
    let (mut rest, mut payload, mut head) = (text.as_bytes(), Vec::new(), 0x41);
    loop {
        let (part, behind) = rest.split_at(if random.one_in(3) { rest.len() } else { random.below(rest.len() + 1) });
        rest = behind;
        let ends = rest.is_empty();
        deflater.part(manner, part, ends, &mut payload).unwrap();
        while !payload.is_empty() && random.one_in(2) {
            let frame_payload: Vec<u8> = payload.drain(..random.below(payload.len() + 1)).collect();
            bytes.extend(frame(head, &frame_payload));
            head = 0;
            if random.one_in(3) {
                bytes.extend(frame(0x89, b"?"));
                expected.push(Said::Ping(b"?".to_vec()));
            }
        }
        if ends {
            bytes.extend(frame(head | 0x80, &payload));
            expected.push(Said::Message(Text, text.into_bytes()));
            return;
        }
    }
}
