//! What TLS costs: memory of an idle connection, which is asserted, and time beside rustls's buffered interface, which
//! is printed: `cargo test --release --lib tls::tests::measures -- --ignored --nocapture`.
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::*;

const MIB: usize = 1 << 20;
const ROUNDS: usize = 60;

fn best(mut round: impl FnMut() -> Duration) -> f64 {
    (0..ROUNDS).map(|_| round()).min().unwrap().as_nanos() as f64 / MIB as f64
}

/// Time for opening and sealing 1 MiB, in ns for each byte.
fn ours(version: &'static SupportedProtocolVersion) -> (f64, f64) {
    let (mut client, mut server, behind) = pair(&[version]);
    client.feed(&behind).unwrap();
    let data = noise(MIB);
    let open = best(|| {
        let wire = server.seal(&data);
        let mut spent = Duration::ZERO;
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let room = client.cipher.room(1).unwrap();
            let n = rest.len().min(room.len());
            room[..n].copy_from_slice(&rest[..n]);
            client.cipher.fill(n);
            rest = &rest[n..];
            let begun = Instant::now();
            let bound = 64 * 1024;
            while client.tls.open(&mut client.cipher, &mut client.plain, bound, &mut client.out).unwrap()
                == Opened::Bounded
            {
                client.plain.consume(client.plain.len());
            }
            client.plain.consume(client.plain.len());
            spent += begun.elapsed();
        }
        spent
    });
    let seal = best(|| {
        let mut spent = Duration::ZERO;
        for part in data.chunks(64 * 1024) {
            let begun = Instant::now();
            client.seal(part);
            spent += begun.elapsed();
            server.feed(client.out.filled()).unwrap();
            client.out.consume(client.out.len());
        }
        server.plain.clear();
        spent
    });
    (open, seal)
}

fn buffered(version: &'static SupportedProtocolVersion) -> (f64, f64) {
    let mut client = ClientConnection::new(good_client().0, ServerName::try_from("a.example").unwrap()).unwrap();
    let mut server = Server::new(&good_server(&[version]));
    while client.is_handshaking() || server.tls.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.feed(&wire).unwrap();
        let wire = server.wire();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    let data = noise(MIB);
    let mut plain = vec![0; MIB];
    let open = best(|| {
        let wire = server.seal(&data);
        let mut rest = &wire[..];
        let begun = Instant::now();
        let mut at = 0;
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
            while let Ok(n) = client.reader().read(&mut plain[at..]) {
                at += n;
                if at == MIB {
                    break;
                }
            }
        }
        begun.elapsed()
    });
    let mut wire = Vec::with_capacity(2 * MIB);
    let seal = best(|| {
        let mut spent = Duration::ZERO;
        for part in data.chunks(64 * 1024) {
            let begun = Instant::now();
            let mut rest = part;
            while !rest.is_empty() {
                let n = client.writer().write(rest).unwrap();
                rest = &rest[n..];
                while client.wants_write() {
                    client.write_tls(&mut wire).unwrap();
                }
            }
            spent += begun.elapsed();
            server.feed(&wire).unwrap();
            wire.clear();
        }
        server.plain.clear();
        spent
    });
    (open, seal)
}

/// Time for opening and sealing a record of 64 bytes, in ns.
fn small_records() -> (f64, f64) {
    const RECORDS: usize = 1000;
    let (mut client, mut server, behind) = pair(&[TLS13]);
    client.feed(&behind).unwrap();
    let (mut open, mut seal) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let mut wire = Vec::new();
        for _ in 0..RECORDS {
            wire.extend(server.seal(&[b'x'; 64]));
        }
        client.cipher.extend(&wire).unwrap();
        let begun = Instant::now();
        client.tls.open(&mut client.cipher, &mut client.plain, usize::MAX, &mut client.out).unwrap();
        open = open.min(begun.elapsed());
        client.plain.consume(64 * RECORDS);
        let begun = Instant::now();
        for _ in 0..RECORDS {
            client.tls.seal(&[b'y'; 64], &mut client.out).unwrap();
        }
        seal = seal.min(begun.elapsed());
        server.feed(&client.wire()).unwrap();
    }
    (open.as_nanos() as f64 / RECORDS as f64, seal.as_nanos() as f64 / RECORDS as f64)
}

