//! A parsed address: where to connect, which name TLS checks, what Host and the request line say, who logs in.
//!
//! Owns: the addresses of RFC 6455 3 and `ws+unix:/path/of/socket:/request/target`. Must not know: how names are
//! resolved and sockets connected. The `url` crate mends what is off the grammar (it drops tabs and line ends, takes `\`
//! for `/`, and the first segment of the path for a missing host), as browsers do. An address in a program is a
//! decision, not a typing aid, so what it would mend is an error here, and it is only given what is left: the host to
//! make canonical, path and query to percent-encode. No error quotes a user, a password, a path or a query.

mod redirect;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

mod proxy;

pub(crate) use proxy::{Proxy, ProxyKind};

use crate::error::{Code, Error, quoted};

/// The longest host name of the DNS, without the final dot (RFC 1035 2.3.4).
const MAX_HOST: usize = 253;

/// The longest part of one between two dots.
const MAX_LABEL: usize = 63;

/// The sentence for `ws://user:pass/word@host`, which reads as a host, a port and a path; it quotes no such port.
const SLASH_IN_PASSWORD: &str =
    "the port of the address is not from 1 to 65535 (in a password / is written %2F and ? is written %3F)";

/// How the connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// TCP.
    Ws,
    /// TLS over TCP.
    Wss,
    /// A unix socket: `ws+unix:/path/of/socket:/request/target`.
    Unix,
}

/// User and password, percent-decoded.
pub(crate) type Credentials = (Vec<u8>, Vec<u8>);

/// What a socket is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host, to be resolved unless it is a literal (without brackets), and a port.
    Tcp(String, u16),
    /// A unix socket.
    Unix(PathBuf),
}

/// An address, taken apart and checked.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    /// To resolve and to name in TLS: IDNA applied, lower case, no brackets around an IPv6 literal. `localhost` for a
    /// unix socket.
    pub(crate) host: String,
    /// Never 0; 0 for a unix socket only.
    pub(crate) port: u16,
    /// The value of `Host`: brackets kept, default port left out.
    pub(crate) host_header: String,
    /// The request line's target: `/path?query`.
    pub(crate) request_target: String,
    /// User and password.
    pub(crate) credentials: Option<Credentials>,
    /// The unix socket.
    pub(crate) socket: Option<PathBuf>,
    /// For error messages: `wss://host:443`, `ws+unix:/path`; never credentials, path or query.
    pub(crate) display: String,
}

impl Target {
    /// Reads an address (`dialer.md` 2 and 5; RFC 6455 3).
    pub(crate) fn parse(url: &str) -> Result<Target, Error> {
        check_characters(url)?;
        let (scheme, rest) = split_scheme(url)?;
        if url.contains('#') {
            // RFC 6455 3: fragments are meaningless in these addresses, and `#` is written %23.
            return Err(Error::new(Code::UrlFragment, "the address has a fragment (a # in a path is written %23)"));
        }
        match scheme {
            Scheme::Unix => parse_unix(rest),
            Scheme::Ws | Scheme::Wss => parse_tcp(scheme, rest),
        }
    }

    /// The address as it is dialed: canonical, without user and password, a default port left out.
    pub(crate) fn url(&self) -> String {
        match self.scheme {
            Scheme::Unix => format!("{}:{}", self.display, self.request_target),
            Scheme::Ws => format!("ws://{}{}", self.host_header, self.request_target),
            Scheme::Wss => format!("wss://{}{}", self.host_header, self.request_target),
        }
    }

    /// The same resource as HTTP names it, for whoever thinks in `http` and `https`: cookies do, and so does Location.
    pub(crate) fn http_url(&self) -> String {
        let scheme = if self.scheme == Scheme::Wss { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host_header, self.request_target)
    }

    /// Whether both are of one origin: what is meant for one may be told to the other (RFC 9110 4.3.1).
    pub(crate) fn is_same_origin(&self, other: &Target) -> bool {
        (self.scheme, &self.host, self.port, &self.socket) == (other.scheme, &other.host, other.port, &other.socket)
    }

