//! Markets: one row a regulator, with its currency, its time zone and the prefix of its filings' ids.

use super::local::{UnknownZone, Zone};

/// A market that filings come from. Rows of a table: more come by a row, not by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// Two letters, as in `?market=`.
    pub code: String,
    /// Who publishes its filings.
    pub regulator: String,
    /// Country or exchange, for people.
    pub name: String,
    /// ISO 4217, of its amounts unless a row says otherwise.
    pub currency: String,
    /// IANA name of the zone in which its days begin and end.
    pub time_zone: String,
    /// Before the colon of its filings' ids. Empty where the regulator's own numbers stand alone.
    pub prefix: String,
    /// Symbols of what its returns are measured against, the first with closes of the days in question counts; `^…` is an index.
    pub benchmarks: Vec<String>,
}

/// Code, regulator, name, currency, time zone, prefix, benchmarks.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const BUILT_IN: [Row; 10] = [
    ("fr", "AMF", "France", "EUR", "Europe/Paris", "", &["^FCHI"]),
    (
        "us",
        "SEC",
        "United States",
        "USD",
        "America/New_York",
        "SEC",
        &["^GSPC", "SPY"],
    ),
    (
        "de",
        "BaFin",
        "Germany",
        "EUR",
        "Europe/Berlin",
        "BAFIN",
        &["^GDAXI"],
    ),
    (
        "ch",
        "SIX Exchange Regulation",
        "Switzerland",
        "CHF",
        "Europe/Zurich",
        "SER",
        &["^SSMI"],
    ),
    (
        "uk",
        "FCA (Regulatory News Service)",
        "United Kingdom",
        "GBP",
        "Europe/London",
        "RNS",
        &["^FTSE"],
    ),
    (
        "ca",
        "CSA (SEDI)",
        "Canada",
        "CAD",
        "America/Toronto",
        "SEDI",
        &["^GSPTSE"],
    ),
    (
        "it",
        "Consob",
        "Italy",
        "EUR",
        "Europe/Rome",
        "CONSOB",
        &["FTSEMIB.MI"],
    ),
    (
        "es",
        "CNMV",
        "Spain",
        "EUR",
        "Europe/Madrid",
        "CNMV",
        &["^IBEX"],
    ),
    (
        "se",
        "Finansinspektionen",
        "Sweden",
        "SEK",
        "Europe/Stockholm",
        "FI",
        &["^OMX"],
    ),
    (
        "be",
        "FSMA",
        "Belgium",
        "EUR",
        "Europe/Brussels",
        "FSMA",
        &["^BFX"],
    ),
];

impl Market {
    /// The markets that are known without being told.
    #[must_use]
    pub fn built_in() -> Vec<Market> {
        let rows = BUILT_IN.iter();
        rows.map(
            |(code, regulator, name, currency, zone, prefix, benchmarks)| Market {
                code: (*code).into(),
                regulator: (*regulator).into(),
                name: (*name).into(),
                currency: (*currency).into(),
                time_zone: (*zone).into(),
                prefix: (*prefix).into(),
                benchmarks: benchmarks
                    .iter()
                    .map(|symbol| (*symbol).to_owned())
                    .collect(),
            },
        )
        .collect()
    }

    /// The zone in which its days begin and end.
    pub fn zone(&self) -> Result<Zone, UnknownZone> {
        Zone::named(&self.time_zone)
    }

    /// Whether an id is spelled as this market's are.
    #[must_use]
    pub fn owns(&self, id: &str) -> bool {
        match &*self.prefix {
            "" => !id.contains(':'),
            prefix => id
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|number| !number.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_market_is_complete_and_its_own() {
        let markets = Market::built_in();
        let codes: Vec<_> = markets.iter().map(|market| &*market.code).collect();
        let want = ["fr", "us", "de", "ch", "uk", "ca", "it", "es", "se", "be"];
        assert_eq!(codes, want);
        let prefixes: BTreeSet<_> = markets.iter().map(|market| &market.prefix).collect();
        assert_eq!(prefixes.len(), markets.len(), "a prefix names one market");
        for market in &markets {
            assert!(market.zone().is_ok(), "{}", market.time_zone);
            assert_eq!(market.currency.len(), 3, "{}", market.code);
            assert!(!market.benchmarks.is_empty(), "{}", market.code);
        }
    }

    #[test]
    fn ids_tell_their_market() {
        let markets = Market::built_in();
        let owner = |id: &str| {
            let owners = markets.iter().filter(|market| market.owns(id));
            owners.map(|market| &*market.code).collect::<Vec<_>>()
        };
        assert_eq!(owner("SEC:0001127602-25-009876"), ["us"]);
        assert_eq!(owner("2026DD1108988"), ["fr"]);
        assert!(owner("SEC:").is_empty());
        assert!(owner("XXX:1").is_empty());
    }
}
