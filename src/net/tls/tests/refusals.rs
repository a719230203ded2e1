//! Peers that must be refused, and what is said of them.
use rcgen::string::Ia5String;
use rcgen::{SanType, date_time_ymd};

use super::*;

/// Dials `server` as `a.example`: the refusal, and what the alert makes the server say.
fn refused(config: &TlsConfig, server: ServerConfig) -> (Error, String) {
    let (mut client, mut server) = (Client::new(config, "a.example"), Server::new(&Arc::new(server)));
    let error = shake(&mut client, &mut server, usize::MAX).unwrap_err();
    let again = client.feed(b"").unwrap_err();
    assert_eq!((again.code(), again.to_string()), (error.code(), error.to_string()), "a refusal is for ever");
    assert_eq!(client.tls.seal(b"x", &mut client.out).unwrap_err().code(), error.code());
    let told = server.feed(&client.wire()).map_or_else(|error| error.to_string(), |()| "nothing".to_owned());
    (error, told)
}

#[test]
fn every_bad_certificate_has_its_code_its_sentence_and_its_alert() {
    let authority = Authority::get();
    let config = good_client();
    let expired = authority.issue(|params| params.not_after = date_time_ymd(2026, 1, 2));
    let future = authority.issue(|params| params.not_before = date_time_ymd(2999, 12, 31));
    let other = authority.issue(|params| {
        let name = SanType::DnsName(Ia5String::try_from("*.b.example").unwrap());
        params.subject_alt_names = vec![name, SanType::IpAddress("10.0.0.1".parse().unwrap())];
    });
    let nameless = authority.issue(|params| params.subject_alt_names.clear());
    let stranger = Authority::new().issue(|_| {});
    let for_clients = authority.issue(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let mut forged = Identity::good();
    let mut bytes = forged.chain[0].to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    forged.chain[0] = bytes.into();
    for (identity, code, sentence, alert) in [
        (
            expired,
            Code::TlsExpired,
            "certificate expired on 2026-01-02 00:00:00 UTC (not after; it is ",
            "CertificateExpired",
        ),
        (
            future,
            Code::TlsNotYetValid,
            "certificate is not valid before 2999-12-31 00:00:00 UTC (it is ",
            "CertificateExpired",
        ),
        (other, Code::TlsWrongHost, "certificate is not for a.example but for *.b.example, 10.0.0.1", "BadCertificate"),
        (
            nameless,
            Code::TlsWrongHost,
            "certificate is not for a.example but for no name at all (its subject",
            "BadCertificate",
        ),
        (stranger, Code::TlsUnknownIssuer, "certificate leads to no trusted root", "UnknownCA"),
        (for_clients, Code::TlsCertificate, "certificate is not for servers", "UnsupportedCertificate"),
        (forged, Code::TlsBadSignature, "a signature in the certificate chain", "DecryptError"),
    ] {
        for version in [TLS13, TLS12] {
            let (error, told) = refused(&config, identity.clone().server(&[version]));
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().starts_with(sentence), "{error}");
            assert!(told.ends_with(alert), "{told}");
        }
    }
}

#[test]
fn a_chain_without_its_intermediate_is_refused_and_with_it_accepted() {
    let root = Authority::get();
    let between = root.below("the one in between");
    let mut identity = between.issue(|_| {});
    let (error, _) = refused(&good_client(), identity.clone().server(&[TLS13]));
    assert_eq!(error.code(), Code::TlsUnknownIssuer);
    identity.chain.push(between.root().into());
    let mut client = Client::new(&good_client(), "a.example");
    shake(&mut client, &mut Server::new(&Arc::new(identity.server(&[TLS13]))), usize::MAX).unwrap();
}

#[test]
fn a_server_that_wants_a_client_certificate_ends_it_with_an_alert() {
    let mut roots = RootCertStore::empty();
    roots.add(Authority::get().root().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let identity = Identity::good();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, PrivatePkcs8KeyDer::from(identity.key).into())
        .unwrap();
    let (mut client, mut server) = (Client::new(&good_client(), "a.example"), Server::new(&Arc::new(config)));
    // In TLS 1.3 the client is done before the server has judged it.
    let alert = shake(&mut client, &mut server, usize::MAX).unwrap();
    let error = client.feed(&alert).unwrap_err();
    assert_eq!(error.code(), Code::TlsAlert);
    assert!(error.to_string().ends_with("certificate required (it asks for a client certificate)"), "{error}");
}

