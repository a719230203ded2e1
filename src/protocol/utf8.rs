//! UTF-8 as it arrives (RFC 6455 8.1, RFC 3629): fails at the first byte that cannot be.
//!
//! Whole portions go to simdutf8, a small crate without dependencies that picks the processor's vector instructions at
//! run time: `benches/protocol.rs` shows it ten times as fast as the standard library where text is not ASCII, and twice
//! where it is. The standard library judges the few bytes around a portion's end, since it tells an incomplete character
//! from a wrong one.

/// Below this simdutf8 hands over to the standard library, whose way through ASCII is the longer one here.
const LEAST_VECTOR: usize = 64;

/// Whether the whole is UTF-8.
#[inline]
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    (bytes.len() < LEAST_VECTOR && bytes.is_ascii()) || simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Validates text that comes in portions. What it keeps is the start of a character that the last portion cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Utf8 {
    cut: [u8; 4],
    len: usize,
}

/// The text cannot be UTF-8, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

impl Utf8 {
    /// Takes the next portion.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        let mut bytes = bytes;
        while self.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.cut[self.len] = byte;
            self.len += 1;
            if is_whole(&self.cut[..self.len])? {
                self.len = 0;
            }
        }
        let (whole, cut) = bytes.split_at(bytes.len() - cut_len(bytes));
        if !is_utf8(whole) {
            return Err(Invalid);
        }
        if !cut.is_empty() {
            is_whole(cut)?;
            self.cut[..cut.len()].copy_from_slice(cut);
            self.len = cut.len();
        }
        Ok(())
    }

    /// The text ends here: an error inside a character. Ready for the next text.
    pub(crate) fn finish(&mut self) -> Result<(), Invalid> {
        match std::mem::take(&mut self.len) {
            0 => Ok(()),
            _ => Err(Invalid),
        }
    }
}

/// Whether one character is complete; an error when it cannot become one.
fn is_whole(bytes: &[u8]) -> Result<bool, Invalid> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(true),
        Err(error) if error.error_len().is_none() => Ok(false),
        Err(_) => Err(Invalid),
    }
}

/// How many bytes at the end look like the start of a character that goes on: 0 to 3.
fn cut_len(bytes: &[u8]) -> usize {
    let last = &bytes[bytes.len().saturating_sub(3)..];
    for (back, &byte) in last.iter().rev().enumerate() {
        let needs = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if needs > back + 1 { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes can be fed one by one, or all and the verdict at the end.
    fn by_bytes(bytes: &[u8]) -> (usize, bool) {
        let mut utf8 = Utf8::default();
        for (i, byte) in bytes.iter().enumerate() {
            if utf8.feed(std::slice::from_ref(byte)).is_err() {
                return (i, false);
            }
        }
        (bytes.len(), utf8.finish().is_ok())
    }

    #[test]
    fn every_sequence_of_border_bytes_fails_at_its_first_wrong_byte() {
        let border = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
            0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ];
        for a in border {
            for b in border {
                for c in border {
                    for d in border {
                        let bytes = [a, b, c, d];
                        let (at, whole) = by_bytes(&bytes);
                        // The prefix that was taken can become UTF-8, one byte more cannot.
                        let prefix = std::str::from_utf8(&bytes[..at]);
                        assert!(prefix.is_ok() || prefix.unwrap_err().error_len().is_none(), "{bytes:x?}");
                        assert_eq!(whole, std::str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
                        if at < bytes.len() {
                            let next = std::str::from_utf8(&bytes[..at + 1]).unwrap_err();
                            assert!(next.error_len().is_some(), "{bytes:x?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_cut_anywhere_gives_the_verdict_of_the_whole() {
        let texts: [&[u8]; 8] = [
            "".as_bytes(),
            "plain".as_bytes(),
            "κόσμε, 水, 🦀!".as_bytes(),
            "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀".as_bytes(),
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            b"ok\xf4\x90\x80\x80",
            b"half \xf0\x9f\xa6",
            b"\xff",
        ];
        for text in texts {
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let mut utf8 = Utf8::default();
                    let portions = [&text[..first], &text[first..second], &text[second..]];
                    let fed = portions.iter().try_for_each(|portion| utf8.feed(portion));
                    let verdict = fed.and_then(|()| utf8.finish()).is_ok();
                    assert_eq!(verdict, std::str::from_utf8(text).is_ok(), "{text:x?} at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_byte_is_seen_in_its_own_portion_not_later() {
        for (good, bad) in [(&b"\xed"[..], &b"\xa0"[..]), (b"\xf4", b"\x90"), (b"\xe0", b"\x9f"), (b"a\xf0\x90", b"a")]
        {
            let mut utf8 = Utf8::default();
            utf8.feed(good).unwrap();
            assert_eq!(utf8.feed(bad), Err(Invalid), "{good:x?} {bad:x?}");
            assert_eq!(Utf8::default().feed(&[good, bad].concat()), Err(Invalid), "{good:x?} {bad:x?}");
        }
    }

    #[test]
    fn short_and_long_texts_are_judged_alike() {
        for text in ["a", "é", "水", "🦀"] {
            for len in 0..150 {
                let whole: Vec<u8> = text.bytes().cycle().take(len).collect();
                assert_eq!(is_utf8(&whole), std::str::from_utf8(&whole).is_ok(), "{len} bytes of {text}");
                for (at, byte) in (0..len).step_by(7).flat_map(|at| [0x80, 0xc0, 0xed, b'a', 0].map(|byte| (at, byte)))
                {
                    let mut wrong = whole.clone();
                    wrong[at] = byte;
                    assert_eq!(is_utf8(&wrong), std::str::from_utf8(&wrong).is_ok(), "{wrong:x?}");
                }
            }
        }
    }

    #[test]
    fn it_is_ready_for_the_next_text_after_the_end() {
        let mut utf8 = Utf8::default();
        utf8.feed(b"\xf0\x9f").unwrap();
        assert_eq!(utf8.finish(), Err(Invalid));
        utf8.feed(b"next").unwrap();
        assert_eq!(utf8.finish(), Ok(()));
    }
}
