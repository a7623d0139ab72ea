//! Lists of declarations: filtered, sorted, page by page, as they are served now.
//!
//! A list is read in two steps: first the numbers of its rows, from an index that holds all that is filtered and sorted by, then the
//! rows themselves, of the page alone. For the first step there are two ways (`Way`): along the order of the list, where enough of
//! it passes, or everything that the narrowest filter passes, sorted. Which costs less follows from how many there are. Columns that an
//! index must not be chosen by are hidden in an expression, so that no planner takes a third way.

use std::fmt::Display;

use super::{
    companies::Named,
    db::Db,
    error::StoreResult,
    numbered::{ROWS_PER_STATEMENT, in_order, push_numbers},
    search::push_words,
    sql::{QueryBuilder, query_as, query_scalar},
};
use crate::model::time::Time;

/// Where counting how much a filter passes ends, when ways are compared: gathering more never pays.
const MOST_GATHERED: i64 = 100_000;
/// A way of so many entries is short enough: no other is looked for.
const SHORT: i64 = 20_000;
/// What a look into a row costs, in entries of an index.
const ROW: i64 = 100;
/// What sorting costs for each entry, likewise.
const SORTED: i64 = 10;

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

/// A declaration in a list, in the parts that are kept apart as each changes on its own.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// Its number.
    pub number: i64,
    /// Its amfId.
    pub amf_id: String,
    /// JSON from the opening brace up to the company.
    pub head: String,
    /// JSON members between company and signal.
    pub rest: String,
    /// JSON of the signal.
    pub signal: String,
    /// The company's name.
    pub company_name: String,
    /// Its slug.
    pub company_slug: String,
    /// Its ticker.
    pub company_symbol: Option<String>,
    /// Its latest market capitalisation, exact.
    pub company_market_cap: Option<String>,
    /// JSON of the backtest, where it was asked for and there is one.
    pub backtest: Option<String>,
    /// When that was computed, microseconds.
    pub backtest_at: Option<i64>,
}

const COLUMNS: &str =
    "d.number, d.amf_id, d.head, d.rest, d.signal, c.name as company_name, c.slug as company_slug,
    c.symbol as company_symbol, c.market_cap as company_market_cap, ";

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// How many rows at most.
    pub limit: i64,
    /// Rows passed over.
    pub offset: i64,
    /// What [`Db::count_declarations`] said, where it was asked before.
    pub total: Option<u64>,
    /// Only what is listed after this one. For lists by publication alone: that never changes.
    pub after: Option<i64>,
    /// Only what came in up to this one.
    pub upto: Option<i64>,
}

