//! Lists of declarations: filtered, sorted, page by page, as they are served now.
//!
//! A list is read in two steps: first the numbers of its rows, from an index that holds all that is filtered and sorted by, then the
//! rows themselves, of the page alone. For the first step there are two ways (`Way`): along the order of the list, where enough of
//! it passes, or everything that the narrowest filter passes, sorted. Which costs less follows from how many there are.

use super::{
    db::Db,
    declaration_filter::{Filter, Known, Part, Sort, Way, and, column},
    error::StoreResult,
    numbered::{ROWS_PER_STATEMENT, in_order, push_numbers},
    sql::{QueryBuilder, query_as, query_scalar, unindexed},
};

/// A way of so many entries is short enough: no other is looked for.
const SHORT: i64 = 20_000;
/// What a look into a row costs, in entries of an index.
const ROW: i64 = 100;
/// What sorting costs for each entry, likewise.
const SORTED: i64 = 10;

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

    /// How many a part of a filter passes; counting ends at `most`.
    async fn passed_by(&self, filter: &Filter, part: Part, most: i64) -> StoreResult<i64> {
        let mut query =
            QueryBuilder::new("select count(*) from (select 1 from declarations d where 1 = 1");
        filter.push_part(&mut query, part, true);
        query.push(" limit ").push_bind(most).push(") as counted");
        query.build_query_scalar().fetch_one(self).await
    }

    /// The part by which the fewest entries are gathered, weighed by what each then costs; nothing where none costs less than `most`.
    async fn narrowest(
        &self,
        filter: &Filter,
        passed: Option<i64>,
        most: i64,
    ) -> StoreResult<Option<Part>> {
        let parts = filter.parts();
        let mut best = (most, None);
        for part in parts.iter().copied().filter(|part| filter.gathers(*part)) {
            let is_alone = parts.len() == 1 && filter.sort == Sort::PubDate;
            let needs_row = !part.covers_all() && (!is_alone || !part.is_of_rows());
            let each = SORTED + if needs_row { ROW } else { 1 };
            // what costs more than the best so far is not counted to its end
            let fewest = best.0 / each;
            let count = match passed {
                Some(passed) if parts.len() == 1 => passed,
                _ => self.passed_by(filter, part, fewest).await?,
            };
            if count < fewest {
                best = (count.saturating_mul(each), Some(part));
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
            [only] if only.is_of_rows() => Ok(Way::Gathered(only)),
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
            let column = column("d.published_at", filter.ordered_by(way));
            let (from, beyond) = if filter.ascending {
                (" >= ", " > ")
            } else {
                (" <= ", " < ")
            };
            and(&mut query, &column, from).push_bind(at);
            query.push(" and (").push(unindexed("d.published_at"));
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
            let number = unindexed("d.number");
            query
                .push(" and ")
                .push(number)
                .push(" <= ")
                .push_bind(upto);
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
