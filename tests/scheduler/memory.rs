//! The client of a session over memory, by way of the C functions: every byte is moved here, in portions of its own.

use std::ffi::{CStr, CString, c_int, c_void};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;

use wsdial::Client;
use wsdial::ffi::*;

use crate::peer;
use crate::session::{Act, Random, Session, told};

const OK: c_int = 0;
const AGAIN: c_int = 1;
const PENDING: c_int = 3;
const CLOSED: c_int = 4;
const NOWAIT: c_int = 0;

/// A connection and the socket that its bytes go through.
struct Memory {
    conn: *mut ws_conn,
    socket: UnixStream,
    random: Random,
    came: bool,
}

pub(crate) fn memory(_: &Client, socket: UnixStream, url: &str, session: &Session, random: Random) -> Vec<String> {
    socket.set_nonblocking(true).unwrap();
    let mut conn = null_mut();
    let (url, pem) = (CString::new(url).unwrap(), &peer::identity().0);
    // SAFETY: everything lives as long as the calls.
    unsafe {
        let dialer = ws_dialer_new();
        assert_eq!(ws_dialer_use_system_roots(dialer, 0, null_mut()), OK);
        assert_eq!(ws_dialer_add_ca_pem(dialer, pem.as_ptr().cast(), pem.len(), null_mut()), OK);
        assert_eq!(ws_dial_memory(url.as_ptr(), dialer, &raw mut conn, null_mut()), AGAIN);
        ws_dialer_free(dialer);
    }
    let mut memory = Memory { conn, socket, random, came: true };
    // SAFETY: the connection lives until it is dropped.
    let opened = memory.turn(false, |conn, error| unsafe { ws_handshake(conn, NOWAIT, error) });
    assert_eq!(opened, Ok(OK));
    let mut log = Vec::new();
    for acts in &session.client {
        for act in acts {
            let done = memory.turn(matches!(act, Act::Close(..)), |conn, error| perform(conn, act, error));
            if let Act::Close(..) = act {
                log.push(memory.end(done));
                return log;
            }
            assert!(matches!(done, Ok(OK | PENDING)), "{done:?}");
        }
        // SAFETY: all zero is what a message starts as.
        let mut message: ws_message = unsafe { std::mem::zeroed() };
        // SAFETY: the message is this thread's.
        let received = memory.turn(false, |conn, error| unsafe { ws_recv(conn, NOWAIT, &raw mut message, error) });
        if received != Ok(OK) {
            assert!(message.data.is_null() && message.len == 0);
            log.push(memory.end(received));
            // SAFETY: freed once.
            unsafe { ws_message_free(&raw mut message) };
            memory.last_words();
            return log;
        }
        // SAFETY: a received message has that many bytes; freed once.
        unsafe {
            let data = std::slice::from_raw_parts(message.data.cast::<u8>(), message.len);
            log.push(told(message.kind == WS_TEXT, data));
            ws_message_free(&raw mut message);
        }
    }
    panic!("the session does not end")
}

fn perform(conn: *mut ws_conn, act: &Act, error: *mut *mut ws_error) -> c_int {
    // SAFETY: the data lives as long as the call.
    unsafe {
        match act {
            Act::Text(text) => ws_send(conn, WS_TEXT, text.as_ptr().cast(), text.len(), NOWAIT, error),
            Act::Binary(data) => ws_send(conn, WS_BINARY, data.as_ptr().cast(), data.len(), NOWAIT, error),
            Act::Ping(data) => ws_ping(conn, data.as_ptr().cast(), data.len(), NOWAIT, error),
            Act::Pong(data) => ws_pong(conn, data.as_ptr().cast(), data.len(), NOWAIT, error),
            Act::Close(code, reason) => {
                let reason = CString::new(*reason).unwrap();
                ws_close(conn, (*code).into(), reason.as_ptr(), NOWAIT, error)
            }
        }
    }
}

