//! Where a dial connects to: proxies, the caller's own connecting, and the route for those who connect themselves.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use super::dialer::{default_client, ws_dialer};
use super::error::ws_error;
use super::guard;
use crate::client::Outcome;
use crate::error::{Code, Error};
use crate::target::Endpoint;

/// Dials through a proxy from now on, or through none for NULL (the default). url is
/// "scheme://user:password@host:port", %-escaped: http (CONNECT; port 80 unless told), https (CONNECT in
/// TLS; 443), socks5 (names are resolved here; 1080) or socks5h (names are resolved by the proxy; 1080);
/// without a scheme it is http. TLS with the proxy always verifies, by the dialer's roots. A url that cannot be used fails with WS_E_URL_*. ws+unix is never proxied.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_proxy(
    dialer: *mut ws_dialer,
    url: *const c_char,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let url = if url.is_null() { None } else { Some(guard::text("url", url, Code::UrlSyntax)?) };
            dialer.change(|dialer| dialer.set_proxy(url))
        })
    }
}

/// Dials through the proxies that the environment names: http_proxy for ws, https_proxy for wss,
/// all_proxy where that one is not set, lower case before upper (HTTP_PROXY is ignored when
/// REQUEST_METHOD is set, as under CGI); never to localhost and loopback addresses, nor to what no_proxy
/// lists: hosts with all names below them, .domain for those alone, addresses, networks (10.0.0.0/8), each
/// with :port if wanted, or *. The environment is read by this call and not again. A variable that cannot
/// be used is told by the dial that would use it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_proxy_from_env(dialer: *mut ws_dialer, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            guard::shared("dialer", dialer)?.change(|dialer| {
                dialer.set_proxy_from_env();
                Ok(())
            })
        })
    }
}

/// Adds a header field to the CONNECT request to an http or https proxy, never to the server's.
/// Proxy-Authorization replaces user and password of the proxy's address; Host is refused
/// (WS_E_OPTION_HEADER_RESERVED). Else as ws_dialer_add_header.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_add_proxy_header(
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
            dialer.change(|dialer| dialer.add_proxy_header(name, value))
        })
    }
}

/// Connects to host (an IP address without brackets, a name, or with port 0 the path of a unix socket)
/// within timeout_ms (-1: no limit). Answers a connected stream socket, which is the library's from then
/// on, or -errno: ECANCELED, ETIMEDOUT and EINTR become WS_E_CANCELLED, WS_E_TIMEOUT, WS_E_INTERRUPTED.
pub type ws_connect_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, host: *const c_char, port: c_int, timeout_ms: c_int) -> isize>;

/// Lets callback make the connections of ws_dial; NULL is the default, resolver and connect. It is given
/// what ws_dialer_route tells, the proxy's host if there is one, and runs in the dialing thread, so in
/// several at once if several dial; a token does not end it. It must return: no exception, no longjmp.
/// callback and user must stay usable until the dialer is freed or given another, and the dials that
/// have begun are over.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_set_connect_callback(
    dialer: *mut ws_dialer,
    callback: ws_connect_fn,
    user: *mut c_void,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let dialer = guard::shared("dialer", dialer)?;
            let callback = callback.map(|connect| Callback { connect, user });
            dialer.change(|dialer| {
                match callback {
                    Some(callback) => dialer.set_connect_callback(Arc::new(move |to, left| callback.call(to, left))),
                    None => dialer.clear_connect_callback(),
                }
                Ok(())
            })
        })
    }
}

/// Tells where to connect for ws_dial_fd and ws_dial_memory to url: host and port of the proxy if the
/// dialer has one for it, else of the address; for ws+unix the socket's path and port 0. host gets the
/// string with its NUL, size bytes at most: 256 are enough, else WS_E_USAGE_LENGTH. The dial then speaks to the proxy by itself. dialer: NULL is the defaults.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_dialer_route(
    dialer: *const ws_dialer,
    url: *const c_char,
    host: *mut c_char,
    size: usize,
    port: *mut c_int,
    error: *mut *mut ws_error,
) -> c_int {
    // SAFETY: each is NULL or what the manual asks for.
    unsafe {
        guard::call(error, || {
            let room = guard::room("host", host.cast(), size)?;
            put_string(room, b"");
            let port = guard::unique("port", port)?;
            *port = 0;
            let url = guard::text("url", url, Code::UrlSyntax)?;
            let client = guard::optional(dialer).map_or_else(default_client, ws_dialer::client);
            let route = client.route(url)?;
            let (name, number) = parts(&route);
            if !put_string(room, name) {
                let text = format!("the host has {} bytes with its NUL, there is room for {size}", name.len() + 1);
                return Err(Error::new(Code::UsageLength, text));
            }
            *port = number;
            Ok(Outcome::Done)
        })
    }
}

