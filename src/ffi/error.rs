//! `ws_error`: a failure in the caller's hands.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use super::answers::redirects_text;
use super::fields::{Fields, c_text};
use super::guard;
use crate::error::Error;

/// A failure: immutable, the caller's, to be freed with ws_error_free.
#[derive(Debug)]
pub struct ws_error {
    error: Error,
    message: CString,
    /// A rejection's, made when first asked for.
    fields: OnceLock<Fields>,
    location: OnceLock<Option<CString>>,
    transcript: OnceLock<Option<CString>>,
    redirects: OnceLock<Box<[(c_int, CString)]>>,
}

impl ws_error {
    /// A handle on the heap.
    pub(super) fn boxed(error: Error) -> *mut ws_error {
        let message = c_text(error.to_string());
        Box::into_raw(Box::new(ws_error {
            error,
            message,
            fields: OnceLock::new(),
            location: OnceLock::new(),
            transcript: OnceLock::new(),
            redirects: OnceLock::new(),
        }))
    }

    /// Where the redirect points.
    pub(super) fn location(&self) -> Option<&CString> {
        self.location.get_or_init(|| self.error.location().map(c_text)).as_ref()
    }

    /// What the dial did.
    pub(super) fn transcript(&self) -> Option<&CString> {
        self.transcript.get_or_init(|| self.error.transcript().map(c_text)).as_ref()
    }

    /// Who redirected before.
    pub(super) fn redirects(&self) -> &[(c_int, CString)] {
        self.redirects.get_or_init(|| redirects_text(self.error.redirects()))
    }

    pub(super) fn error(&self) -> &Error {
        &self.error
    }
}

/// What happened: the WS_E_ number that the failed call answered. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_code(error: *const ws_error) -> c_int {
    // SAFETY: NULL or an error that is not freed during the call.
    unsafe { guard::fact(error, 0, |error| error.error.code() as c_int) }
}

/// Where it happened: a WS_PHASE_ number; ws_phase_name has a word for it. A dial that ran out of time
/// tells here what it was waiting for. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_phase(error: *const ws_error) -> c_int {
    // SAFETY: NULL or an error that is not freed during the call.
    unsafe { guard::fact(error, 0, |error| error.error.phase() as c_int) }
}

/// A sentence for people, UTF-8: host, phase and cause, such as "wss://api.example:443: TLS: certificate
/// expired on 2026-01-02". It holds no passwords, its words may change; "" for NULL.
/// cbindgen:prefix=WS_NONNULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_message(error: *const ws_error) -> *const c_char {
    // SAFETY: NULL or an error that is not freed while its message is used.
    unsafe { guard::fact(error, c"".as_ptr(), |error| error.message.as_ptr()) }
}

/// The errno of the system call that failed, or 0 when none did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_os_error(error: *const ws_error) -> c_int {
    // SAFETY: NULL or an error that is not freed during the call.
    unsafe { guard::fact(error, 0, |error| error.error.os_error()) }
}

/// The close code that belongs to the failure: what we sent for a violation (1002, 1007, 1009), 1006
/// for a lost connection, 0 when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_close_code(error: *const ws_error) -> c_int {
    // SAFETY: NULL or an error that is not freed during the call.
    unsafe { guard::fact(error, 0, |error| error.error.close_code().into()) }
}

/// The HTTP status of the answer, as header and body below: the server's no, such as 401, its 101 that
/// failed a check, or a proxy's no (WS_E_PROXY_REJECTED, _AUTH); 0 for any other failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_http_status(error: *const ws_error) -> c_int {
    // SAFETY: NULL or an error that is not freed during the call.
    unsafe { guard::fact(error, 0, |error| error.error.rejection().map_or(0, |answer| answer.status.into())) }
}

/// A header field of the answer that rejected the handshake: the value of the field number index (from
/// 0) among those of that name, any case. NULL behind the last, and for any other failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_http_header(
    error: *const ws_error,
    name: *const c_char,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an error that is not freed while the value is used; NULL or a string.
    unsafe {
        guard::fact(error, ptr::null(), |error| match (error.error.rejection(), guard::string("name", name)) {
            (Some(answer), Ok(name)) => error.fields.get_or_init(|| Fields::new(&answer.headers)).by_name(name, index),
            _ => ptr::null(),
        })
    }
}