    /// Where a `Location` leads that was received from here.
    pub(crate) fn redirect(&self, location: &[u8]) -> Result<Target, Error> {
        redirect::resolve(self, location)
    }

    /// What to connect to when no proxy is in between.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match &self.socket {
            Some(path) => Endpoint::Unix(path.clone()),
            None => Endpoint::Tcp(self.host.clone(), self.port),
        }
    }
}

/// What [`Target::display`] says of the target whose [`Target::url`] is `url`.
pub(crate) fn display(url: &str) -> String {
    if let Some(path) = url.strip_prefix("ws+unix:") {
        return format!("ws+unix:{}", path.split(':').next().unwrap_or_default());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, _) = split_authority(rest);
    let has_port = authority.rsplit(']').next().is_some_and(|behind| behind.contains(':'));
    let port = if scheme == "wss" { ":443" } else { ":80" };
    format!("{scheme}://{authority}{}", if has_port { "" } else { port })
}

/// A name as targets have it, where it is one (RFC 5891 4): for who compares with theirs.
pub(crate) fn canonical_name(name: &str) -> Option<String> {
    parse_host(name).ok()
}

/// What an error says of the way to `target`, with a proxy between or without.
pub(crate) fn route(target: &str, via: Option<&str>) -> String {
    match via {
        Some(proxy) => format!("{target} through {proxy}"),
        None => target.to_owned(),
    }
}

impl fmt::Debug for Target {
    /// The password stays out, and so do path and query, in which tokens travel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.display)
    }
}

fn syntax(text: impl Into<String>) -> Error {
    Error::new(Code::UrlSyntax, text)
}

fn check_characters(url: &str) -> Result<(), Error> {
    if url.is_empty() {
        return Err(syntax("the address is empty"));
    }
    let Some((at, character)) = url.char_indices().find(|(_, c)| c.is_control() || *c == ' ') else { return Ok(()) };
    Err(syntax(match character {
        '\n' => format!("the address has a line feed at byte {at}"),
        '\r' => format!("the address has a carriage return at byte {at}"),
        '\t' => format!("the address has a tab at byte {at}"),
        '\0' => format!("the address has a NUL at byte {at}"),
        ' ' => format!("the address has a space at byte {at} (written %20)"),
        other => format!("the address has the control character U+{:04X} at byte {at}", u32::from(other)),
    }))
}

/// The scheme and what follows its colon.
fn split_scheme(url: &str) -> Result<(Scheme, &str), Error> {
    let end = url.find([':', '/', '?', '#']).unwrap_or(url.len());
    let (name, rest) = url.split_at(end);
    let known = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let Some(rest) = rest.strip_prefix(':').filter(|_| known) else {
        return Err(Error::new(Code::UrlScheme, "the address has no scheme, it begins with ws://, wss:// or ws+unix:"));
    };
    match name.to_ascii_lowercase().as_str() {
        "ws" => Ok((Scheme::Ws, rest)),
        "wss" => Ok((Scheme::Wss, rest)),
        "ws+unix" => Ok((Scheme::Unix, rest)),
        lower => Err(bad_scheme(lower, rest)),
    }
}

fn bad_scheme(name: &str, rest: &str) -> Error {
    let meant = match name {
        "http" => Some("ws"),
        "https" => Some("wss"),
        _ => None,
    };
    let name = quoted(name.as_bytes());
    if let Some(meant) = meant {
        let (authority, path) = split_authority(rest.trim_start_matches('/'));
        let host = authority.rsplit('@').next().unwrap_or_default();
        // Behind an @ in the path, the host may be a part of a password.
        let host = if path.contains('@') { "..." } else { host };
        let address = quoted(format!("{meant}://{host}").as_bytes());
        return Error::new(Code::UrlScheme, format!("the scheme {name} is not dialed, did you mean {address}?"));
    }
    if rest.starts_with("//") {
        return Error::new(Code::UrlScheme, format!("the scheme {name} is not ws, wss or ws+unix"));
    }
    // `localhost:8080` reads as a scheme, but is a host to whoever wrote it.
    let hint = "is it a host? then write ws:// in front of it";
    Error::new(Code::UrlScheme, format!("{name} is not ws, wss or ws+unix ({hint})"))
}

