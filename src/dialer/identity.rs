//! A client's certificate with its chain and private key, out of PEM, checked against each other.

use std::fmt;
use std::sync::Arc;

use rustls::Error as Cause;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::SectionKind;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{crypto, pem};
use crate::error::Code;

/// Who we are: a certificate, those that lead from it to an authority, and the private key.
pub(crate) struct Identity(pub(crate) Arc<CertifiedKey>);

/// Why there is no identity in the PEM.
pub(super) struct Unfit {
    pub(super) code: Code,
    pub(super) what: String,
    /// Whether it is about the key, which may be in another file than the certificate.
    pub(super) is_of_key: bool,
}

const SUPPORTED: &str = "RSA of 2048 to 4096 bits, ECDSA over P-256 or P-384, and Ed25519 are supported";

impl Identity {
    /// Without `key` the key is in `cert`.
    pub(super) fn from_pem(cert: &[u8], key: Option<&[u8]>) -> Result<Identity, Unfit> {
        let of_cert = |what| Unfit { code: Code::OptionPem, what, is_of_key: false };
        let of_key = |what| Unfit { code: Code::OptionPem, what, is_of_key: true };
        let chain: Vec<_> = pem::certificates(cert).map_err(of_cert)?.into_iter().map(CertificateDer::from).collect();
        let key = private_key(key.unwrap_or(cert)).map_err(of_key)?;
        let kind = match &key {
            PrivateKeyDer::Pkcs1(_) => "PKCS#1",
            PrivateKeyDer::Sec1(_) => "SEC1",
            _ => "PKCS#8",
        };
        let key = crypto().key_provider.load_private_key(key).map_err(|_| {
            of_key(format!("the private key ({kind}) is of a kind or size that cannot be used; {SUPPORTED}"))
        })?;
        let certified = CertifiedKey::new(chain, key);
        let Err(cause) = certified.keys_match() else { return Ok(Identity(Arc::new(certified))) };
        if !matches!(cause, Cause::InconsistentKeys(_)) {
            return Err(of_cert("the first certificate of the PEM cannot be read".to_owned()));
        }
        Err(Unfit { code: Code::OptionKey, what: unequal(certified), is_of_key: true })
    }
}

/// What to say of a key that does not fit the first certificate.
fn unequal(CertifiedKey { cert, key, .. }: CertifiedKey) -> String {
    let count = cert.len();
    let fits = |der: &CertificateDer<'static>| CertifiedKey::new(vec![der.clone()], key.clone()).keys_match().is_ok();
    match cert.iter().position(fits) {
        Some(at) => format!(
            "the private key fits certificate {} of {count}, which must come first, before those that lead to an authority",
            at + 1
        ),
        None => "the private key does not fit the certificate".to_owned(),
    }
}

/// The only private key in the PEM.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    // RFC 1421 4.6.1.1, as OpenSSL writes PKCS#1 and SEC1 under a password; PKCS#8 has a label of its own.
    if contains(pem, b"Proc-Type: 4,ENCRYPTED") || contains(pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        let detail = "the private key is encrypted; give it without a password (openssl pkey -in KEY -out PLAIN)";
        return Err(detail.to_owned());
    }
    let mut keys = Vec::new();
    for (kind, der) in pem::sections(pem)? {
        keys.push(match kind {
            SectionKind::PrivateKey => PrivateKeyDer::Pkcs8(der.into()),
            SectionKind::RsaPrivateKey => PrivateKeyDer::Pkcs1(der.into()),
            SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(der.into()),
            _ => continue,
        });
    }
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (Some(_), more) => Err(format!("the PEM has {} private keys, which one is meant?", more + 1)),
        (None, _) => Err(pem::nothing_found(pem, "private key", "PRIVATE KEY")),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl PartialEq for Identity {
    /// A key fits its certificate, so equal certificates have equal keys.
    fn eq(&self, other: &Identity) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.0.cert.len())
    }
}
