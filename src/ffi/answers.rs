//! What servers answer: redirects that are followed, cookies, and where a dial has come to.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use super::connection::ws_conn;
use super::dialer::ws_dialer;
use super::error::ws_error;
use super::fields::{c_text, pointer};
use super::guard;
use crate::client::Outcome;
use crate::dialer::cookies::CookieJar;
use crate::error::{Code, Error, Redirect};

/// Writes the cookies for a request to a room, as snprintf does.
type Load = unsafe extern "C" fn(url: *const c_char, value: *mut c_char, room: usize, user: *mut c_void) -> c_int;

/// Is told one Set-Cookie field.
type Store = unsafe extern "C" fn(url: *const c_char, set_cookie: *const c_char, user: *mut c_void);

/// The room that cookies are first offered: as much as a browser keeps in one.
const ROOM: usize = 4096;

/// A jar behind two functions of the program's.
struct Hooks {
    load: Option<Load>,
    store: Option<Store>,
    user: *mut c_void,
}

// SAFETY: nothing is done with `user` but to give it to the hooks, and the manual says that any thread that dials calls
// them.
unsafe impl Send for Hooks {}
// SAFETY: as above.
unsafe impl Sync for Hooks {}

impl CookieJar for Hooks {
    fn load(&self, url: &str) -> Option<Vec<u8>> {
        let load = self.load?;
        let url = c_text(url);
        let mut value = vec![0_u8; ROOM];
        // A jar that others fill meanwhile may have more to say the second time; not for ever.
        for _ in 0..4 {
            // SAFETY: the program's function, as the manual asks for it; url ends in NUL and the room is writable.
            let wanted = unsafe { load(url.as_ptr(), value.as_mut_ptr().cast(), value.len(), self.user) };
            let wanted = usize::try_from(wanted).ok().filter(|&wanted| wanted > 0)?;
            if wanted < value.len() {
                value.truncate(wanted);
                return Some(value);
            }
            value = vec![0; wanted.saturating_add(1)];
        }
        None
    }

    fn store(&self, url: &str, set_cookie: &[u8]) {
        let Some(store) = self.store else { return };
        let (url, set_cookie) = (c_text(url), c_text(set_cookie));
        // SAFETY: the program's function, as the manual asks for it; both are strings.
        unsafe { store(url.as_ptr(), set_cookie.as_ptr(), self.user) }
    }
}

/// Follows up to that many redirects (301, 302, 303, 307, 308) of a dial, at most 20; 0, the default,
/// makes each of them a WS_E_REJECTED. http and https in Location stand for ws and wss. Where scheme,
/// host or port change, user and password, Authorization, Cookie, Host, the server name and the client
/// certificate stay behind. Never followed: wss to ws (WS_E_REDIRECT_DOWNGRADE), a bad Location
/// (WS_E_REDIRECT_LOCATION), one too many (WS_E_REDIRECT_LIMIT). Who brings the socket or the bytes gets
/// WS_E_REDIRECT: see ws_dialer_follow. The time is for all.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_max_redirects(
    dialer: *mut ws_dialer,
    most: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let most = u64::try_from(most)
                .map_err(|_| Error::new(Code::OptionValue, format!("0 to 20 redirects are followed, not {most}")))?;
            dialer.change(|dialer| dialer.set_max_redirects(most))
        })
    }
}

/// A jar of the program's for cookies. load writes the Cookie value for a request to url as snprintf
/// would, into room bytes with a NUL, and answers its length, 0 or less for none; when that is room or
/// more it is called again with enough. store gets each Set-Cookie of an answer, whatever the answer. url
/// is "https://host/path?query" for wss, http for ws. Both run in the thread that dials (or is in
/// ws_handshake) while it does, several at once when several threads dial; their strings are for the call
/// alone. Neither may call functions of that connection; either may be NULL. user is handed to them and
/// must outlive the dialer and handshakes under way.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_cookie_hooks(
    dialer: *mut ws_dialer,
    load: Option<unsafe extern "C" fn(url: *const c_char, value: *mut c_char, room: usize, user: *mut c_void) -> c_int>,
    store: Option<unsafe extern "C" fn(url: *const c_char, set_cookie: *const c_char, user: *mut c_void)>,
    user: *mut c_void,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let hooks = Hooks { load, store, user };
            let has_any = load.is_some() || store.is_some();
            dialer.change(|dialer| {
                dialer.set_cookie_jar(if has_any { Some(Arc::new(hooks)) } else { None });
                Ok(())
            })
        })
    }
}

