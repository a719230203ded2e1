//! What can go wrong: one code for each misdeed, the phase it happened in, and a sentence for people.
//!
//! Errors are values: cheap to clone, immutable, usable from any thread. They are made where the misdeed is seen and
//! returned; exactly one place (`client::connection`) turns one into the end of a connection.

use std::fmt;
use std::sync::Arc;

use crate::headers::Headers;
use crate::transcript::{self, Hop};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal;)+) => {
        /// Every failure by name. The numbers are those of the C header (`WS_E_…`), grouped by hundreds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum Code { $($(#[doc = $doc])+ $name = $number,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// What the code means, in a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }
        }
    };
}

codes! {
    /// A pointer that must point at something is NULL.
    UsageNull = -101, "a required pointer is NULL";
    /// Not a message kind that can be sent.
    UsageKind = -102, "not a kind of message that can be sent";
    /// The call does not fit what the connection is doing.
    UsageState = -103, "the call does not fit the state of the connection";
    /// Another thread is receiving on this connection.
    UsageReceiver = -104, "another thread is receiving on this connection";
    /// The connection was made before fork and is used in the child.
    UsageForked = -105, "the connection belongs to the parent of this forked process";
    /// A time below -2, or one that the call cannot honour.
    UsageTimeout = -106, "not a usable timeout";
    /// A close code that must not be sent (RFC 6455 7.4).
    UsageCloseCode = -107, "not a close code that may be sent";
    /// A close reason over 123 bytes, not UTF-8, or without a code (RFC 6455 5.5.1).
    UsageCloseReason = -108, "not a close reason that can be sent";
    /// A ping or pong over 125 bytes (RFC 6455 5.5).
    UsageControlSize = -109, "a ping or pong carries at most 125 bytes";
    /// A text message that is not UTF-8 (RFC 6455 5.6); nothing was sent.
    UsageUtf8 = -110, "a text message must be UTF-8";
    /// A length that no object in memory can have.
    UsageLength = -111, "no object in memory is that long";
    /// The address cannot be read.
    UrlSyntax = -201, "the address cannot be read";
    /// The scheme is not ws, wss or ws+unix.
    UrlScheme = -202, "the scheme of the address is not ws, wss or ws+unix";
    /// The address names no host, or one that is none.
    UrlHost = -203, "the address names no usable host";
    /// The port is no number from 1 to 65535.
    UrlPort = -204, "the port of the address is not usable";
    /// The address has a fragment, which RFC 6455 3 forbids.
    UrlFragment = -205, "the address has a fragment";
    /// User or password of the address hold control characters.
    UrlCredentials = -206, "user or password in the address cannot be sent";
    /// A value outside what the option takes.
    OptionValue = -251, "the value does not fit the option";
    /// A subprotocol that is no token, twice, or offered in two ways.
    OptionSubprotocol = -252, "not a usable subprotocol";
    /// A header whose name or value cannot be sent.
    OptionHeader = -253, "not a usable header field";
    /// A header that the handshake sets itself.
    OptionHeaderReserved = -254, "the handshake sets that header field itself";
    /// PEM without a usable certificate or key.
    OptionPem = -255, "no usable certificate or key in the PEM";
    /// A file that cannot be read.
    OptionFile = -256, "the file cannot be read";
    /// A private key that does not fit its certificate.
    OptionKey = -257, "the private key does not fit the certificate";
    /// The host name has no address.
    Resolve = -301, "the host name cannot be resolved";
    /// No address of the host took the connection.
    Connect = -302, "no address of the host took the connection";
    /// A system call failed.
    Io = -303, "input or output failed";
    /// The time of the dial ran out; the phase says in what.
    Timeout = -304, "the time ran out";
    /// The dial's cancel token was fired.
    Cancelled = -305, "cancelled";
    /// A signal arrived and the dialer asked to be told.
    Interrupted = -306, "interrupted by a signal";
    /// The proxy's well-formed "no": status, headers and the start of the body go with the error if it speaks HTTP.
    ProxyRejected = -351, "the proxy refused to connect to the server";
    /// The proxy asks for credentials, or for others than were given.
    ProxyAuth = -352, "the proxy does not accept the credentials";
    /// The proxy tried and could not reach the server.
    ProxyUnreachable = -353, "the proxy could not reach the server";
    /// The proxy's answer is not one of its protocol.
    ProxyAnswer = -354, "the proxy's answer is malformed";
    /// The connection ended inside the exchange with the proxy.
    ProxyEof = -355, "the proxy ended the connection inside the exchange";
    /// TLS failed in a way that has no code of its own.
    Tls = -401, "TLS failed";
    /// The peer sent a TLS alert.
    TlsAlert = -402, "the peer ended TLS with an alert";
    /// No protocol version, cipher or parameter in common.
    TlsIncompatible = -403, "the peer and we have no TLS parameters in common";
    /// No trust root is configured, or none is usable.
    TlsRoots = -404, "there is no usable trust root";
    /// The certificate is unusable in a way that has no code of its own.
    TlsCertificate = -410, "the peer's certificate is not acceptable";
    /// The certificate has expired.
    TlsExpired = -411, "the peer's certificate has expired";
    /// The certificate is not valid yet.
    TlsNotYetValid = -412, "the peer's certificate is not valid yet";
    /// The certificate is for another name.
    TlsWrongHost = -413, "the peer's certificate is for another name";
    /// The certificate leads to no trusted root.
    TlsUnknownIssuer = -414, "the peer's certificate leads to no trusted root";
    /// A signature of the certificate or the handshake is wrong.
    TlsBadSignature = -415, "a signature in the TLS handshake is wrong";
    /// The certificate uses what this library does not support.
    TlsUnsupported = -416, "the peer's certificate uses what is not supported";
    /// The certificate was revoked.
    TlsRevoked = -417, "the peer's certificate was revoked";
    /// A key of the certificate, or of one above it, is too short.
    TlsWeakKey = -418, "a key of the peer's certificate is too weak";
    /// A well-formed answer other than 101: status, headers and the start of the body go with the error.
    Rejected = -501, "the server rejected the handshake";
    /// The server points elsewhere, and this call cannot connect there: the caller can (`Error::location`).
    Redirect = -510, "the server redirects: connect where it points";
    /// The server redirects more often than the dialer follows.
    RedirectLimit = -511, "the server redirects more often than is followed";
    /// A redirect without a `Location`, or to what cannot be dialed.
    RedirectLocation = -512, "the server redirects to nowhere that can be dialed";
    /// A redirect from `wss` to `ws`, which is never followed.
    RedirectDowngrade = -513, "the server redirects from wss to ws";
    /// The answer is not a well-formed HTTP/1.1 head.
    HandshakeHead = -520, "the server's answer is not a well-formed HTTP head";
    /// The answer's HTTP version is not 1.1.
    HandshakeVersion = -521, "the server's answer is not HTTP/1.1";
    /// `Upgrade` is not `websocket` (RFC 6455 4.1).
    HandshakeUpgrade = -522, "the server's Upgrade is not websocket";
    /// `Connection` has no token `upgrade` (RFC 6455 4.1).
    HandshakeConnection = -523, "the server's Connection does not say upgrade";
    /// `Sec-WebSocket-Accept` does not fit the key (RFC 6455 4.1).
    HandshakeAccept = -524, "the server's Sec-WebSocket-Accept does not fit the key";
    /// An extension that was not offered, twice, or with unusable parameters (RFC 6455 4.1).
    HandshakeExtension = -525, "the server chose an extension that was not offered";
    /// A subprotocol that was not offered, or several (RFC 6455 4.1).
    HandshakeSubprotocol = -526, "the server chose a subprotocol that was not offered";
    /// None of the offered subprotocols was chosen, and the dialer requires one.
    HandshakeNoSubprotocol = -527, "the server chose no subprotocol and one is required";
    /// The connection ended inside the handshake.
    HandshakeEof = -528, "the connection ended inside the handshake";
    /// A reserved bit without an extension that gives it meaning (RFC 6455 5.2).
    ProtocolReservedBit = -601, "a frame has a reserved bit set";
    /// A reserved opcode (RFC 6455 5.2).
    ProtocolOpcode = -602, "a frame has a reserved opcode";
    /// A masked frame from the server (RFC 6455 5.1).
    ProtocolMasked = -603, "the server masked a frame";
    /// A control frame in fragments (RFC 6455 5.5).
    ProtocolControlFragment = -604, "a control frame is fragmented";
    /// A control frame over 125 bytes (RFC 6455 5.5).
    ProtocolControlSize = -605, "a control frame is longer than 125 bytes";
    /// A length not in its shortest form, or with the top bit set (RFC 6455 5.2).
    ProtocolLength = -606, "a frame's length is not written as it must be";
    /// A continuation frame with nothing to continue (RFC 6455 5.4).
    ProtocolContinuation = -607, "a continuation frame continues nothing";
    /// A new message inside a fragmented one (RFC 6455 5.4).
    ProtocolInterleaved = -608, "a new message begins inside a fragmented one";
    /// A close code that must not be on the wire (RFC 6455 7.4).
    ProtocolCloseCode = -609, "the server's close code must not be sent";
    /// A close body of one byte (RFC 6455 5.5.1).
    ProtocolCloseBody = -610, "the server's close frame has a body of one byte";
    /// Text, or a close reason, that is not UTF-8 (RFC 6455 8.1).
    Utf8 = -620, "the server sent text that is not UTF-8";
    /// Compressed data that cannot be inflated (RFC 7692).
    Deflate = -630, "the server sent compressed data that cannot be inflated";
    /// A message over the limit.
    LimitMessage = -701, "the message is over the limit";
    /// An answer head over 64 KiB, or more than 16 interim answers before it.
    LimitHead = -702, "the head of the answer is over its limit";
    /// More than 256 header fields in an answer.
    LimitFields = -703, "the answer has too many header fields";
    /// There is no memory for it.
    LimitMemory = -704, "there is not enough memory";
    /// The connection ended without a close handshake (close code 1006).
    Abnormal = -801, "the connection ended without a close handshake";
    /// TLS ended without close_notify: the stream may have been cut (close code 1006).
    AbnormalTruncated = -802, "the TLS stream was cut without close_notify";
    /// No answer to a keepalive ping in time: the peer is taken for dead (close code 1006).
    AbnormalPing = -803, "the server did not answer a keepalive ping in time";
    /// A fault inside the library; this connection is over, the process is not.
    Internal = -901, "a fault inside the library";
}

