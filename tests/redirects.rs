//! Redirects and cookies, by scripted servers: what is followed, what every request then says, and how it is told.

mod raw;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use raw::{BOUND, agree_to, bound, read_head};
use wsdial::{Client, Code, CookieJar, Dialer, Error, Phase, Wait};

/// A server that answers as many connections as it has answers, in their order: `""` agrees to the handshake, `"hang"`
/// says nothing. `{port}` is its own. It tells the requests that came.
fn serve<S: AsRef<str>>(answers: &[S]) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: Vec<String> =
        answers.iter().map(|answer| answer.as_ref().replace("{port}", &port.to_string())).collect();
    let thread = thread::spawn(move || {
        let mut requests = Vec::new();
        let mut open = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let head = read_head(&mut stream);
            match answer.as_str() {
                "" => agree_to(&mut stream, &head, ""),
                "hang" => drop(stream.read(&mut [0])),
                answer if answer.starts_with("agree ") => agree_to(&mut stream, &head, &answer[6..]),
                answer => stream.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).unwrap(),
            }
            requests.push(head);
            open.push(stream);
        }
        requests
    });
    (port, thread)
}

fn following(most: u64) -> Dialer {
    let mut dialer = Dialer::new();
    dialer.set_max_redirects(most).unwrap();
    dialer
}

fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut lines =
        request.lines().filter_map(|line| line.split_once(": ")).filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let value = lines.next().map(|(_, value)| value);
    assert!(lines.next().is_none(), "{name} twice in {request}");
    value
}

fn told(error: &Error) -> Vec<(u16, &str)> {
    error.redirects().iter().map(|redirect| (redirect.status, redirect.url.as_str())).collect()
}

fn refused(dialer: Dialer, url: &str) -> Error {
    Client::new(dialer).dial(url, bound()).expect_err("the dial fails")
}

#[test]
fn every_kind_is_followed_with_a_new_key_and_its_own_host() {
    let (other, server) = serve(&[""]);
    let last = format!("308 Permanent\r\nLocation: http://localhost:{other}/end?x=1#here");
    let answers = [
        "301 Moved\r\nLocation: /a/b",
        "302 Found\r\nLocation: c",
        "303 See\r\nLocation: ?d",
        "307 T\r\nLocation: ./e",
    ];
    let mut answers = answers.map(str::to_owned).to_vec();
    answers.push(last);
    let (port, first) = serve(&answers);
    let mut dialer = following(5);
    dialer.add_subprotocol("json").unwrap();
    let url = format!("ws://127.0.0.1:{port}/start");
    let connection = Client::new(dialer).dial(&url, bound()).unwrap();
    let mut requests = first.join().unwrap();
    requests.extend(server.join().unwrap());
    let lines: Vec<&str> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    let paths = ["/start", "/a/b", "/a/c", "/a/c?d", "/a/e", "/end?x=1"];
    assert_eq!(lines, paths.map(|path| format!("GET {path} HTTP/1.1")));
    let mut keys: Vec<&str> = requests.iter().map(|request| field(request, "Sec-WebSocket-Key").unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 6, "each request has a key of its own");
    for (n, request) in requests.iter().enumerate() {
        let host = if n < 5 { format!("127.0.0.1:{port}") } else { format!("localhost:{other}") };
        assert_eq!(field(request, "Host"), Some(host.as_str()));
        assert_eq!(field(request, "Sec-WebSocket-Protocol"), Some("json"), "the offer stays");
    }
    assert_eq!(connection.url(), format!("ws://localhost:{other}/end?x=1"));
    let redirects: Vec<(u16, &str)> = connection.redirects().iter().map(|r| (r.status, r.url.as_str())).collect();
    let base = format!("ws://127.0.0.1:{port}");
    let urls: Vec<String> = paths[..5].iter().map(|path| format!("{base}{path}")).collect();
    assert_eq!(
        redirects,
        [301, 302, 303, 307, 308].into_iter().zip(urls.iter().map(String::as_str)).collect::<Vec<_>>()
    );
}

