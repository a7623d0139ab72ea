//! Which reads are answered without a key, and in which portions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    closes_query::ClosesQuery,
    insider_query::{
        CompaniesQuery, DeclarationsQuery, InsiderQuery, InsidersQuery, MarketsQuery, NoQuery,
        OwnDeclarationsQuery,
    },
    insider_view::{
        BacktestQuery, DeclarationQuery, NetFlowQuery, ScoreQuery, SearchQuery, SignalsQuery,
        WinningQuery,
    },
    pairs::{Pairs, QueryError},
    parameter::{Kind, Parameter},
};

/// Where the reads are that have a key.
pub const READS: &str = "/api/v1/";

/// Where they are that need none.
pub const SANDBOX: &str = "/api/v1/sandbox/";

/// Why something is not answered here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRead {
    /// There is nothing at this path.
    Nothing,
    /// It is of an account: without a key there is none.
    NeedsKey,
    /// Whole results are not handed out.
    Export,
    /// A parameter asks for too much.
    Query(QueryError),
}

/// What may be asked at a path behind [`READS`], percent-encoded as it came. This is the whole list of what is answered.
fn parameters(path: &str) -> Result<&'static [Parameter], NoRead> {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(NoRead::Nothing);
    }
    Ok(match *parts {
        ["health" | "stats"] => NoQuery::PARAMETERS,
        ["markets"] => MarketsQuery::PARAMETERS,
        ["search"] => SearchQuery::PARAMETERS,
        ["companies"] => CompaniesQuery::PARAMETERS,
        ["companies" | "insiders", _] => NoQuery::PARAMETERS,
        ["companies" | "insiders", _, "declarations"] => OwnDeclarationsQuery::PARAMETERS,
        ["companies", _, "net-flow"] => NetFlowQuery::PARAMETERS,
        ["companies", _, "closes"] => ClosesQuery::PARAMETERS,
        ["insiders"] => InsidersQuery::PARAMETERS,
        ["declarations"] => DeclarationsQuery::PARAMETERS,
        ["declarations", _] => DeclarationQuery::PARAMETERS,
        ["declarations", _, "score"] => ScoreQuery::PARAMETERS,
        ["signals"] => SignalsQuery::PARAMETERS,
        ["backtest"] => BacktestQuery::PARAMETERS,
        ["strategy", "winning"] => WinningQuery::PARAMETERS,
        ["me" | "deliveries" | "webhooks", ..] => return Err(NoRead::NeedsKey),
        _ => return Err(NoRead::Nothing),
    })
}

/// What a request for `path` behind [`READS`] with this query, both as they came, is to be asked as: path and query. `page`: items of a list at
/// most, and where nothing is said. What the read itself refuses, it is left to refuse.
pub fn read(path: &str, query: &str, page: u32) -> Result<String, NoRead> {
    let table = parameters(path)?;
    let plain = |query: &str| match query {
        "" => format!("{READS}{path}"),
        query => format!("{READS}{path}?{query}"),
    };
    let names: Vec<&'static str> = table.iter().map(|parameter| parameter.name).collect();
    let Ok(mut pairs) = Pairs::read(query, &names) else {
        return Ok(plain(query));
    };
    if pairs.take("format").is_some_and(|format| format == "csv") {
        return Err(NoRead::Export);
    }
    let usual = table.iter().find_map(|parameter| match parameter.kind {
        Kind::Whole { default, .. } if parameter.name == "limit" => Some(default),
        _ => None,
    });
    let Some(usual) = usual else {
        return Ok(plain(query));
    };
    match pairs.take("limit") {
        Some(said) => match said.parse::<u32>() {
            Ok(limit) if (1..=page).contains(&limit) => Ok(plain(query)),
            _ => {
                let allowed = format!("without a key, a whole number from 1 to {page}");
                Err(NoRead::Query(QueryError::new("limit", &said, allowed)))
            }
        },
        None if usual <= u64::from(page) => Ok(plain(query)),
        None if query.is_empty() => Ok(plain(&format!("limit={page}"))),
        None => Ok(plain(&format!("{query}&limit={page}"))),
    }
}

/// A net flow's answer, its pieces as they came: numbers are exact.
#[derive(Deserialize, Serialize)]
struct Flow<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    #[serde(borrow)]
    insiders: Vec<&'a RawValue>,
    #[serde(borrow)]
    signal90: &'a RawValue,
    #[serde(borrow)]
    meta: &'a RawValue,
}