impl Slice {
    /// A page.
    #[must_use]
    pub fn of(limit: i64, offset: i64) -> Self {
        Slice {
            limit,
            offset,
            ..Slice::default()
        }
    }
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

/// A number as it is, or hidden from the choice of an index.
fn number(column: &str, open: bool) -> String {
    if open {
        column.to_owned()
    } else {
        format!("{column} + 0")
    }
}

/// The same of a text.
fn text(column: &str, open: bool) -> String {
    if open {
        column.to_owned()
    } else {
        format!("coalesce({column}, '')")
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

    /// Whether an index by this part holds all others too.
    fn covers_all(self) -> bool {
        matches!(self, Part::Time | Part::Score | Part::Amount)
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
            (Part::Market, self.market.is_some()),
            (Part::Direction, self.direction.is_some()),
            (Part::Cluster, self.cluster.is_some()),
            (Part::Score, self.min_score.or(self.max_score).is_some()),
            (Part::Amount, self.min_amount.is_some()),
            (Part::Time, self.from.or(self.before).is_some()),
            (Part::CompanyName, self.company_name.is_some()),
            (Part::InsiderName, self.insider_name.is_some()),
        ];
        let given = parts.into_iter().filter(|(_, given)| *given);
        given.map(|(part, _)| part).collect()
    }

    /// Whether something can be looked up by a part: there are too many that are no cluster.
    fn gathers(&self, part: Part) -> bool {
        part != Part::Cluster || self.cluster == Some(true)
    }

    /// Whether a way gives the order of the list by itself.
    fn ordered_by(&self, way: Way) -> bool {
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

    fn push_part(&self, query: &mut QueryBuilder, part: Part, open: bool) {
        fn bound<T: Copy>(value: Option<T>) -> impl Iterator<Item = T> {
            value.into_iter()
        }
        match part {
            Part::Company => {
                let column = number("d.company", open);
                for company in bound(self.company) {
                    and(query, &column, " = ").push_bind(company);
                }
            }
            Part::Insider => {
                for insider in bound(self.insider) {
                    and(query, number("d.number", open), " in ")
                        .push("(select declaration from declaration_people where insider = ")
                        .push_bind(insider)
                        .push(")");
                }
            }
            Part::Isin => {
                let isin = self.isin.clone().unwrap_or_default();
                and(query, text("d.isin", open), " = ").push_bind(isin);
            }
            Part::Market => {
                let market = self.market.clone().unwrap_or_default();
                and(query, text("d.market", open), " = ").push_bind(market);
            }
            Part::Direction => {
                let direction = self.direction.clone().unwrap_or_default();
                and(query, text("d.direction", open), " = ").push_bind(direction);
            }
            Part::Cluster => {
                // word for word the condition of the index that holds clusters alone
                query.push(match (self.cluster == Some(true), open) {
                    (true, true) => " and d.is_cluster",
                    (true, false) => " and coalesce(d.is_cluster, false)",
                    (false, _) => " and not d.is_cluster",
                });
            }
            Part::Score => {
                let column = number("d.score", open);
                for score in bound(self.min_score) {
                    and(query, &column, " >= ").push_bind(score);
                }
                for score in bound(self.max_score) {
                    and(query, &column, " <= ").push_bind(score);
                }
            }
            Part::Amount => {
                for amount in bound(self.min_amount) {
                    and(query, number("d.amount_micros", open), " >= ").push_bind(amount);
                }
            }
            Part::Time => {
                let column = number("d.published_at", open);
                for from in bound(self.from) {
                    and(query, &column, " >= ").push_bind(from.0);
                }
                for before in bound(self.before) {
                    and(query, &column, " < ").push_bind(before.0);
                }
            }
            Part::CompanyName => {
                let name = self.company_name.as_deref().unwrap_or_default();
                push_words(query, &number("d.company", open), Named::Company, name);
            }
            Part::InsiderName => {
                let name = self.insider_name.as_deref().unwrap_or_default();
                push_words(query, &number("d.insider", open), Named::Insider, name);
            }
        }
    }

    /// What the list is sorted by before the amfId, and whether it may be unknown.
    fn sorted_column(&self) -> (&'static str, bool) {
        match self.sort {
            Sort::PubDate => ("d.published_at", false),
            Sort::SignalScore => ("d.score", self.min_score.or(self.max_score).is_none()),
            Sort::Amount => ("d.amount_micros", self.min_amount.is_none()),
        }
    }

    pub(super) fn push_known(&self, query: &mut QueryBuilder, way: Way, known: Known) {
        let column = number(self.sorted_column().0, self.ordered_by(way));
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
        let column = number(self.sorted_column().0, self.ordered_by(way));
        query.push(" order by ");
        if known != Known::No {
            query.push(&column);
            query.push(if self.ascending { ", " } else { " desc, " });
        }
        query.push("d.amf_id");
    }
}

fn and<'q>(
    query: &'q mut QueryBuilder,
    column: impl Display,
    compares: &str,
) -> &'q mut QueryBuilder {
    query.push(" and ").push(column).push(compares)
}

impl Db {
    /// How many declarations a filter passes.
    pub async fn count_declarations(&self, filter: &Filter) -> StoreResult<i64> {
        let way = self.way_to_count(filter).await?;
        let mut query = QueryBuilder::new("select count(*) from declarations d");
        filter.push_where(&mut query, way);
        query.build_query_scalar().fetch_one(self).await
    }

    /// The number of the declaration that came in last; 0 where there is none.
    pub async fn last_declaration(&self) -> StoreResult<i64> {
        query_scalar("select coalesce(max(number), 0) from declarations")
            .fetch_one(self)
            .await
    }

    /// How many a part of a filter passes; counting ends at [`MOST_GATHERED`].
    async fn passed_by(&self, filter: &Filter, part: Part) -> StoreResult<i64> {
        let mut query =
            QueryBuilder::new("select count(*) from (select 1 from declarations d where 1 = 1");
        filter.push_part(&mut query, part, true);
        query
            .push(" limit ")
            .push_bind(MOST_GATHERED)
            .push(") as some");
        query.build_query_scalar().fetch_one(self).await
    }

