//! Which declarations a list holds and in which order, as conditions of a statement; and the two ways on which an index leads to them.
//!
//! The columns that an index must not be chosen by are kept from SQLite's planner, so that it takes no third way.

use super::{
    companies::Named,
    search::{push_words, push_words_held},
    sql::{QueryBuilder, unindexed},
};
use crate::model::time::Time;

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Publication.
    #[default]
    PubDate,
    /// Score; unscored last.
    SignalScore,
    /// Amount, whatever the currency; unknown last.
    Amount,
}

/// Which declarations, and in which order. Empty: all, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this company.
    pub company: Option<i64>,
    /// About this insider.
    pub insider: Option<i64>,
    /// Code of a market.
    pub market: Option<String>,
    /// `BUY` or `SELL`: eligible ones only.
    pub direction: Option<String>,
    /// Least score, in tenths.
    pub min_score: Option<i64>,
    /// Greatest score, in tenths.
    pub max_score: Option<i64>,
    /// Only clusters, or only what is none.
    pub cluster: Option<bool>,
    /// Least amount, in millionths of its own currency.
    pub min_amount: Option<i64>,
    /// Words of the company's name.
    pub company_name: Option<String>,
    /// Words of the insider's name.
    pub insider_name: Option<String>,
    /// ISIN of the instrument or the company.
    pub isin: Option<String>,
    /// Published at or after.
    pub from: Option<Time>,
    /// Published before.
    pub before: Option<Time>,
    /// By what to sort.
    pub sort: Sort,
    /// The smallest first.
    pub ascending: bool,
}

/// A part of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Company,
    Insider,
    Isin,
    Market,
    Direction,
    Cluster,
    Score,
    Amount,
    Time,
    CompanyName,
    InsiderName,
}

/// How the numbers of a list's rows are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Along the index of the order, each entry held against the filter.
    InOrder,
    /// All that one part of the filter passes.
    Gathered(Part),
}

/// Of a list by something that may be unknown: that part of it, and which comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Any,
    Yes,
    No,
}

/// A column as it is, or kept from the choice of an index.
pub(super) fn column(name: &str, open: bool) -> String {
    if open {
        name.to_owned()
    } else {
        unindexed(name)
    }
}

impl Part {
    /// Whether an index by this part goes on in the order of publication.
    fn goes_by_time(self) -> bool {
        matches!(
            self,
            Part::Company | Part::Isin | Part::Market | Part::Direction | Part::Cluster
        )
    }

    /// Whether what it is about stands in the rows, or in an index of them; people stand in a table of their own.
    pub(super) fn is_of_rows(self) -> bool {
        !matches!(self, Part::Insider | Part::InsiderName)
    }

    /// Whether an index by this part holds all others too.
    pub(super) fn covers_all(self) -> bool {
        matches!(self, Part::Time | Part::Score | Part::Amount | Part::Market)
    }
}

impl Filter {
    /// What of it matters to how many it passes: the order does not.
    #[must_use]
    pub fn counted(&self) -> Self {
        Filter {
            sort: Sort::default(),
            ascending: false,
            ..self.clone()
        }
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        let parts = [
            (Part::Company, self.company.is_some()),
            (Part::Insider, self.insider.is_some()),
            (Part::Isin, self.isin.is_some()),
            (Part::Time, self.from.or(self.before).is_some()),
            (Part::Market, self.market.is_some()),
            (Part::Direction, self.direction.is_some()),
            (Part::Cluster, self.cluster.is_some()),
            (Part::Score, self.min_score.or(self.max_score).is_some()),
            (Part::Amount, self.min_amount.is_some()),
            (Part::CompanyName, self.company_name.is_some()),
            (Part::InsiderName, self.insider_name.is_some()),
        ];
        let given = parts.into_iter().filter(|(_, given)| *given);
        given.map(|(part, _)| part).collect()
    }

    /// Whether something can be looked up by a part: there are too many that are no cluster.
    pub(super) fn gathers(&self, part: Part) -> bool {
        part != Part::Cluster || self.cluster == Some(true)
    }

    /// Whether a way gives the order of the list by itself.
    pub(super) fn ordered_by(&self, way: Way) -> bool {
        match way {
            Way::InOrder => true,
            Way::Gathered(part) => self.sort == Sort::PubDate && part.goes_by_time(),
        }
    }

    /// Whether a part may be looked up in an index, on this way.
    fn is_open(&self, part: Part, way: Way) -> bool {
        match way {
            Way::Gathered(by) => by == part,
            // a stretch of the order itself
            Way::InOrder => {
                (part, self.sort) == (Part::Time, Sort::PubDate)
                    || (part, self.sort) == (Part::Score, Sort::SignalScore)
                    || (part, self.sort) == (Part::Amount, Sort::Amount)
            }
        }
    }

