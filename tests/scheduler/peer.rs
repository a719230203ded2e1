//! The server's side of a session: one thread writes in portions of its own, down to a byte, one reads likewise and notes
//! the frames. Over TLS a third carries the bytes between the two of them and the wire.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use crate::puff::Puff;
use crate::raw::{agree_to, read_head};
use crate::session::{Deflates, Frame, Random, Step};

#[derive(Default)]
struct Log {
    frames: Mutex<Vec<Frame>>,
    more: Condvar,
}

/// A server for one session; ends with the frames that came.
pub(crate) fn serve(
    stream: UnixStream,
    steps: Vec<Step>,
    deflates: Option<Deflates>,
    mut random: Random,
) -> JoinHandle<Vec<Frame>> {
    thread::spawn(move || {
        let mut stream = stream;
        let head = read_head(&mut stream);
        agree_to(&mut stream, &head, &deflates.as_ref().map_or(String::new(), Deflates::field));
        let log = Arc::new(Log::default());
        let reader = {
            let (stream, log, random) = (stream.try_clone().unwrap(), Arc::clone(&log), random.clone());
            let keeps_context = deflates.map(|deflates| deflates.client_context);
            thread::spawn(move || read(stream, &log, keeps_context, random))
        };
        for step in steps {
            match step {
                Step::Send(bytes) => write(&mut stream, &bytes, &mut random),
                Step::Await(count) => {
                    let frames = log.frames.lock().unwrap();
                    drop(log.more.wait_while(frames, |frames| frames.len() < count).unwrap());
                }
                Step::Finish => stream.shutdown(Shutdown::Write).unwrap_or(()),
            }
        }
        reader.join().unwrap();
        std::mem::take(&mut *log.frames.lock().unwrap())
    })
}

fn write(stream: &mut UnixStream, mut bytes: &[u8], random: &mut Random) {
    let at_once = if random.one_in(2) { bytes.len() } else { 1 + random.below(1 + bytes.len() / 50) };
    while !bytes.is_empty() {
        let portion = bytes.len().min(1 + random.below(at_once.max(1)));
        if stream.write_all(&bytes[..portion]).is_err() {
            return;
        }
        bytes = &bytes[portion..];
        if random.one_in(8) {
            thread::yield_now();
        }
    }
}

/// `keeps_context` where the client may compress.
fn read(mut stream: UnixStream, log: &Log, keeps_context: Option<bool>, mut random: Random) {
    let (mut bytes, mut portion) = (Vec::new(), [0; 4096]);
    let (mut begun, mut puff): (Option<Frame>, _) = (None, Puff::default());
    loop {
        let most = if random.one_in(3) { 1 + random.below(20) } else { portion.len() };
        match stream.read(&mut portion[..most]) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&portion[..n]),
            _ => return,
        }
        while let Some((len, frame)) = whole(&bytes) {
            bytes.drain(..len);
            let Some(mut frame) = joined(&mut begun, frame) else { continue };
            if frame.0 & 0x40 != 0 {
                if !keeps_context.expect("compression was agreed") {
                    puff.forget();
                }
                frame = (frame.0 & !0x40, puff.message(&frame.1).expect("what was compressed"));
            }
            log.frames.lock().unwrap().push(frame);
            log.more.notify_all();
        }
    }
}

/// A message in fragments counts as the one frame that it could have been; control frames may come between.
fn joined(begun: &mut Option<Frame>, (head, payload): Frame) -> Option<Frame> {
    if head & 0x08 != 0 {
        return Some((head, payload));
    }
    match begun {
        Some((first, all)) => {
            assert_eq!(head & 0x7f, 0, "a message inside a fragmented one");
            *first |= head & 0x80;
            all.extend(payload);
        }
        None => *begun = Some((head, payload)),
    }
    begun.take_if(|(head, _)| *head & 0x80 != 0)
}

/// The first frame when it is whole, and its length. A client's frames are masked (RFC 6455 5.3).
fn whole(bytes: &[u8]) -> Option<(usize, Frame)> {
    let (&head, &second) = (bytes.first()?, bytes.get(1)?);
    assert!(second & 0x80 != 0, "an unmasked frame");
    let (at, len) = match second & 0x7f {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()) as usize),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize),
        short => (2, usize::from(short)),
    };
    let key = bytes.get(at..at + 4)?;
    let payload = bytes.get(at + 4..at + 4 + len)?;
    Some((at + 4 + len, (head, payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect())))
}

/// The certificate to trust, and the server's part of it.
pub(crate) fn identity() -> &'static (String, Arc<ServerConfig>) {
    static MADE: OnceLock<(String, Arc<ServerConfig>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (made.cert.pem(), Arc::new(config))
    })
}

/// TLS on `wire`, in the clear on the stream that is returned. The thread ends when both sides have.
pub(crate) fn tls(wire: UnixStream) -> UnixStream {
    let (clear, ours) = UnixStream::pair().unwrap();
    thread::spawn(move || carry(&wire, &clear));
    ours
}

fn carry(mut wire: &UnixStream, mut clear: &UnixStream) {
    wire.set_nonblocking(true).unwrap();
    clear.set_nonblocking(true).unwrap();
    let mut tls = ServerConnection::new(Arc::clone(&identity().1)).unwrap();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (mut wire_ended, mut clear_ended) = (false, false);
    loop {
        if !wire_ended && up.is_empty() {
            wire_ended = match tls.read_tls(&mut wire) {
                Ok(n) => n == 0,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            };
            let state = tls.process_new_packets();
            wire_ended |= state.is_err();
            let mut portion = [0; 16 * 1024];
            while let Ok(n @ 1..) = tls.reader().read(&mut portion) {
                up.extend_from_slice(&portion[..n]);
            }
        }
        if let Ok(n) = clear.write(&up) {
            up.drain(..n);
        }
        if wire_ended && up.is_empty() {
            let _ = clear.shutdown(Shutdown::Write);
        }
        if !clear_ended && down.is_empty() && !tls.is_handshaking() {
            let mut portion = [0; 3000];
            match clear.read(&mut portion) {
                Ok(0) => {
                    clear_ended = true;
                    tls.send_close_notify();
                }
                Ok(n) => tls.writer().write_all(&portion[..n]).unwrap(),
                Err(_) => {}
            }
        }
        while tls.wants_write() {
            tls.write_tls(&mut down).unwrap();
        }
        match wire.write(&down) {
            Ok(n) => drop(down.drain(..n)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => down.clear(),
        }
        if clear_ended && down.is_empty() {
            let _ = wire.shutdown(Shutdown::Write);
        }
        if clear_ended && wire_ended && up.is_empty() && down.is_empty() {
            return;
        }
        wait([
            (wire, !wire_ended && up.is_empty(), !down.is_empty()),
            (clear, !clear_ended && down.is_empty() && !tls.is_handshaking(), !up.is_empty()),
        ]);
    }
}

/// poll(2) until one of them is ready in one of its directions.
fn wait<const N: usize>(wanted: [(&UnixStream, bool, bool); N]) {
    let mut watches = wanted.map(|(stream, read, write)| libc::pollfd {
        fd: if read || write { stream.as_raw_fd() } else { -1 },
        events: if read { libc::POLLIN } else { 0 } | if write { libc::POLLOUT } else { 0 },
        revents: 0,
    });
    // SAFETY: the array is writable for its length.
    unsafe { libc::poll(watches.as_mut_ptr(), N as libc::nfds_t, 100) };
}
