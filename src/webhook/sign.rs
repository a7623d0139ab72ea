//! What a message's headers say: whose it is, when it was sent, and the proof that it is ours.
//!
//! Standard Webhooks (<https://www.standardwebhooks.com>, symmetric signatures), and beside it what the service that this one replaces sends.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::secret::Secret;

/// A message's id: the signal's.
pub const ID: &str = "webhook-id";
/// When this attempt was made, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// One signature for each live secret, `v1,` before it and a space between two.
pub const SIGNATURE: &str = "webhook-signature";
/// `sha256=` and hexadecimal digits.
pub const SIGMATE_SIGNATURE: &str = "x-sigmate-signature";
/// The same by the secret that was rotated out, as long as it counts.
pub const SIGMATE_PREVIOUS: &str = "x-sigmate-signature-previous";
/// What happened.
pub const SIGMATE_EVENT: &str = "x-sigmate-event";
/// That a signal fired.
pub const SIGNAL_FIRED: &str = "signal.fired";

fn mac(key: &[u8], parts: &[&[u8]]) -> impl AsRef<[u8]> + use<> {
    // proof: HMAC takes keys of any length
    #[expect(clippy::expect_used, reason = "see above")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes()
}

/// The value of `webhook-signature`: of `<id>.<timestamp>.<body>` by each of the secrets that count, the newest first.
#[must_use]
pub fn standard(secrets: &[&Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let head = format!("{id}.{timestamp}.");
    let signed = secrets.iter().map(|secret| {
        let mac = mac(&secret.bytes(), &[head.as_bytes(), body]);
        format!("v1,{}", STANDARD.encode(mac))
    });
    signed.collect::<Vec<_>>().join(" ")
}

/// The value of `X-Sigmate-Signature`: of the body, keyed with the secret's text as it was shown.
#[must_use]
pub fn sigmate(secret: &Secret, body: &[u8]) -> String {
    let mac = mac(secret.reveal().as_bytes(), &[body]);
    let mut text = "sha256=".to_owned();
    for byte in mac.as_ref() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(first: u8) -> Secret {
        Secret::generate(|bytes| bytes.fill(first))
    }

    #[test]
    fn each_live_secret_signs() {
        let (new, old) = (secret(1), secret(2));
        let alone = |secret| standard(&[secret], "m", 5, b"{}");
        assert_eq!(
            standard(&[&new, &old], "m", 5, b"{}"),
            format!("{} {}", alone(&new), alone(&old))
        );
        assert_ne!(alone(&new), alone(&old));
    }

    #[test]
    fn everything_that_is_said_is_signed() {
        let secret = secret(1);
        let of = |id, at, body: &[u8]| standard(&[&secret], id, at, body);
        let right = of("m", 5, b"{}");
        assert!(right.starts_with("v1,"));
        for other in [of("n", 5, b"{}"), of("m", 6, b"{}"), of("m", 5, b"{ }")] {
            assert_ne!(right, other);
        }
    }
}
