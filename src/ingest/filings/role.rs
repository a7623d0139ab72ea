//! What a function says of its holder, in English, Swedish and Dutch: on the board, an executive, or close to somebody who is.

use crate::model::filing::Owner;

/// Words of an executive's function.
const EXECUTIVE: [&str; 36] = [
    "chief",
    "ceo",
    "cfo",
    "coo",
    "cco",
    "cto",
    "cmo",
    "cio",
    "cso",
    "cro",
    "cpo",
    "chro",
    "evp",
    "svp",
    "vp",
    "president",
    "executive",
    "exec",
    "head",
    "counsel",
    "secretary",
    "founder",
    "manager",
    "management",
    "officer",
    "treasurer",
    "controller",
    "managing",
    "principal",
    "vd",
    "verkställande",
    "koncernledning",
    "koncernledningen",
    "ekonomi",
    "kaderlid",
    "partner",
];

/// Words of somebody on the board.
const BOARD: [&str; 18] = [
    "ned",
    "chair",
    "chairman",
    "chairwoman",
    "chairperson",
    "board",
    "non-executive",
    "styrelse",
    "styrelseledamot",
    "styrelsesuppleant",
    "styrelseordförande",
    "styrelseordf",
    "ordförande",
    "ledamot",
    "bestuurs-",
    "bestuurder",
    "toezichthoudend",
    "trustee",
];

/// Words before "director" that make no department of it.
const PLAIN: [&str; 24] = [
    "a",
    "an",
    "the",
    "and",
    "of",
    "group",
    "company",
    "independent",
    "senior",
    "non-executive",
    "executive",
    "finance",
    "financial",
    "managing",
    "deputy",
    "interim",
    "pdmr",
    "pca",
    "with",
    "to",
    "as",
    "nominee",
    "representative",
    "chief",
];

/// What a function says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Sits on the board.
    pub director: bool,
    /// Has an executive function.
    pub officer: bool,
}

/// Reads a function word for word. A director of a department ("Claims Director") is an executive; only a director without one, or with
/// the word for it, is known to sit on the board.
#[must_use]
pub fn role(title: &str) -> Role {
    let title = title.to_lowercase().replace(['\u{a0}'], " ");
    let title = title
        .replace("non executive", "non-executive")
        .replace("non- executive", "non-executive")
        .replace("person discharging managerial", "pdmr");
    let mut role = Role::default();
    // "Chair, Director" names two functions, "Claims Director" one
    for part in title.split([',', '/', ';', ':', '(', ')', '.']) {
        let words = part.split(|letter: char| !(letter.is_alphanumeric() || letter == '-'));
        let mut before = "";
        for word in words.filter(|word| !word.is_empty()) {
            match word {
                "-" => {
                    before = "";
                    continue;
                }
                "director" | "directors" if before.is_empty() || PLAIN.contains(&before) => {
                    role.director = true;
                    // in charge of the money, and on the board
                    role.officer |= matches!(before, "finance" | "financial");
                }
                "director" => role.officer = true,
                _ => {}
            }
            role.director |= BOARD.contains(&word);
            // "regionchef", "HR-direktör": a Swedish head of something is one word
            role.officer |= EXECUTIVE.contains(&word) || is_head(word);
            before = word;
        }
    }
    role
}

fn is_head(word: &str) -> bool {
    ["chef", "direktör", "-head"]
        .iter()
        .any(|end| word.ends_with(end))
}

impl Role {
    /// Puts it into an owner; who is neither reports for another reason.
    pub fn apply(self, owner: &mut Owner) {
        owner.director = self.director;
        owner.officer = self.officer;
        owner.other = !(self.director || self.officer);
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Role) -> Role {
        Role {
            director: self.director || other.director,
            officer: self.officer || other.officer,
        }
    }

    /// Nothing was recognised.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Role::default()
    }
}

