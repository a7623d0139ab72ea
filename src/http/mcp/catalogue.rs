//! The tools: what each is called, what it is for, and which read it asks.

use std::sync::{Arc, OnceLock};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::json;

use super::{
    arguments::Limit,
    schemas::{self, Said, Taken},
};

/// How a tool comes to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the read of this path.
    Read(&'static str),
    /// By the list of the log, from its end.
    Recent,
    /// By several reads of one company.
    Company,
}

/// A tool as it is written here.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    /// How it comes to its answer.
    pub way: Way,
    /// Of lists, how many items.
    pub limit: Option<Limit>,
}

/// A tool as it is offered and called.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it does.
    pub entry: Entry,
    /// What it takes.
    pub taken: Vec<Taken>,
    /// As it is listed.
    pub tool: Tool,
}

/// The list of the log.
pub const LOG: &str = "/api/signals";
/// A company.
pub const COMPANY: &str = "/api/v1/companies/{slug}";
/// Its declarations.
pub const COMPANY_DECLARATIONS: &str = "/api/v1/companies/{slug}/declarations";
/// Its net flow.
pub const COMPANY_FLOW: &str = "/api/v1/companies/{slug}/net-flow";

const TEN: Option<Limit> = Some(Limit {
    default: 10,
    most: 50,
});

const DECLARATIONS: Entry = Entry {
    name: "search_declarations",
    title: "Search insider declarations",
    about: "Finds what company insiders declared to regulators: filings of purchases, sales, grants and the rest, newest first unless `sort` says otherwise. \
            Filter by company or insider (beginnings of words of the name; of companies also ticker or ISIN), market, direction, score, amount, cluster and day of publication. \
            Each item has the company and insider with their slugs, the dealing (amounts in the declaration's own currency), its rows, and `signal` with the score from 0 to 100, or \
            `score: null` and the reason why it has none. `direction` BUY or SELL takes eligible open-market dealings only. `include=backtest` adds what became of the price. \
            10 items unless `limit` says otherwise, 50 at most; go on by `offset`. For the best of the last days use top_signals, for one company company_overview.",
    way: Way::Read("/api/v1/declarations"),
    limit: TEN,
};

const DECLARATION: Entry = Entry {
    name: "get_declaration",
    title: "Read one declaration",
    about: "Reads one declaration by its amfId, as search_declarations and top_signals give it, with all rows of the filing, its owners, score and backtest. The bare number of a filing with \
            several declarations gives the principal one. With `asOf` it is what was served at that moment, without its backtest.",
    way: Way::Read("/api/v1/declarations/{amfId}"),
    limit: None,
};

const SCORE: Entry = Entry {
    name: "explain_score",
    title: "Explain a declaration's score",
    about: "Says why a declaration has its score: each of the nine factors with its value, points, cap, rationale and source, the modifiers, all inputs that they were computed from, and `coverage`, \
            how many of the 100 points could have been earned with what was known. Points are added, and a sale's sum is multiplied by 0.6. A score knows only what was known when its filing was \
            published. Takes an amfId. The rules are in the resource sigcast://methodology/filings.",
    way: Way::Read("/api/v1/declarations/{amfId}/score"),
    limit: None,
};

const TOP: Entry = Entry {
    name: "top_signals",
    title: "Best insider declarations of the last days",
    about: "The best-scored eligible insider purchases (or sales, by `direction`) published within the last `lookbackDays` days (7 unless said, 90 at most), best first, from a score of 40 on \
            unless `minScore` says otherwise. The place to begin for \"what are insiders buying\". Items are declarations as in search_declarations. 10 unless `limit` says otherwise, 50 at most; go on by `offset`.",
    way: Way::Read("/api/v1/signals"),
    limit: TEN,
};

const RECENT: Entry = Entry {
    name: "recent_signals",
    title: "Latest signals of the log",
    about: "The latest signals that this server sent to its streams, of every kind: `consensus_buy` and `consensus_exit` of tokens (market `crypto`: several good wallets bought the same token within \
            90 seconds) and scored insider filings. In the order of the log, the newest last. `types` takes several separated by commas; `min_rank` is S, A, B, C or D; `since` and `until` bound the time of \
            publication. 10 unless `limit` says otherwise, 50 at most. For earlier ones ask with `before` = `<epoch>-<seq>` of the first item; `after` gives the ones next after a place. Ranks and \
            scores of the two engines are not on one scale.",
    way: Way::Recent,
    limit: TEN,
};

