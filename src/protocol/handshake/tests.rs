//! The request, byte for byte, and the table of answers of `dialer.md` 3. Each answer is fed whole, cut in two at every
//! byte, and byte by byte; the verdict must be the same. `// RFC 6455 rule` tags name the rule that a case proves.

use super::*;
use crate::error::Rejection;

mod answers;
mod redirects;
mod rejections;

/// The key of RFC 6455 1.3, before base64.
const KEY: [u8; 16] = *b"the sample nonce";

const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// The end of an exchange, in words that can be compared.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Agreed {
        subprotocol: Option<String>,
        fields: usize,
        rest: Vec<u8>,
    },
    Failed {
        code: Code,
        phase: Phase,
        sentence: String,
        rejection: Option<Rejection>,
    },
    /// Nothing was decided; whether a body is awaited.
    Undecided(bool),
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Verdict {
        // What speaks no HTTP is refused at its first byte, so only what came by then can be quoted.
        let sentence = error.to_string();
        let sentence = sentence.split(": it begins with").next().unwrap_or_default().to_owned();
        let rejection = error.rejection().cloned();
        Verdict::Failed { code: error.code(), phase: error.phase(), sentence, rejection }
    }
}

fn exchange(dialer: &Dialer) -> Handshake {
    Handshake::new(&Target::parse("ws://example.com/chat").unwrap(), dialer, KEY, None).unwrap()
}

fn feed<'a>(dialer: &Dialer, portions: impl Iterator<Item = &'a [u8]>, eof: bool) -> Verdict {
    let mut handshake = exchange(dialer);
    let mut portions = portions;
    while let Some(portion) = portions.next() {
        match handshake.feed(portion) {
            Ok(Progress::More) => {}
            Ok(Progress::Done { agreed, mut rest }) => {
                portions.for_each(|later| rest.extend_from_slice(later));
                return Verdict::Agreed {
                    subprotocol: agreed.subprotocol.map(String::from),
                    fields: agreed.headers.len(),
                    rest,
                };
            }
            Err(error) => return error.into(),
        }
    }
    if eof { handshake.eof().into() } else { Verdict::Undecided(handshake.awaits_body()) }
}

/// The verdict on `answer`, which does not depend on how it is cut. Long ones are cut at every 997th byte only.
fn verdict(dialer: &Dialer, answer: &[u8], eof: bool) -> Verdict {
    let whole = feed(dialer, std::iter::once(answer), eof);
    assert_eq!(feed(dialer, answer.chunks(1), eof), whole, "byte by byte: {}", quoted(answer));
    for cut in (1..answer.len()).step_by(if answer.len() > 4096 { 997 } else { 1 }) {
        let (first, second) = answer.split_at(cut);
        assert_eq!(feed(dialer, [first, second].into_iter(), eof), whole, "cut at {cut}: {}", quoted(answer));
    }
    whole
}

fn offering(subprotocols: &[&str]) -> Dialer {
    let mut dialer = Dialer::new();
    subprotocols.iter().for_each(|name| dialer.add_subprotocol(name).unwrap());
    dialer
}

fn failure(dialer: &Dialer, answer: &str) -> (Code, String) {
    match verdict(dialer, answer.as_bytes(), false) {
        Verdict::Failed { code, phase, sentence, rejection } => {
            // A 101 that failed a check comes with its fields; what is no head has none.
            let checks = Code::HandshakeNoSubprotocol as i32..=Code::HandshakeUpgrade as i32;
            let answered = rejection.map(|answer| (answer.status, answer.headers.len(), answer.body.len()));
            let fields = answer.split("\r\n\r\n").next().map_or(0, |head| head.lines().count() - 1);
            match answered {
                None => assert!(!checks.contains(&(code as i32)), "{sentence}"),
                Some(answered) => assert_eq!(answered, (101, fields, 0), "{sentence}"),
            }
            assert_eq!(phase, Phase::Handshake, "{sentence}");
            (code, sentence.strip_prefix("handshake: ").unwrap_or_default().to_owned())
        }
        other => panic!("{other:?} for {answer}"),
    }
}

fn request_of(url: &str, dialer: &Dialer) -> String {
    let handshake = Handshake::new(&Target::parse(url).unwrap(), dialer, KEY, None).unwrap();
    String::from_utf8(handshake.request().to_vec()).unwrap()
}

// RFC 6455 rule 4.1-http
// RFC 6455 rule 4.1-get
// RFC 6455 rule 4.1-resource
// RFC 6455 rule 4.1-host
// RFC 6455 rule 4.1-upgrade
// RFC 6455 rule 4.1-connection
// RFC 6455 rule 4.1-key
// RFC 6455 rule 4.1-version
// RFC 6455 rule 4.1-protocols
#[test]
fn the_request_is_these_bytes() {
    let mut dialer = offering(&["json", "v2.chat"]);
    dialer.add_header("oRIGIN", b"https://example.com").unwrap();
    dialer.add_header("Cookie", b"a=\xff").unwrap();
    let target = Target::parse("ws://Example.com:8080/chat?room=1&x").unwrap();
    let handshake = Handshake::new(&target, &dialer, KEY, None).unwrap();
    let expected = b"GET /chat?room=1&x HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: json, v2.chat\r\noRIGIN: https://example.com\r\nCookie: a=\xff\r\n\r\n";
    assert_eq!(handshake.request(), expected, "{}", quoted(handshake.request()));
}

