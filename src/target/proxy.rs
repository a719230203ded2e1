//! The address of a proxy: `http://user:password@host:port`, `https://…`, `socks5://…`, `socks5h://…`, or `host:port`.

use std::fmt;

use super::{
    Credentials, Endpoint, SLASH_IN_PASSWORD, check_basic, check_characters, parse_credentials, parse_host, parse_port,
    split_authority, split_port, syntax,
};
use crate::error::{Code, Error, quoted};

/// RFC 1929 2: user and password have a length of one byte each.
const MAX_SOCKS_CREDENTIAL: usize = 255;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// CONNECT over TCP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

/// A proxy's address, taken apart and checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    /// To resolve and to name in TLS, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Option<Credentials>,
    /// For error messages: `http://host:port`; never credentials.
    pub(crate) display: String,
}

impl Proxy {
    /// Reads the address of a proxy. One without a scheme is an http one.
    pub(crate) fn parse(text: &str) -> Result<Proxy, Error> {
        parse(text).map_err(|error| error.about("proxy"))
    }

    /// What to connect to.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(self.host.clone(), self.port)
    }
}

impl fmt::Debug for Proxy {
    /// The password stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.display)
    }
}

fn parse(text: &str) -> Result<Proxy, Error> {
    check_characters(text)?;
    let (kind, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (kind(scheme)?, rest),
        None => (ProxyKind::Http, text),
    };
    let (name, default_port) = match kind {
        ProxyKind::Http => ("http", 80),
        ProxyKind::Https => ("https", 443),
        ProxyKind::Socks5 => ("socks5", 1080),
        ProxyKind::Socks5h => ("socks5h", 1080),
    };
    let (authority, path) = split_authority(rest);
    check_path(path)?;
    if authority.contains('\\') {
        return Err(Error::new(Code::UrlHost, "the host of the address has a backslash"));
    }
    let (user_info, host_port) = match authority.rsplit_once('@') {
        Some((user_info, host_port)) => (Some(user_info), host_port),
        None => (None, authority),
    };
    let credentials = user_info.map(parse_credentials).transpose()?.flatten();
    if let Some(credentials) = &credentials {
        check_credentials(kind, credentials)?;
    }
    let (host, port) = split_port(host_port)?;
    let port = port.map(parse_port).transpose()?.flatten().unwrap_or(default_port);
    let host = parse_host(host)?;
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    Ok(Proxy { kind, credentials, display: format!("{name}://{shown}:{port}"), host, port })
}

fn kind(scheme: &str) -> Result<ProxyKind, Error> {
    let known = match scheme.to_ascii_lowercase().as_str() {
        "http" => ProxyKind::Http,
        "https" => ProxyKind::Https,
        "socks5" => ProxyKind::Socks5,
        "socks5h" => ProxyKind::Socks5h,
        other => {
            let hint = if other.starts_with("socks") { " (of SOCKS only version 5 is spoken)" } else { "" };
            // What is no scheme may be the beginning of a password.
            let is_scheme = other.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            let shown = if is_scheme { format!("the scheme {}", quoted(other.as_bytes())) } else { "it".to_owned() };
            let text = format!("{shown} is not http, https, socks5 or socks5h{hint}");
            return Err(Error::new(Code::UrlScheme, text));
        }
    };
    Ok(known)
}

/// A proxy is a host and a port; what could be meant by more of it is not known.
fn check_path(path: &str) -> Result<(), Error> {
    if path.contains('@') {
        return Err(Error::new(Code::UrlPort, SLASH_IN_PASSWORD));
    }
    if path.contains('#') {
        return Err(Error::new(Code::UrlFragment, "the address has a fragment, which a proxy has not"));
    }
    match path {
        "" | "/" => Ok(()),
        _ if path.contains('?') => Err(syntax("the address has a query, which a proxy has not")),
        _ => Err(syntax("the address has a path, which a proxy has not")),
    }
}