/// Where in the life of a connection something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Phase {
    /// Before anything was sent: arguments, address, options.
    None = 0,
    /// Looking up the host name.
    Resolve = 1,
    /// Connecting the socket.
    Connect = 2,
    /// The exchange with a proxy.
    Proxy = 3,
    /// The TLS handshake.
    Tls = 4,
    /// The upgrade request and the head of its answer.
    Handshake = 5,
    /// The body of an answer that is a rejection.
    Body = 6,
    /// Sending.
    Send = 7,
    /// Receiving.
    Recv = 8,
    /// Closing.
    Close = 9,
}

impl Phase {
    /// Every phase, by its number.
    pub const ALL: &[Phase] = &[
        Phase::None,
        Phase::Resolve,
        Phase::Connect,
        Phase::Proxy,
        Phase::Tls,
        Phase::Handshake,
        Phase::Body,
        Phase::Send,
        Phase::Recv,
        Phase::Close,
    ];

    /// The phase in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::None => "none",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "TLS",
            Phase::Handshake => "handshake",
            Phase::Body => "body",
            Phase::Send => "send",
            Phase::Recv => "receive",
            Phase::Close => "close",
        }
    }
}

/// A well-formed answer that is no agreement: a server's or proxy's "no", or a 101 that failed a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status, 100 to 999.
    pub status: u16,
    /// The words behind the status; may be empty.
    pub reason: String,
    /// All header fields.
    pub headers: Headers,
    /// The start of the body, as much as the dialer keeps, without its transfer coding.
    pub body: Vec<u8>,
}

