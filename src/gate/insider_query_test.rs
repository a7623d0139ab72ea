//! What each endpoint takes: defaults, bounds, words, days, and a refusal by name for everything else.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{
    insider_query::*,
    insider_view::*,
    parameter::{Kind, Parameter},
    usage_query::UsageQuery,
};
use crate::model::time::Time;

fn markets() -> Vec<String> {
    ["fr", "us", "uk"].map(str::to_owned).to_vec()
}

fn parse<Q: InsiderQuery>(query: &str) -> Result<Q, QueryError> {
    Q::parse(query, &markets())
}

fn at(text: &str) -> Option<Time> {
    Time::parse_iso(text).ok()
}

const DEFAULT_PAGE: Page = Page {
    limit: 50,
    offset: 0,
    whole: true,
    format: None,
};

#[test]
fn nothing_said_is_the_default() {
    let companies: CompaniesQuery = parse("").unwrap();
    assert_eq!(
        (companies.sort, companies.order, companies.page),
        (CompanySort::Name, Order::Ascending, DEFAULT_PAGE)
    );
    let declarations: DeclarationsQuery = parse("").unwrap();
    assert_eq!(
        (declarations.sort, declarations.order, declarations.page),
        (DeclarationSort::PubDate, Order::Descending, DEFAULT_PAGE)
    );
    assert!(!declarations.with_backtest && declarations.direction.is_none());
    let signals: SignalsQuery = parse("").unwrap();
    assert_eq!(
        (signals.direction, signals.lookback_days, signals.min_score),
        (Direction::Buy, 7, Decimal::from(40))
    );
    let search: SearchQuery = parse("q=ab").unwrap();
    assert_eq!(search.page.limit, 8);
    let winning: WinningQuery = parse("").unwrap();
    assert_eq!((winning.lookback_days, winning.page.limit), (90, 20));
    let flow: NetFlowQuery = parse("").unwrap();
    assert_eq!(
        (flow.bucket, flow.basis, flow.from, flow.to),
        (FlowBucket::Month, FlowBasis::Publication, None, None)
    );
    assert!(parse::<NoQuery>("").is_ok());
}

#[test]
fn reads_everything_that_a_list_of_declarations_takes() {
    let query: DeclarationsQuery = parse(
        "from=2026-03-20&to=2026-04-20&include=backtest&minScore=40.05&maxScore=90&direction=SELL&cluster=true\
         &minAmount=250000.50&company=L%27Or%C3%A9al&insider=jean+paul&isin=FR0000120321&market=fr&sort=signalScore\
         &order=asc&limit=200&offset=10000&format=csv",
    )
    .unwrap();
    let expected = DeclarationsQuery {
        period: Period {
            from: at("2026-03-20"),
            before: at("2026-04-21"),
        },
        with_backtest: true,
        min_score: Some(Decimal::new(4005, 2)),
        max_score: Some(Decimal::from(90)),
        direction: Some(Direction::Sell),
        cluster: Some(true),
        min_amount: Some(Decimal::new(25_000_050, 2)),
        company: Some("L'Oréal".into()),
        insider: Some("jean paul".into()),
        isin: Some("FR0000120321".into()),
        market: Some("fr".into()),
        sort: DeclarationSort::SignalScore,
        order: Order::Ascending,
        page: Page {
            limit: 200,
            offset: 10_000,
            whole: false,
            format: Some(Format::Csv),
        },
    };
    assert_eq!(query, expected);
}

#[test]
fn a_day_named_as_the_end_is_in() {
    let period = |query: &str| parse::<DeclarationsQuery>(query).unwrap().period;
    let day = period("since=2026-04-24&to=2026-04-24");
    assert_eq!(day.from, at("2026-04-24"));
    assert_eq!(day.before, at("2026-04-25"), "the whole of it");
    let instant = period("from=2026-04-24T10:00:00Z&to=2026-04-24T10:00:00Z");
    assert_eq!(instant.before, instant.from.map(|from| from.plus(1)));
    let then = parse::<DeclarationQuery>("asOf=2026-04-24").unwrap();
    assert_eq!(then.as_of, day.before.map(|end| end.plus(-1)));
    let offset = period("to=2026-04-24T10:00:00%2B02:00");
    assert_eq!(offset.before, at("2026-04-24T08:00:00Z").map(|t| t.plus(1)));
}

