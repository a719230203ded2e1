//! The one guard around every exported body: NULL becomes an error that names the argument, a panic becomes
//! `WS_E_INTERNAL`, `*error` and `*out` are always written, and nothing is printed.
//!
//! Owns the passage from raw pointers to references and back. Knows nothing of what the bodies do.

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Deref;
use std::os::fd::{FromRawFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Once;
use std::thread;

use super::connection::ws_conn;
use super::error::ws_error;
use crate::client::Outcome;
use crate::error::{Code, Error};

/// Runs the body of a function that may fail. Writes `*error`: NULL, or the failure, which is the caller's then.
///
/// # Safety
/// `error` is NULL or may be written.
pub(super) unsafe fn call(error: *mut *mut ws_error, body: impl FnOnce() -> Result<Outcome, Error>) -> c_int {
    if !error.is_null() {
        // SAFETY: the caller's promise.
        unsafe { error.write(ptr::null_mut()) };
    }
    let failure = match run(body) {
        Ok(Ok(outcome)) => return outcome as c_int,
        Ok(Err(failure)) => failure,
        Err(fault) => fault,
    };
    let code = failure.code() as c_int;
    if !error.is_null()
        && let Ok(handle) = run(|| ws_error::boxed(failure))
    {
        // SAFETY: the caller's promise.
        unsafe { error.write(handle) };
    }
    code
}

/// Runs the body of a function that only tells something: `default` for a NULL handle and after a panic.
///
/// # Safety
/// `handle` is NULL or a handle that is not freed before the answer is no longer used.
pub(super) unsafe fn fact<'a, T: 'a, R>(handle: *const T, default: R, body: impl FnOnce(&'a T) -> R) -> R {
    // SAFETY: the caller's promise.
    match unsafe { handle.as_ref() } {
        Some(handle) => run(|| body(handle)).unwrap_or(default),
        None => default,
    }
}

/// The same for a body that works on a connection: nothing is done on one that a fault has ended, and a panic ends it.
///
/// # Safety
/// As for [`fact`].
pub(super) unsafe fn work<R: Copy>(conn: *const ws_conn, default: R, body: impl FnOnce(&ws_conn) -> R) -> R {
    // SAFETY: the caller's promise.
    plain(default, || unsafe { living("conn", conn) }.map_or(default, |conn| body(&conn)))
}

/// Runs a body that a signal handler may run, so outside everything else here, which may allocate or lock. The body must
/// do neither, and not panic. Nothing is done for NULL.
///
/// # Safety
/// `handle` is NULL or a handle that is not freed during the call.
pub(super) unsafe fn in_signal<T>(handle: *const T, body: impl FnOnce(&T)) {
    // SAFETY: the caller's promise.
    if let Some(handle) = unsafe { handle.as_ref() } {
        body(handle);
    }
}

/// Runs the body of a function that needs no handle: `default` after a panic.
pub(super) fn plain<R>(default: R, body: impl FnOnce() -> R) -> R {
    run(body).unwrap_or(default)
}

/// Makes a handle: NULL after a panic.
pub(super) fn make<T>(body: impl FnOnce() -> T) -> *mut T {
    run(|| Box::into_raw(Box::new(body()))).unwrap_or(ptr::null_mut())
}

/// Frees a handle; NULL is no handle.
///
/// # Safety
/// `handle` is NULL or came from [`make`], [`Slot::fill`] or `ws_error::boxed`, and nobody uses it any more.
pub(super) unsafe fn free<T>(handle: *mut T) {
    if handle.is_null() {
        return;
    }
    // SAFETY: the caller's promise; it was made by `Box::into_raw`. A panic in there has nobody to be told to.
    let _ = run(|| drop(unsafe { Box::from_raw(handle) }));
}

/// A connection inside a call. When the call panics, the connection is over: what it left behind is not to be trusted.
pub(super) struct Living<'a> {
    conn: &'a ws_conn,
    was_panicking: bool,
}

impl Deref for Living<'_> {
    type Target = ws_conn;

    fn deref(&self) -> &ws_conn {
        self.conn
    }
}

impl Drop for Living<'_> {
    fn drop(&mut self) {
        if !self.was_panicking && thread::panicking() {
            self.conn.poison();
        }
    }
}

/// The connection behind a handle, unless a fault of ours has ended it.
///
/// # Safety
/// `conn` is NULL or a connection that nobody frees during the call.
pub(super) unsafe fn living<'a>(name: &str, conn: *const ws_conn) -> Result<Living<'a>, Error> {
    // SAFETY: the caller's promise.
    let conn: &'a ws_conn = unsafe { shared(name, conn) }?;
    match conn.fault() {
        Some(fault) => Err(fault),
        None => Ok(Living { conn, was_panicking: thread::panicking() }),
    }
}

