//! Frame headers (RFC 6455 5.2): the bits, the opcodes and the three forms of a length, read and written.
//!
//! The vocabulary is tungstenite's (`OpCode`), the codec is ours. Its `FrameHeader` takes 1.6 to 1.9 times as long to read
//! and four times as long to write (`benches/protocol.rs`), reads lengths that are not in their shortest form, and waits
//! for the rest of a header whose first byte is wrong already.
//!
//! What a lone header can do wrong is found here, each with its own error. It knows neither payloads nor what went
//! before: that is the decoder's.

use crate::error::{Code, Error};

pub(crate) use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// The longest payload of a control frame (RFC 6455 5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

/// The longest header of a server's frame: two bytes and an eight-byte length.
const MAX_SERVER_HEADER: usize = 10;

pub(crate) const FIN: u8 = 0x80;
/// The frame begins a compressed message (RFC 7692 6).
pub(crate) const RSV1: u8 = 0x40;
const RSV: [(u8, &str); 3] = [(RSV1, "RSV1"), (0x20, "RSV2"), (0x10, "RSV3")];
const MASK: u8 = 0x80;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// A server's frame header, checked as far as one header can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) is_final: bool,
    pub(crate) opcode: OpCode,
    /// The declared length of the payload.
    pub(crate) len: u64,
    /// How many bytes the header itself has.
    pub(crate) size: usize,
    /// Whether the message that it begins is compressed.
    pub(crate) is_deflated: bool,
}

impl Header {
    /// Reads the header at the start of `input`; `None` while it is incomplete. A violation is told as soon as the byte
    /// that commits it is there. RSV1 has a meaning where `deflates`.
    #[inline]
    pub(crate) fn parse(input: &[u8], deflates: bool) -> Result<Option<Header>, Error> {
        let Some(&first) = input.first() else { return Ok(None) };
        let is_final = first & FIN != 0;
        let opcode = OpCode::from(first & 0x0f);
        check_first(first, opcode, deflates)?;
        let is_deflated = first & RSV1 != 0;
        let Some(&second) = input.get(1) else { return Ok(None) };
        if second & MASK != 0 {
            return Err(masked());
        }
        if second < LEN_16 {
            return Ok(Some(Header { is_final, opcode, len: second.into(), size: 2, is_deflated }));
        }
        if matches!(opcode, OpCode::Control(_)) {
            return Err(control_size(opcode));
        }
        let (len, size) = if second == LEN_16 {
            let Some(bytes) = input.get(2..4) else { return Ok(None) };
            (u16::from_be_bytes([bytes[0], bytes[1]]).into(), 4)
        } else {
            let Some(bytes) = input[2..].first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*bytes), MAX_SERVER_HEADER)
        };
        check_len(len, size)?;
        Ok(Some(Header { is_final, opcode, len, size, is_deflated }))
    }
}

/// Writes the header of a final frame that is masked with `key` to the start of `to` and returns its length. `to` has
/// room for it: 14 bytes do for any length, 6 for a control frame.
#[inline]
pub(crate) fn write_masked(to: &mut [u8], opcode: OpCode, len: u64, key: [u8; 4]) -> usize {
    let first = FIN | u8::from(opcode);
    // RFC 6455 5.2: the minimal number of bytes encodes the length.
    match len {
        0..=125 => put(to, [first, MASK | len as u8], key),
        126..=0xffff => {
            let [a, b] = (len as u16).to_be_bytes();
            put(to, [first, MASK | LEN_16, a, b], key)
        }
        _ => {
            let [a, b, c, d, e, f, g, h] = len.to_be_bytes();
            put(to, [first, MASK | LEN_64, a, b, c, d, e, f, g, h], key)
        }
    }
}

/// Writes a header's fields and the key behind them; returns how many bytes that are.
#[inline]
fn put<const N: usize>(to: &mut [u8], fields: [u8; N], key: [u8; 4]) -> usize {
    let (start, rest) = to.split_at_mut(N);
    start.copy_from_slice(&fields);
    rest[..4].copy_from_slice(&key);
    N + 4
}

/// The opcode in a word, with its article.
pub(crate) fn name(opcode: OpCode) -> &'static str {
    match opcode {
        OpCode::Data(Data::Continue) => "a continuation frame",
        OpCode::Data(Data::Text) => "a text frame",
        OpCode::Data(Data::Binary) => "a binary frame",
        OpCode::Control(Control::Close) => "a close frame",
        OpCode::Control(Control::Ping) => "a ping frame",
        OpCode::Control(Control::Pong) => "a pong frame",
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => "a frame of a reserved kind",
    }
}

/// A breach of the protocol: close code 1002 (RFC 6455 7.4.1).
pub(crate) fn violation(code: Code, detail: impl Into<String>) -> Error {
    Error::new(code, detail).with_close_code(1002)
}

