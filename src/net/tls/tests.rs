//! TLS against rustls's own server, in memory: every cut of the bytes, every refusal, keys renewed in between.
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::*;
use crate::buffer::POOLED;

mod hostile;
mod measures;
mod openssl;
mod refusals;
mod streams;
mod trust;

static TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;
static TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;

/// The test's own authority.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn get() -> &'static Authority {
        static ONE: OnceLock<Authority> = OnceLock::new();
        ONE.get_or_init(Authority::new)
    }

    fn new() -> Authority {
        static MADE: AtomicU32 = AtomicU32::new(0);
        Authority::named(&format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed)))
    }

    fn named(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        Authority { issuer: CertifiedIssuer::self_signed(Authority::params(name), key).unwrap() }
    }

    /// An authority that this one vouches for.
    fn below(&self, name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        Authority { issuer: CertifiedIssuer::signed_by(Authority::params(name), key, &self.issuer).unwrap() }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params
    }

    fn root(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// A server certificate for `a.example`, changed by `change`, with its key.
    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec!["a.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() }
    }
}

/// What a server shows.
#[derive(Clone)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    fn good() -> Identity {
        static ONE: OnceLock<Identity> = OnceLock::new();
        ONE.get_or_init(|| Authority::get().issue(|_| {})).clone()
    }

    fn server(self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain, PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key)))
            .unwrap()
    }
}

fn good_server(versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    Arc::new(Identity::good().server(versions))
}

fn trusting(roots: &[Vec<u8>]) -> TlsOptions {
    TlsOptions { roots: roots.to_vec(), system_roots: false, ..TlsOptions::default() }
}

fn good_client() -> TlsConfig {
    TlsConfig::new(&trusting(&[Authority::get().root()])).unwrap()
}

struct Client {
    tls: Tls,
    cipher: Buffer,
    plain: Buffer,
    out: Buffer,
}

impl Client {
    fn new(config: &TlsConfig, host: &str) -> Client {
        let tls = Tls::new(config, &trusting(&[]), host).unwrap();
        Client { tls, cipher: Buffer::new(), plain: Buffer::new(), out: Buffer::new() }
    }

    /// Reads `bytes` from the wire and opens what can be opened, a small bound at a time.
    fn feed(&mut self, bytes: &[u8]) -> Result<Opened, Error> {
        self.cipher.extend(bytes).unwrap();
        loop {
            match self.tls.open(&mut self.cipher, &mut self.plain, 1, &mut self.out)? {
                Opened::Bounded => assert!(!self.cipher.is_empty(), "nothing is left to be opened"),
                other => return Ok(other),
            }
        }
    }

    fn seal(&mut self, plain: &[u8]) {
        self.tls.seal(plain, &mut self.out).unwrap();
    }

    /// What goes on the wire.
    fn wire(&mut self) -> Vec<u8> {
        take(&mut self.out)
    }
}

fn take(buffer: &mut Buffer) -> Vec<u8> {
    let bytes = buffer.filled().to_vec();
    buffer.consume(bytes.len());
    bytes
}

struct Server {
    tls: ServerConnection,
    plain: Vec<u8>,
}

impl Server {
    fn new(config: &Arc<ServerConfig>) -> Server {
        Server { tls: ServerConnection::new(config.clone()).unwrap(), plain: Vec::new() }
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets()?;
            // Nothing to read, or the end: both leave what was read.
            let _ = self.tls.reader().read_to_end(&mut self.plain);
        }
        Ok(())
    }

    fn wire(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// `plain` as the bytes of its records.
    fn seal(&mut self, mut plain: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !plain.is_empty() {
            let n = self.tls.writer().write(plain).unwrap();
            plain = &plain[n..];
            bytes.extend(self.wire());
        }
        bytes
    }
}

/// Carries the handshake through, server bytes in portions of `portion`; gives back what the server sends behind it.
fn shake(client: &mut Client, server: &mut Server, portion: usize) -> Result<Vec<u8>, Error> {
    client.feed(b"")?;
    loop {
        let wire = client.wire();
        if wire.is_empty() && !client.tls.is_handshaking() {
            return Ok(server.wire());
        }
        let _ = server.feed(&wire);
        let answer = server.wire();
        if !client.tls.is_handshaking() {
            return Ok(answer);
        }
        assert!(!wire.is_empty() || !answer.is_empty(), "the handshake stands still");
        for part in answer.chunks(portion) {
            client.feed(part)?;
        }
    }
}

fn pair(versions: &[&'static SupportedProtocolVersion]) -> (Client, Server, Vec<u8>) {
    let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&good_server(versions)));
    let behind = shake(&mut client, &mut server, usize::MAX).unwrap();
    (client, server, behind)
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(len)
    .collect()
}
