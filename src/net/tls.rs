//! TLS by rustls: records in and out of the caller's buffers, no I/O.
//!
//! Owns the state of one TLS connection (RFC 8446, RFC 5246) and the configuration it is made from. Must not know of
//! sockets or locks: its caller holds `link` around every call, so sender and receiver never meet in here.
//!
//! Provider: ring, given explicitly and never installed as the process's default, which belongs to the program that
//! we are linked into. It builds in seconds, with nothing but a C compiler, and is as fast as is needed (`tests/measures`
//! prints it). aws-lc-rs would add the hybrid post-quantum key exchange for two minutes of every clean build; nothing
//! outside of `config` would change with it.
//!
//! The unbuffered interface of rustls is used, so that an idle connection holds no buffers. What it leaves to us:
//!
//! - rustls looks into the ciphertext on *every* call that asks for its state, the sender's too, and keeps in it the
//!   pieces of a handshake message that has not arrived whole (a session ticket or a key update over several records):
//!   decrypted in place, remembered by their offsets. So the sender must show it those very bytes again. [`Tls`] gives
//!   rustls one record at a time, counts the bytes that rustls has processed but not let go (`retained`), and owns the
//!   ciphertext itself while there are any; the sender shows exactly the retained bytes. Without any, the ciphertext
//!   stays in the caller's buffer.
//! - Order: what rustls wants to send is put into `out` at once, before anything is sealed behind it. The answer to a
//!   key update is the exception by RFC 8446 4.6.3 ("prior to sending its next Application Data record"): rustls puts
//!   it in front of whatever is sealed next.
use std::collections::TryReserveError;

use rustls::CommonState;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};

use crate::buffer::Buffer;
use crate::dialer::TlsOptions;
use crate::error::{Code, Error};

mod config;
mod failure;
mod nested;
#[cfg(test)]
mod tests;
mod verify;
mod x509;

pub(crate) use config::TlsConfig;
use failure::{first_refusal, first_refusal_by_proxy, refusal};
use verify::refused;

/// Where opened bytes go, record by record.
pub(crate) trait Sink {
    /// Takes a copy of them. Whether more may follow now.
    fn put(&mut self, bytes: &[u8]) -> Result<bool, TryReserveError>;
}

impl Sink for Buffer {
    fn put(&mut self, bytes: &[u8]) -> Result<bool, TryReserveError> {
        self.extend(bytes)?;
        Ok(true)
    }
}

/// What opening records led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// All whole records were opened; more bytes are needed.
    More,
    /// The bound was reached; whole records may be left.
    Bounded,
    /// The peer's close_notify: nothing follows.
    Closed,
    /// The TLS around this one ended, and this one did not: it may have been cut.
    Cut,
}

/// One TLS connection: state only.
pub(crate) struct Tls {
    rustls: UnbufferedClientConnection,
    /// Ciphertext that must stay with us because its front is retained; else without memory.
    held: Buffer,
    /// Bytes at the front of the ciphertext that rustls has processed and still points into.
    retained: usize,
    closed: bool,
    close_notify_sent: bool,
    failure: Option<Error>,
    /// What is made of a failure before anything of the peer's was TLS.
    first_refusal: fn(&rustls::Error) -> Error,
    /// The TLS that this one is inside of.
    outer: Option<Box<nested::Outer>>,
}

/// A record of application data holds at most that much plaintext (RFC 8446 5.1).
const RECORD_PLAIN: usize = 16 * 1024;

/// What a record adds: header 5, then type and tag 17 (RFC 8446 5.2), or explicit nonce and tag 24 (RFC 5288 3).
const RECORD_OVERHEAD: usize = 32;

const HEADER: usize = 5;

/// rustls takes handshake messages up to 64 KiB. A peer that cuts one into tiny records is stopped here.
const RETAINED_MAX: usize = 128 * 1024;