/// Authority, and the path and query behind it.
fn split_authority(text: &str) -> (&str, &str) {
    text.split_at(text.find(['/', '?', '#']).unwrap_or(text.len()))
}

fn parse_tcp(scheme: Scheme, rest: &str) -> Result<Target, Error> {
    let (name, default_port) = if scheme == Scheme::Wss { ("wss", 443) } else { ("ws", 80) };
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(syntax(format!("the address must begin with {name}://")));
    };
    let (authority, path) = split_authority(rest);
    if authority.contains('\\') {
        return Err(Error::new(Code::UrlHost, "the host of the address has a backslash"));
    }
    let (user_info, host_port) = match authority.rsplit_once('@') {
        Some((user_info, host_port)) => (Some(user_info), host_port),
        None => (None, authority),
    };
    let credentials = user_info.map(parse_credentials).transpose()?.flatten();
    if let Some((user, _)) = &credentials {
        check_basic(user)?;
    }
    let (host, port) = split_port(host_port)?;
    let port = match port.map(parse_port).transpose() {
        Ok(port) => port.flatten().unwrap_or(default_port),
        Err(_) if path.contains('@') => return Err(Error::new(Code::UrlPort, SLASH_IN_PASSWORD)),
        Err(error) => return Err(error),
    };
    let host = parse_host(host)?;
    let in_header = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    Ok(Target {
        scheme,
        request_target: request_target(path)?,
        credentials,
        socket: None,
        display: format!("{name}://{in_header}:{port}"),
        host_header: if port == default_port { in_header } else { format!("{in_header}:{port}") },
        host,
        port,
    })
}

fn parse_credentials(user_info: &str) -> Result<Option<Credentials>, Error> {
    let bad = |text: &str| Err(Error::new(Code::UrlCredentials, text));
    if user_info.is_empty() {
        return Ok(None);
    }
    if user_info.contains('@') {
        return bad("user or password in the address has an @, which is written %40");
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let (user, password) = (percent_decode(user), percent_decode(password));
    if user.iter().chain(&password).any(u8::is_ascii_control) {
        return bad("user or password in the address has a control character");
    }
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    Ok(Some((user, password)))
}

/// RFC 7617 2: the first colon ends the user.
fn check_basic(user: &[u8]) -> Result<(), Error> {
    if user.contains(&b':') {
        let text = "the user in the address has a colon, which Basic authorization cannot carry";
        return Err(Error::new(Code::UrlCredentials, text));
    }
    Ok(())
}

/// Host and port; brackets stay.
fn split_port(text: &str) -> Result<(&str, Option<&str>), Error> {
    let bad = |text: &str| Err(Error::new(Code::UrlHost, text));
    let end = match (text.starts_with('['), text.find(']')) {
        (true, None) => return bad("the IPv6 address has no closing bracket"),
        (true, Some(bracket)) => bracket + 1,
        (false, _) if text.matches(':').nth(1).is_some() => {
            return bad("the host of the address has several colons (an IPv6 address stands in brackets: [::1])");
        }
        (false, _) => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    if host.is_empty() || host == "[]" {
        return bad("the address names no host");
    }
    match port.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if port.is_empty() => Ok((host, None)),
        None => bad("the IPv6 address is followed by something other than a port"),
    }
}

/// `None` for `host:`, which RFC 3986 3.2.3 takes for no port at all.
fn parse_port(text: &str) -> Result<Option<u16>, Error> {
    let bad = |what: &str| Err(Error::new(Code::UrlPort, format!("the port {} is {what}", quoted(text.as_bytes()))));
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return bad("not a number");
    }
    match text.trim_start_matches('0') {
        "" => bad("not from 1 to 65535"),
        digits => digits.parse().map(Some).or_else(|_| bad("not from 1 to 65535")),
    }
}

