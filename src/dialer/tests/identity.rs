//! Client certificates and their keys, as OpenSSL writes them (`pem/`), and directories of roots.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("pem/", $name, ".pem"))
    };
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("wsdial-dialer-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn keys_of_every_kind_fit_their_certificates_apart_and_in_one_file() {
    let folder = Folder::new("kinds");
    for (cert, key) in [
        (pem!("ec"), pem!("ec-sec1")),
        (pem!("ec"), pem!("ec-pkcs8")),
        (pem!("rsa"), pem!("rsa-pkcs1")),
        (pem!("ed"), pem!("ed25519")),
    ] {
        let mut dialers = [const { None }; 5].map(|_: Option<()>| Dialer::new());
        let (cert_file, key_file) = (folder.file("cert", cert), folder.file("key", key));
        let together = format!("{key}{cert}");
        let both = folder.file("both", &together);
        dialers[0].set_client_cert_file(&cert_file, Some(&key_file)).unwrap();
        dialers[1].set_client_cert_file(&both, None).unwrap();
        dialers[2].set_client_cert_pem(cert.as_bytes(), Some(key.as_bytes())).unwrap();
        dialers[3].set_client_cert_pem(together.as_bytes(), None).unwrap();
        // More certificates behind the first lead to an authority.
        let chain = format!("{cert}{}", certificate());
        dialers[4].set_client_cert_pem(chain.as_bytes(), Some(key.as_bytes())).unwrap();
        assert!(dialers[..4].iter().all(|dialer| dialer.tls == dialers[0].tls));
        assert_ne!(dialers[4].tls, dialers[0].tls);
        assert_ne!(dialers[0].tls, Dialer::new().tls);
        assert!(!format!("{:?}", dialers[0]).contains("MI"), "a key is secret");
    }
}

#[test]
fn a_key_that_does_not_fit_is_told_so_and_nothing_changes() {
    let mut dialer = Dialer::new();
    let refusals = [
        (
            refused(dialer.set_client_cert_pem(pem!("ec").as_bytes(), Some(pem!("rsa-pkcs1").as_bytes()))),
            "the private key does not fit the certificate",
        ),
        (
            refused(dialer.set_client_cert_pem(
                format!("{}{}", pem!("rsa"), pem!("ec")).as_bytes(),
                Some(pem!("ec-sec1").as_bytes()),
            )),
            "the private key fits certificate 2 of 2, which must come first, before those that lead to an authority",
        ),
    ];
    for ((code, text), expected) in refusals {
        assert_eq!((code, &text[..]), (Code::OptionKey, expected));
    }
    assert_eq!(dialer.tls, Dialer::new().tls);
}

#[test]
fn keys_that_cannot_be_used_are_told_why_and_in_which_file() {
    let two = format!("{}{}", pem!("ec-sec1"), pem!("ec-pkcs8"));
    let encrypted = "the private key is encrypted; give it without a password";
    for (key, expected) in [
        (pem!("encrypted-pkcs1"), encrypted),
        (pem!("encrypted-pkcs8"), encrypted),
        (pem!("p521"), "the private key (SEC1) is of a kind or size that cannot be used; RSA of 2048 to 4096 bits"),
        (&two, "the PEM has 2 private keys, which one is meant?"),
        (pem!("ec"), "the PEM has no private key, what was found is \"CERTIFICATE\""),
        ("", "the PEM is empty"),
        ("hello", "the PEM has no private key, there is no line -----BEGIN PRIVATE KEY-----"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "the private key (PKCS#8) is of a kind"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "section 1 of the PEM has no end"),
    ] {
        let (code, text) = refused(Dialer::new().set_client_cert_pem(pem!("ec").as_bytes(), Some(key.as_bytes())));
        assert_eq!(code, Code::OptionPem);
        assert!(text.starts_with(expected), "{text}");
    }
    let folder = Folder::new("unusable");
    let (cert, key) = (folder.file("cert", pem!("ec")), folder.file("key", pem!("encrypted-pkcs8")));
    let (code, text) = refused(Dialer::new().set_client_cert_file(&cert, Some(&key)));
    assert_eq!(code, Code::OptionPem);
    assert!(text.starts_with(&format!("{}: the private key is encrypted", key.display())), "{text}");
    let (code, text) = refused(Dialer::new().set_client_cert_file(&key, Some(&cert)));
    assert_eq!(code, Code::OptionPem);
    assert!(text.starts_with(&format!("{}: the PEM has no certificate", key.display())), "{text}");
    let (code, _) = refused(Dialer::new().set_client_cert_file(&cert, Some(&folder.0.join("missing"))));
    assert_eq!(code, Code::OptionFile);
}

