//! Certificates: until when one holds, the one thing read of it, as X.509 (RFC 5280, 4.1) puts it in DER; and the server's own.

use super::finding::Finding;
use crate::{
    http::{
        config::Config,
        tls::{self, Tls},
    },
    model::time::Time,
};

/// Days that a certificate still holds: who renews by itself has done so by then.
const FEW_DAYS: i64 = 14;

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

/// Whether it holds for a while yet.
pub(super) fn holds(check: &'static str, der: &[u8], now: Time) -> Finding {
    let Some(end) = valid_until(der) else {
        return Finding::ok(check, "a certificate without an end");
    };
    let days = (end.0 - now.0).div_euclid(Time::DAY);
    let holds = format!("the certificate holds for {days} more days, until {end}");
    if days < FEW_DAYS {
        Finding::warn(
            check,
            holds,
            "renew it, and see why that did not happen by itself",
        )
    } else {
        Finding::ok(check, holds)
    }
}

/// The files that the settings name, if they do.
pub(super) fn own(config: &Config, now: Time) -> Option<Finding> {
    let files = || -> Result<_, tls::TlsError> {
        match Tls::load(config)? {
            Some(_) => Ok(tls::certificates(&config.tls_cert)?.into_iter().next()),
            None => Ok(None),
        }
    };
    match files() {
        Ok(certificate) => Some(holds("certificate", &certificate?, now)),
        Err(error) => Some(Finding::fail(
            "certificate",
            error.to_string(),
            "a server that starts with these settings ends at once; one that runs keeps what it read before",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::{super::finding::Level, *};
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

    #[test]
    fn the_servers_own_is_looked_at_where_there_is_one() {
        let settings = crate::config::load::load(None, std::iter::empty(), &[]).unwrap();
        let mut config = settings.http;
        assert!(own(&config, Time(0)).is_none());
        let folder = tempfile::tempdir().unwrap();
        config.tls_cert = folder.path().join("cert.pem");
        config.tls_key = folder.path().join("key.pem");
        let found = own(&config, Time(0)).unwrap();
        assert_eq!(found.level, Level::Fail);
        assert!(found.found.contains("cert.pem"), "{found:?}");
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2049, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        std::fs::write(&config.tls_cert, made.pem()).unwrap();
        std::fs::write(&config.tls_key, key.serialize_pem()).unwrap();
        assert_eq!(own(&config, Time(0)).unwrap().level, Level::Ok);
        let end = valid_until(made.der()).unwrap();
        let late = end.plus(-3 * Time::DAY);
        assert_eq!(own(&config, late).unwrap().level, Level::Warn);
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