/// What `pointer` points at.
///
/// # Safety
/// `pointer` is NULL or points at a T that nobody changes or frees during the call.
pub(super) unsafe fn shared<'a, T>(name: &str, pointer: *const T) -> Result<&'a T, Error> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// What `pointer` points at, when the caller did not leave it out.
///
/// # Safety
/// As for [`shared`].
pub(super) unsafe fn optional<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }
}

/// What `pointer` points at, to be changed.
///
/// # Safety
/// `pointer` is NULL or points at a T that nobody else uses during the call.
pub(super) unsafe fn unique<'a, T>(name: &str, pointer: *mut T) -> Result<&'a mut T, Error> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// The place that a new handle is written to.
pub(super) struct Slot<T>(*mut *mut T);

/// The place `out`, set to NULL.
///
/// # Safety
/// `out` is NULL or may be written during the call.
pub(super) unsafe fn slot<T>(name: &str, out: *mut *mut T) -> Result<Slot<T>, Error> {
    if out.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(ptr::null_mut()) };
    Ok(Slot(out))
}

impl<T> Slot<T> {
    /// Hands `value` out.
    pub(super) fn fill(self, value: T) {
        // SAFETY: `slot` was promised that the place may be written during the call, and no slot outlives its call.
        unsafe { self.0.write(Box::into_raw(Box::new(value))) }
    }
}

/// Writes to a place that the caller may leave out.
///
/// # Safety
/// `place` is NULL or may be written.
pub(super) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) };
    }
}

/// A descriptor of the caller's, for as long as the body has use for it; who fails gives it back with `into_raw_fd`.
///
/// # Safety
/// `fd` is no descriptor, or one that nobody else uses or closes during the call.
pub(super) unsafe fn descriptor(name: &str, fd: isize) -> Result<OwnedFd, Error> {
    match c_int::try_from(fd) {
        // SAFETY: the caller's promise; -1, which no `OwnedFd` may be, is left out.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Error::new(Code::OptionValue, format!("the argument {name} is {fd}, which is no descriptor"))),
    }
}

/// The bytes of a buffer; NULL is an empty one when `len` is 0.
///
/// # Safety
/// `data` is NULL or points at `len` bytes that nobody changes during the call.
pub(super) unsafe fn bytes<'a>(name: &str, data: *const c_void, len: usize) -> Result<&'a [u8], Error> {
    // SAFETY: the caller's promise.
    unsafe { list(name, data.cast(), len) }
}

/// The same for a list of `len` numbers.
///
/// # Safety
/// `data` is NULL or points at `len` of them, aligned, which nobody changes during the call.
#[inline]
pub(super) unsafe fn list<'a, T>(name: &str, data: *const T, len: usize) -> Result<&'a [T], Error> {
    if len > isize::MAX as usize / size_of::<T>() {
        return Err(too_long(name, len));
    }
    if data.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null(name)) };
    }
    // SAFETY: the caller's promise; not NULL, and no longer than an object may be.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// Room of the caller's to be filled; NULL is none when `len` is 0.
///
/// # Safety
/// `to` is NULL or may be written for `len` bytes, and nobody else uses them during the call.
pub(super) unsafe fn room<'a>(name: &str, to: *mut c_void, len: usize) -> Result<&'a mut [u8], Error> {
    // SAFETY: what may be written may be read here too: nothing is, before it was written.
    unsafe { list::<u8>(name, to.cast_const().cast(), len) }?;
    if to.is_null() {
        return Ok(&mut []);
    }
    // SAFETY: the caller's promise; not NULL, and no longer than an object may be.
    Ok(unsafe { std::slice::from_raw_parts_mut(to.cast(), len) })
}

/// The bytes of a string, without its NUL.
///
/// # Safety
/// `string` is NULL or ends in NUL, and nobody changes it during the call.
pub(super) unsafe fn string<'a>(name: &str, string: *const c_char) -> Result<&'a [u8], Error> {
    if string.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(string) }.to_bytes())
}

/// A string that must be UTF-8, or it is the failure `code`.
///
/// # Safety
/// As for [`string`].
pub(super) unsafe fn text<'a>(name: &str, string: *const c_char, code: Code) -> Result<&'a str, Error> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { self::string(name, string) }?;
    std::str::from_utf8(bytes).map_err(|wrong| {
        Error::new(code, format!("the argument {name} is not UTF-8: byte {} begins no character", wrong.valid_up_to()))
    })
}

