//! permessage-deflate in C: what is offered, what was agreed, what is compressed.

use std::ffi::{c_char, c_int};

use super::connection::ws_conn;
use super::dialer::{limit, ws_dialer};
use super::error::ws_error;
use super::guard;
use crate::client::Outcome;
use crate::dialer::Dialer;
use crate::error::{Code, Error};

/// The server compresses each message by itself.
pub const WS_DEFLATE_SERVER_NO_CONTEXT_TAKEOVER: c_int = 1;
/// We compress each message by itself.
pub const WS_DEFLATE_CLIENT_NO_CONTEXT_TAKEOVER: c_int = 2;
/// client_max_window_bits is not offered.
pub const WS_DEFLATE_CLIENT_WINDOW_FIXED: c_int = 4;

const _: () = {
    assert!(WS_DEFLATE_SERVER_NO_CONTEXT_TAKEOVER as u32 == Dialer::SERVER_NO_CONTEXT_TAKEOVER);
    assert!(WS_DEFLATE_CLIENT_NO_CONTEXT_TAKEOVER as u32 == Dialer::CLIENT_NO_CONTEXT_TAKEOVER);
    assert!(WS_DEFLATE_CLIENT_WINDOW_FIXED as u32 == Dialer::CLIENT_WINDOW_FIXED);
};

/// A number that cannot be negative.
fn natural(name: &str, value: c_int) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| Error::new(Code::OptionValue, format!("{name} is {value}, which is negative")))
}

/// With on not 0 permessage-deflate (RFC 7692) is offered; it is not unless switched on. A server is free
/// not to choose it, which is no failure: ws_extensions tells. Costs: docs/compression.md.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_compression(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_compression(on != 0);
                Ok(())
            })
        })
    }
}

/// What is offered with permessage-deflate: the windows as powers of two, 8 to 15, and flags, 0 or any of
/// WS_DEFLATE_* together. 0 for client_window_bits lets the server limit our window, 0 for
/// server_window_bits asks for nothing; so it is unless set. A server that chooses the extension and
/// does not grant what was asked for fails the dial (WS_E_HANDSHAKE_EXTENSION). With a window of 8 bits
/// our messages leave uncompressed. Other values are WS_E_OPTION_VALUE.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_compression_params(
    dialer: *mut ws_dialer,
    client_window_bits: c_int,
    server_window_bits: c_int,
    flags: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let client = natural("client_window_bits", client_window_bits)?;
            let server = natural("server_window_bits", server_window_bits)?;
            let flags = natural("flags", flags)?;
            dialer.change(|dialer| dialer.set_compression_params(client, server, flags))
        })
    }
}

/// How our messages are compressed: level 1 (fastest) to 9 (smallest), mem_level 1 (least memory) to 9, 0
/// for the defaults, which are 6 and 8; other values are WS_E_OPTION_VALUE. Messages under threshold
/// bytes are not compressed; 128 unless set.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_compression_level(
    dialer: *mut ws_dialer,
    level: c_int,
    mem_level: c_int,
    threshold: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let (level, mem_level) = (natural("level", level)?, natural("mem_level", mem_level)?);
            limit("the threshold", threshold)?;
            dialer.change(|dialer| dialer.set_compression_level(level, mem_level, threshold))
        })
    }
}

/// Switches the compression of our messages off (on is 0) or on from the next one on, at that level, 1 to
/// 9, or 0 for the dialer's (WS_E_OPTION_VALUE). Where none was agreed it changes nothing. For one
/// message there is WS_UNCOMPRESSED. What the server compresses is inflated in any case.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_set_compression(
    conn: *mut ws_conn,
    on: c_int,
    level: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            conn.connection().set_compression(on != 0, natural("level", level)?)?;
            Ok(Outcome::Done)
        })
    }
}

/// The extensions that were agreed, as the server answered: "permessage-deflate" and its parameters, such
/// as "permessage-deflate; client_max_window_bits=12"; "" when there are none, and for NULL.
/// cbindgen:prefix=WS_NONNULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_extensions(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the text is used.
    unsafe { guard::fact(conn, c"".as_ptr(), ws_conn::extensions) }
}
