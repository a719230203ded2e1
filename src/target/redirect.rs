//! Where a redirect leads: a `Location` (RFC 9110 10.2.2) resolved against the address that answered with it (RFC 3986 5).
//!
//! `http` and `https` stand for `ws` and `wss`. As with addresses, what the `url` crate would mend is refused: a host that
//! hides behind a backslash or a third slash is nobody's intention but an attacker's.

use url::Url;

use super::{Scheme, Target};
use crate::error::{Code, Error, quoted_address};

/// The target that `location` names, seen from `base`.
pub(super) fn resolve(base: &Target, location: &[u8]) -> Result<Target, Error> {
    let text = std::str::from_utf8(location).map_err(|_| bad(location, "is not UTF-8"))?.trim_matches([' ', '\t']);
    check(text).map_err(|what| bad(location, what))?;
    // An address of ws cannot be a base of http and the other way round: the words are changed on both sides.
    let text = match split_scheme(text) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http:{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https:{rest}"),
        _ => text.to_owned(),
    };
    let unreadable = |cause: url::ParseError| bad(location, &format!("cannot be read: {cause}"));
    let mut url = Url::parse(&base.http_url()).and_then(|base| base.join(&text)).map_err(unreadable)?;
    // RFC 6455 3: an address of ws has no fragment, and nobody here could use it.
    url.set_fragment(None);
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    if base.scheme == Scheme::Unix && url.host_str() == Some("localhost") && url.port().is_none() && scheme == "ws" {
        // The server behind a unix socket names itself as it was named: it is the same one.
        return Ok(Target { request_target: url[url::Position::BeforePath..].to_owned(), ..base.clone() });
    }
    let address = format!("{scheme}{}", &url[url::Position::AfterScheme..]);
    let target = Target::parse(&address).map_err(|cause| bad(location, &format!("cannot be dialed: {cause}")))?;
    if base.scheme == Scheme::Wss && target.scheme == Scheme::Ws {
        let text = format!("the server redirects from wss to {}, which is never followed", target.display);
        return Err(Error::new(Code::RedirectDowngrade, text));
    }
    Ok(target)
}

/// What makes a `Location` unusable before it is resolved.
fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character");
    }
    let rest = match split_scheme(text) {
        None => text,
        Some((scheme, rest)) if ["http", "https", "ws", "wss"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => {
            if !rest.starts_with("//") {
                return Err("has a scheme and no host");
            }
            rest
        }
        Some(_) => return Err("is not of http, https, ws or wss"),
    };
    if rest.split(['?', '#']).next().is_some_and(|path| path.contains('\\')) {
        return Err("has a backslash");
    }
    let Some(authority) = rest.strip_prefix("//") else { return Ok(()) };
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err("names no host");
    }
    // RFC 9110 4.2.4: user information from an untrusted source is an error, "it is likely being used to obscure the
    // authority".
    if authority.contains('@') {
        return Err("has a user or password, which are nobody's to give away");
    }
    Ok(())
}

/// The scheme of an absolute reference (RFC 3986 3.1), and what follows its colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let known = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    known.then_some((scheme, rest))
}