    /// The part by which the fewest entries are gathered, weighed by what each then costs: that, or nothing below `most`.
    async fn narrowest(
        &self,
        filter: &Filter,
        passed: Option<i64>,
        most: i64,
    ) -> StoreResult<Option<Part>> {
        let parts = filter.parts();
        let mut best = (most, None);
        for part in parts.iter().copied().filter(|part| filter.gathers(*part)) {
            let count = match passed {
                Some(passed) if parts.len() == 1 => passed,
                _ => self.passed_by(filter, part).await?,
            };
            if count >= MOST_GATHERED {
                continue;
            }
            let needs_row = !part.covers_all() && (parts.len() > 1 || filter.sort != Sort::PubDate);
            let each = if needs_row { ROW } else { 1 };
            let cost = count.saturating_mul(each + SORTED);
            if cost < best.0 {
                best = (cost, Some(part));
            }
        }
        Ok(best.1)
    }

    async fn way_to_count(&self, filter: &Filter) -> StoreResult<Way> {
        let parts = filter.parts();
        let narrow = [Part::Company, Part::Insider, Part::Isin];
        if let Some(part) = parts.iter().find(|part| narrow.contains(part)) {
            return Ok(Way::Gathered(*part));
        }
        match parts[..] {
            [] => Ok(Way::InOrder),
            [only] => Ok(Way::Gathered(only)),
            _ => {
                let all = self.last_declaration().await?;
                let counted = filter.counted();
                let by = self.narrowest(&counted, None, all).await?;
                Ok(by.map_or(Way::InOrder, Way::Gathered))
            }
        }
    }

    async fn way(&self, filter: &Filter, slice: &Slice) -> StoreResult<Way> {
        let parts = filter.parts();
        let narrow = [Part::Company, Part::Insider, Part::Isin];
        if let Some(part) = parts.iter().find(|part| narrow.contains(part)) {
            return Ok(Way::Gathered(*part));
        }
        if let [only] = parts[..]
            && filter.gathers(only)
            && filter.ordered_by(Way::Gathered(only))
        {
            return Ok(Way::Gathered(only));
        }
        if parts.is_empty() {
            return Ok(Way::InOrder);
        }
        let total = match slice.total {
            Some(total) => i64::try_from(total).unwrap_or(i64::MAX),
            None => self.count_declarations(filter).await?,
        };
        let all = self.last_declaration().await?;
        let wanted = slice.offset.saturating_add(slice.limit);
        // as far as what passes is spread evenly
        let in_order = if wanted >= total {
            all
        } else {
            let entries = i128::from(all) * i128::from(wanted) / i128::from(total.max(1));
            i64::try_from(entries).unwrap_or(i64::MAX)
        };
        if in_order <= SHORT {
            return Ok(Way::InOrder);
        }
        let by = self.narrowest(filter, Some(total), in_order).await?;
        Ok(by.map_or(Way::InOrder, Way::Gathered))
    }

    /// The numbers of the declarations that a filter passes, in its order. What is unknown comes last.
    pub async fn declaration_numbers(
        &self,
        filter: &Filter,
        slice: &Slice,
    ) -> StoreResult<Vec<i64>> {
        let way = self.way(filter, slice).await?;
        self.numbers_by(way, filter, slice).await
    }

    pub(super) async fn numbers_by(
        &self,
        way: Way,
        filter: &Filter,
        slice: &Slice,
    ) -> StoreResult<Vec<i64>> {
        let (_, may_be_unknown) = filter.sorted_column();
        if !may_be_unknown {
            return self.numbers(filter, slice, way, Known::Any).await;
        }
        let mut numbers = self.numbers(filter, slice, way, Known::Yes).await?;
        let missing = slice
            .limit
            .saturating_sub(i64::try_from(numbers.len()).unwrap_or(i64::MAX));
        if missing > 0 {
            let passed_over = match numbers[..] {
                [] if slice.offset > 0 => {
                    let mut query = QueryBuilder::new("select count(*) from declarations d");
                    filter.push_where(&mut query, way);
                    filter.push_known(&mut query, way, Known::Yes);
                    slice.push_upto(&mut query);
                    query.build_query_scalar().fetch_one(self).await?
                }
                _ => slice.offset,
            };
            let rest = Slice {
                limit: missing,
                offset: slice.offset.saturating_sub(passed_over),
                ..slice.clone()
            };
            numbers.extend(self.numbers(filter, &rest, way, Known::No).await?);
        }
        Ok(numbers)
    }

