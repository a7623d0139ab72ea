//! Until when a certificate holds: the one thing read of it, as X.509 (RFC 5280, 4.1) puts it in DER.

use crate::model::time::Time;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The value of the first element, if it has this tag, and what follows it.
fn element(der: &[u8], tag: Option<u8>) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    if tag.is_some_and(|tag| tag != first) {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        // the length of the length; four bytes are more than any certificate has
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The end of its validity; `None` where it is not what it should be.
pub(super) fn valid_until(der: &[u8]) -> Option<Time> {
    let (certificate, _) = element(der, Some(SEQUENCE))?;
    let (mut body, _) = element(certificate, Some(SEQUENCE))?;
    if body.first() == Some(&VERSION) {
        body = element(body, None)?.1;
    }
    // serial number, signature algorithm, issuer
    for _ in 0..3 {
        body = element(body, None)?.1;
    }
    let (validity, _) = element(body, Some(SEQUENCE))?;
    let (_, end) = element(validity, None)?;
    let (year, rest) = match *end.first()? {
        UTC_TIME => {
            let text = std::str::from_utf8(element(end, None)?.0).ok()?;
            let (year, rest) = text.split_at_checked(2)?;
            // two digits: from 1950 to 2049
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        GENERALIZED_TIME => {
            let text = std::str::from_utf8(element(end, None)?.0).ok()?;
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2);
    let iso = format!(
        "{year}-{}-{}T{}:{}:{}{}",
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?,
        part(8)?,
        rest.get(10..)?
    );
    Time::parse_iso(&iso).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;

    fn until(year: i32) -> Option<String> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        valid_until(certificate.der()).map(|time| time.to_string())
    }

    #[test]
    fn the_end_is_read_in_both_spellings() {
        for year in [2027, 2049, 2051, 2199] {
            let end = until(year).unwrap();
            assert!(end.starts_with(&format!("{year}-02-03T00:00:00")), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes: Vec<u8>, at in 0_usize..400, to: u8) {
            static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
                let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
                let key = rcgen::KeyPair::generate().unwrap();
                params.self_signed(&key).unwrap().der().to_vec()
            });
            let _ = valid_until(&bytes);
            let mut der = CERTIFICATE.clone();
            let at = at % der.len();
            der[at] = to;
            let _ = valid_until(&der);
            let _ = valid_until(&der[..at]);
        }
    }
}
