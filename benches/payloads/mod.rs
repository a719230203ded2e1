//! What the benches move.
#![allow(unreachable_pub)]

/// A frame as servers send it, whole.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=0xffff => bytes.extend([&[126][..], &(len as u16).to_be_bytes()].concat()),
        len => bytes.extend([&[127][..], &(len as u64).to_be_bytes()].concat()),
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// Text such as servers send, of which deflate makes a third.
pub fn json(size: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut seed = 1u32;
    while text.len() < size {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (id, price, side) = (seed >> 8, seed >> 16, if seed >> 31 == 0 { "buy" } else { "sell" });
        text += &format!("{{\"id\":{id},\"symbol\":\"BTC-USD\",\"price\":{price},\"side\":\"{side}\"}},");
    }
    text.truncate(size);
    text.into_bytes()
}

/// Text of one to four bytes a character.
pub fn mixed(size: usize) -> Vec<u8> {
    let bytes: Vec<u8> = "Grüße, κόσμε, 水 and 🦀. ".bytes().cycle().take(size).collect();
    String::from_utf8_lossy(&bytes).into_owned().into_bytes()
}
