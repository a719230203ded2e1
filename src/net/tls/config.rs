//! The configuration of TLS connections: trust roots, versions, kept sessions.
//!
//! Expensive to make (the operating system's trust store is read and parsed), cheap to share.
use std::path::PathBuf;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, KeyLog, RootCertStore, SupportedProtocolVersion};
use rustls_native_certs::ErrorKind;

use super::failure::refusal;
use super::verify::{Nobody, Verifier};
use crate::dialer::{KeyLogFile, TlsOptions, crypto};
use crate::error::{Code, Error};
use crate::net::sys::PerProcess;

/// A configuration made from options: roots parsed, sessions kept.
#[derive(Clone, Debug)]
pub(crate) struct TlsConfig(pub(super) Arc<ClientConfig>);

impl TlsConfig {
    /// Reads the operating system's trust store when asked to, so: once for each dialer.
    pub(crate) fn new(options: &TlsOptions) -> Result<TlsConfig, Error> {
        let versions: &[&SupportedProtocolVersion] = if options.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let builder = ClientConfig::builder_with_provider(crypto())
            .with_protocol_versions(versions)
            .map_err(|error| refusal(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(options)?);
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certified = CertifiedKey::clone(&identity.0);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        };
        // RFC 7301: a server that speaks several protocols is told which one follows. WebSocket begins as HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Kept with the configuration, so never used under other decisions: they are proof of a judgement made before.
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        if let Some(file) = &options.key_log {
            config.key_log = Arc::new(Log(file.clone()));
        }
        Ok(TlsConfig(Arc::new(config)))
    }

    /// The configuration of dialers that decide nothing about TLS: the operating system's roots. Made once for the
    /// process, and anew in a forked child, as sessions are kept under a lock that may have been held when it was forked;
    /// a failure is not kept, so that a trust store that appears later is found.
    pub(crate) fn default_config() -> Result<TlsConfig, Error> {
        static DEFAULT: PerProcess<OnceCell<TlsConfig>> = PerProcess::new();
        DEFAULT.get().get_or_try_init(|| TlsConfig::new(&TlsOptions::default())).cloned()
    }
}

/// Tickets that are kept, 8 for each server: of 32 servers, the oldest going first.
const SESSIONS: usize = 256;

fn verifier(options: &TlsOptions) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if options.insecure_skip_verify {
        return Ok(Arc::new(Nobody));
    }
    Ok(Arc::new(Verifier::new(roots(options)?, &options.roots)?))
}

/// Writes what rustls gives away to the user's file.
#[derive(Debug)]
struct Log(Arc<KeyLogFile>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.0.write(label, client_random, secret);
    }
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for (index, der) in options.roots.iter().enumerate() {
        roots.add(CertificateDer::from_slice(der)).map_err(|error| {
            let position = index + 1;
            let why = refusal(&error);
            Error::new(Code::TlsRoots, format!("the trust root number {position} that was added is unusable: {why}"))
        })?;
    }
    if !options.system_roots {
        if roots.is_empty() {
            let detail = "the operating system's trust roots are switched off and none were added";
            return Err(Error::new(Code::TlsRoots, detail));
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    if let Some(error) = out_of_descriptors(&found.errors) {
        return Err(error);
    }
    // Trust stores have always held a few oddities; one that cannot be read trusts nobody.
    let (_, odd) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(no_roots(odd, &found.errors));
    }
    Ok(roots)
}

/// A process that may open no more files says nothing about its trust store; a part of the store is not taken for all.
fn out_of_descriptors(errors: &[rustls_native_certs::Error]) -> Option<Error> {
    errors.iter().find_map(|error| {
        let ErrorKind::Io { inner, path } = &error.kind else { return None };
        let number = inner.raw_os_error().filter(|number| [libc::EMFILE, libc::ENFILE].contains(number))?;
        let text = format!("the operating system's trust roots cannot be read: {}", path.display());
        Some(Error::from_io(Code::Io, &text, &std::io::Error::from_raw_os_error(number)))
    })
}

fn no_roots(odd: usize, errors: &[rustls_native_certs::Error]) -> Error {
    let mut detail = format!("no trust root was found in {}", places());
    if odd > 0 {
        detail += &format!("; {odd} certificates there are unusable");
    }
    for error in errors.iter().take(3) {
        detail += &format!("; {error}");
    }
    Error::new(Code::TlsRoots, detail)
}

fn places() -> String {
    let named: Vec<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .filter_map(|name| Some(format!("{name} ({})", PathBuf::from(std::env::var_os(name)?).display())))
        .collect();
    if named.is_empty() {
        return "the operating system's trust store (SSL_CERT_FILE and SSL_CERT_DIR are not set)".to_owned();
    }
    named.join(" and ")
}
