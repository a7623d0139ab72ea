//! All tables, and what of them belongs to the store: what goes along where it moves to another database.

use super::{postgres, sqlite};

/// What a column holds, on every database alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits.
    Int,
    /// A double.
    Real,
    /// Yes or no, and never null.
    Bool,
    /// UTF-8.
    Text,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// Where a table's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// From what was given: a new database has none.
    Given,
    /// A new database has some of its own, and those that move take their place.
    Begun,
    /// As `Given`; the database itself numbers them by their key.
    Numbered,
}

/// A table that moves.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// What it is called.
    pub name: &'static str,
    /// Its primary key: in the order of these columns its rows are written.
    pub key: &'static [Column],
    /// All other columns.
    pub rest: &'static [Column],
    /// Columns that stay behind, and are null where it has moved: they name processes.
    pub without: &'static [&'static str],
    /// Where its rows come from.
    pub rows: Rows,
}

impl Table {
    /// Its columns in the order in which they are written, the key first.
    pub fn columns(&self) -> impl Iterator<Item = Column> + Clone {
        self.key.iter().chain(self.rest).copied()
    }

    /// Where a column stands among them.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.columns().position(|column| column.name == name)
    }
}

macro_rules! tables {
    ($($table:ident ($($key:ident $key_kind:ident),+) { $($column:ident $kind:ident),* } $rows:ident $(without $($left:ident)+)?;)+) => {
        &[$(Table {
            name: stringify!($table),
            key: &[$(column!($key $key_kind)),+],
            rest: &[$(column!($column $kind)),*],
            without: &[$($(stringify!($left)),+)?],
            rows: Rows::$rows,
        }),+]
    };
}

macro_rules! column {
    ($name:ident int) => {
        column!($name, Int)
    };
    ($name:ident real) => {
        column!($name, Real)
    };
    ($name:ident bool) => {
        column!($name, Bool)
    };
    ($name:ident text) => {
        column!($name, Text)
    };
    ($name:ident, $kind:ident) => {
        Column {
            name: stringify!($name),
            kind: Kind::$kind,
        }
    };
}