impl Memory {
    /// Calls until the answer is not `Again`, and moves bytes in between. A failure is its close code.
    fn turn(
        &mut self,
        is_close: bool,
        mut call: impl FnMut(*mut ws_conn, *mut *mut ws_error) -> c_int,
    ) -> Result<c_int, c_int> {
        loop {
            if !is_close && self.random.one_in(4) {
                // SAFETY: the connection lives until it is dropped.
                let _ = unsafe { ws_process(self.conn, null_mut()) };
            }
            let mut error = null_mut();
            let answer = call(self.conn, &raw mut error);
            if answer < 0 {
                // SAFETY: the error is ours, freed once.
                unsafe {
                    let code = ws_error_close_code(error);
                    ws_error_free(error);
                    return Err(code);
                }
            }
            if answer != AGAIN {
                return Ok(answer);
            }
            self.move_bytes();
        }
    }

    /// Moves some bytes; waits when there is nothing to move.
    fn move_bytes(&mut self) {
        let (read, left) = (self.read(), self.write());
        if read || left == Some(true) {
            return;
        }
        // SAFETY: the connection lives; one writable pollfd.
        unsafe {
            let wants = ws_wants(self.conn);
            assert_eq!(wants & WS_WANT_BUFFERED, 0, "a call would progress, it says, but the call said Again");
            assert!(wants & WS_WANT_READ != 0 || left.is_some(), "nothing is wanted, so nobody would ever call again");
            let read = if wants & WS_WANT_READ != 0 && self.came { libc::POLLIN } else { 0 };
            let write = if left.is_some() { libc::POLLOUT } else { 0 };
            let mut watch = libc::pollfd { fd: self.socket.as_raw_fd(), events: read | write, revents: 0 };
            libc::poll(&raw mut watch, 1, ws_timeout(self.conn));
        }
    }

    /// Whether something came, be it the end.
    fn read(&mut self) -> bool {
        if !self.came {
            return false;
        }
        // SAFETY: the room is ours from `ws_input` to `ws_input_done`.
        unsafe {
            if ws_wants(self.conn) & WS_WANT_READ == 0 {
                return false;
            }
            let mut room = 0;
            let at = ws_input(self.conn, &raw mut room);
            if at.is_null() {
                return false;
            }
            assert!(room >= 16 * 1024);
            std::ptr::write_bytes(at.cast::<u8>(), 0, room);
            let most = if self.random.one_in(2) { room } else { 1 + self.random.below(30) };
            match self.socket.read(std::slice::from_raw_parts_mut(at.cast(), most)) {
                Ok(n) => {
                    self.came = n > 0;
                    assert_eq!(ws_input_done(self.conn, n, null_mut()), OK);
                    true
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(_) => {
                    self.came = false;
                    assert_eq!(ws_input_done(self.conn, 0, null_mut()), OK);
                    true
                }
            }
        }
    }

    /// Whether something left; `None` when nothing is to leave.
    fn write(&mut self) -> Option<bool> {
        // SAFETY: the bytes stay where they are until `ws_output_done`.
        unsafe {
            let mut len = 0;
            let at: *const c_void = ws_output(self.conn, &raw mut len);
            if at.is_null() {
                return None;
            }
            let most = if self.random.one_in(2) { len } else { len.min(1 + self.random.below(30)) };
            let written = match self.socket.write(std::slice::from_raw_parts(at.cast(), most)) {
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(false),
                // Nobody will read it.
                Err(_) => len,
            };
            assert_eq!(ws_output_done(self.conn, written, null_mut()), OK);
            Some(true)
        }
    }

    /// What is left to be written behind the end, and the end of what we send.
    fn last_words(&mut self) {
        while let Some(written) = self.write() {
            if !written {
                self.move_bytes();
            }
        }
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    fn end(&self, answer: Result<c_int, c_int>) -> String {
        // SAFETY: the reason lives as long as the connection.
        unsafe {
            let reason = ws_close_reason(self.conn, null_mut());
            let reason = if reason.is_null() { "-" } else { CStr::from_ptr(reason).to_str().unwrap() };
            match answer {
                Ok(OK | CLOSED) => format!("closed {} {reason}", ws_close_code(self.conn)),
                Ok(other) => format!("answer {other}"),
                Err(code) => format!("failed {code}"),
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { ws_conn_free(self.conn) };
    }
}