#[test]
fn a_directory_of_roots_is_read_without_what_is_none() {
    let folder = Folder::new("directory");
    let first = certificate();
    folder.file("b.pem", &first);
    folder.file("a.crt", certificate() + &certificate());
    folder.file("README", "no certificates in here");
    folder.file("key.pem", pem!("ec-sec1"));
    folder.file(".hidden", "-----BEGIN CERTIFICATE-----\nbroken");
    fs::create_dir(folder.0.join("below")).unwrap();
    symlink("b.pem", folder.0.join("0a1b2c3d.0")).unwrap();
    symlink("nowhere", folder.0.join("4e5f6a7b.0")).unwrap();
    let mut dialer = Dialer::new();
    dialer.add_ca_pem(first.as_bytes()).unwrap();
    dialer.add_ca_dir(&folder.0).unwrap();
    assert_eq!(dialer.tls.roots.len(), 3, "a link shows nothing new, and none counts twice");

    let broken = folder.file("c.pem", "-----BEGIN CERTIFICATE-----\nbroken");
    let text = format!("{}: section 1 of the PEM has no end", broken.display());
    assert_eq!(refused(dialer.add_ca_dir(&folder.0)), (Code::OptionPem, text));
    assert_eq!(dialer.tls.roots.len(), 3);
    let text = format!("{}: no file in this directory has a certificate as PEM", folder.0.join("below").display());
    assert_eq!(refused(dialer.add_ca_dir(&folder.0.join("below"))), (Code::OptionPem, text));
    let error = dialer.add_ca_dir(&folder.0.join("nowhere")).unwrap_err();
    assert_eq!((error.code(), error.os_error()), (Code::OptionFile, libc::ENOENT));
    let error = dialer.add_ca_dir(&broken).unwrap_err();
    assert_eq!((error.code(), error.os_error()), (Code::OptionFile, libc::ENOTDIR));
}

#[test]
fn the_lowest_version_is_one_that_is_spoken() {
    let mut dialer = Dialer::new();
    dialer.set_min_tls(0x0304).unwrap();
    assert!(dialer.tls.only_tls13);
    for old in [0x0300, 0x0301, 0x0302] {
        let (code, text) = refused(dialer.set_min_tls(old));
        assert_eq!(code, Code::OptionValue);
        assert!(text.contains("broken and not spoken"), "{text}");
    }
    for wrong in [0, 12, 0x0305, 0xffff] {
        assert_eq!(refused(dialer.set_min_tls(wrong)).0, Code::OptionValue);
    }
    assert!(dialer.tls.only_tls13);
    dialer.set_min_tls(0x0303).unwrap();
    assert_eq!(dialer.tls, Dialer::new().tls);
}

#[test]
fn a_key_log_is_a_file_of_its_owner_that_is_appended_to() {
    let folder = Folder::new("log");
    let path = folder.0.join("keys");
    let mut dialer = Dialer::new();
    dialer.set_key_log_file(Some(&path)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    dialer.tls.key_log.as_ref().unwrap().write("LABEL", &[0, 0xab], &[0xff]);
    let other = folder.file("other", "before\n");
    dialer.set_key_log_file(Some(&other)).unwrap();
    dialer.tls.key_log.as_ref().unwrap().write("LABEL", &[1], &[2]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "LABEL 00ab ff\n");
    assert_eq!(fs::read_to_string(&other).unwrap(), "before\nLABEL 01 02\n");
    for wrong in [&folder.0, &PathBuf::from("/dev/null"), &folder.0.join("no/such/folder")] {
        assert_eq!(refused(dialer.set_key_log_file(Some(wrong))).0, Code::OptionFile);
    }
    let fifo = folder.0.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let (code, text) = refused(dialer.set_key_log_file(Some(&fifo)));
    assert_eq!(
        (code, text),
        (Code::OptionFile, format!("{}: a key log is a regular file, and this is none", fifo.display()))
    );
    assert!(dialer.tls.key_log.is_some(), "a refusal changes nothing");
    dialer.set_key_log_file(None).unwrap();
    assert_eq!(dialer.tls, Dialer::new().tls);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = Folder::new("pipes");
    let fifo = folder.0.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut dialer = Dialer::new();
    for path in [fifo, PathBuf::from("/dev/zero"), PathBuf::from("/dev/null")] {
        let expected =
            format!("{}: certificates and keys are read from a regular file, and this is none", path.display());
        assert_eq!(refused(dialer.add_ca_file(&path)), (Code::OptionFile, expected.clone()));
        assert_eq!(refused(dialer.set_client_cert_file(&path, None)), (Code::OptionFile, expected));
    }
}
