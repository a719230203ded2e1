//! `ws_cancel`: a token that ends waits, counted, so that whoever frees it first harms nobody.

use std::ffi::c_int;
use std::sync::Arc;

use super::connection::ws_conn;
use super::dialer::ws_dialer;
use super::error::ws_error;
use super::guard;
use crate::client::{Cancel, Outcome};

/// A cancel token: from ws_cancel_new, to be freed with ws_cancel_free. While it is fired, every waiting call that has it ends. It owns one descriptor and may serve a thousand connections.
#[derive(Debug)]
pub struct ws_cancel {
    token: Arc<Cancel>,
}

/// A token that is not fired; the caller's, until ws_cancel_free. Without a descriptor: WS_E_IO.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_cancel_new(out: *mut *mut ws_cancel, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let slot = guard::slot("out", out)?;
            slot.fill(ws_cancel { token: Arc::new(Cancel::new()?) });
            Ok(Outcome::Done)
        })
    }
}

/// Ends every waiting call that has the token, now and until ws_cancel_reset: a dial with
/// WS_E_CANCELLED, any other with WS_CANCELLED, which loses nothing. A call with WS_NOWAIT does not wait
/// and is not ended. Any thread may fire, and a signal handler too: errno stays as it is. Firing a fired
/// token does nothing, and neither does NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_cancel_fire(cancel: *const ws_cancel) {
    // SAFETY: NULL or a token that is not freed during the call.
    unsafe { guard::in_signal(cancel, |cancel| cancel.token.fire()) }
}

/// Makes the token as new: when every call that it ended has returned, or some may go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_cancel_reset(cancel: *const ws_cancel) {
    // SAFETY: NULL or a token that is not freed during the call.
    unsafe { guard::fact(cancel, (), |cancel| cancel.token.reset()) }
}

/// Drops the caller's share; dialers and connections that have the token keep it. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_cancel_free(cancel: *mut ws_cancel) {
    // SAFETY: NULL or a token that the caller uses no more.
    unsafe { guard::free(cancel) }
}

/// Gives the dialer's later dials and their connections' waiting calls a token, or none for NULL.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_cancel(
    dialer: *mut ws_dialer,
    cancel: *const ws_cancel,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let token = guard::optional(cancel).map(|cancel| Arc::clone(&cancel.token));
            guard::shared("dialer", dialer)?.set_cancel(token);
            Ok(Outcome::Done)
        })
    }
}

/// Gives the connection another token, or with NULL none. It counts for the calls that begin later; a
/// call that waits already keeps the one it began with.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_set_cancel(
    conn: *mut ws_conn,
    cancel: *const ws_cancel,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            conn.connection().set_cancel(guard::optional(cancel).map(|cancel| Arc::clone(&cancel.token)));
            Ok(Outcome::Done)
        })
    }
}
