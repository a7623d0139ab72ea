//! The headers of a message: whose it is, when it is sent, and signed by each secret that counts then.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::{
    attempt::SEQ,
    secret::{Seal, Secret, Unsealable},
    sign,
};
use crate::{gate::endpoint::Compat, model::time::Time, store::hooks::Hook};

/// What signs an endpoint's messages.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The one that it has.
    pub now: Secret,
    /// The one before, and until when it signs as well.
    pub before: Option<(Secret, Time)>,
}

impl Secrets {
    /// Opens those of an endpoint.
    pub fn open(seal: &Seal, hook: &Hook) -> Result<Self, Unsealable> {
        let open = |sealed: &str| seal.open(sealed, &hook.id);
        let before = hook.old_secret.as_ref();
        let before = before.map(|(sealed, until)| Ok((open(sealed)?, *until)));
        Ok(Secrets {
            now: open(&hook.secret)?,
            before: before.transpose()?,
        })
    }
}

/// What a message is, beside its body.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// Its id.
    pub id: &'a str,
    /// The signal's seq; `None`: it is a test.
    pub seq: Option<i64>,
    /// What happened, for those who are sent that service's headers as well.
    pub event: &'static str,
    /// When it is sent.
    pub at: Time,
}

/// The headers that go with a body.
#[must_use]
pub fn headers(
    secrets: &Secrets,
    compat: Option<Compat>,
    label: Label<'_>,
    body: &[u8],
) -> HeaderMap {
    let before = secrets.before.as_ref();
    let before = before
        .filter(|(_, until)| label.at < *until)
        .map(|(secret, _)| secret);
    let live: Vec<&Secret> = std::iter::once(&secrets.now).chain(before).collect();
    let at = label.at.0.div_euclid(Time::SECOND);
    let mut headers = HeaderMap::new();
    // proof: ids are UUIDs, numbers and base64: no header refuses these letters
    let mut put = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put(sign::ID, label.id.to_owned());
    put(sign::TIMESTAMP, at.to_string());
    put(sign::SIGNATURE, sign::standard(&live, label.id, at, body));
    if compat == Some(Compat::Sigmate) {
        put(sign::SIGMATE_EVENT, label.event.to_owned());
        put(sign::SIGMATE_SIGNATURE, sign::sigmate(&secrets.now, body));
        if let Some(before) = before {
            put(sign::SIGMATE_PREVIOUS, sign::sigmate(before, body));
        }
    }
    if let Some(seq) = label.seq {
        headers.insert(SEQ, seq.into());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(first: u8) -> Secret {
        Secret::generate(|bytes| bytes.fill(first))
    }

    #[test]
    fn the_secret_before_signs_until_its_time_is_over() {
        let secrets = Secrets {
            now: secret(1),
            before: Some((secret(2), Time(9_000_000))),
        };
        let at = |micros, compat| {
            let label = Label {
                id: "m",
                seq: Some(7),
                event: sign::SIGNAL_FIRED,
                at: Time(micros),
            };
            headers(&secrets, compat, label, b"{}")
        };
        let both = sign::standard(&[&secret(1), &secret(2)], "m", 8, b"{}");
        let one = sign::standard(&[&secret(1)], "m", 9, b"{}");
        let sigmate = Some(Compat::Sigmate);
        let (early, late) = (at(8_999_999, sigmate), at(9_000_000, sigmate));
        assert_eq!(early[sign::SIGNATURE], *both);
        assert_eq!(late[sign::SIGNATURE], *one);
        assert_eq!(
            (&early[sign::ID], &early[sign::TIMESTAMP]),
            (&"m".parse().unwrap(), &8.into())
        );
        assert_eq!(early[SEQ], "7");
        assert_eq!(early[sign::SIGMATE_EVENT], sign::SIGNAL_FIRED);
        assert_eq!(
            early[sign::SIGMATE_PREVIOUS],
            *sign::sigmate(&secret(2), b"{}")
        );
        assert!(!late.contains_key(sign::SIGMATE_PREVIOUS));
        let plain = at(8_999_999, None);
        assert!(
            !plain.contains_key(sign::SIGMATE_SIGNATURE)
                && !plain.contains_key(sign::SIGMATE_EVENT)
        );
    }
}
