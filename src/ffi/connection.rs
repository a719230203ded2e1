//! `ws_conn`: a connection in the caller's hands; the five, the facts and the small control frames.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use super::answers::redirects_text;
use super::dialer::{default_client, limit, ws_dialer};
use super::error::ws_error;
use super::fields::{Fields, c_text, pointer};
use super::guard;
use super::message::ws_message;
use super::status::{WS_BINARY, WS_NOWAIT, WS_TEXT, WS_UNCOMPRESSED, wait};
use crate::client::{Connection, Outcome};
use crate::error::{Code, Error};
use crate::protocol::message::Kind;

/// What `WS_DEFAULT` stands for in a dial and in a close.
pub(super) const DIAL_LIMIT: Duration = Duration::from_secs(45);
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A connection: from ws_dial and its kin, to be freed with ws_conn_free. It owns one file descriptor, or
/// none over memory, and no thread.
#[derive(Debug)]
pub struct ws_conn {
    connection: Connection,
    /// Set when a call panicked: nothing is done with the connection any more.
    fault: OnceLock<Error>,
    /// Copies for C, each made when first asked for: most connections are never asked, and an idle one stays small.
    subprotocol: OnceLock<CString>,
    facts: OnceLock<Box<Facts>>,
}

#[derive(Debug, Default)]
struct Facts {
    fields: OnceLock<Fields>,
    local_address: OnceLock<Option<CString>>,
    peer_address: OnceLock<Option<CString>>,
    tls: OnceLock<(CString, CString)>,
    /// With a NUL behind it; set once it is known.
    close_reason: OnceLock<Box<[u8]>>,
    extensions: OnceLock<CString>,
    url: OnceLock<CString>,
    transcript: OnceLock<CString>,
    redirects: OnceLock<Box<[(c_int, CString)]>>,
}

impl ws_conn {
    pub(super) fn new(connection: Connection) -> ws_conn {
        ws_conn { connection, fault: OnceLock::new(), subprotocol: OnceLock::new(), facts: OnceLock::new() }
    }

    /// The connection itself.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn url(&self) -> &CString {
        self.facts().url.get_or_init(|| c_text(self.connection.url()))
    }

    pub(super) fn transcript(&self) -> Option<&CString> {
        let text = self.connection.transcript()?;
        Some(self.facts().transcript.get_or_init(|| c_text(text)))
    }

    pub(super) fn redirects(&self) -> &[(c_int, CString)] {
        self.facts().redirects.get_or_init(|| redirects_text(self.connection.redirects()))
    }

    fn facts(&self) -> &Facts {
        self.facts.get_or_init(Box::default)
    }

    /// The fault that ended the connection, if one did.
    pub(super) fn fault(&self) -> Option<Error> {
        self.fault.get().cloned()
    }

    /// A call panicked: every later call says so, and those that wait come back.
    pub(super) fn poison(&self) {
        let fault = Error::new(Code::Internal, "a fault inside the library ended this connection");
        if self.fault.set(fault).is_ok() {
            self.connection.fail_internal();
        }
    }

    /// The agreed extensions, for C; empty while the handshake is under way.
    pub(super) fn extensions(&self) -> *const c_char {
        match self.connection.extensions() {
            "" => c"".as_ptr(),
            extensions => self.facts().extensions.get_or_init(|| c_text(extensions)).as_ptr(),
        }
    }

    /// The subprotocol, for C.
    fn subprotocol(&self) -> *const c_char {
        match self.connection.subprotocol() {
            // Nothing was picked, or nothing yet, which is no answer to keep.
            "" => c"".as_ptr(),
            picked => self.subprotocol.get_or_init(|| c_text(picked)).as_ptr(),
        }
    }

    fn fields(&self) -> Option<&Fields> {
        self.connection.is_open().then(|| self.facts().fields.get_or_init(|| Fields::new(self.connection.headers())))
    }

    fn tls(&self) -> Option<&(CString, CString)> {
        // Asked too early it is not known, which is no answer to keep.
        let version = self.connection.tls_version()?;
        let cipher = self.connection.tls_cipher().unwrap_or_default();
        Some(self.facts().tls.get_or_init(|| (c_text(version), c_text(cipher))))
    }

    fn close_reason(&self) -> Option<&[u8]> {
        let reason = self.connection.close_reason()?;
        Some(self.facts().close_reason.get_or_init(|| [reason.as_bytes(), &[0]].concat().into_boxed_slice()))
    }
}

