//! Receiving one message in pieces, into memory of the caller's: a large message needs no large memory. Payload is read
//! straight from the socket into it where there is no TLS.
//!
//! A message whose beginning went that way belongs to it to its end: `recv` is refused until then. What others have read
//! of it meanwhile (`process`, a closer) waits in `rx.message`, or whole in `rx.ready`, and goes out first; `rx.piece_at`
//! is how much of that has.

use super::connection::{Connection, Outcome, Rx, Spent};
use super::fill::Filled;
use super::recv::{Ending, Turn, late};
use super::sync::Ordering;
use crate::error::{Code, Error, Phase};
use crate::protocol::decoder::Event;
use crate::protocol::message::Kind;
use crate::wait::{Over, Patience, Wait};

/// The longest payload of a control frame (RFC 6455 5.5), which is never cut.
const CONTROL: usize = 125;

/// So much at a time is decoded ahead.
const AHEAD: usize = 64 * 1024;

/// A piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes were put into the caller's memory.
    pub len: usize,
    /// What the message is.
    pub kind: Kind,
    /// Whether the message ends with it.
    pub is_final: bool,
}

impl Piece {
    /// Nothing yet.
    pub const NONE: Piece = Piece { len: 0, kind: Kind::Binary, is_final: false };
}

impl Rx {
    /// Puts out what was read of the message, or of those before it, without looking at the socket. False when there is
    /// nothing of that.
    fn put_out(&mut self, to: &mut [u8], piece: &mut Piece) -> bool {
        let Some(ready) = self.ready.front() else {
            let rest = self.message.get(self.piece_at..).filter(|rest| !rest.is_empty() && !self.drains);
            let Some(rest) = rest else { return false };
            piece.len = copy(to, rest);
            piece.kind = self.decoder.kind().unwrap_or(Kind::Binary);
            self.in_pieces = true;
            self.piece_at += piece.len;
            if self.piece_at == self.message.len() {
                self.message = Vec::new();
                self.piece_at = 0;
            }
            return true;
        };
        piece.kind = ready.kind;
        let is_data = ready.kind.is_data();
        let rest = if is_data { ready.data.get(self.piece_at..).unwrap_or_default() } else { &ready.data[..] };
        piece.len = copy(to, rest);
        piece.is_final = piece.len == rest.len();
        if is_data {
            self.in_pieces = !piece.is_final;
            self.piece_at = if piece.is_final { 0 } else { self.piece_at + piece.len };
        }
        if piece.is_final
            && let Some(ready) = self.ready.pop_front()
        {
            self.ready_bytes -= ready.data.len();
        }
        true
    }

    /// How many bytes of payload may go straight to where pieces go, once what waits was put out.
    fn piece_awaited(&self) -> usize {
        let is_free = self.plain.is_empty() && self.input.is_none() && self.over.is_none() && !self.drains;
        if is_free { usize::try_from(self.decoder.direct()).unwrap_or(usize::MAX) } else { 0 }
    }

    /// A control frame that waits, also one from before their delivery was switched off, is handed out whole.
    fn fits(&self, to: &[u8]) -> Result<(), Error> {
        match self.ready.front() {
            Some(ready) if !ready.kind.is_data() && ready.data.len() > to.len() => {
                Err(too_little(to, ready.data.len()))
            }
            _ => Ok(()),
        }
    }

    /// Drops the part of a message that has come, which nobody will be given the rest of.
    pub(super) fn drop_part(&mut self) {
        self.message = Vec::new();
        self.streams = false;
        // The rest may be whole already, and then it goes out.
        if !self.ready.iter().any(|ready| ready.kind.is_data()) {
            self.in_pieces = false;
            self.piece_at = 0;
        }
    }

    /// Undelivered bytes of a message that is received in pieces.
    pub(super) fn has_piece(&self) -> bool {
        self.streams && !self.drains && self.message.len() > self.piece_at
    }
}

