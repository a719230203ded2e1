//! Answers that point elsewhere, to a dialer that follows.

use super::*;
use crate::dialer::cookies::CookieJar;
use crate::dialer::cookies::load;

fn following(most: u64) -> Dialer {
    let mut dialer = Dialer::new();
    dialer.set_max_redirects(most).unwrap();
    dialer
}

fn answered(dialer: &Dialer, answer: &str) -> Error {
    let mut handshake = exchange(dialer);
    handshake.feed(answer.as_bytes()).unwrap_err()
}

#[test]
fn a_redirect_is_told_by_its_head_alone_however_it_is_cut() {
    for status in ["301", "302 Found", "303", "307", "308"] {
        let answer = format!("HTTP/1.1 {status}\r\nLocation: x\r\nContent-Length: 99\r\n\r\n");
        let Verdict::Failed { code, phase, rejection: Some(rejection), .. } =
            verdict(&following(1), answer.as_bytes(), false)
        else {
            panic!("{status}");
        };
        assert_eq!((code, phase), (Code::Redirect, Phase::Handshake));
        assert_eq!(rejection.status.to_string(), status[..3]);
        assert_eq!(rejection.headers.first("content-length"), Some(&b"99"[..]));
        assert_eq!(verdict(&following(1), answer.as_bytes().split_last().unwrap().1, false), Verdict::Undecided(false));
    }
}

#[test]
fn each_follows_fewer_and_remembers_more() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n";
    let mut dialer = following(2);
    for n in 1..=3 {
        let error = answered(&dialer, answer);
        let redirects: Vec<&str> = error.redirects().iter().map(|redirect| redirect.url.as_str()).collect();
        assert_eq!(redirects, vec!["ws://example.com/chat"; n]);
        assert_eq!(error.location(), Some("ws://example.com/next"));
        if n == 3 {
            assert_eq!(error.code(), Code::RedirectLimit);
            return;
        }
        assert_eq!(error.code(), Code::Redirect);
        dialer = dialer.follow(error.follow().unwrap(), &error);
    }
}

#[test]
fn what_belongs_to_one_origin_stays_there() {
    let mut dialer = following(5);
    for (name, value) in
        [("Authorization", "a"), ("COOKIE", "b"), ("host", "c"), ("Proxy-Authorization", "d"), ("X", "e")]
    {
        dialer.add_header(name, value.as_bytes()).unwrap();
    }
    dialer.set_server_name("name").unwrap();
    let names = |dialer: &Dialer| dialer.headers.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    let led = |location: &str| {
        let error = answered(&dialer, &format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n"));
        dialer.follow(error.follow().unwrap(), &error)
    };
    let same = led("http://example.com:80/x");
    assert_eq!((names(&same), &same.tls.server_name), (names(&dialer), &dialer.tls.server_name));
    for other in ["//example.com:81/", "https://example.com/", "//sub.example.com/", "//example.com./"] {
        let other = led(other);
        assert_eq!((names(&other), &other.tls.server_name), (vec!["X".to_owned()], &None));
    }
}

struct Says(&'static [u8]);

impl CookieJar for Says {
    fn load(&self, _: &str) -> Option<Vec<u8>> {
        Some(self.0.to_vec())
    }

    fn store(&self, _: &str, _: &[u8]) {}
}

#[test]
fn cookies_make_one_field_or_none() {
    let request = |dialer: &Dialer, cookies: &'static [u8]| {
        let cookies = load(&Says(cookies), "http://a/").unwrap();
        let target = Target::parse("ws://a").unwrap();
        let handshake = Handshake::new(&target, dialer, KEY, cookies.as_deref()).unwrap();
        let text = String::from_utf8(handshake.request().to_vec()).unwrap();
        text.lines().filter(|line| line.to_lowercase().starts_with("cookie")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut dialer = Dialer::new();
    assert_eq!(request(&dialer, b"a=1; b=2"), ["Cookie: a=1; b=2"]);
    assert_eq!(request(&dialer, b"  "), [""; 0]);
    dialer.add_header("cookie", b"c=3").unwrap();
    assert_eq!(request(&dialer, b"a=1"), ["cookie: c=3; a=1"]);
    assert_eq!(request(&dialer, b""), ["cookie: c=3"]);
    for bad in [&b"a=1\r\n"[..], b"a\0", b"\x7f"] {
        assert_eq!(load(&Says(bad), "").unwrap_err().code(), Code::OptionHeader);
    }
    static LONG: [u8; (1 << 20) + 1] = [b'a'; (1 << 20) + 1];
    assert_eq!(load(&Says(&LONG), "").unwrap_err().code(), Code::OptionHeader);
}
