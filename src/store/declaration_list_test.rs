//! What every list of declarations promises, whichever way it is found: the rows that pass, in their order, each once.

use proptest::prelude::*;

use super::declaration_filter::{Filter, Known, Sort, Way};
use super::declaration_list::Slice;
use super::{
    companies::Named,
    db::Db,
    sql::{QueryBuilder, query},
    sqlite::Config,
};
use crate::model::time::Time;

const MARKETS: [&str; 2] = ["us", "se"];
const COMPANIES: [&str; 3] = ["otter works", "otter heron", "birch"];

#[derive(Clone, Debug)]
struct Row {
    number: i64,
    amf_id: String,
    company: i64,
    insider: i64,
    /// Another one that reports it.
    other: Option<i64>,
    published_at: i64,
    direction: Option<&'static str>,
    amount: Option<i64>,
    isin: Option<&'static str>,
    score: Option<i64>,
    cluster: bool,
}

impl Row {
    fn market(&self) -> &'static str {
        MARKETS[usize::from(self.company == 3)]
    }

    fn passes(&self, filter: &Filter) -> bool {
        let names = |asked: &Option<String>, number: i64| {
            asked.as_ref().is_none_or(|text| {
                let name = COMPANIES[usize::try_from(number - 1).unwrap()];
                let mut words = text.split(' ');
                words.all(|word| name.split(' ').any(|of| of.starts_with(word)))
            })
        };
        let is = |asked: Option<i64>, value: i64| asked.is_none_or(|asked| asked == value);
        let least = |asked: Option<i64>, value: Option<i64>| {
            asked.is_none_or(|asked| value.is_some_and(|value| value >= asked))
        };
        is(filter.company, self.company)
            && (is(filter.insider, self.insider)
                || self.other.is_some_and(|other| is(filter.insider, other)))
            && filter.market.as_deref().is_none_or(|m| m == self.market())
            && (filter.direction.as_deref()).is_none_or(|d| self.direction == Some(d))
            && filter.cluster.is_none_or(|cluster| cluster == self.cluster)
            && filter.isin.as_deref().is_none_or(|i| self.isin == Some(i))
            && least(filter.min_score, self.score)
            && least(filter.max_score.map(|most| -most), self.score.map(|s| -s))
            && least(filter.min_amount, self.amount)
            && least(filter.from.map(|from| from.0), Some(self.published_at))
            && filter.before.is_none_or(|at| self.published_at < at.0)
            && names(&filter.company_name, self.company)
            && (names(&filter.insider_name, self.insider)
                || (self.other).is_some_and(|other| names(&filter.insider_name, other)))
    }
}

fn listed(rows: &[Row], filter: &Filter) -> Vec<i64> {
    let mut passing: Vec<&Row> = rows.iter().filter(|row| row.passes(filter)).collect();
    passing.sort_by_key(|row| {
        let by = match filter.sort {
            Sort::PubDate => Some(row.published_at),
            Sort::SignalScore => row.score,
            Sort::Amount => row.amount,
        };
        let by = by.map(|by| if filter.ascending { by } else { -by });
        (by.is_none(), by, row.amf_id.clone())
    });
    passing.into_iter().map(|row| row.number).collect()
}

async fn with_rows(dir: &std::path::Path, rows: &[Row]) -> Db {
    let config = Config {
        readers: 1,
        writer_cache_kb: 1_000,
        busy_seconds: 5,
        checkpoint_pages: 1_000,
    };
    let db = Db::open_sqlite(dir, &config).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    for market in MARKETS {
        query("insert into markets (code, regulator, name, currency, time_zone, prefix, benchmarks) values ($1, '', '', '', '', $1, '')")
            .bind(market).execute(&mut tx).await.unwrap();
    }
    for (number, name) in (1_i64..).zip(COMPANIES) {
        let market = MARKETS[usize::from(number == 3)];
        query("insert into companies (number, key, market, name, named_at, slug, declarations, insiders) values ($1, $2, $3, $2, 0, $2, $1 % 2, 0)")
            .bind(number).bind(name).bind(market).execute(&mut tx).await.unwrap();
        query("insert into insiders (number, key, market, name, named_at, slug, declarations, companies) values ($1, $2, $3, $2, 0, $2, $1 % 2, 1)")
            .bind(number).bind(name).bind(market).execute(&mut tx).await.unwrap();
        for kind in [Named::Company, Named::Insider] {
            tx.put_words(kind, &[(number, name)]).await.unwrap();
        }
        query("insert into filings (number, id, market, form, status, company, published_at, arrived_at, body) values ($1, $2, $3, '', '', $1, 0, 0, '')")
            .bind(number).bind(name).bind(market).execute(&mut tx).await.unwrap();
    }
    for row in rows {
        put(&mut tx, row).await;
    }
    db.commit(tx).await.unwrap();
    db
}

