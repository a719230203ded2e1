//! A tunnel through an HTTP proxy (RFC 9110 9.3.6, RFC 9112 3.2.3): the request, and what counts as a yes.
//!
//! Owns: what is asked, and what is told about a no. Must not know: how the bytes travel, whether TLS is around them.

use std::fmt;

use super::http::{Answer, Answered, Head, Peer, basic_authorization};
use super::tunnel::Progress;
use crate::error::{Code, Error, quoted};
use crate::headers::Headers;
use crate::target::{Proxy, Target};

/// One CONNECT.
pub(crate) struct Connect {
    request: Option<Vec<u8>>,
    answer: Answer,
}

impl Connect {
    /// A tunnel to `target` through `proxy`, asked for with `headers` beside ours; `max_body` bytes of a refusal's body are
    /// kept.
    pub(crate) fn new(target: &Target, proxy: &Proxy, headers: &Headers, max_body: usize) -> Connect {
        let request = Some(request(target, proxy, headers));
        // RFC 9110 9.3.6: "Any 2xx (Successful) response indicates that the sender [...] will switch to tunnel mode
        // immediately after the response header section"; a length or coding in it is to be ignored.
        let answer = Answer::new(Peer::Proxy, max_body, |status| matches!(status, 101 | 200..=299));
        Connect { request, answer }
    }

    /// The request's bytes, once.
    pub(crate) fn request(&mut self) -> Option<Vec<u8>> {
        self.request.take()
    }

    /// Takes bytes of the answer. A refusal is an error with status, headers and body, once its body is complete or as
    /// much of it came as is kept.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        let verdict = match self.answer.feed(bytes).map_err(malformed) {
            Ok(Answered::More) => return Ok(Progress::More),
            // RFC 9110 15.2.2: a switch of protocols that nobody asked for.
            Ok(Answered::Head { head, .. }) if head.status == 101 => {
                Err(Error::new(Code::ProxyAnswer, "the proxy answered CONNECT with 101"))
            }
            Ok(Answered::Head { rest, .. }) => Ok(Progress::Done { rest }),
            Ok(Answered::Whole { head, body }) => Err(refused(*head, body)),
            Err(error) => Err(error),
        };
        self.answer.end();
        verdict
    }

    /// The connection ended: the error that this is, which is the refusal when its head was complete.
    pub(crate) fn eof(&mut self) -> Error {
        let error = self.give_up().unwrap_or_else(|| Error::new(Code::ProxyEof, self.answer.eof()));
        self.answer.end();
        error
    }

    /// The time ran out: the refusal with as much of its body as came, when its head was complete.
    pub(crate) fn give_up(&mut self) -> Option<Error> {
        self.answer.give_up().map(|(head, body)| refused(*head, body))
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
    let mut text = head.told(Peer::Proxy);
    // 401 is what a server says (RFC 9110 15.5.2); tinyproxy says it of its own passwords.
    let code = if matches!(head.status, 401 | 407) { Code::ProxyAuth } else { Code::ProxyRejected };
    let challenge = head.headers.all("proxy-authenticate").collect::<Vec<_>>().join(&b", "[..]);
    if head.status == 407 && !challenge.is_empty() {
        text = format!("{text} (it asks for {})", quoted(&challenge));
    }
    Error::new(code, text).with_rejection(head.into_rejection(body))
}

#[cfg(test)]
mod tests;
