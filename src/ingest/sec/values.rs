//! The values in ownership documents: decimals, days, flags, numbers of companies and filings, tickers, texts.

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time as Clock},
    tz::TimeZone,
};
use rust_decimal::Decimal;

use super::rejection::excerpt;
use crate::model::time::Time;

/// No shares, price or sum reaches this, so that any two of them can be multiplied as decimals.
const MAX_AMOUNT: u64 = 100_000_000_000_000;

/// EDGAR's clock. Its rules changed in 2007, so that they are looked up and not written here.
static EASTERN: LazyLock<TimeZone> = LazyLock::new(|| {
    // jiff's feature `tzdb-bundle-always` builds the zones in, and this is one of them; a test holds it to that.
    TimeZone::get("America/New_York").expect("a zone that is built in")
});

/// An exact decimal (`1300`, `.46`, `5.`, `1.3000`), all its digits kept.
///
/// # Errors
/// The reason, where it is no decimal, has more digits than an exact decimal holds, or is 10^14 or more.
pub fn decimal(text: &str) -> Result<Decimal, String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    if !plain || digits == 0 {
        return Err(format!("`{}` is no decimal number", excerpt(text)));
    }
    let significant = match text.contains('.') {
        true => text.trim_end_matches('0'),
        false => text,
    };
    let number = Decimal::from_str_exact(text)
        .or_else(|_| Decimal::from_str_exact(significant.trim_end_matches('.')))
        .map_err(|_| format!("`{}` has too many digits, or is no number", excerpt(text)))?;
    if number.abs() >= Decimal::from(MAX_AMOUNT) {
        return Err(format!("`{}` is too large to be true", excerpt(text)));
    }
    Ok(number)
}

/// As [`decimal`], refusing what is below zero.
///
/// # Errors
/// As there, and for negative numbers.
pub fn amount(text: &str) -> Result<Decimal, String> {
    let number = decimal(text)?;
    if number.is_sign_negative() && !number.is_zero() {
        return Err(format!("`{}` is negative", excerpt(text)));
    }
    Ok(number)
}

/// A day: `2024-07-19`, with or without a zone (`2024-07-19-05:00`, `…Z`) or a time behind it. The zone moves nothing: the day is
/// the one that the filer wrote.
///
/// # Errors
/// The reason, where it is no day.
pub fn day(text: &str) -> Result<Date, String> {
    let wrong = || format!("`{}` is no day such as 2024-07-19", excerpt(text));
    let (date, rest) = text.split_at_checked(10).ok_or_else(wrong)?;
    let zone = |rest: &str| {
        let mut bytes = rest.bytes();
        matches!(bytes.next(), Some(b'+' | b'-' | b'T' | b'Z' | b'z'))
            && bytes.all(|b| b.is_ascii_digit() || b":.+-Zz".contains(&b))
    };
    let strict = date.bytes().enumerate().all(|(n, b)| match n {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    if !strict || !(rest.is_empty() || zone(rest)) {
        return Err(wrong());
    }
    date.parse().map_err(|_| wrong())
}

/// `1`, `true`, `Y` and their opposites; `None` for what is neither, and for nothing.
#[must_use]
pub fn flag(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["1", "true", "y", "yes"]) {
        Some(true)
    } else if is(&["0", "false", "n", "no"]) {
        Some(false)
    } else {
        None
    }
}

/// A CIK with its ten digits; `None` for what is no number of a filer.
#[must_use]
pub fn cik(text: &str) -> Option<String> {
    let digits = text.trim_start_matches('0');
    let number = digits.bytes().all(|b| b.is_ascii_digit());
    (number && (1..=10).contains(&digits.len())).then(|| format!("{digits:0>10}"))
}

/// An accession number as it is printed, `0001127602-25-001055`, from that or from its 18 digits.
#[must_use]
pub fn accession(text: &str) -> Option<String> {
    let digits: String = match text.len() {
        18 => text.to_owned(),
        20 if text.as_bytes()[10] == b'-' && text.as_bytes()[13] == b'-' => text
            .bytes()
            .filter(|&b| b != b'-')
            .map(char::from)
            .collect(),
        _ => return None,
    };
    if digits.len() != 18 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format!(
        "{}-{}-{}",
        &digits[..10],
        &digits[10..12],
        &digits[12..]
    ))
}

/// The accession number in a file's path: in its name (`0001127602-25-001055.txt`, `000032012123000040_form4.xml`), else the name
/// of its folder, where EDGAR's archive has it.
#[must_use]
pub fn accession_of_path(path: &str) -> Option<String> {
    let mut names = path.rsplit(['/', '\\']);
    let name = names.next()?;
    let part = |c: char| !(c.is_ascii_digit() || c == '-');
    let in_name = name.split(part).find_map(|run| {
        // a date or a counter may stand before it, as in `4_2023-01-18_0001104659-23-004644.txt`
        accession(run).or_else(|| accession(run.trim_matches('-')))
    });
    in_name.or_else(|| accession(names.next()?))
}