#[inline]
fn check_first(first: u8, opcode: OpCode, deflates: bool) -> Result<(), Error> {
    if first & 0x70 != 0 {
        check_reserved(first, opcode, deflates)?;
    }
    match opcode {
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => Err(reserved_opcode(first)),
        OpCode::Control(_) if first & FIN == 0 => Err(control_fragment(opcode)),
        _ => Ok(()),
    }
}

#[inline]
fn check_len(len: u64, size: usize) -> Result<(), Error> {
    let least = if size == 4 { 126 } else { 0x1_0000 };
    if len < least || len > i64::MAX as u64 {
        return Err(bad_len(len, size));
    }
    Ok(())
}

/// RFC 7692 6: RSV1 is for the first frame of a message.
#[inline]
fn check_reserved(first: u8, opcode: OpCode, deflates: bool) -> Result<(), Error> {
    if !deflates || first & 0x70 != RSV1 {
        return Err(reserved_bit(if deflates { first & !RSV1 } else { first }));
    }
    match opcode {
        OpCode::Data(Data::Continue) | OpCode::Control(_) => Err(deflated_frame(opcode)),
        OpCode::Data(_) => Ok(()),
    }
}

#[cold]
fn deflated_frame(opcode: OpCode) -> Error {
    let detail = format!("{} has RSV1 set, which only the first frame of a message may have", name(opcode));
    violation(Code::ProtocolReservedBit, detail)
}

#[cold]
fn reserved_bit(first: u8) -> Error {
    let name = RSV.iter().find(|(bit, _)| first & bit != 0).map_or("RSV", |(_, name)| name);
    violation(Code::ProtocolReservedBit, format!("a frame has {name} set and no extension that gives it a meaning"))
}

#[cold]
fn reserved_opcode(first: u8) -> Error {
    violation(Code::ProtocolOpcode, format!("a frame has the reserved opcode 0x{:x}", first & 0x0f))
}

#[cold]
fn masked() -> Error {
    violation(Code::ProtocolMasked, "the server masked a frame")
}

#[cold]
fn control_fragment(opcode: OpCode) -> Error {
    violation(Code::ProtocolControlFragment, format!("{} is fragmented", name(opcode)))
}

#[cold]
fn control_size(opcode: OpCode) -> Error {
    let detail = format!("{} has a length field for more than {MAX_CONTROL_PAYLOAD} bytes", name(opcode));
    violation(Code::ProtocolControlSize, detail)
}

#[cold]
fn bad_len(len: u64, size: usize) -> Error {
    let detail = if len > i64::MAX as u64 {
        "a frame's length has its top bit set".to_owned()
    } else {
        format!("a frame writes the length {len} in {} bytes, which is not the shortest form", size - 2)
    };
    violation(Code::ProtocolLength, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(bytes: &[u8]) -> Code {
        let error = Header::parse(bytes, false).unwrap_err();
        assert_eq!(error.close_code(), 1002);
        error.code()
    }

    #[test]
    fn each_form_of_the_length_is_read_and_an_incomplete_header_is_none() {
        let cases: [(&[u8], u64); 7] = [
            (&[0x82, 0], 0),
            (&[0x82, 125], 125),
            (&[0x82, 126, 0, 126], 126),
            (&[0x82, 126, 0xff, 0xff], 0xffff),
            (&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 0x1_0000),
            (&[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
            (&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], i64::MAX as u64),
        ];
        for (bytes, len) in cases {
            let (opcode, size) = (OpCode::Data(Data::Binary), bytes.len());
            let expected = Header { is_final: true, opcode, len, size, is_deflated: false };
            assert_eq!(Header::parse(bytes, false).unwrap(), Some(expected));
            for cut in 0..bytes.len() {
                assert_eq!(Header::parse(&bytes[..cut], false).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_violation_is_told_with_the_byte_that_commits_it() {
        assert_eq!(code_of(&[0xc1]), Code::ProtocolReservedBit);
        assert_eq!(code_of(&[0x83]), Code::ProtocolOpcode);
        assert_eq!(code_of(&[0x8b]), Code::ProtocolOpcode);
        assert_eq!(code_of(&[0x09]), Code::ProtocolControlFragment);
        assert_eq!(code_of(&[0x81, 0x80]), Code::ProtocolMasked);
        assert_eq!(code_of(&[0x89, 126]), Code::ProtocolControlSize);
        assert_eq!(code_of(&[0x82, 126, 0, 125]), Code::ProtocolLength);
    }

    #[test]
    fn what_is_written_is_what_tungstenite_writes() {
        use tungstenite::protocol::frame::FrameHeader;
        for len in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 1 << 40, i64::MAX as u64] {
            let opcode = OpCode::Data(Data::Text);
            let mut theirs = Vec::new();
            let header = FrameHeader { opcode, mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
            header.format(len, &mut theirs).unwrap();
            let mut ours = [0; 14];
            let size = write_masked(&mut ours, opcode, len, [1, 2, 3, 4]);
            assert_eq!(ours[..size], theirs);
        }
    }
}
