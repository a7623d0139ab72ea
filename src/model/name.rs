//! Names as slugs for addresses, and as words to search by: without marks, in lower case.

use deunicode::deunicode;

/// Longest slug without its number, in bytes.
const SLUG_BYTES: usize = 60;
/// Longest word that is told apart, in bytes.
const WORD_BYTES: usize = 40;

/// `L'Oréal S.A.`, 1454 → `l-oreal-s-a-1454`: a name for people, a number that stays when the name changes.
#[must_use]
pub fn slug(name: &str, number: i64) -> String {
    let mut slug = String::new();
    for word in words(name) {
        if slug.len() + word.len() + 1 > SLUG_BYTES {
            break;
        }
        slug.push_str(&word);
        slug.push('-');
    }
    slug.push_str(&number.to_string());
    slug
}

/// The number at the end of a slug; `None` where there is none.
#[must_use]
pub fn number_of(slug: &str) -> Option<i64> {
    let digits = slug.rsplit('-').next()?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// The words of a name: runs of letters and digits, in lower case, without marks.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let plain = deunicode(name).to_ascii_lowercase();
    plain
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_BYTES).collect())
        .collect()
}

/// One spelling for all spellings of a name that differ in case, marks, spaces and stops alone.
#[must_use]
pub fn normalised(name: &str) -> String {
    words(name).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slugs_are_plain_and_keep_their_number() {
        assert_eq!(slug("Bouygues", 1454), "bouygues-1454");
        assert_eq!(slug("L'Oréal S.A.", 7), "l-oreal-s-a-7");
        assert_eq!(slug("US BANCORP \\DE\\", 36), "us-bancorp-de-36");
        assert_eq!(slug("Åse Øster-Łukasz", 1), "ase-oster-lukasz-1");
        assert_eq!(slug("---", 5), "5");
        assert_eq!(number_of("bouygues-1454"), Some(1454));
        assert_eq!(number_of("5"), Some(5));
        for bad in [
            "",
            "-",
            "bouygues",
            "bouygues-",
            "b-+5",
            "b-99999999999999999999",
        ] {
            assert_eq!(number_of(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_slug_that_gives_its_number(name in "\\PC{0,200}", number in 0..i64::MAX) {
            let slug = slug(&name, number);
            prop_assert_eq!(number_of(&slug), Some(number));
            prop_assert!(slug.len() <= SLUG_BYTES + 20);
            prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }

        #[test]
        fn case_and_stops_do_not_matter(name in "[A-Za-zåéø]{1,12} [A-Z]{1,3}") {
            prop_assert_eq!(normalised(&name), normalised(&format!(" {}. ", name.to_uppercase().replace(' ', ",  "))));
        }
    }
}