    async fn numbers(
        &self,
        filter: &Filter,
        slice: &Slice,
        way: Way,
        known: Known,
    ) -> StoreResult<Vec<i64>> {
        let mut query = QueryBuilder::new("select d.number from declarations d");
        filter.push_where(&mut query, way);
        slice.push_upto(&mut query);
        if let Some(after) = slice.after {
            let place: Option<(i64, String)> =
                query_as("select published_at, amf_id from declarations where number = $1")
                    .bind(after)
                    .fetch_optional(self)
                    .await?;
            let (at, amf_id) = place.unwrap_or_default();
            let column = number("d.published_at", filter.ordered_by(way));
            let (from, beyond) = if filter.ascending {
                (" >= ", " > ")
            } else {
                (" <= ", " < ")
            };
            and(&mut query, &column, from).push_bind(at);
            query.push(" and (d.published_at + 0");
            query.push(beyond).push_bind(at);
            query.push(" or d.amf_id > ").push_bind(amf_id).push(")");
        }
        filter.push_known(&mut query, way, known);
        filter.push_order(&mut query, way, known);
        query.push(" limit ").push_bind(slice.limit);
        query.push(" offset ").push_bind(slice.offset);
        query.build_query_scalar().fetch_all(self).await
    }

    /// A page of the declarations that a filter passes.
    pub async fn list_declarations(
        &self,
        filter: &Filter,
        slice: &Slice,
        with_backtest: bool,
    ) -> StoreResult<Vec<Listed>> {
        let numbers = self.declaration_numbers(filter, slice).await?;
        self.declarations_numbered(&numbers, with_backtest).await
    }

    /// These declarations, in this order.
    pub async fn declarations_numbered(
        &self,
        numbers: &[i64],
        with_backtest: bool,
    ) -> StoreResult<Vec<Listed>> {
        let mut listed = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(ROWS_PER_STATEMENT) {
            let mut query = select_listed(with_backtest);
            query.push(" where d.number in (");
            push_numbers(&mut query, some);
            let rows: Vec<Listed> = query.build_query_as().fetch_all(self).await?;
            listed.extend(in_order(some, rows, |row| row.number));
        }
        Ok(listed)
    }

    /// One declaration by its amfId, or by the bare accession of its filing: then the principal one.
    pub async fn declaration(
        &self,
        amf_id: &str,
        with_backtest: bool,
    ) -> StoreResult<Option<Listed>> {
        let Some(number) = self.declaration_number(amf_id).await? else {
            return Ok(None);
        };
        let mut query = select_listed(with_backtest);
        query.push(" where d.number = ").push_bind(number);
        query.build_query_as().fetch_optional(self).await
    }

    /// The number of a declaration by its amfId, or by the bare accession of its filing: then the principal one's.
    pub async fn declaration_number(&self, amf_id: &str) -> StoreResult<Option<i64>> {
        query_scalar(
            "select number from (
                select number, 0 as choice from declarations where amf_id = $1
                union all
                select d.number, 1 from declarations d join filings f on f.number = d.filing
                where f.id = $1 and d.principal) as found
             order by choice limit 1",
        )
        .bind(amf_id)
        .fetch_optional(self)
        .await
    }
}

impl Slice {
    fn push_upto(&self, query: &mut QueryBuilder) {
        if let Some(upto) = self.upto {
            query.push(" and d.number + 0 <= ").push_bind(upto);
        }
    }
}

fn select_listed(with_backtest: bool) -> QueryBuilder {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS);
    query.push(if with_backtest {
        "b.body as backtest, b.computed_at as backtest_at"
    } else {
        "cast(null as text) as backtest, cast(null as bigint) as backtest_at"
    });
    query.push(" from declarations d join companies c on c.number = d.company");
    if with_backtest {
        query.push(" left join backtests b on b.declaration = d.number");
    }
    query
}
