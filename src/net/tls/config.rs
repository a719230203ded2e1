//! The configuration of TLS connections: trust roots, versions, kept sessions.
//!
//! Expensive to make (the operating system's trust store is read and parsed), cheap to share.
use std::path::PathBuf;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::failure::refusal;
use crate::dialer::TlsOptions;
use crate::error::{Code, Error};
use crate::net::sys::PerProcess;

/// A configuration made from options: roots parsed, sessions kept.
#[derive(Clone, Debug)]
pub(crate) struct TlsConfig(pub(super) Arc<ClientConfig>);

impl TlsConfig {
    /// Reads the operating system's trust store when asked to, so: once for each dialer.
    pub(crate) fn new(options: &TlsOptions) -> Result<TlsConfig, Error> {
        TlsConfig::with_roots(roots(options)?)
    }

    /// The configuration of dialers that decide nothing about TLS: the operating system's roots. Made once for the
    /// process, and anew in a forked child, as sessions are kept under a lock that may have been held when it was forked;
    /// a failure is not kept, so that a trust store that appears later is found.
    pub(crate) fn default_config() -> Result<TlsConfig, Error> {
        static DEFAULT: PerProcess<OnceCell<TlsConfig>> = PerProcess::new();
        let options = TlsOptions { roots: Vec::new(), system_roots: true, server_name: None };
        DEFAULT.get().get_or_try_init(|| TlsConfig::new(&options)).cloned()
    }

    fn with_roots(roots: RootCertStore) -> Result<TlsConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| refusal(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // RFC 7301: a server that speaks several protocols is told which one follows. WebSocket begins as HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConfig(Arc::new(config)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceCell<Arc<CryptoProvider>> = OnceCell::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
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
    // Trust stores have always held a few oddities; one that cannot be read trusts nobody.
    let (_, odd) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(no_roots(odd, &found.errors));
    }
    Ok(roots)
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
