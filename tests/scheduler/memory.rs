//! The client of a session over memory, by way of the C functions: every byte is moved here, in portions of its own.

use std::ffi::{CStr, CString, c_int, c_void};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;

use wsdial::ffi::*;
use wsdial::{Client, Kind};

use crate::peer;
use crate::session::{Act, Log, Random, Session};

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

pub(crate) fn memory(_: &Client, socket: UnixStream, url: &str, session: &Session, random: Random) -> Log {
    socket.set_nonblocking(true).unwrap();
    let mut conn = null_mut();
    let (url, pem) = (CString::new(url).unwrap(), &peer::identity().0);
    // SAFETY: everything lives as long as the calls.
    unsafe {
        let dialer = ws_dialer_new();
        assert_eq!(ws_dialer_use_system_roots(dialer, 0, null_mut()), OK);
        assert_eq!(ws_dialer_add_ca_pem(dialer, pem.as_ptr().cast(), pem.len(), null_mut()), OK);
        assert_eq!(ws_dialer_set_control_delivery(dialer, session.delivers.into(), null_mut()), OK);
        assert_eq!(ws_dialer_set_compression(dialer, session.deflates.into(), null_mut()), OK);
        assert_eq!(ws_dial_memory(url.as_ptr(), dialer, &raw mut conn, null_mut()), AGAIN);
        ws_dialer_free(dialer);
    }
    let mut memory = Memory { conn, socket, random, came: true };
    // SAFETY: the connection lives until it is dropped.
    let opened = memory.turn(false, |conn, error| unsafe { ws_handshake(conn, NOWAIT, error) });
    assert_eq!(opened, Ok(OK));
    let mut log = Log::default();
    for acts in &session.client {
        for act in acts {
            let done = memory.perform(act);
            if let Act::Close(..) = act {
                log.seen.push(memory.end(done));
                return log;
            }
            assert!(matches!(done, Ok(OK | PENDING)), "{done:?}");
        }
        if !memory.receive(&mut log) {
            memory.last_words();
            return log;
        }
    }
    panic!("the session does not end")
}

/// The kind of a delivered number.
fn kind_of(number: c_int) -> Kind {
    match number {
        WS_TEXT => Kind::Text,
        WS_BINARY => Kind::Binary,
        WS_CLOSE => Kind::Close,
        WS_PING => Kind::Ping,
        WS_PONG => Kind::Pong,
        _ => panic!("kind {number}"),
    }
}

impl Memory {
    fn perform(&mut self, act: &Act) -> Result<c_int, c_int> {
        match act {
            Act::Text(text) => self.send(WS_TEXT, text.as_bytes()),
            Act::Binary(data) => self.send(WS_BINARY, data),
            // SAFETY: the data lives as long as the call.
            Act::Ping(data) => self
                .turn(false, |conn, error| unsafe { ws_ping(conn, data.as_ptr().cast(), data.len(), NOWAIT, error) }),
            // SAFETY: likewise.
            Act::Pong(data) => self
                .turn(false, |conn, error| unsafe { ws_pong(conn, data.as_ptr().cast(), data.len(), NOWAIT, error) }),
            Act::Close(code, reason) => {
                let reason = CString::new(*reason).unwrap();
                // SAFETY: likewise.
                self.turn(true, |conn, error| unsafe { ws_close(conn, (*code).into(), reason.as_ptr(), NOWAIT, error) })
            }
        }
    }

    /// Whole, in a batch, in fragments, or into memory of ours.
    fn send(&mut self, kind: c_int, data: &[u8]) -> Result<c_int, c_int> {
        match self.random.below(4) {
            0 => {
                let (kinds, offsets, mut taken) = ([kind as u8], [0, data.len()], 9);
                // SAFETY: everything lives as long as the call.
                let done = self.turn(false, |conn, error| unsafe {
                    let (kinds, offsets) = (kinds.as_ptr(), offsets.as_ptr());
                    ws_send_batch(conn, kinds, data.as_ptr().cast(), offsets, 1, NOWAIT, &raw mut taken, error)
                });
                assert_eq!(taken, 1);
                done
            }
            1 => {
                let mut rest = data;
                loop {
                    let is_final = self.random.one_in(2);
                    let len = if is_final { rest.len() } else { self.random.below(rest.len() + 1) };
                    let (part, behind) = rest.split_at(len);
                    // SAFETY: the data lives as long as the call.
                    let done = self.turn(false, |conn, error| unsafe {
                        ws_send_fragment(conn, kind, part.as_ptr().cast(), len, is_final.into(), NOWAIT, error)
                    });
                    if is_final || !matches!(done, Ok(OK | PENDING)) {
                        return done;
                    }
                    rest = behind;
                }
            }
            2 => self.send_into_memory(kind, data),
            // SAFETY: the data lives as long as the call.
            _ => self.turn(false, |conn, error| unsafe {
                ws_send(conn, kind, data.as_ptr().cast(), data.len(), NOWAIT, error)
            }),
        }
    }

