//! The numbers of the C header and the words for them.
//!
//! They are written out, so that the header shows integers; a test holds them to the enums that the rest of the crate
//! uses.

use std::ffi::{CString, c_char, c_int};
use std::sync::OnceLock;
use std::time::Duration;

use super::fields::c_text;
use super::guard;
use crate::error::{Code, Error, Phase};
use crate::wait::Wait;

/// Done.
pub const WS_OK: c_int = 0;
/// Nothing can be done without waiting, and the caller would not wait.
pub const WS_AGAIN: c_int = 1;
/// The time ran out; nothing was lost; call again if you like.
pub const WS_TIMEOUT: c_int = 2;
/// The message was taken whole; bytes remain inside; flush some time.
pub const WS_PENDING: c_int = 3;
/// The connection ended with a close handshake.
pub const WS_CLOSED: c_int = 4;
/// The cancel token is fired; nothing was lost.
pub const WS_CANCELLED: c_int = 5;
/// A signal arrived and the dialer asked to be told.
pub const WS_INTERRUPTED: c_int = 6;

/// As long as it takes.
pub const WS_FOREVER: c_int = -1;
/// Never wait.
pub const WS_NOWAIT: c_int = 0;
/// 45 s for a dial, 5 s for a close, for ever elsewhere.
pub const WS_DEFAULT: c_int = -2;

/// UTF-8 text.
pub const WS_TEXT: c_int = 1;
/// Bytes.
pub const WS_BINARY: c_int = 2;
/// A close frame, where control frames are delivered.
pub const WS_CLOSE: c_int = 8;
/// A ping, likewise.
pub const WS_PING: c_int = 9;
/// A pong, likewise.
pub const WS_PONG: c_int = 10;
/// With either of them, for ws_send: not to be compressed.
pub const WS_UNCOMPRESSED: c_int = 64;

/// For bytes from the peer.
pub const WS_WANT_READ: c_int = 1;
/// For room to write.
pub const WS_WANT_WRITE: c_int = 2;
/// For nothing: a call would progress at once.
pub const WS_WANT_BUFFERED: c_int = 4;

/// Microseconds from the last answered keepalive ping to its pong.
pub const WS_STAT_ROUND_TRIP: c_int = 1;
/// Microseconds of the dial for the name; 0 when none was looked up.
pub const WS_STAT_RESOLVE: c_int = 2;
/// Microseconds for connecting; 0 when the caller did.
pub const WS_STAT_CONNECT: c_int = 3;
/// Microseconds for the exchange with a proxy.
pub const WS_STAT_PROXY: c_int = 4;
/// Microseconds for TLS with the server.
pub const WS_STAT_TLS: c_int = 5;
/// Microseconds from upgrade request to verified answer.
pub const WS_STAT_HANDSHAKE: c_int = 6;
/// Whole messages taken to be sent.
pub const WS_STAT_MESSAGES_SENT: c_int = 7;
/// Whole messages that have come.
pub const WS_STAT_MESSAGES_RECEIVED: c_int = 8;
/// Frames, control frames among them.
pub const WS_STAT_FRAMES_SENT: c_int = 9;
/// Frames that have come.
pub const WS_STAT_FRAMES_RECEIVED: c_int = 10;
/// Payload of the messages, before compression.
pub const WS_STAT_BYTES_SENT: c_int = 11;
/// Payload of the messages that came, after inflating.
pub const WS_STAT_BYTES_RECEIVED: c_int = 12;
/// Bytes that the socket took: handshake, frames, TLS.
pub const WS_STAT_WIRE_SENT: c_int = 13;
/// Bytes that the socket brought.
pub const WS_STAT_WIRE_RECEIVED: c_int = 14;
/// Pings, the keepalive's among them.
pub const WS_STAT_PINGS_SENT: c_int = 15;
/// Pings that have come.
pub const WS_STAT_PINGS_RECEIVED: c_int = 16;
/// Pongs.
pub const WS_STAT_PONGS_SENT: c_int = 17;
/// Pongs that have come.
pub const WS_STAT_PONGS_RECEIVED: c_int = 18;

/// TLS 1.2 (RFC 5246), 0x0303.
pub const WS_TLS_1_2: c_int = 771;
/// TLS 1.3 (RFC 8446), 0x0304.
pub const WS_TLS_1_3: c_int = 772;

