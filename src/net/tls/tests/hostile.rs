//! Servers that hold the right keys and mean ill, or send noise: whatever comes, no panic, an end, bounded memory.
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};

use super::*;

/// A server whose records are made by hand.
struct Forger {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Forger {
    /// A client that is through with its handshake, and a forger in the server's place.
    fn pair() -> (Client, Forger) {
        let mut config = Identity::good().server(&[TLS13]);
        config.enable_secret_extraction = true;
        config.send_tls13_tickets = 0;
        let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&Arc::new(config)));
        let behind = shake(&mut client, &mut server, usize::MAX).unwrap();
        assert!(behind.is_empty());
        let suite = server.tls.negotiated_cipher_suite().unwrap().tls13().unwrap();
        let (sequence, secrets) = server.tls.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another cipher") };
        (client, Forger { encrypter: suite.aead_alg.encrypter(key, iv), sequence })
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let version = ProtocolVersion::TLSv1_2;
        let message = OutboundPlainMessage { typ, version, payload: OutboundChunks::Single(payload) };
        self.sequence += 1;
        self.encrypter.encrypt(message, self.sequence - 1).unwrap().encode()
    }

    fn ticket() -> Vec<u8> {
        // RFC 8446 4.6.1: lifetime, age_add, nonce, ticket, extensions.
        let body = [&[0, 0, 1, 0][..], &[1; 4], &[1, 7], &[0, 40], &[5; 40], &[0, 0]].concat();
        [&[4, 0, 0, body.len() as u8][..], &body].concat()
    }
}

#[test]
fn empty_pieces_of_handshake_messages_disturb_neither_opening_nor_sealing() {
    let (mut client, mut forger) = Forger::pair();
    let ticket = Forger::ticket();
    for round in 0..20 {
        let pieces = [
            forger.record(ContentType::Handshake, b""),
            forger.record(ContentType::ApplicationData, b"data"),
            forger.record(ContentType::Handshake, &ticket[..round]),
            forger.record(ContentType::Handshake, &ticket[round..round + 20]),
            forger.record(ContentType::Handshake, &ticket[round + 20..]),
            forger.record(ContentType::ApplicationData, b"more"),
        ];
        for piece in pieces {
            let (head, tail) = piece.split_at(piece.len() / 2);
            for part in [head, tail] {
                client.feed(part).unwrap();
                client.seal(b"x");
                client.wire();
            }
        }
        assert_eq!(take(&mut client.plain), b"datamore");
        assert!(client.cipher.is_empty());
    }
}

#[test]
fn data_inside_a_handshake_message_in_pieces_is_a_breach() {
    let (mut client, mut forger) = Forger::pair();
    client.feed(&forger.record(ContentType::Handshake, &Forger::ticket()[..9])).unwrap();
    let error = client.feed(&forger.record(ContentType::ApplicationData, b"data")).unwrap_err();
    assert_eq!(error.code(), Code::Tls);
    assert!(error.to_string().starts_with("the peer broke the rules: "), "{error}");
}

#[test]
fn a_handshake_message_in_endless_pieces_is_stopped() {
    let (mut client, mut forger) = Forger::pair();
    // A ticket of 60 000 bytes, one in each record.
    let mut wire = forger.record(ContentType::Handshake, &[4, 0, 234, 96]);
    let mut fed = 0;
    let error = loop {
        fed += wire.len();
        match client.feed(&wire) {
            Ok(_) => wire = forger.record(ContentType::Handshake, &[0]),
            Err(error) => break error,
        }
        client.seal(b"x");
        client.wire();
    };
    assert!((RETAINED_MAX..RETAINED_MAX + 1000).contains(&fed));
    assert!(error.to_string().contains("takes more than 131072 bytes of records"), "{error}");
    assert!(client.tls.seal(b"x", &mut client.out).is_err());
}

#[test]
fn a_flood_of_empty_records_ends() {
    for typ in [ContentType::ApplicationData, ContentType::Handshake] {
        let (mut client, mut forger) = Forger::pair();
        let ended = (0..10_000).any(|_| {
            let wire = forger.record(typ, b"");
            client.feed(&wire).is_err()
        });
        assert!(ended, "{typ:?}");
        assert!(client.out.len() < 1000);
    }
}

#[test]
fn noise_in_any_place_of_a_stream_is_an_error_or_nothing_and_never_a_panic() {
    let mut state = 7_u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut failures = 0;
    for _ in 0..300 {
        let version = [TLS13, TLS12][random(2)];
        let mut config = Identity::good().server(&[version]);
        config.max_fragment_size = [None, Some(48)][random(2)];
        let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&Arc::new(config)));
        client.feed(b"").unwrap();
        for _ in 0..6 {
            let _ = server.feed(&client.wire());
            let mut wire = server.wire();
            if !server.tls.is_handshaking() && server.tls.writer().write(b"data").is_ok() {
                wire.extend(server.wire());
            }
            if random(3) == 0 && !wire.is_empty() {
                let at = random(wire.len());
                match random(4) {
                    0 => wire[at] ^= 1 << random(8),
                    1 => wire.truncate(at),
                    2 => wire.insert(at, random(256) as u8),
                    _ => drop(wire.drain(at..(at + 1 + random(30)).min(wire.len()))),
                }
            }
            let portion = 1 + random(200);
            let fed = wire.chunks(portion).try_for_each(|part| client.feed(part).map(drop));
            let sealed = client.tls.seal(b"x", &mut client.out);
            if fed.is_err() {
                assert!(sealed.is_err());
                failures += 1;
                break;
            }
        }
        client.tls.close_notify(&mut client.out);
        assert!(client.cipher.len() + client.out.len() < 200_000);
    }
    assert!(failures > 50, "{failures}");
}
