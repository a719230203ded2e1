//! Connections that succeed, cut and interleaved in every way.
use super::*;

#[test]
fn both_versions_shake_hands_whole_and_byte_by_byte() {
    for (version, name) in [(TLS13, "TLSv1.3"), (TLS12, "TLSv1.2")] {
        for portion in [usize::MAX, 7, 1] {
            let mut client = Client::new(&good_client(), "a.example");
            let mut server = Server::new(&good_server(&[version]));
            assert!(client.tls.is_handshaking() && client.tls.version().is_none());
            let behind = shake(&mut client, &mut server, portion).unwrap();
            client.feed(&behind).unwrap();
            assert_eq!(client.tls.version(), Some(name));
            assert!(client.tls.cipher().is_some_and(|cipher| cipher.starts_with("TLS")));
            client.seal(b"from client");
            server.feed(&client.wire()).unwrap();
            assert_eq!(server.plain, b"from client");
            let wire = server.seal(b"from server");
            client.feed(&wire).unwrap();
            assert_eq!(client.plain.filled(), b"from server");
        }
    }
}

#[test]
fn an_ip_address_and_a_name_given_by_the_options_are_checked() {
    let config = good_client();
    // With its root's dot a name is the same (RFC 6066 3: the dot is not sent).
    for host in ["127.0.0.1", "A.Example", "a.example."] {
        shake(&mut Client::new(&config, host), &mut Server::new(&good_server(&[TLS13])), usize::MAX).unwrap();
    }
    let mut client = Client::new(&config, "a.example");
    let options = TlsOptions { server_name: Some("a.example".into()), ..trusting(&[]) };
    client.tls = Tls::new(&config, &options, "b.example").unwrap();
    let mut server = Server::new(&good_server(&[TLS13]));
    shake(&mut client, &mut server, usize::MAX).unwrap();
    assert_eq!(server.tls.server_name(), Some("a.example"));
    assert_eq!(Tls::new(&config, &trusting(&[]), "a b").unwrap_err().code(), Code::UrlHost);
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    for version in [TLS13, TLS12] {
        let (config, server) = (good_client(), good_server(&[version]));
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut client, mut server) = (Client::new(&config, "a.example"), Server::new(&server));
            let behind = shake(&mut client, &mut server, usize::MAX).unwrap();
            client.feed(&behind).unwrap();
            assert_eq!(client.tls.rustls.handshake_kind(), Some(expected));
        }
    }
}

/// A server whose handshake messages never fit one record, with several tickets to send.
fn tiny_records() -> Arc<ServerConfig> {
    let mut config = Identity::good().server(&[TLS13]);
    config.max_fragment_size = Some(48);
    config.send_tls13_tickets = 4;
    Arc::new(config)
}

/// What a server may send behind the handshake, with the plaintext in it.
fn eventful_stream(server: &mut Server, tickets: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut wire = tickets;
    wire.extend(server.seal(b"first"));
    for _ in 0..3 {
        server.tls.refresh_traffic_keys().unwrap();
        wire.extend(server.wire());
        wire.extend(server.seal(&[b'x'; 100]));
    }
    wire.extend(server.seal(b"last"));
    let plain = [&b"first"[..], &[b'x'; 300], b"last"].concat();
    (wire, plain)
}

#[test]
fn sealing_is_right_at_every_cut_of_what_is_being_opened() {
    let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&tiny_records()));
    let tickets = shake(&mut client, &mut server, 1).unwrap();
    let (wire, plain) = eventful_stream(&mut server, tickets);
    let mut expected = Vec::new();
    let mut was_held = false;
    for (at, byte) in wire.iter().enumerate() {
        client.feed(&[*byte]).unwrap();
        was_held |= !client.tls.held.is_empty();
        client.seal(&[at as u8; 3]);
        expected.extend([at as u8; 3]);
    }
    assert!(was_held, "no handshake message was in pieces");
    assert!(client.tls.held.is_empty() && client.cipher.is_empty());
    server.feed(&client.wire()).unwrap();
    assert_eq!(server.plain, expected);
    assert_eq!(client.plain.filled(), plain);
}

#[test]
fn cuts_of_every_size_open_to_the_same() {
    for portion in (2..200).chain([500, 1000, 2000]) {
        let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&tiny_records()));
        let tickets = shake(&mut client, &mut server, portion).unwrap();
        let (wire, plain) = eventful_stream(&mut server, tickets);
        for part in wire.chunks(portion) {
            client.feed(part).unwrap();
            client.seal(b".");
        }
        server.feed(&client.wire()).unwrap();
        assert_eq!((server.plain.len(), client.plain.filled()), (wire.len().div_ceil(portion), &plain[..]));
        client.seal(b"end");
        server.feed(&client.wire()).unwrap();
        assert!(server.plain.ends_with(b"end"));
    }
}

