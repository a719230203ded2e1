//! The handshake explained, and what a connection counts: against scripted servers.

mod raw;

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use raw::{agree_to, bound, dial, frame, read_head, recv, serve};
use wsdial::{Client, Dialer, Figure, Kind, Outcome, Wait};

/// A server for as many connections as it has answers; `""` agrees.
fn answering(answers: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut open = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let head = read_head(&mut stream);
            match *answer {
                "" => agree_to(&mut stream, &head, "Set-Cookie: sid=secret; HttpOnly\r\nX-Session-Id: secret"),
                answer => stream.write_all(answer.as_bytes()).unwrap(),
            }
            open.push(stream);
        }
    });
    port
}

/// The lines, without times and ports, which differ.
fn told(text: &str, port: u16) -> Vec<String> {
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
    assert!(!text.contains("secret") && !text.ends_with('\n'), "{text}");
    let text = text.replace(&port.to_string(), "PORT");
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn an_open_connection_tells_when_the_dialer_keeps_it() {
    let port = answering(&["", ""]);
    let url = format!("ws://me:secret@127.0.0.1:{port}/chat?room=1");
    let mut dialer = Dialer::new();
    dialer.add_subprotocol("json").unwrap();
    for (name, value) in [("Cookie", "a=secret; b=secret"), ("X-Api-Key", "secret"), ("Origin", "http://o")] {
        dialer.add_header(name, value.as_bytes()).unwrap();
    }
    let silent = Client::new(dialer.clone()).dial(&url, bound()).unwrap();
    assert_eq!(silent.transcript(), None);
    dialer.set_transcript(true);
    let connection = Client::new(dialer).dial(&url, bound()).unwrap();
    let lines = told(&connection.transcript().unwrap(), port);
    let expected = [
        "ws://127.0.0.1:PORT/chat?room=1",
        "> GET /chat?room=1 HTTP/1.1",
        "> Host: 127.0.0.1:PORT",
        "> Authorization: Basic ***",
        "> Cookie: a=***; b=***",
        "> X-Api-Key: ***",
        "> Origin: http://o",
        "< HTTP/1.1 101 Switching Protocols",
        "< Set-Cookie: sid=***; HttpOnly",
        "< X-Session-Id: ***",
        "ok a well-formed head of HTTP/1.1 RFC 9112 2.1",
        "ok the status is 101 RFC 6455 4.1 101",
        "ok Upgrade is websocket RFC 6455 4.1 websocket",
        "ok Connection has upgrade RFC 6455 4.1 Upgrade",
        "ok Sec-WebSocket-Accept fits the key RFC 6455 4.2.2",
        "ok extensions as offered RFC 6455 9.1 none",
        "ok subprotocol as offered RFC 6455 4.1 none",
        "open",
    ];
    let mut rest = lines.iter();
    for line in expected {
        assert!(rest.any(|other| other == line), "no {line} in {lines:#?}");
    }
    assert!(lines.iter().any(|line| line.contains("127.0.0.1:PORT connected in ")), "{lines:#?}");
}

#[test]
fn a_failed_dial_always_tells_how_far_it_came() {
    let table = [
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=a\r\nContent-Length: 5\r\n\r\nhello",
            "the status is 101",
            1,
        ),
        ("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n", "Upgrade is websocket", 2),
        ("SSH-2.0-OpenSSH\r\n\r\n", "a well-formed head of HTTP/1.1", 0),
        (
            "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "Sec-WebSocket-Accept fits the key",
            4,
        ),
    ];
    for (answer, check, passed) in table {
        let port = answering(Box::leak(Box::new([answer])));
        let error = Client::new(Dialer::new()).dial(&format!("ws://127.0.0.1:{port}/"), bound()).unwrap_err();
        let text = error.transcript().expect("a transcript");
        let lines = told(&text, port);
        let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("FAILED ")).collect();
        assert!(failed.len() == 1 && failed[0].contains(check), "{text}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("ok ")).count(), passed, "{text}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("- ")).count(), 6 - passed, "{text}");
        assert!(lines.iter().any(|line| line == "> Sec-WebSocket-Version: 13"), "{text}");
        let shown = answer.lines().next_back().unwrap_or_default();
        assert!(shown.is_empty() || text.contains(shown), "{text}");
        let sentence = error.to_string();
        let detail = sentence.split(": ").nth(2).unwrap();
        assert!(lines.last().unwrap().contains(detail.split(' ').next_back().unwrap()), "{sentence}: {text}");
    }
    // Nobody listens: the address that was tried is there, and no checks.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Client::new(Dialer::new()).dial(&format!("ws://localhost:{gone}/"), bound()).unwrap_err();
    let text = error.transcript().unwrap();
    assert!(text.contains("Connection refused in") && text.contains("2 addresses") && !text.contains("RFC"), "{text}");
    assert_eq!(Client::new(Dialer::new()).dial("ws://", bound()).unwrap_err().transcript(), None);
}

