//! Markets: one row a regulator, with its currency, its time zone and the prefix of its filings' ids.

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
    /// Before the colon of its filings' ids.
    pub prefix: String,
}