/// Whose close associate a function names: "PCA of Bea Example, Chief Financial Officer". `None` where it names nobody for certain.
#[must_use]
pub fn close_to(title: &str) -> Option<String> {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = title.to_ascii_lowercase();
    let after = [
        "pca",
        "closely associated person",
        "closely associated",
        "spouse",
        "wife",
        "husband",
    ]
    .iter()
    .filter_map(|mark| lower.find(mark).map(|at| at + mark.len()))
    .min()?;
    let rest = title.get(after..)?;
    // the name stands after the first of these words, or in brackets behind "a PDMR"
    let name = [" with ", " of ", " to "]
        .iter()
        .filter_map(|word| {
            rest.to_ascii_lowercase()
                .find(word)
                .map(|at| (at, at + word.len()))
        })
        .min()
        .and_then(|(_, from)| rest.get(from..));
    let bracketed = rest.split_once('(').map(|(_, inner)| inner);
    [name, bracketed].into_iter().flatten().find_map(person)
}

/// The name at the beginning of a text, if it can be nothing else.
fn person(text: &str) -> Option<String> {
    let end = text
        .find([',', '(', ')', '/', ';', ':'])
        .unwrap_or(text.len());
    let name = text.get(..end)?;
    let name = name.split(" - ").next()?.trim();
    let name = ["Mr ", "Mrs ", "Ms ", "Miss ", "Dr "]
        .iter()
        .find_map(|title| name.strip_prefix(title))
        .unwrap_or(name);
    let words: Vec<&str> = name.split(' ').collect();
    let named = |word: &&str| {
        let capital = word.chars().next().is_some_and(char::is_uppercase);
        let known = word.to_lowercase();
        let office = EXECUTIVE.contains(&&*known) || BOARD.contains(&&*known);
        capital && !office && !["pdmr", "director", "person", "persons"].contains(&&*known)
    };
    let two_to_five = (2..=5).contains(&words.len());
    (two_to_five && words.iter().all(named)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_apart() {
        for (title, director, officer) in [
            ("Non-Executive Director", true, false),
            ("Non-executive director (PDMR)", true, false),
            ("Non Executive Chair", true, false),
            ("Director", true, false),
            ("PDMR - DIRECTOR", true, false),
            ("Executive Director", true, true),
            ("Chief Financial Officer", false, true),
            ("Chief Executive Officer/Director", true, true),
            ("Group Finance Director", true, true),
            ("Claims Director", false, true),
            ("PCA to Ann Example, Director", true, false),
            ("Executive Chairman", true, true),
            ("PDMR", false, false),
            ("Styrelseledamot/suppleant", true, false),
            ("VD,Styrelseledamot/suppleant", true, true),
            ("Ekonomi/finanschef", false, true),
            ("HR-direktör", false, true),
            ("Global Co-Head of Investment Banking", false, true),
            ("Kaderlid met leidinggevende functie", false, true),
            (
                "Lid van een bestuurs- of toezichthoudend orgaan",
                true,
                false,
            ),
            ("Price paid per share", false, false),
            ("", false, false),
        ] {
            assert_eq!(role(title), Role { director, officer }, "{title}");
        }
    }

    #[test]
    fn a_manager_is_named_or_not() {
        for (title, name) in [
            ("PCA with Ann McExample, Director", Some("Ann McExample")),
            (
                "PCA of Bea Example - Chief Financial Officer",
                Some("Bea Example"),
            ),
            (
                "PCA to a PDMR\u{a0} (Cleo Example, Non-Executive Director)",
                Some("Cleo Example"),
            ),
            (
                "Closely associated person of Mr Dan O'Example, Managing Director",
                Some("Dan O'Example"),
            ),
            (
                "Spouse of Ed Middle Example, Director",
                Some("Ed Middle Example"),
            ),
            (
                "PERSON CLOSELY ASSOCIATED WITH FAY EXAMPLE, CHIEF PEOPLE OFFICER",
                Some("FAY EXAMPLE"),
            ),
            ("PCA to CHIEF EXECUTIVE OFFICER (PDMR)", None),
            ("PCA of the CEO", None),
            ("PCA to PDMR", None),
            ("NON-EXECUTIVE CHAIR AND PERSON CLOSELY ASSOCIATED", None),
            ("Chief Executive Officer of Example Holdings", None),
        ] {
            assert_eq!(close_to(title).as_deref(), name, "{title}");
        }
    }
}