#[test]
fn a_megabyte_each_way_with_keys_renewed_in_between() {
    for version in [TLS13, TLS12] {
        let (mut client, mut server, behind) = pair(&[version]);
        client.feed(&behind).unwrap();
        let data = noise(1 << 20);
        let mut opened = Vec::new();
        for (round, part) in data.chunks(100_000).enumerate() {
            let wire = server.seal(part);
            for piece in wire.chunks(9_973) {
                client.feed(piece).unwrap();
                opened.extend(take(&mut client.plain));
            }
            client.seal(part);
            server.feed(&client.wire()).unwrap();
            if version == TLS13 && round % 3 == 0 {
                server.tls.refresh_traffic_keys().unwrap();
                client.feed(&server.wire()).unwrap();
            }
        }
        assert!(opened == data && server.plain == data);
    }
}

#[test]
fn the_answer_to_a_key_update_goes_before_what_is_sealed_next_however_little_room_there_is() {
    let (mut client, mut server, behind) = pair(&[TLS13]);
    client.feed(&behind).unwrap();
    for n in [1, 1000, RECORD_PLAIN, RECORD_PLAIN + 1, 3 * RECORD_PLAIN] {
        server.tls.refresh_traffic_keys().unwrap();
        client.feed(&server.wire()).unwrap();
        // Room for the records and not for the answer.
        let room = n + n.div_ceil(RECORD_PLAIN) * RECORD_OVERHEAD;
        client.out.extend(&vec![0; POOLED - room]).unwrap();
        client.seal(&vec![7; n]);
        let wire = client.wire();
        server.plain.clear();
        server.feed(&wire[POOLED - room..]).unwrap();
        assert_eq!(server.plain, vec![7; n]);
        client.out = Buffer::new();
    }
}

#[test]
fn the_bound_is_kept_to_within_a_record() {
    let (mut client, mut server, behind) = pair(&[TLS13]);
    client.feed(&behind).unwrap();
    let wire = server.seal(&noise(200_000));
    client.cipher.extend(&wire).unwrap();
    let (mut rounds, bound) = (0, 40_000);
    loop {
        let opened = client.tls.open(&mut client.cipher, &mut client.plain, bound, &mut client.out).unwrap();
        let n = take(&mut client.plain).len();
        assert!(n <= bound + RECORD_PLAIN);
        rounds += 1;
        if opened == Opened::More {
            break;
        }
        assert!(n >= bound);
    }
    assert!(rounds >= 200_000 / (bound + RECORD_PLAIN) && client.cipher.is_empty());
}

#[test]
fn close_notify_ends_each_direction_once() {
    for version in [TLS13, TLS12] {
        let (mut client, mut server, mut wire) = pair(&[version]);
        wire.extend(server.seal(b"last words"));
        server.tls.send_close_notify();
        wire.extend(server.wire());
        // Cut anywhere before its end the stream is not closed: whoever meets the end of the socket then was cut off.
        let (end, before) = wire.split_last().unwrap();
        for byte in before {
            assert_eq!(client.feed(&[*byte]).unwrap(), Opened::More);
        }
        assert_eq!(client.feed(&[*end]).unwrap(), Opened::Closed);
        assert_eq!(client.plain.filled(), b"last words");
        assert_eq!(client.feed(b"ignored").unwrap(), Opened::Closed);
        assert!(client.cipher.is_empty());
        client.seal(b"still open this way");
        client.tls.close_notify(&mut client.out);
        let len = client.out.len();
        client.tls.close_notify(&mut client.out);
        assert_eq!(client.out.len(), len);
        assert_eq!(client.tls.seal(b"late", &mut client.out).unwrap_err().code(), Code::Internal);
        server.feed(&client.wire()).unwrap();
        assert_eq!(server.plain, b"still open this way");
        assert_eq!(server.tls.reader().read(&mut [0; 1]).unwrap(), 0);
    }
}

#[test]
fn close_notify_in_the_midst_of_a_handshake_message_in_pieces_is_sent() {
    let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&tiny_records()));
    let tickets = shake(&mut client, &mut server, usize::MAX).unwrap();
    let half = tickets.len() / 2;
    client.feed(&tickets[..half]).unwrap();
    assert!(!client.tls.held.is_empty());
    client.tls.close_notify(&mut client.out);
    server.feed(&client.wire()).unwrap();
    assert_eq!(server.tls.reader().read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(client.feed(&tickets[half..]).unwrap(), Opened::More);
}
