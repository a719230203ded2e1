//! `ws_dialer`: decisions about dialing, to be changed and used from any thread.

use std::ffi::{c_char, c_int};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::error::ws_error;
use super::guard;
use crate::client::{Cancel, Client, Outcome};
use crate::dialer::Dialer;
use crate::error::{Code, Error};

/// What is decided about dialing: from ws_dialer_new, to be freed with ws_dialer_free. Any function may
/// be called from any thread; a dial uses what is decided at the moment it begins. Reading the trust
/// roots costs milliseconds and is done once for each dialer: keep one and use it often.
#[derive(Debug)]
pub struct ws_dialer {
    /// The lock is held to copy or change, never during a dial.
    client: Mutex<Arc<Client>>,
}

impl ws_dialer {
    pub(super) fn new(client: Client) -> ws_dialer {
        ws_dialer { client: Mutex::new(Arc::new(client)) }
    }

    /// The decisions as they are now.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same decisions with another token, or none.
    pub(super) fn set_cancel(&self, token: Option<Arc<Cancel>>) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        *client = Arc::new(client.with_cancel(token));
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Dialer) -> Result<(), Error>) -> Result<Outcome, Error> {
        // A setter that panicked has changed its own copy only: what is behind a poisoned lock is sound.
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dialer = client.dialer().clone();
        change(&mut dialer)?;
        *client = Arc::new(client.with(dialer));
        Ok(Outcome::Done)
    }
}

/// What dials without a dialer: the secure defaults, one for the whole process, so that its trust roots are read once.
pub(super) fn default_client() -> Arc<Client> {
    static DEFAULT: OnceLock<Arc<Client>> = OnceLock::new();
    Arc::clone(DEFAULT.get_or_init(|| Arc::new(Client::new(Dialer::new()))))
}

/// A limit in bytes. C turns a negative number into a huge one, which nobody means.
pub(super) fn limit(name: &str, bytes: usize) -> Result<u64, Error> {
    if bytes > isize::MAX as usize {
        let detail = format!("{name} is {bytes} bytes, at most {} are possible", isize::MAX);
        return Err(Error::new(Code::OptionValue, detail));
    }
    Ok(bytes as u64)
}

/// A time in milliseconds that is no patience.
fn interval(name: &str, ms: c_int) -> Result<u64, Error> {
    u64::try_from(ms)
        .map_err(|_| Error::new(Code::OptionValue, format!("{name} is {ms}; it is milliseconds from 0 on")))
}

/// A dialer with the defaults: no subprotocols, no extra headers, the operating system's trust roots,
/// messages of at most 64 MiB. The caller's, until ws_dialer_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_new() -> *mut ws_dialer {
    guard::make(|| ws_dialer::new(Client::new(Dialer::new())))
}

/// Frees a dialer. Dials that are under way and connections that it made go on. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_free(dialer: *mut ws_dialer) {
    // SAFETY: NULL or a dialer that nobody uses any more.
    unsafe { guard::free(dialer) }
}

/// Offers a subprotocol, behind those offered before; ws_subprotocol tells what the server picked. It
/// must be an HTTP token and not offered already (WS_E_OPTION_SUBPROTOCOL).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_add_subprotocol(
    dialer: *mut ws_dialer,
    name: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let name = guard::text("name", name, Code::OptionSubprotocol)?;
            dialer.change(|dialer| dialer.add_subprotocol(name))
        })
    }
}

/// With on not 0 a dial fails with WS_E_HANDSHAKE_NO_SUBPROTOCOL when the server picks none of those
/// offered. RFC 6455 allows a server to do so, and it is no failure unless set here.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_require_subprotocol(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.require_subprotocol(on != 0);
                Ok(())
            })
        })
    }
}

/// Adds a header field to the request, such as Authorization, Cookie or Origin; spelling and order are
/// kept, and a name may come several times. Names are HTTP tokens, values hold no CR, LF or NUL
/// (WS_E_OPTION_HEADER). Upgrade, Connection and the Sec-WebSocket- fields of the handshake are refused
/// (WS_E_OPTION_HEADER_RESERVED); Host replaces the one of the address.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_add_header(
    dialer: *mut ws_dialer,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let name = guard::text("name", name, Code::OptionHeader)?;
            let value = guard::string("value", value)?;
            dialer.change(|dialer| dialer.add_header(name, value))
        })
    }
}

/// Limits received messages to that many bytes; 0 is no limit, 64 MiB unless set. A longer message ends
/// the connection with close code 1009 and WS_E_LIMIT_MESSAGE.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_max_message(
    dialer: *mut ws_dialer,
    bytes: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let bytes = limit("the message limit", bytes)?;
            dialer.change(|dialer| {
                dialer.set_max_message(bytes);
                Ok(())
            })
        })
    }
}

/// Keeps at most that many bytes of the body when the server rejects the handshake, for
/// ws_error_http_body; 1 KiB unless set, at most 16 MiB (WS_E_OPTION_VALUE).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_max_rejection_body(
    dialer: *mut ws_dialer,
    bytes: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| dialer.set_max_rejection_body(bytes as u64))
        })
    }
}

/// The most that one system call reads and writes; 0 is the default, else 1 KiB to 16 MiB.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_buffer_sizes(
    dialer: *mut ws_dialer,
    read: usize,
    write: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| dialer.set_buffer_sizes(read as u64, write as u64))
        })
    }
}

/// Sends a ping every ping_ms milliseconds and awaits its pong for pong_ms more: later than that, with
/// nothing else come from the peer either, the connection ends with WS_E_ABNORMAL_PING. 0 for ping_ms is
/// no pings (the default), 0 for pong_ms no limit; a day each at the most (WS_E_OPTION_VALUE). No thread
/// does it: somebody must be in ws_recv, or call ws_process.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_keepalive(
    dialer: *mut ws_dialer,
    ping_ms: c_int,
    pong_ms: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let (ping_ms, pong_ms) = (interval("ping_ms", ping_ms)?, interval("pong_ms", pong_ms)?);
            dialer.change(|dialer| dialer.set_keepalive(ping_ms, pong_ms))
        })
    }
}

/// How far ws_process reads ahead when nobody takes the messages: until so many messages, or so many
/// bytes of them, wait for ws_recv; then the peer waits. 16 and 1 MiB unless set, at least one.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_read_ahead(
    dialer: *mut ws_dialer,
    messages: usize,
    bytes: usize,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_read_ahead(messages, bytes);
                Ok(())
            })
        })
    }
}

/// With on not 0 pings, pongs and closes come as messages too: see ws_set_control.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_control_delivery(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_control_delivery(on != 0);
                Ok(())
            })
        })
    }
}

/// With on 0 pings are not answered but by ws_pong; unless set they are.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_auto_pong(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_auto_pong(on != 0);
                Ok(())
            })
        })
    }
}

/// With on not 0 a signal that the program handles ends a wait: a dial with WS_E_INTERRUPTED, any other
/// call with WS_INTERRUPTED, which loses nothing. Unless set, waits go on after a signal. It may also be
/// told without a signal, every 50 ms, while the wait is for another thread.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_interruptible(
    dialer: *mut ws_dialer,
    on: c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_interruptible(on != 0);
                Ok(())
            })
        })
    }
}
