//! The trip from a connected stream to the first frame: TLS to a proxy, the exchange with it, TLS, then the upgrade
//! exchange (RFC 6455 4.1), in one go or call by call. It reads and writes by the same roads as messages do.

use super::sync::Ordering;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Outcome, Rx, Spent};
use super::fill::{End, Filled};
use crate::dialer::cookies::CookieJar;
use crate::error::{Code, Error, Phase, Rejection};
use crate::net::connect::broken_off;
use crate::net::tls::Tls;
use crate::protocol::handshake::{Handshake, Progress};
use crate::protocol::http::Head;
use crate::protocol::tunnel::{self, Tunnel};
use crate::transcript::{Answer, Certificate, Failed, Hop, TlsFacts, Tries, microseconds};
use crate::wait::{Over, Patience, Wait, now};

/// How long a handshake may take that is carried on by calls that never wait.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(45);

/// What lies between a connected stream and the first frame, leg by leg.
pub(super) struct Trip {
    /// The legs to and through a proxy, when there is one.
    pub(super) passage: Option<Passage>,
    /// TLS with the server.
    pub(super) tls: Option<Tls>,
    /// The upgrade exchange.
    pub(super) exchange: Handshake,
    /// Who is told the cookies of its answer, and from which address.
    pub(super) cookies: Option<(Arc<dyn CookieJar>, String)>,
    /// How the stream was found; `None`: the caller brought it.
    pub(super) tries: Option<Tries>,
    /// Whom the server's certificate is checked for; `None`: it is not.
    pub(super) verified_for: Option<String>,
}

/// The legs to and through a proxy.
pub(super) struct Passage {
    /// TLS with the proxy.
    pub(super) tls: Option<Tls>,
    /// The exchange with it.
    pub(super) tunnel: Tunnel,
}

impl Trip {
    /// Without a proxy.
    #[cfg(all(test, feature = "model"))]
    pub(super) fn direct(tls: Option<Tls>, exchange: Handshake) -> Trip {
        Trip { passage: None, tls, exchange, cookies: None, tries: None, verified_for: None }
    }

    /// Whether frames will travel in TLS, be it only as far as the proxy.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some() || self.passage.as_ref().is_some_and(|passage| passage.tls.is_some())
    }
}

/// A trip that is under way.
pub(super) struct Opening {
    /// The exchange with the proxy, until the tunnel is there, and the TLS that begins behind it.
    tunnel: Option<Box<Tunnelling>>,
    exchange: Handshake,
    /// The upgrade request is in `tx` or gone.
    requested: bool,
    /// There is TLS with the server itself.
    end_to_end: bool,
    by: Option<Instant>,
    /// Who is told the cookies of the answer, and from which address.
    cookies: Option<(Arc<dyn CookieJar>, String)>,
    /// What happens, for the transcript and the times.
    hop: Hop,
    /// The leg that is under way, and since when.
    leg: (Phase, Instant),
    verified_for: Option<String>,
    /// A connection that opens keeps the transcript too.
    keeps_hop: bool,
}

struct Tunnelling {
    tunnel: Tunnel,
    tls: Option<Box<Tls>>,
}

impl Opening {
    /// The state of a trip that begins, and the TLS that the stream begins with.
    pub(super) fn new(trip: Trip, keeps_hop: bool) -> (Opening, Option<Box<Tls>>) {
        let (end_to_end, tls) = (trip.tls.is_some(), trip.tls.map(Box::new));
        let (tunnel, tls) = match trip.passage {
            Some(passage) => (Some(Box::new(Tunnelling { tunnel: passage.tunnel, tls })), passage.tls.map(Box::new)),
            None => (None, tls),
        };
        let begun = now();
        let Trip { exchange, cookies, tries, verified_for, .. } = trip;
        let mut hop = Hop { is_brought: tries.is_none(), tries: tries.unwrap_or_default(), ..Hop::default() };
        (hop.times.resolve, hop.times.connect) = (hop.tries.resolve, hop.tries.connect);
        let opening = Opening {
            tunnel,
            exchange,
            requested: false,
            end_to_end,
            by: Some(begun + OPEN_LIMIT),
            cookies,
            hop,
            leg: (Phase::None, begun),
            verified_for,
            keeps_hop,
        };
        (opening, tls)
    }

    /// Writes down how long the leg before took.
    fn turn_to(&mut self, phase: Phase) {
        let (before, since) = self.leg;
        if phase == before {
            return;
        }
        let at = if before == Phase::None { since } else { now() };
        let took = microseconds(at.saturating_duration_since(since));
        let times = &mut self.hop.times;
        match before {
            Phase::Proxy => times.proxy = times.proxy.saturating_add(took),
            Phase::Tls => times.tls = times.tls.saturating_add(took),
            Phase::Handshake | Phase::Body => times.handshake = times.handshake.saturating_add(took),
            _ => {}
        }
        self.leg = (phase, at);
    }

