//! TLS through the public dial: servers in every broken shape, client certificates, sessions that are resumed or must not
//! be, and a trust store that is read once.

mod raw;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use raw::{BOUND, agree, bound, close_body, frame, read_head};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use wsdial::{Client, Code, Dialer, Error, Outcome, Phase, Wait};

/// An authority of one test's.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Certified {
    der: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        Authority::named("the test's authority")
    }

    fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Certified { der: params.signed_by(&key, &self.0).unwrap().der().clone(), key }
    }

    /// Trusts this authority and nobody else.
    fn dialer(&self) -> Dialer {
        let mut dialer = Dialer::new();
        dialer.add_ca_pem(self.0.pem().as_bytes()).unwrap();
        dialer.use_system_roots(false);
        dialer
    }
}

impl Certified {
    /// A server's settings with it; with `clients`, for those only who have a certificate of that authority.
    fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        builder.with_single_cert(vec![self.der.clone()], key).unwrap()
    }
}

/// Takes `count` connections one after the other; says how their TLS began, as far as it got.
fn serve(config: ServerConfig, count: usize) -> (String, JoinHandle<Vec<Option<HandshakeKind>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let config = Arc::new(config);
    let server = thread::spawn(move || {
        (0..count)
            .map(|_| {
                let tcp = listener.accept().unwrap().0;
                tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), tcp);
                if stream.conn.complete_io(&mut stream.sock).is_err() {
                    let _ = stream.conn.write_tls(&mut stream.sock);
                    return None;
                }
                agree(&mut stream, &[]);
                stream.read_exact(&mut [0; 8]).expect("a close frame");
                stream.write_all(&frame(0x88, &close_body(1000, ""))).unwrap();
                stream.conn.send_close_notify();
                let _ = stream.flush();
                stream.conn.handshake_kind()
            })
            .collect()
    });
    (url, server)
}

/// Dials and closes.
fn visit(client: &Client, url: &str) -> Result<(), Error> {
    client
        .dial(url, bound())
        .map(|connection| assert_eq!(connection.close(1000, "", bound()).expect("a close"), Outcome::Done))
}

/// A server that answers a ClientHello with `script`, and the error that a dial to it ends with, in time.
fn refused_by(script: impl FnOnce(TcpStream) + Send + 'static) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || script(listener.accept().unwrap().0));
    let begun = Instant::now();
    let error = Client::new(Authority::new().dialer()).dial(&url, bound()).unwrap_err();
    assert!(begun.elapsed() < 2 * BOUND, "{error}");
    assert!(error.to_string().starts_with(&url[..url.len() - 1]), "{error}");
    server.join().unwrap();
    error
}

/// Sends `bytes` in portions, and waits for the client's end.
fn answering(bytes: Vec<u8>, portion: usize) -> impl FnOnce(TcpStream) + Send {
    move |mut tcp| {
        let _ = tcp.set_nodelay(true);
        let _ = bytes.chunks(portion).try_for_each(|part| tcp.write_all(part));
        let _ = tcp.shutdown(Shutdown::Write);
        let _ = tcp.read_to_end(&mut Vec::new());
    }
}

#[test]
fn a_refused_certificate_names_host_phase_cause_and_date() {
    let authority = Authority::new();
    let (stranger, namesake) = (Authority::named("somebody else"), Authority::new());
    let (good, expired) =
        (authority.issue(|_| {}), authority.issue(|params| params.not_after = date_time_ymd(2026, 1, 2)));
    let future = authority.issue(|params| params.not_before = date_time_ymd(2999, 12, 31));
    let other = authority.issue(|params| {
        params.subject_alt_names = CertificateParams::new(vec!["other.example".to_owned()]).unwrap().subject_alt_names
    });
    for (certified, trusted, code, said) in [
        (
            &good,
            &stranger,
            Code::TlsUnknownIssuer,
            "TLS: certificate leads to no trusted root: its issuer \"the test's authority\" is not trusted and was not sent",
        ),
        (
            &good,
            &namesake,
            Code::TlsBadSignature,
            "TLS: a signature in the certificate chain is wrong (forged, or made by another authority of the same name)",
        ),
        (
            &expired,
            &authority,
            Code::TlsExpired,
            "TLS: certificate expired on 2026-01-02 00:00:00 UTC (not after; it is ",
        ),
        (
            &future,
            &authority,
            Code::TlsNotYetValid,
            "TLS: certificate is not valid before 2999-12-31 00:00:00 UTC (it is ",
        ),
        (&other, &authority, Code::TlsWrongHost, "TLS: certificate is not for localhost but for other.example"),
    ] {
        let (url, server) = serve(certified.server(None), 1);
        let error = visit(&Client::new(trusted.dialer()), &url).unwrap_err();
        assert_eq!((error.code(), error.phase()), (code, Phase::Tls), "{error}");
        assert!(error.to_string().starts_with(&format!("{}: {said}", url.trim_end_matches('/'))), "{error}");
        assert_eq!(server.join().unwrap(), [None]);
    }
}

