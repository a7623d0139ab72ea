//! Tools at work: arguments in, what reads say out.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    arguments::Arguments,
    asking::{Asking, Said, place},
    catalogue::{COMPANY, COMPANY_DECLARATIONS, COMPANY_FLOW, LOG, Offer, Way},
};
use crate::{gate::path_id::Slug, http::error::ApiError};

const SEARCH: &str = "/api/v1/companies";
/// Companies that are named where several fit.
const NAMED: u64 = 5;
/// Where more fit, so many are looked at for one that is meant exactly.
const LOOKED_AT: u64 = 200;

/// What a tool found: an object's JSON, and words on how to go on.
struct Found {
    json: String,
    words: Option<String>,
}

/// Calls a tool. What a read refuses is a result as well: a model is to read it, and to ask better.
pub async fn call(asking: &Asking, offer: &Offer, said: Option<&JsonObject>) -> CallToolResult {
    match run(asking, offer, said).await {
        Ok(found) => {
            let (value, text) = asking.exact.leave(found.json);
            let mut result = CallToolResult::structured(value);
            result.content = vec![ContentBlock::text(text)];
            result.content.extend(found.words.map(ContentBlock::text));
            result
        }
        Err(refused) => CallToolResult::error(vec![ContentBlock::text(refused)]),
    }
}

async fn run(asking: &Asking, offer: &Offer, said: Option<&JsonObject>) -> Result<Found, String> {
    let arguments = Arguments::read(said, &offer.taken, offer.entry.limit);
    let arguments = arguments.map_err(|error| error.body().to_string())?;
    match offer.entry.way {
        Way::Read(path) => {
            let json = asking.ask(&arguments.fill(path)).await?;
            let words = offer.entry.limit.and_then(|_| place(&json));
            Ok(Found { json, words })
        }
        Way::Recent => recent(asking, arguments).await,
        Way::Company => company(asking, &arguments).await,
    }
}

/// The log, but for its signals.
#[derive(Deserialize)]
struct Log {
    epoch: String,
    head: i64,
    items: Vec<Seq>,
}

/// A signal's place in it.
#[derive(Deserialize)]
struct Seq {
    seq: i64,
}

/// The end of the log, where no place in it was named.
async fn recent(asking: &Asking, arguments: Arguments) -> Result<Found, String> {
    let has_place = ["after", "before"]
        .iter()
        .any(|name| arguments.get(name).is_some());
    let arguments = if has_place {
        arguments
    } else {
        let head = log(&asking.ask("/api/signals?limit=1").await?)?;
        arguments.with(
            "before",
            &format!("{}-{}", head.epoch, head.head.saturating_add(1)),
        )
    };
    let json = asking.ask(&arguments.fill(LOG)).await?;
    let log = log(&json)?;
    let words = match (log.items.first(), log.items.last()) {
        (Some(first), Some(last)) => format!(
            "These are {} signals, the newest last. For earlier ones, ask with before={}-{}; for later ones, with after={}-{}.",
            log.items.len(),
            log.epoch,
            first.seq,
            log.epoch,
            last.seq
        ),
        _ => "There are none.".to_owned(),
    };
    Ok(Found {
        json,
        words: Some(words),
    })
}

fn log(json: &str) -> Result<Log, String> {
    let log = serde_json::from_str(json);
    log.map_err(|error| ApiError::internal(&error).body().to_string())
}

/// A list of companies, as far as it matters which they are.
#[derive(Deserialize)]
struct Companies {
    total: u64,
    items: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    slug: String,
    name: String,
    market: String,
    yahoo_symbol: Option<String>,
    isin: Option<String>,
}

/// A company, its declarations and its flow, each as its own read says it.
async fn company(asking: &Asking, arguments: &Arguments) -> Result<Found, String> {
    let words = arguments.get("company").unwrap_or_default();
    let (slug, company) = match of_slug(asking, words).await {
        Ok(company) => (words.to_owned(), company),
        Err(refused) => {
            let slug = by_words(asking, words, refused).await?;
            let company = of_slug(asking, &slug).await?;
            (slug, company)
        }
    };
    let of = |names: &[&str], path: &str| arguments.only(names).with("slug", &slug).fill(path);
    let declarations = of(
        &["direction", "minScore", "limit", "offset"],
        COMPANY_DECLARATIONS,
    );
    let flow = of(&["bucket"], COMPANY_FLOW);
    let (declarations, flow) = tokio::join!(asking.ask(&declarations), asking.ask(&flow));
    let (declarations, flow) = (declarations?, flow?);
    let words = place(&declarations).map(|place| format!("Of its declarations: {place}"));
    let json =
        format!("{{\"company\":{company},\"declarations\":{declarations},\"netFlow\":{flow}}}");
    Ok(Found { json, words })
}