async fn put(tx: &mut super::db::Tx, row: &Row) {
    query("insert into declarations (number, amf_id, filing, principal, company, insider, joint, market, published_at, direction, amount_micros, isin,
        score, is_cluster, tracks, revision, assessed_at, may_fire, said, record, head, rest, signal)
        values ($1, $2, $3, true, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false, 0, 0, false, '', '', '', '', '')")
        .bind(row.number).bind(&row.amf_id).bind(row.company).bind(row.insider).bind(row.other.is_some()).bind(row.market()).bind(row.published_at)
        .bind(row.direction).bind(row.amount).bind(row.isin).bind(row.score).bind(row.cluster)
        .execute(&mut *tx).await.unwrap();
    for insider in [Some(row.insider), row.other].into_iter().flatten() {
        query("insert into declaration_people (insider, published_at, declaration) values ($1, $2, $3)")
            .bind(insider).bind(row.published_at).bind(row.number).execute(&mut *tx).await.unwrap();
    }
}

fn a_row() -> impl Strategy<Value = Row> {
    let direction = prop::sample::select(vec![None, Some("BUY"), Some("SELL")]);
    let number = || prop::option::of(0_i64..4);
    let isin = prop::sample::select(vec![None, Some("SE0000000001")]);
    (
        1_i64..4,
        (1_i64..4, prop::option::weighted(0.3, 1_i64..3)),
        0_i64..6,
        direction,
        number(),
        isin,
        number(),
        any::<bool>(),
        "[a-e]{1,2}",
    )
        .prop_map(
            |(
                company,
                (insider, shift),
                published_at,
                direction,
                amount,
                isin,
                score,
                cluster,
                id,
            )| Row {
                number: 0,
                amf_id: id,
                company,
                insider,
                other: shift.map(|shift| (insider + shift - 1) % 3 + 1),
                published_at,
                direction,
                amount,
                isin,
                score,
                cluster,
            },
        )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(a_row(), 0..40).prop_map(|mut rows| {
        for (number, row) in (1..).zip(&mut rows) {
            row.number = number;
            row.amf_id = format!("{}{number}", row.amf_id);
        }
        rows
    })
}