#[test]
fn unless_asked_for_a_redirect_is_a_rejection() {
    let (port, server) = serve(&["302 Found\r\nLocation: /a\r\nContent-Length: 2\r\n\r\nhi"]);
    let error = refused(Dialer::new(), &format!("ws://127.0.0.1:{port}/"));
    assert_eq!((error.code(), error.rejection().unwrap().status), (Code::Rejected, 302));
    assert!(error.redirects().is_empty() && error.location().is_none());
    server.join().unwrap();
    for status in ["300 Choose", "304 Same", "305 Proxy", "306 Unused"] {
        let (port, server) = serve(&[format!("{status}\r\nLocation: /a\r\nContent-Length: 0")]);
        assert_eq!(refused(following(1), &format!("ws://127.0.0.1:{port}/")).code(), Code::Rejected, "{status}");
        server.join().unwrap();
    }
}

#[test]
fn one_too_many_is_told_with_the_history_and_the_circle() {
    let (port, server) = serve(&["302 Found\r\nLocation: /a", "301 Moved\r\nLocation: /", "302 Found\r\nLocation: /a"]);
    let url = format!("ws://127.0.0.1:{port}/");
    let error = refused(following(2), &url);
    assert_eq!((error.code(), error.phase()), (Code::RedirectLimit, Phase::Handshake));
    assert_eq!(
        error.to_string(),
        format!(
            "ws://127.0.0.1:{port}: handshake: the server redirects to ws://127.0.0.1:{port}, after 2 redirects, in a \
             circle, and 2 are followed at most"
        )
    );
    assert_eq!(told(&error), [(302, url.as_str()), (301, &format!("{url}a")), (302, &url)]);
    assert_eq!(error.location(), Some(format!("{url}a").as_str()));
    assert_eq!(error.rejection().unwrap().status, 302);
    server.join().unwrap();
}

#[test]
fn what_is_wrong_with_a_location_is_told() {
    for (fields, what) in [
        ("Server: x", "without a Location"),
        ("Location: /a\r\nLocation: /b", "with several Locations"),
        ("Location: ", "is empty"),
        ("Location: ftp://a/", "is not of http, https, ws or wss"),
        ("Location: http://me:secret@a/", "has a user or password"),
    ] {
        let (port, server) = serve(&[format!("302 Found\r\n{fields}")]);
        let error = refused(following(1), &format!("ws://127.0.0.1:{port}/"));
        assert_eq!((error.code(), error.location()), (Code::RedirectLocation, None), "{fields}");
        assert!(error.to_string().contains(what) && !error.to_string().contains("secret"), "{error}");
        assert_eq!((told(&error).len(), error.rejection().unwrap().status), (1, 302));
        server.join().unwrap();
    }
    // Twice the same is once.
    let (port, server) = serve(&["302 Found\r\nLocation: /a\r\nLocation: /a", ""]);
    Client::new(following(1)).dial(&format!("ws://127.0.0.1:{port}/"), bound()).unwrap();
    server.join().unwrap();
}

/// The requests of a dial that is redirected once, to its own origin or to another.
fn with_secrets(crosses: bool) -> Vec<String> {
    let (other, second) = serve(&["302 Found\r\nLocation: /last", ""]);
    let (port, first) = serve(&[format!("302 Found\r\nLocation: http://127.0.0.1:{other}/next")]);
    let port = if crosses { port } else { other };
    let mut dialer = following(3);
    for (name, value) in [("HOST", "name"), ("cookie", "a=1"), ("Origin", "http://o"), ("X-Mine", "m")] {
        dialer.add_header(name, value.as_bytes()).unwrap();
    }
    Client::new(dialer).dial(&format!("ws://me:pass@127.0.0.1:{port}/"), bound()).unwrap();
    let mut requests = if crosses {
        first.join().unwrap()
    } else {
        drop(first);
        Vec::new()
    };
    requests.extend(second.join().unwrap());
    requests
}