    /// The leg that it is on.
    fn phase(&self, is_shaking: bool) -> Phase {
        match (&self.tunnel, is_shaking) {
            (Some(_), _) => Phase::Proxy,
            (None, true) => Phase::Tls,
            (None, false) if self.exchange.awaits_body() => Phase::Body,
            (None, false) => Phase::Handshake,
        }
    }

    /// What is to be sent now, each part once.
    fn request(&mut self) -> Option<Cow<'_, [u8]>> {
        if let Some(proxy) = &mut self.tunnel {
            let request = proxy.tunnel.request();
            if let (Tunnel::Connect(_), Some(request)) = (&proxy.tunnel, &request) {
                self.hop.asked_proxy.extend_from_slice(request);
            }
            return request.map(Cow::Owned);
        }
        let is_first = !std::mem::replace(&mut self.requested, true);
        is_first.then(|| Cow::Borrowed(self.exchange.request()))
    }

    /// The rejection that has come, when the rest of its body is awaited no longer.
    fn give_up(&mut self) -> Option<Error> {
        match &mut self.tunnel {
            Some(proxy) => proxy.tunnel.give_up(),
            // The "no" is worth more than the time that its body took.
            None => self.exchange.give_up().map(|rejection| rejection.in_phase(Phase::Body)),
        }
    }

    /// The connection has ended under it.
    fn eof(&mut self, is_shaking: bool) -> Error {
        match (&mut self.tunnel, is_shaking) {
            (Some(_), true) => Error::new(Code::ProxyEof, "the proxy ended the connection during the TLS handshake"),
            (Some(proxy), false) => proxy.tunnel.eof(),
            (None, true) => Error::new(Code::HandshakeEof, "the server ended the connection during the TLS handshake"),
            (None, false) => self.exchange.eof(),
        }
    }

    /// When it is awaited no longer, if ever.
    pub(super) fn by(&self) -> Option<Instant> {
        self.by
    }
}

impl Connection {
    /// Carries on the opening handshake: `Done` once the connection is open, `Again` from a call that would not wait. A
    /// failure, the end of the time among them, is final.
    pub fn handshake(&self, wait: Wait) -> Result<Outcome, Error> {
        let answer = self.call_any(wait, |patience| {
            if self.is_open() {
                return Ok(Outcome::Done);
            }
            let mut rx = match self.enter_rx(patience)? {
                Ok(rx) => rx,
                Err(over) => return Ok(over.into()),
            };
            self.rx_waits.store(patience.wait != Wait::Never, Ordering::Relaxed);
            if wait == Wait::Forever
                && self.stream.is_memory()
                && let Some(opening) = &mut rx.opening
            {
                // Whoever moves the bytes limits the wait for them.
                opening.by = None;
            }
            let cookies = rx.opening.as_ref().and_then(|opening| opening.cookies.clone());
            let answer = self.open(&mut rx, patience);
            let is_over = rx.opening.is_none();
            // Who only sends from here on would hold it for ever.
            rx.rest();
            self.leave_rx(rx);
            if let Some((jar, url)) = cookies
                && is_over
            {
                self.store_cookies(&*jar, &url, &answer);
            }
            answer
        })?;
        let code = match answer {
            Outcome::Cancelled => Code::Cancelled,
            Outcome::Interrupted => Code::Interrupted,
            Outcome::Timeout => Code::Timeout,
            _ => return Ok(answer),
        };
        // The call came to nothing: a token was fired before it began, or another call does the work.
        let sentence = format!("{} before this call could carry the handshake on", code.text());
        Err(self.about_us(Error::new(code, sentence).in_phase(Phase::Handshake)))
    }

    /// Tells the cookies of the server's answer, whatever it was (RFC 6265 5.2); nothing is locked.
    fn store_cookies(&self, jar: &dyn CookieJar, url: &str, answer: &Result<Outcome, Error>) {
        let headers = match answer {
            Ok(_) => self.headers(),
            Err(error) => match error.rejection() {
                // Who sends a 101 that fails a check is perhaps not the server that the cookies are for.
                Some(answer) if error.phase() != Phase::Proxy && answer.status != 101 => &answer.headers,
                _ => return,
            },
        };
        headers.all("set-cookie").for_each(|cookie| jar.store(url, cookie));
    }

    /// Whether the opening handshake is through.
    pub fn is_open(&self) -> bool {
        self.agreed.get().is_some()
    }