/// Before anything was sent: arguments, address, options.
pub const WS_PHASE_NONE: c_int = 0;
/// Looking up the host name.
pub const WS_PHASE_RESOLVE: c_int = 1;
/// Connecting the socket.
pub const WS_PHASE_CONNECT: c_int = 2;
/// The exchange with a proxy.
pub const WS_PHASE_PROXY: c_int = 3;
/// The TLS handshake.
pub const WS_PHASE_TLS: c_int = 4;
/// The upgrade request and the head of its answer.
pub const WS_PHASE_HANDSHAKE: c_int = 5;
/// The body of an answer that is a rejection.
pub const WS_PHASE_BODY: c_int = 6;
/// Sending.
pub const WS_PHASE_SEND: c_int = 7;
/// Receiving.
pub const WS_PHASE_RECV: c_int = 8;
/// Closing.
pub const WS_PHASE_CLOSE: c_int = 9;

/// The version of this header: major * 1000000 + minor * 1000 + patch.
pub const WS_VERSION_NUMBER: c_int = 1000;

/// A required pointer is NULL.
pub const WS_E_USAGE_NULL: c_int = -101;
/// Not a kind of message that can be sent.
pub const WS_E_USAGE_KIND: c_int = -102;
/// The call does not fit the state of the connection.
pub const WS_E_USAGE_STATE: c_int = -103;
/// Another thread is receiving on this connection.
pub const WS_E_USAGE_RECEIVER: c_int = -104;
/// The connection belongs to the parent of this forked process.
pub const WS_E_USAGE_FORKED: c_int = -105;
/// Not a usable timeout.
pub const WS_E_USAGE_TIMEOUT: c_int = -106;
/// Not a close code that may be sent.
pub const WS_E_USAGE_CLOSE_CODE: c_int = -107;
/// Not a close reason that can be sent.
pub const WS_E_USAGE_CLOSE_REASON: c_int = -108;
/// A ping or pong carries at most 125 bytes.
pub const WS_E_USAGE_CONTROL_SIZE: c_int = -109;
/// A text message must be UTF-8.
pub const WS_E_USAGE_UTF8: c_int = -110;
/// No object in memory is that long.
pub const WS_E_USAGE_LENGTH: c_int = -111;
/// The address cannot be read.
pub const WS_E_URL_SYNTAX: c_int = -201;
/// The scheme of the address is not ws, wss or ws+unix.
pub const WS_E_URL_SCHEME: c_int = -202;
/// The address names no usable host.
pub const WS_E_URL_HOST: c_int = -203;
/// The port of the address is not usable.
pub const WS_E_URL_PORT: c_int = -204;
/// The address has a fragment.
pub const WS_E_URL_FRAGMENT: c_int = -205;
/// User or password in the address cannot be sent.
pub const WS_E_URL_CREDENTIALS: c_int = -206;
/// The value does not fit the option.
pub const WS_E_OPTION_VALUE: c_int = -251;
/// Not a usable subprotocol.
pub const WS_E_OPTION_SUBPROTOCOL: c_int = -252;
/// Not a usable header field.
pub const WS_E_OPTION_HEADER: c_int = -253;
/// The handshake sets that header field itself.
pub const WS_E_OPTION_HEADER_RESERVED: c_int = -254;
/// No usable certificate or key in the PEM.
pub const WS_E_OPTION_PEM: c_int = -255;
/// The file cannot be read.
pub const WS_E_OPTION_FILE: c_int = -256;
/// The private key does not fit the certificate.
pub const WS_E_OPTION_KEY: c_int = -257;
/// The host name cannot be resolved.
pub const WS_E_RESOLVE: c_int = -301;
/// No address of the host took the connection.
pub const WS_E_CONNECT: c_int = -302;
/// Input or output failed.
pub const WS_E_IO: c_int = -303;
/// The time ran out.
pub const WS_E_TIMEOUT: c_int = -304;
/// Cancelled.
pub const WS_E_CANCELLED: c_int = -305;
/// Interrupted by a signal.
pub const WS_E_INTERRUPTED: c_int = -306;
/// The proxy refused to connect to the server.
pub const WS_E_PROXY_REJECTED: c_int = -351;
/// The proxy does not accept the credentials.
pub const WS_E_PROXY_AUTH: c_int = -352;
/// The proxy could not reach the server.
pub const WS_E_PROXY_UNREACHABLE: c_int = -353;
/// The proxy's answer is malformed.
pub const WS_E_PROXY_ANSWER: c_int = -354;
/// The proxy ended the connection inside the exchange.
pub const WS_E_PROXY_EOF: c_int = -355;
/// TLS failed.
pub const WS_E_TLS: c_int = -401;
/// The peer ended TLS with an alert.
pub const WS_E_TLS_ALERT: c_int = -402;
/// The peer and we have no TLS parameters in common.
pub const WS_E_TLS_INCOMPATIBLE: c_int = -403;
/// There is no usable trust root.
pub const WS_E_TLS_ROOTS: c_int = -404;
/// The peer's certificate is not acceptable.
pub const WS_E_TLS_CERTIFICATE: c_int = -410;
/// The peer's certificate has expired.
pub const WS_E_TLS_EXPIRED: c_int = -411;
/// The peer's certificate is not valid yet.
pub const WS_E_TLS_NOT_YET_VALID: c_int = -412;
/// The peer's certificate is for another name.
pub const WS_E_TLS_WRONG_HOST: c_int = -413;
/// The peer's certificate leads to no trusted root.
pub const WS_E_TLS_UNKNOWN_ISSUER: c_int = -414;
/// A signature in the TLS handshake is wrong.
pub const WS_E_TLS_BAD_SIGNATURE: c_int = -415;
/// The peer's certificate uses what is not supported.
pub const WS_E_TLS_UNSUPPORTED: c_int = -416;
/// The peer's certificate was revoked.
pub const WS_E_TLS_REVOKED: c_int = -417;
/// A key of the peer's certificate is too weak.
pub const WS_E_TLS_WEAK_KEY: c_int = -418;
/// The server rejected the handshake.
pub const WS_E_REJECTED: c_int = -501;
/// The server redirects: connect where it points.
pub const WS_E_REDIRECT: c_int = -510;
/// The server redirects more often than is followed.
pub const WS_E_REDIRECT_LIMIT: c_int = -511;
/// The server redirects to nowhere that can be dialed.
pub const WS_E_REDIRECT_LOCATION: c_int = -512;
/// The server redirects from wss to ws.
pub const WS_E_REDIRECT_DOWNGRADE: c_int = -513;
/// The server's answer is not a well-formed HTTP head.
pub const WS_E_HANDSHAKE_HEAD: c_int = -520;
/// The server's answer is not HTTP/1.1.
pub const WS_E_HANDSHAKE_VERSION: c_int = -521;
/// The server's Upgrade is not websocket.
pub const WS_E_HANDSHAKE_UPGRADE: c_int = -522;
/// The server's Connection does not say upgrade.
pub const WS_E_HANDSHAKE_CONNECTION: c_int = -523;
/// The server's Sec-WebSocket-Accept does not fit the key.
pub const WS_E_HANDSHAKE_ACCEPT: c_int = -524;
/// The server chose an extension that was not offered.
pub const WS_E_HANDSHAKE_EXTENSION: c_int = -525;
/// The server chose a subprotocol that was not offered.
pub const WS_E_HANDSHAKE_SUBPROTOCOL: c_int = -526;
/// The server chose no subprotocol and one is required.
pub const WS_E_HANDSHAKE_NO_SUBPROTOCOL: c_int = -527;
/// The connection ended inside the handshake.
pub const WS_E_HANDSHAKE_EOF: c_int = -528;
/// A frame has a reserved bit set.
pub const WS_E_PROTOCOL_RESERVED_BIT: c_int = -601;
/// A frame has a reserved opcode.
pub const WS_E_PROTOCOL_OPCODE: c_int = -602;
/// The server masked a frame.
pub const WS_E_PROTOCOL_MASKED: c_int = -603;
/// A control frame is fragmented.
pub const WS_E_PROTOCOL_CONTROL_FRAGMENT: c_int = -604;
/// A control frame is longer than 125 bytes.
pub const WS_E_PROTOCOL_CONTROL_SIZE: c_int = -605;
/// A frame's length is not written as it must be.
pub const WS_E_PROTOCOL_LENGTH: c_int = -606;
/// A continuation frame continues nothing.
pub const WS_E_PROTOCOL_CONTINUATION: c_int = -607;
/// A new message begins inside a fragmented one.
pub const WS_E_PROTOCOL_INTERLEAVED: c_int = -608;
/// The server's close code must not be sent.
pub const WS_E_PROTOCOL_CLOSE_CODE: c_int = -609;
/// The server's close frame has a body of one byte.
pub const WS_E_PROTOCOL_CLOSE_BODY: c_int = -610;
/// The server sent text that is not UTF-8.
pub const WS_E_UTF8: c_int = -620;
/// The server sent compressed data that cannot be inflated.
pub const WS_E_DEFLATE: c_int = -630;
/// The message is over the limit.
pub const WS_E_LIMIT_MESSAGE: c_int = -701;
/// The head of the answer is over its limit.
pub const WS_E_LIMIT_HEAD: c_int = -702;
/// The answer has too many header fields.
pub const WS_E_LIMIT_FIELDS: c_int = -703;
/// There is not enough memory.
pub const WS_E_LIMIT_MEMORY: c_int = -704;
/// The connection ended without a close handshake.
pub const WS_E_ABNORMAL: c_int = -801;
/// The TLS stream was cut without close_notify.
pub const WS_E_ABNORMAL_TRUNCATED: c_int = -802;
/// The server did not answer a keepalive ping in time.
pub const WS_E_ABNORMAL_PING: c_int = -803;
/// A fault inside the library.
pub const WS_E_INTERNAL: c_int = -901;