/// Writes a string and its NUL, if they fit.
fn put_string(room: &mut [u8], string: &[u8]) -> bool {
    let Some((to, [end, ..])) = room.split_at_mut_checked(string.len()) else { return false };
    to.copy_from_slice(string);
    *end = 0;
    true
}

/// Host and port as C is told them.
fn parts(endpoint: &Endpoint) -> (&[u8], c_int) {
    match endpoint {
        Endpoint::Tcp(host, port) => (host.as_bytes(), (*port).into()),
        Endpoint::Unix(path) => (path.as_os_str().as_bytes(), 0),
    }
}

/// A function of the caller's and its argument.
struct Callback {
    connect: unsafe extern "C" fn(*mut c_void, *const c_char, c_int, c_int) -> isize,
    user: *mut c_void,
}

// SAFETY: the caller has promised that the function may be called in any thread, with this argument.
unsafe impl Send for Callback {}

// SAFETY: the same, in several threads at once.
unsafe impl Sync for Callback {}

impl Callback {
    fn call(&self, to: &Endpoint, left: Option<Duration>) -> io::Result<OwnedFd> {
        let (host, port) = parts(to);
        let host = CString::new(host).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // The last part of a millisecond is still waited for.
        let left = left.map(|left| c_int::try_from(left.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX));
        // SAFETY: a string, and the caller's own argument.
        let answer = unsafe { (self.connect)(self.user, host.as_ptr(), port, left.unwrap_or(-1)) };
        match c_int::try_from(answer) {
            // What is not open is nobody's, and nothing to be closed.
            // SAFETY: asking for the flags of any number at all is fine.
            Ok(fd @ 0..) if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 => Err(io::Error::last_os_error()),
            // SAFETY: the function gives the descriptor away.
            Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            Ok(errno @ -4095..0) => Err(io::Error::from_raw_os_error(-errno)),
            _ => Err(io::Error::other(format!("it answered {answer}, which is neither a descriptor nor an errno"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::super::dialer::{ws_dialer_free, ws_dialer_new};
    use super::*;

    #[test]
    fn a_route_is_told_in_the_callers_memory() {
        let mut host = [b'x' as c_char; 256];
        let mut port = -1;
        // SAFETY: a dialer of our own, strings, and places that may be written.
        unsafe {
            let dialer = ws_dialer_new();
            let mut route = |dialer, url: &CStr, size| {
                let code =
                    ws_dialer_route(dialer, url.as_ptr(), host.as_mut_ptr(), size, &raw mut port, ptr::null_mut());
                let told = CStr::from_ptr(host.as_ptr()).to_string_lossy().into_owned();
                (code, told, port)
            };
            assert_eq!(route(ptr::null(), c"ws://[2001:db8::1]/x", 256), (0, "2001:db8::1".into(), 80));
            assert_eq!(route(dialer, c"wss://a.example", 10), (0, "a.example".into(), 443));
            assert_eq!(route(dialer, c"wss://a.example", 9), (Code::UsageLength as c_int, String::new(), 0));
            assert_eq!(route(dialer, c"wss://a.example", 0).0, Code::UsageLength as c_int);
            assert_eq!(route(dialer, c"ws+unix:/run/x:/y", 256), (0, "/run/x".into(), 0));
            assert_eq!(ws_dialer_set_proxy(dialer, c"socks5://u:p@[::1]".as_ptr(), ptr::null_mut()), 0);
            assert_eq!(route(dialer, c"wss://a.example", 256), (0, "::1".into(), 1080));
            assert_eq!(route(dialer, c"ws+unix:/run/x:/y", 256), (0, "/run/x".into(), 0));
            assert_eq!(ws_dialer_set_proxy(dialer, ptr::null(), ptr::null_mut()), 0);
            assert_eq!(route(dialer, c"wss://a.example", 256), (0, "a.example".into(), 443));
            assert_eq!(route(dialer, c"http://a.example", 256), (Code::UrlScheme as c_int, String::new(), 0));
            ws_dialer_free(dialer);
        }
    }
}