/// Each must be refused, with this parameter's name and this in what is allowed.
fn refused<Q: InsiderQuery + std::fmt::Debug>(cases: &[(&str, &str, &str)]) {
    for (query, parameter, allowed) in cases {
        let error = parse::<Q>(query).unwrap_err();
        assert_eq!(&error.parameter, parameter, "{query}: {error}");
        assert!(error.allowed.contains(allowed), "{query}: {error}");
    }
}

#[test]
fn refuses_by_name() {
    refused::<DeclarationsQuery>(&[
        ("limit=0", "limit", "from 1 to 200"),
        ("limit=201", "limit", "from 1 to 200"),
        ("limit=+5", "limit", "whole"),
        ("limit=5.0", "limit", "whole"),
        ("offset=-1", "offset", "0 at least"),
        ("offset=99999999999999999999", "offset", "0 at least"),
        ("market=atlantis", "market", "fr, us, uk"),
        ("market=FR", "market", "fr, us, uk"),
        ("direction=buy", "direction", "BUY, SELL"),
        ("cluster=1", "cluster", "true or false"),
        ("minScore=101", "minScore", "from 0 to 100"),
        ("minScore=-1", "minScore", "from 0 to 100"),
        ("minScore=1e1", "minScore", "decimal"),
        ("minScore=NaN", "minScore", "decimal"),
        ("minScore=60&maxScore=50", "maxScore", "minScore"),
        ("minAmount=1,5", "minAmount", "decimal"),
        ("isin=FR000012032", "isin", "ISIN"),
        ("isin=fr0000120321", "isin", "ISIN"),
        ("include=prices", "include", "backtest"),
        ("include=backtest,", "include", "backtest"),
        ("sort=price", "sort", "pubDate, signalScore, amount"),
        ("order=up", "order", "asc, desc"),
        ("from=yesterday", "from", "2026-04-24"),
        ("from=2026-02-30", "from", "2026-04-24"),
        ("to=2026-4-1", "to", "2026-04-24"),
        ("from=2026-04-25&to=2026-04-24", "to", "not before from"),
        ("since=2026-04-25&from=2026-04-24", "since", "the same"),
        ("company=%20", "company", "1 to 100"),
        ("company=a%00", "company", "1 to 100"),
        ("format=xml", "format", "json, csv"),
        ("limit=5&limit=6", "limit", "once"),
        ("company=", "company", "a value"),
        ("colour=red", "colour", "minScore"),
        ("Limit=5", "Limit", "limit"),
    ]);
    refused::<NoQuery>(&[
        ("x=1", "x", "no parameters"),
        ("limit=1", "limit", "no parameters"),
    ]);
    refused::<SignalsQuery>(&[
        ("lookbackDays=0", "lookbackDays", "from 1 to 90"),
        ("lookbackDays=91", "lookbackDays", "from 1 to 90"),
        ("sort=amount", "sort", "lookbackDays"),
    ]);
    refused::<SearchQuery>(&[
        ("", "q", "2 to 100"),
        ("q=a", "q", "2 to 100"),
        ("q=ab&limit=51", "limit", "from 1 to 50"),
    ]);
    refused::<WinningQuery>(&[
        ("lookbackDays=366", "lookbackDays", "365"),
        ("limit=51", "limit", "50"),
    ]);
    refused::<CompaniesQuery>(&[("hasLogo=yes", "hasLogo", "true or false")]);
    refused::<ScoreQuery>(&[("version=a%20b", "version", "score version")]);
    refused::<DeclarationQuery>(&[("asOf=now", "asOf", "ISO 8601")]);
    refused::<NetFlowQuery>(&[("bucket=day", "bucket", "month, week")]);
    refused::<BacktestQuery>(&[("limit=5", "limit", "direction")]);
}

