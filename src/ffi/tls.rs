//! What is decided about TLS in a `ws_dialer`.

use std::ffi::{OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::dialer::ws_dialer;
use super::error::ws_error;
use super::guard;
use crate::error::{Code, Error};

/// A path, which need not be UTF-8.
///
/// # Safety
/// As for [`guard::string`].
unsafe fn file_name<'a>(name: &str, path: *const c_char) -> Result<&'a Path, Error> {
    // SAFETY: the caller's promise.
    Ok(Path::new(OsStr::from_bytes(unsafe { guard::string(name, path) }?)))
}

/// Trusts the certificates of a PEM file beside those trusted already. The file is read now
/// (WS_E_OPTION_FILE, WS_E_OPTION_PEM).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_add_ca_file(
    dialer: *mut ws_dialer,
    path: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let path = file_name("path", path)?;
            dialer.change(|dialer| dialer.add_ca_file(path))
        })
    }
}

/// Trusts the certificates in len bytes of PEM beside those trusted already (WS_E_OPTION_PEM).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_add_ca_pem(
    dialer: *mut ws_dialer,
    data: *const c_void,
    len: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let pem = guard::bytes("data", data, len)?;
            dialer.change(|dialer| dialer.add_ca_pem(pem))
        })
    }
}

/// Whether the operating system's trust roots count beside those added: yes unless on is 0.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_use_system_roots(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.use_system_roots(on != 0);
                Ok(())
            })
        })
    }
}

/// Sends and checks this name in TLS instead of the address's host (WS_E_OPTION_VALUE).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_server_name(
    dialer: *mut ws_dialer,
    name: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let name = guard::text("name", name, Code::OptionValue)?;
            dialer.change(|dialer| dialer.set_server_name(name))
        })
    }
}

/// Trusts the certificates of the PEM files in a directory beside those trusted already. It is read now:
/// every regular file in it and every link to one, whatever its name. Passed over are names that begin
/// with a dot, directories, and files without a certificate; a broken one, and a directory without any
/// certificate, are failures (WS_E_OPTION_FILE, WS_E_OPTION_PEM).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_add_ca_dir(
    dialer: *mut ws_dialer,
    path: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let path = file_name("path", path)?;
            dialer.change(|dialer| dialer.add_ca_dir(path))
        })
    }
}

/// Shows this certificate when the server asks for one. cert is a PEM file with the certificate first,
/// then those that lead to an authority; key is the file of its private key (PKCS#8, PKCS#1 or SEC1,
/// without a password), NULL when it is in the same file. Both are read now: WS_E_OPTION_FILE,
/// WS_E_OPTION_PEM, and WS_E_OPTION_KEY for a key that does not fit.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_client_cert_file(
    dialer: *mut ws_dialer,
    cert: *const c_char,
    key: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let cert = file_name("cert", cert)?;
            let key = if key.is_null() { None } else { Some(file_name("key", key)?) };
            dialer.change(|dialer| dialer.set_client_cert_file(cert, key))
        })
    }
}

/// The same from PEM in memory; key NULL with key_len 0 when the key is in cert.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_client_cert_pem(
    dialer: *mut ws_dialer,
    cert: *const c_void,
    cert_len: usize,
    key: *const c_void,
    key_len: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let cert = guard::bytes("cert", cert, cert_len)?;
            let separate = !key.is_null() || key_len > 0;
            let key = if separate { Some(guard::bytes("key", key, key_len)?) } else { None };
            dialer.change(|dialer| dialer.set_client_cert_pem(cert, key))
        })
    }
}

/// The lowest version of TLS to be taken: WS_TLS_1_2 (the default) or WS_TLS_1_3.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_min_tls(
    dialer: *mut ws_dialer,
    version: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let version = u16::try_from(version)
                .map_err(|_| Error::new(Code::OptionValue, format!("{version} is no version of TLS")))?;
            dialer.change(|dialer| dialer.set_min_tls(version))
        })
    }
}

/// Appends the secrets of every TLS connection to a file, for tshark or Wireshark: who reads it can read
/// and forge what was sent. Made with mode 0600 when it is not there, opened now (WS_E_OPTION_FILE); NULL
/// writes no more. The environment (SSLKEYLOGFILE) is never asked.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_key_log_file(
    dialer: *mut ws_dialer,
    path: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let path = if path.is_null() { None } else { Some(file_name("path", path)?) };
            dialer.change(|dialer| dialer.set_key_log_file(path))
        })
    }
}

/// DANGEROUS. With on not 0 any certificate of anybody is taken for the server's: whoever sits between
/// can read and change everything. For a laboratory; to trust one self-signed server, add its certificate
/// with ws_dialer_add_ca_file instead.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_insecure_skip_verify(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_insecure_skip_verify(on != 0);
                Ok(())
            })
        })
    }
}