/// For those who bring the socket or the bytes: when ws_dial_fd, ws_dial_memory or ws_handshake fails
/// with WS_E_REDIRECT, *out is a dialer with the same decisions for the dial to ws_error_location, and
/// for that one: it knows the redirects so far, and leaves behind what must stay. The caller connects
/// anew, dials with it, and frees it. Any other: WS_E_USAGE_STATE.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_follow(
    dialer: *const ws_dialer,
    redirect: *const ws_error,
    out: *mut *mut ws_dialer,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let slot = guard::slot("out", out)?;
            let dialer = guard::shared("dialer", dialer)?;
            let redirect = guard::shared("redirect", redirect)?;
            slot.fill(ws_dialer::new(dialer.client().redirected(redirect.error())?));
            Ok(Outcome::Done)
        })
    }
}

/// The address that took the connection, without user and password, and the last one where redirects
/// were followed: "wss://host:8443/path?query", a default port left out. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_url(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the address is used.
    unsafe { guard::fact(conn, ptr::null(), |conn| conn.url().as_ptr()) }
}

/// The redirect number index (from 0, in their order) that led to the connection: the address that
/// answered with it, and its HTTP status in *status (may be NULL). NULL and 0 after the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_redirect(conn: *const ws_conn, index: usize, status: *mut c_int) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the address is used; `status` is NULL or may be written.
    unsafe {
        let redirect = guard::fact(conn, None, |conn| conn.redirects().get(index));
        guard::put(status, redirect.map_or(0, |(status, _)| *status));
        pointer(redirect.map(|(_, url)| url))
    }
}

/// Where the redirect points that the dial failed with, as an address to dial: for WS_E_REDIRECT and
/// WS_E_REDIRECT_LIMIT. NULL for any other failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_location(error: *const ws_error) -> *const c_char {
    // SAFETY: NULL or an error that is not freed while the address is used.
    unsafe { guard::fact(error, ptr::null(), |error| pointer(error.location())) }
}

/// As ws_redirect, for a dial that failed: the redirects before it, and a WS_E_REDIRECT itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_redirect(error: *const ws_error, index: usize, status: *mut c_int) -> *const c_char {
    // SAFETY: NULL or an error that is not freed while the address is used; `status` is NULL or may be written.
    unsafe {
        let redirect = guard::fact(error, None, |error| error.redirects().get(index));
        guard::put(status, redirect.map_or(0, |(status, _)| *status));
        pointer(redirect.map(|(_, url)| url))
    }
}

/// With on not 0 connections keep what ws_transcript tells: some hundred bytes each, secrets among them.
/// Unless set they do not; what a failed dial did is kept with its error in any case.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_transcript(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_transcript(on != 0);
                Ok(())
            })
        })
    }
}

/// The dial explained, for people: each address that was tried, the phases with their times, the heads
/// of request and answer, and each check with its verdict and the section of the RFC that commands it;
/// for redirects every hop. Plain text in lines of at most 100 columns, whose words may change between
/// versions. Masked are user and password and the values of what looks like a credential: Authorization,
/// cookies, tokens. NULL without ws_dialer_set_transcript, before the handshake is through, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_transcript(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the text is used.
    unsafe { guard::fact(conn, ptr::null(), |conn| pointer(conn.transcript())) }
}

/// As ws_transcript, for a dial that failed, how far it came. NULL if it did not begin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_error_transcript(error: *const ws_error) -> *const c_char {
    // SAFETY: NULL or an error that is not freed while the text is used.
    unsafe { guard::fact(error, ptr::null(), |error| pointer(error.transcript())) }
}

/// Status and address of each, as C reads them.
pub(super) fn redirects_text(redirects: &[Redirect]) -> Box<[(c_int, CString)]> {
    redirects.iter().map(|redirect| (redirect.status.into(), c_text(&redirect.url))).collect()
}
