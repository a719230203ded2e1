//! Which proxy a dial goes through: none, the one that was named, or the environment's choice.
//!
//! The environment is read once, when it is asked for: a value, so that a later change of a variable by another thread
//! meets nobody who is reading it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::error::{Code, Error};
use crate::target::{self, Proxy, Scheme, Target};

/// The choice of a proxy.
#[derive(Clone, Debug, Default)]
pub(crate) enum ProxyChoice {
    /// No proxy.
    #[default]
    None,
    /// This one, for every address.
    Always(Arc<Proxy>),
    /// What the environment said.
    Environment(Arc<Environment>),
}

impl ProxyChoice {
    /// The proxy for `target`, if there is to be one. A unix socket is here already: it has none.
    pub(crate) fn of(&self, target: &Target) -> Result<Option<Arc<Proxy>>, Error> {
        match self {
            _ if target.scheme == Scheme::Unix => Ok(None),
            ProxyChoice::None => Ok(None),
            ProxyChoice::Always(proxy) => Ok(Some(Arc::clone(proxy))),
            ProxyChoice::Environment(environment) => environment.of(target),
        }
    }
}

/// What the environment says about proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// For `ws`, and for `wss`. A variable that holds no usable proxy is told to the dial that would use it, and no other.
    plain: Option<Result<Arc<Proxy>, Error>>,
    secure: Option<Result<Arc<Proxy>, Error>>,
    no_proxy: Vec<Rule>,
}

/// An element of `no_proxy`, and the port that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Address(IpAddr),
    /// An address and how many of its bits count.
    Network(IpAddr, u8),
    /// A name, and those below it.
    Domain(String),
    /// Those below a name only.
    Below(String),
}

impl Environment {
    /// Reads it: `get` gives a variable's value.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Environment {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty()).map(|value| (name.to_owned(), value));
        let first = |names: &[&str]| names.iter().find_map(|name| set(name));
        // A CGI program finds the header field `Proxy` of a request in HTTP_PROXY: that is the client's word.
        let http: &[&str] =
            if get("REQUEST_METHOD").is_some() { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] };
        let all = || first(&["all_proxy", "ALL_PROXY"]);
        let parse = |(name, value): (String, String)| {
            Proxy::parse(value.trim())
                .map(Arc::new)
                .map_err(|error| Error::new(error.code(), format!("the environment's {name} cannot be used: {error}")))
        };
        Environment {
            plain: first(http).or_else(all).map(parse),
            secure: first(&["https_proxy", "HTTPS_PROXY"]).or_else(all).map(parse),
            no_proxy: first(&["no_proxy", "NO_PROXY"]).map_or_else(Vec::new, |(_, value)| rules(&value)),
        }
    }

    fn of(&self, target: &Target) -> Result<Option<Arc<Proxy>>, Error> {
        let proxy = if target.scheme == Scheme::Wss { &self.secure } else { &self.plain };
        match proxy {
            Some(_) if self.is_left_out(target) => Ok(None),
            Some(proxy) => proxy.clone().map(Some),
            None => Ok(None),
        }
    }

    fn is_left_out(&self, target: &Target) -> bool {
        let name = target.host.strip_suffix('.').unwrap_or(&target.host);
        let address = target.host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        // Names under localhost are the loopback's (RFC 6761 6.3), where no proxy is.
        let is_local = name == "localhost" || name.ends_with(".localhost");
        if is_local || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.no_proxy
            .iter()
            .any(|rule| rule.port.is_none_or(|port| port == target.port) && rule.hosts.hold(name, address))
    }
}

