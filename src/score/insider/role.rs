//! What an insider is to the company: from the form's boxes, and from titles in the filer's own words.

use crate::model::filing::Owner;

use super::record::Role;

/// In this market forms have boxes for what somebody is, and a title belongs to the box of officers.
const BOXES_MARKET: &str = "us";

const CFO: [&[&str]; 15] = [
    &["cfo"],
    &["chief", "financial"],
    &["chief", "finance"],
    &["cheif", "financial"],
    &["principal", "financial", "officer"],
    &["finance", "director"],
    &["financial", "director"],
    &["finanschef"],
    &["ekonomichef"],
    &["finansdirektör"],
    &["ekonomidirektör"],
    &["directeur", "financier"],
    &["financieel", "directeur"],
    &["finanzvorstand"],
    &["direttore", "finanziario"],
];

const CEO: [&[&str]; 15] = [
    &["ceo"],
    &["chief", "executive"],
    &["cheif", "executive"],
    &["principal", "executive", "officer"],
    &["vd"],
    &["verkställande", "direktör"],
    &["koncernchef"],
    &["gedelegeerd", "bestuurder"],
    &["afgevaardigd", "bestuurder"],
    &["pdg"],
    &["directeur", "général"],
    &["vorstandsvorsitzender"],
    &["amministratore", "delegato"],
    &["consejero", "delegado"],
    &["direttore", "generale"],
];

/// Words that go with a title of the whole company. Any other word beside it names a part of it, or another company.
const TITLE_WORDS: &str = "officer off ofc president pres chairman chairwoman chairperson chair chmn cob director directors dir board \
    member cfo ceo coo cao cto cio cro cso cmo clo pfo pao peo treasurer secretary sec evp svp sevp vp vice \
    senior sr executive exec managing general chief principal founder cofounder co interim acting joint pdmr ned \
    group global corporate company corp head the our of och en et und also non styrelseledamot koncernchef vd \
    owner person";

/// In front of a title, they make it a lesser or a past one.
const LESSER: &str =
    "deputy vice vvd regional divisional former ex past retired assistant advisor adviser to for";

const EXECUTIVE_WORDS: &str = "chief cheif officer president pres evp svp sevp vp coo cto cio cro cso cmo clo cao chro ceo cfo counsel \
    treasurer secretary controller head manager management koncernledning koncernledningen ledningsgrupp \
    direktör kaderlid vd koncernchef vorstand vorstandsmitglied directeur direttore founder";

const BOARD_WORDS: &str = "director directors ned board chair chairman chairwoman chairperson pdmr bestuurs bestuurder toezichthoudend \
    commissaris administrateur aufsichtsrat aufsichtsratsmitglied consejero consigliere amministratore";

/// The highest role among the owners of a filing of that market.
#[must_use]
pub fn highest(owners: &[Owner], market: &str) -> Role {
    let roles = owners.iter().map(|owner| role(owner, market));
    roles.max().unwrap_or_default()
}

fn role(owner: &Owner, market: &str) -> Role {
    let boxes = match owner {
        Owner { officer: true, .. } => Role::OtherExec,
        Owner { director: true, .. } => Role::Board,
        _ => Role::Other,
    };
    let boxed = market == BOXES_MARKET;
    match &owner.title {
        Some(title) if owner.officer || !boxed => boxes.max(of_title(title, boxed)),
        _ => boxes,
    }
}

fn is_among(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// A word or a mark between words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `&`, `/`, "and": another title begins.
    And,
    /// A comma, a parenthesis, a dash with blanks.
    Mark,
}

/// What a title says.
fn of_title(title: &str, boxed: bool) -> Role {
    let lower = title.to_lowercase().replace("&amp;", "&");
    let tokens = tokens(&lower);
    if is_whole(&tokens, &CFO) {
        Role::Cfo
    } else if is_whole(&tokens, &CEO) || (!boxed && is_managing_director(&tokens)) {
        Role::Ceo
    } else if is_executive(&tokens) {
        Role::OtherExec
    } else if tokens.iter().any(|token| is_board(*token)) {
        Role::Board
    } else {
        Role::Other
    }
}