/// A moment of EDGAR's clock. Of an hour that comes twice, the first; an hour that never was is taken to be an hour later.
#[must_use]
pub fn eastern(moment: DateTime) -> Option<Time> {
    let stamp = EASTERN.to_timestamp(moment).ok()?;
    Time::from_unix_ms(stamp.as_millisecond()).ok()
}

/// What EDGAR's clock shows at a moment.
#[must_use]
pub fn eastern_clock(time: Time) -> DateTime {
    let stamp = Timestamp::from_microsecond(time.0).unwrap_or_default();
    EASTERN.to_datetime(stamp)
}

/// The last millisecond of a day in Washington.
#[must_use]
pub fn end_of_day(day: Date) -> Option<Time> {
    eastern(day.to_datetime(Clock::constant(23, 59, 59, 999_000_000)))
}

/// Fourteen digits of EDGAR's headers, `20230104153325`, or the eight of a day.
#[must_use]
pub fn stamp(text: &str) -> Option<(Date, Option<Clock>)> {
    if !text.bytes().all(|b| b.is_ascii_digit()) || !matches!(text.len(), 8 | 14) {
        return None;
    }
    // of 14 digits at the most, each part fits
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from, to| i8::try_from(part(from, to)?).ok();
    let date = Date::new(part(0, 4)?, small(4, 6)?, small(6, 8)?).ok()?;
    if text.len() == 8 {
        return Some((date, None));
    }
    let clock = Clock::new(small(8, 10)?, small(10, 12)?, small(12, 14)?, 0).ok();
    Some((date, clock))
}

/// The ticker in what was filed as one: `FRG FRGAP` is `FRG`, `SHFS)` is `SHFS`, `NYSE: ABC` is `ABC`, `none` is nothing.
#[must_use]
pub fn symbol(text: &str) -> Option<String> {
    const NO_TICKER: [&str; 12] = [
        "NONE", "N/A", "NA", "N.A.", "N.A", "NULL", "NIL", "TBD", "TBA", "NOT", "UNLISTED",
        "PRIVATE",
    ];
    let upper = text.to_ascii_uppercase();
    let bare = upper.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '/');
    let behind_exchange = bare.rsplit(':').next().unwrap_or(bare).trim_start();
    let word = behind_exchange.split_ascii_whitespace().next()?;
    if NO_TICKER.contains(&word) || NO_TICKER.contains(&bare) {
        return None;
    }
    let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    let ticker = word[..end.unwrap_or(word.len())].trim_matches(['.', '-']);
    let letters = ticker.bytes().any(|b| b.is_ascii_alphabetic());
    (letters && ticker.len() <= 12 && !NO_TICKER.contains(&ticker)).then(|| ticker.to_owned())
}