/// Whoever gets an answer that says back what was sent, in whatever spelling, can show the transcript and the sentence.
#[test]
fn a_secret_that_comes_back_is_shown_nowhere() {
    // Of the address: me&co / s3cr"t/pass. Basic: bWUmY286czNjciJ0L3Bhc3M=
    let echoes = [
        "bWUmY286czNjciJ0L3Bhc3M=",
        "me&co:s3cr\"t/pass",
        "s3cr%22t%2Fpass",
        "s3cr%22t%2fpass",
        "S3CR\"T/PASS",
        "s3cr&quot;t/pass",
        "s3cr\\\"t/pass",
        "s3cr\\\"t\\/pass",
        "c2lkLXZhbHVl",
        "sid-value",
        "a-token-of-mine",
        "YS10b2tlbi1vZi1taW5l",
    ];
    let hidden = ["bWUmY286", "s3cr", "S3CR", "sid-value", "a-token", "YS10b2tl", "c2lkLX", "czNjciJ0", "zNjciJ0L"];
    let answers: Vec<String> = echoes
        .iter()
        .flat_map(|echo| {
            [
                format!("HTTP/1.1 400 Bad {echo}\r\nContent-Length: 0\r\n\r\n"),
                format!("HTTP/1.1 400 Bad\r\nX-Echo: you said {echo}!\r\nContent-Length: 0\r\n\r\n"),
                format!("HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n<{echo}>", echo.len() + 2),
                format!("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"{echo}\"\r\nContent-Length: 0\r\n\r\n"),
                format!("HTTP/1.1 302 No\r\nLocation: /{echo}\r\nContent-Length: 0\r\n\r\n"),
                format!("HTTP/1.1 101 S\r\nUpgrade: {echo}\r\n\r\n"),
                format!("{echo} is no HTTP\r\n\r\n"),
                format!("HTTP/1.1 400 Bad\r\nno colon {echo}\r\n\r\n"),
                format!("HTTP/1.1 400 Bad\r\nX-Echo: {echo}\r\n"),
                // Cut by the limit of the body, and by what a sentence quotes.
                format!("HTTP/1.1 400 Bad\r\n\r\n{}{echo}", "x\n".repeat(2) + &"x".repeat(1010)),
                format!("HTTP/1.1 101 S\r\nUpgrade: {}{echo}\r\n\r\n", "x".repeat(73)),
            ]
        })
        .collect();
    let mut dialer = Dialer::new();
    dialer.add_header("Cookie", b"sid=sid-value").unwrap();
    dialer.add_header("X-Api-Token", b"a-token-of-mine").unwrap();
    let client = Client::new(dialer);
    for answer in &answers {
        let (text, sentence) = refused(&client, "me&co:s3cr%22t%2Fpass@", answer);
        for secret in hidden {
            assert!(!text.contains(secret), "{answer}\n{text}");
            assert!(!sentence.contains(secret), "{answer}\n{sentence}");
        }
        assert!(text.contains("***") && text.contains("> Authorization: Basic ***"), "{text}");
    }
}

#[test]
fn what_a_proxy_was_told_is_shown_no_more_than_what_a_server_was() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head = read_head(&mut stream);
        let answer =
            format!("HTTP/1.1 407 user:5ecr3t\r\nProxy-Authenticate: Basic realm=\"5ecr3t\"\r\n\r\n{head}5ecr3t");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let mut dialer = Dialer::new();
    dialer.set_proxy(Some(&format!("http://user:5ecr3t@127.0.0.1:{port}"))).unwrap();
    let error = Client::new(dialer).dial("ws://a.example", bound()).unwrap_err();
    proxy.join().unwrap();
    let (text, sentence) = (error.transcript().unwrap(), error.to_string());
    // user:5ecr3t in base64.
    for secret in ["5ecr3t", "dXNlcjo1ZWNyM3Q"] {
        assert!(!text.contains(secret) && !sentence.contains(secret), "{text}\n{sentence}");
    }
    assert!(sentence.contains("407 *** (it asks for \"Basic realm="), "{sentence}");
    assert!(text.contains("< Proxy-Authorization: ***"), "{text}");
}

#[test]
fn a_secret_of_the_servers_own_is_not_shown_by_its_page() {
    let answer = "HTTP/1.1 403 No\r\nSet-Cookie: sid=5ecre7; Secure\r\nX-Session-Id: d15crete\r\nContent-Length: 24\r\n\r\n\
                  sid 5ecre7, id d15crete.";
    let (text, _) = refused(&Client::new(Dialer::new()), "", answer);
    assert!(text.contains("< sid ***, id ***.") && !text.contains("5ecre7") && !text.contains("d15crete"), "{text}");
}

/// The transcript and the sentence of a dial that is answered with that.
fn refused(client: &Client, user: &str, answer: &str) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let error = client.dial(&format!("ws://{user}127.0.0.1:{port}/"), bound()).unwrap_err();
        (error.transcript().unwrap(), error.to_string())
    })
}

