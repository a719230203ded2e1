//! A connection whose caller does the waiting, brings the socket, or moves the bytes.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::time::Duration;

use super::connection::{DIAL_LIMIT, sent_kind, ws_conn};
use super::dialer::{default_client, ws_dialer};
use super::error::ws_error;
use super::guard;
use super::status::{WS_WANT_BUFFERED, WS_WANT_READ, WS_WANT_WRITE, wait};
use crate::client::{Connection, Figure, Outcome, Wants};
use crate::error::{Code, Error};

/// What a dial whose handshake may be under way answers.
fn progress(connection: &Connection) -> Outcome {
    if connection.is_open() { Outcome::Done } else { Outcome::Again }
}

/// Rounded up, so that who waits that long does not come too early.
fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// The descriptor to wait on in poll, epoll and the like; nobody else may read, write or close it. The
/// same until ws_conn_free. -1 over memory and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_fd(conn: *const ws_conn) -> isize {
    // SAFETY: NULL or a connection that is not freed during the call.
    unsafe { guard::fact(conn, -1, |conn| conn.connection().fd().map_or(-1, |fd| fd.as_raw_fd() as isize)) }
}

/// What to wait for before the next call is worth it: WS_WANT_READ and WS_WANT_WRITE are the
/// descriptor's directions. With WS_WANT_BUFFERED a call would progress without it, so do not wait; with
/// it and without WS_WANT_READ messages wait to be taken and nothing more is read meanwhile. 0: the end
/// has come and was told, or conn is NULL. Ask anew before every wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_wants(conn: *const ws_conn) -> c_int {
    // SAFETY: NULL or a connection that is not freed during the call.
    unsafe {
        guard::fact(conn, 0, |conn| {
            let Wants { read, write, buffered } = conn.connection().wants();
            [(read, WS_WANT_READ), (write, WS_WANT_WRITE), (buffered, WS_WANT_BUFFERED)]
                .into_iter()
                .filter_map(|(wanted, bit)| wanted.then_some(bit))
                .sum()
        })
    }
}

/// How long to wait at the most before ws_process is to be called whatever the descriptor says: the
/// milliseconds, rounded up, to the next ping or to the limit of a pong, of the handshake or of the
/// close. -1: as long as you like, and for NULL. Ask anew before every wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_timeout(conn: *const ws_conn) -> c_int {
    // SAFETY: NULL or a connection that is not freed during the call.
    unsafe { guard::fact(conn, -1, |conn| conn.connection().timeout().map_or(-1, milliseconds)) }
}

/// Does what can be done now without a message being delivered, and never waits: writes, answers pings,
/// sends its own, keeps time limits, carries the handshake on. It reads ahead, as far as
/// ws_dialer_set_read_ahead allows; ws_recv gives the messages out. WS_OK: nothing is left to do now.
/// WS_AGAIN: the handshake, the close or unsent bytes wait for what ws_wants says. WS_CLOSED or the
/// failure: the connection is over and every message was taken.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_process(conn: *mut ws_conn, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe { guard::call(error, || guard::living("conn", conn)?.connection().process()) }
}

/// As ws_dial, over a connected stream socket of the caller's: TLS if url says wss, then the handshake.
/// url says what to ask for, nothing is resolved. The socket may be in either mode and stays in it. When
/// *out is set it belongs to the connection; when *out is NULL it is still the caller's, open. With
/// WS_NOWAIT it may answer WS_AGAIN, with *out set: ws_handshake goes on.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dial_fd(
    fd: isize,
    url: *const c_char,
    dialer: *const ws_dialer,
    timeout_ms: c_int,
    out: *mut *mut ws_conn,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let slot = guard::slot("out", out)?;
            let url = guard::text("url", url, Code::UrlSyntax)?;
            let wait = wait(timeout_ms, Some(DIAL_LIMIT))?;
            let client = guard::optional(dialer).map_or_else(default_client, ws_dialer::client);
            let connection =
                client.dial_socket(guard::descriptor("fd", fd)?, url, wait).map_err(|(socket, error)| {
                    // It was the caller's and stays so.
                    let _ = socket.into_raw_fd();
                    error
                })?;
            let progress = progress(&connection);
            slot.fill(ws_conn::new(connection));
            Ok(progress)
        })
    }
}

/// As ws_dial, over bytes that the caller moves, by any transport: TLS by this library for wss, none for
/// ws. Nothing on such a connection ever waits, every call acts as with WS_NOWAIT. It answers WS_AGAIN
/// and sets *out: move bytes by ws_output and ws_input, call ws_handshake until WS_OK.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dial_memory(
    url: *const c_char,
    dialer: *const ws_dialer,
    out: *mut *mut ws_conn,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let slot = guard::slot("out", out)?;
            let url = guard::text("url", url, Code::UrlSyntax)?;
            let client = guard::optional(dialer).map_or_else(default_client, ws_dialer::client);
            let connection = client.dial_memory(url)?;
            let progress = progress(&connection);
            slot.fill(ws_conn::new(connection));
            Ok(progress)
        })
    }
}

/// Carries on the handshake of a connection from ws_dial_fd or ws_dial_memory. WS_OK: it is open, and
/// has been if it was. WS_AGAIN: with WS_NOWAIT; wait for what ws_wants says and call again. Any failure
/// of ws_dial is final, WS_E_TIMEOUT when the time runs out too; WS_DEFAULT and a handshake that never
/// waits have 45 s; over memory WS_FOREVER, which does not wait there either, lifts that limit. Until it
/// is open the calls that move messages fail (WS_E_USAGE_STATE).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_handshake(conn: *mut ws_conn, timeout_ms: c_int, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            conn.connection().handshake(wait(timeout_ms, Some(DIAL_LIMIT))?)
        })
    }
}

