//! Who the server is: webpki's judgement (RFC 5280, RFC 9525), and what it leaves to be said or done.
//!
//! One thing is accepted that webpki refuses: a certificate that is itself, byte for byte, one of the roots that the
//! user added, be it an authority's (companies' test servers show their own authority) or another authority's work. It
//! is trusted by name already; dates, host name, purpose and the handshake's signature are checked as with any other.
//! OpenSSL, Go and browsers accept the same. The operating system's roots get no such credit.
use std::cell::Cell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as Cause, RootCertStore, SignatureScheme};

use super::failure::refusal;
use super::x509::Certificate;
use crate::dialer::crypto;
use crate::error::{Code, Error};

/// The least that RSA keys have by the rules of browsers and authorities, and that our cryptography takes.
const RSA_BITS: usize = 2048;

thread_local! {
    /// What the last refusal on this thread should say. rustls's errors have no room for it, but choose the alert.
    static BETTER: Cell<Option<Error>> = const { Cell::new(None) };
}

/// The failure that `cause` is, in the verifier's own words where it had any. To be called on the thread that rustls
/// gave the error to, at once.
pub(super) fn refused(cause: &Cause, otherwise: fn(&Cause) -> Error) -> Error {
    match (BETTER.take(), cause) {
        (Some(better), Cause::InvalidCertificate(_)) => better,
        _ => otherwise(cause),
    }
}

/// Lets trusted roots judge.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// The roots that the user added.
    added: Vec<Vec<u8>>,
}

impl Verifier {
    pub(super) fn new(roots: RootCertStore, added: &[Vec<u8>]) -> Result<Verifier, Error> {
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto())
            .build()
            .map_err(|cause| Error::new(Code::TlsRoots, format!("the trust roots are unusable: {cause}")))?;
        Ok(Verifier { webpki, added: added.to_vec() })
    }

    fn is_added(&self, certificate: &CertificateDer<'_>) -> bool {
        self.added.iter().any(|added| added[..] == **certificate)
    }

    /// What is left to check of a certificate that is trusted itself. webpki has checked the dates before it gave one
    /// of the refusals of [`is_about_trust`].
    fn accept_added(end: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<ServerCertVerified, Cause> {
        let is_for_servers = Certificate::read(end).is_some_and(|read| read.is_for_servers());
        if !is_for_servers {
            return Err(CertificateError::InvalidPurpose.into());
        }
        rustls::client::verify_server_name(&ParsedCertificate::try_from(end)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Cause> {
        BETTER.take();
        let judged = match self.webpki.verify_server_cert(end, between, name, ocsp, now) {
            Err(cause) if is_about_trust(&cause) && self.is_added(end) => Verifier::accept_added(end, name),
            judged => judged,
        };
        if let Err(Cause::InvalidCertificate(why)) = &judged {
            BETTER.set(better(why, end, between));
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Cause> {
        check_signature(verify_tls12_signature, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Cause> {
        check_signature(verify_tls13_signature, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Takes any certificate, for any name, of any time; that the peer has its key is checked.
#[derive(Debug)]
pub(super) struct Nobody;

impl ServerCertVerifier for Nobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Cause> {
        BETTER.take();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Cause> {
        check_signature(verify_tls12_signature, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Cause> {
        check_signature(verify_tls13_signature, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto().signature_verification_algorithms.supported_schemes()
    }
}

type Check = fn(
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
    &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Cause>;

fn check_signature(
    check: Check,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Cause> {
    BETTER.take();
    let checked = check(message, certificate, signed, &crypto().signature_verification_algorithms);
    if checked.is_err() {
        BETTER.set(Certificate::read(certificate).and_then(|read| weak(&read)));
    }
    checked
}

/// Whether nothing is wrong with the certificate itself but that nobody vouches for it in the way that webpki asks for.
fn is_about_trust(cause: &Cause) -> bool {
    match cause {
        Cause::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => true,
        Cause::InvalidCertificate(CertificateError::Other(other)) => other.to_string() == "CaUsedAsEndEntity",
        _ => false,
    }
}

/// What can be said beyond rustls's own words.
fn better(why: &CertificateError, end: &CertificateDer<'_>, between: &[CertificateDer<'_>]) -> Option<Error> {
    let end = Certificate::read(end)?;
    let between: Vec<Certificate<'_>> = between.iter().filter_map(|der| Certificate::read(der)).collect();
    match why {
        CertificateError::UnknownIssuer => Some(unknown_issuer(&end, &between)),
        CertificateError::BadSignature => {
            let text =
                "a signature in the certificate chain is wrong (forged, or made by another authority of the same name)";
            let weakest = std::iter::once(&end).chain(&between).find_map(weak);
            Some(weakest.unwrap_or_else(|| Error::new(Code::TlsBadSignature, text)))
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            let subject = end.subject()?;
            let plain = refusal(&Cause::InvalidCertificate(why.clone())).to_string();
            let hint = format!("{plain} (its subject {subject} does not count, only subject alternative names do)");
            Some(Error::new(Code::TlsWrongHost, hint))
        }
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" && end.is_issued_by(&end) => {
            let subject = end.subject().unwrap_or_else(|| "without a name".to_owned());
            let text = format!(
                "certificate is self-signed by the authority {subject}, which is not among the roots that were added"
            );
            Some(Error::new(Code::TlsUnknownIssuer, text))
        }
        _ => None,
    }
}

fn weak(certificate: &Certificate<'_>) -> Option<Error> {
    let bits = certificate.rsa_bits().filter(|&bits| bits < RSA_BITS)?;
    let subject = certificate.subject().map(|subject| format!(" of {subject}")).unwrap_or_default();
    let text = format!("certificate{subject} has an RSA key of {bits} bits, which is weak: {RSA_BITS} are the least");
    Some(Error::new(Code::TlsWeakKey, text))
}

fn unknown_issuer(end: &Certificate<'_>, between: &[Certificate<'_>]) -> Error {
    let mut last = end;
    // As many steps as there are certificates: a circle ends too.
    for _ in between {
        match between.iter().find(|other| last.is_issued_by(other)) {
            Some(issuer) if !last.is_issued_by(last) => last = issuer,
            _ => break,
        }
    }
    let quote = |name: Option<String>| name.unwrap_or_else(|| "somebody without a name".to_owned());
    let why = if end.is_issued_by(end) {
        format!("it is self-signed by {}; to trust it, add it as a root", quote(end.subject()))
    } else if last.is_issued_by(last) {
        format!("its authority {} is not trusted; to trust it, add it as a root", quote(last.subject()))
    } else {
        let issuer = quote(last.issuer());
        format!(
            "its issuer {issuer} is not trusted and was not sent (an unknown authority, or an intermediate is missing)"
        )
    };
    Error::new(Code::TlsUnknownIssuer, format!("certificate leads to no trusted root: {why}"))
}