fn check_credentials(kind: ProxyKind, (user, password): &Credentials) -> Result<(), Error> {
    if matches!(kind, ProxyKind::Http | ProxyKind::Https) {
        return check_basic(user);
    }
    for (what, value) in [("user", user), ("password", password)] {
        if value.len() > MAX_SOCKS_CREDENTIAL {
            let text = format!(
                "the {what} has {} bytes, SOCKS5 carries at most {MAX_SOCKS_CREDENTIAL} (RFC 1929)",
                value.len()
            );
            return Err(Error::new(Code::UrlCredentials, text));
        }
    }
    if user.is_empty() {
        return Err(Error::new(
            Code::UrlCredentials,
            "a password without a user, which SOCKS5 cannot carry (RFC 1929)",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read() {
        for (text, kind, host, port, display) in [
            ("http://proxy.example:3128", ProxyKind::Http, "proxy.example", 3128, "http://proxy.example:3128"),
            ("HTTP://Proxy.Example/", ProxyKind::Http, "proxy.example", 80, "http://proxy.example:80"),
            ("https://proxy", ProxyKind::Https, "proxy", 443, "https://proxy:443"),
            ("socks5://[::1]", ProxyKind::Socks5, "::1", 1080, "socks5://[::1]:1080"),
            ("socks5h://127.0.0.1:9050", ProxyKind::Socks5h, "127.0.0.1", 9050, "socks5h://127.0.0.1:9050"),
            ("proxy:8080", ProxyKind::Http, "proxy", 8080, "http://proxy:8080"),
            ("proxy", ProxyKind::Http, "proxy", 80, "http://proxy:80"),
            ("[::1]:8080", ProxyKind::Http, "::1", 8080, "http://[::1]:8080"),
            ("proxy:", ProxyKind::Http, "proxy", 80, "http://proxy:80"),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!((proxy.kind, &proxy.host[..], proxy.port), (kind, host, port), "{text}");
            assert_eq!(proxy.display, display);
            assert_eq!(proxy.credentials, None);
        }
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let proxy = Proxy::parse("http://us%20er:p%40ss@proxy:1").unwrap();
        assert_eq!(proxy.credentials, Some((b"us er".to_vec(), b"p@ss".to_vec())));
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy:1)");
        let proxy = Proxy::parse("user:@proxy").unwrap();
        assert_eq!(proxy.credentials, Some((b"user".to_vec(), Vec::new())));
        // A colon in the user is SOCKS's to carry, and not Basic's.
        assert!(Proxy::parse("socks5://a%3Ab:c@proxy").is_ok());
        assert_eq!(Proxy::parse("http://a%3Ab:c@proxy").unwrap_err().code(), Code::UrlCredentials);
    }

    #[test]
    fn bad_proxies_are_refused_with_what_is_wrong() {
        let long = "x".repeat(256);
        for (text, code, says) in [
            ("", Code::UrlSyntax, "proxy: the address is empty"),
            ("http://", Code::UrlHost, "names no host"),
            ("http://:3128", Code::UrlHost, "names no host"),
            ("ftp://proxy", Code::UrlScheme, "the scheme \"ftp\" is not http, https, socks5 or socks5h"),
            ("socks4://proxy", Code::UrlScheme, "only version 5"),
            ("socks://proxy", Code::UrlScheme, "only version 5"),
            ("://proxy", Code::UrlScheme, "is not http"),
            ("user:secret://x@proxy", Code::UrlScheme, "it is not http"),
            ("http://proxy:0", Code::UrlPort, "not from 1 to 65535"),
            ("http://proxy:65536", Code::UrlPort, "not from 1 to 65535"),
            ("http://proxy:x", Code::UrlPort, "not a number"),
            ("http://proxy/path", Code::UrlSyntax, "has a path"),
            ("http://proxy/?q", Code::UrlSyntax, "has a query"),
            ("http://proxy/#f", Code::UrlFragment, "has a fragment"),
            ("http://proxy#f", Code::UrlFragment, "has a fragment"),
            ("http://u:secret/word@proxy", Code::UrlPort, "is written %2F"),
            ("http://u:p%0a@proxy", Code::UrlCredentials, "has a control character"),
            ("http://pro xy", Code::UrlSyntax, "has a space"),
            ("http://proxy\n", Code::UrlSyntax, "has a line feed"),
            ("http://[::1", Code::UrlHost, "no closing bracket"),
            ("::1", Code::UrlHost, "stands in brackets"),
            ("socks5://:pw@proxy", Code::UrlCredentials, "without a user"),
            (&format!("socks5://{long}:p@proxy"), Code::UrlCredentials, "the user has 256 bytes"),
            (&format!("socks5h://u:{long}@proxy"), Code::UrlCredentials, "the password has 256 bytes"),
        ] {
            let error = Proxy::parse(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}: {error}");
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(Proxy::parse(&format!("http://{long}:p@proxy")).is_ok());
    }
}
