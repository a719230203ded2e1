//! One message in pieces, each way, and what becomes of control frames.

use std::ffi::{c_int, c_void};

use super::connection::{data_kind, ws_conn};
use super::error::ws_error;
use super::guard;
use super::status::{WS_UNCOMPRESSED, wait};
use crate::client::{Outcome, Piece};

/// Sends a message in fragments, of which this is the next: is_final 0 for all but the last. kind is the
/// message's, and may be 0 behind the first. The message is the connection's: whoever sends the next
/// fragment goes on with it. Until the last one ws_send and ws_send_batch wait their time, and fail with
/// WS_NOWAIT (WS_E_USAGE_STATE), so do not call them from the thread that is to send the rest; pings,
/// pongs and ws_close go between. Each fragment is taken whole or not at all, results as for ws_send.
/// Text may be cut inside a character.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_send_fragment(
    conn: *mut ws_conn,
    kind: c_int,
    data: *const c_void,
    len: usize,
    is_final: c_int,
    timeout_ms: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            let (kind, may_deflate) = (kind & !WS_UNCOMPRESSED, kind & WS_UNCOMPRESSED == 0);
            let kind = if kind == 0 { None } else { Some(data_kind(kind)?) };
            let data = guard::bytes("data", data, len)?;
            let wait = wait(timeout_ms, None)?;
            match may_deflate {
                true => conn.connection().send_fragment(kind, data, is_final != 0, wait),
                false => conn.connection().send_fragment_uncompressed(kind, data, is_final != 0, wait),
            }
        })
    }
}

/// Receives the next piece of a message into buffer, as much as is here and has room: *len bytes of it,
/// *kind what the message is, *is_final 1 when it ends with this piece, which may then be empty. A message
/// of any length in memory of one size, read straight into it without TLS. Results as for ws_recv; any but
/// WS_OK sets *len, *kind and *is_final to 0. size 0 is WS_E_USAGE_LENGTH, and so are less than 125 where
/// control frames are delivered, which come whole between pieces. Text is checked as it comes and may be
/// cut inside a character; the message limit counts it all. Inside a message that was begun by this
/// ws_recv and ws_recv_batch fail (WS_E_USAGE_STATE).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_recv_into(
    conn: *mut ws_conn,
    timeout_ms: c_int,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
    kind: *mut c_int,
    is_final: *mut c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::put(len, 0);
            guard::put(kind, 0);
            guard::put(is_final, 0);
            let len = guard::unique("len", len)?;
            let kind = guard::unique("kind", kind)?;
            let is_final = guard::unique("is_final", is_final)?;
            let conn = guard::living("conn", conn)?;
            let buffer = guard::room("buffer", buffer, size)?;
            let mut piece = Piece::NONE;
            let answer = conn.connection().recv_into(buffer, &mut piece, wait(timeout_ms, None)?)?;
            if answer == Outcome::Done {
                *len = piece.len;
                *kind = piece.kind as c_int;
                *is_final = piece.is_final.into();
            }
            Ok(answer)
        })
    }
}

/// What becomes of control frames from the next one on. deliver: pings, pongs and closes come as messages
/// of kind WS_PING, WS_PONG and WS_CLOSE, whose data is the frame's payload (a close's code in two bytes,
/// the higher first, and the reason), in order with the others, and before a message that they come in
/// the middle of. auto_pong 0: pings are not answered but by ws_pong. auto_close 0: the peer's close is
/// answered by ws_close, or the connection is shut after 5 s; a message in fragments may be ended before.
/// WS_CLOSED comes behind the close either way. Defaults: 0, 1, 1.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_set_control(
    conn: *mut ws_conn,
    deliver: c_int,
    auto_pong: c_int,
    auto_close: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            conn.connection().set_control(deliver != 0, auto_pong != 0, auto_close != 0);
            Ok(Outcome::Done)
        })
    }
}
