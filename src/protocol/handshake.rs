//! The upgrade exchange (RFC 6455 4.1): the request, and each check on the answer with its own error.
//!
//! Owns: what is asked, what counts as a yes, and what is told about a no. Must not know: how the bytes travel, and how
//! long anybody waits for them.

use std::fmt;

use tungstenite::handshake::derive_accept_key;

use super::deflate::{self, Agreement};
use super::http::{Answer, Answered, Head, Peer, base64, basic_authorization};
use super::redirect::{self, Redirects};
use crate::dialer::{DeflateOptions, Dialer};
use crate::error::{Code, Error, Phase, quoted, quoted_address};
use crate::headers::Headers;
use crate::target::Target;

/// So much is kept of what is no head, to be shown.
const MAX_RUBBISH: usize = 1024;

/// What both sides agreed on.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    /// The server's choice; `None` when it chose none.
    pub(crate) subprotocol: Option<Box<str>>,
    /// permessage-deflate, when the server chose it, and how its answer is written.
    pub(crate) deflate: Option<Box<(Agreement, String)>>,
    /// The answer's header fields.
    pub(crate) headers: Headers,
}

/// Subprotocol and extension as the answer has chosen them, and what it said about extensions.
type Verified = (Option<String>, Option<Box<(Agreement, String)>>);

/// One upgrade exchange: send `request()`, `feed()` what comes until it says done.
pub(crate) struct Handshake {
    request: Vec<u8>,
    /// The value of `Sec-WebSocket-Accept` that proves that the server has read our key.
    accept: String,
    offered: Vec<String>,
    require_subprotocol: bool,
    deflate: DeflateOptions,
    redirects: Option<Box<Redirects>>,
    told: Told,
    answer: Answer,
}

/// What came, for the transcript.
#[derive(Default)]
pub(crate) struct Told {
    /// The statuses of interim answers.
    pub(crate) skipped: Vec<u16>,
    /// The head of an answer that failed a check, or of one that failed none, where that is to be kept.
    pub(crate) head: Option<Head>,
    /// The start of what is no head, or of one that is not whole.
    pub(crate) rubbish: Vec<u8>,
    keeps_head: bool,
}

/// How far the exchange is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More bytes are needed; all that were fed are kept.
    More,
    /// Verified. `rest` are the bytes that came behind the head: they belong to the frames.
    Done { agreed: Box<Agreed>, rest: Vec<u8> },
}

impl Handshake {
    /// An exchange with `target`, with 16 fresh random bytes as its key. Nothing is sent by this, so that it may be
    /// made before connecting, and what cannot succeed fails before anything is sent. `cookies` go into the request's
    /// one `Cookie` field (RFC 6265 5.4), behind those of the user.
    pub(crate) fn new(
        target: &Target,
        dialer: &Dialer,
        key: [u8; 16],
        cookies: Option<&[u8]>,
    ) -> Result<Handshake, Error> {
        if dialer.require_subprotocol && dialer.subprotocols.is_empty() {
            return Err(Error::new(Code::OptionSubprotocol, "a subprotocol is required but none is offered"));
        }
        let key = base64(&key);
        let redirects = Redirects::new(target, dialer);
        let ends_with_head: fn(u16) -> bool = match redirects {
            Some(_) => |status| status == 101 || redirect::is_redirect(status),
            None => |status| status == 101,
        };
        Ok(Handshake {
            request: request(target, dialer, &key, cookies),
            accept: derive_accept_key(key.as_bytes()),
            offered: dialer.subprotocols.clone(),
            require_subprotocol: dialer.require_subprotocol,
            deflate: dialer.deflate,
            redirects,
            told: Told { keeps_head: dialer.transcript, ..Told::default() },
            answer: Answer::new(Peer::Server, dialer.max_rejection_body, ends_with_head),
        })
    }

