//! When a message is sent again, and when an endpoint is given up: pure arithmetic, the moments are arguments.

use std::time::Duration;

use crate::model::time::Time;

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Seconds between one attempt and the next. After the last, the message is failed.
const WAITS: [u64; 11] = [
    SECOND,
    5 * SECOND,
    MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];
/// Attempts at one message.
pub const ATTEMPTS: u32 = WAITS.len() as u32 + 1;
/// Of a wait, at most so much is added, so that what failed together does not come back together.
const JITTER: f64 = 0.2;
/// No longer is done what a `Retry-After` says.
pub const LONGEST_ASKED: Duration = Duration::from_secs(HOUR);

/// How long to wait after so many attempts, the first one included; `None` after the last. `chance`: 0 to 1. `asked`: what a `Retry-After` said:
/// it makes the wait longer, never shorter, or a message would be failed within moments by who asks for one second each time.
#[must_use]
pub fn wait(attempts: u32, chance: f64, asked: Option<Duration>) -> Option<Duration> {
    let at = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let wait = Duration::from_secs(*WAITS.get(at)?);
    let wait = wait.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0));
    Some(asked.map_or(wait, |asked| wait.max(asked.min(LONGEST_ASKED))))
}

/// For so long an endpoint has failed, ...
pub const GIVE_UP_AFTER: i64 = 5 * 24 * 3_600 * Time::SECOND;
/// ... with so many messages, before it is disabled.
pub const GIVE_UP_MESSAGES: i64 = 20;

/// Whether an endpoint is disabled that has failed since a moment with so many messages, and took none.
#[must_use]
pub fn is_given_up(failing_since: Time, messages: i64, now: Time) -> bool {
    messages >= GIVE_UP_MESSAGES && now.0.saturating_sub(failing_since.0) >= GIVE_UP_AFTER
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_message_is_tried_for_three_days_and_a_half() {
        let waits: Vec<u64> = (1..)
            .map_while(|attempts| wait(attempts, 0.0, None))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(
            waits,
            [
                1, 5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400
            ]
        );
        assert_eq!(waits.len() as u32 + 1, ATTEMPTS);
        assert_eq!(wait(0, 0.0, None), None, "nothing was tried yet");
    }

    #[test]
    fn who_asks_for_time_gets_up_to_an_hour() {
        assert_eq!(wait(1, 0.0, Some(seconds(90))), Some(seconds(90)));
        assert_eq!(wait(1, 0.0, Some(seconds(9_999))), Some(seconds(3_600)));
        assert_eq!(wait(4, 0.0, Some(seconds(1))), Some(seconds(300)));
        assert_eq!(wait(ATTEMPTS, 0.0, Some(seconds(1))), None);
    }

    #[test]
    fn an_endpoint_is_given_up_after_days_and_messages() {
        let begun = Time(1_776_936_000_000_000);
        let after = |micros: i64, messages| is_given_up(begun, messages, Time(begun.0 + micros));
        assert!(after(GIVE_UP_AFTER, 20));
        assert!(!after(GIVE_UP_AFTER - 1, 1_000));
        assert!(!after(10 * GIVE_UP_AFTER, 19));
    }

    proptest! {
        #[test]
        fn chance_adds_a_fifth_at_most(attempts in 1..ATTEMPTS, chance in -1.0..2.0_f64) {
            let least = wait(attempts, 0.0, None).unwrap();
            let waits = wait(attempts, chance, None).unwrap();
            prop_assert!(least <= waits && waits <= least.mul_f64(1.2));
        }
    }
}