// The first law: any function, any thread.
const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<ws_conn>();
    is_shared::<ws_dialer>();
    is_shared::<ws_error>();
};

/// Name and value behind the last one.
const NO_FIELD: (*const c_char, *const c_char) = (ptr::null(), ptr::null());

#[inline]
pub(super) fn data_kind(kind: c_int) -> Result<Kind, Error> {
    match kind {
        WS_TEXT => Ok(Kind::Text),
        WS_BINARY => Ok(Kind::Binary),
        _ => Err(no_data_kind(kind)),
    }
}

/// The kind of a message and whether it may be compressed.
#[inline]
pub(super) fn sent_kind(kind: c_int) -> Result<(Kind, bool), Error> {
    Ok((data_kind(kind & !WS_UNCOMPRESSED)?, kind & WS_UNCOMPRESSED == 0))
}

#[cold]
fn no_data_kind(kind: c_int) -> Error {
    Error::new(Code::UsageKind, format!("the kind is {kind}; WS_TEXT (1) and WS_BINARY (2) can be sent"))
}

fn close_code(code: c_int) -> Result<u16, Error> {
    u16::try_from(code).map_err(|_| {
        Error::new(
            Code::UsageCloseCode,
            format!("the close code is {code}; 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent"),
        )
    })
}

/// Dials url, "ws://host:port/path?query", wss with TLS, or "ws+unix:/path/of/socket:/path": resolves,
/// connects to any of the host's addresses, does TLS, asks for the upgrade and checks the answer. dialer
/// NULL is the secure defaults. timeout_ms is for all of it: WS_DEFAULT is 45 s, WS_NOWAIT is refused.
/// WS_OK sets *out, the caller's until ws_conn_free. A failure sets it to NULL: WS_E_TIMEOUT when the
/// time ran out (ws_error_phase tells in what), WS_E_REJECTED when the server said no
/// (ws_error_http_status and its neighbours tell more), or what was wrong. A message that came right
/// behind the server's answer is not lost.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dial(
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
            if timeout_ms == WS_NOWAIT {
                return Err(Error::new(Code::UsageTimeout, "the timeout is WS_NOWAIT (0); a dial has to wait"));
            }
            let wait = wait(timeout_ms, Some(DIAL_LIMIT))?;
            let client = guard::optional(dialer).map_or_else(default_client, ws_dialer::client);
            slot.fill(ws_conn::new(client.dial(url, wait)?));
            Ok(Outcome::Done)
        })
    }
}

/// The subprotocol that the server picked among those offered; "" for none.
/// cbindgen:prefix=WS_NONNULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_subprotocol(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while its subprotocol is used.
    unsafe { guard::fact(conn, c"".as_ptr(), ws_conn::subprotocol) }
}

/// Sends one whole message of kind WS_TEXT (must be UTF-8: WS_E_USAGE_UTF8 and nothing is sent) or
/// WS_BINARY, or of either | WS_UNCOMPRESSED for one that is not to be compressed. data may be NULL when
/// len is 0; it is neither changed nor kept. Any number of threads may send. WS_OK: handed over.
/// WS_PENDING: taken whole, bytes remain inside; ws_flush or any later call moves them. Not taken, nothing
/// lost: WS_AGAIN with WS_NOWAIT, WS_TIMEOUT otherwise. WS_CLOSED: the connection has ended, or ws_close was
/// called. WS_E_ABNORMAL: no more can be sent; ws_recv tells the end.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_send(
    conn: *mut ws_conn,
    kind: c_int,
    data: *const c_void,
    len: usize,
    timeout_ms: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            let (kind, may_deflate) = sent_kind(kind)?;
            let data = guard::bytes("data", data, len)?;
            let wait = wait(timeout_ms, None)?;
            match may_deflate {
                true => conn.connection.send(kind, data, wait),
                false => conn.connection.send_uncompressed(kind, data, wait),
            }
        })
    }
}