    pub(super) fn open(&self, rx: &mut Rx, patience: Patience<'_>) -> Result<Outcome, Error> {
        rx.spent = Spent::default();
        loop {
            if let Some(over) = &rx.over {
                return over.clone();
            }
            if rx.opening.is_none() {
                return Ok(Outcome::Done);
            }
            if let Some(answer) = self.open_step(rx, patience) {
                let Err(error) = answer else { return answer };
                let error = match rx.opening.take() {
                    Some(opening) => self.tell(*opening, error),
                    None => error,
                };
                rx.over = Some(Err(error.clone()));
                rx.told = true;
                return Err(error);
            }
        }
    }

    /// One read and what it leads to; `None` to go on.
    fn open_step(&self, rx: &mut Rx, patience: Patience<'_>) -> Option<Result<Outcome, Error>> {
        let is_shaking = self.secure && self.link.lock().tls.as_ref().is_some_and(|tls| tls.is_handshaking());
        let opening = rx.opening.as_mut()?;
        if !is_shaking
            && opening.tunnel.is_none()
            && !opening.requested
            && opening.end_to_end
            && let Some(tls) = &self.link.lock().tls
        {
            let facts = (tls.version().unwrap_or_default(), tls.cipher().unwrap_or_default());
            let _ = self.tls_facts.set(Box::new(facts));
        }
        let phase = opening.phase(is_shaking);
        opening.turn_to(phase);
        if !is_shaking
            && let Some(request) = opening.request()
            && let Err(error) = self.put_request(&request)
        {
            return Some(Err(self.fail(error, phase)));
        }
        // Over memory the bytes are here before anybody reads.
        if !rx.plain.is_empty() {
            return self.feed(rx);
        }
        match self.fill(rx, patience) {
            Filled::Some(_) => self.feed(rx),
            Filled::Impatient(over) => self.open_impatient(rx, over, phase),
            Filled::End(end) => {
                // What came before the end may be a whole answer still.
                let error = match self.feed(rx) {
                    Some(answer) => return Some(answer),
                    None => self.open_end(rx, end, is_shaking),
                };
                Some(Err(self.fail(error, phase)))
            }
        }
    }

    fn feed(&self, rx: &mut Rx) -> Option<Result<Outcome, Error>> {
        let opening = rx.opening.as_mut()?;
        if rx.plain.is_empty() {
            return None;
        }
        if opening.tunnel.is_some() {
            let fed = self.feed_tunnel(rx);
            return fed.map_err(|error| self.fail(error, Phase::Proxy)).err().map(Err);
        }
        let fed = opening.exchange.feed(rx.plain.filled());
        rx.plain.consume(rx.plain.len());
        match fed {
            Ok(Progress::More) => None,
            Ok(Progress::Done { agreed, rest }) => {
                if rx.plain.extend(&rest).is_err() {
                    let error = Error::new(Code::LimitMemory, "there is no memory for what came behind the answer");
                    return Some(Err(self.fail(error, Phase::Handshake)));
                }
                if let Some((deflate, _)) = agreed.deflate.as_deref() {
                    rx.decoder.inflate(!deflate.server_no_context_takeover);
                }
                if let Some(opening) = rx.opening.take() {
                    self.opened(*opening);
                }
                let _ = self.agreed.set(agreed);
                self.start_keepalive();
                Some(Ok(Outcome::Done))
            }
            Err(error) => Some(Err(self.fail(error, Phase::Handshake))),
        }
    }

    /// Keeps what is worth it of a handshake that is through.
    fn opened(&self, mut opening: Opening) {
        opening.turn_to(Phase::None);
        let _ = self.times.set(opening.hop.times);
        if opening.keeps_hop {
            let tls = self.tls_of(&opening, true);
            self.keep_hop(self.hop_of(opening, None, tls));
        }
    }

    /// Puts the way to it into the error of a handshake that failed.
    fn tell(&self, mut opening: Opening, error: Error) -> Error {
        opening.turn_to(Phase::None);
        let tls = self.tls_of(&opening, error.phase() != Phase::Tls);
        let error = if error.redirects().is_empty() { error.with_redirects(self.redirects().to_vec()) } else { error };
        error.with_hops(|error| {
            let hop = Arc::new(self.hop_of(opening, Some(error), tls));
            [self.hops_before(), &[hop]].concat()
        })
    }

