//! What the endpoints of insider data may be asked, each by its own table of parameters.

pub use super::pairs::QueryError;
use super::parameter::{Kind, Moment, Parameter, Values};
use crate::model::time::Time;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

/// A query of one endpoint.
pub trait InsiderQuery: Sized {
    /// Its parameters.
    const PARAMETERS: &'static [Parameter];

    /// Takes the values that the table names.
    fn take(values: &mut Values<'_>) -> Result<Self, QueryError>;

    /// Reads a query string, without its `?`; `markets` are the codes that there are. What is unknown, repeated, empty,
    /// unreadable or out of bounds is refused by name.
    fn parse(query: &str, markets: &[String]) -> Result<Self, QueryError> {
        Self::take(&mut Values::read(query, Self::PARAMETERS, markets)?)
    }
}

/// An enum whose words are said in queries, the words in order, and the way from a place among them.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// As they are spelled.
            pub const WORDS: &'static [&'static str] = &[$($word),*];
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) fn at(place: Option<usize>) -> Option<Self> {
                place.and_then(|place| Self::ALL.get(place)).copied()
            }

            /// As it is spelled.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}
pub(super) use words;

words!(
    /// Bought or sold: eligible dealings only.
    Direction {
        /// An eligible purchase.
        Buy = "BUY",
        /// An eligible sale.
        Sell = "SELL",
    }
);
words!(
    /// Which end first.
    Order {
        /// The smallest, the earliest, A.
        Ascending = "asc",
        /// The largest, the latest, Z.
        Descending = "desc",
    }
);
words!(
    /// By what companies are sorted.
    CompanySort {
        /// Their names.
        Name = "name",
        /// Their market capitalisation.
        MarketCap = "marketCap",
        /// Their latest declaration.
        Recent = "recent",
    }
);
words!(
    /// By what declarations are sorted.
    DeclarationSort {
        /// Publication.
        PubDate = "pubDate",
        /// Score.
        SignalScore = "signalScore",
        /// Amount, in the declaration's own currency.
        Amount = "amount",
    }
);
words!(
    /// How wide a bucket of flows is.
    FlowBucket {
        /// A calendar month.
        Month = "month",
        /// An ISO week.
        Week = "week",
    }
);
words!(
    /// By which date a flow is put into its bucket.
    FlowBasis {
        /// When the public could know.
        Publication = "publication",
        /// When it was dealt.
        Trade = "trade",
    }
);
words!(
    /// How a list is answered.
    Format {
        /// A page.
        Json = "json",
        /// The whole result, as a file.
        Csv = "csv",
    }
);

/// Which part of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items at most.
    pub limit: u32,
    /// Items passed over.
    pub offset: u64,
    /// No limit was said: a file holds the rest of the result, not a page of it.
    pub whole: bool,
    /// What was said of the answer's form; the request's `Accept` decides where nothing was.
    pub format: Option<Format>,
}

impl Page {
    /// Its limit and offset, as the store takes them.
    #[must_use]
    pub fn place(&self) -> (i64, i64) {
        let offset = i64::try_from(self.offset).unwrap_or(i64::MAX);
        (i64::from(self.limit), offset)
    }
}

/// A stretch of time, as `from` and `to` name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Not before.
    pub from: Option<Time>,
    /// Before: exclusive. Of a `to` that is a day, the whole day is in.
    pub before: Option<Time>,
}

/// The smallest whole number of `10^-digits` that is not below the bound: 40.01 in tenths is 401.
#[must_use]
pub fn at_least(bound: Decimal, digits: u32) -> i64 {
    scaled(bound, digits).ceil().to_i64().unwrap_or(i64::MAX)
}

/// The largest whole number of `10^-digits` that is not above the bound.
#[must_use]
pub fn at_most(bound: Decimal, digits: u32) -> i64 {
    scaled(bound, digits).floor().to_i64().unwrap_or(i64::MAX)
}

fn scaled(bound: Decimal, digits: u32) -> Decimal {
    let scale = Decimal::from(10u64.saturating_pow(digits));
    bound.checked_mul(scale).unwrap_or(Decimal::MAX)
}

