//! What the user decided about dialing, as values. Every setter validates at once.
//!
//! Parsed trust roots and TLS sessions are not decisions; they live with `client::Client`.

pub(crate) mod cookies;
mod deflate;
mod identity;
mod key_log;
mod pem;
mod proxy;
mod tls;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Code, Error, Follow, Redirect, quoted};
use crate::headers::{Headers, is_token};
use crate::target::{Endpoint, Proxy};
use crate::transcript::{Failed, Hop};
use cookies::CookieJar;

pub(crate) use proxy::ProxyChoice;

pub(crate) use key_log::KeyLogFile;
pub(crate) use tls::{TlsOptions, crypto};

pub(crate) use deflate::{DeflateOptions, one_to_nine};

const MIB: u64 = 1 << 20;

/// The bounds of `set_max_rejection_body`.
const MAX_REJECTION_BODY: u64 = 16 * MIB;

/// The bounds of `set_buffer_sizes`.
const BUFFER_SIZES: std::ops::RangeInclusive<u64> = 1024..=16 * MIB;

/// More header fields, or more bytes in them, are no request that a server takes; it is better known here than there.
const MAX_FIELDS: usize = 256;
const MAX_FIELD_BYTES: usize = 1 << 20;

/// More redirects than that are a mistake, whoever makes it.
const MAX_REDIRECTS: u64 = 20;

/// What is meant for one origin alone, and stays behind when a redirect leads to another.
const FOR_ONE_ORIGIN: &[&str] = &["authorization", "cookie", "host", "proxy-authorization"];

/// Why a header field is not the user's to set.
const RESERVED: &[(&str, &str)] = &[
    ("upgrade", "the handshake sets it itself"),
    ("connection", "the handshake sets it itself"),
    ("sec-websocket-key", "the handshake sets it itself, anew for each connection"),
    ("sec-websocket-version", "the handshake sets it itself"),
    ("sec-websocket-extensions", "the handshake sets it itself, from what the dialer was told to offer"),
    ("content-length", "the request has no body, the server would wait for one"),
    ("transfer-encoding", "the request has no body, the server would wait for one"),
];

/// Makes the connections of dials instead of resolver and connect: to where, and within what time if there is a limit.
pub(crate) type ConnectCallback = Arc<dyn Fn(&Endpoint, Option<Duration>) -> io::Result<OwnedFd> + Send + Sync>;

/// Decisions about dialing; what is not decided has a secure default.
#[derive(Clone)]
pub struct Dialer {
    pub(crate) subprotocols: Vec<String>,
    /// Whether a header made the offer, which then is the only one.
    offered_by_header: bool,
    pub(crate) require_subprotocol: bool,
    pub(crate) headers: Headers,
    pub(crate) proxy: ProxyChoice,
    /// Of the CONNECT request.
    pub(crate) proxy_headers: Headers,
    pub(crate) connect: Option<ConnectCallback>,
    pub(crate) tls: TlsOptions,
    /// Bytes, 0 is none.
    pub(crate) max_message: u64,
    /// Bytes kept of a rejection's body.
    pub(crate) max_rejection_body: usize,
    /// The most that one read takes from the socket, and the most that one write gives to it.
    pub(crate) read_buffer: usize,
    pub(crate) write_buffer: usize,
    /// Between two pings, and how long a pong is awaited, `None` for ever.
    pub(crate) keepalive: Option<(Duration, Option<Duration>)>,
    /// How many messages and bytes `process` reads ahead.
    pub(crate) read_ahead: (usize, usize),
    pub(crate) delivers_control: bool,
    pub(crate) auto_pong: bool,
    /// Whether a handled signal ends a wait.
    pub(crate) interruptible: bool,
    pub(crate) deflate: DeflateOptions,
    /// How many redirects are followed.
    pub(crate) max_redirects: usize,
    /// Whether connections keep what their transcript is made of.
    pub(crate) transcript: bool,
    pub(crate) jar: Option<Arc<dyn CookieJar>>,
    /// How this dial came here, when a redirect led it.
    pub(crate) history: Option<Arc<History>>,
}

/// What a dial that was redirected brings along.
pub(crate) struct History {
    /// Who redirected it, the first one first.
    pub(crate) redirects: Vec<Redirect>,
    /// User and password of the address before, while the origin is the same.
    pub(crate) credentials: Option<(Vec<u8>, Vec<u8>)>,
    /// The way so far, for the transcript.
    pub(crate) hops: Vec<Arc<Hop>>,
}

