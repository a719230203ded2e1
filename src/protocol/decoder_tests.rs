//! The decoder from bytes.
use super::*;

#[test]
fn smoke() {
    let mut decoder = Decoder::new(0);
    let mut message = Vec::new();
    assert_eq!(decoder.decode(b"\x81\x02hi\x89\x00", &mut message).0, 4);
    assert_eq!(message, b"hi");
}
