//! Cells that regulators write: days, numbers with a comma, ISINs, currencies, and ids made of what a row says.

use std::fmt::Write as _;

use jiff::civil::Date;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::model::money::parse_amount;

/// Longest name or title that is kept, in bytes.
const MAX_WORDS: usize = 2_048;
/// Longest remark that is kept, in bytes.
const MAX_PROSE: usize = 65_536;

/// The reason why a value is refused: field, value, why.
#[must_use]
pub fn refusal(field: &str, value: &str, why: &str) -> String {
    let shown: String = value.chars().take(40).collect();
    format!("{field}: `{shown}` is {why}")
}

/// A text with its runs of blanks (no-break ones too) made one, bounded; `None` where nothing is left.
pub fn words(field: &str, text: &str) -> Result<Option<String>, String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.len() > MAX_WORDS {
        return Err(format!("{field}: longer than {MAX_WORDS} bytes"));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// A longer text, such as a remark.
pub fn prose(field: &str, text: &str) -> Result<Option<String>, String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.len() > MAX_PROSE {
        return Err(format!("{field}: longer than {MAX_PROSE} bytes"));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// A text that has to be there.
pub fn needed(field: &str, text: &str) -> Result<String, String> {
    words(field, text)?.ok_or_else(|| format!("{field}: missing"))
}

/// `2026-07-01`.
pub fn iso_day(field: &str, text: &str) -> Result<Date, String> {
    match text.parse() {
        Ok(day) if text.len() == 10 => Ok(day),
        _ => Err(refusal(field, text, "not a day such as 2026-07-01")),
    }
}

/// `31/12/2022`.
pub fn slashed_day(field: &str, text: &str) -> Result<Date, String> {
    let wrong = || refusal(field, text, "not a day such as 31/12/2022");
    let mut parts = text.split('/').map(|part| (part.len(), part));
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some((2, day)), Some((2, month)), Some((4, year)), None) => {
            format!("{year}-{month}-{day}").parse().map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// `30-SEP-2024`.
pub fn month_day(field: &str, text: &str) -> Result<Date, String> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let wrong = || refusal(field, text, "not a day such as 30-SEP-2024");
    let parts: Vec<_> = text.split('-').collect();
    let [day, name, year] = *parts.as_slice() else {
        return Err(wrong());
    };
    let month = MONTHS.iter().position(|month| *month == name);
    let month = month.ok_or_else(wrong)? + 1;
    let spelled = format!("{year}-{month:02}-{day}");
    spelled.parse().map_err(|_| wrong())
}

/// `3.079,13`: points between thousands, a comma before the decimals.
pub fn comma_number(field: &str, text: &str) -> Result<Decimal, String> {
    let wrong = || refusal(field, text, "not a number such as 3.079,13");
    let (whole, decimals) = text.split_once(',').unwrap_or((text, ""));
    let mut groups = whole.split('.');
    let first = groups.next().unwrap_or("");
    let thousands: Vec<_> = groups.collect();
    let long = if thousands.is_empty() { 30 } else { 3 };
    if first.is_empty() || first.len() > long || thousands.iter().any(|group| group.len() != 3) {
        return Err(wrong());
    }
    if decimals.contains('.') || (decimals.is_empty() && text.contains(',')) {
        return Err(wrong());
    }
    let plain = format!("{first}{}.{decimals}", thousands.concat());
    parse_amount(plain.trim_end_matches('.')).map_err(|_| wrong())
}

/// `41,250125`: a comma before the decimals and no points, as a register writes it that groups no thousands.
pub fn plain_comma_number(field: &str, text: &str) -> Result<Decimal, String> {
    if text.contains('.') {
        let why = "written with a point where decimals have a comma";
        return Err(refusal(field, text, why));
    }
    comma_number(field, text).map_err(|_| refusal(field, text, "not a number such as 42,5"))
}

/// `1234.5`, with or without an exponent.
pub fn point_number(field: &str, text: &str) -> Result<Decimal, String> {
    parse_amount(text).map_err(|_| refusal(field, text, "not a number such as 1234.5"))
}

/// An ISIN by its shape; what is none is left out, as it names nothing.
#[must_use]
pub fn isin(text: &str) -> Option<String> {
    let text = text.trim().to_uppercase();
    let country = text.bytes().take(2).all(|byte| byte.is_ascii_uppercase());
    let shaped =
        text.len() == 12 && country && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    shaped.then_some(text)
}

/// Three letters.
pub fn currency(field: &str, text: &str) -> Result<Option<String>, String> {
    let text = text.trim().to_uppercase();
    match text.len() {
        0 => Ok(None),
        3 if text.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(Some(text)),
        _ => Err(refusal(field, &text, "not a currency such as EUR")),
    }
}

/// The first `bytes` bytes, in hex, of the SHA-256 of some texts, told apart from each other.
#[must_use]
pub fn digest(parts: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(bytes)
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::parse_decimal;

    #[test]
    fn days_in_three_spellings() {
        let day = jiff::civil::date(2024, 9, 30);
        assert_eq!(iso_day("d", "2024-09-30"), Ok(day));
        assert_eq!(slashed_day("d", "30/09/2024"), Ok(day));
        assert_eq!(month_day("d", "30-SEP-2024"), Ok(day));
        for bad in [
            "",
            "2024-9-30",
            "31/02/2024",
            "30-Sep-2024",
            "30-SEP-24",
            "09/30/2024",
        ] {
            let read = [iso_day, slashed_day, month_day].map(|read| read("d", bad));
            assert!(read.iter().all(Result::is_err), "{bad}");
        }
    }

    #[test]
    fn a_comma_is_read_where_a_comma_belongs() {
        let number = |text| Ok(parse_decimal(text).unwrap());
        assert_eq!(comma_number("n", "3.079,13"), number("3079.13"));
        assert_eq!(comma_number("n", "27.892"), number("27892"));
        assert_eq!(comma_number("n", "0,00"), number("0"));
        assert_eq!(plain_comma_number("n", "6817622,05"), number("6817622.05"));
        for bad in [
            "", ",5", "5,", "1.15", "1.1500", "1,2,3", "a7,9", "-1,0", "1234.567", "1,234.5",
        ] {
            assert!(comma_number("n", bad).is_err(), "{bad}");
        }
        let why = "Pris: `37.9` is written with a point where decimals have a comma";
        assert_eq!(plain_comma_number("Pris", "37.9"), Err(why.to_owned()));
    }

    #[test]
    fn digests_tell_their_parts_apart() {
        assert_eq!(digest(&["ab"], 8).len(), 16);
        assert_ne!(digest(&["ab", "c"], 8), digest(&["a", "bc"], 8));
    }

    #[test]
    fn what_is_no_isin_is_left_out() {
        assert_eq!(isin(" se0123456787 "), Some("SE0123456787".into()));
        for none in ["", "Aankoop / Verwerving", "SE012345678", "12E012345678"] {
            assert_eq!(isin(none), None, "{none}");
        }
    }
}
