//! A connection over TLS against a scripted rustls server: what TLS adds to the end of a connection, and messages of
//! any size both ways.

mod raw;

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use raw::{BOUND, Peer, agree, bound, close_body, frame, recv};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wsdial::{Client, Code, Connection, Dialer, Kind, Message, Outcome, Wait};

type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A TLS server for one connection, and a client that trusts it.
fn serve(script: impl FnOnce(Peer<Secure>) + Send + 'static) -> (Connection, JoinHandle<()>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), tcp);
        agree(&mut stream, &[]);
        script(Peer { stream });
    });
    let mut dialer = Dialer::new();
    dialer.add_ca_pem(certified.cert.pem().as_bytes()).unwrap();
    dialer.use_system_roots(false);
    (Client::new(dialer).dial(&url, bound()).expect("the dial succeeds"), server)
}

/// Ends our direction the way TLS asks for (RFC 8446 6.1).
fn finish(peer: &mut Peer<Secure>) {
    peer.stream.conn.send_close_notify();
    peer.stream.flush_out();
    let _ = peer.stream.sock.shutdown(Shutdown::Write);
}

trait FlushOut {
    fn flush_out(&mut self);
}

impl FlushOut for Secure {
    fn flush_out(&mut self) {
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.sock).unwrap();
        }
    }
}

#[test]
fn messages_of_every_size_go_both_ways() {
    let sizes = [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_535, 65_536, 1 << 20, 5_000_001];
    let (connection, server) = serve(move |mut peer| {
        for size in sizes {
            let frame = peer.read().unwrap();
            assert_eq!((frame.head, frame.payload.len()), (0x82, size));
            peer.frame(0x82, &frame.payload);
        }
        assert_eq!(peer.read_close().0, 1000);
        peer.frame(0x88, &close_body(1000, ""));
        // The client takes its leave with close_notify: a stream without one would be an error here.
        assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0);
    });
    assert_eq!(connection.tls_version(), Some("TLSv1.3"));
    assert!(connection.tls_cipher().is_some_and(|cipher| cipher.starts_with("TLS13_")));
    for size in sizes {
        let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        assert_eq!(connection.send(Kind::Binary, &payload, bound()).unwrap(), Outcome::Done);
        assert!(recv(&connection).data() == payload, "{size} bytes came back changed");
    }
    let wait = Wait::for_duration(Duration::from_millis(100));
    assert_eq!(connection.close(1000, "", wait).unwrap(), Outcome::Done);
    server.join().unwrap();
}

#[test]
fn a_clean_end_of_tls_and_tcp_ends_a_close_at_once() {
    let (connection, server) = serve(|mut peer| {
        peer.read_close();
        peer.frame(0x88, &close_body(1000, ""));
        finish(&mut peer);
        assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0);
    });
    let began = std::time::Instant::now();
    assert_eq!(connection.close(1000, "", Wait::Forever).unwrap(), Outcome::Done);
    assert!(began.elapsed() < BOUND);
    server.join().unwrap();
}

#[test]
fn a_stream_without_close_notify_is_truncated_and_one_with_it_is_abnormal() {
    for (clean, code) in [(false, Code::AbnormalTruncated), (true, Code::Abnormal)] {
        let (connection, server) = serve(move |mut peer| {
            peer.raw(&frame(0x82, &[9; 100])[..60]);
            if clean {
                finish(&mut peer);
            } else {
                let _ = peer.stream.sock.shutdown(Shutdown::Write);
            }
        });
        let mut message = Message::new();
        let failure = connection.recv(&mut message, bound()).unwrap_err();
        assert_eq!((failure.code(), failure.close_code()), (code, 1006));
        assert!(message.data().is_empty());
        assert_eq!(connection.recv(&mut message, bound()).unwrap_err().code(), code);
        server.join().unwrap();
    }
}

#[test]
fn a_violation_is_told_before_close_notify() {
    let (connection, server) = serve(|mut peer| {
        peer.raw(&[0x83, 0]);
        assert_eq!(peer.read_close().0, 1002);
        assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0);
    });
    let failure = connection.recv(&mut Message::new(), bound()).unwrap_err();
    assert_eq!(failure.code(), Code::ProtocolOpcode);
    server.join().unwrap();
}

#[test]
fn records_that_are_not_tls_end_the_connection() {
    let (connection, server) = serve(|mut peer| {
        use std::io::Write;
        peer.read();
        peer.stream.sock.write_all(&[23, 3, 3, 0, 32].into_iter().chain([7; 32]).collect::<Vec<u8>>()).unwrap();
        // The alert that tells why: bad_record_mac (RFC 8446 6.2).
        let end = peer.stream.read(&mut [0]).unwrap_err();
        assert!(end.to_string().contains("BadRecordMac"), "{end}");
    });
    connection.ping(b"the handshake is over", bound()).unwrap();
    let failure = connection.recv(&mut Message::new(), bound()).unwrap_err();
    assert_eq!(failure.code(), Code::Tls, "{failure}");
    assert_eq!(connection.send(Kind::Text, b"", bound()).unwrap_err().code(), Code::Tls);
    server.join().unwrap();
}

