//! The text: plain, at most 100 columns, nothing secret in it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::secrets::Secrets;
use super::{Answer, Attempt, CHECKS, Certificate, Hop, Tried};

/// The widest line.
const WIDTH: usize = 100;

/// So many lines of a rejection's body are shown.
const BODY_LINES: usize = 12;

/// All hops, one below the other.
pub(super) fn all(hops: &[Arc<Hop>]) -> String {
    let mut text = String::new();
    let secrets = super::secrets_of(hops);
    for (n, hop) in hops.iter().enumerate() {
        if n > 0 {
            text.push_str("\n\n");
        }
        if hops.len() > 1 {
            // Where it was led to is what a server said.
            let url = if n > 0 { printable(&secrets.hide(hop.url.as_bytes())) } else { hop.url.clone() };
            line(&mut text, &format!("[{}/{}] {url}", n + 1, hops.len()));
        } else {
            line(&mut text, &hop.url);
        }
        phases(&mut text, hop, &secrets);
        if !hop.asked_proxy.is_empty() {
            text.push('\n');
            request(&mut text, &hop.asked_proxy, &secrets);
        }
        if !hop.request.is_empty() {
            text.push('\n');
            request(&mut text, &hop.request, &secrets);
        }
        answer(&mut text, hop, &secrets);
        checks(&mut text, hop, &secrets);
        verdict(&mut text, hop, &secrets);
    }
    text
}

/// The phases with their times.
fn phases(text: &mut String, hop: &Hop, secrets: &Secrets) {
    let (tries, times) = (&hop.tries, &hop.times);
    text.push('\n');
    if hop.is_brought {
        phase(text, "connect", 0, "the caller brought the connection");
    } else if tries.addresses > 0 || times.resolve > 0 {
        let many = if tries.addresses == 1 { "" } else { "es" };
        phase(text, "resolve", times.resolve, &format!("{} address{many}", tries.addresses));
    }
    for (n, tried) in tries.tried.iter().enumerate() {
        let (name, time) = if n == 0 { ("connect", times.connect) } else { ("", 0) };
        phase(text, name, time, &attempt(tried));
    }
    if tries.tried.is_empty() && times.connect > 0 {
        phase(text, "connect", times.connect, hop.via.as_deref().unwrap_or("a unix socket"));
    }
    if let Some(via) = &hop.via {
        phase(text, "proxy", times.proxy, via);
    }
    if let Some(tls) = &hop.tls {
        phase(text, "TLS", times.tls, &format!("{}, {}", tls.version, tls.cipher));
        match &tls.certificate {
            Certificate::VerifiedFor(name) => phase(text, "", 0, &format!("certificate verified for {name}")),
            Certificate::Unchecked => phase(text, "", 0, "certificate NOT VERIFIED"),
            Certificate::Open => {}
        }
    } else if times.tls > 0 {
        phase(text, "TLS", times.tls, "");
    }
    if times.handshake > 0 {
        let told =
            |answer: &Answer| format!("{} {}", answer.status, printable(&secrets.line(answer.reason.as_bytes())));
        let what = match (&hop.answer, hop.skipped.len()) {
            (Some(answer), 0) => told(answer),
            (Some(answer), n) => format!("{}, behind {n} interim", told(answer)),
            (None, _) => String::new(),
        };
        phase(text, "upgrade", times.handshake, &what);
    }
    let sum = [times.resolve, times.connect, times.proxy, times.tls, times.handshake];
    let sum = sum.iter().fold(0, |sum: u32, time| sum.saturating_add(*time));
    phase(text, "in all", sum, "");
}

fn phase(text: &mut String, name: &str, time: u32, what: &str) {
    let time = if time == 0 { String::new() } else { duration(time) };
    line(text, &format!("  {name:<9}{time:>10}   {what}"));
}

fn attempt(tried: &Tried) -> String {
    let address = tried.address.to_string();
    let outcome = match &tried.outcome {
        Attempt::Connected => "connected".to_owned(),
        Attempt::Failed(why) => why.clone(),
        Attempt::Silent => "no answer".to_owned(),
    };
    let begun = if tried.after < 1000 { String::new() } else { format!(", begun after {}", duration(tried.after)) };
    format!("{address:<24} {outcome} in {}{begun}", duration(tried.took))
}