/// What an answered number means in a few words, static ones; ws_error_message says more.
/// cbindgen:prefix=WS_NONNULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_strerror(code: c_int) -> *const c_char {
    guard::plain(c"".as_ptr(), || {
        static WORDS: OnceLock<Box<[(c_int, CString)]>> = OnceLock::new();
        let failures = || Code::ALL.iter().map(|&code| (code as c_int, c_text(code.text())));
        let words = WORDS.get_or_init(|| failures().collect());
        let failure = words.iter().find(|(number, _)| *number == code);
        failure.map_or(answer_text(code), |(_, text)| text.as_ptr())
    })
}

/// A phase of ws_error_phase in a word, such as "connect" or "TLS". The text is static.
/// cbindgen:prefix=WS_NONNULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_phase_name(phase: c_int) -> *const c_char {
    guard::plain(c"".as_ptr(), || {
        static NAMES: OnceLock<Box<[CString]>> = OnceLock::new();
        let names = NAMES.get_or_init(|| Phase::ALL.iter().map(|phase| c_text(phase.name())).collect());
        let name = usize::try_from(phase).ok().and_then(|phase| names.get(phase));
        name.map_or(c"unknown".as_ptr(), |name| name.as_ptr())
    })
}

/// The version of the library that runs, such as "0.1.0". The text is static.
/// cbindgen:prefix=WS_NONNULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_version() -> *const c_char {
    guard::plain(c"".as_ptr(), || concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast())
}