const SIGNAL: Entry = Entry {
    name: "get_signal",
    title: "Read one signal of the log",
    about: "Reads one signal by its UUID, or by `<epoch>-<seq>` as streams and recent_signals name it: exactly what was sent. A `consensus_buy` says which wallets triggered it, their scores, and the rug \
            check of its token; an insider signal is a declaration, of which explain_score says why it scored so.",
    way: Way::Read("/api/signals/{id}"),
    limit: None,
};

const OVERVIEW: Entry = Entry {
    name: "company_overview",
    title: "A company, its latest declarations and net flow",
    about: "One company at a glance: what is known of it (`company`: market capitalisation, prices, ratios; null where no source tells), its latest declarations (`declarations`) and what its \
            insiders bought less what they sold by month, by insider and over the last 90 days (`netFlow`). `company` is a slug such as bouygues-1454, or beginnings of words of its name, its ticker or \
            ISIN; where several fit, the answer is an error that names them. Amounts are in the market's currency. Counts as one request of the plan.",
    way: Way::Company,
    limit: TEN,
};

const FLOW: Entry = Entry {
    name: "net_flow",
    title: "Net flow of a company's insiders",
    about: "What a company's insiders bought less what they sold: by month or ISO week (`bucket`), by insider, and as a signal over the last 90 days: accumulation, distribution, neutral, or insufficient where \
            there are less than two declarations. `npr` is (bought - sold) / (bought + sold). By day of publication unless `basis` is trade. Amounts are in the market's currency; what is suspect, told twice or replaced \
            is left out. Takes the company's slug.",
    way: Way::Read(COMPANY_FLOW),
    limit: None,
};

const MARKETS: Entry = Entry {
    name: "list_markets",
    title: "Markets and their coverage",
    about: "The markets that there is data of: code, regulator, currency, how many declarations and companies, and from which day to which. Use it to learn the codes that `market` takes elsewhere, and before \
            saying that something is not there.",
    way: Way::Read("/api/v1/markets"),
    limit: Some(Limit {
        default: 50,
        most: 200,
    }),
};

const BACKTEST: Entry = Entry {
    name: "backtest_summary",
    title: "What became of the price after declarations",
    about: "Summaries of what became of the price after many declarations, over the benchmark, by direction and horizon of 30 to 730 days: n, median, mean of returns held to 50 %, and the share of wins with Wilson's \
            95 % interval. Entry is the close after the day of publication. Fractions: 0.05 is 5 %. Filter by direction, least score, market and days of publication. Say n and the interval, never a bare mean; what happened does \
            not say what will.",
    way: Way::Read("/api/v1/backtest"),
    limit: None,
};

const USAGE: Entry = Entry {
    name: "my_usage",
    title: "The key, its plan and what is left",
    about: "Whose API key this is, what its plan allows, and how many requests were made today, this month and in all. Each tools/call and resources/read is one request; listing and prompts are none.",
    way: Way::Read("/api/v1/me"),
    limit: None,
};

const ALL: [Entry; 11] = [
    DECLARATIONS,
    DECLARATION,
    SCORE,
    TOP,
    RECENT,
    SIGNAL,
    OVERVIEW,
    FLOW,
    MARKETS,
    BACKTEST,
    USAGE,
];

/// All tools, in the order in which they are listed.
pub fn all() -> &'static [Offer] {
    static OFFERS: OnceLock<Vec<Offer>> = OnceLock::new();
    OFFERS.get_or_init(|| {
        let mut said = Said::new();
        let offers = ALL.into_iter().map(|entry| offer(entry, &mut said));
        offers.collect()
    })
}

/// The one of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Offer> {
    all().iter().find(|offer| offer.entry.name == name)
}