/// A text of one line: trimmed, and blanks, line breaks and control characters between words made one space.
#[must_use]
pub fn line(text: &str) -> String {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let words = text.split(blank).filter(|word| !word.is_empty());
    let mut out = String::with_capacity(text.len().min(256));
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// A text of several lines: trimmed, line breaks made `\n`, other control characters left out.
#[must_use]
pub fn paragraphs(text: &str) -> String {
    let text = text.trim();
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        return text.to_owned();
    }
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept = unix
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    // what stood at an end may have been guarded by a character that is gone now
    kept.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, exact) in [
            ("1300", "1300"),
            (".46", "0.46"),
            ("5.", "5"),
            ("+5", "5"),
            ("-3.5", "-3.5"),
            ("112473.0000", "112473.0000"),
            (
                "0.1234567890123456789012345678",
                "0.1234567890123456789012345678",
            ),
            ("1.000000000000000000000000000000000000", "1"),
            ("99999999999999.99", "99999999999999.99"),
        ] {
            assert_eq!(
                decimal(text).map(|d| d.to_string()),
                Ok(exact.to_owned()),
                "{text}"
            );
        }
        for bad in [
            "",
            "-",
            ".",
            "1e5",
            "NaN",
            "1,000",
            "$5",
            "1_000",
            "0x10",
            "--1",
            "1.2.3",
            "5-",
            "1/2",
            "١",
            "100000000000000",
            "0.12345678901234567890123456789",
            "9999999999999999999999999999999999",
        ] {
            assert!(decimal(bad).is_err(), "{bad}");
        }
        assert!(amount("-1").is_err());
        assert!(amount("-0").is_ok());
        let huge = decimal(&"9".repeat(1_000_000)).unwrap_err();
        assert!(huge.len() < 200, "a reason as long as its number");
    }

    #[test]
    fn any_two_amounts_can_be_multiplied() {
        let most = amount("99999999999999.99999999999999").unwrap();
        assert!(most.checked_mul(most).is_some());
    }

    #[test]
    fn days_may_carry_zones() {
        let expected = jiff::civil::date(2024, 7, 19);
        for good in [
            "2024-07-19",
            "2024-07-19-05:00",
            "2024-07-19+14:00",
            "2024-07-19Z",
            "2024-07-19T00:00:00.000-05:00",
        ] {
            assert_eq!(day(good), Ok(expected), "{good}");
        }
        for bad in [
            "",
            "2024-07-1",
            "2024-02-30",
            "07/19/2024",
            "20240719",
            "2024-07-19 or so",
            "2024-07-190",
            "2024-W29-5",
            "+024-07-19",
            "2024-07-1é",
        ] {
            assert!(day(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_in_every_spelling() {
        for (text, expected) in [
            ("1", Some(true)),
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("Y", Some(true)),
            ("0", Some(false)),
            ("false", Some(false)),
            ("N", Some(false)),
            ("", None),
            ("2", None),
            ("maybe", None),
        ] {
            assert_eq!(flag(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_of_filers_and_filings() {
        assert_eq!(cik("320193").as_deref(), Some("0000320193"));
        assert_eq!(cik("0000320193").as_deref(), Some("0000320193"));
        assert_eq!(cik("00000000320193").as_deref(), Some("0000320193"));
        for bad in ["", "0", "00000000000", "12345678901", "32O193", "-1"] {
            assert_eq!(cik(bad), None, "{bad}");
        }
        let known = Some("0001127602-25-001055".to_owned());
        for good in [
            "0001127602-25-001055.txt",
            "000112760225001055_form4.xml",
            "4_2023-01-18_0001127602-25-001055.txt",
            "x/000112760225001055/form4.xml",
            "x\\0001127602-25-001055.nc",
            "0001127602-25-001055",
        ] {
            assert_eq!(accession_of_path(good), known, "{good}");
        }
        for bad in [
            "",
            "form4.xml",
            "1.txt",
            "00011276022500105.txt",
            "0001127602250010555.txt",
            "0001127602-2-5001055.txt",
            "000112760225001055/x/form4.xml",
            "0001127602-25-00105é.txt",
        ] {
            assert_eq!(accession_of_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn edgars_clock() {
        let at = |text: &str| {
            let (date, clock) = stamp(text).unwrap();
            eastern(date.to_datetime(clock.unwrap()))
                .unwrap()
                .to_string()
        };
        assert_eq!(at("20230104153325"), "2023-01-04T20:33:25.000Z");
        assert_eq!(at("20230704153325"), "2023-07-04T19:33:25.000Z");
        // before 2007 summer time began in April
        assert_eq!(at("20060320120000"), "2006-03-20T17:00:00.000Z");
        assert_eq!(
            at("20231105013000"),
            "2023-11-05T05:30:00.000Z",
            "the first of the two"
        );
        assert_eq!(
            at("20230312023000"),
            "2023-03-12T07:30:00.000Z",
            "never was"
        );
        let summer = Time::parse_iso("2023-07-04T03:59:59Z").unwrap();
        assert_eq!(eastern_clock(summer).to_string(), "2023-07-03T23:59:59");
        for bad in ["", "2023010415332", "20231304", "2023010x", "20230230"] {
            assert_eq!(stamp(bad), None, "{bad}");
        }
        let (date, clock) = stamp("20230104256199").unwrap();
        assert_eq!(clock, None, "no such time, but a day");
        assert_eq!(
            end_of_day(date).unwrap().to_string(),
            "2023-01-05T04:59:59.999Z"
        );
        assert_eq!(end_of_day(Date::MAX), None);
        assert_eq!(end_of_day(Date::MIN), None);
    }

    #[test]
    fn tickers_are_cleaned() {
        for (filed, ticker) in [
            ("AAPL", Some("AAPL")),
            ("aapl", Some("AAPL")),
            ("FRG FRGAP", Some("FRG")),
            ("SHFS)", Some("SHFS")),
            ("(XYZ)", Some("XYZ")),
            ("NYSE: ABC", Some("ABC")),
            ("NYSE:ABC", Some("ABC")),
            ("BRK.B", Some("BRK.B")),
            ("BF-B", Some("BF-B")),
            ("GOOG, GOOGL", Some("GOOG")),
            ("GOOG/GOOGL", Some("GOOG")),
            ("T", Some("T")),
            ("[ABC]", Some("ABC")),
            ("\"ABC\"", Some("ABC")),
            ("none", None),
            ("NONE", None),
            ("N/A", None),
            ("n/a", None),
            ("[NONE]", None),
            ("", None),
            ("-", None),
            ("Not applicable", None),
            ("000", None),
            ("AVERYLONGWORDINDEED", None),
            ("N.A.", None),
            ("(N/A)", None),
        ] {
            assert_eq!(symbol(filed).as_deref(), ticker, "{filed}");
        }
    }

    #[test]
    fn texts_keep_their_words_only() {
        assert_eq!(line("  A\r\n  &\u{1} B\u{a0}C "), "A & B C");
        assert_eq!(
            paragraphs(" one\r\ntwo\rthree\u{1}\n\nfour "),
            "one\ntwo\nthree\n\nfour"
        );
        assert_eq!(paragraphs("\u{1} x"), "x");
    }
}
