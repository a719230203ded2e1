//! What options make of trust: a root that is itself the server's certificate, who we are, verification skipped, and
//! that nothing is verified less because of something else.
use rcgen::date_time_ymd;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::*;

/// A self-signed authority that shows itself as a server, changed by `change`.
fn itself(change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "itself");
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() }
}

fn outcome(options: &TlsOptions, server: ServerConfig) -> Result<(), Error> {
    let mut client = Client::new(&TlsConfig::new(options).unwrap(), "a.example");
    let behind = shake(&mut client, &mut Server::new(&Arc::new(server)), usize::MAX)?;
    client.feed(&behind).map(drop)
}

fn code(options: &TlsOptions, server: ServerConfig) -> Option<Code> {
    outcome(options, server).err().map(|error| error.code())
}

/// A server that shows a certificate whose key it has not.
fn impostor(chain: Vec<CertificateDer<'static>>, version: &'static SupportedProtocolVersion) -> ServerConfig {
    let provider = crate::dialer::crypto();
    let other = PrivatePkcs8KeyDer::from(KeyPair::generate().unwrap().serialize_der());
    let key = provider.key_provider.load_private_key(other.into()).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))))
}

#[test]
fn an_added_root_may_be_the_servers_own_certificate_and_all_else_is_checked() {
    let mut server_auth_only = itself(|params| params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth));
    server_auth_only.chain.push(Authority::get().root().into());
    for (identity, expected) in [
        (itself(|_| {}), None),
        (server_auth_only, None),
        (itself(|params| params.not_after = date_time_ymd(2026, 1, 2)), Some(Code::TlsExpired)),
        (itself(|params| params.not_before = date_time_ymd(2999, 1, 2)), Some(Code::TlsNotYetValid)),
        (itself(|params| params.subject_alt_names.clear()), Some(Code::TlsWrongHost)),
        (
            itself(|params| params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth)),
            Some(Code::TlsCertificate),
        ),
        // A leaf of an authority that is not trusted, added by itself.
        (Authority::new().issue(|_| {}), None),
        (Authority::new().issue(|params| params.not_after = date_time_ymd(2026, 1, 2)), Some(Code::TlsExpired)),
    ] {
        let root = identity.chain[0].to_vec();
        for version in [TLS13, TLS12] {
            let server = || identity.clone().server(&[version]);
            assert_eq!(code(&trusting(std::slice::from_ref(&root)), server()), expected);
            // Trust in others is no trust in this one.
            assert!(code(&trusting(&[Authority::get().root()]), server()).is_some());
            // The certificate is known to all, the key is not.
            if expected.is_none() {
                let forged = code(&trusting(std::slice::from_ref(&root)), impostor(identity.chain.clone(), version));
                assert_eq!(forged, Some(Code::TlsBadSignature));
            }
        }
    }
}

#[test]
fn an_added_authority_is_none_the_less_one() {
    // The authority shows itself as a server, and issues for others as before.
    let options = trusting(&[Authority::get().root()]);
    assert_eq!(code(&options, Identity::good().server(&[TLS13])), None);
    // A certificate of the same name and other content is not the one that was added.
    let (one, other) = (itself(|_| {}), itself(|_| {}));
    let refused = outcome(&trusting(&[one.chain[0].to_vec()]), other.server(&[TLS13])).unwrap_err();
    assert_eq!(refused.code(), Code::TlsUnknownIssuer);
    let said = "certificate is self-signed by the authority \"itself\", which is not among the roots";
    assert!(refused.to_string().starts_with(said), "{refused}");
}

#[test]
fn skipped_verification_takes_any_certificate_but_no_impostor() {
    let skipping = TlsOptions { insecure_skip_verify: true, ..trusting(&[]) };
    let expired = itself(|params| {
        params.not_after = date_time_ymd(2026, 1, 2);
        params.subject_alt_names.clear();
    });
    for version in [TLS13, TLS12] {
        assert_eq!(code(&skipping, expired.clone().server(&[version])), None);
        assert_eq!(code(&skipping, impostor(expired.chain.clone(), version)), Some(Code::TlsBadSignature));
        let again = TlsOptions { insecure_skip_verify: false, ..trusting(&[Authority::get().root()]) };
        assert!(code(&again, expired.clone().server(&[version])).is_some());
    }
}

/// A server that wants certificates of the test's authority.
fn asking(version: &'static SupportedProtocolVersion) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(Authority::get().root().into()).unwrap();
    let provider = crate::dialer::crypto();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let identity = Identity::good();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, PrivatePkcs8KeyDer::from(identity.key).into())
        .unwrap()
}

/// Options with a client certificate of `authority`, by the road that users take.
fn known_by(authority: &Authority) -> TlsOptions {
    let identity = authority.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let encode = |label: &str, der: &[u8]| openssl::pem(label, der);
    let mut dialer = crate::Dialer::new();
    let (cert, key) = (encode("CERTIFICATE", &identity.chain[0]), encode("PRIVATE KEY", &identity.key));
    dialer.set_client_cert_pem(cert.as_bytes(), Some(key.as_bytes())).unwrap();
    TlsOptions { roots: vec![Authority::get().root()], system_roots: false, ..dialer.tls }
}

