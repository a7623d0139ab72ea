//! Footnotes that name a plan under rule 10b5-1, and those that name it only to deny it.

/// Words that, standing before the rule's name in the same clause, deny it.
const DENIALS: [&str; 15] = [
    "not",
    "no",
    "none",
    "neither",
    "nor",
    "never",
    "without",
    "outside",
    "other",
    "rather",
    "independent",
    "independently",
    "isn",
    "wasn",
    "weren",
];

/// Whether a footnote names rule 10b5-1 and nowhere denies it.
///
/// Read clause by clause, so that "not by the reporting person, but by a trust, pursuant to a Rule 10b5-1 plan" is no denial; a word of
/// [`DENIALS`] counts only in front of the name ("was not made pursuant to a Rule 10b5-1 plan").
#[must_use]
pub fn names_plan(footnote: &str) -> bool {
    let lower = footnote.to_lowercase();
    let mut named = false;
    for clause in lower.split(['.', ',', ';', ':', '(', ')', '\n']) {
        let words: Vec<&str> = clause
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        for clause in words.split(|word| *word == "but") {
            let Some(place) = (0..clause.len()).find(|at| is_rule(&clause[*at..])) else {
                continue;
            };
            if clause[..place].iter().any(|word| DENIALS.contains(word)) {
                return false;
            }
            named = true;
        }
    }
    named
}

/// `10b5-1`, and as it is misspelt: `10b5 1`, `10b51`, `10b-5-1`, `10b5-1c`.
fn is_rule(words: &[&str]) -> bool {
    matches!(
        words,
        ["10b51", ..] | ["10b5", "1" | "1c", ..] | ["10b", "5", "1" | "1c", ..]
    )
}

/// Whether a text speaks of a split of shares, forward or reverse.
#[must_use]
pub fn tells_split(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["split", "share consolidation", "consolidation of shares"]
        .iter()
        .any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_named_and_denied() {
        let check = |footnote: &str, expected: bool| {
            assert_eq!(names_plan(footnote), expected, "{footnote}");
        };
        check(
            "Sold under a Rule 10b5-1 trading plan of May 3, 2022.",
            true,
        );
        check("Meant to satisfy Rule 10b5\u{2011}1(c) of the Act", true);
        check("A 10b-5-1 plan", true);
        check("Plan: 10b51", true);
        check(
            "The sale was not made pursuant to a Rule 10b5-1 plan.",
            false,
        );
        check("No Rule 10b5-1 plan was in place", false);
        check("Sold other than under a 10b5-1 plan", false);
        check(
            "Not sold by the reporting person, but by a trust, under a 10b5-1 plan",
            true,
        );
        check(
            "Not sold by the reporting person but by a trust under a 10b5-1 plan",
            true,
        );
        check("Under a 10b5-1 plan, which the seller can not change", true);
        check("Prohibited by Rule 10b-5", false);
        check("Rule 10b5-2", false);
        check("Weighted average price", false);
    }

    #[test]
    fn splits_are_told() {
        assert!(tells_split("Adjusted for the 1-for-20 Reverse Stock Split"));
        assert!(!tells_split("Held by a trust"));
    }
}