async fn of_slug(asking: &Asking, slug: &str) -> Said {
    // what cannot be a slug is looked for by its words at once
    if Slug::parse(slug).is_none() {
        return Err(ApiError::company_not_found().body().to_string());
    }
    asking
        .ask(&Arguments::default().with("slug", slug).fill(COMPANY))
        .await
}

/// The slug of the only company that these words mean. `refused` is what was said of them as a slug.
async fn by_words(asking: &Asking, words: &str, refused: String) -> Said {
    if code(&refused).as_deref() != Some("company_not_found") {
        return Err(refused);
    }
    let mut found = companies(asking, words, NAMED).await?;
    match (found.total, found.items.first()) {
        (1, Some(only)) => return Ok(only.slug.clone()),
        (_, None) => return Err(unknown()),
        _ => {}
    }
    if found.total > NAMED {
        found = companies(asking, words, LOOKED_AT).await?;
    }
    match meant(&mut found.items, words) {
        Some(slug) => Ok(slug),
        None => Err(ambiguous(&found)),
    }
}

/// The slug of the only company that has exactly this ticker, ISIN or name: COF is one's, and the beginning of others' names. Those that have it
/// come first.
fn meant(found: &mut [Named], words: &str) -> Option<String> {
    let words = words.trim();
    let is = |said: &Option<String>| {
        said.as_ref()
            .is_some_and(|said| said.eq_ignore_ascii_case(words))
    };
    let meant = |one: &Named| {
        is(&one.yahoo_symbol) || is(&one.isin) || one.name.to_lowercase() == words.to_lowercase()
    };
    found.sort_by_key(|one| !meant(one));
    let exact: Vec<&Named> = found.iter().take_while(|one| meant(one)).collect();
    match exact.as_slice() {
        [only] => Some(only.slug.clone()),
        _ => None,
    }
}

/// Companies that words mean, so many at most.
async fn companies(asking: &Asking, words: &str, limit: u64) -> Result<Companies, String> {
    let query = Arguments::default()
        .with("q", words)
        .with("limit", &limit.to_string());
    let found = asking.ask(&query.fill(SEARCH)).await;
    // the tool's own name for it
    let found = found.map_err(|refused| {
        refused
            .replace("`q`", "`company`")
            .replace("\"parameter\":\"q\"", "\"parameter\":\"company\"")
    })?;
    serde_json::from_str(&found).map_err(|error| ApiError::internal(&error).body().to_string())
}

fn unknown() -> String {
    let error = ApiError::new(
        axum::http::StatusCode::NOT_FOUND,
        "company_not_found",
        "No company has this slug, ticker or ISIN, nor these words in its name.",
    );
    error.body().to_string()
}

fn ambiguous(found: &Companies) -> String {
    let shown = found
        .items
        .iter()
        .take(NAMED as usize)
        .map(|one| json!({"slug": one.slug, "name": one.name, "market": one.market}));
    let message = format!(
        "{} companies fit these words: ask again with the slug of the one that is meant.",
        found.total
    );
    let error = ApiError::new(
        axum::http::StatusCode::CONFLICT,
        "company_ambiguous",
        message,
    );
    let companies: Vec<Value> = shown.collect();
    error
        .details(json!({"companies": companies}))
        .body()
        .to_string()
}

fn code(refused: &str) -> Option<String> {
    let body: Value = serde_json::from_str(refused).ok()?;
    body["error"]["code"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(slug: &str, name: &str, symbol: Option<&str>) -> Named {
        Named {
            slug: slug.into(),
            name: name.into(),
            market: "us".into(),
            yahoo_symbol: symbol.map(str::to_owned),
            isin: None,
        }
    }

    #[test]
    fn an_exact_ticker_or_name_means_one_though_others_begin_alike() {
        let all = || {
            [
                named("cofinimmo-2", "Cofinimmo", None),
                named("capital-one-1", "Capital One", Some("COF")),
                named("cof-3", "Cof Lines", None),
            ]
        };
        let said = |words: &str| meant(&mut all(), words);
        assert_eq!(said(" cof ").as_deref(), Some("capital-one-1"));
        assert_eq!(said("COFINIMMO").as_deref(), Some("cofinimmo-2"));
        assert_eq!(said("co"), None);
        let mut two = all();
        two[2].name = "COF".into();
        assert_eq!(meant(&mut two, "cof"), None, "whose?");
        assert_eq!(two[2].slug, "cofinimmo-2", "who has it comes first");
    }
}