#[test]
#[ignore = "prints times; run it alone, in release"]
fn throughput() {
    let (open, seal) = small_records();
    println!("records of 64 bytes: open {open:.0} ns, seal {seal:.0} ns");
    for version in [TLS13, TLS12] {
        let ((open, seal), (open_buffered, seal_buffered)) = (ours(version), buffered(version));
        println!(
            "{version:?}: open {open:.3} ns/byte (buffered {open_buffered:.3}), seal {seal:.3} (buffered {seal_buffered:.3})"
        );
    }
}

/// Dials of an in-memory server, full and resumed, in us of this side's time.
#[test]
#[ignore = "prints times; run it alone, in release"]
fn handshakes() {
    let config = good_client();
    let server = good_server(&[TLS13]);
    let mut times = Vec::new();
    for _ in 0..200 {
        let mut spent = Duration::ZERO;
        let begun = Instant::now();
        let mut client = Client::new(&config, "a.example");
        client.feed(b"").unwrap();
        spent += begun.elapsed();
        let mut server = Server::new(&server);
        server.feed(&client.wire()).unwrap();
        let answer = server.wire();
        let begun = Instant::now();
        client.feed(&answer).unwrap();
        spent += begun.elapsed();
        server.feed(&client.wire()).unwrap();
        client.feed(&server.wire()).unwrap();
        times.push(spent.as_nanos() / 1000);
    }
    let full = times[0];
    let resumed = times[1..].iter().min().unwrap();
    println!("client's side of a handshake: first {full} us, resumed {resumed} us");
    let fresh: Vec<u128> = (0..50)
        .map(|_| {
            let config = good_client();
            let mut client = Client::new(&config, "a.example");
            let mut server = Server::new(&server);
            let begun = Instant::now();
            client.feed(b"").unwrap();
            let mut spent = begun.elapsed();
            server.feed(&client.wire()).unwrap();
            let answer = server.wire();
            let begun = Instant::now();
            client.feed(&answer).unwrap();
            spent += begun.elapsed();
            spent.as_nanos() / 1000
        })
        .collect();
    println!("full: {} us", fresh.iter().min().unwrap());
}

/// What the allocator says is in use.
fn in_use() -> usize {
    crate::net::sys::allocated()
}

/// `quality.md` 2: at most 10 KiB for an idle connection after 1 MiB each way; this is the part of it that is TLS's.
#[test]
fn an_idle_connection_holds_little() {
    // The allocator counts for the whole process, so this runs in one of its own.
    if std::env::var_os("WSDIAL_MEASURES_ALONE").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "net::tls::tests::measures::an_idle_connection_holds_little", "--nocapture"])
            .env("WSDIAL_MEASURES_ALONE", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    const CONNECTIONS: usize = 50;
    let (config, server_config) = (good_client(), good_server(&[TLS13]));
    let data = noise(MIB);
    let dial = || {
        let (mut client, mut server) = (Client::new(&config, "a.example"), Server::new(&server_config));
        let behind = shake(&mut client, &mut server, usize::MAX).unwrap();
        client.feed(&behind).unwrap();
        for part in data.chunks(50_000) {
            let wire = server.seal(part);
            client.feed(&wire).unwrap();
            client.plain.consume(client.plain.len());
            client.seal(part);
            server.feed(&client.wire()).unwrap();
            server.plain.clear();
        }
        client.cipher.rest();
        client.plain.rest();
        client.out.rest();
        client.tls
    };
    // Session storage and the pool are filled once.
    drop((0..4).map(|_| dial()).collect::<Vec<_>>());
    let before = in_use();
    let idle: Vec<Tls> = (0..CONNECTIONS).map(|_| dial()).collect();
    // The vector's own memory is in it, and with it the part in place.
    let each = (in_use() - before) / CONNECTIONS;
    println!("an idle TLS connection holds {each} bytes, {} of them in place", std::mem::size_of::<Tls>());
    // A server's certificates are kept too: one of 400 bytes here, a chain of 4 KiB elsewhere.
    assert!((1000..6 * 1024).contains(&each), "{each}");
    drop(idle);
}
