//! Insider data to ask for: a few companies with a past, put into a data directory by the library, and a server on a copy of it.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use jiff::{Span, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde_json::Value;
use sigcast::{
    ingest::insider::{
        config::Config,
        intake::{Intake, When},
    },
    model::{
        company::{Close, CompanyFact},
        filing::{Amends, Code, Filing, FilingId, Issuer, Owner, Row, Status},
        market::Market,
        time::{Clock, Time},
    },
};

use super::{
    ON_POSTGRES,
    place::Place,
    server::{Key, Server},
    wire::{Reply, request},
};

/// A server with the data, and a key without limits by the second.
pub struct House {
    pub server: Server,
    pub key: Key,
}

impl House {
    pub fn start() -> Self {
        Self::on_plan(
            "alpha",
            &[("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "0")],
        )
    }

    pub fn on_plan(plan: &str, settings: &[(&str, &str)]) -> Self {
        let server = Server::on(place(), settings);
        House {
            key: server.key(&server.account(plan)),
            server,
        }
    }

    /// `path` begins after `/api/v1`.
    pub fn ask(&self, path: &str) -> Reply {
        self.server.get(&format!("/api/v1{path}"), &self.key)
    }

    pub fn get(&self, path: &str) -> Value {
        self.ask(path).ok_json()
    }

    /// With more header fields.
    pub fn ask_with(&self, path: &str, more: &[(&str, &str)]) -> Reply {
        let bearer = format!("Bearer {}", self.key.text);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(more);
        let path = format!("/api/v1{path}");
        request(self.server.main, "GET", &path, &headers, b"")
    }

    /// The amfIds of a list, in order, without what all of them begin with.
    pub fn ids(&self, path: &str) -> Vec<String> {
        let body = self.get(path);
        let items = body["items"].as_array().unwrap_or_else(|| panic!("{body}"));
        let ids = items.iter().map(|item| item["amfId"].as_str().unwrap());
        ids.map(|id| id.trim_start_matches("SEC:0000000000-00-0000").to_owned())
            .collect()
    }
}

/// A place with the data, for whoever has its own way to start there.
pub fn place() -> Place {
    filled().copy()
}

/// Made once for all tests; the clock of the data moves on while it is made.
fn filled() -> &'static Place {
    static FILLED: OnceLock<Place> = OnceLock::new();
    FILLED.get_or_init(|| {
        let name = if ON_POSTGRES {
            "insider-data-postgres"
        } else {
            "insider-data"
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let place = Place::in_folder(folder);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(fill(&place));
        place
    })
}

/// The start of the UTC day that this program began on.
fn today() -> Date {
    static DAY: OnceLock<i64> = OnceLock::new();
    let day = *DAY.get_or_init(|| Clock::system().now().utc_day());
    Date::constant(1970, 1, 1)
        .checked_add(Span::new().days(day))
        .unwrap()
}

/// So many days ago.
pub fn day(ago: i64) -> Date {
    today().checked_sub(Span::new().days(ago)).unwrap()
}

/// Noon in UTC, so many days ago.
pub fn noon(ago: i64) -> Time {
    let at = TimeZone::UTC.to_timestamp(day(ago).at(12, 0, 0, 0));
    Time(at.unwrap().as_microsecond())
}

/// The latest publication: the end of yesterday, less than a day ago at any hour.
pub fn latest() -> Time {
    noon(1).plus((12 * 60 - 1) * 60 * Time::SECOND)
}

/// When the amendment arrived, and the late filing with it.
pub const AMENDED_DAYS_AGO: i64 = 40;

struct Sketch {
    number: u32,
    owner: u32,
    codes: &'static str,
    ago: i64,
    price: i64,
}

const fn sketch(number: u32, owner: u32, codes: &'static str, ago: i64, price: i64) -> Sketch {
    Sketch {
        number,
        owner,
        codes,
        ago,
        price,
    }
}

/// Otter Works' filings. The first four are its past: their returns are matured.
const OTTER: [Sketch; 10] = [
    sketch(1, 11, "P", 500, 10),
    sketch(2, 12, "P", 480, 10),
    sketch(3, 11, "P", 460, 10),
    sketch(4, 13, "S", 400, 10),
    sketch(5, 11, "A", 60, 10),
    sketch(6, 12, "P", 50, 5_000), // no such price
    sketch(7, 13, "PS", 45, 10),
    sketch(10, 11, "P", 3, 10),
    sketch(11, 12, "P", 2, 10),
    sketch(12, 13, "P", 1, 10), // three at once, the last of them yesterday at the earliest
];

fn otter() -> Issuer {
    Issuer {
        id: Some("0000000007".into()),
        name: "Otter Works, Inc.".into(),
        symbol: Some("OTTR".into()),
        isin: Some("US0000000075".into()),
    }
}

fn filing(sketch: &Sketch) -> Filing {
    let dealt = day(sketch.ago);
    let row = |code: char| Row {
        code: Some(Code(code.to_string())),
        security: "Common Stock".into(),
        date: Some(dealt),
        acquired: Some(code != 'S'),
        // the larger part of a filing with two codes is its purchase
        shares: Some(
            Decimal::from(1_000 + sketch.number) - Decimal::from(u32::from(code == 'S') * 500),
        ),
        price: Some(Decimal::from(sketch.price)),
        shares_after: Some(Decimal::from(5_000)),
        direct: Some(true),
        ..Row::default()
    };
    Filing {
        id: FilingId(format!("SEC:0000000000-00-{:06}", sketch.number)),
        market: "us".into(),
        form: "4".into(),
        published_at: if sketch.ago == 1 {
            latest()
        } else {
            noon(sketch.ago)
        },
        published_estimated: false,
        status: Status::Current,
        amends: None,
        issuer: otter(),
        owners: vec![Owner {
            id: Some(format!("{:010}", sketch.owner)),
            name: format!("Owner {}", sketch.owner),
            officer: true,
            title: Some("Chief Financial Officer".into()),
            ..Owner::default()
        }],
        period: Some(dealt),
        plan: None,
        rows: sketch.codes.chars().map(row).collect(),
        footnotes: Vec::new(),
        remarks: None,
        url: None,
    }
}

/// Of a second company, with a mark in its name, in another market; its insider's name looks like a formula.
fn french(number: u32, ago: i64) -> Filing {
    let mut one = filing(&sketch(number, 21, "P", ago, 20));
    one.id = FilingId(format!("2026DD{:07}", number));
    one.market = "fr".into();
    one.issuer = Issuer {
        id: None,
        name: "L'Étoile & Fils".into(),
        symbol: None,
        isin: Some("FR0000000001".into()),
    };
    one.owners[0].id = None;
    one.owners[0].name = "=HYPERLINK(\"x\"), Zoé".into();
    one.owners[0].title = None;
    // it does not say which security
    one.rows[0].security = String::new();
    one.url = Some("https://regulator.example/1.pdf".into());
    one
}

fn closes(symbol: &str) -> Vec<Close> {
    (0..900)
        .map(|ago| Close {
            symbol: symbol.into(),
            date: day(ago),
            // falls by day, and more so the share than what it is measured against
            close: if symbol == "OTTR" {
                Decimal::new(800 + ago, 2)
            } else {
                Decimal::from(400)
            },
        })
        .collect()
}

async fn fill(place: &Place) {
    let moment = Arc::new(AtomicI64::new(noon(600).0));
    let clock = {
        let moment = moment.clone();
        Clock::from_fn(move || Time(moment.load(Ordering::Relaxed)))
    };
    let db = place.open().await;
    let config = Config {
        signal_min_score: 40.0,
        signal_max_age_hours: 24,
    };
    let intake = Intake::open(db.clone(), None, clock, config, &Market::built_in())
        .await
        .unwrap();
    for symbol in ["^GSPC", "OTTR"] {
        let but_the_last = &closes(symbol)[1..];
        intake.closes("us", symbol, but_the_last).await.unwrap();
    }
    let mut filings: Vec<Filing> = OTTER.iter().map(filing).collect();
    filings.push(french(1, 30));
    filings.push(french(2, 20));
    let mut amended = filing(&sketch(8, 11, "P", AMENDED_DAYS_AGO, 10));
    amended.form = "4/A".into();
    amended.amends = Some(Amends::Filing(FilingId("SEC:0000000000-00-000003".into())));
    filings.push(amended);
    filings.sort_by_key(|one| one.published_at);
    for (n, one) in filings.iter().enumerate() {
        // it comes; then, with the first, what is known of its company; then it is judged
        let after = |minutes: i64| one.published_at.plus(minutes * 60 * Time::SECOND).0;
        moment.store(after(0), Ordering::Relaxed);
        let some = std::slice::from_ref(one);
        let taken = intake.filings(some, When::Later, true, Instant::now());
        assert_eq!(taken.await.unwrap().accepted, 1);
        if n == 0 {
            moment.store(after(30), Ordering::Relaxed);
            put_market_cap(&intake).await;
        }
        moment.store(after(60), Ordering::Relaxed);
        settle(&intake).await;
    }
    moment.store(noon(0).0, Ordering::Relaxed);
    // an old filing that arrives last
    let late = filing(&sketch(9, 14, "P", 470, 10));
    intake
        .filings(&[late], When::Now, true, Instant::now())
        .await
        .unwrap();
    // with the latest closes all that is matured by now is known
    for symbol in ["^GSPC", "OTTR"] {
        intake.closes("us", symbol, &closes(symbol)).await.unwrap();
    }
    settle(&intake).await;
    db.close().await;
}

async fn put_market_cap(intake: &Intake) {
    let fact = CompanyFact {
        market: "us".into(),
        id: Some("0000000007".into()),
        name: Some("Otter".into()),
        description: Some("Dams, mostly".into()),
        market_caps: vec![(day(300), Decimal::new(100_000_005, 2))],
        ..CompanyFact::default()
    };
    assert_eq!(intake.companies(&[fact]).await.unwrap(), 1);
}

async fn settle(intake: &Intake) {
    for _ in 0..100 {
        if intake.settle().await.unwrap().companies == 0 {
            return;
        }
    }
    panic!("judging must come to an end");
}
