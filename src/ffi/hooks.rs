//! What tests need to see the guard at work. Never part of a shipped build: `test-hooks` is off by default, and a test
//! looks at the exported symbols.

use std::ffi::c_int;

use super::connection::ws_conn;
use super::error::ws_error;
use super::guard;

/// Panics in the middle of a call on `conn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_test_panic(conn: *mut ws_conn, error: *mut *mut ws_error) -> c_int {
    // SAFETY: each is NULL or what every function asks for.
    unsafe {
        guard::call(error, || {
            let conn = guard::living("conn", conn)?;
            panic!("a test's panic on a connection with subprotocol {:?}", conn.connection().subprotocol());
        })
    }
}