fn a_filter() -> impl Strategy<Value = Filter> {
    let rarely = || prop::option::weighted(0.15, 0_i64..4);
    let one = || prop::option::weighted(0.1, 1_i64..4);
    let word = |words: Vec<&'static str>| {
        prop::option::weighted(0.15, prop::sample::select(words))
            .prop_map(|word| word.map(str::to_owned))
    };
    let names = || word(vec!["ot", "otter he", "birch", "zz", "otter", ""]);
    let filters = (
        (
            one(),
            one(),
            word(vec!["us", "se"]),
            word(vec!["BUY", "SELL"]),
        ),
        (
            rarely(),
            rarely(),
            prop::option::weighted(0.2, any::<bool>()),
            rarely(),
        ),
        (names(), names(), word(vec!["SE0000000001"])),
        (rarely(), rarely()),
        prop::sample::select(vec![Sort::PubDate, Sort::SignalScore, Sort::Amount]),
        any::<bool>(),
    );
    filters.prop_map(
        |(
            (company, insider, market, direction),
            (min_score, max_score, cluster, min_amount),
            (company_name, insider_name, isin),
            (from, before),
            sort,
            ascending,
        )| Filter {
            company,
            insider,
            market,
            direction,
            min_score,
            max_score,
            cluster,
            min_amount,
            company_name: company_name.filter(|name| !name.is_empty()),
            insider_name: insider_name.filter(|name| !name.is_empty()),
            isin,
            from: from.map(Time),
            before: before.map(Time),
            sort,
            ascending,
        },
    )
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_way_finds_the_same(rows in rows(), filters in prop::collection::vec((a_filter(), 0_i64..12, 1_i64..12), 12)) {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let db = with_rows(dir.path(), &rows).await;
            for (filter, offset, limit) in &filters {
                let want = listed(&rows, filter);
                let count = db.count_declarations(filter).await.unwrap();
                assert_eq!(usize::try_from(count), Ok(want.len()), "{filter:?}");
                let part: Vec<i64> = (want.iter().copied())
                    .skip(usize::try_from(*offset).unwrap())
                    .take(usize::try_from(*limit).unwrap())
                    .collect();
                let slice = Slice::of(*limit, *offset);
                let ways = filter.parts().into_iter().map(Way::Gathered);
                for way in ways.chain([Way::InOrder]) {
                    let found = db.numbers_by(way, filter, &slice).await.unwrap();
                    assert_eq!(found, part, "{way:?} {filter:?} {slice:?}");
                }
                let chosen = db.declaration_numbers(filter, &slice).await.unwrap();
                assert_eq!(chosen, part, "{filter:?} {slice:?}");
            }
        });
    }

    #[test]
    fn stretch_after_stretch_is_the_whole_list_whatever_comes_in_meanwhile(
        rows in rows(), filter in a_filter(), size in 1_i64..7, late in prop::collection::vec(a_row(), 1..30)
    ) {
        let filter = Filter { sort: Sort::PubDate, ..filter };
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let db = with_rows(dir.path(), &rows).await;
            let mut slice = Slice {
                upto: Some(db.last_declaration().await.unwrap()),
                ..Slice::of(size, 0)
            };
            let (mut found, mut late) = (Vec::new(), late.into_iter().zip(1_000..));
            loop {
                let some = db.declaration_numbers(&filter, &slice).await.unwrap();
                let Some(last) = some.last() else { break };
                slice.after = Some(*last);
                found.extend(some);
                if let Some((mut row, number)) = late.next() {
                    (row.amf_id, row.number) = (format!("{}{number}", row.amf_id), number);
                    let mut tx = db.begin().await.unwrap();
                    put(&mut tx, &row).await;
                    db.commit(tx).await.unwrap();
                }
            }
            assert_eq!(found, listed(&rows, &filter));
        });
    }
}

#[test]
fn what_is_long_is_never_read_to_skip_to_filter_or_to_count() {
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    let cases = [
        (Way::InOrder, filter(|_| {})),
        (Way::InOrder, filter(|f| f.ascending = true)),
        (Way::InOrder, filter(|f| f.sort = Sort::SignalScore)),
        (
            Way::InOrder,
            filter(|f| (f.sort, f.ascending) = (Sort::SignalScore, true)),
        ),
        (Way::InOrder, filter(|f| f.sort = Sort::Amount)),
        (
            Way::InOrder,
            filter(|f| {
                f.market = Some("us".into());
                f.direction = Some("BUY".into());
                f.min_score = Some(400);
                f.cluster = Some(true);
                f.min_amount = Some(1);
                f.from = Some(Time(0));
                f.company_name = Some("otter".into());
                f.insider_name = Some("otter".into());
            }),
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let db = with_rows(dir.path(), &[]).await;
        for (way, filter) in cases {
            let mut query =
                QueryBuilder::new("explain query plan select d.number from declarations d");
            filter.push_where(&mut query, way);
            filter.push_known(&mut query, way, Known::Any);
            filter.push_order(&mut query, way, Known::Any);
            query.push(" limit 50 offset 10000");
            let mut tx = db.begin().await.unwrap();
            let plan: Vec<(i64, i64, i64, String)> =
                query.build_query_as().fetch_all(&mut tx).await.unwrap();
            let steps: Vec<String> = plan.into_iter().map(|step| step.3).collect();
            assert!(
                steps
                    .iter()
                    .any(|step| step.contains("d USING COVERING INDEX")),
                "{filter:?}: {steps:?}"
            );
            assert!(
                !steps
                    .iter()
                    .any(|step| step == "USE TEMP B-TREE FOR ORDER BY"),
                "{filter:?}: {steps:?}"
            );
        }
    });
}
