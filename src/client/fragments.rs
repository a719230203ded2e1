//! Sending one message in pieces. The message is the connection's, not a thread's: whoever sends the next fragment goes on
//! with it, and who sends whole messages waits until it ends. Control frames go between its frames (RFC 6455 5.4).

use super::connection::{Connection, Outcome, Tx};
use super::send::SMALL;
use super::sync::{MutexGuard, Ordering};
use crate::error::{Code, Error, Phase};
use crate::protocol::deflate::Manner;
use crate::protocol::encoder;
use crate::protocol::message::Kind;
use crate::protocol::utf8::Utf8;
use crate::wait::{Patience, Wait};

/// A message of which a part was sent.
#[derive(Clone)]
pub(super) struct Fragments {
    kind: Kind,
    /// The text so far, for a fragment may cut a character.
    utf8: Utf8,
    /// How it is compressed, if it is.
    manner: Option<Manner>,
}

impl Connection {
    /// Sends the next fragment of a message, the first one if none is under way. Other senders wait until the one that
    /// `is_final`; pings, pongs and a close go between. `kind` is the message's; behind the first it may be `None`. Each
    /// fragment is taken whole or not at all, answers as for `send`. Text may be cut anywhere, and is checked before anything
    /// of a fragment is sent. The message is compressed where that is agreed and on, each fragment so that what it holds can
    /// be had from those that came.
    pub fn send_fragment(
        &self,
        kind: impl Into<Option<Kind>>,
        data: &[u8],
        is_final: bool,
        wait: Wait,
    ) -> Result<Outcome, Error> {
        self.send_part(kind.into(), data, is_final, true, wait)
    }

    /// The same, uncompressed; the first fragment decides for all.
    pub fn send_fragment_uncompressed(
        &self,
        kind: impl Into<Option<Kind>>,
        data: &[u8],
        is_final: bool,
        wait: Wait,
    ) -> Result<Outcome, Error> {
        self.send_part(kind.into(), data, is_final, false, wait)
    }

    fn send_part(
        &self,
        kind: Option<Kind>,
        data: &[u8],
        is_final: bool,
        may_deflate: bool,
        wait: Wait,
    ) -> Result<Outcome, Error> {
        self.call(wait, |patience| {
            let mut tx = match self.enter_tx(patience)? {
                Ok(tx) => tx,
                Err(answer) => return Ok(answer),
            };
            let is_first = tx.fragments.is_none();
            let mut deflated = Vec::new();
            let next = next(tx.fragments.as_deref(), kind, data, is_final).and_then(|mut next| {
                if is_first && may_deflate {
                    next.manner = self.fragments_manner(data, is_final);
                }
                if let Some(manner) = next.manner {
                    let part = tx.deflater.part(manner, data, is_final, &mut deflated);
                    part.map_err(|error| self.about_us(error.in_phase(Phase::Send)))?;
                }
                Ok(next)
            });
            let next = match next {
                Ok(next) => next,
                Err(error) => {
                    self.leave_tx(tx, Ok(()), Wait::Never.into())?;
                    return Err(error);
                }
            };
            let mut turned = encoder::fragment_bits(next.kind, is_first, is_final);
            let len = data.len();
            let data = if next.manner.is_some() { &deflated[..] } else { data };
            if next.manner.is_some() && is_first {
                turned |= encoder::DEFLATED;
            }
            let put = match data.len() {
                ..=SMALL => self.put_small(&mut tx, next.kind, data, turned, patience),
                _ => self.put_message(&mut tx, next.kind, data, turned, patience).map(drop),
            };
            if put.is_ok() {
                self.sent.messages(usize::from(is_final), len);
                if !is_final {
                    self.link.lock().controls.get_or_insert_default().fragments_sent += 1;
                }
            }
            self.remember(&mut tx, (!is_final).then_some(next));
            self.leave_tx(tx, put, patience)
        })
    }

    /// What is under way from now on, for those who hold `tx` and for those who wait for its end.
    fn remember(&self, tx: &mut Tx, fragments: Option<Fragments>) {
        let was_under_way = tx.fragments.is_some();
        match (&mut tx.fragments, fragments) {
            (Some(before), Some(next)) => **before = next,
            (slot, next) => *slot = next.map(Box::new),
        }
        if was_under_way != tx.fragments.is_some() {
            self.link.lock().in_fragments = !was_under_way;
        }
    }

    /// `tx`, when a whole message may be put in now; else the answer.
    #[inline]
    pub(super) fn enter_for_message(
        &self,
        patience: Patience<'_>,
    ) -> Result<Result<MutexGuard<'_, Tx>, Outcome>, Error> {
        loop {
            let tx = match self.enter_tx(patience)? {
                Ok(tx) => tx,
                Err(answer) => return Ok(Err(answer)),
            };
            if tx.fragments.is_none() {
                return Ok(Ok(tx));
            }
            if let Some(answer) = self.await_last_fragment(tx, patience)? {
                return Ok(Err(answer));
            }
        }
    }

    /// Until the message that is sent in fragments ends, or nothing may be sent any more. Who does not wait could be told
    /// of no direction of the socket to wait for, so it is told that this is no moment for its call.
    #[cold]
    fn await_last_fragment(&self, tx: MutexGuard<'_, Tx>, patience: Patience<'_>) -> Result<Option<Outcome>, Error> {
        self.leave_tx(tx, Ok(()), patience)?;
        if patience.wait == Wait::Never {
            let sentence = "a message is being sent in fragments: its last one goes first";
            return Err(Error::new(Code::UsageState, sentence));
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut link = self.link.lock();
        let mut over = None;
        while over.is_none() && link.in_fragments && link.refuses().is_none() {
            over = self.await_turn(&mut link, patience);
        }
        drop(link);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        Ok(over.map(Outcome::from))
    }
}

/// The state behind a fragment, if it may be sent.
fn next(begun: Option<&Fragments>, kind: Option<Kind>, data: &[u8], is_final: bool) -> Result<Fragments, Error> {
    let mut next = match (begun, kind) {
        (Some(begun), None) => begun.clone(),
        (Some(begun), Some(kind)) if kind == begun.kind => begun.clone(),
        (None, Some(kind)) if kind.is_data() => Fragments { kind, utf8: Utf8::default(), manner: None },
        (Some(begun), Some(_)) => {
            let number = begun.kind as i32;
            let sentence =
                format!("the message that is being sent in fragments is of kind {number}: so are all of them, or 0");
            return Err(Error::new(Code::UsageKind, sentence));
        }
        (None, _) => {
            let sentence = "the first fragment of a message tells its kind: WS_TEXT (1) or WS_BINARY (2)";
            return Err(Error::new(Code::UsageKind, sentence));
        }
    };
    if next.kind == Kind::Text {
        let valid = next.utf8.feed(data).and_then(|()| if is_final { next.utf8.finish() } else { Ok(()) });
        valid.map_err(|_| {
            Error::new(Code::UsageUtf8, "a text message must be UTF-8 (RFC 6455 5.6); this fragment makes it none")
        })?;
    }
    Ok(next)
}