/// The header field at that position (from 0, as they came) of the answer that rejected the handshake:
/// its value, and its name, in the server's spelling, in *name; NULL and NULL behind the last, and for
/// any other failure. name may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_http_header_at(
    error: *const ws_error,
    position: usize,
    name: *mut *const c_char,
) -> *const c_char {
    // SAFETY: NULL or an error that is not freed while the field is used; `name` is NULL or may be written.
    unsafe {
        let field = guard::fact(error, (ptr::null(), ptr::null()), |error| match error.error.rejection() {
            Some(answer) => error.fields.get_or_init(|| Fields::new(&answer.headers)).at(position),
            None => (ptr::null(), ptr::null()),
        });
        guard::put(name, field.0);
        field.1
    }
}

/// The start of the body of the answer that rejected the handshake, without its transfer coding, and its
/// length in *len: at most what ws_dialer_set_max_rejection_body says. NULL and 0 for any other failure.
/// No NUL is behind it; len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_http_body(error: *const ws_error, len: *mut usize) -> *const c_void {
    // SAFETY: NULL or an error that is not freed while the body is used; `len` is NULL or may be written.
    unsafe {
        let body = guard::fact(error, None, |error| error.error.rejection().map(|answer| answer.body.as_slice()));
        guard::put(len, body.map_or(0, <[u8]>::len));
        body.map_or(ptr::null(), |body| body.as_ptr().cast())
    }
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_free(error: *mut ws_error) {
    // SAFETY: NULL or an error that nobody uses any more.
    unsafe { guard::free(error) }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::error::{Code, Phase, Rejection};
    use crate::headers::Headers;

    #[test]
    fn a_rejection_is_told_whole() {
        let mut headers = Headers::new();
        headers.push("WWW-Authenticate", "Basic");
        headers.push("www-authenticate", "Bearer");
        let answer = Rejection { status: 401, reason: "no".into(), headers, body: b"who?".to_vec() };
        let error = Error::new(Code::Rejected, "401 no").with_rejection(answer).in_phase(Phase::Handshake);
        let error = ws_error::boxed(error);
        // SAFETY: the error is freed once, at the end.
        unsafe {
            assert_eq!(ws_error_code(error), Code::Rejected as c_int);
            assert_eq!(ws_error_phase(error), Phase::Handshake as c_int);
            assert_eq!(ws_error_http_status(error), 401);
            let second = ws_error_http_header(error, c"WWW-AUTHENTICATE".as_ptr(), 1);
            assert_eq!(CStr::from_ptr(second), c"Bearer");
            assert!(ws_error_http_header(error, c"WWW-Authenticate".as_ptr(), 2).is_null());
            assert!(ws_error_http_header(error, ptr::null(), 0).is_null());
            let mut name = ptr::null();
            assert_eq!(CStr::from_ptr(ws_error_http_header_at(error, 1, &raw mut name)), c"Bearer");
            assert_eq!(CStr::from_ptr(name), c"www-authenticate");
            assert_eq!(CStr::from_ptr(ws_error_http_header_at(error, 0, ptr::null_mut())), c"Basic");
            assert!(ws_error_http_header_at(error, 2, &raw mut name).is_null() && name.is_null());
            let mut len = 9;
            let body = ws_error_http_body(error, &raw mut len);
            assert_eq!(std::slice::from_raw_parts(body.cast::<u8>(), len), b"who?");
            assert_eq!(ws_error_http_body(error, ptr::null_mut()), body);
            assert_eq!(CStr::from_ptr(ws_error_message(error)), c"handshake: 401 no");
            ws_error_free(error);
        }
    }

    #[test]
    fn another_failure_has_no_answer_and_null_is_no_failure() {
        let error = ws_error::boxed(Error::new(Code::Io, "x").with_os_error(32).with_close_code(1006));
        // SAFETY: the error is freed once, at the end; NULL is allowed.
        unsafe {
            for (error, code, os_error, close_code) in [(error, -303, 32, 1006), (ptr::null_mut(), 0, 0, 0)] {
                let mut len = 9;
                assert!(ws_error_http_body(error, &raw mut len).is_null());
                assert_eq!((len, ws_error_http_status(error), ws_error_phase(error)), (0, 0, 0));
                assert!(ws_error_http_header(error, c"Server".as_ptr(), 0).is_null());
                let mut name = c"".as_ptr();
                assert!(ws_error_http_header_at(error, 0, &raw mut name).is_null() && name.is_null());
                assert_eq!((ws_error_code(error), ws_error_os_error(error)), (code, os_error));
                assert_eq!(ws_error_close_code(error), close_code);
                ws_error_free(error);
            }
        }
    }
}
