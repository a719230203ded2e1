//! OpenSSL's server as an opponent that shares no code with us. Without an `openssl` on the machine these tests say so.
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;

const LIMIT: Duration = Duration::from_secs(30);

struct OpenSsl {
    child: Child,
    /// Lines are sent to the client, and `K` asks for new keys both ways.
    stdin: ChildStdin,
    stdout: Receiver<String>,
    addr: String,
    folder: PathBuf,
}

impl OpenSsl {
    fn start(name: &str, certificate: &str, key: &str, options: &[&str]) -> Option<OpenSsl> {
        let folder = std::env::temp_dir().join(format!("wsdial-openssl-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        let child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem"])
            .args(options)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: there is no openssl to test against");
            return None;
        };
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, stdout) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut server = OpenSsl { child, stdin, stdout, addr: String::new(), folder };
        server.addr = server.line_with("ACCEPT ").trim().trim_start_matches("ACCEPT ").to_owned();
        Some(server)
    }

    fn good(name: &str, options: &[&str]) -> Option<OpenSsl> {
        let identity = Identity::good();
        OpenSsl::start(name, &pem("CERTIFICATE", &identity.chain[0]), &pem("PRIVATE KEY", &identity.key), options)
    }

    fn line_with(&mut self, what: &str) -> String {
        loop {
            match self.stdout.recv_timeout(LIMIT) {
                Ok(line) if line.contains(what) => return line,
                Ok(_) => {}
                Err(_) => panic!("the server never said {what}"),
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.stdin.write_all(line.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
    }

    fn connect(&self, config: &TlsConfig) -> Wire {
        let socket = TcpStream::connect(&self.addr).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Wire { client: Client::new(config, "a.example"), socket }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (index, three) in der.chunks(3).enumerate() {
        let group = (0..3).fold(0, |group, i| group << 8 | u32::from(*three.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { digit as char } else { '=' });
        }
        if index % 16 == 15 {
            text.push('\n');
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

struct Wire {
    client: Client,
    socket: TcpStream,
}

impl Wire {
    fn send(&mut self) {
        let wire = self.client.wire();
        self.socket.write_all(&wire).unwrap();
    }

    /// One read; what must be sent goes out, an alert too.
    fn turn(&mut self) -> Result<Opened, Error> {
        let mut bytes = [0; 4096];
        let n = self.socket.read(&mut bytes).unwrap();
        assert!(n > 0, "the socket ended");
        let opened = self.client.feed(&bytes[..n]);
        self.send();
        opened
    }

    fn shake(&mut self) -> Result<(), Error> {
        self.client.feed(b"")?;
        self.send();
        while self.client.tls.is_handshaking() {
            self.turn()?;
        }
        Ok(())
    }

    fn receive(&mut self, what: &[u8]) {
        while self.client.plain.len() < what.len() {
            self.turn().unwrap();
        }
        assert_eq!(take(&mut self.client.plain), what);
    }

    fn say(&mut self, what: &str) {
        self.client.seal(what.as_bytes());
        self.send();
    }
}

#[test]
fn talk_with_openssl_through_resumption_and_new_keys_to_a_clean_end() {
    for (name, option) in [("13", "-tls1_3"), ("12", "-tls1_2")] {
        let Some(mut server) = OpenSsl::good(name, &[option]) else { return };
        let config = good_client();
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut wire = server.connect(&config);
            wire.shake().unwrap();
            assert_eq!(wire.client.tls.rustls.handshake_kind(), Some(expected));
            wire.say("hello from the client\n");
            server.line_with("hello from the client");
            server.say("hello from the server\n");
            wire.receive(b"hello from the server\n");
            if option == "-tls1_3" {
                for round in 0..3 {
                    server.say("K\n");
                    // Nothing else is under way, so this is the key update.
                    assert_eq!(wire.turn().unwrap(), Opened::More);
                    server.say("under new keys\n");
                    wire.receive(b"under new keys\n");
                    wire.say(&format!("round {round}\n"));
                    server.line_with(&format!("round {round}"));
                }
            }
            // OpenSSL's server answers a close_notify with its own.
            wire.client.tls.close_notify(&mut wire.client.out);
            wire.send();
            while wire.turn().unwrap() != Opened::Closed {}
        }
    }
}

#[test]
fn openssl_with_old_versions_only_has_nothing_in_common_with_us() {
    for (name, option) in [("11", "-tls1_1"), ("10", "-tls1")] {
        let Some(server) = OpenSsl::good(name, &[option, "-cipher", "ALL:@SECLEVEL=0"]) else { return };
        let error = server.connect(&good_client()).shake().unwrap_err();
        assert_eq!(error.code(), Code::TlsIncompatible, "{error}");
    }
}

#[test]
fn a_weak_rsa_key_is_refused() {
    let authority = Authority::get();
    let folder = std::env::temp_dir().join(format!("wsdial-weak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.issuer.pem()).unwrap();
    std::fs::write(folder.join("ca.key"), pem("PRIVATE KEY", &authority.issuer.key().serialize_der())).unwrap();
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:a.example\n").unwrap();
    let run = |line: &str| {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(&folder).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(())
    };
    let made = run("req -newkey rsa:1024 -nodes -keyout key.pem -out csr.pem -subj /CN=a.example")
        .and_then(|()| run("x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -days 9 -extfile ext -out cert.pem"));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    if made.is_some() {
        let options = ["-cipher", "ALL:@SECLEVEL=0"];
        let server = OpenSsl::start("weak", &read("cert.pem"), &read("key.pem"), &options).unwrap();
        let error = server.connect(&good_client()).shake().unwrap_err();
        assert_eq!(error.code(), Code::TlsWeakKey, "{error}");
        assert!(
            error.to_string().ends_with("has an RSA key of 1024 bits, which is weak: 2048 are the least"),
            "{error}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
