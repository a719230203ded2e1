//! What the user decided about TLS.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls_pki_types::ServerName;

use super::identity::Identity;
use super::key_log::KeyLogFile;
use super::{Dialer, pem};
use crate::error::{Code, Error, quoted};

/// A file of certificates or keys is some hundred KiB; a device that never ends is no such file.
const MAX_FILE: u64 = 16 << 20;

/// More entries are no directory of trust roots.
const MAX_ENTRIES: usize = 10_000;

/// The numbers of the versions on the wire (RFC 8446 4.2.1).
const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// The cryptography of TLS: given explicitly and never installed as the process's default, which belongs to the program
/// that we are linked into. Its suites, but those with AES-128 and SHA-256 first, as browsers and Go have them: the server
/// mostly takes our first, and processors compute SHA-256 several times as fast as the SHA-384 of the AES-256 suites.
pub(crate) fn crypto() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let ordered = || {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.sort_by_key(|suite| {
            let is_short = suite.suite().as_str().is_some_and(|name| name.contains("AES_128"));
            (suite.tls13().is_none(), !is_short)
        });
        Arc::new(provider)
    };
    PROVIDER.get_or_init(ordered).clone()
}

/// The decisions about TLS. Two dialers with equal ones may share a configuration and its sessions.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// Trust roots of the user's, DER, none twice.
    pub(crate) roots: Vec<Vec<u8>>,
    /// Whether the operating system's roots count too (the default).
    pub(crate) system_roots: bool,
    /// The name to send and to check instead of the address's host.
    pub(crate) server_name: Option<String>,
    /// Who we are, when the server asks.
    pub(crate) identity: Option<Arc<Identity>>,
    /// Whether TLS 1.2 is not good enough.
    pub(crate) only_tls13: bool,
    /// Where the secrets go, for those who look into a capture.
    pub(crate) key_log: Option<Arc<KeyLogFile>>,
    /// Whether anybody may claim to be the server.
    pub(crate) insecure_skip_verify: bool,
}

impl Default for TlsOptions {
    fn default() -> TlsOptions {
        TlsOptions {
            roots: Vec::new(),
            system_roots: true,
            server_name: None,
            identity: None,
            only_tls13: false,
            key_log: None,
            insecure_skip_verify: false,
        }
    }
}

impl TlsOptions {
    /// What of it holds for a proxy, where that makes another configuration.
    pub(crate) fn for_proxy(&self) -> Option<TlsOptions> {
        if self.identity.is_none() && !self.insecure_skip_verify {
            return None;
        }
        Some(TlsOptions { server_name: None, identity: None, insecure_skip_verify: false, ..self.clone() })
    }
}

impl fmt::Debug for TlsOptions {
    /// Without certificates, which are long, and keys, which are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("roots", &self.roots.len())
            .field("system_roots", &self.system_roots)
            .field("server_name", &self.server_name)
            .field("identity", &self.identity.is_some())
            .field("only_tls13", &self.only_tls13)
            .field("key_log", &self.key_log)
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .finish()
    }
}

impl Dialer {
    /// Trusts the certificates of a PEM file, beside what is trusted already.
    pub fn add_ca_file(&mut self, path: &Path) -> Result<(), Error> {
        let roots = pem::certificates(&read(path)?).map_err(|what| bad_pem(path, &what))?;
        self.trust(roots);
        Ok(())
    }

    /// Trusts the certificates in PEM, beside what is trusted already. All are taken or none.
    pub fn add_ca_pem(&mut self, pem: &[u8]) -> Result<(), Error> {
        let roots = pem::certificates(pem).map_err(|what| Error::new(Code::OptionPem, what))?;
        self.trust(roots);
        Ok(())
    }

    /// Trusts the certificates of every PEM file in a directory, beside what is trusted already. It is read now, and
    /// not again. Read is each regular file in it and each link to one, whatever its name (OpenSSL's hashed names are
    /// not needed). Passed over are names that begin with a dot, directories in it, links that lead nowhere, and files
    /// without a certificate; a certificate that comes several times counts once. PEM that is broken, and a directory
    /// without any certificate, are failures.
    pub fn add_ca_dir(&mut self, path: &Path) -> Result<(), Error> {
        let mut roots = Vec::new();
        for file in files(path)? {
            let data = read(&file)?;
            if pem::has_certificate(&data) {
                roots.extend(pem::certificates(&data).map_err(|what| bad_pem(&file, &what))?);
            }
        }
        if roots.is_empty() {
            return Err(bad_pem(path, "no file in this directory has a certificate as PEM"));
        }
        self.trust(roots);
        Ok(())
    }

    /// Whether the operating system's trust roots count (they do unless switched off).
    pub fn use_system_roots(&mut self, on: bool) {
        self.tls.system_roots = on;
    }

