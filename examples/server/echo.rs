//! The echo server of the demo and of the examples' tests: every message comes back as it came.
//!
//! It stands on tungstenite's server role, so nothing in it is code of the client that it serves. One thread for each
//! connection, plain blocking calls. It is for trying things out on one's own machine and listens nowhere else: on
//! 127.0.0.1 and, where there is IPv6, on ::1.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;

const USAGE: &str = "usage: echo-server [option]...
  --port N                 port for ws (12345; 0 picks a free one)
  --tls-port N             port for wss (12346; 0 picks a free one)
  --ca FILE                speak wss too, and write the root certificate that clients must trust to FILE
  --client-cert FILE       over wss take only clients that show the certificate which is written to FILE, with its key
  --subprotocol NAME,...   subprotocols to agree to, best first (json)
  --no-subprotocol         agree to none
It ends on a signal, or when a pipe on its standard input is closed.";

struct Options {
    port: u16,
    tls_port: u16,
    ca: Option<String>,
    client_cert: Option<String>,
    subprotocols: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = options(std::env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    let subprotocols: Arc<[String]> = options.subprotocols.into();

    let (port, listeners) = listen(options.port)?;
    for listener in listeners {
        let subprotocols = Arc::clone(&subprotocols);
        serve(listener, move |stream| echo(stream, &subprotocols).map(drop));
    }
    let mut ready = format!("ready ws://localhost:{port}");

    if let Some(path) = &options.ca {
        let config = certificates(path, options.client_cert.as_deref())?;
        let (port, listeners) = listen(options.tls_port)?;
        for listener in listeners {
            let (config, subprotocols) = (Arc::clone(&config), Arc::clone(&subprotocols));
            serve(listener, move |stream| {
                let mut tls =
                    echo(StreamOwned::new(ServerConnection::new(Arc::clone(&config))?, stream), &subprotocols)?;
                tls.conn.send_close_notify();
                Ok(tls.flush()?)
            });
        }
        ready += &format!(" wss://localhost:{port} ca={path}");
    }

    println!("{ready}");
    io::stdout().flush()?;
    wait_for_the_end()
}

/// Answers the handshake, then sends back what comes until the client closes. Gives the stream back for its ending.
#[expect(clippy::result_large_err, reason = "tungstenite decides what its callback answers")]
fn echo<S: Read + Write>(stream: S, subprotocols: &[String]) -> Result<S, Box<dyn Error>> {
    // RFC 6455 4.2.2: one of those that the client offers, or no field at all.
    let choose = |request: &Request, mut response: Response| {
        let offered = request.headers().get_all("sec-websocket-protocol");
        let offered: Vec<&str> = offered
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .collect();
        let chosen = subprotocols.iter().find(|name| offered.contains(&name.as_str()));
        if let Some(value) = chosen.and_then(|name| HeaderValue::from_str(name).ok()) {
            response.headers_mut().insert("sec-websocket-protocol", value);
        }
        let visits = visits(request) + 1;
        if let Ok(cookie) = HeaderValue::from_str(&format!("visits={visits}; HttpOnly; SameSite=Strict")) {
            response.headers_mut().insert("set-cookie", cookie);
        }
        response.headers_mut().insert("x-visits", HeaderValue::from(visits));
        Ok(response)
    };
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let mut socket = tungstenite::accept_hdr_with_config(stream, choose, Some(config)).map_err(|e| e.to_string())?;
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => socket.send(message)?,
            // Pings and closes are answered inside: what is owed goes out with the next call.
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return Ok(socket.into_inner()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How often the client was here before, as it says itself by the cookie that it was given.
fn visits(request: &Request) -> u32 {
    let cookies = request.headers().get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix("visits=")?.parse::<u32>().ok()).map_or(0, |visits| visits % 1000)
}

/// Takes connections in a thread of its own, each into a thread of its own.
fn serve<F>(listener: TcpListener, handle: F)
where
    F: Fn(TcpStream) -> Result<(), Box<dyn Error>> + Send + Sync + 'static,
{
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || {
                let peer = stream.peer_addr();
                if let Err(error) = stream.set_nodelay(true).map_err(Box::from).and_then(|()| handle(stream)) {
                    eprintln!("echo-server: {}: {error}", peer.map_or("a client".into(), |peer| peer.to_string()));
                }
            });
        }
    });
}

/// One port on both loopback addresses; on the IPv4 one alone where the machine has no IPv6.
fn listen(port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let mut tries = 0;
    loop {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| io::Error::new(error.kind(), format!("127.0.0.1:{port}: {error}")))?;
        let chosen = v4.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, chosen)) {
            Ok(v6) => return Ok((chosen, vec![v4, v6])),
            // The free port that IPv4 was given may be taken on IPv6: ask for another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 && tries < 100 => tries += 1,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(io::Error::new(error.kind(), format!("[::1]:{port}: {error}")));
            }
            Err(_) => return Ok((chosen, vec![v4])),
        }
    }
}

/// Makes a root and a certificate for localhost; the root goes to `path` for clients to trust, and no key of it leaves the
/// process. With `client` a certificate for clients too, which goes there with its key, and without which nobody comes in.
fn certificates(path: &str, client: Option<&str>) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    root.distinguished_name.push(DnType::CommonName, "wsdial echo server, root of one run");
    let root_key = KeyPair::generate()?;
    let root_certificate = root.self_signed(&root_key)?;
    write(path, &root_certificate.pem())?;
    let issuer = Issuer::new(root, root_key);

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(String::from))?;
    // RFC 5280 wants it (4.2.1.1), and the key usage of the root, and Python 3.13 and later ask OpenSSL to be strict.
    leaf.use_authority_key_identifier_extension = true;
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    let leaf = leaf.signed_by(&key, &issuer)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from(leaf)];
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "a client of the echo server");
            params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
            write(path, &(params.signed_by(&key, &issuer)?.pem() + &key.serialize_pem()))?;
            let mut roots = RootCertStore::empty();
            roots.add(root_certificate.der().clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    Ok(Arc::new(builder.with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())?))
}

/// Writes a file that its owner alone can read: there may be a key in it.
fn write(path: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| format!("{path}: {error}").into())
}

/// A script that starts the server holds the other end of a pipe: when it goes, however it goes, the server goes too.
/// Anything but a pipe is left unread: a terminal would stop a server that was put in the background.
fn wait_for_the_end() -> Result<(), Box<dyn Error>> {
    let kind = fs::metadata("/dev/stdin").map(|stdin| stdin.file_type());
    if kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket()) {
        io::copy(&mut io::stdin().lock(), &mut io::sink())?;
        return Ok(());
    }
    loop {
        thread::park();
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, Box<dyn Error>> {
    let mut options =
        Options { port: 12345, tls_port: 12346, ca: None, client_cert: None, subprotocols: vec!["json".into()] };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--port" => options.port = port(&value()?)?,
            "--tls-port" => options.tls_port = port(&value()?)?,
            "--ca" => options.ca = Some(value()?),
            "--client-cert" => options.client_cert = Some(value()?),
            "--subprotocol" => options.subprotocols = value()?.split(',').map(|name| name.trim().to_owned()).collect(),
            "--no-subprotocol" => options.subprotocols.clear(),
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown option {name}\n{USAGE}").into()),
        }
    }
    Ok(Some(options))
}

fn port(text: &str) -> Result<u16, Box<dyn Error>> {
    text.parse().map_err(|_| format!("{text} is no port from 0 to 65535").into())
}