#[test]
fn what_an_address_in_an_answer_carries_is_not_shown() {
    let client = Client::new(Dialer::new());
    for (field, shown) in [
        ("Location: https://me:secret@c/#secret", "< Location: https://***@c/#***"),
        ("Location: //me:sec/secret@c/", "< Location: //***@c/"),
        ("Location: me:secret@c/", "< Location: ***@c/"),
        ("Location: /a#secret", "< Location: /a#***"),
        ("Location: /@a/b", "< Location: /@a/b"),
        ("Content-Location: /a?b#secret", "< Content-Location: /a?b#***"),
        ("Refresh: 0; url=https://me:secret@c/#secret", "< Refresh: 0; url=https://***@c/#***"),
        ("Link: <https://me:secret@c/x#secret>; rel=next", "< Link: <https://***@c/x#***>; rel=next"),
        ("X-Any: see https://me:secret@c/, or https://c/@d", "< X-Any: see https://***@c/, or https://c/@d"),
        ("Set-Cookie: a=secret; Path=/b", "< Set-Cookie: a=***; Path=/b"),
        ("WWW-Authenticate: Basic realm=x", "< WWW-Authenticate: Basic realm=x"),
        ("Authentication-Info: secret", "< Authentication-Info: ***"),
    ] {
        let (text, sentence) =
            refused(&client, "", &format!("HTTP/1.1 302 Found\r\n{field}\r\nContent-Length: 0\r\n\r\n"));
        assert!(text.lines().any(|line| line.trim() == shown), "{shown}: {text}");
        assert!(!text.contains("secret") && !sentence.contains("secret"), "{field}: {text} {sentence}");
    }
}

#[test]
fn every_hop_of_a_redirect_is_told() {
    let port = answering(&["HTTP/1.1 302 Found\r\nLocation: /b?token=open\r\n\r\n", ""]);
    let mut dialer = Dialer::new();
    dialer.set_max_redirects(3).unwrap();
    dialer.set_transcript(true);
    let connection = Client::new(dialer).dial(&format!("ws://127.0.0.1:{port}/a"), bound()).unwrap();
    let text = connection.transcript().unwrap();
    let lines = told(&text, port);
    let expected = [
        "[1/2] ws://127.0.0.1:PORT/a",
        "> GET /a HTTP/1.1",
        "< HTTP/1.1 302 Found",
        "followed to ws://127.0.0.1:PORT/b?token=open",
        "[2/2] ws://127.0.0.1:PORT/b?token=open",
        "< HTTP/1.1 101 Switching Protocols",
        "open",
    ];
    let mut rest = lines.iter();
    for line in expected {
        assert!(rest.any(|other| other == line), "no {line} in {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("RFC ")).count(), 7, "{text}");
    assert_eq!(connection.figure(Figure::Resolve), u64::from(connection.times().resolve));
    assert!(connection.times().connect > 0 && connection.times().handshake > 0 && connection.times().tls == 0);
}

#[test]
fn what_is_moved_is_counted() {
    let (url, server) = serve(|mut peer| {
        peer.frame(0x89, b"p");
        peer.frame(0x01, b"he");
        peer.frame(0x00, b"l");
        peer.frame(0x80, b"lo");
        peer.frame(0x82, &[0; 1000]);
        peer.frame(0x8a, b"");
        peer.frame(0x82, &vec![1; 70_000]);
        assert_eq!(peer.read_close().0, 1000);
        peer.frame(0x88, &raw::close_body(1000, ""));
    });
    let connection = dial(&url);
    let before = connection.figure(Figure::WireReceived);
    assert!(before > 100 && connection.figure(Figure::WireSent) > 100, "the handshake counts");
    for size in [5, 1000, 70_000] {
        assert_eq!(recv(&connection).data().len(), size);
    }
    assert_eq!(connection.send(Kind::Binary, &[0; 10], Wait::Forever).unwrap(), Outcome::Done);
    assert_eq!(connection.send(Kind::Text, &[b'x'; 5000], Wait::Forever).unwrap(), Outcome::Done);
    assert_eq!(connection.ping(b"", Wait::Forever).unwrap(), Outcome::Done);
    assert_eq!(connection.close(1000, "", bound()).unwrap(), Outcome::Done);
    server.join().unwrap();
    let figures = [
        (Figure::MessagesSent, 2),
        (Figure::MessagesReceived, 3),
        (Figure::FramesSent, 2 + 3),
        (Figure::FramesReceived, 5 + 3),
        (Figure::BytesSent, 5010),
        (Figure::BytesReceived, 71_005),
        (Figure::PingsSent, 1),
        (Figure::PingsReceived, 1),
        (Figure::PongsSent, 1),
        (Figure::PongsReceived, 1),
        (Figure::RoundTrip, 0),
    ];
    for (figure, number) in figures {
        assert_eq!(connection.figure(figure), number, "{figure:?}");
    }
    let frames: usize = [1, 2, 1, 2, 0, 2].iter().map(|&len| frame(0, &vec![0; len]).len()).sum();
    let frames = frames + frame(0, &[0; 1000]).len() + frame(0, &vec![0; 70_000]).len();
    // What came with the answer's head is not known apart.
    let wire = connection.figure(Figure::WireReceived);
    assert!((before..=before + frames as u64).contains(&wire) && wire > frames as u64, "{wire}");
}
