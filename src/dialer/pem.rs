//! Certificates and keys out of PEM (RFC 7468), and what to say when there are none.

use rustls_pki_types::pem::{Error, PemObject, SectionKind};

/// The certificates, DER, in order; other sections are passed over. What is wrong comes as a sentence.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for (number, (kind, der)) in sections(pem)?.into_iter().enumerate() {
        if kind != SectionKind::Certificate {
            continue;
        }
        if !is_sequence(&der) {
            return Err(format!("section {} of the PEM is a certificate without DER in it", number + 1));
        }
        found.push(der);
    }
    if found.is_empty() { Err(nothing_found(pem, "certificate", "CERTIFICATE")) } else { Ok(found) }
}

/// Whether there is a certificate, sound or not.
pub(super) fn has_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// The sections of kinds that are known, in order.
pub(super) fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    if pem.trim_ascii().is_empty() {
        return Err("the PEM is empty".to_owned());
    }
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).enumerate();
    sections
        .map(|(at, section)| section.map_err(|cause| format!("section {} of the PEM {}", at + 1, describe(&cause))))
        .collect()
}

fn describe(cause: &Error) -> String {
    match cause {
        Error::MissingSectionEnd { .. } => "has no end".to_owned(),
        Error::IllegalSectionStart { .. } => "begins with a malformed line".to_owned(),
        Error::Base64Decode(_) => "is not base64".to_owned(),
        other => format!("cannot be read: {other:?}"),
    }
}

/// One DER SEQUENCE and nothing else, as every certificate is; the rest is checked where it is used.
fn is_sequence(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else { return false };
    if *first < 0x80 {
        return rest.len() == usize::from(*first);
    }
    let digits = usize::from(first & 0x7f);
    if !(1..=4).contains(&digits) || rest.len() < digits {
        return false;
    }
    let (length, content) = rest.split_at(digits);
    length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)) == content.len()
}

/// What to say of PEM without a certificate, or a private key; `label` is what its first line says.
pub(super) fn nothing_found(pem: &[u8], what: &str, label: &str) -> String {
    let text = String::from_utf8_lossy(pem);
    let begins = text.split(['\r', '\n']).filter_map(|line| line.strip_prefix("-----BEGIN "));
    let mut labels: Vec<&str> = begins.filter_map(|line| line.trim_end().strip_suffix("-----")).collect();
    labels.dedup();
    labels.truncate(4);
    if !labels.is_empty() {
        let labels = super::quoted(labels.join(", ").as_bytes());
        return format!("the PEM has no {what}, what was found is {labels}");
    }
    if is_sequence(pem) {
        return format!("this is DER, a {what} is wanted as PEM (-----BEGIN {label}-----)");
    }
    format!("the PEM has no {what}, there is no line -----BEGIN {label}-----")
}