impl Connection {
    /// Receives the next piece of a message into `to`, at least one byte of it unless the message ends without: as much
    /// as is here. Answers as for `recv`; any but `Done` leaves `piece` [`Piece::NONE`] and loses nothing. Text is checked as
    /// it comes, and may be cut inside a character. The message limit holds for the whole message.
    pub fn recv_into(&self, to: &mut [u8], piece: &mut Piece, wait: Wait) -> Result<Outcome, Error> {
        *piece = Piece::NONE;
        if to.is_empty() || (to.len() < CONTROL && self.delivers_control()) {
            return Err(too_little(to, if self.delivers_control() { CONTROL } else { 1 }));
        }
        self.call(wait, |patience| {
            let mut rx = match self.rx.try_lock() {
                Some(rx) => rx,
                None => match self.enter_rx(patience)? {
                    Ok(rx) => rx,
                    Err(over) => return Ok(over.into()),
                },
            };
            self.receiving.store(true, Ordering::Relaxed);
            let answer = self.piece_in(&mut rx, to, piece, patience);
            self.stop_receiving(rx);
            answer
        })
    }

    fn piece_in(&self, rx: &mut Rx, to: &mut [u8], piece: &mut Piece, patience: Patience<'_>) -> Ending {
        rx.streams = true;
        rx.spent = Spent { grown: rx.message.len(), ..Spent::default() };
        loop {
            rx.fits(to)?;
            if rx.put_out(to, piece) {
                return Ok(Outcome::Done);
            }
            if rx.drains {
                let turn = self.drop_messages(rx, patience);
                return self.no_message(rx, &mut Vec::new(), turn, patience);
            }
            let turn = self.decode_piece(rx, to, piece, patience);
            if piece.len > 0 || piece.is_final {
                return Ok(Outcome::Done);
            }
            match turn.or_else(|| self.read_piece(rx, to, piece, patience)) {
                _ if piece.len > 0 || piece.is_final => return Ok(Outcome::Done),
                None | Some(Turn::Ready | Turn::Message(_)) => {}
                Some(turn) => return self.no_message(rx, &mut Vec::new(), turn, patience),
            }
        }
    }

    /// From the bytes that were read already. `None`: they are used up, or there is no more room.
    fn decode_piece(&self, rx: &mut Rx, to: &mut [u8], piece: &mut Piece, patience: Patience<'_>) -> Option<Turn> {
        rx.decoder.set_max_message(self.max_message.load(Ordering::Relaxed));
        while rx.over.is_none() {
            let decoded = rx.decoder.decode_into(rx.plain.filled(), &mut to[piece.len..]);
            rx.plain.consume(decoded.taken);
            self.note_piece(rx, piece, decoded.put, decoded.event.as_ref().ok().copied().flatten());
            match decoded.event {
                Ok(None) => return None,
                Ok(Some(Event::Message(kind))) => return Some(Turn::Message(kind)),
                Ok(Some(event)) => {
                    let turn = self.meet(rx, event).or_else(|| late(patience));
                    if turn.is_some() {
                        return turn;
                    }
                }
                Err(violation) => rx.over = Some(Err(self.fail(violation, Phase::Recv))),
            }
        }
        Some(Turn::Over)
    }

    /// What `process` and a closer make of the bytes that were read already: a message in pieces not further than `most`
    /// messages and bytes, however much may come out of few bytes.
    pub(super) fn next_ahead(&self, rx: &mut Rx, most: (usize, usize), patience: Patience<'_>) -> Option<Turn> {
        if !rx.streams || rx.over.is_some() {
            return self.next_buffered(rx, patience);
        }
        rx.decoder.set_max_message(self.max_message.load(Ordering::Relaxed));
        while !rx.is_full(most) {
            let len = rx.message.len();
            if rx.message.try_reserve(AHEAD).is_err() {
                break;
            }
            rx.message.resize(len + AHEAD, 0);
            let decoded = rx.decoder.decode_into(rx.plain.filled(), &mut rx.message[len..]);
            rx.message.truncate(len + decoded.put);
            rx.plain.consume(decoded.taken);
            let turn = match decoded.event {
                Ok(None) if decoded.put < AHEAD => {
                    if rx.message.is_empty() {
                        rx.message = Vec::new();
                    }
                    return None;
                }
                Ok(event) => event.and_then(|event| self.meet(rx, event)),
                Err(violation) => {
                    rx.over = Some(Err(self.fail(violation, Phase::Recv)));
                    Some(Turn::Over)
                }
            };
            if turn.is_some() {
                return turn;
            }
        }
        Some(Turn::Impatient(Over::Never))
    }

