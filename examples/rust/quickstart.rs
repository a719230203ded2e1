//! Dials, negotiates a subprotocol, sends, receives, closes: the core without the C ABI.
//! usage: quickstart [url [ca.pem]]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use wsdial::{Client, Dialer, Error, Kind, Message, Wait};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://localhost:12345".into());
    match run(&url, arguments.next().as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, ca: Option<&str>) -> Result<(), Error> {
    let mut dialer = Dialer::new();
    dialer.add_subprotocol("json")?;
    if let Some(ca) = ca {
        dialer.add_ca_file(Path::new(ca))?;
    }
    let connection = Client::new(dialer).dial(url, Wait::for_duration(Duration::from_secs(45)))?;
    println!("negotiated protocol: {:?}", connection.subprotocol());

    connection.send(Kind::Text, br#"{"hello":"wsdial"}"#, Wait::Forever)?;
    let mut message = Message::new();
    connection.recv(&mut message, Wait::for_duration(Duration::from_secs(5)))?;
    println!("received: {}", message.text().unwrap_or_default());

    connection.close(1000, "", Wait::for_duration(Duration::from_secs(5)))?;
    println!("closed cleanly: {}", connection.close_code());
    Ok(())
}