#[test]
fn secrets_stay_with_their_origin() {
    let kept = Some("Basic bWU6cGFzcw==");
    for request in with_secrets(false) {
        assert_eq!(field(&request, "Authorization"), kept, "the same origin: {request}");
        assert_eq!((field(&request, "Cookie"), field(&request, "Host")), (Some("a=1"), Some("name")));
    }
    let requests = with_secrets(true);
    assert_eq!((field(&requests[0], "Authorization"), field(&requests[0], "Cookie")), (kept, Some("a=1")));
    for request in &requests[1..] {
        assert_eq!((field(request, "Authorization"), field(request, "Cookie")), (None, None), "{request}");
        assert!(field(request, "Host").unwrap().starts_with("127.0.0.1:"), "{request}");
        assert_eq!((field(request, "Origin"), field(request, "X-Mine")), (Some("http://o"), Some("m")));
    }
    // An Authorization of the user's is a secret as well.
    let (other, second) = serve(&[""]);
    let (port, first) = serve(&[format!("302 Found\r\nLocation: http://127.0.0.1:{other}/")]);
    let mut dialer = following(1);
    dialer.add_header("authorization", b"Bearer x").unwrap();
    Client::new(dialer).dial(&format!("ws://127.0.0.1:{port}/"), bound()).unwrap();
    assert_eq!(field(&first.join().unwrap()[0], "Authorization"), Some("Bearer x"));
    assert_eq!(field(&second.join().unwrap()[0], "Authorization"), None);
}

#[test]
fn one_deadline_is_for_the_whole_chain_and_a_later_failure_tells_the_way() {
    let (port, server) = serve(&["302 Found\r\nLocation: /a", "302 Found\r\nLocation: /b", "hang"]);
    let begun = Instant::now();
    let url = format!("ws://127.0.0.1:{port}/");
    let error = Client::new(following(9)).dial(&url, Wait::for_duration(Duration::from_millis(300))).unwrap_err();
    assert_eq!((error.code(), error.phase()), (Code::Timeout, Phase::Handshake));
    assert!((Duration::from_millis(300)..BOUND).contains(&begun.elapsed()));
    assert_eq!(told(&error), [(302, url.as_str()), (302, &format!("{url}a"))]);
    server.join().unwrap();
    // Nobody listens where it points.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (port, server) = serve(&[format!("302 Found\r\nLocation: ws://127.0.0.1:{gone}/")]);
    let error = refused(following(1), &format!("ws://127.0.0.1:{port}/"));
    assert_eq!((error.code(), told(&error).len()), (Code::Connect, 1));
    assert!(error.to_string().starts_with(&format!("ws://127.0.0.1:{gone}: connect: ")), "{error}");
    server.join().unwrap();
}

#[test]
fn who_brings_the_socket_connects_again_with_what_the_dialer_remembers() {
    let (other, second) = serve(&["302 Found\r\nLocation: /b", "302 Found\r\nLocation: /c"]);
    let (port, first) = serve(&[format!("307 T\r\nLocation: http://127.0.0.1:{other}/a")]);
    let mut client = Client::new(following(2));
    let mut url = format!("ws://me:pass@127.0.0.1:{port}/");
    let connect = |port| OwnedFd::from(TcpStream::connect(("127.0.0.1", port)).unwrap());
    for (to, next) in [(port, "/a"), (other, "/b")] {
        let (_socket, error) = client.dial_socket(connect(to), &url, bound()).unwrap_err();
        assert_eq!((error.code(), error.phase()), (Code::Redirect, Phase::Handshake));
        url = error.location().unwrap().to_owned();
        assert_eq!(url, format!("ws://127.0.0.1:{other}{next}"));
        assert!(error.to_string().contains("connect there to follow"), "{error}");
        client = client.redirected(&error).unwrap();
    }
    let (_socket, error) = client.dial_socket(connect(other), &url, bound()).unwrap_err();
    assert_eq!((error.code(), told(&error).len()), (Code::RedirectLimit, 3));
    assert_eq!(client.redirected(&error).unwrap_err().code(), Code::UsageState);
    assert!(field(&first.join().unwrap()[0], "Authorization").is_some());
    assert!(second.join().unwrap().iter().all(|request| field(request, "Authorization").is_none()));
}

/// A jar that writes down what it is asked and told.
#[derive(Default)]
struct Jar {
    asked: Mutex<Vec<String>>,
    told: Mutex<Vec<(String, String)>>,
}