/// Over memory: room for bytes that came from the peer, *room of it, at least 16 KiB: that of the message
/// itself where much of it is awaited. It is the caller's to fill until ws_input_done, whatever other
/// calls do meanwhile, and costs memory for so long; with room NULL it is taken back unused, and NULL
/// answered. One thread moves input. NULL and 0 when nothing is to be read now: messages wait to be taken
/// (ws_wants says no WS_WANT_READ), it is over, or has a descriptor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_input(conn: *mut ws_conn, room: *mut usize) -> *mut c_void {
    // SAFETY: NULL or a connection that is not freed while the room is used; `room` is NULL or may be written.
    unsafe {
        let input = guard::work(conn, None, |conn| {
            if room.is_null() {
                // Only a fault of the call's place, which has no room to take back, can come of it.
                let _ = conn.connection().input_back();
                return None;
            }
            conn.connection().input().ok().flatten()
        });
        let input = input.unwrap_or((ptr::null_mut(), 0));
        guard::put(room, input.1);
        input.0.cast()
    }
}

/// Over memory: n bytes were put into the room that ws_input gave, which is given back by this. 0 is the
/// end of what comes, with or without room. ws_recv or ws_process looks at the bytes.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_input_done(conn: *mut ws_conn, n: usize, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for; `n` bytes were put behind the message, and are no more than the
    // room that it has, which is seen to before it is extended.
    unsafe {
        guard::call(error, || {
            let extend = |message: &mut Vec<u8>, n| message.set_len(message.len() + n);
            guard::living("conn", conn)?.connection().input_done(n, extend)?;
            Ok(Outcome::Done)
        })
    }
}

/// Over memory: how many bytes of payload, if they are what comes next, the caller may read straight into
/// its own memory instead: the next piece of a message, behind what ws_recv_into has brought of it before
/// it said WS_AGAIN. 0: none; under TLS and compression never any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_input_direct(conn: *const ws_conn) -> usize {
    // SAFETY: NULL or a connection.
    unsafe { guard::work(conn, 0, |conn| conn.connection().input_direct().unwrap_or(0)) }
}

/// Over memory: the n bytes at data, at most ws_input_direct, are such payload, and it was what ws_recv_into
/// would have brought: *kind and *is_final as there. WS_CLOSED: it is too late.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_input_direct_done(
    conn: *mut ws_conn,
    data: *const c_void,
    n: usize,
    kind: *mut c_int,
    is_final: *mut c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::put(kind, 0);
            guard::put(is_final, 0);
            let kind = guard::unique("kind", kind)?;
            let is_final = guard::unique("is_final", is_final)?;
            let conn = guard::living("conn", conn)?;
            let Some(piece) = conn.connection().input_direct_done(guard::bytes("data", data, n)?)? else {
                return Ok(Outcome::Closed);
            };
            *kind = piece.kind as c_int;
            *is_final = piece.is_final.into();
            Ok(Outcome::Done)
        })
    }
}

/// Over memory: bytes to be written to the peer, *len of them. They stay where they are until
/// ws_output_done, whatever other calls do meanwhile. One thread moves output. NULL and 0 when there is
/// nothing to write now, or it is not over memory. After the end too: there is a close frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_output(conn: *mut ws_conn, len: *mut usize) -> *const c_void {
    // SAFETY: NULL or a connection that is not freed while the bytes are used; `len` is NULL or may be written.
    unsafe {
        let output = guard::work(conn, None, |conn| conn.connection().output().ok().filter(|(_, len)| *len > 0));
        let output = output.unwrap_or((ptr::null(), 0));
        guard::put(len, output.1);
        output.0.cast()
    }
}

/// Over memory: the first n bytes of what ws_output showed were written.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_output_done(conn: *mut ws_conn, n: usize, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::living("conn", conn)?.connection().output_done(n)?;
            Ok(Outcome::Done)
        })
    }
}

/// Over memory: as ws_send with WS_NOWAIT, in one call with what would follow it. When all that is to be
/// written has room in the *n bytes at buffer it is put there and counts as written; *n becomes its
/// length, else 0. Write it before what later calls show. WS_PENDING: there is more.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_send_output(
    conn: *mut ws_conn,
    kind: c_int,
    data: *const c_void,
    len: usize,
    buffer: *mut c_void,
    n: *mut usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for; what is put into the buffer is no longer than it.
    unsafe {
        guard::call(error, || {
            let n = guard::unique("n", n)?;
            let room = std::mem::take(n);
            if buffer.is_null() && room > 0 {
                return Err(guard::null("buffer"));
            }
            let conn = guard::living("conn", conn)?;
            let (kind, may_deflate) = sent_kind(kind)?;
            let data = guard::bytes("data", data, len)?;
            conn.connection().send_output(kind, data, may_deflate, room, |bytes| {
                // The buffer need not be initialised.
                ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len());
                *n = bytes.len();
            })
        })
    }
}

/// A figure of the connection, in *out: id is one of WS_STAT_* (else WS_E_OPTION_VALUE). 0: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stat(conn: *const ws_conn, id: c_int, out: *mut u64, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let out = guard::unique("out", out)?;
            *out = 0;
            let conn = guard::living("conn", conn)?;
            let figure = Figure::ALL.iter().find(|&&figure| figure as c_int == id);
            let figure = figure
                .ok_or_else(|| Error::new(Code::OptionValue, format!("no figure has the number {id} (WS_STAT_*)")))?;
            *out = conn.connection().figure(*figure);
            Ok(Outcome::Done)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_never_wrap() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(7)), 7);
        assert_eq!(milliseconds(Duration::MAX), c_int::MAX);
    }
}
