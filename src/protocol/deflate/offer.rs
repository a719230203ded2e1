//! The offer of permessage-deflate and the checks on its answer (RFC 7692 5, 7.1; RFC 6455 9.1).

use super::Agreement;
use crate::dialer::DeflateOptions;
use crate::error::{Code, Error, quoted};
use crate::headers::Headers;

const NAME: &str = "permessage-deflate";
const SERVER_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// The value of `Sec-WebSocket-Extensions` in the request; `None` when nothing is offered.
pub(crate) fn offer(options: &DeflateOptions) -> Option<String> {
    if !options.is_offered {
        return None;
    }
    let mut offer = NAME.to_owned();
    let mut add = |parameter: String| offer.extend(["; ", &parameter]);
    if options.server_no_context_takeover {
        add(SERVER_TAKEOVER.to_owned());
    }
    if options.client_no_context_takeover {
        add(CLIENT_TAKEOVER.to_owned());
    }
    if options.server_window_bits > 0 {
        add(format!("{SERVER_BITS}={}", options.server_window_bits));
    }
    match options.client_window_bits {
        _ if options.keeps_client_window => {}
        // RFC 7692 7.1.2.2: without a value it says that the server may limit our window.
        0 => add(CLIENT_BITS.to_owned()),
        bits => add(format!("{CLIENT_BITS}={bits}")),
    }
    Some(offer)
}

/// What the server's answer agrees to, and how the answer is written; `None` when it chose no extension.
pub(crate) fn answered(headers: &Headers, options: &DeflateOptions) -> Result<Option<(Agreement, String)>, Error> {
    let mut extensions = headers.tokens("sec-websocket-extensions");
    let Some(extension) = extensions.next() else { return Ok(None) };
    let mut parts = extension.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    if !options.is_offered {
        return Err(refused(format!("the server chose the extension {}, none was offered", quoted(extension))));
    }
    check_name(name)?;
    let mut answer = Answer::default();
    for part in parts {
        answer.take(part)?;
    }
    if let Some(second) = extensions.next() {
        check_name(second.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii())?;
        return Err(refused(format!("the server chose {NAME} twice, the second time as {}", quoted(second))));
    }
    answer.agree(options).map(Some)
}

fn check_name(name: &[u8]) -> Result<(), Error> {
    if name == NAME.as_bytes() {
        return Ok(());
    }
    Err(refused(format!("the server chose the extension {}, offered was {NAME}", quoted(name))))
}

/// The parameters of the answer.
#[derive(Debug, Default)]
struct Answer {
    server_takeover: bool,
    client_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<u8>,
}

impl Answer {
    /// Takes one parameter. RFC 7692 7.1: an unknown one, a wrong value, and the same twice each fail the connection.
    fn take(&mut self, part: &[u8]) -> Result<(), Error> {
        let (name, value) = match part.iter().position(|&byte| byte == b'=') {
            Some(at) => (part[..at].trim_ascii_end(), Some(part[at + 1..].trim_ascii_start())),
            None => (part, None),
        };
        let known = [SERVER_TAKEOVER, CLIENT_TAKEOVER, SERVER_BITS, CLIENT_BITS];
        let Some(name) = known.into_iter().find(|known| known.as_bytes() == name) else {
            return Err(refused(format!("the server's {NAME} has the unknown parameter {}", quoted(name))));
        };
        let is_second = match name {
            SERVER_TAKEOVER => std::mem::replace(&mut self.server_takeover, no_value(name, value)?),
            CLIENT_TAKEOVER => std::mem::replace(&mut self.client_takeover, no_value(name, value)?),
            SERVER_BITS => self.server_bits.replace(bits(name, value)?).is_some(),
            _ => self.client_bits.replace(bits(name, value)?).is_some(),
        };
        if is_second {
            return Err(refused(format!("the server's {NAME} has {name} twice")));
        }
        Ok(())
    }

    /// Compares with what was offered.
    fn agree(&self, options: &DeflateOptions) -> Result<(Agreement, String), Error> {
        // RFC 7692 7.1.2.2: only an offer with it may be answered with it.
        if self.client_bits.is_some() && options.keeps_client_window {
            return Err(refused(format!("the server's {NAME} has {CLIENT_BITS}, which was not offered")));
        }
        // RFC 7692 7.1.1.1, 7.1.2.1: who accepts an offer with it answers with it.
        if options.server_no_context_takeover && !self.server_takeover {
            return Err(refused(format!("the server's {NAME} lacks {SERVER_TAKEOVER}, which was asked for")));
        }
        match (options.server_window_bits, self.server_bits) {
            (0, _) => {}
            (asked, None) => {
                return Err(refused(format!("the server's {NAME} lacks {SERVER_BITS}, {asked} was asked for")));
            }
            (asked, Some(bits)) if bits > asked => {
                return Err(refused(format!("the server's {SERVER_BITS} is {bits}, at most {asked} was asked for")));
            }
            _ => {}
        }
        let ours = if options.client_window_bits == 0 { 15 } else { options.client_window_bits };
        let agreement = Agreement {
            client_window_bits: self.client_bits.unwrap_or(15).min(ours),
            server_window_bits: self.server_bits.unwrap_or(15),
            // RFC 7692 7.1.1.2: who offers it does so whether or not the server asks for it.
            client_no_context_takeover: self.client_takeover || options.client_no_context_takeover,
            server_no_context_takeover: self.server_takeover,
        };
        Ok((agreement, self.to_string()))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)?;
        for (is_there, name) in [(self.server_takeover, SERVER_TAKEOVER), (self.client_takeover, CLIENT_TAKEOVER)] {
            if is_there {
                write!(f, "; {name}")?;
            }
        }
        for (bits, name) in [(self.server_bits, SERVER_BITS), (self.client_bits, CLIENT_BITS)] {
            if let Some(bits) = bits {
                write!(f, "; {name}={bits}")?;
            }
        }
        Ok(())
    }
}

/// RFC 7692 7.1.1: the takeover parameters have no value.
fn no_value(name: &str, value: Option<&[u8]>) -> Result<bool, Error> {
    match value {
        None => Ok(true),
        Some(value) => Err(refused(format!("the server's {name} has the value {}, it takes none", quoted(value)))),
    }
}

/// RFC 7692 7.1.2: a decimal integer from 8 to 15 without leading zeros; as a token or, RFC 6455 9.1, in quotes.
fn bits(name: &str, value: Option<&[u8]>) -> Result<u8, Error> {
    let Some(value) = value else {
        return Err(refused(format!("the server's {name} has no value, an answer must give one")));
    };
    let plain = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    if plain.len() > 1 && plain.starts_with(b"0") && plain.iter().all(u8::is_ascii_digit) {
        return Err(refused(format!("the server's {name} is {}, written with a leading zero", quoted(plain))));
    }
    let number = match plain {
        [digit @ b'8'..=b'9'] => digit - b'0',
        [b'1', digit @ b'0'..=b'5'] => 10 + digit - b'0',
        _ => return Err(refused(format!("the server's {name} is {}, expected 8 to 15", quoted(plain)))),
    };
    Ok(number)
}

fn refused(text: String) -> Error {
    Error::new(Code::HandshakeExtension, text)
}