/// Receives the next whole message into *out, answers pings on the way, and finishes what the peer
/// closes. One thread at a time: a second one gets WS_E_USAGE_RECEIVER. WS_AGAIN (with WS_NOWAIT) and
/// WS_TIMEOUT lose nothing, a message that has begun goes on with the next call. WS_CLOSED: the peer's
/// close has come and was answered; ws_close_code tells why. A failure of the connection comes after
/// the messages that came before it, and every later call answers it too.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_recv(
    conn: *mut ws_conn,
    timeout_ms: c_int,
    out: *mut ws_message,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let out = guard::unique("out", out)?;
            out.clear();
            let conn = guard::living("conn", conn)?;
            let wait = wait(timeout_ms, None)?;
            let mut message = out.take();
            let result = conn.connection.recv(&mut message, wait);
            if let Ok(Outcome::Done) = result {
                out.fill(message)?;
            } else {
                out.keep(message);
            }
            result
        })
    }
}

/// The close handshake: sends a close frame with code (1000 to 1003, 1007 to 1014, 3000 to 4999, or 0
/// for none) and reason (UTF-8, at most 123 bytes, or NULL), waits for the peer's, and shuts the
/// connection down. WS_DEFAULT is 5 s. Any thread may call it and as often as it likes: the others join
/// the wait and get the same answer. It wakes who waits in ws_recv and ws_send; messages that it has to
/// read over are dropped; it frees nothing. WS_OK: both close frames have passed. WS_TIMEOUT: the
/// peer's did not come, the connection is shut all the same. WS_AGAIN: with WS_NOWAIT, it goes on; call
/// again. A failure that was there before stays the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_close(
    conn: *mut ws_conn,
    code: c_int,
    reason: *const c_char,
    timeout_ms: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            let code = close_code(code)?;
            let reason = if reason.is_null() { c"".as_ptr() } else { reason };
            let reason = guard::text("reason", reason, Code::UsageCloseReason)?;
            conn.connection.close(code, reason, wait(timeout_ms, Some(CLOSE_LIMIT))?)
        })
    }
}

/// Sends a close frame, arguments as for ws_close, and leaves the rest to whoever receives: ws_recv goes
/// on with messages until the peer's close comes, without a limit. Never waits. WS_PENDING: the frame is
/// still inside. WS_CLOSED: one was sent, or has come, before. ws_close waits for the end.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_start_close(
    conn: *mut ws_conn,
    code: c_int,
    reason: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            let code = close_code(code)?;
            let reason = if reason.is_null() { c"".as_ptr() } else { reason };
            let reason = guard::text("reason", reason, Code::UsageCloseReason)?;
            conn.connection.start_close(code, reason)
        })
    }
}

/// Frees a connection and closes its descriptor; never waits. A connection that was not closed before
/// is cut. No other call on it may be under way or follow: this is the only function of which that is
/// asked. In a forked child only the child's descriptor is closed. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_free(conn: *mut ws_conn) {
    // SAFETY: NULL or a connection that nobody uses any more.
    unsafe { guard::free(conn) }
}

/// Sends a ping with at most 125 bytes (WS_E_USAGE_CONTROL_SIZE), between the frames of a message if
/// need be. data may be NULL when len is 0. ws_recv takes the pong unseen. Results: ws_send's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_ping(
    conn: *mut ws_conn,
    data: *const c_void,
    len: usize,
    timeout_ms: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            let data = guard::bytes("data", data, len)?;
            conn.connection.ping(data, wait(timeout_ms, None)?)
        })
    }
}

/// Sends a pong that nobody asked for, with at most 125 bytes: a sign of life. Pings are answered by
/// ws_recv without it. Arguments and results as for ws_ping.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_pong(
    conn: *mut ws_conn,
    data: *const c_void,
    len: usize,
    timeout_ms: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            let data = guard::bytes("data", data, len)?;
            conn.connection.pong(data, wait(timeout_ms, None)?)
        })
    }
}