/// What the `url` crate lets through that no name can be: RFC 3986 3.2.2 (`reg-name`) and RFC 1035 2.3.4.
fn check_name(name: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    if !name.bytes().all(is_allowed) {
        return Err("is not a host name");
    }
    match name.strip_suffix('.').unwrap_or(name).split('.').map(str::len).find(|len| !(1..=MAX_LABEL).contains(len)) {
        None => Ok(()),
        Some(0) => Err("has two dots in a row, or one in front"),
        Some(_) => Err("has more than 63 bytes between two dots"),
    }
}

/// The host in its canonical form, without brackets.
fn parse_host(text: &str) -> Result<String, Error> {
    let bad = |what: &str| Err(Error::new(Code::UrlHost, format!("the host {} {what}", quoted(text.as_bytes()))));
    if text.starts_with('[') && text.contains('%') {
        return bad("has a zone, which is not supported");
    }
    match url::Host::parse(text) {
        Ok(url::Host::Ipv4(address)) => Ok(address.to_string()),
        Ok(url::Host::Ipv6(address)) => Ok(address.to_string()),
        Ok(url::Host::Domain(name)) if name.trim_end_matches('.').is_empty() => bad("is not a host name"),
        Ok(url::Host::Domain(name)) if name.trim_end_matches('.').len() > MAX_HOST => {
            bad(&format!("is longer than {MAX_HOST} bytes"))
        }
        Ok(url::Host::Domain(name)) => match check_name(&name) {
            Ok(()) => Ok(name),
            Err(what) => bad(what),
        },
        Err(url::ParseError::InvalidIpv4Address) => bad("is not an IPv4 address"),
        Err(url::ParseError::InvalidIpv6Address) => bad("is not an IPv6 address"),
        Err(url::ParseError::IdnaError) => bad("is not a host name"),
        Err(cause) => bad(&format!("is not usable: {cause}")),
    }
}

/// What the request line says: percent-encoded, dot segments resolved, never empty.
fn request_target(path: &str) -> Result<String, Error> {
    if path.split('?').next().is_some_and(|path| path.contains('\\')) {
        return Err(syntax("the path of the address has a backslash (written %5C)"));
    }
    let url = url::Url::parse(&format!("ws://localhost{path}"))
        .map_err(|cause| syntax(format!("the path of the address cannot be read: {cause}")))?;
    Ok(url[url::Position::BeforePath..].to_owned())
}

/// `/path/of/socket:/request/target`, perhaps behind `//`.
fn parse_unix(rest: &str) -> Result<Target, Error> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            return Err(Error::new(
                Code::UrlHost,
                "a ws+unix address names a path and no host: ws+unix:/path/of/socket",
            ));
        }
        None => rest,
    };
    // As in other clients that know such addresses, the first colon ends the socket's path.
    let (socket, target) = path.split_once(':').unwrap_or((path, ""));
    if !socket.starts_with('/') || socket.len() == 1 {
        return Err(syntax("the socket of a ws+unix address is an absolute path: ws+unix:/path/of/socket"));
    }
    if socket.contains('?') {
        return Err(syntax(
            "the path of the socket has a ? (written %3F; a query stands behind a colon: /path:/?query)",
        ));
    }
    if !(target.is_empty() || target.starts_with(['/', '?'])) {
        return Err(syntax("what follows the socket's colon must begin with / (a colon in its path is written %3A)"));
    }
    let bytes = percent_decode(socket);
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(syntax("the path of the socket has a control character"));
    }
    Ok(Target {
        scheme: Scheme::Unix,
        host: "localhost".to_owned(),
        port: 0,
        host_header: "localhost".to_owned(),
        request_target: request_target(target)?,
        credentials: None,
        socket: Some(PathBuf::from(OsString::from_vec(bytes))),
        display: format!("ws+unix:{socket}"),
    })
}

/// A `%` without two digits behind it stands for itself, as everywhere on the web.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let Some((&first, rest)) = bytes.split_first() {
        let value = match rest {
            [high, low, ..] if first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        decoded.push(value.map_or(first, |(high, low)| high << 4 | low));
        bytes = if value.is_some() { &rest[2..] } else { rest };
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests;