#[test]
fn an_authority_that_shows_itself_is_taken_once_it_is_added() {
    let itself = Authority::new();
    let certified =
        Certified { der: itself.0.der().clone(), key: KeyPair::from_pem(&itself.0.key().serialize_pem()).unwrap() };
    let (url, server) = serve(certified.server(None), 2);
    visit(&Client::new(itself.dialer()), &url).unwrap();
    assert_eq!(visit(&Client::new(Authority::new().dialer()), &url).unwrap_err().code(), Code::TlsUnknownIssuer);
    server.join().unwrap();
}

#[test]
fn what_is_no_tls_is_told_as_what_it_is() {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    let mut old = vec![22, 3, 2, 0, 44, 2, 0, 0, 40, 3, 2];
    old.extend([9; 32]);
    old.extend([0, 0xc0, 0x13, 0, 0, 0]);
    let noise: Vec<u8> = (0..50_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    let huge = [&[22, 3, 3, 0xff, 0xff][..], &[2; 70_000]].concat();
    let alert = |description| vec![21, 3, 3, 0, 2, 2, description];
    // Warnings without end, which TLS 1.3 does not know and TLS 1.2 may ignore.
    let storm = [21, 3, 3, 0, 2, 1, 90].repeat(20_000);
    for (bytes, code, said) in [
        (http, Code::Tls, "the peer's bytes are not TLS (should the address be ws?)"),
        (noise, Code::Tls, "the peer's bytes are not TLS"),
        (huge, Code::Tls, "the peer's bytes are not TLS"),
        (old, Code::TlsIncompatible, "the peer and we have nothing in common"),
        (alert(40), Code::TlsIncompatible, "the peer finds nothing in common: alert handshake failure"),
        (alert(70), Code::TlsIncompatible, "the peer finds nothing in common: alert protocol version"),
        (alert(112), Code::TlsAlert, "the peer sent the alert unrecognised name (it serves no host of this name)"),
        (storm, Code::Tls, "the peer broke the rules: too many warning alerts received"),
        (Vec::new(), Code::HandshakeEof, "the server ended the connection during the TLS handshake"),
        (vec![22, 3, 3, 0, 100, 2, 0], Code::HandshakeEof, "the server ended the connection during the TLS handshake"),
    ] {
        for portion in [1, usize::MAX] {
            // One byte at a time is slow where there are many.
            let bytes = if portion == 1 { bytes[..bytes.len().min(2_000)].to_vec() } else { bytes.clone() };
            let error = refused_by(answering(bytes, portion));
            assert_eq!((error.code(), error.phase()), (code, Phase::Tls), "{error}");
            assert!(error.to_string().contains(&format!(": TLS: {said}")), "{error}");
        }
    }
}

#[test]
fn a_silent_server_ends_the_dial_in_time_and_in_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let begun = Instant::now();
    let wait = Wait::for_duration(Duration::from_millis(100));
    let error = Client::new(Authority::new().dialer()).dial(&url, wait).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::Timeout, Phase::Tls), "{error}");
    assert!(begun.elapsed() < BOUND);
}