#[cold]
fn too_long(name: &str, len: usize) -> Error {
    let sentence = format!("the length of the argument {name} is {len}; an object has at most {} bytes", isize::MAX);
    Error::new(Code::UsageLength, sentence)
}

#[cold]
pub(super) fn null(name: &str) -> Error {
    Error::new(Code::UsageNull, format!("the argument {name} is NULL"))
}

thread_local! {
    /// How many guards this thread is in.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Runs `body`; a panic comes out as an error and is not printed.
fn run<R>(body: impl FnOnce() -> R) -> Result<R, Error> {
    install_hook();
    INSIDE.set(INSIDE.get() + 1);
    // The bodies share only what is behind locks, and a connection that saw a panic is never used again (`Living`).
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(INSIDE.get() - 1);
    result.map_err(internal)
}

/// std prints every panic on stderr by its hook, and a library must not print. The hook that was there stays for all
/// panics that are not ours.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    // A thread that unwinds already (a Rust host's destructor) may not set a hook.
    if INSTALLED.is_completed() || thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if INSIDE.get() == 0 && !is_helper() {
                previous(panic);
            }
        }));
    });
}

/// Whether this thread is one of the library's own, such as those that resolve names: they run outside any guard.
fn is_helper() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with("wsdial-"))
}

/// What a panic left behind, as a failure.
#[cold]
fn internal(payload: Box<dyn Any + Send>) -> Error {
    let what = match payload.downcast::<&'static str>() {
        Ok(text) => text.to_string(),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => {
                // Dropping a payload of unknown make could panic once more, out of the guard.
                std::mem::forget(payload);
                "no more is known".to_owned()
            }
        },
    };
    Error::new(Code::Internal, format!("a fault inside the library: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set for the child process that panics.
    const CHILD: &str = "WSDIAL_TEST_GUARD_CHILD";

    #[test]
    fn a_panic_comes_out_as_a_code_and_a_sentence() {
        let mut error = ptr::null_mut();
        // SAFETY: `error` may be written.
        let code = unsafe { call(&raw mut error, || panic!("number {}", 7)) };
        assert_eq!(code, Code::Internal as c_int);
        // SAFETY: `call` has set it, and it is freed once.
        unsafe {
            assert_eq!(&(*error).error().to_string(), "a fault inside the library: number 7");
            free(error);
            assert_eq!(call(ptr::null_mut(), || panic!("nobody asks")), Code::Internal as c_int);
            assert_eq!(fact(&raw const code, 3, |_| panic!("a fact")), 3);
        }
        assert!(make::<u8>(|| panic!("no handle")).is_null());
        assert_eq!(plain(4, || panic!("plain")), 4);
        assert_eq!(INSIDE.get(), 0);
    }

    #[test]
    fn a_panic_inside_prints_nothing_and_one_outside_still_does() {
        if std::env::var_os(CHILD).is_some() {
            assert_eq!(plain(1, || panic!("silent panic")), 1);
            let helper = thread::Builder::new().name("wsdial-resolve".into());
            let _ = helper.spawn(|| panic!("silent panic of a helper")).expect("a thread").join();
            let _ = panic::catch_unwind(|| panic!("loud panic"));
            return;
        }
        let itself = std::env::current_exe().expect("the test's own program");
        let name = "ffi::guard::tests::a_panic_inside_prints_nothing_and_one_outside_still_does";
        let child = std::process::Command::new(itself).args([name, "--exact", "--nocapture"]).env(CHILD, "1").output();
        let child = child.expect("the test runs itself");
        let stderr = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{stderr}");
        assert!(!stderr.contains("silent panic"), "{stderr}");
        assert!(stderr.contains("loud panic"), "{stderr}");
    }

    #[test]
    fn lengths_and_null_are_told_apart() {
        let byte = 7_u8;
        let data: *const c_void = (&raw const byte).cast();
        // SAFETY: one byte is there; what is refused is not read.
        unsafe {
            assert_eq!(bytes("data", data, 1).ok(), Some(&[7_u8][..]));
            assert_eq!(bytes("data", ptr::null(), 0).ok(), Some(&[][..]));
            assert_eq!(bytes("data", ptr::null(), 1).map_err(|e| e.code()), Err(Code::UsageNull));
            let long = bytes("data", data, isize::MAX as usize + 1).map_err(|e| e.code());
            assert_eq!(long, Err(Code::UsageLength));
            let wrong = text("url", c"ab\xff".as_ptr(), Code::UrlSyntax).map_err(|e| e.to_string());
            assert_eq!(wrong, Err("the argument url is not UTF-8: byte 2 begins no character".to_owned()));
        }
    }
}
