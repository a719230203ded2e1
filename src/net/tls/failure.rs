//! What rustls refuses, in this library's codes and in sentences that a person can act on.
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error as Cause, InvalidMessage, PeerMisbehaved};

use crate::error::{Code, Error};

/// The failure that `cause` is when nothing of the peer's was TLS yet: what a server without TLS answers to a
/// ClientHello, HTTP most of all, begins with no record's type.
pub(super) fn first_refusal(cause: &Cause) -> Error {
    match cause {
        Cause::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Error::new(Code::Tls, "the peer's bytes are not TLS (should the address be ws?)")
        }
        cause => refusal(cause),
    }
}

/// The same where the peer is a proxy: then it is the proxy's address that says TLS, whatever the server's does.
pub(super) fn first_refusal_by_proxy(cause: &Cause) -> Error {
    match cause {
        Cause::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Error::new(Code::Tls, "the proxy's bytes are not TLS (should the proxy's address begin with http://?)")
        }
        cause => refusal(cause),
    }
}

/// The failure that `cause` is.
pub(super) fn refusal(cause: &Cause) -> Error {
    match cause {
        Cause::InvalidCertificate(why) => certificate(why),
        Cause::NoCertificatesPresented => Error::new(Code::TlsCertificate, "the peer presented no certificate"),
        Cause::InvalidCertRevocationList(why) => {
            Error::new(Code::TlsCertificate, format!("a certificate revocation list is unusable: {why:?}"))
        }
        Cause::AlertReceived(alert) => received(*alert),
        Cause::PeerIncompatible(why) => {
            Error::new(Code::TlsIncompatible, format!("the peer and we have nothing in common: {}", words(why)))
        }
        Cause::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => Error::new(
            Code::TlsIncompatible,
            "the peer chose another protocol than http/1.1, the only one offered (ALPN)",
        ),
        Cause::NoApplicationProtocol => Error::new(Code::TlsIncompatible, "the peer does not speak http/1.1"),
        // RFC 8446 4.4.3: the handshake's own signature, made with another key than the certificate's.
        Cause::PeerMisbehaved(
            why @ (PeerMisbehaved::SignedKxWithWrongAlgorithm
            | PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme),
        ) => Error::new(Code::TlsBadSignature, format!("the handshake's signature is unusable: {}", words(why))),
        Cause::PeerMisbehaved(why) => Error::new(Code::Tls, format!("the peer broke the rules: {}", words(why))),
        Cause::InvalidMessage(why) => Error::new(Code::Tls, format!("the peer's bytes are not TLS: {}", words(why))),
        Cause::DecryptError => Error::new(Code::Tls, "a record of the peer's was changed on its way"),
        other => Error::new(Code::Tls, other.to_string()),
    }
}

fn certificate(why: &CertificateError) -> Error {
    match why {
        CertificateError::ExpiredContext { time, not_after } => {
            let (end, now) = (date(*not_after), date(*time));
            Error::new(Code::TlsExpired, format!("certificate expired on {end} (not after; it is {now})"))
        }
        CertificateError::Expired => {
            // With a date it has a context.
            Error::new(Code::TlsExpired, "certificate ends before it begins: its dates contradict each other")
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (begin, now) = (date(*not_before), date(*time));
            let detail = format!("certificate is not valid before {begin} (it is {now}: is the clock right?)");
            Error::new(Code::TlsNotYetValid, detail)
        }
        CertificateError::NotValidYet => Error::new(Code::TlsNotYetValid, "certificate is not valid yet"),
        CertificateError::NotValidForNameContext { expected, presented } => wrong_host(expected, presented),
        CertificateError::NotValidForName => Error::new(Code::TlsWrongHost, "certificate is for another name"),
        CertificateError::UnknownIssuer => Error::new(
            Code::TlsUnknownIssuer,
            "certificate leads to no trusted root (self-signed, an unknown authority, or an intermediate is missing)",
        ),
        CertificateError::BadSignature => {
            Error::new(Code::TlsBadSignature, "a signature in the certificate chain or the handshake is wrong")
        }
        CertificateError::Revoked => Error::new(Code::TlsRevoked, "certificate was revoked"),
        CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id: id, .. } => {
            Error::new(Code::TlsUnsupported, format!("certificate is signed {}", algorithm(id)))
        }
        CertificateError::UnhandledCriticalExtension => {
            Error::new(Code::TlsUnsupported, "certificate has a critical extension that is not supported")
        }
        CertificateError::BadEncoding => Error::new(Code::TlsCertificate, "certificate cannot be read"),
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            Error::new(Code::TlsCertificate, "certificate is not for servers (extended key usage)")
        }
        CertificateError::Other(other) => certificate_other(&other.to_string()),
        other => Error::new(Code::TlsCertificate, format!("certificate is not acceptable: {other}")),
    }
}