    /// Shows this certificate when the server asks for one: a PEM file with the certificate first and then those that
    /// lead from it to an authority, and the file with its private key, the same file unless given. PKCS#8, PKCS#1 and
    /// SEC1 are read; a key under a password is refused. Both are read now, and must fit each other.
    pub fn set_client_cert_file(&mut self, cert: &Path, key: Option<&Path>) -> Result<(), Error> {
        let (chain, secret) = (read(cert)?, key.map(read).transpose()?);
        let (chain, secret) = (chain, secret.as_deref());
        let identity = Identity::from_pem(&chain, secret).map_err(|wrong| {
            let path = if wrong.is_of_key { key.unwrap_or(cert) } else { cert };
            Error::new(wrong.code, format!("{}: {}", path.display(), wrong.what))
        })?;
        self.tls.identity = Some(Arc::new(identity));
        Ok(())
    }

    /// The same from memory; without a key it is in `cert`.
    pub fn set_client_cert_pem(&mut self, cert: &[u8], key: Option<&[u8]>) -> Result<(), Error> {
        let identity = Identity::from_pem(cert, key).map_err(|wrong| Error::new(wrong.code, wrong.what))?;
        self.tls.identity = Some(Arc::new(identity));
        Ok(())
    }

    /// Sends and checks this name in TLS instead of the address's host.
    pub fn set_server_name(&mut self, name: &str) -> Result<(), Error> {
        if ServerName::try_from(name).is_err() {
            let hint = if name.is_ascii() { "" } else { " (an international name is given in its xn-- form)" };
            let text = format!("the server name {} is not a host name or IP address{hint}", quoted(name.as_bytes()));
            return Err(Error::new(Code::OptionValue, text));
        }
        self.tls.server_name = Some(name.to_owned());
        Ok(())
    }

    /// The lowest version of TLS to be taken: 0x0303 for TLS 1.2 (the default), 0x0304 for TLS 1.3.
    pub fn set_min_tls(&mut self, version: u16) -> Result<(), Error> {
        self.tls.only_tls13 = match version {
            TLS_1_2 => false,
            TLS_1_3 => true,
            0x0300..=0x0302 => {
                let text = "SSL 3.0, TLS 1.0 and TLS 1.1 are broken and not spoken (RFC 7568, RFC 8996)";
                return Err(Error::new(Code::OptionValue, text));
            }
            other => {
                let text = format!("the lowest TLS version is 0x0303 (1.2) or 0x0304 (1.3), not {other:#06x}");
                return Err(Error::new(Code::OptionValue, text));
            }
        };
        Ok(())
    }

    /// Appends the secrets of every TLS connection to a file, in the format that tshark and Wireshark read: who has the
    /// file can read and forge what is sent. It is made, for its owner alone, when it is not there. `None` writes none.
    pub fn set_key_log_file(&mut self, path: Option<&Path>) -> Result<(), Error> {
        self.tls.key_log = match path {
            Some(path) => Some(Arc::new(KeyLogFile::open(path)?)),
            None => None,
        };
        Ok(())
    }

    /// Takes any certificate for any name from anybody: whoever sits between can read and change everything. For a
    /// laboratory, never for a network. That the peer has the key of its certificate is still checked. Off unless set.
    pub fn set_insecure_skip_verify(&mut self, on: bool) {
        self.tls.insecure_skip_verify = on;
    }

    /// Adds roots, none twice: a directory's links show each twice, and an update may repeat what is there.
    fn trust(&mut self, roots: Vec<Vec<u8>>) {
        for root in roots {
            if !self.tls.roots.contains(&root) {
                self.tls.roots.push(root);
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |cause| Error::from_io(Code::OptionFile, &path.display().to_string(), &cause);
    let mut data = Vec::new();
    // Opening a pipe would wait for its writer, and reading it for what he never says.
    let file =
        File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        let text = format!("{}: certificates and keys are read from a regular file, and this is none", path.display());
        return Err(Error::new(Code::OptionFile, text));
    }
    file.take(MAX_FILE + 1).read_to_end(&mut data).map_err(unreadable)?;
    if data.len() as u64 > MAX_FILE {
        let text = format!("{}: a file of certificates or keys has at most {MAX_FILE} bytes", path.display());
        return Err(Error::new(Code::OptionFile, text));
    }
    Ok(data)
}

/// The files of a directory of certificates, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |cause| Error::from_io(Code::OptionFile, &path.display().to_string(), &cause);
    let mut files = Vec::new();
    for (seen, entry) in fs::read_dir(path).map_err(unreadable)?.enumerate() {
        let entry = entry.map_err(unreadable)?;
        if seen == MAX_ENTRIES {
            let text = format!("{}: a directory of certificates has at most {MAX_ENTRIES} entries", path.display());
            return Err(Error::new(Code::OptionFile, text));
        }
        // Through a link: what it leads to counts. A pipe or a device would never end.
        let is_file = fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file());
        if is_file && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn bad_pem(path: &Path, what: &str) -> Error {
    Error::new(Code::OptionPem, format!("{}: {what}", path.display()))
}