#[test]
fn a_client_certificate_is_shown_when_asked_for() {
    for version in [TLS13, TLS12] {
        assert_eq!(code(&known_by(Authority::get()), asking(version)), None);
        assert_eq!(code(&known_by(Authority::get()), Identity::good().server(&[version])), None, "nobody asked");
    }
    // One of an authority that the server does not know: told by its alert, after the client is done in TLS 1.3.
    let stranger = outcome(&known_by(&Authority::new()), asking(TLS13)).unwrap_err();
    assert_eq!(stranger.code(), Code::TlsAlert);
    assert!(stranger.to_string().contains("client certificate"), "{stranger}");
    // Who has a certificate is not trusted for it, nor trusting.
    let unverified = TlsOptions { roots: vec![itself(|_| {}).chain[0].to_vec()], ..known_by(Authority::get()) };
    assert_eq!(code(&unverified, asking(TLS13)), Some(Code::TlsUnknownIssuer));
}

#[test]
fn the_lowest_version_is_kept() {
    let newest = TlsOptions { only_tls13: true, ..trusting(&[Authority::get().root()]) };
    assert_eq!(code(&newest, Identity::good().server(&[TLS13])), None);
    let mut client = Client::new(&TlsConfig::new(&newest).unwrap(), "a.example");
    let mut server = Server::new(&good_server(&[TLS12]));
    client.feed(b"").unwrap();
    assert!(server.feed(&client.wire()).is_err());
    assert_eq!(client.feed(&server.wire()).unwrap_err().code(), Code::TlsIncompatible);
}

#[test]
fn unknown_issuers_are_named() {
    let root = Authority::named("company root");
    let between = root.below("the one in between");
    let leaf = between.issue(|_| {});
    let with = |more: &[Vec<u8>]| {
        let mut identity = leaf.clone();
        identity.chain.extend(more.iter().map(|der| CertificateDer::from(der.clone())));
        outcome(&trusting(&[Authority::get().root()]), identity.server(&[TLS13])).unwrap_err()
    };
    let mut own = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    own.distinguished_name.push(rcgen::DnType::CommonName, "my server");
    let key = KeyPair::generate().unwrap();
    let own = Identity { chain: vec![own.self_signed(&key).unwrap().der().clone()], key: key.serialize_der() };
    for (error, words) in [
        (with(&[]), "its issuer \"the one in between\" is not trusted and was not sent"),
        (with(&[between.root()]), "its issuer \"company root\" is not trusted and was not sent"),
        (with(&[between.root(), root.root()]), "its authority \"company root\" is not trusted; to trust it, add"),
        // RFC 8446 4.4.2: "all implementations SHOULD be prepared to handle potentially extraneous certificates".
        (with(&[root.root(), between.root()]), "its authority \"company root\" is not trusted; to trust it, add"),
        (
            outcome(&trusting(&[Authority::get().root()]), own.server(&[TLS13])).unwrap_err(),
            "it is self-signed by \"my server\"; to trust it, add it as a root",
        ),
    ] {
        assert_eq!(error.code(), Code::TlsUnknownIssuer);
        let said = format!("certificate leads to no trusted root: {words}");
        assert!(error.to_string().starts_with(&said), "{error}");
    }
    // In any order, when the root is trusted.
    let mut identity = leaf.clone();
    identity.chain.extend([root.root().into(), between.root().into()]);
    assert_eq!(code(&trusting(&[root.root()]), identity.server(&[TLS13])), None);
}

/// How the second of two handshakes with one configuration goes, on the server's word.
fn second(version: &'static SupportedProtocolVersion, first: &TlsConfig, then: &TlsConfig) -> HandshakeKind {
    let server = Arc::new(asking(version));
    let mut kinds = [first, then].map(|config| {
        let (mut client, mut server) = (Client::new(config, "a.example"), Server::new(&server));
        let behind = shake(&mut client, &mut server, usize::MAX).unwrap();
        client.feed(&behind).unwrap();
        server.tls.handshake_kind().unwrap()
    });
    assert_eq!(kinds[0], HandshakeKind::Full);
    std::mem::replace(&mut kinds[1], HandshakeKind::Full)
}

#[test]
fn sessions_are_resumed_within_a_configuration_and_never_across_two() {
    for version in [TLS13, TLS12] {
        let options = known_by(Authority::get());
        let config = TlsConfig::new(&options).unwrap();
        assert_eq!(second(version, &config, &config), HandshakeKind::Resumed);
        let other = TlsConfig::new(&options).unwrap();
        assert_eq!(second(version, &other, &TlsConfig::new(&options).unwrap()), HandshakeKind::Full);
    }
}
