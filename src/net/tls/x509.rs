//! A look into a certificate (RFC 5280 4.1): what sentences about it need, and what webpki does not tell. Nothing is
//! trusted because of it, and what cannot be read is `None`.

/// The parts of a certificate, DER, without their own tags and lengths.
pub(super) struct Certificate<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    key: &'a [u8],
    extensions: Option<&'a [u8]>,
}

const BIT_STRING: u8 = 3;
const INTEGER: u8 = 2;
const OID: u8 = 6;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// 2.5.4.3, 2.5.4.10, 2.5.4.11: common name, organization, its unit; the first that is there names somebody.
const NAMES: [&[u8]; 3] = [&[0x55, 4, 3], &[0x55, 4, 10], &[0x55, 4, 11]];

/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// 2.5.29.37
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

/// 1.3.6.1.5.5.7.3.1
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

impl<'a> Certificate<'a> {
    pub(super) fn read(mut der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut whole = expect(&mut der, SEQUENCE)?;
        let mut body = expect(&mut whole, SEQUENCE)?;
        if body.first() == Some(&VERSION) {
            element(&mut body)?;
        }
        let (_serial, _algorithm) = (expect(&mut body, INTEGER)?, expect(&mut body, SEQUENCE)?);
        let issuer = expect(&mut body, SEQUENCE)?;
        let _validity = expect(&mut body, SEQUENCE)?;
        let (subject, key) = (expect(&mut body, SEQUENCE)?, expect(&mut body, SEQUENCE)?);
        let mut extensions = None;
        while let Some((tag, mut content)) = element(&mut body) {
            if tag == EXTENSIONS {
                extensions = Some(expect(&mut content, SEQUENCE)?);
            }
        }
        Some(Certificate { issuer, subject, key, extensions })
    }

    /// Who signed it.
    pub(super) fn issuer(&self) -> Option<String> {
        name(self.issuer)
    }

    /// Who it is for, in words that no host is compared with.
    pub(super) fn subject(&self) -> Option<String> {
        name(self.subject)
    }

    pub(super) fn is_issued_by(&self, other: &Certificate<'_>) -> bool {
        self.issuer == other.subject
    }

    /// The size of its RSA key, `None` for a key of another kind.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        let mut key = self.key;
        let mut algorithm = expect(&mut key, SEQUENCE)?;
        if expect(&mut algorithm, OID)? != RSA {
            return None;
        }
        let (_unused_bits, mut inner) = expect(&mut key, BIT_STRING)?.split_first()?;
        let modulus = expect(&mut expect(&mut inner, SEQUENCE)?, INTEGER)?;
        let first = modulus.iter().position(|&byte| byte != 0)?;
        let digits = &modulus[first..];
        Some(8 * digits.len() - digits[0].leading_zeros() as usize)
    }

    /// RFC 5280 4.2.1.12: without the extension it is for everything.
    pub(super) fn is_for_servers(&self) -> bool {
        match self.extended_key_usage() {
            None => true,
            Some(mut purposes) => {
                std::iter::from_fn(|| element(&mut purposes)).any(|purpose| purpose == (OID, SERVER_AUTH))
            }
        }
    }

    /// The list of purposes; empty when it cannot be read, which is for nothing.
    fn extended_key_usage(&self) -> Option<&'a [u8]> {
        let mut extensions = self.extensions?;
        while let Some((_, mut extension)) = element(&mut extensions) {
            if expect(&mut extension, OID) == Some(EXTENDED_KEY_USAGE) {
                // A boolean may stand between: whether it is critical.
                let value = std::iter::from_fn(|| element(&mut extension)).last();
                return Some(value.and_then(|(_, mut value)| expect(&mut value, SEQUENCE)).unwrap_or_default());
            }
        }
        None
    }
}

fn name(mut sets: &[u8]) -> Option<String> {
    let mut found: [Option<&[u8]>; NAMES.len()] = [None; NAMES.len()];
    while let Some((SET, mut set)) = element(&mut sets) {
        while let Some((SEQUENCE, mut pair)) = element(&mut set) {
            let (kind, (_, text)) = (expect(&mut pair, OID)?, element(&mut pair)?);
            if let Some(at) = NAMES.iter().position(|name| *name == kind) {
                found[at] = Some(text);
            }
        }
    }
    found.into_iter().flatten().next().map(crate::error::quoted)
}

/// The content of the next element, which must have that tag.
fn expect<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    element(der).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Tag and content of the next element (X.690 8.1), which is taken off.
fn element<'a>(der: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let [tag, first, rest @ ..] = *der else { return None };
    let (length, rest) = match usize::from(*first) {
        short @ ..0x80 => (short, rest),
        long => {
            let (digits, rest) =
                rest.split_at_checked(long - 0x80).filter(|(digits, _)| (1..=3).contains(&digits.len()))?;
            (digits.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
    };
    let (content, behind) = rest.split_at_checked(length)?;
    *der = behind;
    Some((*tag, content))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_purposes_and_keys_are_read() {
        let der = made(|params| params.distinguished_name.push(DnType::OrganizationName, "Örg"));
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.subject().unwrap(), r#""\xc3\x96rg""#);
        assert!(read.is_issued_by(&read) && read.is_for_servers() && read.rsa_bits().is_none());
        let der = made(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "org");
            params.distinguished_name.push(DnType::CommonName, "name");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.issuer().unwrap(), r#""name""#);
        assert!(!read.is_for_servers());
        let both = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let der = made(|params| params.extended_key_usages = both);
        let read = Certificate::read(&der).unwrap();
        assert!(read.is_for_servers() && read.subject().is_none());
    }

    #[test]
    fn no_cut_and_no_changed_byte_is_a_panic() {
        let der = made(|params| {
            params.distinguished_name.push(DnType::CommonName, "name");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        let look = |der: &[u8]| {
            let Some(read) = Certificate::read(der) else { return };
            let _ = (read.issuer(), read.subject(), read.rsa_bits(), read.is_for_servers());
        };
        for at in 0..der.len() {
            look(&der[..at]);
            for value in [0, 1, 0x30, 0x7f, 0x80, 0x81, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                look(&changed);
            }
        }
    }
}