    pub(super) fn push_where(&self, query: &mut QueryBuilder, way: Way) {
        query.push(" where 1 = 1");
        for part in self.parts() {
            self.push_part(query, part, self.is_open(part, way));
        }
    }

    pub(super) fn push_part(&self, query: &mut QueryBuilder, part: Part, open: bool) {
        fn bound<T: Copy>(value: Option<T>) -> impl Iterator<Item = T> {
            value.into_iter()
        }
        match part {
            Part::Company => {
                let column = column("d.company", open);
                for company in bound(self.company) {
                    and(query, &column, " = ").push_bind(company);
                }
            }
            Part::Insider => {
                for insider in bound(self.insider) {
                    and(query, &column("d.number", open), " in ")
                        .push("(select declaration from declaration_people where insider = ")
                        .push_bind(insider)
                        .push(")");
                }
            }
            Part::Isin => {
                let isin = self.isin.clone().unwrap_or_default();
                and(query, &column("d.isin", open), " = ").push_bind(isin);
            }
            Part::Market => {
                let market = self.market.clone().unwrap_or_default();
                and(query, &column("d.market", open), " = ").push_bind(market);
            }
            Part::Direction => {
                let direction = self.direction.clone().unwrap_or_default();
                and(query, &column("d.direction", open), " = ").push_bind(direction);
            }
            Part::Cluster => {
                // where it is open, word for word the condition of the index that holds clusters alone
                let is = if self.cluster == Some(true) {
                    " and "
                } else {
                    " and not "
                };
                query.push(is).push(column("d.is_cluster", open));
            }
            Part::Score => {
                let column = column("d.score", open);
                for score in bound(self.min_score) {
                    and(query, &column, " >= ").push_bind(score);
                }
                for score in bound(self.max_score) {
                    and(query, &column, " <= ").push_bind(score);
                }
            }
            Part::Amount => {
                for amount in bound(self.min_amount) {
                    and(query, &column("d.amount_micros", open), " >= ").push_bind(amount);
                }
            }
            Part::Time => {
                let column = column("d.published_at", open);
                for from in bound(self.from) {
                    and(query, &column, " >= ").push_bind(from.0);
                }
                for before in bound(self.before) {
                    and(query, &column, " < ").push_bind(before.0);
                }
            }
            Part::CompanyName => {
                let name = self.company_name.as_deref().unwrap_or_default();
                if open {
                    push_words(query, "d.company", Named::Company, name);
                } else {
                    // each entry is held against the names: `is true` keeps planners from gathering the declarations of all these names
                    query.push(" and (1 = 1");
                    push_words(query, "d.company", Named::Company, name);
                    query.push(") is true");
                }
            }
            Part::InsiderName => {
                // whoever reports, not the principal alone
                let name = self.insider_name.as_deref().unwrap_or_default();
                if open {
                    query.push(" and d.number in (select p.declaration from declaration_people p where 1 = 1");
                    push_words(query, "p.insider", Named::Insider, name);
                    query.push(")");
                } else {
                    query.push(" and ((1 = 1");
                    push_words(query, "d.insider", Named::Insider, name);
                    // whoever else reports it is looked up for this one declaration
                    query.push(
                        ") or (d.joint and d.number in
                            (select p.declaration from declaration_people p where p.declaration = d.number",
                    );
                    push_words_held(query, "p.insider", Named::Insider, name);
                    query.push(")))");
                }
            }
        }
    }

    /// What the list is sorted by before the amfId, and whether it may be unknown.
    pub(super) fn sorted_column(&self) -> (&'static str, bool) {
        match self.sort {
            Sort::PubDate => ("d.published_at", false),
            Sort::SignalScore => ("d.score", self.min_score.or(self.max_score).is_none()),
            Sort::Amount => ("d.amount_micros", self.min_amount.is_none()),
        }
    }

    pub(super) fn push_known(&self, query: &mut QueryBuilder, way: Way, known: Known) {
        let column = column(self.sorted_column().0, self.ordered_by(way));
        match known {
            Known::Any => {}
            Known::Yes => {
                query.push(" and ").push(&column).push(" is not null");
            }
            Known::No => {
                query.push(" and ").push(&column).push(" is null");
            }
        }
    }

    pub(super) fn push_order(&self, query: &mut QueryBuilder, way: Way, known: Known) {
        query.push(" order by ").push(self.sorted_column().0);
        if !self.ordered_by(way) {
            // what is gathered is sorted: no index is to lead through all there are
            query.push(" + 0");
        }
        // of those that are unknown one is as good as the other: this is how the indexes have them
        let ascends = self.ascending && known != Known::No;
        query.push(if ascends { ", " } else { " desc, " });
        query.push("d.amf_id");
    }
}

pub(super) fn and<'q>(
    query: &'q mut QueryBuilder,
    column: &str,
    compares: &str,
) -> &'q mut QueryBuilder {
    query.push(" and ").push(column).push(compares)
}