impl CookieJar for Jar {
    fn load(&self, url: &str) -> Option<Vec<u8>> {
        self.asked.lock().unwrap().push(url.to_owned());
        let told = self.told.lock().unwrap();
        let cookies: Vec<&str> = told.iter().map(|(_, cookie)| cookie.as_str()).collect();
        (!cookies.is_empty()).then(|| cookies.join("; ").into_bytes())
    }

    fn store(&self, url: &str, set_cookie: &[u8]) {
        self.told.lock().unwrap().push((url.to_owned(), String::from_utf8(set_cookie.to_vec()).unwrap()));
    }
}

#[test]
fn the_jar_is_asked_for_every_request_and_told_of_every_answer() {
    let (port, server) = serve(&[
        "302 Found\r\nLocation: /in\r\nSet-Cookie: a=1\r\nset-cookie: b=2",
        "401 No\r\nSet-Cookie: c=3\r\nContent-Length: 0",
        "agree Set-Cookie: d=4",
    ]);
    let jar = Arc::new(Jar::default());
    let mut dialer = following(1);
    dialer.set_cookie_jar(Some(jar.clone()));
    let client = Client::new(dialer.clone());
    let url = format!("ws://127.0.0.1:{port}/x?y");
    assert_eq!(client.dial(&url, bound()).unwrap_err().code(), Code::Rejected);
    dialer.add_header("cookie", b"mine=0").unwrap();
    client.with(dialer).dial(&url, bound()).unwrap();
    let requests = server.join().unwrap();
    let cookies: Vec<_> = requests.iter().map(|request| field(request, "Cookie")).collect();
    assert_eq!(cookies, [None, Some("a=1; b=2"), Some("mine=0; a=1; b=2; c=3")]);
    let base = format!("http://127.0.0.1:{port}");
    assert_eq!(*jar.asked.lock().unwrap(), ["/x?y", "/in", "/x?y"].map(|path| format!("{base}{path}")));
    let told = [("/x?y", "a=1"), ("/x?y", "b=2"), ("/in", "c=3"), ("/x?y", "d=4")];
    assert_eq!(*jar.told.lock().unwrap(), told.map(|(path, cookie)| (format!("{base}{path}"), cookie.to_owned())));
}

#[test]
fn a_101_that_failed_a_check_brings_its_fields_and_no_cookie() {
    let (port, server) = serve(&["101 Switching Protocols\r\nSet-Cookie: a=1\r\nX-Why: because"]);
    let jar = Arc::new(Jar::default());
    let mut dialer = Dialer::new();
    dialer.set_cookie_jar(Some(jar.clone()));
    let error = refused(dialer, &format!("ws://127.0.0.1:{port}/"));
    server.join().unwrap();
    let answer = error.rejection().unwrap();
    assert_eq!((error.code(), answer.status), (Code::HandshakeUpgrade, 101));
    assert_eq!(answer.headers.first("x-why"), Some(&b"because"[..]));
    assert!(answer.body.is_empty() && jar.told.lock().unwrap().is_empty());
}

#[test]
fn a_cookie_that_cannot_be_sent_ends_the_dial_before_anything_is() {
    struct Bad;
    impl CookieJar for Bad {
        fn load(&self, _: &str) -> Option<Vec<u8>> {
            Some(b"secret\r\nX: y".to_vec())
        }
        fn store(&self, _: &str, _: &[u8]) {}
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut dialer = Dialer::new();
    dialer.set_cookie_jar(Some(Arc::new(Bad)));
    let error = refused(dialer, &format!("ws://{}/", listener.local_addr().unwrap()));
    assert_eq!(error.code(), Code::OptionHeader);
    assert!(error.to_string().ends_with("the cookies for the request have a carriage return at byte 6"), "{error}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nothing was connected");
}

#[test]
fn an_endless_redirect_body_is_not_awaited() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\nand so on").unwrap();
        let (mut next, _) = listener.accept().unwrap();
        let head = read_head(&mut next);
        agree_to(&mut next, &head, "");
        // The first connection was given up.
        let _ = stream.read(&mut [0; 16]);
    });
    Client::new(following(1)).dial(&format!("ws://127.0.0.1:{port}/"), bound()).unwrap();
    server.join().unwrap();
}