    /// Reads more: straight into `to` where a large payload is awaited and nothing lies before it.
    fn read_piece(&self, rx: &mut Rx, to: &mut [u8], piece: &mut Piece, patience: Patience<'_>) -> Option<Turn> {
        let mut put = 0;
        let filled = self.fill_piece(rx, to, &mut put, patience).unwrap_or_else(|| self.fill(rx, patience));
        match filled {
            // What came went into `rx.message`: there was too little room for a read of its own.
            Filled::Some(Some(Event::Message(kind))) if put == 0 => {
                self.arrived.message(rx.decoder.size());
                rx.keep(kind);
                None
            }
            Filled::Some(event) => {
                self.note_piece(rx, piece, put, event);
                None
            }
            Filled::Impatient(over) => Some(Turn::Impatient(over)),
            Filled::End(end) => {
                rx.over = Some(self.end(end));
                Some(Turn::Over)
            }
        }
    }

    /// Over memory: how many bytes of payload may come straight into the receiver's memory, behind what `recv_into` has put
    /// out; 0 where they must go by [`Connection::input`].
    pub(crate) fn input_direct(&self) -> Result<usize, Error> {
        self.memory_only()?;
        let rx = self.rx.lock();
        Ok(if self.secure { 0 } else { rx.piece_awaited() })
    }

    /// Over memory: `came` is payload that was read so; it is judged, and the next piece of the message. `None`: a closer has
    /// begun to drop what comes, or it is over.
    pub(crate) fn input_direct_done(&self, came: &[u8]) -> Result<Option<Piece>, Error> {
        self.memory_only()?;
        let mut guard = self.rx.lock();
        let rx = &mut *guard;
        // Other threads may have ended it while the bytes were read.
        match &rx.over {
            Some(Err(failure)) => return Err(failure.clone()),
            Some(Ok(_)) => return Ok(None),
            None if rx.drains => return Ok(None),
            None => {}
        }
        let is_next = rx.message.len() == rx.piece_at && rx.ready.is_empty() && !self.secure;
        let room = if is_next { rx.piece_awaited() } else { 0 };
        if came.is_empty() || came.len() > room {
            let sentence =
                format!("{} bytes cannot be the next of a payload, of which {room} may come directly", came.len());
            return Err(Error::new(Code::UsageState, sentence));
        }
        self.arrived.wire(came.len());
        self.note_bytes();
        rx.streams = true;
        rx.dry = false;
        let mut piece = Piece::NONE;
        match rx.decoder.read_direct(came, came.len()) {
            Ok(event) => self.note_piece(rx, &mut piece, came.len(), event),
            Err(violation) => {
                let failure = self.fail(violation, Phase::Recv);
                rx.over = Some(Err(failure.clone()));
                return Err(failure);
            }
        }
        Ok(Some(piece))
    }

    fn note_piece(&self, rx: &mut Rx, piece: &mut Piece, put: usize, event: Option<Event>) {
        let ended = if let Some(Event::Message(kind)) = event { Some(kind) } else { None };
        piece.len += put;
        piece.is_final = ended.is_some();
        if ended.is_some() {
            self.arrived.message(rx.decoder.size());
        }
        if put > 0 || ended.is_some() {
            piece.kind = ended.or(rx.decoder.kind()).unwrap_or(Kind::Binary);
            rx.in_pieces = ended.is_none();
        }
    }
}

#[cold]
fn too_little(to: &[u8], least: usize) -> Error {
    let sentence = format!("the memory for a piece has {} bytes; here it has at least {least}", to.len());
    Error::new(Code::UsageLength, sentence)
}

fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let n = to.len().min(from.len());
    to[..n].copy_from_slice(&from[..n]);
    n
}
