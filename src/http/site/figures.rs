//! Numbers, times and bars as people read them.

use maud::{Markup, html};

use crate::model::time::Time;

/// A moment: exact to machines and on hovering, and how long ago it was, which the page's script keeps true.
#[must_use]
pub fn moment(at: Time) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) title=(text) data-ago { (minute(&text)) } }
}

/// The same of a moment that is text already.
#[must_use]
pub fn moment_text(at: &str) -> Markup {
    html! { time datetime=(at) title=(at) data-ago { (minute(at)) } }
}

/// `2026-04-20 18:32`: of an ISO 8601 text.
fn minute(text: &str) -> String {
    text.get(..16).unwrap_or(text).replacen('T', " ", 1)
}

/// Thousands apart: `1 234 567`, with narrow spaces that no line is broken at.
#[must_use]
pub fn whole(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    if number < 0 {
        text.push('\u{2212}');
    }
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// So many of a kind: `1 stream`, `2 streams`.
#[must_use]
pub fn counted(number: i64, one: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{} {one}{many}", whole(number))
}

/// An amount in few figures: `1.2 M`, `340 k`, `4 925`.
#[must_use]
pub fn rough(amount: f64) -> String {
    if amount.abs() >= BEYOND {
        return few(amount);
    }
    let size = amount.abs();
    let sign = if amount < 0.0 && size >= 0.5 {
        "\u{2212}"
    } else {
        ""
    };
    if size < 9_999.5 {
        // proof: four digits at most
        return format!("{sign}{}", whole(size.round() as i64));
    }
    // what would be rounded to a thousand of a unit is one of the next
    let units = [("k", 1e3), ("M", 1e6), ("B", 1e9)];
    let found = units.into_iter().find(|(_, unit)| size / unit < 999.5);
    let (name, unit) = found.unwrap_or(("T", 1e12));
    let value = size / unit;
    let digits = usize::from(value < 99.95);
    format!("{sign}{value:.digits$}\u{202f}{name}")
}

/// The same in dollars: `−$340 k`.
#[must_use]
pub fn dollars(amount: f64) -> String {
    let text = rough(amount);
    match text.strip_prefix('\u{2212}') {
        Some(size) => format!("\u{2212}${size}"),
        None => format!("${text}"),
    }
}

/// A share as per cent: `0.123` is `12.3 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let text = format!("{}\u{202f}%", tenths(share * 100.0));
    text.replacen('-', "\u{2212}", 1)
}

/// What nobody reads digit by digit; another publisher may say anything.
const BEYOND: f64 = 1e15;

/// With one decimal.
#[must_use]
pub fn tenths(number: f64) -> String {
    match number.abs() < BEYOND {
        true => format!("{number:.1}"),
        false => few(number),
    }
}

/// As it is; what is all zeroes by its power of ten.
#[must_use]
pub fn few(number: f64) -> String {
    match number == 0.0 || (1e-15..BEYOND).contains(&number.abs()) {
        true => number.to_string(),
        false => format!("{number:.1e}"),
    }
}

/// A bar of `value` out of `most`, which stands beside its figure and says nothing more.
#[must_use]
pub fn bar(value: f64, most: f64) -> Markup {
    let share = if most > 0.0 {
        (value.abs() / most).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let width = format!("{:.1}%", share * 100.0);
    html! {
        svg.bar aria-hidden="true" width="100%" height="8" {
            rect.track width="100%" height="8" rx="4" {}
            rect.fill.negative[value < 0.0] width=(width) height="8" rx="4" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!(whole(0), "0");
        assert_eq!(whole(999), "999");
        assert_eq!(whole(-1_234_567), "\u{2212}1\u{202f}234\u{202f}567");
        assert_eq!(
            whole(i64::MIN).chars().filter(char::is_ascii_digit).count(),
            19
        );
        assert_eq!(rough(1_234_567.0), "1.2\u{202f}M");
        assert_eq!(rough(-340_000.0), "\u{2212}340\u{202f}k");
        assert_eq!(rough(12.0), "12");
        assert_eq!(rough(-4_925.2), "\u{2212}4\u{202f}925");
        assert_eq!(rough(9_999.6), "10.0\u{202f}k");
        assert_eq!(rough(999_950.0), "1.0\u{202f}M", "not a thousand thousands");
        assert_eq!(rough(99_960.0), "100\u{202f}k");
        assert_eq!(rough(2.5e14), "250\u{202f}T");
        assert_eq!(rough(-0.2), "0");
        assert_eq!(dollars(-340_000.0), "\u{2212}$340\u{202f}k");
        assert_eq!(dollars(5.0), "$5");
        assert_eq!(
            (counted(1, "key"), counted(0, "key")),
            ("1 key".to_owned(), "0 keys".to_owned())
        );
        assert_eq!(percent(-0.1234), "\u{2212}12.3\u{202f}%");
        assert_eq!(
            (tenths(94.06), tenths(1e300)),
            ("94.1".into(), "1.0e300".into())
        );
        assert_eq!(
            (rough(1e300), percent(1e300)),
            ("1.0e300".into(), "1.0e302\u{202f}%".into())
        );
        assert_eq!(
            (few(0.0000012), few(1e-300), few(0.0)),
            ("0.0000012".into(), "1.0e-300".into(), "0".into())
        );
    }

    #[test]
    fn a_moment_is_exact_and_readable() {
        let text = moment_text("2026-04-20T18:32:11.123Z").into_string();
        assert!(
            text.contains("datetime=\"2026-04-20T18:32:11.123Z\""),
            "{text}"
        );
        assert!(text.contains(">2026-04-20 18:32<"), "{text}");
    }

    #[test]
    fn a_bar_stays_within_its_track() {
        for (value, width) in [
            (5.0, "50.0%"),
            (50.0, "100.0%"),
            (-5.0, "50.0%"),
            (0.0, "0.0%"),
        ] {
            assert!(bar(value, 10.0).into_string().contains(width), "{value}");
        }
        assert!(bar(1.0, 0.0).into_string().contains("0.0%"));
    }
}
