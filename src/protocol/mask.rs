//! Masking (RFC 6455 5.3), in one pass with the copy into the wire buffer.
//!
//! Blocks of fixed size and no branch inside are what the compiler turns into vector instructions; a caller's data is
//! never changed, so there is no masking in place.

/// A cache line, and four vectors of the least that x86-64 and AArch64 have.
const BLOCK: usize = 64;

/// From here on it pays to bring the wire side onto cache lines first: a header in front leaves it across two, and each
/// store would touch both.
const ALIGN_FROM: usize = 1024;

/// Copies `from` to `to` (equally long) masked with `key`; `at` is how many bytes of the payload went before.
#[inline]
pub(crate) fn copy_masked(to: &mut [u8], from: &[u8], key: [u8; 4], at: u64) {
    assert_eq!(to.len(), from.len());
    // RFC 6455 5.3: byte i goes with key byte i modulo 4, counted over the whole payload.
    let word = turn(u32::from_le_bytes(key), (at % 4) as usize);
    if to.len() < ALIGN_FROM { mask_blocks(to, from, word) } else { mask_aligned(to, from, word) }
}

#[inline(never)]
fn mask_aligned(to: &mut [u8], from: &[u8], word: u32) {
    let head = to.as_ptr().align_offset(BLOCK).min(BLOCK);
    let ((to_head, to), (from_head, from)) = (to.split_at_mut(head), from.split_at(head));
    mask_blocks(to_head, from_head, word);
    mask_blocks(to, from, turn(word, head));
}

/// The key, its first byte lowest, as it is after so many bytes of payload.
#[inline]
fn turn(word: u32, bytes: usize) -> u32 {
    word.rotate_right(8 * (bytes % 4) as u32)
}

#[inline(always)]
fn mask_blocks(to: &mut [u8], from: &[u8], word: u32) {
    let (to_blocks, to) = to.as_chunks_mut::<BLOCK>();
    let (from_blocks, from) = from.as_chunks::<BLOCK>();
    for (to, from) in to_blocks.iter_mut().zip(from_blocks) {
        mask_words(to, from, word);
    }
    mask_words(to, from, word);
    let (to, from) = (to.as_chunks_mut::<4>().1, from.as_chunks::<4>().1);
    for ((to, from), key) in to.iter_mut().zip(from).zip(word.to_le_bytes()) {
        *to = from ^ key;
    }
}

#[inline(always)]
fn mask_words(to: &mut [u8], from: &[u8], word: u32) {
    for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(from.as_chunks::<4>().0) {
        *to = (u32::from_le_bytes(*from) ^ word).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 5.3, byte by byte.
    fn reference(from: &[u8], key: [u8; 4], at: u64) -> Vec<u8> {
        from.iter().enumerate().map(|(i, byte)| byte ^ key[((at + i as u64) % 4) as usize]).collect()
    }

    #[test]
    fn every_length_and_offset_is_masked_as_byte_by_byte() {
        let data: Vec<u8> = (0..3000u32).map(|i| (i * 31 + 7) as u8).collect();
        let key = [0x12, 0xf3, 0x00, 0xa5];
        for len in (0..200).chain([255, 256, 257, 511, 1023, 1024, 1025, 1100, 2999]) {
            for at in [0, 1, 2, 3, 4, 5, 0x1_0000_0001, u64::MAX - 5000] {
                let mut to = vec![0; len + 67];
                let before = (at % 67) as usize;
                copy_masked(&mut to[before..before + len], &data[..len], key, at);
                assert_eq!(to[before..before + len], reference(&data[..len], key, at), "len {len} at {at}");
                assert!(to[..before].iter().chain(&to[before + len..]).all(|&byte| byte == 0), "len {len} at {at}");
            }
        }
    }

    #[test]
    fn portions_continue_where_the_last_one_stopped() {
        let data: Vec<u8> = (0..777u32).map(|i| (i * 13) as u8).collect();
        let key = [9, 8, 7, 6];
        for portion in [1, 2, 3, 5, 63, 64, 65, 100] {
            let mut to = vec![0; data.len()];
            let mut at = 0;
            for (to, from) in to.chunks_mut(portion).zip(data.chunks(portion)) {
                copy_masked(to, from, key, at);
                at += from.len() as u64;
            }
            assert_eq!(to, reference(&data, key, 0), "portion {portion}");
        }
    }

    #[test]
    fn masking_twice_gives_the_data_back() {
        let (mut once, mut twice) = ([0; 100], [0; 100]);
        copy_masked(&mut once, &[0x5a; 100], [1, 2, 3, 4], 0);
        assert_ne!(once, [0x5a; 100]);
        copy_masked(&mut twice, &once, [1, 2, 3, 4], 0);
        assert_eq!(twice, [0x5a; 100]);
    }
}
