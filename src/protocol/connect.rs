//! A tunnel through an HTTP proxy (RFC 9110 9.3.6, RFC 9112 3.2.3): the request, and what counts as a yes.
//!
//! Owns: what is asked, and what is told about a no. Must not know: how the bytes travel, whether TLS is around them.

use std::fmt;

use super::http::{Body, Head, HeadParser, basic_authorization};
use super::tunnel::Progress;
use crate::error::{Code, Error, Rejection, quoted};
use crate::headers::Headers;
use crate::target::{Proxy, Target};

/// Interim answers (RFC 9110 15.2) that are skipped before the exchange is given up.
const MAX_INTERIM: usize = 16;

/// One CONNECT.
pub(crate) struct Connect {
    request: Option<Vec<u8>>,
    max_body: usize,
    state: State,
}

enum State {
    /// In a head: all that came since it began, and how many interim ones came before it.
    Head { came: Vec<u8>, parser: HeadParser, interim: usize },
    /// Behind the head of a refusal.
    Body { head: Box<Head>, body: Body },
    /// The verdict is given.
    Over,
}

impl Connect {
    /// A tunnel to `target` through `proxy`, asked for with `headers` beside ours; `max_body` bytes of a refusal's body are
    /// kept.
    pub(crate) fn new(target: &Target, proxy: &Proxy, headers: &Headers, max_body: usize) -> Connect {
        let request = Some(request(target, proxy, headers));
        Connect {
            request,
            max_body,
            state: State::Head { came: Vec::new(), parser: HeadParser::default(), interim: 0 },
        }
    }

    /// The request's bytes, once.
    pub(crate) fn request(&mut self) -> Option<Vec<u8>> {
        self.request.take()
    }

    /// Takes bytes of the answer. A refusal is an error with status, headers and body, once its body is complete or as
    /// much of it came as is kept.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        let verdict = self.step(bytes);
        if !matches!(verdict, Ok(Progress::More)) {
            self.state = State::Over;
        }
        verdict
    }

    /// The connection ended: the error that this is, which is the refusal when its head was complete.
    pub(crate) fn eof(&mut self) -> Error {
        if let Some(refusal) = self.give_up() {
            return refusal;
        }
        let text = match &self.state {
            State::Head { came, .. } if !came.is_empty() => {
                format!("the proxy ended the connection inside the head of its answer, after {}", quoted(came))
            }
            _ => "the proxy ended the connection without an answer".to_owned(),
        };
        self.state = State::Over;
        Error::new(Code::ProxyEof, text)
    }

    /// The time ran out: the refusal with as much of its body as came, when its head was complete.
    pub(crate) fn give_up(&mut self) -> Option<Error> {
        if !matches!(self.state, State::Body { .. }) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Body { head, body } => Some(refused(*head, body.into_kept())),
            State::Head { .. } | State::Over => None,
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        match &mut self.state {
            State::Over => Err(Error::new(Code::Internal, "the exchange with the proxy is over and was fed")),
            State::Body { body, .. } => {
                body.feed(bytes);
                self.body_progress()
            }
            State::Head { came, .. } => {
                came.extend_from_slice(bytes);
                self.head_progress()
            }
        }
    }

    fn head_progress(&mut self) -> Result<Progress, Error> {
        let State::Head { came, parser, interim } = &mut self.state else { return Ok(Progress::More) };
        loop {
            let Some((head, length)) = parser.parse(came).map_err(malformed)? else { return Ok(Progress::More) };
            came.drain(..length);
            match head.status {
                // RFC 9110 9.3.6: "Any 2xx (Successful) response indicates that the sender [...] will switch to tunnel mode
                // immediately after the response header section"; a length or coding in it is to be ignored.
                200..=299 => return Ok(Progress::Done { rest: std::mem::take(came) }),
                // RFC 9110 15.2.2: a switch of protocols that nobody asked for.
                101 => return Err(Error::new(Code::ProxyAnswer, "the proxy answered CONNECT with 101")),
                100..=199 => {
                    *interim += 1;
                    if *interim > MAX_INTERIM {
                        let text = format!("the proxy sent more than {MAX_INTERIM} interim answers");
                        return Err(Error::new(Code::LimitHead, text));
                    }
                    *parser = HeadParser::default();
                }
                _ => {
                    let mut body = Body::new(&head, self.max_body);
                    body.feed(came);
                    self.state = State::Body { head: Box::new(head), body };
                    return self.body_progress();
                }
            }
        }
    }

    fn body_progress(&mut self) -> Result<Progress, Error> {
        match &self.state {
            State::Body { body, .. } if body.is_over() => Err(self.eof()),
            _ => Ok(Progress::More),
        }
    }
}

impl fmt::Debug for Connect {
    /// The request may hold passwords: it stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect")
    }
}

/// RFC 9112 3.2.3: the authority form, which has a port always; RFC 9110 7.2: Host says the same.
fn request(target: &Target, proxy: &Proxy, headers: &Headers) -> Vec<u8> {
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let authority = format!("{host}:{}", target.port);
    let mut bytes = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    // A user who sets Proxy-Authorization has said more precisely what is wanted than the address has.
    if let Some((user, password)) = &proxy.credentials
        && headers.first("proxy-authorization").is_none()
    {
        push_field(&mut bytes, "Proxy-Authorization", basic_authorization(user, password).as_bytes());
    }
    for (name, value) in headers.iter() {
        push_field(&mut bytes, name, value);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn push_field(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        bytes.extend_from_slice(part);
    }
}

fn malformed(error: Error) -> Error {
    match error.code() {
        Code::HandshakeHead | Code::HandshakeVersion => error.with_code(Code::ProxyAnswer),
        _ => error,
    }
}

/// A well-formed "no", with what a person can act on.
fn refused(head: Head, body: Vec<u8>) -> Error {
    let mut text = format!("the proxy answered {}", head.status);
    if !head.reason.is_empty() {
        // Quotes only where there is something to be quoted.
        let reason = quoted(head.reason.as_bytes());
        let is_plain = reason.len() == head.reason.len() + 2;
        text = if is_plain { format!("{text} {}", head.reason) } else { format!("{text} {reason}") };
    }
    // 401 is what a server says (RFC 9110 15.5.2); tinyproxy says it of its own passwords.
    let code = if matches!(head.status, 401 | 407) { Code::ProxyAuth } else { Code::ProxyRejected };
    let challenge = head.headers.all("proxy-authenticate").collect::<Vec<_>>().join(&b", "[..]);
    if head.status == 407 && !challenge.is_empty() {
        text = format!("{text} (it asks for {})", quoted(&challenge));
    }
    let Head { status, reason, headers, .. } = head;
    Error::new(code, text).with_rejection(Rejection { status, reason, headers, body })
}

#[cfg(test)]
mod tests;
