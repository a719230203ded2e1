//! What becomes of control frames: whether they are delivered like messages, and who answers them.

use super::connection::{Connection, Rx};
use super::sync::Ordering;
use crate::protocol::message::{Kind, Message};

/// Pings, pongs and closes are delivered.
const DELIVERED: u8 = 1;
/// Pings are answered by the program.
const OWN_PONGS: u8 = 2;
/// The peer's close is answered by the program.
const OWN_CLOSE: u8 = 4;

/// What `Connection::control` holds for these settings.
pub(super) fn bits(deliver: bool, auto_pong: bool, auto_close: bool) -> u8 {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    bit(deliver, DELIVERED) | bit(!auto_pong, OWN_PONGS) | bit(!auto_close, OWN_CLOSE)
}

impl Rx {
    /// Puts the control frame that the decoder has just said behind what waits for a receiver.
    pub(super) fn keep_control(&mut self, kind: Kind) {
        let data = self.decoder.control().to_vec();
        self.ready_bytes += data.len();
        self.ready.push_back(Message { kind, data });
    }

    /// Takes it away again, unread.
    pub(super) fn drop_control(&mut self) {
        if let Some(dropped) = self.ready.pop_back() {
            self.ready_bytes -= dropped.data.len();
        }
    }
}

impl Connection {
    /// From the next control frame on: whether pings, pongs and closes are delivered as messages of those kinds, in order
    /// with the others and before a message that they come in the middle of; whether pings are answered by themselves; and
    /// whether the peer's close is. Whoever answers a close does so by `close`, within 5 s, and may finish a fragmented
    /// message before.
    pub fn set_control(&self, deliver: bool, auto_pong: bool, auto_close: bool) {
        self.control.store(bits(deliver, auto_pong, auto_close), Ordering::Relaxed);
    }

    pub(super) fn delivers_control(&self) -> bool {
        self.control.load(Ordering::Relaxed) & DELIVERED != 0
    }

    pub(super) fn answers_pings(&self) -> bool {
        self.control.load(Ordering::Relaxed) & OWN_PONGS == 0
    }

    pub(super) fn answers_closes(&self) -> bool {
        self.control.load(Ordering::Relaxed) & OWN_CLOSE == 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use super::super::{Client, Outcome};
    use super::*;
    use crate::dialer::Dialer;
    use crate::wait::{Wait, now};

    /// An open connection whose server has sent a close frame, which is left to the program, and the server's end.
    fn closed_by_the_server() -> (Connection, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let connection = Client::new(Dialer::new()).dial_socket(ours.into(), "ws://localhost/", Wait::Never).unwrap();
        connection.set_control(false, true, false);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            theirs.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        theirs.write_all(answer.as_bytes()).unwrap();
        theirs.write_all(b"\x88\x02\x03\xe8").unwrap();
        assert_eq!(connection.handshake(Wait::Forever).unwrap(), Outcome::Done);
        assert_eq!(connection.recv(&mut Message::new(), Wait::Forever).unwrap(), Outcome::Closed);
        (connection, theirs)
    }

    /// The limit of 5 s is moved nearer: what counts is what happens at it.
    #[test]
    fn a_close_that_nobody_answers_ends_at_its_limit() {
        for processes in [false, true] {
            let (connection, mut theirs) = closed_by_the_server();
            let begun = Instant::now();
            connection.link.lock().end_by = Some(now() + Duration::from_millis(100));
            theirs.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert!(theirs.read(&mut [0]).is_err(), "nothing was sent, and the stream goes on");
            while now() < begun + Duration::from_millis(110) {
                std::thread::sleep(connection.timeout().unwrap_or_default());
            }
            let answer = match processes {
                true => connection.process(),
                false => connection.recv(&mut Message::new(), Wait::Never),
            };
            assert!(matches!(answer, Ok(Outcome::Closed | Outcome::Again)), "{answer:?}");
            theirs.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "the stream has ended, without a close frame of ours");
            assert_eq!(connection.close(1000, "", Wait::Never).unwrap(), Outcome::Timeout);
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
    }
}