/// Writes what WS_PENDING left inside. WS_OK: nothing is left; WS_AGAIN, WS_TIMEOUT: some is.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_flush(conn: *mut ws_conn, timeout_ms: c_int, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            conn.connection.flush(wait(timeout_ms, None)?)
        })
    }
}

/// As ws_dialer_set_max_message, for this connection and from the next frame on.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_set_max_message(conn: *mut ws_conn, bytes: usize, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            conn.connection.set_max_message(limit("the message limit", bytes)?);
            Ok(Outcome::Done)
        })
    }
}

/// How the connection ended: the peer's close code, 1005 for a close without one, 1006 for a lost
/// connection, the code that we sent for a violation; 0 while it lives, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_close_code(conn: *const ws_conn) -> c_int {
    // SAFETY: NULL or a connection that is not freed during the call.
    unsafe { guard::fact(conn, 0, |conn| conn.connection.close_code().into()) }
}

/// The peer's close reason, UTF-8, "" when it gave none, and its length in *len (it may hold NUL; one
/// more is behind it). NULL and 0 while the connection lives. len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_close_reason(conn: *const ws_conn, len: *mut usize) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while its reason is used; `len` is NULL or may be written.
    unsafe {
        let reason = guard::fact(conn, None, ws_conn::close_reason);
        guard::put(len, reason.map_or(0, |reason| reason.len() - 1));
        reason.map_or(ptr::null(), |reason| reason.as_ptr().cast())
    }
}

/// The HTTP status of the server's answer, which is 101; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_response_status(conn: *const ws_conn) -> c_int {
    // SAFETY: NULL or a connection that is not freed during the call.
    unsafe { guard::fact(conn, 0, |conn| conn.connection.status().into()) }
}

/// A header field of the server's answer: the value of the field number index (from 0) among those of
/// that name, any case; NULL behind the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_response_header(conn: *const ws_conn, name: *const c_char, index: usize) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the value is used; NULL or a string.
    unsafe {
        guard::fact(conn, ptr::null(), |conn| {
            let Some(fields) = conn.fields() else { return ptr::null() };
            guard::string("name", name).map_or(ptr::null(), |name| fields.by_name(name, index))
        })
    }
}

/// The header field of the server's answer at that position (from 0, as they came): its value, and its
/// name, in the server's spelling, in *name; NULL and NULL behind the last. name may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_response_header_at(
    conn: *const ws_conn,
    position: usize,
    name: *mut *const c_char,
) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the field is used; `name` is NULL or may be written.
    unsafe {
        let field = guard::fact(conn, NO_FIELD, |conn| conn.fields().map_or(NO_FIELD, |fields| fields.at(position)));
        guard::put(name, field.0);
        field.1
    }
}

/// Our end of the connection, "127.0.0.1:54321" or "[::1]:54321"; NULL on a unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_local_address(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the address is used.
    unsafe {
        guard::fact(conn, ptr::null(), |conn| {
            let address = || conn.connection.local_addr().map(|address| c_text(address.to_string()));
            pointer(conn.facts().local_address.get_or_init(address).as_ref())
        })
    }
}

/// The address that took the connection, written as ws_local_address does; NULL on a unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_peer_address(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the address is used.
    unsafe {
        guard::fact(conn, ptr::null(), |conn| {
            let address = || conn.connection.peer_addr().map(|address| c_text(address.to_string()));
            pointer(conn.facts().peer_address.get_or_init(address).as_ref())
        })
    }
}

/// "TLSv1.3" or "TLSv1.2"; NULL without TLS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_tls_version(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the name is used.
    unsafe { guard::fact(conn, ptr::null(), |conn| pointer(conn.tls().map(|(version, _)| version))) }
}

/// The cipher suite's name, such as "TLS13_AES_256_GCM_SHA384"; NULL without TLS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_tls_cipher(conn: *const ws_conn) -> *const c_char {
    // SAFETY: NULL or a connection that is not freed while the name is used.
    unsafe { guard::fact(conn, ptr::null(), |conn| pointer(conn.tls().map(|(_, cipher)| cipher))) }
}
