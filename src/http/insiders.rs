//! Insiders: listed, and one by its slug.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, InsiderPath},
    csv::{self, Fields, Row},
    data::{Counted, PageKey},
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
#[schema(as = InsiderStats)]
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
    let (name, of) = (q.as_deref(), market.as_deref());
    if call.wants_csv(&page) {
        let (limit, offset) = csv::stretch(&page);
        let found = db.insider_numbers(name, of, limit, offset).await?;
        let read = move |numbers| read(db.clone(), numbers);
        return csv::numbered("insiders", csv::at_once(found), read).await;
    }
    let key = PageKey::Insiders(q.clone(), market.clone(), page.place());
    let made = async {
        let counted = Counted::Insiders(q.clone(), market.clone());
        let total = call.total(counted, db.count_insiders(name, of)).await?;
        let (limit, offset) = page.place();
        let numbers = db.insider_numbers(name, of, limit, offset).await?;
        let insiders = read(db.clone(), numbers).await?;
        Call::list(&page, total, &insiders)
    };
    call.page(key, made).await
}

async fn read(db: Db, numbers: Vec<i64>) -> ApiResult<Vec<Insider>> {
    let people = db.insiders_numbered(&numbers).await?;
    Insider::all(&db, people).await
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