/// `1.23 ms`: three digits that count.
fn duration(us: u32) -> String {
    let (value, unit) = match us {
        ..1000 => return format!("{us} us"),
        1000..1_000_000 => (f64::from(us) / 1e3, "ms"),
        _ => (f64::from(us) / 1e6, "s"),
    };
    match value {
        ..10.0 => format!("{value:.2} {unit}"),
        ..100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

fn request(text: &mut String, bytes: &[u8], secrets: &Secrets) {
    for (n, one) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let one = one.strip_suffix(b"\r").unwrap_or(one);
        if one.is_empty() {
            break;
        }
        let colon = one.iter().position(|&byte| byte == b':').filter(|_| n > 0);
        let shown = match colon {
            Some(at) => field(&String::from_utf8_lossy(&one[..at]), one[at + 1..].trim_ascii(), secrets),
            None => printable(one),
        };
        line(text, &format!("  > {shown}"));
    }
}

fn answer(text: &mut String, hop: &Hop, secrets: &Secrets) {
    for status in &hop.skipped {
        line(text, &format!("\n  < HTTP/1.1 {status}, interim, skipped"));
    }
    if let Some(answer) = &hop.answer {
        line(text, &format!("\n  < HTTP/1.1 {} {}", answer.status, printable(&secrets.line(answer.reason.as_bytes()))));
        for (name, value) in answer.headers.iter() {
            line(text, &format!("  < {}", field(name, value, secrets)));
        }
        body(text, &answer.body, secrets);
    } else if !hop.rubbish.is_empty() {
        text.push('\n');
        body(text, &hop.rubbish, secrets);
    }
}

fn body(text: &mut String, bytes: &[u8], secrets: &Secrets) {
    if bytes.is_empty() {
        return;
    }
    text.push_str("  <\n");
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut lines = bytes.split(|&byte| byte == b'\n');
    for one in lines.by_ref().take(BODY_LINES) {
        line(text, &format!("  < {}", printable(&secrets.line(one.strip_suffix(b"\r").unwrap_or(one)))));
    }
    let more = lines.count();
    if more > 0 {
        line(text, &format!("  < ({more} lines more)"));
    }
}

/// Each check with its verdict and the section that commands it.
fn checks(text: &mut String, hop: &Hop, secrets: &Secrets) {
    let failed_at = match &hop.failed {
        None => CHECKS.len(),
        Some(failed) => match failed.check {
            Some(check) => check,
            // Nothing was checked, or it is no answer of the server's.
            None => return,
        },
    };
    text.push('\n');
    for (n, (what, section)) in CHECKS.iter().enumerate() {
        let verdict = match n.cmp(&failed_at) {
            std::cmp::Ordering::Less => "ok",
            std::cmp::Ordering::Equal => "FAILED",
            std::cmp::Ordering::Greater => "-",
        };
        let seen = if n <= failed_at { seen(hop, n, secrets) } else { String::new() };
        line(text, &format!("  {verdict:<6}  {what:<34} {section:<15} {seen}"));
    }
}

/// What the answer says where a check looks.
fn seen(hop: &Hop, check: usize, secrets: &Secrets) -> String {
    let Some(answer) = &hop.answer else { return String::new() };
    let name = match check {
        1 => return answer.status.to_string(),
        2 => "upgrade",
        3 => "connection",
        5 => "sec-websocket-extensions",
        6 => "sec-websocket-protocol",
        _ => return String::new(),
    };
    let values: Vec<&[u8]> = answer.headers.all(name).collect();
    if values.is_empty() { "none".to_owned() } else { printable(&secrets.line(&values.join(&b", "[..]))) }
}

fn verdict(text: &mut String, hop: &Hop, secrets: &Secrets) {
    text.push('\n');
    match &hop.failed {
        None => line(text, "  open"),
        Some(failed) => {
            let reason = hop.answer.as_ref().map_or("", |answer| &answer.reason);
            let sentence = secrets.hide_quoted(&failed.sentence, reason);
            let sentence = if failed.phase.is_empty() { sentence } else { format!("{}: {sentence}", failed.phase) };
            wrapped(text, &sentence);
        }
    }
    // The text ends without a line's end of its own; who prints it adds one.
    text.truncate(text.trim_end().len());
}

/// A sentence over as many lines as it takes.
fn wrapped(text: &mut String, sentence: &str) {
    let mut current = String::from(" ");
    for word in sentence.split(' ') {
        if current.len() > 1 && current.chars().count() + 1 + word.chars().count() > WIDTH {
            line(text, &current);
            current = String::from(" ");
        }
        current.push(' ');
        current.push_str(word);
    }
    line(text, &current);
}

/// A header field, its value masked when it is a secret.
fn field(name: &str, value: &[u8], secrets: &Secrets) -> String {
    format!("{name}: {}", printable(&secrets.field(name, value)))
}

fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            b'\t' => text.push(' '),
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    text
}

/// A line, cut where it is too wide to be read, and said so.
fn line(text: &mut String, content: &str) {
    let content = content.trim_end_matches(' ');
    let count = content.chars().count();
    if count <= WIDTH {
        text.push_str(content);
    } else {
        let more = format!(" ... ({count} characters)");
        text.extend(content.chars().take(WIDTH - more.len()));
        text.push_str(&more);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests;