    fn send_into_memory(&mut self, kind: c_int, data: &[u8]) -> Result<c_int, c_int> {
        let mut to = vec![0u8; self.random.below(data.len() + 40)];
        let (at, mut len) = (to.as_mut_ptr().cast(), 0);
        // SAFETY: the data lives as long as the call, the memory is ours and as large as it is said to be.
        let done = self.turn(false, |conn, error| unsafe {
            len = to.len();
            ws_send_output(conn, kind, data.as_ptr().cast(), data.len(), at, &raw mut len, error)
        });
        assert!(len == 0 || matches!(done, Ok(OK | PENDING)), "{done:?}");
        // Nothing else may leave before it.
        let mut left = &to[..len];
        while !left.is_empty() {
            match self.socket.write(left) {
                Ok(n) => left = &left[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.read();
                    self.wait_for_room();
                }
                Err(_) => break,
            }
        }
        done
    }

    /// Until something can be written, or read where there is room to read it into.
    fn wait_for_room(&self) {
        // SAFETY: the connection lives; one writable pollfd.
        unsafe {
            let read = if ws_wants(self.conn) & WS_WANT_READ != 0 && self.came { libc::POLLIN } else { 0 };
            let mut watch = libc::pollfd { fd: self.socket.as_raw_fd(), events: read | libc::POLLOUT, revents: 0 };
            libc::poll(&raw mut watch, 1, -1);
        }
    }

    /// Writes down the next message; false at the end.
    fn receive(&mut self, log: &mut Log) -> bool {
        loop {
            let received = match self.random.below(3) {
                0 => self.receive_one_of_a_batch(log),
                1 => self.receive_pieces(log),
                _ => self.receive_whole(log),
            };
            match received {
                Ok(true) => return true,
                Ok(false) => {}
                Err(end) => {
                    log.seen.push(self.end(end));
                    return false;
                }
            }
        }
    }

    /// Whether it was a message and no control frame; or the answer that was neither.
    fn receive_whole(&mut self, log: &mut Log) -> Result<bool, Result<c_int, c_int>> {
        // SAFETY: all zero is what a message starts as.
        let mut message: ws_message = unsafe { std::mem::zeroed() };
        // SAFETY: the message is this thread's; it has that many bytes; freed once.
        unsafe {
            let received = self.turn(false, |conn, error| ws_recv(conn, NOWAIT, &raw mut message, error));
            if received != Ok(OK) {
                assert!(message.data.is_null() && message.len == 0);
                ws_message_free(&raw mut message);
                return Err(received);
            }
            let data = std::slice::from_raw_parts(message.data.cast::<u8>(), message.len);
            let is_message = log.note(kind_of(message.kind), data);
            ws_message_free(&raw mut message);
            Ok(is_message)
        }
    }

    fn receive_one_of_a_batch(&mut self, log: &mut Log) -> Result<bool, Result<c_int, c_int>> {
        // SAFETY: all zero is what a batch starts as.
        let mut batch: ws_batch = unsafe { std::mem::zeroed() };
        // SAFETY: the batch is this thread's; it has what its count says; freed once.
        unsafe {
            let received = self.turn(false, |conn, error| ws_recv_batch(conn, NOWAIT, 0, 1, &raw mut batch, error));
            if received != Ok(OK) {
                assert!(batch.data.is_null() && batch.count == 0);
                ws_batch_free(&raw mut batch);
                return Err(received);
            }
            assert!(batch.count == 1 && *batch.offsets == 0);
            let data = std::slice::from_raw_parts(batch.data.cast::<u8>(), *batch.offsets.add(1));
            let is_message = log.note(kind_of((*batch.kinds).into()), data);
            ws_batch_free(&raw mut batch);
            Ok(is_message)
        }
    }

    fn receive_pieces(&mut self, log: &mut Log) -> Result<bool, Result<c_int, c_int>> {
        let mut to = vec![0u8; [125, 1000, 70_000][self.random.below(3)]];
        let (mut all, mut controls) = (Vec::new(), Vec::<(Kind, Vec<u8>)>::new());
        let mut socket = self.socket.try_clone().unwrap();
        loop {
            let (mut len, mut kind, mut is_final) = (9, 9, 9);
            let reads = self.random.one_in(2);
            // SAFETY: everything lives as long as the call.
            let received = self.turn(false, |conn, error| unsafe {
                let (at, size) = (to.as_mut_ptr().cast(), to.len());
                let answer =
                    ws_recv_into(conn, NOWAIT, at, size, &raw mut len, &raw mut kind, &raw mut is_final, error);
                let direct = if reads && answer == AGAIN { ws_input_direct(conn).min(size) } else { 0 };
                match socket.read(&mut to[..direct]) {
                    Ok(n) if n > 0 => {
                        len = n;
                        ws_input_direct_done(conn, at, n, &raw mut kind, &raw mut is_final, error)
                    }
                    _ => answer, // the end is met again
                }
            });
            if received.is_err() {
                len = 0;
            }
            if received != Ok(OK) {
                assert!((len, kind, is_final) == (0, 0, 0));
                controls.iter().for_each(|(kind, data)| assert!(!log.note(*kind, data)));
                return Err(received);
            }
            let kind = kind_of(kind);
            if !matches!(kind, Kind::Text | Kind::Binary) {
                controls.push((kind, to[..len].to_vec()));
                continue;
            }
            all.extend_from_slice(&to[..len]);
            if is_final == 1 {
                controls.iter().for_each(|(kind, data)| assert!(!log.note(*kind, data)));
                return Ok(log.note(kind, &all));
            }
        }
    }

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