/// All that move, each behind those that its rows refer to. A test holds them against the tables that both databases have.
pub const TABLES: &[Table] = tables! {
    // the log
    log_head (only_row int) { epoch text, seq int, published_at int } Begun;
    log_tail (only_row int) { oldest int } Begun;
    signals (seq int) {
        id text, published_at int, signal_type text, best_rank int, best_score real, token text, market text, body text
    } Given;
    // who may read it, and what of that was used
    accounts (id text) { name text, plan text, expires_at int, suspended_at int, created_at int } Given;
    access_version (only_row int) { version int } Begun;
    api_keys (id text) { account_id text, kind text, hash text, prefix text, created_at int, expires_at int, revoked_at int } Given;
    usage_counters (key_id text) { day int, today int, this_month int, total int } Given;
    usage_days (key_id text, day int) { requests int } Given;
    sandbox_secret (only_row int) { secret text } Begun;
    // the second channel, and what was written to the first
    hooks (id text) {
        account_id text, url text, description text, filter text, compat text, ordered bool, enabled bool, disabled_why text, disabled_at
        int, secret text, old_secret text, old_secret_until int, created_at int, version int, epoch text, sent_to int, failing_since int,
        failing_messages int, answered_at int, asked int, fence int
    } Given without node;
    hook_version (only_row int) { version int } Begun;
    hook_messages (hook_id text, seq int) { signal_id text, attempts int, first_at int, next_at int } Given;
    hook_ranges (id int) { hook_id text, sent_to int, until int, failed_since int, asked_at int } Numbered;
    hook_attempts (id int) {
        hook_id text, seq int, signal_id text, attempt int, at int, took int, status int, error text, answer text
    } Numbered;
    hook_seal (only_row int) { sealed text } Begun;
    stream_writes (node text, number int) {
        connection int, account_id text, key_id text, epoch text, after_seq int, until_seq int, filter text, opened_at int, saved_at int,
        closed_at int
    } Given;
    // facts, and what the consensus engine made of them
    facts (arrival int) { kind int, subject int, time int, arrived_at int, backfill bool, body text } Given;
    fact_keys (key_high int, key_low int) {} Given;
    fact_keys_recent (key_high int, key_low int) {} Given;
    engines (name text) { cursor int } Begun;
    positions (wallet text, mint text) {
        opened_at int, last_buy_at int, peak text, lots text, cost_sold int, proceeds int, unmatched text
    } Given;
    closed_positions (wallet text, closed_at int) { closed text } Given;
    mints (mint text) { high_water int, prices text } Given;
    episodes (mint text, ordinal int) {
        id text, seed text, opened_at int, updates int, last_pool int, exited bool, reached text, triggers text
    } Given;
    // what the insider engine knows of companies and people
    markets (code text) { regulator text, name text, currency text, time_zone text, prefix text, benchmarks text } Begun;
    data_version (only_row int) {
        version int, returns_version int, prices_version int, backtests_version int, declarations_at int, prices_at int, companies_at int,
        scores_at int
    } Begun;
    companies (number int) {
        key text, market text, name text, named_at int, slug text, symbol text, isin text, description text, market_cap text,
        market_cap_micros int, declarations int, insiders int, symbol_at int, isin_at int, latest_at int,
        backtests_version int
    } Given;
    market_caps (company int, day int) { amount text } Given;
    company_briefs (company int, since int) { name text, slug text, symbol text, market_cap text } Given;
    insiders (number int) { key text, market text, name text, named_at int, slug text, declarations int, companies int } Given;
    name_words (kind int, word text, number int) { market text, shared int } Given;
    symbols (market text, symbol text) { isin text, description text } Given;
    symbol_caps (market text, symbol text, day int) { amount text } Given;
    splits (market text, symbol text, day int) { ratio text } Given;
    closes (market text, symbol text, day int) { close text } Given;
    price_stats (market text, symbol text) {
        last_day int, last_close text, high_52w text, low_52w text, average_50d text, average_200d text
    } Given;
    // filings, and what it made of them
    filings (number int) { id text, market text, form text, status text, company int, published_at int, arrived_at int, body text } Given;
    sightings (filing int) { seen_at int } Given;
    declarations (number int) {
        amf_id text, filing int, principal bool, company int, insider int, market text, published_at int, traded_on int, direction text,
        amount_micros int, isin text, score int, is_cluster bool, suspect bool, tracks bool, revision int, assessed_at int, may_fire bool,
        said text, record text, head text, rest text, signal text, superseded_by text, joint bool
    } Given;
    insider_companies (insider int, company int) { function text, named_at int } Given;
    declaration_people (insider int, published_at int, declaration int) {} Given;
    assessments (declaration int, version text, revision int) { assessed_at int, rest text, signal text, audit text, head text } Given;
    stale_companies (company int) { since int, returns_due bool } Given;
    matured_returns (company int, amf_id text) { direction text, people text, known_at int, until int, excess text } Given;
    backtests (declaration int) {
        company int, direction text, published_at int, score int, market text, computed_at int, excess_30 int, excess_60 int, excess_90
        int, excess_160 int, excess_180 int, excess_365 int, excess_730 int, body text
    } Given;
    // what is followed
    sources (name text) { state text, changed_at int } Given;
};

/// The log.
pub const SIGNALS: &str = "signals";
/// Its name and its last seq, ...
pub const LOG_HEAD: &str = "log_head";
/// ... and the first that is left in it.
pub const LOG_TAIL: &str = "log_tail";

/// What stays behind, and why.
pub const LEFT_BEHIND: [(&str, &str); 11] = [
    ("_sqlx_migrations", "which steps these tables have taken"),
    (
        "stream_tickets",
        "of a minute, and of the server that made them",
    ),
    ("sessions", "of hours, and of browsers that sign in again"),
    ("sandbox_salts", "of a day: forgotten as they should be"),
    ("sandbox_calls", "of a day, and nobody's without the salts"),
    ("sandbox_proofs", "of minutes"),
    ("nodes", "processes"),
    ("leases", "of processes"),
    ("lease_asks", "between processes"),
    ("duties", "of processes"),
    ("hook_senders", "processes"),
];

/// The last step that tables take with this program, whichever database they are in. What moves is of one step, there and here.
#[must_use]
pub fn step() -> i64 {
    sqlite::newest().max(postgres::newest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        let mut names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        names.extend(LEFT_BEHIND.map(|(name, _)| name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let signals = TABLES.iter().find(|table| table.name == SIGNALS).unwrap();
        assert_eq!(
            (signals.place("seq"), signals.place("nothing")),
            (Some(0), None)
        );
        assert!(step() >= 19);
    }
}