    /// The request's bytes.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes bytes of the answer. A rejection is an error with status, headers and body, once its body is complete or
    /// as much of it came as is kept. After the verdict there is nothing to feed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        let verdict = self.step(bytes).map_err(|error| error.in_phase(Phase::Handshake));
        if !matches!(verdict, Ok(Progress::More)) {
            self.end(verdict.is_err());
        }
        verdict
    }

    /// The connection ended: the error that this is, which is the rejection when its head was complete.
    pub(crate) fn eof(&mut self) -> Error {
        let error = self.give_up().unwrap_or_else(|| Error::new(Code::HandshakeEof, self.answer.eof()));
        self.end(true);
        error.in_phase(Phase::Handshake)
    }

    /// The time ran out: the rejection with as much of its body as came, when its head was complete.
    pub(crate) fn give_up(&mut self) -> Option<Error> {
        self.answer.give_up().map(|(head, body)| rejected(*head, body))
    }

    /// Whether the head of a rejection is complete and its body is awaited (for the phase of a timeout).
    pub(crate) fn awaits_body(&self) -> bool {
        self.answer.awaits_body()
    }

    /// What came so far, for the transcript.
    pub(crate) fn take_told(&mut self) -> Told {
        self.end(true);
        self.told.skipped = self.answer.skipped().to_vec();
        std::mem::take(&mut self.told)
    }

    fn end(&mut self, has_failed: bool) {
        let came = self.answer.end();
        if has_failed && self.told.head.is_none() && !came.is_empty() {
            self.told.rubbish = came;
            self.told.rubbish.truncate(MAX_RUBBISH);
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        match (self.answer.feed(bytes)?, &self.redirects) {
            (Answered::More, _) => Ok(Progress::More),
            (Answered::Whole { head, body }, _) => Err(rejected(*head, body)),
            (Answered::Head { head, .. }, Some(redirects)) if head.status != 101 => Err(redirects.judge(*head)),
            (Answered::Head { head, rest }, _) => {
                let verdict = self.verify(&head);
                if verdict.is_err() || self.told.keeps_head {
                    self.told.head = Some((*head).clone());
                }
                let (subprotocol, deflate) = match verdict {
                    Ok(verified) => verified,
                    Err(error) => return Err(error.with_rejection(head.into_rejection(Vec::new()))),
                };
                let agreed = Agreed { subprotocol: subprotocol.map(Into::into), deflate, headers: head.headers };
                Ok(Progress::Done { agreed: Box::new(agreed), rest })
            }
        }
    }

    /// RFC 6455 4.1, the client's checks on the server's handshake, in the order of their list.
    fn verify(&self, head: &Head) -> Result<Verified, Error> {
        check_version(head)?;
        check_upgrade(head)?;
        check_connection(head)?;
        check_accept(head, &self.accept)?;
        let deflate = deflate::answered(&head.headers, &self.deflate)?.map(Box::new);
        let subprotocol = check_subprotocol(head, &self.offered)?;
        if subprotocol.is_none() && self.require_subprotocol {
            let text = format!("the server chose none of the offered subprotocols ({})", self.offered.join(", "));
            return Err(Error::new(Code::HandshakeNoSubprotocol, text));
        }
        Ok((subprotocol, deflate))
    }
}

impl fmt::Debug for Handshake {
    /// The request may hold passwords and cookies: it stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("awaits_body", &self.awaits_body()).finish_non_exhaustive()
    }
}

