//! DEFLATE (RFC 1951) read bit by bit, slowly and strictly: an opponent that shares nothing with what is tested. It keeps
//! all history and says how far back a message reached.

/// What went wrong.
pub(crate) type Fault = &'static str;

/// An inflater whose context goes on from call to call.
#[derive(Default)]
pub(crate) struct Puff {
    history: Vec<u8>,
    /// The furthest that anything referred back.
    pub(crate) furthest: usize,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<usize, Fault> {
        let byte = *self.bytes.get(self.at / 8).ok_or("it ends inside a block")?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(bit.into())
    }

    fn bits(&mut self, n: usize) -> Result<usize, Fault> {
        (0..n).try_fold(0, |sum, i| Ok(sum | self.bit()? << i))
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.bits(8)? as u8)
    }
}

/// A canonical Huffman code (RFC 1951 3.2.2).
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Code {
        let mut counts = [0; 16];
        lengths.iter().for_each(|&length| counts[length] += 1);
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|&symbol| lengths[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[symbol]);
        Code { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Fault> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.bit()?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("no such code")
    }
}

impl Puff {
    /// Inflates a message's payload (RFC 7692 7.2.2): all blocks, which must end with its end.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        let start = self.history.len();
        while bits.at.div_ceil(8) < bytes.len() {
            self.block(&mut bits)?;
        }
        Ok(self.history[start..].to_vec())
    }

    /// The context ends.
    pub(crate) fn forget(&mut self) {
        self.history.clear();
    }

    fn block(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        let is_final = bits.bit()? == 1;
        match bits.bits(2)? {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                let (len, not) = (bits.bits(16)?, bits.bits(16)?);
                if len ^ not != 0xffff {
                    return Err("a stored block's lengths do not fit");
                }
                for _ in 0..len {
                    let byte = bits.byte()?;
                    self.history.push(byte);
                }
            }
            1 => {
                let lengths: Vec<usize> =
                    (0..288).map(|s| [8, 9, 7, 8][[144, 256, 280].partition_point(|&end| end <= s)]).collect();
                self.symbols(bits, &Code::new(&lengths), &Code::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = Self::codes(bits)?;
                self.symbols(bits, &literals, &distances)?;
            }
            _ => return Err("no such block"),
        }
        if is_final {
            bits.at = bits.at.next_multiple_of(8);
        }
        Ok(())
    }

    fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Fault> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let (literals, distances, lengths) = (bits.bits(5)? + 257, bits.bits(5)? + 1, bits.bits(4)? + 4);
        let mut of_lengths = [0; 19];
        for &at in &ORDER[..lengths] {
            of_lengths[at] = bits.bits(3)?;
        }
        let code = Code::new(&of_lengths);
        let mut all = Vec::new();
        while all.len() < literals + distances {
            let (length, times) = match code.read(bits)? {
                16 => (*all.last().ok_or("nothing to repeat")?, 3 + bits.bits(2)?),
                17 => (0, 3 + bits.bits(3)?),
                18 => (0, 11 + bits.bits(7)?),
                length => (length, 1),
            };
            all.extend(std::iter::repeat_n(length, times));
        }
        Ok((Code::new(&all[..literals]), Code::new(all.get(literals..literals + distances).ok_or("too many lengths")?)))
    }

    fn symbols(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) -> Result<(), Fault> {
        loop {
            let symbol = literals.read(bits)?;
            let length = match symbol {
                0..=255 => {
                    self.history.push(symbol as u8);
                    continue;
                }
                256 => return Ok(()),
                257..=264 => symbol - 254,
                265..=284 => {
                    let extra = (symbol - 261) / 4;
                    ((4 + (symbol - 265) % 4) << extra) + 3 + bits.bits(extra)?
                }
                285 => 258,
                _ => return Err("no such length"),
            };
            let distance = match distances.read(bits)? {
                symbol @ 0..=3 => symbol + 1,
                symbol => {
                    let extra = symbol / 2 - 1;
                    ((2 + symbol % 2) << extra) + 1 + bits.bits(extra)?
                }
            };
            self.furthest = self.furthest.max(distance);
            for _ in 0..length {
                let at = self.history.len().checked_sub(distance).ok_or("a distance too far back")?;
                self.history.push(self.history[at]);
            }
        }
    }
}