/// Of an answer to `asked` what is handed out: all of it, but of a net flow, which no parameter bounds, the last periods and the largest insiders.
#[must_use]
pub fn portion<'a>(asked: &str, body: &'a [u8], page: u32) -> Cow<'a, [u8]> {
    let path = asked.split('?').next().unwrap_or_default();
    if !path.ends_with("/net-flow") {
        return Cow::Borrowed(body);
    }
    let Ok(mut flow) = serde_json::from_slice::<Flow<'_>>(body) else {
        return Cow::Borrowed(body);
    };
    let page = page as usize;
    flow.items.drain(..flow.items.len().saturating_sub(page));
    flow.insiders.truncate(page);
    // proof: what was JSON is JSON
    serde_json::to_vec(&flow).map_or(Cow::Borrowed(body), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_net_flow_the_latest_and_the_largest_are_told() {
        let body = br#"{"items":[{"period":"2026-01","buy":1.50},2,3],"insiders":[4,5,6],"signal90":{"npr":null},"meta":{"latencyMs":1}}"#;
        let told = |page| {
            let told = portion("/api/v1/companies/a/net-flow?bucket=week", body, page);
            String::from_utf8(told.into_owned()).unwrap()
        };
        assert_eq!(
            told(2),
            r#"{"items":[2,3],"insiders":[4,5],"signal90":{"npr":null},"meta":{"latencyMs":1}}"#
        );
        assert_eq!(told(3).as_bytes(), body);
        let other = portion("/api/v1/companies/net-flow", b"[1]", 0);
        assert_eq!(&*other, b"[1]");
        assert_eq!(&*portion("/api/v1/backtest", body, 1), body);
    }

    fn ask(path: &str, query: &str) -> Result<String, NoRead> {
        read(path, query, 10)
    }

    #[test]
    fn lists_come_in_small_portions() {
        for (path, query, asked) in [
            ("declarations", "", "/api/v1/declarations?limit=10"),
            (
                "declarations",
                "direction=BUY",
                "/api/v1/declarations?direction=BUY&limit=10",
            ),
            ("declarations", "limit=3", "/api/v1/declarations?limit=3"),
            (
                "declarations",
                "l%69mit=10",
                "/api/v1/declarations?l%69mit=10",
            ),
            ("search", "q=acme", "/api/v1/search?q=acme"),
            ("strategy/winning", "", "/api/v1/strategy/winning?limit=10"),
            ("markets", "", "/api/v1/markets?limit=10"),
            ("stats", "", "/api/v1/stats"),
            ("stats", "limit=500", "/api/v1/stats?limit=500"),
            (
                "declarations/SEC%3A1",
                "asOf=2026-01-01",
                "/api/v1/declarations/SEC%3A1?asOf=2026-01-01",
            ),
            (
                "companies/a-1/net-flow",
                "",
                "/api/v1/companies/a-1/net-flow",
            ),
            (
                "companies/a-1/closes",
                "bucket=week",
                "/api/v1/companies/a-1/closes?bucket=week&limit=10",
            ),
        ] {
            assert_eq!(ask(path, query).as_deref(), Ok(asked), "{path}?{query}");
        }
        for query in [
            "limit=11",
            "limit=0",
            "limit=-1",
            "limit=1e9",
            "li%6Dit=200",
            "limit=%31%31",
        ] {
            let refused = ask("companies", query);
            assert!(
                matches!(&refused, Err(NoRead::Query(error)) if error.parameter == "limit" && error.allowed.contains("1 to 10")),
                "{query}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_the_read_refuses_it_is_left_to_refuse() {
        for query in [
            "limit=5&limit=200",
            "nonsense=1",
            "limit=",
            "limit=%",
            "format=xml",
        ] {
            let asked = ask("companies", query).unwrap();
            let asked = asked.strip_prefix("/api/v1/companies?").unwrap();
            assert!(CompaniesQuery::parse(asked, &[]).is_err(), "{query}");
        }
    }

    #[test]
    fn whole_results_and_what_is_an_accounts_are_not_handed_out() {
        assert_eq!(ask("companies", "format=csv"), Err(NoRead::Export));
        assert_eq!(
            ask("companies", "for%6Dat=%63sv&limit=3"),
            Err(NoRead::Export)
        );
        for path in ["me", "webhooks", "webhooks/x/test", "deliveries"] {
            assert_eq!(ask(path, ""), Err(NoRead::NeedsKey), "{path}");
        }
        for path in [
            "",
            "nothing",
            "companies/",
            "/companies",
            "sandbox/companies",
            "%6de",
            "mcp",
            "../signals",
            "companies/a/b",
            "declarations/a/score/b",
            "signals/stream",
            "strategy",
        ] {
            assert_eq!(ask(path, ""), Err(NoRead::Nothing), "{path}");
        }
    }
}