const COMPANY_WORDS: &str = "Beginnings of words of the company's name, its ticker or its ISIN";
/// Amounts are filtered by in millionths, as many as 63 bits hold.
const MOST_AMOUNT: u64 = i64::MAX as u64 / 1_000_000;
const SCORES: Kind = Kind::Number {
    most: Some(100),
    default: None,
};
const NAME: Kind = Kind::Text {
    least: 1,
    most: 100,
};
pub(super) const DIRECTION: Parameter = Parameter::new(
    "direction",
    Kind::Word {
        words: Direction::WORDS,
        default: None,
    },
    "Eligible purchases or sales only",
);
pub(super) const MARKET: Parameter = Parameter::new("market", Kind::Market, "Of this market only");
pub(super) const MIN_SCORE: Parameter = Parameter::new("minScore", SCORES, "Least score");
const MAX_SCORE: Parameter = Parameter::new("maxScore", SCORES, "Greatest score");
const ISIN: Parameter = Parameter::new("isin", Kind::Isin, "Exactly this ISIN");
pub(super) const FROM: Parameter = Parameter::new("from", Kind::Moment, "Published at or after");
pub(super) const TO: Parameter =
    Parameter::new("to", Kind::Moment, "Published until, that day included");
pub(super) const AS_OF: Parameter = Parameter::new(
    "asOf",
    Kind::Moment,
    "As it was served at that moment; of a day, at its end",
);
pub(super) const LIMIT: Parameter = limit(50, 200);
pub(super) const OFFSET: Parameter = Parameter::new(
    "offset",
    Kind::Whole {
        least: 0,
        most: i64::MAX as u64,
        default: 0,
    },
    "Items passed over",
);
pub(super) const FORMAT: Parameter = Parameter::new(
    "format",
    Kind::Word {
        words: Format::WORDS,
        default: None,
    },
    "A page, or the whole result as a file; goes before `Accept`",
);

pub(super) const fn limit(default: u64, most: u64) -> Parameter {
    let kind = Kind::Whole {
        least: 1,
        most,
        default,
    };
    Parameter::new("limit", kind, "Items at most")
}

const fn sort(words: &'static [&'static str], default: &'static str) -> Parameter {
    let default = Some(default);
    let kind = Kind::Word { words, default };
    Parameter::new("sort", kind, "By what the list is sorted")
}

const fn order(default: &'static str) -> Parameter {
    let kind = Kind::Word {
        words: Order::WORDS,
        default: Some(default),
    };
    Parameter::new("order", kind, "Which end first; what is absent stands last")
}

pub(super) fn page(values: &mut Values<'_>) -> Result<Page, QueryError> {
    let (limit, said) = values.whole("limit")?;
    Ok(Page {
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        offset: values.whole("offset")?.0,
        whole: !said,
        format: Format::at(values.word("format")?),
    })
}

pub(super) fn period(values: &mut Values<'_>) -> Result<Period, QueryError> {
    let (from, to) = ends(values)?;
    Ok(Period {
        from: from.map(|moment| moment.at),
        before: to.as_ref().map(Moment::after),
    })
}

/// `from` or `since`, and `to`, which does not end before that begins.
pub(super) fn ends(
    values: &mut Values<'_>,
) -> Result<(Option<Moment>, Option<Moment>), QueryError> {
    let since = values.moment("since")?;
    let from = values.moment("from")?;
    if let (Some(since), Some(_)) = (&since, &from) {
        return Values::refuse("since", &since.text, "since or from, which mean the same");
    }
    let (from, to) = (from.or(since), values.moment("to")?);
    match (&from, &to) {
        (Some(from), Some(to)) if from.at >= to.after() => {
            Values::refuse("to", &to.text, "a time not before from")
        }
        _ => Ok((from, to)),
    }
}

/// `/me`, `/health`, `/stats`, `/companies/{slug}`, `/insiders/{slug}`: nothing may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoQuery;

impl InsiderQuery for NoQuery {
    const PARAMETERS: &'static [Parameter] = &[];

    fn take(_: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(NoQuery)
    }
}

/// `/markets`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketsQuery {
    /// Only this one.
    pub market: Option<String>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for MarketsQuery {
    const PARAMETERS: &'static [Parameter] = &[MARKET, LIMIT, OFFSET, FORMAT];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(MarketsQuery {
            market: values.market()?,
            page: page(values)?,
        })
    }
}

