//! The table of addresses of `dialer.md` 2 and 5.

use super::*;

fn good(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn bad(url: &str) -> (Code, String) {
    match Target::parse(url) {
        Err(error) => (error.code(), error.to_string()),
        Ok(target) => panic!("{url} was taken for {target:?}"),
    }
}

// RFC 6455 rule 4.1-host
// RFC 6455 rule 4.1-resource
#[test]
fn tcp_addresses() {
    let table = [
        // address, host, port, Host, request target, display
        ("ws://a", "a", 80, "a", "/", "ws://a:80"),
        ("ws://a/", "a", 80, "a", "/", "ws://a:80"),
        ("wss://a", "a", 443, "a", "/", "wss://a:443"),
        ("WSS://EXAMPLE.com:443/X", "example.com", 443, "example.com", "/X", "wss://example.com:443"),
        ("ws://a:443", "a", 443, "a:443", "/", "ws://a:443"),
        ("wss://a:80", "a", 80, "a:80", "/", "wss://a:80"),
        ("ws://a:", "a", 80, "a", "/", "ws://a:80"),
        ("ws://a:0080/", "a", 80, "a", "/", "ws://a:80"),
        ("ws://a:65535", "a", 65535, "a:65535", "/", "ws://a:65535"),
        ("ws://a?", "a", 80, "a", "/?", "ws://a:80"),
        ("ws://a?x=1&y", "a", 80, "a", "/?x=1&y", "ws://a:80"),
        ("ws://a/b/c?d=/e?f:g@h", "a", 80, "a", "/b/c?d=/e?f:g@h", "ws://a:80"),
        ("ws://a//b:8/@c", "a", 80, "a", "//b:8/@c", "ws://a:80"),
        ("ws://a/%2f%23%zz?%00%26=\\", "a", 80, "a", "/%2f%23%zz?%00%26=\\", "ws://a:80"),
        ("ws://a/b/../\u{fc}?\u{fc}=\"", "a", 80, "a", "/%C3%BC?%C3%BC=%22", "ws://a:80"),
        ("ws://[::1]", "::1", 80, "[::1]", "/", "ws://[::1]:80"),
        ("ws://[2001:DB8:0::1]:9", "2001:db8::1", 9, "[2001:db8::1]:9", "/", "ws://[2001:db8::1]:9"),
        ("ws://127.1:9", "127.0.0.1", 9, "127.0.0.1:9", "/", "ws://127.0.0.1:9"),
        ("ws://B\u{fc}cher.example", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/", ""),
        ("ws://ex%41mple.com.", "example.com.", 80, "example.com.", "/", "ws://example.com.:80"),
        ("ws://a_b-.c", "a_b-.c", 80, "a_b-.c", "/", "ws://a_b-.c:80"),
    ];
    for (url, host, port, host_header, request_target, display) in table {
        let target = good(url);
        assert_eq!(
            (target.host.as_str(), target.port, target.host_header.as_str()),
            (host, port, host_header),
            "{url}"
        );
        assert_eq!(target.request_target, request_target, "{url}");
        assert!(display.is_empty() || target.display == display, "{url}: {}", target.display);
        assert_eq!(target.scheme, if display.starts_with("wss") { Scheme::Wss } else { Scheme::Ws }, "{url}");
        assert_eq!((target.credentials, target.socket), (None, None), "{url}");
    }
}

#[test]
fn unix_addresses() {
    let table = [
        ("ws+unix:/run/a.sock", "/run/a.sock", "/", "ws+unix:/run/a.sock"),
        ("ws+unix:///run/a.sock", "/run/a.sock", "/", "ws+unix:/run/a.sock"),
        ("WS+UNIX:/run/a.sock:/b/c?d=e:f", "/run/a.sock", "/b/c?d=e:f", "ws+unix:/run/a.sock"),
        ("ws+unix:///run/a.sock:/b", "/run/a.sock", "/b", "ws+unix:/run/a.sock"),
        ("ws+unix:/run/a.sock:", "/run/a.sock", "/", "ws+unix:/run/a.sock"),
        ("ws+unix:/run/a.sock:?x", "/run/a.sock", "/?x", "ws+unix:/run/a.sock"),
        ("ws+unix:/a%20b%3Ac%3f:/x%20y", "/a b:c?", "/x%20y", "ws+unix:/a%20b%3Ac%3f"),
        ("ws+unix:/a@b/100%:/", "/a@b/100%", "/", "ws+unix:/a@b/100%"),
    ];
    for (url, socket, request_target, display) in table {
        let target = good(url);
        assert_eq!(target.socket, Some(PathBuf::from(socket)), "{url}");
        assert_eq!((target.request_target.as_str(), target.display.as_str()), (request_target, display), "{url}");
        assert_eq!((target.scheme, target.host.as_str(), target.port), (Scheme::Unix, "localhost", 0), "{url}");
        assert_eq!((target.host_header.as_str(), target.credentials), ("localhost", None), "{url}");
    }
    let bytes = good("ws+unix:/%ff").socket.unwrap();
    assert_eq!(std::os::unix::ffi::OsStrExt::as_bytes(bytes.as_os_str()), b"/\xff");
}

#[test]
fn credentials() {
    let pair = |user: &[u8], password: &[u8]| Some((user.to_vec(), password.to_vec()));
    let table = [
        ("ws://u:p@a", pair(b"u", b"p")),
        ("ws://u@a", pair(b"u", b"")),
        ("ws://:p@a", pair(b"", b"p")),
        ("ws://@a", None),
        ("ws://:@a", None),
        ("ws://u:p:q@a", pair(b"u", b"p:q")),
        ("ws://%75%40:%ff%2@a", pair(b"u@", b"\xff%2")),
        ("ws://\u{fc}:%%%41@a", pair(b"\xc3\xbc", b"%%A")),
    ];
    for (url, credentials) in table {
        let target = good(url);
        assert_eq!((target.credentials, target.display.as_str()), (credentials, "ws://a:80"), "{url}");
    }
}

const NO_SCHEME: &str = "the address has no scheme, it begins with ws://, wss:// or ws+unix:";
const COLONS: &str = "the host of the address has several colons (an IPv6 address stands in brackets: [::1])";
const FRAGMENT: &str = "the address has a fragment (a # in a path is written %23)";
const CONTROL: &str = "user or password in the address has a control character";
const ABSOLUTE: &str = "the socket of a ws+unix address is an absolute path: ws+unix:/path/of/socket";

// RFC 6455 rule 4.1-no-fragment
// RFC 6455 rule 4.1-uri
#[test]
fn bad_addresses() {
    let table = [
        ("", Code::UrlSyntax, "the address is empty"),
        ("ws://a/b\nc", Code::UrlSyntax, "the address has a line feed at byte 8"),
        ("ws://a\r", Code::UrlSyntax, "the address has a carriage return at byte 6"),
        ("\tws://a", Code::UrlSyntax, "the address has a tab at byte 0"),
        ("ws://a/\0", Code::UrlSyntax, "the address has a NUL at byte 7"),
        ("ws://a/b c", Code::UrlSyntax, "the address has a space at byte 8 (written %20)"),
        (" ws://a", Code::UrlSyntax, "the address has a space at byte 0 (written %20)"),
        ("ws://a/\u{7f}", Code::UrlSyntax, "the address has the control character U+007F at byte 7"),
        ("ws:a", Code::UrlSyntax, "the address must begin with ws://"),
        ("wss:/a", Code::UrlSyntax, "the address must begin with wss://"),
        ("ws://a/b\\c", Code::UrlSyntax, "the path of the address has a backslash (written %5C)"),
        ("example.com/x", Code::UrlScheme, NO_SCHEME),
        ("//a", Code::UrlScheme, NO_SCHEME),
        ("://a", Code::UrlScheme, NO_SCHEME),
        ("1s://a", Code::UrlScheme, NO_SCHEME),
        ("w\u{fc}s://a", Code::UrlScheme, NO_SCHEME),
        ("ftp://a", Code::UrlScheme, "the scheme \"ftp\" is not ws, wss or ws+unix"),
        ("a:80", Code::UrlScheme, "\"a\" is not ws, wss or ws+unix (is it a host? then write ws:// in front of it)"),
        ("http://u:p@a:8/x", Code::UrlScheme, "the scheme \"http\" is not dialed, did you mean \"ws://a:8\"?"),
        ("HTTPS://a", Code::UrlScheme, "the scheme \"https\" is not dialed, did you mean \"wss://a\"?"),
        ("ws://", Code::UrlHost, "the address names no host"),
        ("ws:///a", Code::UrlHost, "the address names no host"),
        ("ws://?a", Code::UrlHost, "the address names no host"),
        ("ws://:80", Code::UrlHost, "the address names no host"),
        ("ws://u@/", Code::UrlHost, "the address names no host"),
        ("ws://[]", Code::UrlHost, "the address names no host"),
        ("ws://.", Code::UrlHost, "the host \".\" is not a host name"),
        ("ws://a..b", Code::UrlHost, "the host \"a..b\" has two dots in a row, or one in front"),
        ("ws://a..", Code::UrlHost, "the host \"a..\" has two dots in a row, or one in front"),
        ("ws://.a", Code::UrlHost, "the host \".a\" has two dots in a row, or one in front"),
        ("ws://a\"b", Code::UrlHost, "the host \"a\\\"b\" is not a host name"),
        ("ws://{a}", Code::UrlHost, "the host \"{a}\" is not a host name"),
        ("ws://a\\@b", Code::UrlHost, "the host of the address has a backslash"),
        ("ws://::1", Code::UrlHost, COLONS),
        ("ws://fe80::1/", Code::UrlHost, COLONS),
        ("ws://[::1", Code::UrlHost, "the IPv6 address has no closing bracket"),
        ("ws://[::1]x", Code::UrlHost, "the IPv6 address is followed by something other than a port"),
        ("ws://[::g]", Code::UrlHost, "the host \"[::g]\" is not an IPv6 address"),
        ("ws://[fe80::1%25eth0]", Code::UrlHost, "the host \"[fe80::1%25eth0]\" has a zone, which is not supported"),
        ("ws://1.2.3.256", Code::UrlHost, "the host \"1.2.3.256\" is not an IPv4 address"),
        ("ws://a<b", Code::UrlHost, "the host \"a<b\" is not a host name"),
        ("ws://xn--0", Code::UrlHost, "the host \"xn--0\" is not a host name"),
        ("ws://a%00b", Code::UrlHost, "the host \"a%00b\" is not a host name"),
        ("ws://a:b", Code::UrlPort, "the port \"b\" is not a number"),
        ("ws://a:-1", Code::UrlPort, "the port \"-1\" is not a number"),
        ("ws://a:+1", Code::UrlPort, "the port \"+1\" is not a number"),
        ("ws://a:8\u{fc}", Code::UrlPort, "the port \"8\\xc3\\xbc\" is not a number"),
        ("ws://a:0", Code::UrlPort, "the port \"0\" is not from 1 to 65535"),
        ("ws://[::1]:65536", Code::UrlPort, "the port \"65536\" is not from 1 to 65535"),
        ("ws://a:99999999999999999999", Code::UrlPort, "the port \"99999999999999999999\" is not from 1 to 65535"),
        ("ws://u:123456/p@a", Code::UrlPort, SLASH_IN_PASSWORD),
        ("wss://u:p?p@a", Code::UrlPort, SLASH_IN_PASSWORD),
        ("http://u:p/p@a", Code::UrlScheme, "the scheme \"http\" is not dialed, did you mean \"ws://...\"?"),
        ("ws://a/#b", Code::UrlFragment, FRAGMENT),
        ("ws://a#", Code::UrlFragment, FRAGMENT),
        ("ws+unix:/a:/b#", Code::UrlFragment, FRAGMENT),
        ("ws://u%0d%0a:p@a", Code::UrlCredentials, CONTROL),
        ("ws://u:p%00@a", Code::UrlCredentials, CONTROL),
        ("ws://u:p%7f@a", Code::UrlCredentials, CONTROL),
        ("ws://u@v@a", Code::UrlCredentials, "user or password in the address has an @, which is written %40"),
        (
            "ws://u%3a:p@a",
            Code::UrlCredentials,
            "the user in the address has a colon, which Basic authorization cannot carry",
        ),
        ("ws+unix:", Code::UrlSyntax, ABSOLUTE),
        ("ws+unix:a.sock", Code::UrlSyntax, ABSOLUTE),
        ("ws+unix:/", Code::UrlSyntax, ABSOLUTE),
        ("ws+unix:/:/a", Code::UrlSyntax, ABSOLUTE),
        ("ws+unix://a/b", Code::UrlHost, "a ws+unix address names a path and no host: ws+unix:/path/of/socket"),
        (
            "ws+unix:/a?b",
            Code::UrlSyntax,
            "the path of the socket has a ? (written %3F; a query stands behind a colon: /path:/?query)",
        ),
        (
            "ws+unix:/a:b",
            Code::UrlSyntax,
            "what follows the socket's colon must begin with / (a colon in its path is written %3A)",
        ),
        ("ws+unix:/a%00", Code::UrlSyntax, "the path of the socket has a control character"),
    ];
    for (url, code, text) in table {
        assert_eq!(bad(url), (code, text.to_owned()), "{url}");
    }
}

#[test]
fn long_addresses_are_fine_and_long_hosts_are_none() {
    let path = format!("/{}?{}", "p".repeat(1 << 20), "q".repeat(1 << 20));
    assert_eq!(good(&format!("ws://a{path}")).request_target, path);
    let host = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(good(&format!("ws://{host}.")).host.len(), 254);
    assert_eq!(bad(&format!("ws://{host}e")).0, Code::UrlHost);
    let (code, text) = bad(&format!("ws://{}.b", "a".repeat(64)));
    assert!(code == Code::UrlHost && text.ends_with("has more than 63 bytes between two dots"), "{text}");
    assert_eq!(bad(&format!("ws://{}", "\u{fc}.".repeat(1 << 18))).0, Code::UrlHost);
    assert_eq!(bad(&format!("ws://{}", "a\u{fc}".repeat(1 << 18))).0, Code::UrlHost);
    assert_eq!(bad(&format!("ws://{}", "%41".repeat(1 << 18))).0, Code::UrlHost);
    assert_eq!(bad(&format!("ws://[{}]", ":".repeat(1 << 18))).0, Code::UrlHost);
}

#[test]
fn no_sentence_tells_a_password() {
    let tails = ["a:0", "", "a/ b", "a#", "[::1", "a\\", "a:b", "1.2.3.256", "[::1%25a]", "a/b\\c"];
    for scheme in ["ws", "wss", "http", "https", "ftp", "ws+unix"] {
        for tail in tails {
            for secret in ["sesame", "sesame%00", "sesame@", "%3asesame", "sesame\n"] {
                for url in [format!("{scheme}://sesame:{secret}@{tail}"), format!("{scheme}:sesame:{secret}@{tail}")] {
                    let error = Target::parse(&url).err().map(|error| error.to_string()).unwrap_or_default();
                    assert!(!error.contains("sesame"), "{url}: {error}");
                }
            }
        }
    }
}

#[test]
fn random_addresses_never_panic_and_never_inject() {
    const PIECES: &[&str] = &[
        "ws",
        "wss",
        "ws+unix",
        "http",
        ":",
        "//",
        "/",
        "\\",
        "@",
        "#",
        "?",
        "[",
        "]",
        "[::1]",
        "%",
        "%0d%0a",
        "%00",
        "a",
        ".",
        "..",
        "\u{fc}",
        "\u{200d}",
        "xn--",
        "1.2.3.4",
        ":80",
        ":0",
        "\r\n",
        "\t",
        " ",
        "\"",
        "\u{10ffff}",
        "&",
        "=",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut taken = 0;
    for _ in 0..30_000 {
        let mut url = ["", "ws://", "wss://a", "ws+unix:/a"][random(4)].to_owned();
        for _ in 0..random(10) {
            url.push_str(PIECES[random(PIECES.len())]);
        }
        let Ok(target) = Target::parse(&url) else { continue };
        taken += 1;
        assert!(target.request_target.starts_with('/'), "{url}");
        for text in [&target.request_target, &target.host_header, &target.display] {
            assert!(!text.contains(|c: char| c.is_control() || c == ' '), "{url}: {text:?}");
        }
        assert!(target.request_target.is_ascii() && target.host_header.is_ascii() && !target.host.is_empty(), "{url}");
        assert_eq!(target.port == 0, target.socket.is_some(), "{url}");
    }
    assert!(taken > 1000, "{taken} addresses were usable");
}