#[test]
fn bounds_in_other_units_let_in_no_more() {
    let points = |text: &str| text.parse::<Decimal>().unwrap();
    assert_eq!(at_least(points("40.01"), 1), 401);
    assert_eq!(at_least(points("40"), 1), 400);
    assert_eq!(at_most(points("40.09"), 1), 400);
    assert_eq!(at_least(Decimal::MAX, 6), i64::MAX);
}

/// A value that the parameter takes and that is not its default.
fn sample(parameter: &Parameter) -> String {
    match parameter.kind {
        Kind::Text { .. } => "some name".into(),
        Kind::Isin => "US0378331005".into(),
        Kind::Market => "us".into(),
        Kind::Flag => "true".into(),
        Kind::Whole { most, default, .. } => (default + 1).min(most).to_string(),
        Kind::Number { .. } => "77".into(),
        Kind::Word { words, default } => {
            let other = words.iter().find(|word| Some(**word) != default);
            (*other.unwrap()).to_owned()
        }
        Kind::Words(words) => words[0].to_owned(),
        Kind::Moment => "2026-04-24".into(),
        Kind::Version => "s9.1".into(),
    }
}

/// Every parameter of the table must be taken, and change something; and its bounds must hold.
fn follows_its_table<Q: InsiderQuery + PartialEq + std::fmt::Debug>() {
    let required: Vec<String> = Q::PARAMETERS
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| format!("{}=ab", parameter.name))
        .collect();
    let base = required.join("&");
    let plain = parse::<Q>(&base).unwrap();
    for parameter in Q::PARAMETERS {
        let others: Vec<&String> = required
            .iter()
            .filter(|said| !said.starts_with(&format!("{}=", parameter.name)))
            .collect();
        let mut query = format!("{}={}", parameter.name, sample(parameter).replace(' ', "+"));
        for other in others {
            query += &format!("&{other}");
        }
        let read = parse::<Q>(&query).unwrap();
        assert_ne!(read, plain, "`{query}` changes nothing");
        if let Kind::Whole { least, most, .. } = parameter.kind {
            let ask = |number: u128| parse::<Q>(&format!("{base}&{}={number}", parameter.name));
            assert!(ask(u128::from(least)).is_ok() && ask(u128::from(most)).is_ok());
            assert!(ask(u128::from(most) + 1).is_err(), "{}", parameter.name);
        }
    }
}

#[test]
fn every_parameter_of_every_table_is_taken() {
    follows_its_table::<NoQuery>();
    follows_its_table::<MarketsQuery>();
    follows_its_table::<CompaniesQuery>();
    follows_its_table::<InsidersQuery>();
    follows_its_table::<OwnDeclarationsQuery>();
    follows_its_table::<DeclarationsQuery>();
    follows_its_table::<DeclarationQuery>();
    follows_its_table::<ScoreQuery>();
    follows_its_table::<SignalsQuery>();
    follows_its_table::<BacktestQuery>();
    follows_its_table::<SearchQuery>();
    follows_its_table::<WinningQuery>();
    follows_its_table::<NetFlowQuery>();
    follows_its_table::<UsageQuery>();
}

proptest! {
    #[test]
    fn never_panics(
        query in "\\PC{0,120}|((from|to|since|limit|offset|minScore|minAmount|isin|q|market)=[ -~]{0,30}&){0,6}"
    ) {
        let _ = parse::<DeclarationsQuery>(&query);
        let _ = parse::<SearchQuery>(&query);
        let _ = parse::<SignalsQuery>(&query);
    }

    #[test]
    fn numbers_are_kept_to_the_digit(whole in 0u64..=1_000_000_000_000, cents in 0u32..100) {
        let query: DeclarationsQuery = parse(&format!("minAmount={whole}.{cents:02}")).unwrap();
        let expected = Decimal::from(whole) + Decimal::new(i64::from(cents), 2);
        prop_assert_eq!(query.min_amount, Some(expected));
    }
}
