//! Dealings: the codes they are kept under, and the words by which regulators name them in eight languages.

use super::filing::Code;

/// The SEC's letters. `P` and `S` stand for purchases and sales of every market.
const LETTERS: &str = "PSVADFIMCXOEHGLWZJKU";

/// The words for what other regulators tell apart, each with the direction that it implies.
const WORDS: [(&str, Option<bool>); 18] = [
    ("subscription", Some(true)),
    ("exercise", None),
    ("grant", Some(true)),
    ("gift", None),
    ("inheritance", Some(true)),
    ("pledge", None),
    ("loan", None),
    ("conversion", None),
    ("contribution", None),
    ("reclassification", None),
    ("transfer", None),
    ("exchange", None),
    ("dividend", Some(true)),
    // a share incentive plan that buys month by month
    ("sip", Some(true)),
    // shares sold to pay the tax on an award
    ("sell_tax", Some(false)),
    // under a remuneration policy: granted, exercised, or the sale of what was exercised
    ("remuneration", None),
    // units of a fund
    ("fund", None),
    ("other", None),
];

/// Code, and the natures that mean it, in lower case: English, French, German, Italian, Spanish, Swedish, Dutch, Danish/Norwegian.
const NATURES: [(&str, &str); 15] = [
    (
        "P",
        "buy|bought|purchase|acquisition|acquired|achat|acquisition d'actions|kauf|erwerb|acquisto|compra|adquisición|förvärv|köp|\
         aankoop|verwerving|aankoop / verwerving|køb|kjøp",
    ),
    (
        "S",
        "sell|sold|sale|disposal|disposed|cession|vente|verkauf|veräußerung|veräusserung|vendita|cessione|venta|transmisión|avyttring|\
         försäljning|verkoop|vervreemding|verkoop / vervreemding|salg",
    ),
    (
        "subscription",
        "subscription|souscription|zeichnung|sottoscrizione|suscripción|teckning|intekening|inschrijving|tegning",
    ),
    (
        "exercise",
        "exercise|exercise of options|exercice|exercice de stock-options|ausübung|esercizio|ejercicio|lösen|utnyttjande|uitoefening|\
         udnyttelse",
    ),
    (
        "grant",
        "grant|award|free shares|attribution gratuite d'actions|attribution d'actions gratuites|zuteilung|assegnazione|entrega|\
         tilldelning|toekenning|tildeling",
    ),
    (
        "gift",
        "gift|donation|schenkung|donazione|donación|gåva|schenking|gave",
    ),
    (
        "inheritance",
        "inheritance|succession|héritage|erbschaft|successione|herencia|arv|erfenis",
    ),
    (
        "pledge",
        "pledge|nantissement|verpfändung|pegno|prenda|pignoración|pantsättning|verpanding",
    ),
    (
        "loan",
        "loan|prêt|leihe|darlehen|prestito|préstamo|lån|lening|lenen|uitlenen",
    ),
    (
        "conversion",
        "conversion|wandlung|conversione|conversión|konvertering|conversie",
    ),
    (
        "contribution",
        "contribution|apport|einbringung|conferimento|aportación|apportemission|inbreng",
    ),
    (
        "reclassification",
        "reclassification|reclassement|umgliederung|split|reverse split|sammanläggning|omstämpling",
    ),
    (
        "transfer",
        "transfer|transfert|übertragung|trasferimento|traspaso|bodelning|interntransaktion|overdracht",
    ),
    (
        "exchange",
        "exchange|échange|tausch|scambio|permuta|canje|utbyte|byte|ruil",
    ),
    ("dividend", "dividend|dividende|dividendo|utdelning"),
];

/// Longest code, in bytes.
pub const MAX_CODE_BYTES: usize = 16;

/// A code as it may be kept: a letter of the SEC's, or one of the words.
#[must_use]
pub fn code(text: &str) -> Option<Code> {
    let letter = text.len() == 1 && LETTERS.contains(text);
    let word = || WORDS.iter().any(|(word, _)| *word == text);
    (letter || word()).then(|| Code(text.to_owned()))
}

/// The code of a nature in a regulator's words; only where it is known word for word, upper or lower case.
#[must_use]
pub fn of_nature(nature: &str) -> Option<Code> {
    let nature = nature.trim().to_lowercase();
    let known = |natures: &str| natures.split('|').any(|known| known.trim() == nature);
    let found = NATURES.iter().find(|(_, natures)| known(natures));
    found.map(|(code, _)| Code((*code).to_owned()))
}

/// Whether a dealing of this code acquires; `None` where the code does not tell.
#[must_use]
pub fn acquires(code: &Code) -> Option<bool> {
    match &*code.0 {
        "P" => Some(true),
        "S" => Some(false),
        word => WORDS.iter().find(|(known, _)| *known == word)?.1,
    }
}

/// All words that a code may be, for a refusal.
#[must_use]
pub fn code_words() -> String {
    let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natures_lead_to_codes_that_may_be_kept() {
        let mut seen = std::collections::BTreeSet::new();
        for (code_of, natures) in NATURES {
            assert!(code(code_of).is_some(), "{code_of}");
            for nature in natures.split('|').map(str::trim) {
                assert!(seen.insert(nature), "{nature} would mean two things");
                assert_eq!(of_nature(nature), code(code_of), "{nature}");
                assert_eq!(nature, nature.to_lowercase());
            }
        }
        assert_eq!(of_nature(" Förvärv "), Some(Code::purchase()));
        assert_eq!(of_nature("VERÄUSSERUNG"), Some(Code::sale()));
        assert_eq!(of_nature("acquisition of a horse"), None, "not guessed");
    }

    #[test]
    fn no_code_is_longer_than_is_said() {
        let longest = WORDS.iter().map(|(word, _)| word.len()).max();
        assert_eq!(longest, Some(MAX_CODE_BYTES));
    }

    #[test]
    fn only_purchases_and_sales_are_directed_by_letter() {
        assert_eq!(acquires(&Code::purchase()), Some(true));
        assert_eq!(acquires(&Code::sale()), Some(false));
        assert_eq!(acquires(&Code("M".into())), None);
        assert_eq!(acquires(&Code("sell_tax".into())), Some(false));
        for no_code in ["", "Q", "PS", "buy", "Grant"] {
            assert_eq!(code(no_code), None, "{no_code}");
        }
    }
}
