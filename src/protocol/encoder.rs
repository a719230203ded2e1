//! Our frames to bytes (RFC 6455 5.2, 6.1). The mask key comes from outside: there is no random source in here.
//!
//! A message is one frame, whatever its length: there is no automatic fragmentation. Who owns the wire buffer writes a
//! message that fits with [`message_frame`], a longer one as a header and then portions by [`super::mask`].

use super::frame::{self, Data, MAX_CONTROL_PAYLOAD, OpCode};
use super::mask::copy_masked;
use super::message::Kind;

/// The longest header of a client's frame: two bytes, an eight-byte length, the mask key.
pub(crate) const MAX_HEADER: usize = 14;

/// The longest control frame of a client.
pub(crate) const MAX_CONTROL: usize = 6 + MAX_CONTROL_PAYLOAD;

/// The bit of a frame's first byte that says that the message which it begins is compressed (RFC 7692 6.1).
pub(crate) const DEFLATED: u8 = frame::RSV1;

/// The opcodes of control frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Close,
    Ping,
    Pong,
}

/// Writes a whole message in one frame to the start of `to`, which has room for [`MAX_HEADER`] bytes more than the
/// payload; returns its length.
#[inline]
pub(crate) fn message_frame(to: &mut [u8], kind: Kind, payload: &[u8], key: [u8; 4]) -> usize {
    let size = frame::write_masked(to, opcode(kind), payload.len() as u64, key);
    let end = size + payload.len();
    copy_masked(&mut to[size..end], payload, key, 0);
    end
}

/// Writes the header of a message in one frame of `len` payload bytes to the start of `to`; returns its length.
#[inline]
pub(crate) fn message_header(to: &mut [u8; MAX_HEADER], kind: Kind, len: u64, key: [u8; 4]) -> usize {
    frame::write_masked(to, opcode(kind), len, key)
}

/// What is the other way round in the first byte of a fragment than in that of a whole message (RFC 6455 5.4).
pub(crate) fn fragment_bits(kind: Kind, is_first: bool, is_final: bool) -> u8 {
    let not_final = if is_final { 0 } else { frame::FIN };
    // A continuation's opcode is 0.
    not_final | if is_first { 0 } else { u8::from(opcode(kind)) }
}

/// Writes a whole control frame to the start of `to`; the payload has at most 125 bytes. Returns its length.
pub(crate) fn control_frame(to: &mut [u8; MAX_CONTROL], control: Control, payload: &[u8], key: [u8; 4]) -> usize {
    // RFC 6455 5.5: at most 125 bytes; who lets a longer one come this far has a fault.
    assert!(payload.len() <= MAX_CONTROL_PAYLOAD);
    let control = match control {
        Control::Close => frame::Control::Close,
        Control::Ping => frame::Control::Ping,
        Control::Pong => frame::Control::Pong,
    };
    let size = frame::write_masked(to, OpCode::Control(control), payload.len() as u64, key);
    let end = size + payload.len();
    copy_masked(&mut to[size..end], payload, key, 0);
    end
}