/// The version of the library that runs as a number to compare with WS_VERSION_NUMBER, the version of
/// the header that was compiled with: major * 1000000 + minor * 1000 + patch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_version_number() -> c_int {
    guard::plain(0, || WS_VERSION_NUMBER)
}

fn answer_text(code: c_int) -> *const c_char {
    let text = match code {
        WS_OK => c"done",
        WS_AGAIN => c"nothing can be done without waiting",
        WS_TIMEOUT => c"the time ran out, nothing was lost",
        WS_PENDING => c"taken whole, bytes remain inside",
        WS_CLOSED => c"the connection ended with a close handshake",
        WS_CANCELLED => c"cancelled, nothing was lost",
        WS_INTERRUPTED => c"a signal arrived, nothing was lost",
        _ => c"not a result of this library",
    };
    text.as_ptr()
}

/// A call's `timeout_ms` as patience; `default` is what `WS_DEFAULT` stands for, `None` for ever.
#[inline]
pub(super) fn wait(timeout_ms: c_int, default: Option<Duration>) -> Result<Wait, Error> {
    match timeout_ms {
        WS_FOREVER => Ok(Wait::Forever),
        WS_NOWAIT => Ok(Wait::Never),
        _ => limited(timeout_ms, default),
    }
}

fn limited(timeout_ms: c_int, default: Option<Duration>) -> Result<Wait, Error> {
    match timeout_ms {
        WS_DEFAULT => Ok(default.map_or(Wait::Forever, Wait::for_duration)),
        ms @ 1.. => Ok(Wait::for_duration(Duration::from_millis(ms.unsigned_abs().into()))),
        wrong => Err(Error::new(
            Code::UsageTimeout,
            format!("the timeout is {wrong}; it is WS_FOREVER (-1), WS_DEFAULT (-2) or milliseconds from 0 on"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::CStr;

    use super::*;
    use crate::client::{Figure, Outcome};
    use crate::protocol::message::Kind;

    /// Every constant of this file by its name.
    fn constants() -> BTreeMap<&'static str, c_int> {
        let lines = include_str!("status.rs").lines().filter_map(|line| line.strip_prefix("pub const WS_"));
        let parts = lines.map(|line| line.split_once(": c_int = ").expect("an integer constant"));
        parts.map(|(name, value)| (name, value.trim_end_matches(';').parse().expect("a literal"))).collect()
    }

    /// `UsageNull` as C writes it: `USAGE_NULL`.
    fn in_c(name: &str) -> String {
        let mut out = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.push(c.to_ascii_uppercase());
        }
        out
    }

    fn take(left: &mut BTreeMap<&'static str, c_int>, name: &str, value: c_int) {
        assert_eq!(left.remove(name), Some(value), "WS_{name}");
    }

    #[test]
    fn every_constant_is_what_the_crate_means_by_it_and_none_is_missing() {
        let mut left = constants();
        for &code in Code::ALL {
            take(&mut left, &format!("E_{}", in_c(&format!("{code:?}"))), code as c_int);
        }
        for &phase in Phase::ALL {
            take(&mut left, &format!("PHASE_{}", in_c(&format!("{phase:?}"))), phase as c_int);
        }
        for kind in [Kind::Text, Kind::Binary, Kind::Close, Kind::Ping, Kind::Pong] {
            take(&mut left, &in_c(&format!("{kind:?}")), kind as c_int);
        }
        take(&mut left, "OK", Outcome::Done as c_int);
        let others = [
            Outcome::Again,
            Outcome::Timeout,
            Outcome::Pending,
            Outcome::Closed,
            Outcome::Cancelled,
            Outcome::Interrupted,
        ];
        for outcome in others {
            take(&mut left, &in_c(&format!("{outcome:?}")), outcome as c_int);
        }
        // Bits, for `|`.
        take(&mut left, "WANT_READ", 1);
        take(&mut left, "WANT_WRITE", 2);
        take(&mut left, "WANT_BUFFERED", 4);
        take(&mut left, "UNCOMPRESSED", 64);
        for (&figure, number) in Figure::ALL.iter().zip(1..) {
            assert_eq!(figure as c_int, number);
            take(&mut left, &format!("STAT_{}", in_c(&format!("{figure:?}"))), number);
        }
        // As on the wire (RFC 8446 4.2.1).
        take(&mut left, "TLS_1_2", 0x0303);
        take(&mut left, "TLS_1_3", 0x0304);
        take(&mut left, "FOREVER", -1);
        take(&mut left, "NOWAIT", 0);
        take(&mut left, "DEFAULT", -2);
        let version: Vec<c_int> = env!("CARGO_PKG_VERSION").split('.').map(|n| n.parse().expect("a number")).collect();
        take(&mut left, "VERSION_NUMBER", version[0] * 1_000_000 + version[1] * 1_000 + version[2]);
        assert!(left.is_empty(), "constants without a meaning: {left:?}");
    }

    #[test]
    fn every_number_has_words() {
        // SAFETY: the functions give out static text.
        let strerror = |code| unsafe { CStr::from_ptr(ws_strerror(code)) }.to_str().expect("UTF-8");
        for &code in Code::ALL {
            assert_eq!(strerror(code as c_int), code.text());
        }
        let mut answers: Vec<&str> = (WS_OK..=WS_INTERRUPTED).map(strerror).collect();
        answers.dedup();
        assert_eq!(answers.len(), 7);
        assert_eq!(strerror(7), "not a result of this library");
        assert_eq!(strerror(c_int::MIN), strerror(7));
        // SAFETY: as above.
        let phase = |phase| unsafe { CStr::from_ptr(ws_phase_name(phase)) }.to_str().expect("UTF-8");
        assert_eq!((phase(4), phase(10), phase(-1)), ("TLS", "unknown", "unknown"));
        // SAFETY: as above.
        let version = unsafe { CStr::from_ptr(ws_version()) };
        assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn a_timeout_is_read_in_all_its_values() {
        assert_eq!(wait(WS_FOREVER, None).ok(), Some(Wait::Forever));
        assert_eq!(wait(WS_NOWAIT, None).ok(), Some(Wait::Never));
        assert_eq!(wait(WS_DEFAULT, None).ok(), Some(Wait::Forever));
        assert!(matches!(wait(WS_DEFAULT, Some(Duration::from_secs(5))), Ok(Wait::Until(_))));
        assert!(matches!(wait(1, None), Ok(Wait::Until(_))));
        assert!(matches!(wait(c_int::MAX, None), Ok(Wait::Until(_))));
        assert_eq!(wait(-3, None).map_err(|e| e.code()), Err(Code::UsageTimeout));
        assert_eq!(wait(c_int::MIN, None).map_err(|e| e.code()), Err(Code::UsageTimeout));
    }
}
