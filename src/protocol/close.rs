//! Close frames' bodies and codes (RFC 6455 5.5.1, 7.4). What may be sent is what may be received.

use super::frame::{MAX_CONTROL_PAYLOAD, violation};
use crate::error::{Code, Error};

/// What stands for a close frame without a body; never on the wire (RFC 6455 7.4.1).
pub(crate) const NO_CODE: u16 = 1005;

/// The longest reason: a control frame's payload less the code (RFC 6455 5.5).
pub(crate) const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// 1005 when the frame had no body.
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Close {
    /// Reads the body of a received close frame; what must not be sent is a violation (1002, a bad reason 1007).
    pub(crate) fn parse(body: &[u8]) -> Result<Close, Error> {
        let (code, reason) = match body {
            [] => return Ok(Close { code: NO_CODE, reason: String::new() }),
            // RFC 6455 5.5.1: a body starts with a two-byte code.
            [_] => return Err(violation(Code::ProtocolCloseBody, "the close frame has a body of one byte")),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !is_allowed(code) {
            return Err(violation(Code::ProtocolCloseCode, format!("close code {code} must not be sent")));
        }
        // RFC 6455 5.5.1 wants UTF-8 behind the code, 8.1 says how the lack of it ends.
        let reason = std::str::from_utf8(reason).map_err(|error| {
            let detail = format!("the close reason is not UTF-8 at its byte {}", error.valid_up_to());
            Error::new(Code::Utf8, detail).with_close_code(1007)
        })?;
        Ok(Close { code, reason: reason.to_owned() })
    }

    /// Checks what the user wants to send: a usage error for what must not be sent. Code 0 stands for a frame
    /// without a body (and allows no reason).
    pub(crate) fn to_send(code: u16, reason: &str) -> Result<Close, Error> {
        if code == 0 && reason.is_empty() {
            return Ok(Close { code: NO_CODE, reason: String::new() });
        }
        if code == 0 {
            return Err(Error::new(Code::UsageCloseReason, "a close reason needs a close code"));
        }
        if !is_allowed(code) {
            let detail = format!("close code {code} is not one of 1000 to 1003, 1007 to 1014 and 3000 to 4999");
            return Err(Error::new(Code::UsageCloseCode, detail));
        }
        if reason.len() > MAX_REASON {
            let detail = format!("the close reason has {} bytes, at most {MAX_REASON} fit", reason.len());
            return Err(Error::new(Code::UsageCloseReason, detail));
        }
        Ok(Close { code, reason: reason.to_owned() })
    }

    /// The body on the wire: at most 125 bytes; empty for 1005.
    pub(crate) fn body(&self) -> Vec<u8> {
        if self.code == NO_CODE {
            return Vec::new();
        }
        debug_assert!(self.reason.len() <= MAX_REASON);
        [&self.code.to_be_bytes(), self.reason.as_bytes()].concat()
    }
}

/// Whether a close code may be on the wire (RFC 6455 7.4.2): those that the RFC and the registry it founds define, and
/// the two ranges that are free to use; not 1004, 1005, 1006 and 1015, which are reserved, nor what nobody defined.
fn is_allowed(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6455 rule 7.4.1-reserved
    // RFC 6455 rule 7.4.2-ranges
    #[test]
    fn every_code_is_judged_alike_both_ways() {
        for code in 1..=u16::MAX {
            let allowed =
                (1000..=1003).contains(&code) || (1007..=1014).contains(&code) || (3000..5000).contains(&code);
            let received = Close::parse(&code.to_be_bytes());
            let sent = Close::to_send(code, "");
            if allowed {
                assert_eq!(received.unwrap(), Close { code, reason: String::new() });
                assert_eq!(sent.unwrap().body(), code.to_be_bytes());
            } else {
                let error = received.unwrap_err();
                assert_eq!((error.code(), error.close_code()), (Code::ProtocolCloseCode, 1002));
                assert_eq!(sent.unwrap_err().code(), Code::UsageCloseCode);
            }
        }
        assert_eq!(Close::parse(&[0, 0]).unwrap_err().code(), Code::ProtocolCloseCode);
    }

    // RFC 6455 rule 7.1.5-no-code-1005
    #[test]
    fn no_body_is_1005_and_goes_out_as_none() {
        assert_eq!(Close::parse(&[]).unwrap().code, 1005);
        assert_eq!(Close::to_send(0, "").unwrap().body(), []);
        assert_eq!(Close::to_send(0, "why").unwrap_err().code(), Code::UsageCloseReason);
    }

    #[test]
    fn a_body_of_one_byte_is_a_violation() {
        let error = Close::parse(&[3]).unwrap_err();
        assert_eq!((error.code(), error.close_code()), (Code::ProtocolCloseBody, 1002));
    }

    // RFC 6455 rule 5.5.1-reason
    #[test]
    fn the_reason_is_utf8_and_fits() {
        assert_eq!(Close::parse(b"\x03\xe8\xe2\x82\xac").unwrap(), Close { code: 1000, reason: "€".into() });
        let error = Close::parse(b"\x03\xe8ab\xe2\x82").unwrap_err();
        assert_eq!((error.code(), error.close_code()), (Code::Utf8, 1007));
        assert_eq!(error.to_string(), "the close reason is not UTF-8 at its byte 2");
        assert_eq!(Close::to_send(1000, &"x".repeat(123)).unwrap().body().len(), 125);
        assert_eq!(Close::to_send(1000, &"x".repeat(124)).unwrap_err().code(), Code::UsageCloseReason);
    }
}