#[test]
fn a_server_that_speaks_only_another_protocol_is_incompatible() {
    let mut config = Identity::good().server(&[TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (error, _) = refused(&good_client(), config);
    assert_eq!(error.code(), Code::TlsIncompatible, "{error}");
}

#[test]
fn old_versions_and_other_protocols_are_refused_as_what_they_are() {
    let mut hello = vec![22, 3, 2, 0, 44, 2, 0, 0, 40, 3, 2];
    hello.extend([9; 32]);
    hello.extend([0, 0xc0, 0x13, 0, 0, 0]);
    for (bytes, code, sentence) in [
        (&hello[..], Code::TlsIncompatible, "the peer and we have nothing in common"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Code::Tls, "the peer's bytes are not TLS (should the address be ws?)"),
        (
            b"\x15\x03\x03\x00\x02\x02\x28",
            Code::TlsIncompatible,
            "the peer finds nothing in common: alert handshake failure",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x70", Code::TlsAlert, "the peer sent the alert unrecognised name"),
        (b"\x16\x03\x03\xff\xff\x02", Code::Tls, "the peer's bytes are not TLS"),
    ] {
        for portion in [1, 3, usize::MAX] {
            let mut client = Client::new(&good_client(), "a.example");
            client.feed(b"").unwrap();
            client.wire();
            let error = bytes.chunks(portion).find_map(|part| client.feed(part).err()).expect("no refusal");
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().starts_with(sentence), "{error}");
        }
    }
}

#[test]
fn a_changed_record_is_refused_and_the_peer_told_even_in_the_midst_of_a_message_in_pieces() {
    let mut config = Identity::good().server(&[TLS13]);
    config.max_fragment_size = Some(48);
    for cut in [0, 2] {
        let (mut client, mut server) =
            (Client::new(&good_client(), "a.example"), Server::new(&Arc::new(config.clone())));
        let mut tickets = shake(&mut client, &mut server, usize::MAX).unwrap();
        // Records of 48 bytes: the one at `cut` is changed.
        tickets[48 * cut + 20] ^= 1;
        let error = client.feed(&tickets).unwrap_err();
        assert_eq!(
            (error.code(), &error.to_string()[..]),
            (Code::Tls, "a record of the peer's was changed on its way")
        );
        let told = server.feed(&client.wire()).unwrap_err();
        assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
    }
}

#[test]
fn roots_that_are_none_are_named() {
    let error = TlsConfig::new(&trusting(&[])).unwrap_err();
    assert_eq!(error.code(), Code::TlsRoots);
    let error = TlsConfig::new(&trusting(&[Authority::get().root(), b"no certificate".to_vec()])).unwrap_err();
    assert_eq!(error.code(), Code::TlsRoots);
    assert!(error.to_string().starts_with("the trust root number 2 that was added is unusable: "), "{error}");
}

/// Runs one test of this binary in a process of its own, whose environment may be changed; says whether this is it.
fn runs_alone(test: &str, file: &std::path::Path) -> bool {
    if std::env::var_os("WSDIAL_ALONE").is_some() {
        return true;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("net::tls::tests::refusals::{test}")])
        .env("WSDIAL_ALONE", "1")
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .status()
        .unwrap();
    assert!(status.success());
    false
}

#[test]
fn the_environment_names_the_systems_roots_and_one_that_cannot_be_read_is_passed_over() {
    let file = std::env::temp_dir().join(format!("wsdial-roots-{}.pem", std::process::id()));
    let (certificate, key) = (file.with_extension("cert"), file.with_extension("key"));
    if std::env::var_os("WSDIAL_ALONE").is_none() {
        let identity = Identity::good();
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&file, format!("{odd}{}", Authority::get().issuer.pem())).unwrap();
        std::fs::write(&certificate, &identity.chain[0]).unwrap();
        std::fs::write(&key, &identity.key).unwrap();
    }
    if !runs_alone("the_environment_names_the_systems_roots_and_one_that_cannot_be_read_is_passed_over", &file) {
        for file in [&file, &certificate, &key] {
            std::fs::remove_file(file).unwrap();
        }
        return;
    }
    let config = TlsConfig::default_config().unwrap();
    assert!(Arc::ptr_eq(&config.0, &TlsConfig::default_config().unwrap().0), "read once");
    let file = std::path::PathBuf::from(std::env::var_os("SSL_CERT_FILE").unwrap());
    let read = |extension: &str| std::fs::read(file.with_extension(extension)).unwrap();
    let identity = Identity { chain: vec![read("cert").into()], key: read("key") };
    let mut client = Client::new(&config, "a.example");
    shake(&mut client, &mut Server::new(&Arc::new(identity.server(&[TLS13]))), usize::MAX).unwrap();
    // Beside the system's own, and instead of them.
    let beside = TlsOptions { system_roots: true, ..trusting(&[Authority::get().root()]) };
    for options in [beside, trusting(&[Authority::get().root()])] {
        let mut client = Client::new(&TlsConfig::new(&options).unwrap(), "a.example");
        shake(&mut client, &mut Server::new(&good_server(&[TLS13])), usize::MAX).unwrap();
    }
}

#[test]
fn a_system_without_roots_is_told_where_they_were_looked_for() {
    let file = std::path::Path::new("/nowhere/roots.pem");
    if !runs_alone("a_system_without_roots_is_told_where_they_were_looked_for", file) {
        return;
    }
    let error = TlsConfig::default_config().unwrap_err();
    assert_eq!(error.code(), Code::TlsRoots);
    let text = error.to_string();
    assert!(text.starts_with("no trust root was found in SSL_CERT_FILE (/nowhere/roots.pem); "), "{text}");
    assert!(text.contains("No such file or directory"), "{text}");
}
