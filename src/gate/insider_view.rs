//! What the endpoints that weigh, rank or audit insider data may be asked.

pub use super::pairs::QueryError;
use super::{
    insider_query::{
        AS_OF, DIRECTION, Direction, FORMAT, FROM, FlowBasis, FlowBucket, InsiderQuery, LIMIT,
        MARKET, MIN_SCORE, OFFSET, Page, Period, TO, ends, limit, page, period,
    },
    parameter::{Kind, Moment, Parameter, Values},
};
use crate::model::time::Time;
use rust_decimal::Decimal;

const fn lookback(default: u64, most: u64) -> Parameter {
    let kind = Kind::Whole {
        least: 1,
        most,
        default,
    };
    Parameter::new("lookbackDays", kind, "Published within so many days")
}

/// `/declarations/{amfId}`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclarationQuery {
    /// As it was served then.
    pub as_of: Option<Time>,
}

impl InsiderQuery for DeclarationQuery {
    const PARAMETERS: &'static [Parameter] = &[AS_OF];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(DeclarationQuery {
            as_of: values.moment("asOf")?.map(|moment| moment.last()),
        })
    }
}

/// `/declarations/{amfId}/score`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreQuery {
    /// As it was served then.
    pub as_of: Option<Time>,
    /// By this version of the score.
    pub version: Option<String>,
}

impl InsiderQuery for ScoreQuery {
    const PARAMETERS: &'static [Parameter] = &[
        AS_OF,
        Parameter::new("version", Kind::Version, "By this version of the score"),
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(ScoreQuery {
            as_of: values.moment("asOf")?.map(|moment| moment.last()),
            version: values.text("version")?,
        })
    }
}

/// `/signals`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalsQuery {
    /// Bought or sold.
    pub direction: Direction,
    /// Published within so many days.
    pub lookback_days: u32,
    /// Least score.
    pub min_score: Decimal,
    /// Of this market.
    pub market: Option<String>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for SignalsQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new(
            "direction",
            Kind::Word {
                words: Direction::WORDS,
                default: Some("BUY"),
            },
            "Eligible purchases or sales",
        ),
        lookback(7, 90),
        Parameter::new(
            "minScore",
            Kind::Number {
                most: Some(100),
                default: Some(40),
            },
            "Least score",
        ),
        MARKET,
        LIMIT,
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(SignalsQuery {
            direction: Direction::at(values.word("direction")?).unwrap_or(Direction::Buy),
            lookback_days: days(values)?,
            min_score: values.number("minScore")?.unwrap_or_default(),
            market: values.market()?,
            page: page(values)?,
        })
    }
}

fn days(values: &mut Values<'_>) -> Result<u32, QueryError> {
    let (days, _) = values.whole("lookbackDays")?;
    Ok(u32::try_from(days).unwrap_or(u32::MAX))
}

/// `/backtest`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacktestQuery {
    /// Bought or sold.
    pub direction: Option<Direction>,
    /// Least score.
    pub min_score: Option<Decimal>,
    /// Of this market.
    pub market: Option<String>,
    /// Published within.
    pub period: Period,
}

impl InsiderQuery for BacktestQuery {
    const PARAMETERS: &'static [Parameter] = &[DIRECTION, MIN_SCORE, MARKET, FROM, TO];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(BacktestQuery {
            direction: Direction::at(values.word("direction")?),
            min_score: values.number("minScore")?,
            market: values.market()?,
            period: period(values)?,
        })
    }
}

/// `/search`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// Beginnings of words of names.
    pub q: String,
    /// Of this market.
    pub market: Option<String>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for SearchQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new(
            "q",
            Kind::Text {
                least: 2,
                most: 100,
            },
            "Beginnings of words of a company's or an insider's name, or of a company's ticker or ISIN",
        )
        .required(),
        MARKET,
        limit(8, 50),
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(SearchQuery {
            q: values.text("q")?.unwrap_or_default(),
            market: values.market()?,
            page: page(values)?,
        })
    }
}

/// `/strategy/winning`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinningQuery {
    /// Published within so many days.
    pub lookback_days: u32,
    /// Of this market.
    pub market: Option<String>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for WinningQuery {
    const PARAMETERS: &'static [Parameter] =
        &[lookback(90, 365), MARKET, limit(20, 50), OFFSET, FORMAT];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(WinningQuery {
            lookback_days: days(values)?,
            market: values.market()?,
            page: page(values)?,
        })
    }
}

/// `/companies/{slug}/net-flow`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetFlowQuery {
    /// How wide a bucket is.
    pub bucket: FlowBucket,
    /// By which date.
    pub basis: FlowBasis,
    /// From the day of the market that is named, or that the moment falls on.
    pub from: Option<Moment>,
    /// Until that day, likewise.
    pub to: Option<Moment>,
}

impl InsiderQuery for NetFlowQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new(
            "bucket",
            Kind::Word {
                words: FlowBucket::WORDS,
                default: Some("month"),
            },
            "How wide a bucket is",
        ),
        Parameter::new(
            "basis",
            Kind::Word {
                words: FlowBasis::WORDS,
                default: Some("publication"),
            },
            "By which date a dealing is put into its bucket",
        ),
        Parameter::new(
            "from",
            Kind::Moment,
            "From this day on, as the market's own days go; of a time, the day that it falls on there",
        ),
        Parameter::new("to", Kind::Moment, "Until such a day, itself included"),
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        let (from, to) = ends(values)?;
        Ok(NetFlowQuery {
            from,
            to,
            bucket: FlowBucket::at(values.word("bucket")?).unwrap_or(FlowBucket::Month),
            basis: FlowBasis::at(values.word("basis")?).unwrap_or(FlowBasis::Publication),
        })
    }
}