/// An address that pointed elsewhere, and was followed or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The HTTP status: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The address that answered so, without user and password.
    pub url: String,
}

/// What it takes to follow a redirect.
#[derive(Clone)]
pub(crate) struct Follow {
    /// The address to dial, without user and password.
    pub(crate) location: String,
    /// Scheme, host or port is another one.
    pub(crate) crosses_origin: bool,
    /// User and password of the addresses so far.
    pub(crate) credentials: Option<(Vec<u8>, Vec<u8>)>,
}

/// A failure: code, phase, sentence and what goes with them.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    phase: Phase,
    detail: String,
    context: String,
    os_error: i32,
    close_code: u16,
    rejection: Option<Rejection>,
    redirects: Vec<Redirect>,
    follow: Option<Follow>,
    hops: Vec<Arc<Hop>>,
}

impl Error {
    /// A failure with a sentence that names its cause. The sentence starts small and ends without a full stop.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Error {
        Error(Arc::new(Inner {
            code,
            phase: Phase::None,
            detail: detail.into(),
            context: String::new(),
            os_error: 0,
            close_code: 0,
            rejection: None,
            redirects: Vec::new(),
            follow: None,
            hops: Vec::new(),
        }))
    }

    /// A failed system call.
    pub(crate) fn from_io(code: Code, what: &str, cause: &std::io::Error) -> Error {
        // std's text ends in "(os error N)"; the number is a field of its own here.
        let text = cause.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Error::new(code, format!("{what}: {text}")).with_os_error(cause.raw_os_error().unwrap_or(0))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Error {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Sets the phase, unless a more precise place has set it already.
    pub(crate) fn in_phase(self, phase: Phase) -> Error {
        if self.0.phase != Phase::None { self } else { self.change(|inner| inner.phase = phase) }
    }

    /// Sets who the sentence is about, `wss://host:443`; the first to know wins.
    pub(crate) fn about(self, context: &str) -> Error {
        if self.0.context.is_empty() { self.change(|inner| inner.context = context.to_owned()) } else { self }
    }

    /// The same sentence under another name, for grammars that serve several exchanges.
    pub(crate) fn with_code(self, code: Code) -> Error {
        self.change(|inner| inner.code = code)
    }

    /// The same failure behind the reasons of earlier attempts.
    pub(crate) fn behind(self, earlier: &str) -> Error {
        if earlier.is_empty() {
            self
        } else {
            self.change(|inner| inner.detail = format!("{earlier}; {}", inner.detail))
        }
    }

    pub(crate) fn with_os_error(self, number: i32) -> Error {
        self.change(|inner| inner.os_error = number)
    }

    /// The close code that the failure puts on the wire (RFC 6455 7.4.1).
    pub(crate) fn with_close_code(self, close_code: u16) -> Error {
        self.change(|inner| inner.close_code = close_code)
    }

    pub(crate) fn with_rejection(self, rejection: Rejection) -> Error {
        self.change(|inner| inner.rejection = Some(rejection))
    }

    /// Where the dial was led before it failed, this answer among them when it is a redirect.
    pub(crate) fn with_redirects(self, redirects: Vec<Redirect>) -> Error {
        if redirects.is_empty() { self } else { self.change(|inner| inner.redirects = redirects) }
    }

    pub(crate) fn with_follow(self, follow: Follow) -> Error {
        self.change(|inner| inner.follow = Some(follow))
    }

    /// The way of the dial; the most precise place has said it first. No secret that was sent on it stays in the sentence.
    pub(crate) fn with_hops(self, hops: impl FnOnce(&Error) -> Vec<Arc<Hop>>) -> Error {
        if !self.0.hops.is_empty() {
            return self;
        }
        let hops = hops(&self);
        let detail = transcript::hidden(&self.0.detail, &hops);
        self.change(|inner| {
            inner.hops = hops;
            inner.detail = detail;
        })
    }

    pub(crate) fn hops(&self) -> &[Arc<Hop>] {
        &self.0.hops
    }

    pub(crate) fn follow(&self) -> Option<&Follow> {
        self.0.follow.as_ref()
    }

    /// The sentence without host and phase.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What happened, by name.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Where it happened.
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// The `errno` behind it, or 0.
    pub fn os_error(&self) -> i32 {
        self.0.os_error
    }

    /// The close code that belongs to the failure: the one we sent for a violation, 1006 for a lost connection, or 0.
    pub fn close_code(&self) -> u16 {
        self.0.close_code
    }

    /// The answer, when it was a well-formed "no", or a 101 that failed a check (which has no body).
    pub fn rejection(&self) -> Option<&Rejection> {
        self.0.rejection.as_ref()
    }

    /// The redirects before the failure, the first one first; the last is the failure when its code says so.
    pub fn redirects(&self) -> &[Redirect] {
        &self.0.redirects
    }

    /// What the dial did before it failed, for people: phases with their times, heads with secrets masked, each check with
    /// its verdict. `None` when nothing was begun, and for what failed later.
    pub fn transcript(&self) -> Option<String> {
        (!self.0.hops.is_empty()).then(|| transcript::text(&self.0.hops))
    }

    /// Where the last redirect points, as an address to dial; `None` when none was usable.
    pub fn location(&self) -> Option<&str> {
        self.0.follow.as_ref().map(|follow| follow.location.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if !inner.context.is_empty() {
            write!(f, "{}: ", inner.context)?;
        }
        if inner.phase != Phase::None {
            write!(f, "{}: ", inner.phase.name())?;
        }
        f.write_str(&inner.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}, {:?})", self.0.code, self.to_string())
    }
}

impl std::error::Error for Error {}

/// Bytes of somebody else's, for a sentence: quoted, nothing in them unprintable, and cut to what a person reads.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let mut text = String::from("\"");
    for &byte in bytes.iter().take(SHOWN) {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    if bytes.len() > SHOWN {
        text.push_str(&format!(" (the start of {} bytes)", bytes.len()));
    }
    text
}

/// The same of an address: without its query and fragment, in which tokens travel, and without what may be a password.
pub(crate) fn quoted_address(bytes: &[u8]) -> String {
    let address = bytes.split(|byte| b"?#".contains(byte)).next().unwrap_or_default();
    let Some(at) = address.iter().rposition(|&byte| byte == b'@') else { return quoted(address) };
    let scheme = address[..at].windows(2).position(|two| two == b"//").map_or(0, |slashes| slashes + 2);
    quoted(&[&address[..scheme], b"***", &address[at..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_bytes_are_printable_and_short() {
        assert_eq!(quoted(b"a \"b\" \\ \r\n\xff"), r#""a \"b\" \\ \x0d\x0a\xff""#);
        assert_eq!(quoted(&[b'x'; 80]), format!("\"{}\"", "x".repeat(80)));
        assert_eq!(quoted(&[b'x'; 81]), format!("\"{}\" (the start of 81 bytes)", "x".repeat(80)));
    }

    #[test]
    fn a_quoted_address_has_no_secret() {
        for (address, shown) in [
            ("https://a/b?c#d", "https://a/b"),
            ("https://a/b#c?d", "https://a/b"),
            ("https://me:secret@a/b", "https://***@a/b"),
            ("//me:sec/ret@a/b", "//***@a/b"),
            ("me:secret@a", "***@a"),
            ("?secret", ""),
        ] {
            assert_eq!(quoted_address(address.as_bytes()), format!("\"{shown}\""));
        }
    }

    #[test]
    fn the_sentence_names_host_phase_and_cause() {
        let cause = std::io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let error =
            Error::from_io(Code::Connect, "127.0.0.1:1", &cause).in_phase(Phase::Connect).about("ws://localhost:1");
        assert_eq!(error.to_string(), "ws://localhost:1: connect: 127.0.0.1:1: Connection refused");
        assert_eq!(error.os_error(), libc::ECONNREFUSED);
    }

    #[test]
    fn the_first_phase_and_the_first_context_stay() {
        let error =
            Error::new(Code::Tls, "cause").in_phase(Phase::Tls).in_phase(Phase::Handshake).about("a").about("b");
        assert_eq!(error.to_string(), "a: TLS: cause");
    }

    #[test]
    fn numbers_are_negative_and_distinct() {
        let mut numbers: Vec<i32> = Code::ALL.iter().map(|&code| code as i32).collect();
        assert!(numbers.iter().all(|&n| n < 0));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
    }
}