/// RFC 6455 4.1, the requirements on the opening handshake; the order of the fields is ours.
fn request(target: &Target, dialer: &Dialer, key: &str, mut cookies: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = format!("GET {} HTTP/1.1\r\n", target.request_target).into_bytes();
    let host = dialer.headers.first("host").unwrap_or(target.host_header.as_bytes());
    push_field(&mut bytes, "Host", host);
    push_field(&mut bytes, "Upgrade", b"websocket");
    push_field(&mut bytes, "Connection", b"Upgrade");
    push_field(&mut bytes, "Sec-WebSocket-Key", key.as_bytes());
    push_field(&mut bytes, "Sec-WebSocket-Version", b"13");
    if !dialer.subprotocols.is_empty() {
        push_field(&mut bytes, "Sec-WebSocket-Protocol", dialer.subprotocols.join(", ").as_bytes());
    }
    if let Some(offer) = deflate::offer(&dialer.deflate) {
        push_field(&mut bytes, "Sec-WebSocket-Extensions", offer.as_bytes());
    }
    // A user who sets Authorization has said more precisely what is wanted than the address has.
    if let Some((user, password)) = redirect::credentials(target, dialer)
        && dialer.headers.first("authorization").is_none()
    {
        push_field(&mut bytes, "Authorization", basic_authorization(user, password).as_bytes());
    }
    if dialer.headers.first("cookie").is_none()
        && let Some(cookies) = cookies.take()
    {
        push_field(&mut bytes, "Cookie", cookies);
    }
    for (name, value) in dialer.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        match cookies.take_if(|_| name.eq_ignore_ascii_case("cookie")) {
            Some(cookies) => push_field(&mut bytes, name, &[value, b"; ", cookies].concat()),
            None => push_field(&mut bytes, name, value),
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn push_field(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        bytes.extend_from_slice(part);
    }
}

fn check_version(head: &Head) -> Result<(), Error> {
    if head.minor_version == 1 {
        return Ok(());
    }
    Err(Error::new(Code::HandshakeVersion, "the server answered 101 with HTTP/1.0, which has no upgrade"))
}

fn check_upgrade(head: &Head) -> Result<(), Error> {
    let value = single(head, "Upgrade", Code::HandshakeUpgrade)?;
    if value.eq_ignore_ascii_case(b"websocket") {
        return Ok(());
    }
    Err(Error::new(
        Code::HandshakeUpgrade,
        format!("the server's Upgrade is {}, expected \"websocket\"", quoted(value)),
    ))
}

fn check_connection(head: &Head) -> Result<(), Error> {
    if head.headers.tokens("connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Ok(());
    }
    let lines: Vec<&[u8]> = head.headers.all("connection").collect();
    let text = if lines.is_empty() {
        "the server's 101 has no Connection".to_owned()
    } else {
        format!("the server's Connection is {}, expected \"Upgrade\" in it", quoted(&lines.join(&b", "[..])))
    };
    Err(Error::new(Code::HandshakeConnection, text))
}

fn check_accept(head: &Head, accept: &str) -> Result<(), Error> {
    let value = single(head, "Sec-WebSocket-Accept", Code::HandshakeAccept)?;
    if value == accept.as_bytes() {
        return Ok(());
    }
    let text = format!("the server's Sec-WebSocket-Accept is {}, expected \"{accept}\"", quoted(value));
    Err(Error::new(Code::HandshakeAccept, text))
}

fn check_subprotocol(head: &Head, offered: &[String]) -> Result<Option<String>, Error> {
    if head.headers.first("sec-websocket-protocol").is_none() {
        return Ok(None);
    }
    // RFC 6455 11.3.4: at most once in an answer. 4.2.2: an empty value is no way to choose none.
    let value = single(head, "Sec-WebSocket-Protocol", Code::HandshakeSubprotocol)?;
    match offered.iter().find(|name| name.as_bytes() == value) {
        Some(name) => Ok(Some(name.clone())),
        None => {
            let offer = match offered {
                [] => "none was offered".to_owned(),
                _ => format!("offered was {}", quoted(offered.join(", ").as_bytes())),
            };
            let text = format!("the server chose the subprotocol {}, {offer}", quoted(value));
            Err(Error::new(Code::HandshakeSubprotocol, text))
        }
    }
}

/// The value of a field that must be there exactly once.
fn single<'a>(head: &'a Head, name: &'a str, code: Code) -> Result<&'a [u8], Error> {
    let mut values = head.headers.all(name);
    let text = match (values.next(), values.next()) {
        (Some(value), None) => return Ok(value),
        (None, _) => format!("the server's 101 has no {name}"),
        (Some(first), Some(second)) => {
            format!("the server's 101 must have {name} exactly once, it has {} and {}", quoted(first), quoted(second))
        }
    };
    Err(Error::new(code, text))
}

/// A well-formed "no", with what a person can act on.
fn rejected(head: Head, body: Vec<u8>) -> Error {
    let mut text = head.told(Peer::Server);
    if let Some(hint) = rejection_hint(&head) {
        text = format!("{text} ({hint})");
    }
    Error::new(Code::Rejected, text).with_rejection(head.into_rejection(body))
}

fn rejection_hint(head: &Head) -> Option<String> {
    let field = |name| head.headers.all(name).collect::<Vec<_>>().join(&b", "[..]);
    let (what, value) = match head.status {
        301 | 302 | 303 | 307 | 308 => {
            let locations = head.headers.all("location").map(quoted_address).collect::<Vec<_>>().join(", ");
            return (!locations.is_empty()).then(|| format!("it points to {locations}"));
        }
        401 => ("it asks for", field("www-authenticate")),
        407 => ("a proxy asks for", field("proxy-authenticate")),
        426 if head.headers.first("sec-websocket-version").is_some() => {
            ("it speaks WebSocket version", field("sec-websocket-version"))
        }
        426 => ("it asks for an upgrade to", field("upgrade")),
        _ => return None,
    };
    if value.is_empty() { None } else { Some(format!("{what} {}", quoted(&value))) }
}

#[cfg(test)]
mod tests;