impl Default for Dialer {
    fn default() -> Dialer {
        Dialer {
            subprotocols: Vec::new(),
            offered_by_header: false,
            require_subprotocol: false,
            headers: Headers::new(),
            proxy: ProxyChoice::None,
            proxy_headers: Headers::new(),
            connect: None,
            tls: TlsOptions::default(),
            max_message: 64 << 20,
            max_rejection_body: 1024,
            read_buffer: crate::buffer::POOLED,
            write_buffer: crate::buffer::POOLED,
            keepalive: None,
            read_ahead: (16, 1 << 20),
            delivers_control: false,
            auto_pong: true,
            interruptible: false,
            deflate: DeflateOptions::default(),
            max_redirects: 0,
            transcript: false,
            jar: None,
            history: None,
        }
    }
}

impl Dialer {
    /// The defaults.
    pub fn new() -> Dialer {
        Dialer::default()
    }

    /// Offers a subprotocol, behind those offered before. It must be a token (RFC 9110 5.6.2) and not offered twice.
    pub fn add_subprotocol(&mut self, name: &str) -> Result<(), Error> {
        if self.offered_by_header {
            return Err(Error::new(Code::OptionSubprotocol, OFFERED_TWICE));
        }
        check_subprotocol(name.as_bytes(), &self.subprotocols)?;
        self.subprotocols.push(name.to_owned());
        Ok(())
    }

    /// Makes it a failure when the server chooses none of the offered subprotocols (RFC 6455 allows it to).
    pub fn require_subprotocol(&mut self, on: bool) {
        self.require_subprotocol = on;
    }