    fn tls_of(&self, opening: &Opening, is_through: bool) -> Option<TlsFacts> {
        if !opening.end_to_end || opening.tunnel.is_some() {
            return None;
        }
        let link = self.link.lock();
        let tls = link.tls.as_ref()?;
        let (version, cipher) = (tls.version()?, tls.cipher()?);
        let certificate = match &opening.verified_for {
            _ if !is_through => Certificate::Open,
            Some(name) => Certificate::VerifiedFor(name.clone()),
            None => Certificate::Unchecked,
        };
        Some(TlsFacts { version, cipher, certificate })
    }

    fn hop_of(&self, opening: Opening, error: Option<&Error>, tls: Option<TlsFacts>) -> Hop {
        let Opening { mut exchange, mut hop, requested, .. } = opening;
        let told = exchange.take_told();
        let rejection = error.and_then(Error::rejection).cloned();
        hop.url = self.url().to_owned();
        hop.via = self.via().map(str::to_owned);
        hop.tls = tls;
        if requested {
            hop.request = exchange.request().to_vec();
        }
        hop.skipped = told.skipped;
        hop.rubbish = told.rubbish;
        hop.answer = match (rejection, told.head) {
            (Some(Rejection { status, reason, headers, body }), _) => Some(Answer { status, reason, headers, body }),
            (None, Some(Head { status, reason, headers, .. })) => {
                Some(Answer { status, reason, headers, body: Vec::new() })
            }
            (None, None) => None,
        };
        hop.failed = error.map(failed);
        hop
    }

    /// Gives what came to the exchange with the proxy. Once the tunnel is there, what comes is the server's, and TLS with
    /// the server begins if there is to be any: inside of the proxy's, if it has one.
    fn feed_tunnel(&self, rx: &mut Rx) -> Result<(), Error> {
        let Rx { opening: Some(opening), plain, cipher, in_clear, .. } = rx else { return Ok(()) };
        let Some(proxy) = &mut opening.tunnel else { return Ok(()) };
        let fed = proxy.tunnel.feed(plain.filled());
        plain.consume(plain.len());
        let tunnel::Progress::Done { rest } = fed? else { return Ok(()) };
        let tls = proxy.tls.take();
        opening.tunnel = None;
        let Some(tls) = tls else {
            return plain.extend(&rest).map_err(|_| no_memory());
        };
        let mut link = self.link.lock();
        link.tls = Some(match link.tls.take() {
            Some(outer) => Box::new(tls.inside(*outer, &rest)?),
            None => {
                *in_clear = false;
                cipher.extend(&rest).map_err(|_| no_memory())?;
                tls
            }
        });
        Ok(())
    }

    fn open_impatient(&self, rx: &mut Rx, over: Over, phase: Phase) -> Option<Result<Outcome, Error>> {
        let opening = rx.opening.as_mut()?;
        if over == Over::Never && opening.by.is_none_or(|by| by > now()) {
            return Some(Ok(Outcome::Again));
        }
        let who = if phase == Phase::Proxy { "proxy" } else { "server" };
        let error = match over {
            Over::Cancelled | Over::Interrupted => broken_off(Some(over), &format!("waiting for the {who}'s answer")),
            Over::Never | Over::Time => opening
                .give_up()
                .unwrap_or_else(|| Error::new(Code::Timeout, format!("the time ran out before the {who} answered"))),
        };
        Some(Err(self.fail(error, phase)))
    }

    fn open_end(&self, rx: &mut Rx, end: End, is_shaking: bool) -> Error {
        let Some(opening) = rx.opening.as_mut() else {
            return Error::new(Code::Internal, "there is no handshake under way");
        };
        // A "no" that has come is worth more than how its body ended.
        if let Some(rejection) = opening.give_up() {
            return rejection;
        }
        match end {
            End::Eof | End::Truncated => opening.eof(is_shaking),
            End::Broken(cause) => Error::from_io(Code::Io, "the connection was lost", &cause),
            End::Failed(error) => error,
        }
    }
}

/// An error as the transcript tells it.
pub(super) fn failed(error: &Error) -> Failed {
    let check = match error.code() {
        _ if error.phase() == Phase::Proxy => None,
        Code::HandshakeHead | Code::HandshakeVersion | Code::LimitHead | Code::LimitFields => Some(0),
        Code::Rejected => Some(1),
        Code::HandshakeUpgrade => Some(2),
        Code::HandshakeConnection => Some(3),
        Code::HandshakeAccept => Some(4),
        Code::HandshakeExtension => Some(5),
        Code::HandshakeSubprotocol | Code::HandshakeNoSubprotocol => Some(6),
        _ => None,
    };
    let phase = if error.phase() == Phase::None { "" } else { error.phase().name() };
    Failed { phase, sentence: error.detail().to_owned(), check }
}

fn no_memory() -> Error {
    Error::new(Code::LimitMemory, "there is no memory for what came behind the proxy's answer")
}