fn offer(entry: Entry, said: &mut Said) -> Offer {
    let mut taken = match entry.way {
        Way::Read(path) => schemas::taken(path),
        Way::Recent => schemas::taken(LOG),
        Way::Company => of_company(),
    };
    if let Some(limit) = entry.limit {
        for one in taken.iter_mut().filter(|one| one.name == "limit") {
            one.schema["default"] = json!(limit.default);
            one.schema["minimum"] = json!(1);
            one.schema["maximum"] = json!(limit.most);
            one.schema["description"] = json!("Items at most.");
        }
    }
    let mut output = output(entry.way);
    schemas::say_once(&mut output, said);
    let hints = ToolAnnotations::with_title(entry.title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    let tool = Tool::new(entry.name, entry.about, Arc::new(schemas::input(&taken)))
        .with_title(entry.title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(hints);
    Offer { entry, taken, tool }
}

fn output(way: Way) -> JsonObject {
    match way {
        Way::Read(path) => schemas::output(path),
        Way::Recent => schemas::output(LOG),
        Way::Company => schemas::joined(&[
            ("company", COMPANY),
            ("declarations", COMPANY_DECLARATIONS),
            ("netFlow", COMPANY_FLOW),
        ]),
    }
}

/// The company, and what is said of its declarations and its flow.
fn of_company() -> Vec<Taken> {
    let company = Taken {
        name: "company".into(),
        in_path: false,
        required: true,
        schema: json!({
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "The company's slug, or beginnings of words of its name, its ticker or its ISIN.",
            "examples": ["bouygues-1454", "occidental", "OXY"],
        }),
    };
    let declarations = schemas::taken(COMPANY_DECLARATIONS);
    let flow = schemas::taken(COMPANY_FLOW);
    let of = |all: Vec<Taken>, names: &'static [&str]| {
        all.into_iter().filter(|one| names.contains(&&*one.name))
    };
    let mut all = vec![company];
    all.extend(of(
        declarations,
        &["direction", "minScore", "limit", "offset"],
    ));
    all.extend(of(flow, &["bucket"]));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_tool_says_what_it_is_and_changes_nothing() {
        let names: BTreeSet<&str> = all().iter().map(|offer| offer.entry.name).collect();
        assert_eq!(names.len(), ALL.len());
        for offer in all() {
            let (tool, name) = (&offer.tool, offer.entry.name);
            let about = tool.description.as_deref().unwrap_or_default();
            assert!(
                about.len() > 100 && !about.contains("  "),
                "{name}: {about}"
            );
            let hints = tool.annotations.as_ref().unwrap();
            assert_eq!(hints.read_only_hint, Some(true), "{name}");
            assert_eq!(hints.open_world_hint, Some(false), "{name}");
            assert_eq!(tool.input_schema["type"], "object", "{name}");
            for one in &offer.taken {
                let about = one.schema["description"].as_str().unwrap_or_default();
                assert!(about.len() > 3, "{name}: {}", one.name);
            }
            let output = tool.output_schema.as_ref().unwrap();
            assert_eq!(output["type"], "object", "{name}");
            // a signal is whatever was published
            assert!(
                output.len() > 1 || name == "get_signal",
                "{name}: {output:?}"
            );
            assert_eq!(find(name).map(|offer| offer.entry.name), Some(name));
        }
        assert!(find("delete_everything").is_none());
    }

    #[test]
    fn pages_are_small() {
        for offer in all() {
            let limit = offer.taken.iter().find(|one| one.name == "limit");
            assert_eq!(
                limit.is_some(),
                offer.entry.limit.is_some(),
                "{}",
                offer.entry.name
            );
        }
        let limit = find("top_signals").unwrap().tool.input_schema["properties"]["limit"].clone();
        assert_eq!(
            (&limit["default"], &limit["maximum"]),
            (&json!(10), &json!(50))
        );
    }

    /// Members of a schema that are explained, by name.
    fn explained(schema: &JsonObject, found: &mut Vec<(String, String)>) {
        for (key, value) in schema {
            if let (true, Some(named)) =
                (matches!(&**key, "properties" | "$defs"), value.as_object())
            {
                let about = |(name, one): (&String, &Value)| {
                    Some((name.clone(), one["description"].as_str()?.to_owned()))
                };
                found.extend(named.iter().filter_map(about));
                let members = named.values().filter_map(Value::as_object);
                members.for_each(|one| explained(one, found));
            } else if let Some(one) = value.as_object() {
                explained(one, found);
            } else if let Some(all) = value.as_array() {
                let members = all.iter().filter_map(Value::as_object);
                members.for_each(|one| explained(one, found));
            }
        }
    }

    #[test]
    fn the_list_is_short() {
        let mut found = Vec::new();
        for offer in all() {
            explained(offer.tool.output_schema.as_ref().unwrap(), &mut found);
        }
        let each: BTreeSet<_> = found.iter().collect();
        assert!(found.len() > 50, "what came first is explained: {found:?}");
        assert_eq!(found.len(), each.len(), "and once: {found:?}");
        let tools: Vec<_> = all().iter().map(|offer| &offer.tool).collect();
        let bytes = serde_json::to_vec(&tools).unwrap().len();
        assert!(
            bytes < 50_000,
            "every client reads it at its start: {bytes}"
        );
    }
}