impl Hosts {
    /// `name` is in lower case and without a dot at its end; `address` is the same, when it is one.
    fn hold(&self, name: &str, address: Option<IpAddr>) -> bool {
        match self {
            Hosts::All => true,
            Hosts::Address(ip) => address == Some(*ip),
            Hosts::Network(network, bits) => address.is_some_and(|ip| same_network(ip, *network, *bits)),
            Hosts::Domain(domain) => address.is_none() && (name == domain || is_below(name, domain)),
            Hosts::Below(domain) => address.is_none() && is_below(name, domain),
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn same_network(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (ip, network, width) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => (u128::from(ip.to_bits()), u128::from(network.to_bits()), 32),
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let ignored = width - u32::from(bits);
    ignored == width || ip >> ignored == network >> ignored
}

/// The elements of `no_proxy`, between commas or white space. What cannot be read holds no host.
fn rules(value: &str) -> Vec<Rule> {
    value.split(|c: char| c == ',' || c.is_whitespace()).filter_map(rule).collect()
}

fn rule(text: &str) -> Option<Rule> {
    let text = text.trim().to_ascii_lowercase();
    if let Some((network, bits)) = text.split_once('/') {
        let network: IpAddr = bare(network).parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        if bits > if network.is_ipv4() { 32 } else { 128 } {
            return None;
        }
        // An IPv4 network in IPv6's way of writing is the same network (RFC 4291 2.5.5.2), as addresses are.
        let (network, bits) = match network.to_canonical() {
            canonical if canonical.is_ipv4() && network.is_ipv6() && bits >= 96 => (canonical, bits - 96),
            _ => (network, bits),
        };
        return Some(Rule { hosts: Hosts::Network(network, bits), port: None });
    }
    // An IPv6 address has colons of its own: a port may only stand behind brackets.
    if let Ok(address) = bare(&text).parse::<IpAddr>() {
        return Some(Rule { hosts: Hosts::Address(address.to_canonical()), port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (&text[..], None),
    };
    let hosts = match host.strip_suffix('.').unwrap_or(host) {
        "" => return None,
        "*" => Hosts::All,
        host => match (bare(host).parse::<IpAddr>(), host.strip_prefix('*').unwrap_or(host).strip_prefix('.')) {
            (Ok(address), _) => Hosts::Address(address.to_canonical()),
            (_, Some("")) => return None,
            (_, Some(domain)) => Hosts::Below(ascii(domain)),
            (_, None) => Hosts::Domain(ascii(host)),
        },
    };
    Some(Rule { hosts, port })
}

/// Names of targets are in ASCII (IDNA).
fn ascii(name: &str) -> String {
    let canonical = if name.is_ascii() { None } else { target::canonical_name(name) };
    canonical.unwrap_or_else(|| name.to_owned())
}

fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// The variables as they are now. One that is not UTF-8 is no address.
pub(super) fn from_env() -> Environment {
    Environment::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

/// What the exchange with a proxy sets itself, or cannot carry.
pub(super) fn refuse_header(name: &str) -> Result<(), Error> {
    let why = match name.to_ascii_lowercase().as_str() {
        "host" => "it is made from the address that is dialed (RFC 9112 3.2.3)",
        "content-length" | "transfer-encoding" => "CONNECT has no body, the proxy would wait for one",
        _ => return Ok(()),
    };
    Err(Error::new(Code::OptionHeaderReserved, format!("the proxy header {name} is refused: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    /// The proxy that the environment chooses, as it is shown.
    fn chosen(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let choice = ProxyChoice::Environment(Arc::new(environment(variables)));
        choice.of(&Target::parse(url).unwrap()).unwrap().map(|proxy| proxy.display.clone())
    }

    fn is_proxied(no_proxy: &str, url: &str) -> bool {
        chosen(&[("all_proxy", "p"), ("no_proxy", no_proxy)], url).is_some()
    }

    #[test]
    fn each_scheme_has_its_variable_and_lower_case_comes_first() {
        let (ws, wss) = ("ws://a.example", "wss://a.example");
        let p = |n: u16| Some(format!("http://p{n}:80"));
        assert_eq!(chosen(&[], ws), None);
        assert_eq!(chosen(&[("http_proxy", "p1")], ws), p(1));
        assert_eq!(chosen(&[("http_proxy", "p1")], wss), None);
        assert_eq!(chosen(&[("https_proxy", "p1")], wss), p(1));
        assert_eq!(chosen(&[("https_proxy", "p1")], ws), None);
        assert_eq!(chosen(&[("HTTP_PROXY", "p1"), ("HTTPS_PROXY", "p2")], ws), p(1));
        assert_eq!(chosen(&[("HTTP_PROXY", "p1"), ("HTTPS_PROXY", "p2")], wss), p(2));
        assert_eq!(chosen(&[("HTTP_PROXY", "p1"), ("http_proxy", "p2")], ws), p(2));
        assert_eq!(chosen(&[("HTTPS_PROXY", "p1"), ("https_proxy", "p2")], wss), p(2));
        assert_eq!(chosen(&[("all_proxy", "p1"), ("ALL_PROXY", "p2")], ws), p(1));
        assert_eq!(chosen(&[("ALL_PROXY", "p2"), ("HTTP_PROXY", "p1")], ws), p(1));
        assert_eq!(chosen(&[("ALL_PROXY", "p2"), ("HTTP_PROXY", "p1")], wss), p(2));
        // An empty one is as good as none.
        assert_eq!(chosen(&[("http_proxy", ""), ("HTTP_PROXY", "p1")], ws), p(1));
        assert_eq!(chosen(&[("http_proxy", " "), ("all_proxy", "p3")], ws), p(3));
        assert_eq!(chosen(&[("http_proxy", " p1 ")], ws), p(1));
        assert_eq!(chosen(&[("http_proxy", "socks5h://p:9050")], ws), Some("socks5h://p:9050".into()));
        assert_eq!(chosen(&[("all_proxy", "p1")], "ws+unix:/run/socket"), None);
    }

    #[test]
    fn under_cgi_the_upper_case_one_is_the_clients_word() {
        let variables = [("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen(&variables, "ws://a.example"), None);
        let variables = [("HTTP_PROXY", "evil"), ("REQUEST_METHOD", ""), ("ALL_PROXY", "good")];
        assert_eq!(chosen(&variables, "ws://a.example"), Some("http://good:80".into()));
        let variables = [("http_proxy", "good"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen(&variables, "ws://a.example"), Some("http://good:80".into()));
    }

    #[test]
    fn loopback_is_never_proxied_by_the_environment() {
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(!is_proxied("", &format!("ws://{host}")), "{host}");
        }
        for host in ["notlocalhost", "localhost.example", "128.0.0.1", "[::2]"] {
            assert!(is_proxied("", &format!("ws://{host}")), "{host}");
        }
    }

    #[test]
    fn no_proxy_knows_hosts_domains_ports_networks_and_the_star() {
        for (no_proxy, url, proxied) in [
            ("*", "ws://a.example", false),
            ("::ffff:10.0.0.0/104", "ws://10.1.2.3", false),
            ("::ffff:10.0.0.0/104", "ws://[::ffff:10.1.2.3]", false),
            ("::ffff:10.0.0.0/104", "ws://11.1.2.3", true),
            ("::ffff:10.0.0.0/129", "ws://10.1.2.3", true),
            ("a.example", "ws://a.example", false),
            ("A.Example", "ws://a.EXAMPLE", false),
            ("a.example", "ws://b.a.example", false),
            ("a.example", "ws://ba.example", true),
            (".a.example", "ws://b.a.example", false),
            (".a.example", "ws://a.example", true),
            ("*.a.example", "ws://b.a.example", false),
            ("*.a.example", "ws://a.example", true),
            ("a.example.", "ws://a.example", false),
            ("a.example", "ws://a.example.", false),
            ("a.example:80", "ws://a.example", false),
            ("a.example:80", "ws://a.example:81", true),
            ("a.example:443", "wss://a.example", false),
            ("*:8080", "ws://a.example:8080", false),
            ("*:8080", "ws://a.example", true),
            ("x, a.example ,y", "ws://a.example", false),
            ("x a.example", "ws://a.example", false),
            (",,", "ws://a.example", true),
            ("10.1.2.3", "ws://10.1.2.3", false),
            ("10.1.2.3", "ws://10.1.2.4", true),
            ("10.1.2.3:81", "ws://10.1.2.3:81", false),
            ("10.1.2.3:81", "ws://10.1.2.3", true),
            ("10.0.0.0/8", "ws://10.200.3.4", false),
            ("10.0.0.0/8", "ws://11.0.0.1", true),
            ("10.1.2.3/32", "ws://10.1.2.3", false),
            ("0.0.0.0/0", "ws://10.1.2.3", false),
            ("0.0.0.0/0", "ws://[2001:db8::1]", true),
            ("10.0.0.0/33", "ws://10.0.0.1", true),
            ("10.0.0.0/x", "ws://10.0.0.0", true),
            ("2001:db8::1", "ws://[2001:db8::1]", false),
            ("[2001:db8::1]", "ws://[2001:db8::1]", false),
            ("[2001:db8::1]:81", "ws://[2001:db8::1]:81", false),
            ("[2001:db8::1]:81", "ws://[2001:db8::1]", true),
            ("2001:db8::/32", "ws://[2001:db8:1::9]", false),
            ("2001:db8::/32", "ws://[2001:db9::9]", true),
            ("::/0", "ws://[2001:db9::9]", false),
            ("::ffff:10.1.2.3", "ws://10.1.2.3", false),
            // A name is not looked up to be compared, and an address has no domain.
            ("10.0.0.0/8", "ws://a.example", true),
            ("3", "ws://10.1.2.3", true),
            (".", "ws://a.example", true),
            ("a.example:x", "ws://a.example", true),
            ("\u{e9}.example", "ws://\u{c9}.example", false),
            (".\u{e9}.example", "ws://a.xn--9ca.example", false),
        ] {
            assert_eq!(is_proxied(no_proxy, url), proxied, "no_proxy={no_proxy} {url}");
        }
        assert_eq!(chosen(&[("all_proxy", "p"), ("NO_PROXY", "a.example")], "ws://a.example"), None);
        let both = [("all_proxy", "p"), ("no_proxy", "b.example"), ("NO_PROXY", "a.example")];
        assert!(chosen(&both, "ws://a.example").is_some());
    }

    #[test]
    fn a_bad_variable_is_told_to_the_dial_that_would_use_it_only() {
        let environment = environment(&[("https_proxy", "socks4://u:secret@p"), ("no_proxy", "b.example")]);
        let choice = ProxyChoice::Environment(Arc::new(environment));
        let of = |url| choice.of(&Target::parse(url).unwrap());
        assert_eq!(of("ws://a.example").unwrap(), None);
        assert_eq!(of("wss://b.example").unwrap(), None);
        let error = of("wss://a.example").unwrap_err();
        assert_eq!(error.code(), Code::UrlScheme);
        let text = error.to_string();
        assert!(
            text.starts_with("the environment's https_proxy cannot be used: ") && !text.contains("secret"),
            "{text}"
        );
    }
}