#[test]
fn a_server_that_dribbles_its_handshake_is_waited_for() {
    let authority = Authority::new();
    let (url, server) = serve(authority.issue(|_| {}).server(None), 1);
    let port: u16 = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let dribbled = format!("wss://localhost:{}/", between.local_addr().unwrap().port());
    let relay = thread::spawn(move || {
        let mut near = between.accept().unwrap().0;
        let mut far = TcpStream::connect(("127.0.0.1", port)).unwrap();
        near.set_nodelay(true).unwrap();
        let (mut up_from, mut up_to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let up = thread::spawn(move || drop(std::io::copy(&mut up_from, &mut up_to)));
        let mut byte = [0];
        while far.read(&mut byte).is_ok_and(|n| n == 1) && near.write_all(&byte).is_ok() {}
        let _ = near.shutdown(Shutdown::Both);
        up.join().unwrap();
    });
    visit(&Client::new(authority.dialer()), &dribbled).unwrap();
    assert_eq!(server.join().unwrap(), [Some(HandshakeKind::Full)]);
    relay.join().unwrap();
}

#[test]
fn a_client_certificate_opens_what_is_closed_without() {
    let authority = Authority::new();
    let (url, server) = serve(authority.issue(|_| {}).server(Some(&authority)), 3);
    let known = |by: &Authority| {
        let certified = by.issue(|_| {});
        let pem = raw_pem(&certified.der) + &certified.key.serialize_pem();
        let mut dialer = authority.dialer();
        dialer.set_client_cert_pem(pem.as_bytes(), None).unwrap();
        Client::new(dialer)
    };
    visit(&known(&authority), &url).unwrap();
    for (client, said) in [
        (
            Client::new(authority.dialer()),
            "the peer sent the alert certificate required (it asks for a client certificate)",
        ),
        (known(&Authority::new()), "the peer sent the alert "),
    ] {
        let error = visit(&client, &url).unwrap_err();
        assert_eq!(error.code(), Code::TlsAlert, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(server.join().unwrap().iter().flatten().count(), 1);
}

fn raw_pem(der: &CertificateDer<'_>) -> String {
    use rustls::pki_types::pem::PemObject as _;
    let text: Vec<String> =
        base64(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", text.join("\n"));
    assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), *der);
    pem
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn sessions_live_as_long_as_nothing_about_tls_is_decided_anew() {
    const FULL: Option<HandshakeKind> = Some(HandshakeKind::Full);
    const RESUMED: Option<HandshakeKind> = Some(HandshakeKind::Resumed);
    let authority = Authority::new();
    let (url, server) = serve(authority.issue(|_| {}).server(None), 8);
    let client = Client::new(authority.dialer());
    visit(&client, &url).unwrap();
    visit(&client, &url).unwrap();
    let mut dialer = client.dialer().clone();
    dialer.set_max_message(1000);
    let client = client.with(dialer.clone());
    visit(&client, &url).unwrap();
    dialer.set_min_tls(0x0304).unwrap();
    let newest = client.with(dialer.clone());
    visit(&newest, &url).unwrap();
    // The one before lives on, with its sessions.
    visit(&client, &url).unwrap();
    // What was made without a look at the certificate is never used where one is asked for.
    dialer.set_insecure_skip_verify(true);
    let skipping = newest.with(dialer.clone());
    visit(&skipping, &url).unwrap();
    dialer.set_insecure_skip_verify(false);
    let again = skipping.with(dialer.clone());
    visit(&again, &url).unwrap();
    // Another name is checked though the server is known.
    dialer.set_server_name("other.example").unwrap();
    assert_eq!(visit(&again.with(dialer), &url).unwrap_err().code(), Code::TlsWrongHost);
    assert_eq!(server.join().unwrap(), [FULL, RESUMED, RESUMED, FULL, RESUMED, FULL, FULL, None]);
}

#[test]
fn skipped_verification_ends_when_it_is_switched_off() {
    let (authority, stranger) = (Authority::new(), Authority::named("somebody else"));
    let (url, server) = serve(authority.issue(|_| {}).server(None), 3);
    let mut dialer = stranger.dialer();
    dialer.set_insecure_skip_verify(true);
    let client = Client::new(dialer.clone());
    visit(&client, &url).unwrap();
    visit(&client, &url).unwrap();
    dialer.set_insecure_skip_verify(false);
    assert_eq!(visit(&client.with(dialer), &url).unwrap_err().code(), Code::TlsUnknownIssuer);
    server.join().unwrap();
}

#[test]
fn the_secrets_of_a_connection_go_to_the_key_log_when_asked_for() {
    let path = std::env::temp_dir().join(format!("wsdial-keys-{}", std::process::id()));
    let authority = Authority::new();
    let (url, server) = serve(authority.issue(|_| {}).server(None), 2);
    let mut dialer = authority.dialer();
    visit(&Client::new(dialer.clone()), &url).unwrap();
    dialer.set_key_log_file(Some(&path)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    visit(&Client::new(dialer), &url).unwrap();
    let log = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut labels: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    labels.sort_unstable();
    let needed = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0",
    ];
    assert!(needed.iter().all(|label| labels.contains(label)), "{log}");
    for line in log.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        assert!(
            fields.len() == 3 && fields[1].len() == 64 && fields[2].bytes().all(|b| b.is_ascii_hexdigit()),
            "{line}"
        );
    }
    server.join().unwrap();
}

/// Runs one test of this binary in a process of its own; says whether this is it.
fn runs_alone(test: &str, store: Option<&PathBuf>) -> bool {
    if std::env::var_os("WSDIAL_ALONE").is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env("WSDIAL_ALONE", "1").env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
    if let Some(store) = store {
        command.env("SSL_CERT_FILE", store);
    }
    assert!(command.status().unwrap().success());
    false
}

#[test]
fn many_dials_with_one_dialer_read_the_trust_store_once() {
    let store = std::env::temp_dir().join(format!("wsdial-store-{}.pem", std::process::id()));
    if !runs_alone("many_dials_with_one_dialer_read_the_trust_store_once", Some(&store)) {
        return;
    }
    // The store is there for the first dial, and for no other.
    let store = PathBuf::from(std::env::var_os("SSL_CERT_FILE").unwrap());
    let authority = Authority::new();
    let (url, server) = serve(authority.issue(|_| {}).server(None), 51);
    fs::write(&store, authority.0.pem()).unwrap();
    // Something is decided, so that it is not the process's own configuration.
    let mut dialer = Dialer::new();
    dialer.set_min_tls(0x0304).unwrap();
    let client = Client::new(dialer);
    visit(&client, &url).unwrap();
    fs::remove_file(&store).unwrap();
    for _ in 0..50 {
        visit(&client, &url).unwrap();
    }
    for _ in 0..50 {
        client.dial_memory(&url).unwrap();
    }
    // Whoever does look finds nothing.
    assert_eq!(visit(&Client::new(Dialer::new()), &url).unwrap_err().code(), Code::TlsRoots);
    server.join().unwrap();
}

#[test]
fn without_descriptors_the_trust_store_is_not_said_to_be_empty() {
    if !runs_alone("without_descriptors_the_trust_store_is_not_said_to_be_empty", None) {
        return;
    }
    let client = Client::new(Dialer::new());
    let mut taken = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    let error = client.dial_memory("wss://localhost/").unwrap_err();
    assert_eq!((error.code(), error.os_error()), (Code::Io, libc::EMFILE), "{error}");
    assert!(error.to_string().contains("the operating system's trust roots cannot be read: "), "{error}");
    drop(taken);
    // A failure is not kept.
    client.dial_memory("wss://localhost/").unwrap();
}

#[test]
fn a_server_that_ends_without_close_notify_in_the_handshakes_answer_has_not_answered() {
    let authority = Authority::new();
    let certified = authority.issue(|_| {});
    let config = Arc::new(certified.server(None));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || {
        let tcp = listener.accept().unwrap().0;
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web").unwrap();
        stream.sock.shutdown(Shutdown::Both).unwrap();
    });
    let error = Client::new(authority.dialer()).dial(&url, bound()).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::HandshakeEof, Phase::Handshake), "{error}");
    server.join().unwrap();
}
