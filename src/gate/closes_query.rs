//! What the closes of a company may be asked: how wide a bucket is, from and until which day, and which part.

pub use super::pairs::QueryError;
use super::{
    insider_query::{FORMAT, InsiderQuery, OFFSET, Page, ends, limit, page, words},
    parameter::{Kind, Moment, Parameter, Values},
};

words!(
    /// How wide a bucket of closes is: of each, its last close counts.
    CloseBucket {
        /// A day: each close.
        Day = "day",
        /// An ISO week.
        Week = "week",
        /// A calendar month.
        Month = "month",
    }
);

/// `/companies/{slug}/closes`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosesQuery {
    /// How wide a bucket is.
    pub bucket: CloseBucket,
    /// From the day of the market that is named, or that the moment falls on.
    pub from: Option<Moment>,
    /// Until that day, likewise.
    pub to: Option<Moment>,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for ClosesQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new(
            "bucket",
            Kind::Word {
                words: CloseBucket::WORDS,
                default: Some("day"),
            },
            "How wide a bucket is; its last close counts",
        ),
        Parameter::new(
            "from",
            Kind::Moment,
            "From this session's day on; of a time, the day that it falls on in the market",
        ),
        Parameter::new("to", Kind::Moment, "Until such a day, itself included"),
        limit(250, 1_000),
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        let (from, to) = ends(values)?;
        Ok(ClosesQuery {
            from,
            to,
            bucket: CloseBucket::at(values.word("bucket")?).unwrap_or(CloseBucket::Day),
            page: page(values)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_asked_for_by_day_and_in_pages_of_their_own_size() {
        let read = |query: &str| ClosesQuery::parse(query, &[]);
        let usual = read("").unwrap();
        assert_eq!((usual.bucket, usual.page.limit), (CloseBucket::Day, 250));
        assert!(usual.page.whole, "a file of all of them");
        let weeks = read("bucket=week&from=2021-01-01&to=2021-01-01&limit=1000").unwrap();
        assert_eq!((weeks.bucket, weeks.page.limit), (CloseBucket::Week, 1_000));
        for (query, parameter) in [
            ("bucket=year", "bucket"),
            ("limit=1001", "limit"),
            ("limit=0", "limit"),
            ("from=2021-01-02&to=2021-01-01", "to"),
            ("basis=trade", "basis"),
            ("market=us", "market"),
        ] {
            let refused = read(query).unwrap_err();
            assert_eq!(refused.parameter, parameter, "{query}");
        }
    }
}