/// What an algorithm's identifier (RFC 5280 4.1.1.2) is called, where it is a likely one.
fn algorithm(id: &[u8]) -> &'static str {
    // The numbers below 1.2.840.113549.1.1, and ecdsa-with-SHA1.
    const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    let has = |oid: &[u8]| id.windows(oid.len()).any(|window| window == oid);
    if has(ECDSA_SHA1) || has(&[PKCS1, &[5]].concat()) {
        "with SHA-1, which is broken and not supported"
    } else if has(&[PKCS1, &[4]].concat()) || has(&[PKCS1, &[2]].concat()) {
        "with MD5 or MD2, which are broken and not supported"
    } else {
        "by an algorithm, or with a kind of key, that is not supported"
    }
}

/// rustls passes what it has no name for as its certificate library's own words.
fn certificate_other(text: &str) -> Error {
    match text {
        "CaUsedAsEndEntity" => Error::new(
            Code::TlsCertificate,
            "certificate is an authority's (CA:TRUE), not a server's; an authority must issue one for the server",
        ),
        "UnsupportedCertVersion" => {
            Error::new(Code::TlsUnsupported, "certificate is older than X.509 version 3, which has no host names")
        }
        text if text.starts_with("Unsupported") => {
            Error::new(Code::TlsUnsupported, format!("certificate uses what is not supported: {}", spaced(text)))
        }
        text => Error::new(Code::TlsCertificate, format!("certificate is not acceptable: {}", spaced(text))),
    }
}

fn wrong_host(expected: &ServerName<'static>, presented: &[String]) -> Error {
    const SHOWN: usize = 8;
    let names: Vec<String> = presented.iter().take(SHOWN).map(|name| plain_name(name)).collect();
    let more = presented.len().saturating_sub(SHOWN);
    let of_many = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
    let expected = expected.to_str();
    Error::new(Code::TlsWrongHost, format!("certificate is not for {expected} but for {names}{of_many}"))
}

/// rustls writes `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}

fn received(alert: AlertDescription) -> Error {
    let name = alert.as_str().map(spaced).unwrap_or_else(|| format!("number {}", u8::from(alert)));
    let hint = match alert {
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => {
            return Error::new(Code::TlsIncompatible, format!("the peer finds nothing in common: alert {name}"));
        }
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            " (it asks for a client certificate)"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => " (about the client certificate, or because there is none)",
        AlertDescription::UnrecognisedName => " (it serves no host of this name)",
        _ => "",
    };
    Error::new(Code::TlsAlert, format!("the peer sent the alert {name}{hint}"))
}

fn words(value: &impl std::fmt::Debug) -> String {
    spaced(&format!("{value:?}"))
}

/// `ServerTlsVersionIsDisabled` as `server tls version is disabled`.
fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            text.push(' ');
        }
        after_small = letter.is_ascii_lowercase();
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// `2026-01-02 03:04:05 UTC`, by the proleptic Gregorian calendar.
fn date(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Years are counted from March, so that the leap day is the last; 719 468 days lie between 0000-03-01 and 1970.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_767_323_045, "2026-01-02 03:04:05 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), text);
        }
    }

    #[test]
    fn each_refusal_has_its_code_and_a_sentence() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let host = ServerName::try_from("api.example").unwrap();
        let names = vec!["DnsName(\"www.example\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()];
        for (why, code, text) in [
            (
                CertificateError::ExpiredContext { time: at(1_767_323_045), not_after: at(951_782_400) },
                Code::TlsExpired,
                "certificate expired on 2000-02-29 00:00:00 UTC (not after; it is 2026-01-02 03:04:05 UTC)",
            ),
            (
                CertificateError::NotValidForNameContext { expected: host.clone(), presented: names },
                Code::TlsWrongHost,
                "certificate is not for api.example but for www.example, 127.0.0.1",
            ),
            (
                CertificateError::NotValidForNameContext { expected: host, presented: Vec::new() },
                Code::TlsWrongHost,
                "certificate is not for api.example but for no name at all",
            ),
            (CertificateError::Revoked, Code::TlsRevoked, "certificate was revoked"),
        ] {
            let error = refusal(&Cause::InvalidCertificate(why));
            assert_eq!((error.code(), &error.to_string()[..]), (code, text));
        }
        let error = refusal(&Cause::AlertReceived(AlertDescription::CertificateRequired));
        assert_eq!(error.code(), Code::TlsAlert);
        assert_eq!(
            error.to_string(),
            "the peer sent the alert certificate required (it asks for a client certificate)"
        );
        let error = refusal(&Cause::AlertReceived(AlertDescription::ProtocolVersion));
        assert_eq!(error.code(), Code::TlsIncompatible);
    }
}
