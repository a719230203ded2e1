//! One answer to one request, behind the interim ones (RFC 9110 15.2): its head, and its body where that is wanted.

use super::{Body, Head, HeadParser, Peer};
use crate::error::{Code, Error, quoted};

/// Interim answers that are skipped before the exchange is given up.
const MAX_INTERIM: usize = 16;

/// Reads an answer from bytes in any portions.
pub(crate) struct Answer {
    peer: Peer,
    max_body: usize,
    /// The statuses that have said all with their head: what comes behind it is no body, or is of no use.
    ends_with_head: fn(u16) -> bool,
    skipped: Vec<u16>,
    state: State,
}

enum State {
    /// In a head: all that came since it began.
    Head {
        came: Vec<u8>,
        parser: HeadParser,
    },
    Body {
        head: Box<Head>,
        body: Body,
    },
    Over,
}

/// How far an answer is.
pub(crate) enum Answered {
    More,
    /// One that ends with its head; `rest` came behind it.
    Head {
        head: Box<Head>,
        rest: Vec<u8>,
    },
    /// Any other: with its body, as much of it as is kept.
    Whole {
        head: Box<Head>,
        body: Vec<u8>,
    },
}

impl Answer {
    /// An answer of that peer's, of whose body `max_body` bytes are kept.
    pub(crate) fn new(peer: Peer, max_body: usize, ends_with_head: fn(u16) -> bool) -> Answer {
        let state = State::Head { came: Vec::new(), parser: HeadParser::new(peer) };
        Answer { peer, max_body, ends_with_head, skipped: Vec::new(), state }
    }

    /// Takes bytes of it. Behind its end there is nothing to feed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Answered, Error> {
        match &mut self.state {
            State::Over => Err(Error::new(Code::Internal, "the exchange is over and was fed")),
            State::Body { body, .. } => {
                body.feed(bytes);
                Ok(self.body())
            }
            State::Head { came, .. } => {
                came.extend_from_slice(bytes);
                self.head()
            }
        }
    }

    /// The connection ended, or is awaited no longer: the answer, when its head is complete.
    pub(crate) fn give_up(&mut self) -> Option<(Box<Head>, Vec<u8>)> {
        if !self.awaits_body() {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Body { head, body } => Some((head, body.into_kept())),
            State::Head { .. } | State::Over => None,
        }
    }

    /// What it is that the connection ended in, where there is no head.
    pub(crate) fn eof(&self) -> String {
        let how = match &self.state {
            State::Head { came, .. } if !came.is_empty() => {
                format!("inside the head of its answer, after {}", quoted(came))
            }
            State::Head { .. } if !self.skipped.is_empty() => "after an interim answer".to_owned(),
            _ => "without an answer".to_owned(),
        };
        format!("the {} ended the connection {how}", self.peer.name())
    }

    /// Whether the head is complete and the body is awaited.
    pub(crate) fn awaits_body(&self) -> bool {
        matches!(self.state, State::Body { .. })
    }

    /// The statuses of the interim answers so far.
    pub(crate) fn skipped(&self) -> &[u16] {
        &self.skipped
    }

    /// Ends it; what came of a head that is not whole, or is none.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Head { came, .. } => came,
            State::Body { .. } | State::Over => Vec::new(),
        }
    }

    fn head(&mut self) -> Result<Answered, Error> {
        let State::Head { came, parser } = &mut self.state else { return Ok(Answered::More) };
        loop {
            let Some((head, length)) = parser.parse(came)? else { return Ok(Answered::More) };
            came.drain(..length);
            let head = Box::new(head);
            if (self.ends_with_head)(head.status) {
                return Ok(Answered::Head { head, rest: std::mem::take(came) });
            }
            if head.status >= 200 {
                let mut body = Body::new(&head, self.max_body);
                body.feed(came);
                self.state = State::Body { head, body };
                return Ok(self.body());
            }
            // RFC 9110 15.2: interim answers may come unasked for and are skipped.
            self.skipped.push(head.status);
            if self.skipped.len() > MAX_INTERIM {
                let (peer, last) = (self.peer.name(), head.status);
                let text = format!("the {peer} sent more than {MAX_INTERIM} interim answers, the last with {last}");
                return Err(Error::new(Code::LimitHead, text));
            }
            *parser = HeadParser::new(self.peer);
        }
    }

    fn body(&mut self) -> Answered {
        match &self.state {
            State::Body { body, .. } if !body.is_over() => Answered::More,
            _ => self.give_up().map_or(Answered::More, |(head, body)| Answered::Whole { head, body }),
        }
    }
}