#[inline]
fn opcode(kind: Kind) -> OpCode {
    match kind {
        Kind::Text => OpCode::Data(Data::Text),
        // Others are not sent as messages: `Kind::is_data`.
        _ => OpCode::Data(Data::Binary),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

    use super::super::close::Close;
    use super::*;

    const KEYS: [[u8; 4]; 4] = [[0; 4], [0xff; 4], [1, 2, 3, 4], [0x37, 0xfa, 0x21, 0x3d]];

    /// What tungstenite's server reads in `bytes`, which must be one message to the last byte.
    fn read(bytes: &[u8]) -> Message {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let mut server = WebSocket::from_raw_socket(Cursor::new(bytes.to_vec()), Role::Server, Some(config));
        let message = server.read().unwrap();
        assert_eq!(server.get_ref().position(), bytes.len() as u64);
        message
    }

    fn message(kind: Kind, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
        let mut to = vec![0xee; MAX_HEADER + payload.len()];
        let len = message_frame(&mut to, kind, payload, key);
        assert!(to[len..].iter().all(|&byte| byte == 0xee), "nothing behind the frame is touched");
        to.truncate(len);
        let mut header = [0; MAX_HEADER];
        let size = message_header(&mut header, kind, payload.len() as u64, key);
        assert_eq!(header[..size], to[..len - payload.len()]);
        to
    }

    fn control(control: Control, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
        let mut to = [0xee; MAX_CONTROL];
        let len = control_frame(&mut to, control, payload, key);
        to[..len].to_vec()
    }

    // RFC 6455 rule 5.1-mask-client
    // RFC 6455 rule 5.3-mask-bit
    // RFC 6455 rule 5.3-algorithm
    // RFC 6455 rule 6.1-mask
    #[test]
    fn the_masked_example_of_rfc_6455_5_7() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        assert_eq!(message(Kind::Text, b"Hello", key), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(control(Control::Pong, b"Hello", key), b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    // RFC 6455 rule 6.1-frame
    // RFC 6455 rule 6.1-opcode
    // RFC 6455 rule 5.2-length-sent
    #[test]
    fn tungstenite_reads_every_length_of_message_back() {
        for len in [0, 1, 2, 3, 4, 5, 63, 64, 65, 124, 125, 126, 127, 65534, 65535, 65536, 65537, 5_000_000] {
            let payload: Vec<u8> = (0..len).map(|i| b' ' + (i % 90) as u8).collect();
            let key = KEYS[len % KEYS.len()];
            assert_eq!(read(&message(Kind::Binary, &payload, key)), Message::binary(payload.clone()), "{len}");
            let text = String::from_utf8(payload).unwrap();
            assert_eq!(read(&message(Kind::Text, text.as_bytes(), key)), Message::text(text), "{len}");
        }
    }

    // RFC 6455 rule 5.2-length-sent
    #[test]
    fn a_length_is_written_in_its_shortest_form() {
        for (len, bytes) in [
            (0u64, &[0x80][..]),
            (125, &[0x80 | 125]),
            (126, &[0x80 | 126, 0, 126]),
            (65535, &[0x80 | 126, 0xff, 0xff]),
            (65536, &[0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (i64::MAX as u64, &[0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            let mut header = [0; MAX_HEADER];
            let size = message_header(&mut header, Kind::Binary, len, [9; 4]);
            assert_eq!(header[..size], [&[0x82], bytes, &[9; 4]].concat(), "{len}");
        }
    }

    // RFC 6455 rule 5.2-rsv-sent
    // RFC 6455 rule 6.1-fin
    // RFC 6455 rule 5.1-mask-client
    #[test]
    fn every_frame_is_final_masked_and_without_reserved_bits() {
        let frames = [
            message(Kind::Text, b"x", [1; 4]),
            message(Kind::Binary, &[0; 70_000], [1; 4]),
            control(Control::Close, b"", [1; 4]),
            control(Control::Ping, b"x", [1; 4]),
            control(Control::Pong, &[0; 125], [1; 4]),
        ];
        for (frame, opcode) in frames.iter().zip([1, 2, 8, 9, 10]) {
            assert_eq!((frame[0], frame[1] & 0x80), (0x80 | opcode, 0x80));
        }
    }

    // RFC 6455 rule 5.5-size-sent
    // RFC 6455 rule 5.5.3-pong-payload
    #[test]
    fn tungstenite_reads_every_control_frame_back() {
        for len in [0, 1, 64, 124, 125] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8 ^ 0xa5).collect();
            let key = KEYS[len % KEYS.len()];
            assert_eq!(read(&control(Control::Ping, &payload, key)), Message::Ping(payload.clone().into()));
            assert_eq!(read(&control(Control::Pong, &payload, key)), Message::Pong(payload.into()));
        }
        let longer = std::panic::catch_unwind(|| control(Control::Ping, &[0; 126], [0; 4]));
        assert!(longer.is_err());
    }

    // RFC 6455 rule 5.5.1-masked
    // RFC 6455 rule 5.5.1-code-first
    // RFC 6455 rule 7.1.2-close-frame
    #[test]
    fn tungstenite_reads_every_close_back() {
        assert_eq!(
            read(&control(Control::Close, &Close::to_send(0, "").unwrap().body(), KEYS[2])),
            Message::Close(None)
        );
        let longest = "€".repeat(41);
        for (code, reason) in [(1000, ""), (1001, "going"), (3000, "水"), (4999, &longest)] {
            let body = Close::to_send(code, reason).unwrap().body();
            let bytes = control(Control::Close, &body, KEYS[2]);
            let Message::Close(Some(close)) = read(&bytes) else { panic!("no close in {bytes:x?}") };
            assert_eq!((u16::from(close.code), close.reason.as_str()), (code, reason));
        }
    }
}