impl Tls {
    /// `host` is the name to check (an IP literal too), unless the options named another.
    pub(crate) fn new(config: &TlsConfig, options: &TlsOptions, host: &str) -> Result<Tls, Error> {
        let name = options.server_name.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| Error::new(Code::UrlHost, format!("{name}: no certificate can be for such a name")))?;
        let rustls = UnbufferedClientConnection::new(config.0.clone(), server_name).map_err(|e| refusal(&e))?;
        Ok(Tls {
            rustls,
            held: Buffer::new(),
            retained: 0,
            closed: false,
            close_notify_sent: false,
            failure: None,
            first_refusal,
            outer: None,
        })
    }

    /// The same with a proxy.
    pub(crate) fn with_proxy(self) -> Tls {
        Tls { first_refusal: first_refusal_by_proxy, ..self }
    }

    /// Carries on the handshake, or opens records: takes bytes off `cipher`, puts plaintext into `plain` (about
    /// `bound` bytes at the most), and what must be sent behind `out` (handshake messages, alerts, key updates). After
    /// an error `out` may hold the alert that tells the peer.
    pub(crate) fn open(
        &mut self,
        cipher: &mut Buffer,
        plain: &mut dyn Sink,
        bound: usize,
        out: &mut Buffer,
    ) -> Result<Opened, Error> {
        let Some(mut outer) = self.outer.take() else { return self.open_own(cipher, plain, bound, out) };
        let opened = outer.open(self, cipher, plain, bound, out);
        self.outer = Some(outer);
        opened
    }

    /// Seals `plain` behind `out`. What `open` put out before must have been sent before: records keep their order.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Buffer) -> Result<(), Error> {
        let Some(mut outer) = self.outer.take() else { return self.seal_own(plain, out) };
        let sealed = outer.seal(self, plain, out);
        self.outer = Some(outer);
        sealed
    }

    /// Seals close_notify behind `out`, once. During the handshake there is nothing that it would protect.
    pub(crate) fn close_notify(&mut self, out: &mut Buffer) {
        let Some(mut outer) = self.outer.take() else { return self.close_notify_own(out) };
        outer.close_notify(self, out);
        self.outer = Some(outer);
    }

    fn open_own(
        &mut self,
        cipher: &mut Buffer,
        plain: &mut dyn Sink,
        bound: usize,
        out: &mut Buffer,
    ) -> Result<Opened, Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let opened = self.take_over(cipher).and_then(|()| self.open_records(cipher, plain, bound, out));
        if let Err(error) = &opened {
            self.failure = Some(error.clone());
            // Without memory for the alert the peer sees the connection end, which it must survive anyway.
            let _ = self.drain(out);
            return opened;
        }
        if self.retained > 0 {
            std::mem::swap(cipher, &mut self.held);
            self.held.rest();
        }
        opened
    }

    fn seal_own(&mut self, plain: &[u8], out: &mut Buffer) -> Result<(), Error> {
        if plain.is_empty() {
            return Ok(());
        }
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        if self.close_notify_sent || self.is_handshaking() {
            return Err(Error::new(Code::Internal, "TLS was given a message outside of the time for messages"));
        }
        let mut least = plain.len() + plain.len().div_ceil(RECORD_PLAIN) * RECORD_OVERHEAD;
        loop {
            let status = self.rustls.process_tls_records(&mut self.held.filled_mut()[..self.retained]);
            match status.state.map_err(|error| refusal(&error))? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    match traffic.encrypt(plain, out.room(least).map_err(no_memory)?) {
                        Ok(n) => {
                            out.fill(n);
                            return Ok(());
                        }
                        // An answer to a key update goes in front. It is queued by now and comes out by itself.
                        Err(EncryptError::InsufficientSize(need)) => least = need.required_size,
                        Err(EncryptError::EncryptExhausted) => {
                            let detail = "TLS 1.2 allows no more records under the keys of this connection";
                            return Err(Error::new(Code::Tls, detail));
                        }
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                _ => return Err(Error::new(Code::Internal, "TLS is in no state to seal a message")),
            }
        }
    }

    fn close_notify_own(&mut self, out: &mut Buffer) {
        if self.close_notify_sent || self.failure.is_some() || self.is_handshaking() {
            return;
        }
        self.close_notify_sent = true;
        let _ = self.drain(out);
        loop {
            let status = self.rustls.process_tls_records(&mut self.held.filled_mut()[..self.retained]);
            match status.state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    // Without room it stays queued, behind whatever else is.
                    let _ = traffic.queue_close_notify(&mut []);
                    break;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => break,
            }
        }
        let _ = self.drain(out);
    }

    /// Whether the handshake is still under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// `TLSv1.3` or `TLSv1.2`, once known.
    pub(crate) fn version(&self) -> Option<&'static str> {
        match self.state().protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            rustls::ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            _ => None,
        }
    }

    /// The cipher suite's name, once known.
    pub(crate) fn cipher(&self) -> Option<&'static str> {
        self.state().negotiated_cipher_suite()?.suite().as_str()
    }

    fn state(&self) -> &CommonState {
        &self.rustls
    }

    /// Puts what is held in front of the newly read bytes, without copying it.
    fn take_over(&mut self, cipher: &mut Buffer) -> Result<(), Error> {
        if self.retained == 0 {
            return Ok(());
        }
        self.held.extend(cipher.filled()).map_err(no_memory)?;
        cipher.consume(cipher.len());
        std::mem::swap(cipher, &mut self.held);
        self.held.rest();
        Ok(())
    }

    fn open_records(
        &mut self,
        cipher: &mut Buffer,
        plain: &mut dyn Sink,
        bound: usize,
        out: &mut Buffer,
    ) -> Result<Opened, Error> {
        let mut left = bound;
        loop {
            let step = self.step(cipher, plain, &mut left, out)?;
            match step {
                Step::Closed => {
                    // RFC 8446 6.1: "Any data received after a closure alert has been received MUST be ignored."
                    cipher.consume(cipher.len());
                    self.retained = 0;
                    return Ok(Opened::Closed);
                }
                Step::Starved => return Ok(Opened::More),
                Step::Done if left == 0 && cipher.len() > self.retained => return Ok(Opened::Bounded),
                Step::Done => {}
            }
        }
    }

    /// Lets rustls process one more record, to its end. What it holds is taken off `left`, all of it when nothing more may
    /// follow.
    fn step(
        &mut self,
        cipher: &mut Buffer,
        plain: &mut dyn Sink,
        left: &mut usize,
        out: &mut Buffer,
    ) -> Result<Step, Error> {
        if self.closed {
            return Ok(Step::Closed);
        }
        let (mut end, whole) = next_record(cipher.filled(), self.retained);
        loop {
            let words = if self.rustls.protocol_version().is_none() { self.first_refusal } else { refusal };
            let UnbufferedStatus { mut discard, state } =
                self.rustls.process_tls_records(&mut cipher.filled_mut()[..end]);
            let mut step = None;
            match state.map_err(|error| refused(&error, words))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| refusal(&error))?;
                        let may_follow = plain.put(record.payload).map_err(no_memory)?;
                        *left = if may_follow { left.saturating_sub(record.payload.len()) } else { 0 };
                        discard += record.discard;
                    }
                    step = Some(Step::Done);
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.closed = true;
                    step = Some(Step::Closed);
                }
                ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => {
                    step = Some(if whole { Step::Done } else { Step::Starved });
                }
                _ => return Err(Error::new(Code::Internal, "TLS is in a state that was never asked for")),
            }
            cipher.consume(discard);
            end -= discard;
            let Some(step) = step else { continue };
            self.retained = if whole { end } else { self.retained };
            if self.retained > RETAINED_MAX {
                let detail = format!("a TLS handshake message takes more than {RETAINED_MAX} bytes of records");
                return Err(Error::new(Code::Tls, detail));
            }
            return Ok(step);
        }
    }

    /// Fetches what rustls has ready for the peer; the ciphertext is not looked at while there is any.
    fn drain(&mut self, out: &mut Buffer) -> Result<(), Error> {
        while self.state().wants_write() {
            match self.rustls.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out)?,
                _ => break,
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("version", &self.version()).field("cipher", &self.cipher()).finish_non_exhaustive()
    }
}

enum Step {
    /// A record was processed.
    Done,
    /// There is no whole record.
    Starved,
    Closed,
}

/// The end of the record that begins at `start`, and whether it is there whole. Without a whole one all bytes are
/// shown to rustls, which then waits, or sees that this is no TLS.
fn next_record(cipher: &[u8], start: usize) -> (usize, bool) {
    match cipher.get(start..start + HEADER) {
        Some(&[_, _, _, high, low]) => {
            let end = start + HEADER + usize::from(u16::from_be_bytes([high, low]));
            if end <= cipher.len() { (end, true) } else { (cipher.len(), false) }
        }
        _ => (cipher.len(), false),
    }
}

fn encode(
    data: &mut rustls::unbuffered::EncodeTlsData<'_, rustls::client::ClientConnectionData>,
    out: &mut Buffer,
) -> Result<(), Error> {
    let mut least = 1024;
    loop {
        match data.encode(out.room(least).map_err(no_memory)?) {
            Ok(n) => {
                out.fill(n);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => least = required_size,
            Err(EncodeError::AlreadyEncoded) => return Ok(()),
        }
    }
}

fn no_memory(_: std::collections::TryReserveError) -> Error {
    Error::new(Code::LimitMemory, "there is not enough memory for TLS records")
}