#[test]
fn a_plain_request_has_nothing_more_than_it_must() {
    let expected = "GET / HTTP/1.1\r\nHost: [::1]\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(request_of("wss://[0:0::1]:443", &Dialer::new()), expected);
}

#[test]
fn the_users_host_takes_the_place_of_ours() {
    let mut dialer = Dialer::new();
    dialer.add_header("X", b"1").unwrap();
    dialer.add_header("host", b"other.example:1").unwrap();
    let request = request_of("ws://example.com", &dialer);
    assert!(request.starts_with("GET / HTTP/1.1\r\nHost: other.example:1\r\nUpgrade: "), "{request}");
    assert!(request.ends_with("Sec-WebSocket-Version: 13\r\nX: 1\r\n\r\n"), "{request}");
}

#[test]
fn credentials_of_the_address_become_basic_authorization_unless_the_user_set_it() {
    // The example of RFC 7617 2.
    let address = "ws://Aladdin:open%20sesame@example.com";
    let request = request_of(address, &Dialer::new());
    assert!(request.contains("\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{request}");
    let mut dialer = Dialer::new();
    dialer.add_header("authorization", b"Bearer token").unwrap();
    let request = request_of(address, &dialer);
    assert!(request.contains("\r\nauthorization: Bearer token\r\n") && !request.contains("Basic"), "{request}");
}

#[test]
fn what_cannot_succeed_is_refused_before_anything_is_sent() {
    let mut dialer = Dialer::new();
    dialer.require_subprotocol(true);
    let error = Handshake::new(&Target::parse("ws://a").unwrap(), &dialer, KEY, None).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::OptionSubprotocol, Phase::None));
}

#[test]
fn debug_output_tells_no_secret() {
    let mut dialer = Dialer::new();
    dialer.add_header("Cookie", b"sesame").unwrap();
    let target = Target::parse("ws://user:sesame@a/sesame?sesame").unwrap();
    let handshake = Handshake::new(&target, &dialer, KEY, None).unwrap();
    let text = format!("{target:?} {dialer:?} {handshake:?}");
    assert!(!text.contains("sesame") && !text.contains("115, 101"), "{text}");
}

/// A stream over memory: what is read was put there before, what is written can be looked at.
#[derive(Debug, Default)]
struct Memory {
    input: std::io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl std::io::Read for Memory {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.input.read(room)
    }
}

impl std::io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
#[allow(clippy::result_large_err)]
fn tungstenites_server_takes_the_request_and_we_take_its_answer() {
    use tungstenite::handshake::server::{Request, Response};
    let mut dialer = offering(&["xml", "json"]);
    dialer.add_header("X-Test", b"yes").unwrap();
    let mut handshake =
        Handshake::new(&Target::parse("ws://u:p@a.example/x?y").unwrap(), &dialer, [7; 16], None).unwrap();
    let stream = Memory { input: std::io::Cursor::new(handshake.request().to_vec()), output: Vec::new() };
    let accepted = tungstenite::accept_hdr(stream, |request: &Request, mut response: Response| {
        assert_eq!(request.uri().to_string(), "/x?y");
        let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("host"), "a.example");
        assert_eq!(header("sec-websocket-protocol"), "xml, json");
        assert_eq!((header("authorization"), header("x-test")), ("Basic dTpw".to_owned(), "yes".to_owned()));
        response.headers_mut().insert("sec-websocket-protocol", "json".parse().unwrap());
        Ok(response)
    });
    let answer = accepted.unwrap().into_inner().output;
    match handshake.feed(&answer).unwrap() {
        Progress::Done { agreed, rest } => {
            assert_eq!((agreed.subprotocol.as_deref(), rest.len()), (Some("json"), 0));
        }
        Progress::More => panic!("{}", quoted(&answer)),
    }
}

#[test]
fn random_answers_are_bounded_and_do_not_depend_on_their_portions() {
    const PIECES: &[&[u8]] = &[
        b"HTTP/1.1 101 x\r\n",
        b"HTTP/1.1 100 \r\n\r\n",
        b"HTTP/1.0 404 no\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n",
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        b"Sec-WebSocket-Protocol: json\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"\0",
        b"\r",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for _ in 0..10_000 {
        let mut answer = if random(4) > 0 { PIECES[random(3)].to_vec() } else { Vec::new() };
        for _ in 0..random(12) {
            match random(8) {
                0 => answer.extend((0..random(20)).map(|_| random(256) as u8)),
                _ => answer.extend_from_slice(PIECES[random(PIECES.len())]),
            }
        }
        let eof = random(2) == 0;
        let mut dialer = if random(2) == 0 { offering(&["json"]) } else { Dialer::new() };
        dialer.set_max_rejection_body(random(6) as u64).unwrap();
        let whole = feed(&dialer, std::iter::once(answer.as_slice()), eof);
        assert_eq!(feed(&dialer, answer.chunks(1), eof), whole, "{}", quoted(&answer));
        let size = 1 + random(30);
        assert_eq!(feed(&dialer, answer.chunks(size), eof), whole, "{size}: {}", quoted(&answer));
    }
}