/// What came whole is given out before the failure behind it is told, also when one read brought both.
#[test]
fn whole_messages_come_before_the_failure_of_tls_behind_them() {
    use std::io::Write;
    let broken = [&[23, 3, 3, 0, 32][..], &[7; 32]].concat();
    let alert = vec![21, 3, 3, 0, 2, 2, 40];
    let ends = [
        (broken.clone(), Code::Tls),
        (alert, Code::Tls),
        (broken[..20].to_vec(), Code::AbnormalTruncated),
        (Vec::new(), Code::AbnormalTruncated),
    ];
    for (end, code) in ends {
        for sizes in [&[5][..], &[5, 0, 70_000, 5], &[5000, 17_000]] {
            let (sizes, end) = (sizes.to_vec(), end.clone());
            let sent = sizes.clone();
            let (connection, server) = serve(move |mut peer| {
                // All of it in as few segments as there can be, the last message's own record among them.
                peer.stream.conn.set_buffer_limit(None);
                for size in sent {
                    peer.stream.conn.writer().write_all(&frame(0x82, &vec![9; size])).unwrap();
                }
                let mut wire = Vec::new();
                while peer.stream.conn.wants_write() {
                    peer.stream.conn.write_tls(&mut wire).unwrap();
                }
                wire.extend(end);
                peer.stream.sock.write_all(&wire).unwrap();
                let _ = peer.stream.sock.shutdown(Shutdown::Write);
                let _ = peer.stream.sock.read(&mut [0; 64]);
            });
            let mut message = Message::new();
            for size in sizes {
                assert_eq!(connection.recv(&mut message, bound()).unwrap(), Outcome::Done, "{code:?} {size}");
                assert_eq!(message.data().len(), size);
            }
            for _ in 0..2 {
                let failure = connection.recv(&mut message, bound()).unwrap_err();
                assert_eq!(failure.code(), code, "{failure}");
                assert!(message.data().is_empty());
            }
            drop(connection);
            server.join().unwrap();
        }
    }
}

#[test]
fn a_receive_that_times_out_inside_a_record_loses_nothing() {
    let (connection, server) = serve(|mut peer| {
        use std::io::Write;
        let payload: Vec<u8> = (0..40_000u32).map(|n| n as u8).collect();
        // Seal first, then let the bytes trickle.
        peer.stream.conn.writer().write_all(&frame(0x82, &payload)).unwrap();
        let mut sealed = Vec::new();
        while peer.stream.conn.wants_write() {
            peer.stream.conn.write_tls(&mut sealed).unwrap();
        }
        for portion in sealed.chunks(4_001) {
            peer.stream.sock.write_all(portion).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        peer.read_close();
    });
    let mut message = Message::new();
    let mut timeouts = 0;
    while connection.recv(&mut message, Wait::for_duration(Duration::from_millis(1))).unwrap() == Outcome::Timeout {
        assert!(message.data().is_empty());
        timeouts += 1;
    }
    assert!(timeouts > 3);
    assert!(message.data().iter().enumerate().all(|(at, &byte)| byte == at as u8));
    assert_eq!(message.data().len(), 40_000);
    let _ = connection.close(1000, "", Wait::Never);
    server.join().unwrap();
}

#[test]
fn pings_are_answered_while_another_thread_sends() {
    const PINGS: u32 = 10;
    let (connection, server) = serve(|mut peer| {
        let mut pongs = 0;
        for n in 0..PINGS {
            peer.frame(0x89, &n.to_be_bytes());
            loop {
                let frame = peer.read().unwrap();
                if frame.head == 0x8a {
                    assert_eq!(frame.payload, n.to_be_bytes());
                    break;
                }
                assert_eq!((frame.head, frame.payload.len()), (0x82, 30_000));
            }
            pongs += 1;
        }
        assert_eq!(pongs, PINGS);
        peer.frame(0x88, &close_body(1000, ""));
        peer.read_close();
    });
    let connection = Arc::new(connection);
    let sender = thread::spawn({
        let connection = Arc::clone(&connection);
        move || while connection.send(Kind::Binary, &[5; 30_000], Wait::Forever).unwrap() == Outcome::Done {}
    });
    let wait = Wait::for_duration(Duration::from_secs(20));
    assert_eq!(connection.recv(&mut Message::new(), wait).unwrap(), Outcome::Closed);
    sender.join().unwrap();
    server.join().unwrap();
}
