//! Insiders: listed, and one by its slug.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, InsiderPath},
    csv::{self, Fields, Row},
    data::Counted,
    declarations,
    error::{ApiError, ApiResult},
    numbers::{count, points},
    schema::{Answer, ErrorBody, Listed},
};
use crate::{
    gate::insider_query::{InsidersQuery, NoQuery},
    model::money::Exact,
    score::insider::exact,
    store::{
        company_list::{Person, ScoreStats},
        db::Db,
    },
};

/// Decimals of an average score.
const AVERAGE_DECIMALS: u32 = 2;

/// Somebody who deals in shares of companies that he or she is close to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Insider {
    slug: String,
    name: String,
    /// No regulator tells it.
    #[schema(required)]
    gender: Option<String>,
    declarations_count: u64,
    companies_count: u64,
    /// The latest first.
    companies: Vec<Post>,
    stats: Stats,
}

/// What an insider is to a company.
#[derive(Debug, Serialize, ToSchema)]
struct Post {
    #[schema(required)]
    function: Option<String>,
    company: PostCompany,
}

/// Which company.
#[derive(Debug, Serialize, ToSchema)]
struct PostCompany {
    name: String,
    slug: String,
}

/// An insider's scores; null where there is none.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stats {
    #[schema(value_type = Option<f64>, required)]
    avg_score: Option<Exact>,
    #[schema(value_type = Option<f64>, required)]
    max_score: Option<Exact>,
}

impl Stats {
    fn of(scores: &ScoreStats) -> Self {
        let average = exact::divide(Decimal::new(scores.total, 1), Decimal::from(scores.scored));
        Stats {
            avg_score: average.map(|average| Exact(exact::round(average, AVERAGE_DECIMALS))),
            max_score: Some(points(scores.highest)),
        }
    }
}

impl Insider {
    /// These people, with their posts and scores.
    async fn all(db: &Db, people: Vec<Person>) -> ApiResult<Vec<Self>> {
        let numbers: Vec<i64> = people.iter().map(|person| person.number).collect();
        let scores: HashMap<i64, Stats> = (db.score_stats(&numbers).await?.iter())
            .map(|scores| (scores.insider, Stats::of(scores)))
            .collect();
        let mut posts: HashMap<i64, Vec<Post>> = HashMap::new();
        for post in db.posts(&numbers).await? {
            posts.entry(post.insider).or_default().push(Post {
                function: post.function,
                company: PostCompany {
                    name: post.name,
                    slug: post.slug,
                },
            });
        }
        let mut scores = scores;
        let insider = |person: Person| Insider {
            slug: person.slug,
            name: person.name,
            gender: None,
            declarations_count: count(person.declarations),
            companies_count: count(person.companies),
            companies: posts.remove(&person.number).unwrap_or_default(),
            stats: scores.remove(&person.number).unwrap_or_default(),
        };
        Ok(people.into_iter().map(insider).collect())
    }
}

impl Row for Insider {
    const COLUMNS: &'static [&'static str] = &[
        "slug",
        "name",
        "declarationsCount",
        "companiesCount",
        "function",
        "company",
        "companySlug",
        "avgScore",
        "maxScore",
    ];

    fn fields(&self, fields: &mut Fields<'_>) {
        let latest = self.companies.first();
        fields.plain(Some(&self.slug));
        fields.text(Some(&self.name));
        fields.plain(Some(self.declarations_count));
        fields.plain(Some(self.companies_count));
        fields.text(latest.and_then(|post| post.function.as_deref()));
        fields.text(latest.map(|post| post.company.name.as_str()));
        fields.plain(latest.map(|post| &post.company.slug));
        for score in [self.stats.avg_score, self.stats.max_score] {
            fields.plain(score.map(|Exact(score)| score.normalize()));
        }
    }
}

/// List insiders
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/insiders", tag = "insiders", params(Asked<InsidersQuery>),
    responses((status = 200, description = "A page", body = Listed<Insider>)),
)]
pub async fn list(call: Call, Asked(query): Asked<InsidersQuery>) -> ApiResult {
    let InsidersQuery { q, market, page } = query;
    let db = call.state.db.clone();
    let (name, of) = (q.clone(), market.clone());
    let read = move |limit, offset| {
        let (db, name, of) = (db.clone(), name.clone(), of.clone());
        async move {
            let people = db.list_insiders(name.as_deref(), of.as_deref(), limit, offset);
            Insider::all(&db, people.await?).await
        }
    };
    if call.wants_csv(&page) {
        return csv::list("insiders", &page, read).await;
    }
    let db = &call.state.db;
    let counted = Counted::Insiders(q.clone(), market.clone());
    let count = db.count_insiders(q.as_deref(), market.as_deref());
    let total = call.total(counted, count).await?;
    let (limit, offset) = page.place();
    call.list(&page, total, &read(limit, offset).await?)
}

/// Read one insider
///
/// The number at the slug's end counts.
#[utoipa::path(
    get, path = "/api/v1/insiders/{slug}", tag = "insiders",
    params(("slug" = String, Path, description = "The insider's slug"), Asked<NoQuery>),
    responses(
        (status = 200, description = "The insider", body = Answer<Insider>),
        (status = 404, description = "`insider_not_found`", body = ErrorBody),
    ),
)]
pub async fn one(
    call: Call,
    InsiderPath(slug): InsiderPath,
    Asked(NoQuery): Asked<NoQuery>,
) -> ApiResult {
    let person = declarations::insider(&call, &slug).await?;
    let mut found = Insider::all(&call.state.db, vec![person]).await?;
    call.json(&found.pop().ok_or_else(ApiError::insider_not_found)?)
}
