//! Certificates out of PEM (RFC 7468), and what to say when there are none.

use rustls_pki_types::pem::{Error, PemObject, SectionKind};

/// The certificates, DER, in order; other sections are passed over. What is wrong comes as a sentence.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if pem.trim_ascii().is_empty() {
        return Err("the PEM is empty".to_owned());
    }
    let mut found = Vec::new();
    for (number, section) in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).enumerate() {
        let (kind, der) = section.map_err(|cause| format!("section {} of the PEM {}", number + 1, describe(&cause)))?;
        if kind != SectionKind::Certificate {
            continue;
        }
        if !is_sequence(&der) {
            return Err(format!("section {} of the PEM is a certificate without DER in it", number + 1));
        }
        found.push(der);
    }
    if found.is_empty() { Err(nothing_found(pem)) } else { Ok(found) }
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

fn nothing_found(pem: &[u8]) -> String {
    let text = String::from_utf8_lossy(pem);
    let begins = text.split(['\r', '\n']).filter_map(|line| line.strip_prefix("-----BEGIN "));
    let mut labels: Vec<&str> = begins.filter_map(|line| line.trim_end().strip_suffix("-----")).collect();
    labels.dedup();
    labels.truncate(4);
    if !labels.is_empty() {
        let labels = super::quoted(labels.join(", ").as_bytes());
        return format!("the PEM has no certificate, what was found is {labels}");
    }
    if is_sequence(pem) {
        return "this is DER, certificates are wanted as PEM (-----BEGIN CERTIFICATE-----)".to_owned();
    }
    "the PEM has no certificate, there is no line -----BEGIN CERTIFICATE-----".to_owned()
}