fn bad(location: &[u8], what: &str) -> Error {
    Error::new(Code::RedirectLocation, format!("the server redirects to {}, which {what}", quoted_address(location)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(base: &str, location: &str) -> Result<String, (Code, String)> {
        let target = Target::parse(base).unwrap().redirect(location.as_bytes());
        target.map(|target| target.url()).map_err(|error| (error.code(), error.to_string()))
    }

    #[test]
    fn locations_are_resolved_as_rfc_3986_says() {
        let table = [
            // base, Location, address
            ("ws://a/b/c?d", "e", "ws://a/b/e"),
            ("ws://a/b/c?d", "./e/../f", "ws://a/b/f"),
            ("ws://a/b/c?d", "../../../e", "ws://a/e"),
            ("ws://a/b/c?d", "/e?f", "ws://a/e?f"),
            ("ws://a/b/c?d", "?e", "ws://a/b/c?e"),
            ("ws://a:8080/b", "/c", "ws://a:8080/c"),
            ("ws://a/b", "//c:81/d", "ws://c:81/d"),
            ("wss://a/b", "//c/d", "wss://c/d"),
            ("ws://a/b", "http://c/d", "ws://c/d"),
            ("ws://a/b", "https://c/d", "wss://c/d"),
            ("ws://a/b", "HTTPS://C:443/d", "wss://c/d"),
            ("wss://a/b", "wss://a:8443", "wss://a:8443/"),
            ("ws://a/b", "ws://c", "ws://c/"),
            ("ws://a/b", " /c ", "ws://a/c"),
            ("ws://a/b", "/c d\u{fc}", "ws://a/c%20d%C3%BC"),
            ("ws://a/b", "/c#there", "ws://a/c"),
            ("ws://a/b", "#there", "ws://a/b"),
            ("ws://a/b?c", "/d?e=http://f@g\\", "ws://a/d?e=http://f@g\\"),
            ("ws://[::1]:9/b", "/c", "ws://[::1]:9/c"),
            ("ws://a/b", "http://[2001:DB8::1]/c", "ws://[2001:db8::1]/c"),
            ("ws://me:secret@a/b", "/c", "ws://a/c"),
            ("ws+unix:/run/x:/b/c", "d?e", "ws+unix:/run/x:/b/d?e"),
            ("ws+unix:/run/x:/b/c", "http://localhost/d", "ws+unix:/run/x:/d"),
            ("ws+unix:/run/x:/b/c", "http://localhost:81/d", "ws://localhost:81/d"),
            ("ws+unix:/run/x:/b/c", "https://localhost/d", "wss://localhost/d"),
        ];
        for (base, location, address) in table {
            assert_eq!(from(base, location), Ok(address.to_owned()), "{location} from {base}");
        }
    }

    #[test]
    fn what_cannot_be_dialed_is_refused_with_a_reason_and_no_secret() {
        let table = [
            ("", "is empty"),
            ("ftp://c/d", "is not of http, https, ws or wss"),
            ("ws+unix:/run/x", "is not of http, https, ws or wss"),
            ("file:///etc/passwd", "is not of http, https, ws or wss"),
            ("http:/c", "has a scheme and no host"),
            ("http:c", "has a scheme and no host"),
            ("https:///c", "names no host"),
            ("///c", "names no host"),
            ("/\\c", "has a backslash"),
            ("http://c\\d/e", "has a backslash"),
            ("http://me:secret@c/", "has a user or password"),
            ("//me@c/", "has a user or password"),
            ("/c\td", "has a control character"),
            ("http://c:0/", "cannot be dialed"),
            ("http://c:99999/", "cannot be read"),
            ("http://[c]/?token=secret", "cannot be read"),
            ("http://a b/", "cannot be read"),
        ];
        for (location, what) in table {
            let (code, text) = from("ws://a/b", location).unwrap_err();
            assert_eq!(code, Code::RedirectLocation, "{location}");
            assert!(text.contains(what) && !text.contains("secret"), "{location}: {text}");
        }
        let target = Target::parse("ws://a").unwrap();
        assert_eq!(target.redirect(b"/\xff").unwrap_err().code(), Code::RedirectLocation);
    }

    #[test]
    fn never_from_wss_to_ws() {
        for location in ["http://a/b?token=secret", "ws://a/b", "http://a:443/b"] {
            let (code, text) = from("wss://a/b", location).unwrap_err();
            assert_eq!(code, Code::RedirectDowngrade);
            assert!(text.starts_with("the server redirects from wss to ws://a:") && !text.contains("secret"), "{text}");
        }
        assert_eq!(from("ws://a", "https://a").as_deref(), Ok("wss://a/"));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| Target::parse(a).unwrap().is_same_origin(&Target::parse(b).unwrap());
        assert!(same("ws://a/b", "ws://A:80/c?d"));
        assert!(!same("ws://a", "wss://a") && !same("ws://a", "ws://a:81") && !same("ws://a", "ws://b.a"));
        assert!(same("ws+unix:/x:/a", "ws+unix:/x:/b") && !same("ws+unix:/x:/a", "ws+unix:/y:/a"));
        assert!(!same("ws+unix:/x", "ws://localhost"));
    }

    #[test]
    fn cookies_are_asked_for_in_http() {
        for (url, http) in [
            ("ws://me:pass@A/b?c", "http://a/b?c"),
            ("wss://a:443", "https://a/"),
            ("wss://[::1]:9/x", "https://[::1]:9/x"),
            ("ws+unix:/run/x:/b", "http://localhost/b"),
        ] {
            assert_eq!(Target::parse(url).unwrap().http_url(), http);
        }
    }
}