fn tokens(lower: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for piece in lower.split_whitespace() {
        let mut rest = piece;
        while let Some(c) = rest.chars().next() {
            let word = rest
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(rest.len());
            if word > 0 {
                tokens.push(match &rest[..word] {
                    "and" | "och" | "en" | "et" | "und" => Token::And,
                    word => Token::Word(word),
                });
                rest = &rest[word..];
                continue;
            }
            match c {
                '&' | '/' | '+' => tokens.push(Token::And),
                ',' | ';' | '(' | ')' | ':' | '|' | '–' | '—' => tokens.push(Token::Mark),
                '-' if piece == "-" => tokens.push(Token::Mark),
                // a hyphen, a point or an apostrophe inside a word
                _ => {}
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    tokens
}

/// Whether one of these titles stands there, and is that of the whole company.
fn is_whole(tokens: &[Token<'_>], titles: &[&[&str]]) -> bool {
    (0..tokens.len()).any(|at| {
        titles.iter().any(|title| {
            let end = at + title.len();
            let here = tokens.get(at..end).is_some_and(|found| {
                let mut pairs = found.iter().zip(*title);
                pairs.all(|(token, word)| *token == Token::Word(word))
            });
            here && !is_lesser(&tokens[..at]) && !names_a_part(&tokens[end..])
        })
    })
}

/// "Deputy CEO", "advisor to the CEO", "Reynolds CEO".
fn is_lesser(before: &[Token<'_>]) -> bool {
    let passed = |token: &&Token<'_>| {
        !matches!(
            token,
            Token::Word("the" | "co" | "interim" | "acting" | "joint" | "group" | "global")
        )
    };
    match before.iter().rev().find(passed) {
        Some(Token::Word(word)) => is_among(LESSER, word) || !is_among(TITLE_WORDS, word),
        _ => false,
    }
}

/// "CEO, Commercial Banking", "Chief Executive of Private Bank", "CEO (Europe)"; but not "CEO, President", "CEO and Founder".
fn names_a_part(after: &[Token<'_>]) -> bool {
    let passed = |token: &&Token<'_>| !matches!(token, Token::Mark | Token::Word("officer"));
    match after.iter().find(passed) {
        Some(Token::Word("of" | "for" | "at")) => {
            let whole = |token: &Token<'_>| {
                matches!(
                    token,
                    Token::Word("company" | "issuer" | "group" | "corporation" | "board")
                )
            };
            !after.iter().any(whole)
        }
        Some(Token::Word(word)) => !is_among(TITLE_WORDS, word),
        _ => false,
    }
}

/// "Managing Director" and nothing else of meaning: outside the United States, that runs the company.
fn is_managing_director(tokens: &[Token<'_>]) -> bool {
    let meant = |token: &&Token<'_>| {
        !matches!(
            token,
            Token::Mark | Token::And | Token::Word("group" | "pdmr")
        )
    };
    tokens
        .iter()
        .filter(meant)
        .eq(&[Token::Word("managing"), Token::Word("director")])
}

fn is_executive(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len()).any(|at| {
        let Token::Word(word) = tokens[at] else {
            return false;
        };
        let before = at.checked_sub(1).map(|at| tokens[at]);
        match word {
            "executive" => before != Some(Token::Word("non")),
            "director" => is_function(before, &tokens[at + 1..]),
            _ => {
                is_among(EXECUTIVE_WORDS, word)
                    || (word.ends_with("chef") && word.len() > 4)
                    || word == "chef"
            }
        }
    })
}

/// A director of something rather than of the company: "Claims Director", "Director of Legal", "Director, Operations".
fn is_function(before: Option<Token<'_>>, after: &[Token<'_>]) -> bool {
    let of_board = [
        "non",
        "executive",
        "independent",
        "lead",
        "outside",
        "board",
    ];
    let kind = match before {
        Some(Token::Word("managing")) => true,
        Some(Token::Word(word)) => !of_board.contains(&word) && !is_among(TITLE_WORDS, word),
        _ => false,
    };
    kind || (before.is_none() && names_a_part(after))
}

fn is_board(token: Token<'_>) -> bool {
    let Token::Word(word) = token else {
        return false;
    };
    is_among(BOARD_WORDS, word) || word.starts_with("styrelse") || word.starts_with("aufsichtsrat")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn officer(title: &str) -> Owner {
        Owner {
            officer: true,
            title: Some(title.into()),
            ..Owner::default()
        }
    }

    #[test]
    fn titles_of_american_officers() {
        let check = |title: &str, expected: Role| {
            assert_eq!(role(&officer(title), "us"), expected, "{title}");
        };
        for title in [
            "CFO",
            "evp, cfo",
            "EVP & Chief Financial Officer",
            "SEVP - CHIEF FINANCIAL OFFICER",
            "CFO, CAO, & Vice Chair",
            "Vice Chair, CFO & PAO",
            "Acting Chief Financial Officer",
            "SR. VP, CFO & TREASURER",
            "CFO & Chief Operating Officer",
            "EVP, Finance and CFO",
            "Chief Financial & Operating Officer",
            "President, CEO and CFO",
        ] {
            check(title, Role::Cfo);
        }
        for title in [
            "Pres., CEO",
            "President &amp; CEO",
            "Chairman, President & CEO",
            "Co-CEO",
            "CO-FOUNDER CO-CEO CO-PRESIDENT",
            "Cheif Executive Officer",
            "Interim President and CEO",
            "CEO and Director",
            "CEO & Executive Chairman",
            "Chief Executive Officer of the Company",
        ] {
            check(title, Role::Ceo);
        }
        for title in [
            "CEO, COMMERCIAL BANKING",
            "CEO B. Riley Securities, Inc.",
            "Pres. and CEO of Sub",
            "Former CFO",
            "Senior Advisor to the CEO",
            "President",
            "Executive Chairman",
            "Chief Accounting Officer",
            "See Remarks",
            "Managing Director",
            "Director of Legal",
        ] {
            check(title, Role::OtherExec);
        }
    }

    #[test]
    fn boxes_come_first_where_there_are_boxes() {
        let board = Owner {
            director: true,
            title: Some("CEO of a holder".into()),
            ..Owner::default()
        };
        assert_eq!(role(&board, "us"), Role::Board);
        let holder = Owner {
            ten_percent: true,
            ..Owner::default()
        };
        assert_eq!(role(&holder, "us"), Role::Other);
        assert_eq!(highest(&[holder, board, officer("CFO")], "us"), Role::Cfo);
        assert_eq!(highest(&[], "us"), Role::Other);
    }

    #[test]
    fn titles_elsewhere() {
        let check = |title: &str, expected: Role| {
            let owner = Owner {
                title: Some(title.into()),
                ..Owner::default()
            };
            assert_eq!(role(&owner, "se"), expected, "{title}");
        };
        for title in [
            "Ekonomi/finanschef",
            "Group Finance Director",
            "Chief Financial Officer (PDMR)",
            "PDMR - Group Chief Financial Officer",
            "Executive Director and Chief Financial Officer",
        ] {
            check(title, Role::Cfo);
        }
        for title in [
            "VD",
            "vd",
            "VD och koncernchef",
            "Styrelseledamot/suppleant,VD",
            "Director, Chief Executive Officer",
            "PDMR (Chief Executive Officer)",
            "Group Chief Executive",
            "Managing Director",
        ] {
            check(title, Role::Ceo);
        }
        for title in [
            "vice VD",
            "Deputy CEO",
            "Regional CEO, Singapore",
            "CEO, Doghter company in USA",
            "President and CEO, Reynolds American Inc.",
            "Chief Executive of Private Bank and Wealth Management",
            "HR-chef",
            "Regionchef",
            "Medlem av koncernledning",
            "Executive Director",
            "Claims Director",
            "Director, Research and Science",
            "Group Managing Director - Property",
            "Kaderlid met leidinggevende functie",
            "Company Secretary/PDMR",
        ] {
            check(title, Role::OtherExec);
        }
        for title in [
            "Styrelseledamot/suppleant",
            "Styrelseordförande",
            "Lid van een bestuurs- of toezichthoudend orgaan",
            "Non-Executive Director",
            "Independent Non-Executive Director",
            "Director",
            "PDMR - DIRECTOR",
            "Member of the board",
            "Chairman (non-executive)",
            "PDMR",
        ] {
            check(title, Role::Board);
        }
        check("", Role::Other);
        check(
            "Persoon die nauw verbonden is met een andere gelieerde persoon",
            Role::Other,
        );
    }
}
