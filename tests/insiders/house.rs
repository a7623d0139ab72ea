//! A store of filings with its way in, at a moment of its own, and filings in few words.

use std::time::Instant;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;
use sigcast::{
    config::load,
    ingest::insider::{
        config::Config,
        intake::{Intake, When},
        take::Taken,
    },
    model::{
        filing::{Code, Filing, FilingId, Issuer, Owner, Row, Status},
        market::Market,
        time::{Clock, Time},
    },
    store::{db::Db, declaration_filter::Filter, declaration_list::Slice},
};
use tempfile::TempDir;

use super::ON_POSTGRES;
use crate::cluster::Database;

pub fn run<T>(promise: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(promise)
}

pub fn us() -> Market {
    Market {
        code: "us".into(),
        regulator: "SEC".into(),
        name: "United States".into(),
        currency: "USD".into(),
        time_zone: "America/New_York".into(),
        prefix: "SEC".into(),
        benchmarks: vec!["^GSPC".into(), "SPY".into()],
    }
}

pub fn now() -> Time {
    Time::parse_iso("2023-07-01T12:00:00Z").unwrap()
}

pub struct House {
    pub db: Db,
    _folder: TempDir,
    _database: Option<Database>,
    pub intake: Intake,
}

impl House {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = load::load(None, std::iter::empty(), &[]).unwrap();
        let database = ON_POSTGRES.then(Database::fresh);
        let opened = match &database {
            Some(database) => Db::open_postgres(&database.config()).await,
            None => Db::open_sqlite(folder.path(), &settings.store).await,
        };
        let db = opened.unwrap();
        db.name_log("0123abcd", now()).await.unwrap();
        let config = Config {
            signal_min_score: 40.0,
            signal_max_age_hours: 24,
        };
        let clock = Clock::from_fn(now);
        let intake = Intake::open(db.clone(), None, clock, config, &[us()])
            .await
            .unwrap();
        House {
            _folder: folder,
            _database: database,
            db,
            intake,
        }
    }

    pub async fn settle(&self) {
        let mut rounds = 0;
        while self.intake.settle().await.unwrap().companies > 0 {
            rounds += 1;
            assert!(rounds < 1_000, "judging must come to an end");
        }
    }

    /// Takes filings in as history, and judges them.
    pub async fn take(&self, filings: &[Filing], when: When) -> Taken {
        let taken = self.intake.filings(filings, when, true, Instant::now());
        taken.await.unwrap()
    }

    /// What is said of every declaration, but for when and how often it was judged.
    pub async fn said(&self) -> Vec<Said> {
        let filter = Filter {
            ascending: true,
            ..Filter::default()
        };
        let whole = Slice::of(1_000, 0);
        let listed = self.db.list_declarations(&filter, &whole, true);
        let mut all = Vec::new();
        for one in listed.await.unwrap() {
            let served = self.db.served(one.number, "s9.1", None).await;
            let served = served.unwrap().unwrap();
            let mut signal: Value = serde_json::from_str(&served.signal).unwrap();
            signal.as_object_mut().unwrap().remove("scoredAt");
            let mut rest: Value = serde_json::from_str(&format!("{{{}}}", served.rest)).unwrap();
            // numbers are given by arrival, and slugs have them
            rest["insider"].as_object_mut().unwrap().remove("slug");
            all.push(Said {
                amf_id: one.amf_id,
                signal,
                rest,
                audit: served
                    .audit
                    .map_or(Value::Null, |audit| serde_json::from_str(&audit).unwrap()),
                backtest: one.backtest,
                company: (one.company_symbol, one.company_market_cap),
            });
        }
        all
    }

    /// What is said of one declaration.
    pub async fn of(&self, filing: &Filing) -> Said {
        let said = self.said().await.into_iter();
        let mut own = said.filter(|one| one.amf_id == filing.id.0);
        own.next().unwrap()
    }
}

/// What is said of a declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub amf_id: String,
    pub signal: Value,
    pub rest: Value,
    pub audit: Value,
    pub backtest: Option<String>,
    /// Ticker and market capitalisation.
    pub company: (Option<String>, Option<String>),
}

pub fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn filing(number: u32, owner: u32, code: &str, published: Time, traded: Date) -> Filing {
    Filing {
        id: FilingId(format!("SEC:0000000000-23-{number:06}")),
        market: "us".into(),
        form: "4".into(),
        published_at: published,
        published_estimated: false,
        status: Status::Current,
        amends: None,
        issuer: Issuer {
            id: Some("0000000007".into()),
            name: "Otter Works, Inc.".into(),
            symbol: Some("OTTR".into()),
            isin: None,
        },
        owners: vec![Owner {
            id: Some(format!("{owner:010}")),
            name: format!("Owner {owner}"),
            officer: true,
            title: Some("Chief Financial Officer".into()),
            ..Owner::default()
        }],
        period: Some(traded),
        plan: None,
        rows: vec![Row {
            code: Some(Code(code.into())),
            security: "Common Stock".into(),
            date: Some(traded),
            acquired: Some(code == "P"),
            shares: Some(Decimal::from(1_000 + number)),
            price: Some(Decimal::from(10)),
            shares_after: Some(Decimal::from(5_000)),
            direct: Some(true),
            ..Row::default()
        }],
        footnotes: Vec::new(),
        remarks: None,
        url: None,
    }
}

pub fn on(day: &str) -> Time {
    Time::parse_iso(&format!("{day}T20:00:00Z")).unwrap()
}