    /// Adds a header field to the request, spelling and order kept. White space around the value is left out, for a
    /// recipient does not count it to the value (RFC 9110 5.5). `Host` replaces the one made from the address;
    /// `Authorization` replaces user and password of the address; `Sec-WebSocket-Protocol` is the offer of
    /// subprotocols, instead of `add_subprotocol`. What the handshake sets itself is refused.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        check_field_name(name)?;
        if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| name.eq_ignore_ascii_case(reserved)) {
            return Err(Error::new(Code::OptionHeaderReserved, format!("the header {name} is refused: {why}")));
        }
        check_field_value(name, value)?;
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("sec-websocket-protocol") {
            return self.offer_by_header(value);
        }
        if name.eq_ignore_ascii_case("host") {
            self.check_host(value)?;
        }
        check_room(&self.headers, name.len() + value.len())?;
        self.headers.push(name, value);
        Ok(())
    }

    /// Dials through this proxy: `http://`, `https://` (CONNECT, over TLS for https), `socks5://` (names are resolved
    /// here) or `socks5h://` (names are resolved by the proxy), each as `scheme://user:password@host:port`; without a scheme
    /// it is an http one. `None` is no proxy (the default). `ws+unix` addresses are never proxied.
    pub fn set_proxy(&mut self, url: Option<&str>) -> Result<(), Error> {
        self.proxy = match url {
            Some(url) => ProxyChoice::Always(Arc::new(Proxy::parse(url)?)),
            None => ProxyChoice::None,
        };
        Ok(())
    }

    /// Dials through the proxies that the environment names: `http_proxy` for `ws`, `https_proxy` for `wss`, `all_proxy`
    /// where that one is not set, each in lower or upper case, unless `no_proxy` names the host. The variables are read
    /// now. One that cannot be used is told to the dial that would use it.
    pub fn set_proxy_from_env(&mut self) {
        self.proxy = ProxyChoice::Environment(Arc::new(proxy::from_env()));
    }

    /// Adds a header field to the CONNECT request to an http or https proxy. `Proxy-Authorization` replaces user and
    /// password of the proxy's address.
    pub fn add_proxy_header(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        check_field_name(name)?;
        proxy::refuse_header(name)?;
        check_field_value(name, value)?;
        let value = value.trim_ascii();
        check_room(&self.proxy_headers, name.len() + value.len())?;
        self.proxy_headers.push(name, value);
        Ok(())
    }

    /// Lets `connect` make the connections of dials: it is given the proxy if there is one, else the address's host, and
    /// what is left of the time. It runs in the dialing thread; a cancel token does not end it. Its errors of the kinds
    /// `TimedOut` and `Interrupted`, and the errno `ECANCELED`, are told as such.
    pub fn set_connect_callback(&mut self, connect: ConnectCallback) {
        self.connect = Some(connect);
    }

    /// Lets the library make connections itself again.
    pub fn clear_connect_callback(&mut self) {
        self.connect = None;
    }

    /// Limits received messages to that many bytes, 0 for no limit.
    pub fn set_max_message(&mut self, bytes: u64) {
        self.max_message = bytes;
    }

    /// Keeps at most that many bytes of a rejection's body (1 KiB unless set, at most 16 MiB).
    pub fn set_max_rejection_body(&mut self, bytes: u64) -> Result<(), Error> {
        if bytes > MAX_REJECTION_BODY {
            let text = format!("at most {MAX_REJECTION_BODY} bytes of a rejection's body can be kept, not {bytes}");
            return Err(Error::new(Code::OptionValue, text));
        }
        self.max_rejection_body = bytes as usize;
        Ok(())
    }

    /// Sets the most that one read and one write move, 0 for the default; at least 1 KiB, at most 16 MiB.
    pub fn set_buffer_sizes(&mut self, read: u64, write: u64) -> Result<(), Error> {
        let (read, write) = (buffer_size("read", read)?, buffer_size("write", write)?);
        self.read_buffer = read;
        self.write_buffer = write;
        Ok(())
    }

    /// Sends a ping every `ping_ms` and takes a peer for dead whose pong does not come within `pong_ms`; 0 for `ping_ms`
    /// is no keepalive (the default), 0 for `pong_ms` waits for ever. At most a day each.
    pub fn set_keepalive(&mut self, ping_ms: u64, pong_ms: u64) -> Result<(), Error> {
        const DAY: u64 = 86_400_000;
        if ping_ms.max(pong_ms) > DAY {
            let sentence = format!("keepalive times are 0 to {DAY} ms, not {}", ping_ms.max(pong_ms));
            return Err(Error::new(Code::OptionValue, sentence));
        }
        let within = (pong_ms > 0).then(|| Duration::from_millis(pong_ms));
        self.keepalive = (ping_ms > 0).then(|| (Duration::from_millis(ping_ms), within));
        Ok(())
    }

    /// How far a connection is read ahead when nobody takes its messages: until so many messages or bytes wait (16 and
    /// 1 MiB unless set; one message is always read).
    pub fn set_read_ahead(&mut self, messages: usize, bytes: usize) {
        self.read_ahead = (messages, bytes);
    }

    /// Whether pings, pongs and closes are delivered like messages; `Connection::set_control` has it at length.
    pub fn set_control_delivery(&mut self, on: bool) {
        self.delivers_control = on;
    }

    /// Whether pings are answered by themselves, which is the default.
    pub fn set_auto_pong(&mut self, on: bool) {
        self.auto_pong = on;
    }

    /// Whether a signal that the program handles ends a wait.
    pub fn set_interruptible(&mut self, on: bool) {
        self.interruptible = on;
    }

    /// Follows up to that many redirects of a dial, at most 20; none unless set. Where the origin (scheme, host, port)
    /// changes, user and password, `Authorization`, `Cookie`, `Host`, the server name and the client certificate stay
    /// behind; from `wss` to `ws` none is followed.
    pub fn set_max_redirects(&mut self, most: u64) -> Result<(), Error> {
        if most > MAX_REDIRECTS {
            let text = format!("at most {MAX_REDIRECTS} redirects can be followed, not {most}");
            return Err(Error::new(Code::OptionValue, text));
        }
        self.max_redirects = most as usize;
        Ok(())
    }

    /// Asks `jar` for the cookies of every request, and tells it those of every answer; `None` for no jar.
    pub fn set_cookie_jar(&mut self, jar: Option<Arc<dyn CookieJar>>) {
        self.jar = jar;
    }

    /// The decisions for the dial that `follow` leads to, which `error` has told of.
    pub(crate) fn follow(&self, follow: &Follow, error: &Error) -> Dialer {
        let mut next = self.clone();
        let credentials = follow.credentials.clone().filter(|_| !follow.crosses_origin);
        if follow.crosses_origin {
            let stays = |name: &str| FOR_ONE_ORIGIN.iter().any(|one| name.eq_ignore_ascii_case(one));
            next.headers = Headers::new();
            for (name, value) in self.headers.iter().filter(|(name, _)| !stays(name)) {
                next.headers.push(name, value);
            }
            // The name that stands for the address's host stands for that one, and who we are is told to it alone.
            next.tls.server_name = None;
            next.tls.identity = None;
        }
        let mut hops = error.hops().to_vec();
        if let Some(last) = hops.last_mut() {
            let sentence = format!("followed to {}", follow.location);
            Arc::make_mut(last).failed = Some(Failed { phase: "", sentence, check: None });
        }
        next.history = Some(Arc::new(History { redirects: error.redirects().to_vec(), credentials, hops }));
        next
    }

    /// Whether connections keep what their transcript is made of: some hundred bytes each, secrets among them. What a
    /// failed dial did is kept with its error in any case.
    pub fn set_transcript(&mut self, on: bool) {
        self.transcript = on;
    }

    /// The way of the dial so far.
    pub(crate) fn hops(&self) -> &[Arc<Hop>] {
        self.history.as_ref().map_or(&[], |history| &history.hops)
    }

    /// Who redirected the dial so far.
    pub(crate) fn redirects(&self) -> &[Redirect] {
        self.history.as_ref().map_or(&[], |history| &history.redirects)
    }

    fn offer_by_header(&mut self, value: &[u8]) -> Result<(), Error> {
        if !self.offered_by_header && !self.subprotocols.is_empty() {
            return Err(Error::new(Code::OptionSubprotocol, OFFERED_TWICE));
        }
        let mut offer = self.subprotocols.clone();
        for name in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            check_subprotocol(name, &offer)?;
            offer.push(String::from_utf8_lossy(name).into_owned());
        }
        self.subprotocols = offer;
        self.offered_by_header = true;
        Ok(())
    }

    /// RFC 9112 3.2: a request has one Host.
    fn check_host(&self, value: &[u8]) -> Result<(), Error> {
        if self.headers.first("host").is_some() {
            return Err(Error::new(Code::OptionHeader, "the header Host is given twice"));
        }
        if value.is_empty() || value.iter().any(|byte| b" \t,/?#@\\".contains(byte)) {
            let text = format!("the header Host {} is not a host with or without a port", quoted(value));
            return Err(Error::new(Code::OptionHeader, text));
        }
        Ok(())
    }
}