/// `/companies`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompaniesQuery {
    /// Words of the name.
    pub q: Option<String>,
    /// Exactly this ISIN.
    pub isin: Option<String>,
    /// Of this market.
    pub market: Option<String>,
    /// With a logo, or without.
    pub has_logo: Option<bool>,
    /// By what.
    pub sort: CompanySort,
    /// Which end first.
    pub order: Order,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for CompaniesQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new("q", NAME, COMPANY_WORDS),
        ISIN,
        MARKET,
        Parameter::new("hasLogo", Kind::Flag, "With a logo, or without"),
        sort(CompanySort::WORDS, "name"),
        order("asc"),
        LIMIT,
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(CompaniesQuery {
            q: values.text("q")?,
            isin: values.text("isin")?,
            market: values.market()?,
            has_logo: values.flag("hasLogo")?,
            sort: CompanySort::at(values.word("sort")?).unwrap_or(CompanySort::Name),
            order: Order::at(values.word("order")?).unwrap_or(Order::Ascending),
            page: page(values)?,
        })
    }
}

/// `/insiders`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsidersQuery {
    /// Words of the name.
    pub q: Option<String>,
    /// Of this market.
    pub market: Option<String>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for InsidersQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new("q", NAME, "Words of the insider's name"),
        MARKET,
        LIMIT,
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(InsidersQuery {
            q: values.text("q")?,
            market: values.market()?,
            page: page(values)?,
        })
    }
}

/// `/companies/{slug}/declarations` and `/insiders/{slug}/declarations`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDeclarationsQuery {
    /// Bought or sold.
    pub direction: Option<Direction>,
    /// Least score.
    pub min_score: Option<Decimal>,
    /// Of this market.
    pub market: Option<String>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for OwnDeclarationsQuery {
    const PARAMETERS: &'static [Parameter] = &[DIRECTION, MIN_SCORE, MARKET, LIMIT, OFFSET, FORMAT];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(OwnDeclarationsQuery {
            direction: Direction::at(values.word("direction")?),
            min_score: values.number("minScore")?,
            market: values.market()?,
            page: page(values)?,
        })
    }
}

/// `/declarations`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationsQuery {
    /// Published within.
    pub period: Period,
    /// With its backtest.
    pub with_backtest: bool,
    /// Least score.
    pub min_score: Option<Decimal>,
    /// Greatest score.
    pub max_score: Option<Decimal>,
    /// Bought or sold.
    pub direction: Option<Direction>,
    /// Clusters, or what is none.
    pub cluster: Option<bool>,
    /// Least amount, in the declaration's own currency.
    pub min_amount: Option<Decimal>,
    /// Words of the company's name.
    pub company: Option<String>,
    /// Words of the insider's name.
    pub insider: Option<String>,
    /// Exactly this ISIN.
    pub isin: Option<String>,
    /// Of this market.
    pub market: Option<String>,
    /// By what.
    pub sort: DeclarationSort,
    /// Which end first.
    pub order: Order,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for DeclarationsQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new(
            "since",
            Kind::Moment,
            "Alias of `from`. Pair with `sort=pubDate&order=asc` for incremental polling",
        ),
        FROM,
        TO,
        Parameter::new(
            "include",
            Kind::Words(&["backtest"]),
            "Related objects to inline",
        ),
        MIN_SCORE,
        MAX_SCORE,
        DIRECTION,
        Parameter::new("cluster", Kind::Flag, "`true`: cluster trades only"),
        Parameter::new(
            "minAmount",
            Kind::Number {
                most: Some(MOST_AMOUNT),
                default: None,
            },
            "Least amount, in the declaration's own currency",
        ),
        Parameter::new("company", NAME, COMPANY_WORDS),
        Parameter::new("insider", NAME, "The same of anybody's name who reports"),
        ISIN,
        MARKET,
        sort(DeclarationSort::WORDS, "pubDate"),
        order("desc"),
        LIMIT,
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        let query = DeclarationsQuery {
            period: period(values)?,
            with_backtest: values.words("include")?.contains(&"backtest"),
            min_score: values.number("minScore")?,
            max_score: values.number("maxScore")?,
            direction: Direction::at(values.word("direction")?),
            cluster: values.flag("cluster")?,
            min_amount: values.number("minAmount")?,
            company: values.text("company")?,
            insider: values.text("insider")?,
            isin: values.text("isin")?,
            market: values.market()?,
            sort: DeclarationSort::at(values.word("sort")?).unwrap_or(DeclarationSort::PubDate),
            order: Order::at(values.word("order")?).unwrap_or(Order::Descending),
            page: page(values)?,
        };
        match (query.min_score, query.max_score) {
            (Some(min), Some(max)) if min > max => {
                Values::refuse("maxScore", &max, "a number not below minScore")
            }
            _ => Ok(query),
        }
    }
}