impl fmt::Debug for Dialer {
    /// The values of header fields may be secrets: they stay out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("subprotocols", &self.subprotocols)
            .field("require_subprotocol", &self.require_subprotocol)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("proxy", &self.proxy)
            .field("connect_callback", &self.connect.is_some())
            .field("proxy_headers", &self.proxy_headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("tls", &self.tls)
            .field("max_message", &self.max_message)
            .field("max_rejection_body", &self.max_rejection_body)
            .field("deflate", &self.deflate)
            .field("buffers", &(self.read_buffer, self.write_buffer))
            .field("max_redirects", &self.max_redirects)
            .finish()
    }
}

fn check_field_name(name: &str) -> Result<(), Error> {
    if is_token(name.as_bytes()) {
        return Ok(());
    }
    let text = format!("the header name {} is not a token ({TOKEN})", quoted(name.as_bytes()));
    Err(Error::new(Code::OptionHeader, text))
}

fn check_field_value(name: &str, value: &[u8]) -> Result<(), Error> {
    let Some(at) = value.iter().position(|byte| byte.is_ascii_control() && *byte != b'\t') else { return Ok(()) };
    // The value may be a secret, so it is not quoted.
    let text = format!("the value of the header {name} has {} at byte {at}", control_name(value[at]));
    Err(Error::new(Code::OptionHeader, text))
}

fn check_room(headers: &Headers, bytes: usize) -> Result<(), Error> {
    if headers.len() >= MAX_FIELDS {
        return Err(Error::new(Code::OptionHeader, format!("at most {MAX_FIELDS} header fields can be added")));
    }
    let there: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if there + bytes > MAX_FIELD_BYTES {
        let sum = there + bytes;
        let text = format!("the header fields would have {sum} bytes together, {MAX_FIELD_BYTES} at most");
        return Err(Error::new(Code::OptionHeader, text));
    }
    Ok(())
}

const OFFERED_TWICE: &str =
    "subprotocols are offered by add_subprotocol or by the header Sec-WebSocket-Protocol, not both";

/// What RFC 9110 5.6.2 lets a token have, for those who have something else in theirs.
const TOKEN: &str = "letters, digits and !#$%&'*+-.^_`|~";

/// RFC 6455 4.1: the elements of the offer are tokens, and all different.
fn check_subprotocol(name: &[u8], offered: &[String]) -> Result<(), Error> {
    let text = if name.is_empty() {
        "a subprotocol has no name".to_owned()
    } else if !is_token(name) {
        format!("the subprotocol {} is not a token ({TOKEN})", quoted(name))
    } else if offered.iter().any(|other| other.as_bytes() == name) {
        format!("the subprotocol {} is offered twice", quoted(name))
    } else {
        return Ok(());
    };
    Err(Error::new(Code::OptionSubprotocol, text))
}

fn control_name(byte: u8) -> String {
    match byte {
        b'\r' => "a carriage return".to_owned(),
        b'\n' => "a line feed".to_owned(),
        0 => "a NUL".to_owned(),
        other => format!("the control character 0x{other:02x}"),
    }
}

fn buffer_size(which: &str, bytes: u64) -> Result<usize, Error> {
    match bytes {
        0 => Ok(crate::buffer::POOLED),
        _ if BUFFER_SIZES.contains(&bytes) => Ok(bytes as usize),
        _ => {
            let (least, most) = (BUFFER_SIZES.start(), BUFFER_SIZES.end());
            let text = format!("the {which} buffer has {least} to {most} bytes, or 0 for the default, not {bytes}");
            Err(Error::new(Code::OptionValue, text))
        }
    }
}

#[cfg(test)]
mod tests;
