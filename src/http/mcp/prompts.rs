//! Prompts: questions that are worth asking, with the tools that answer them.

use rmcp::model::{
    ErrorData, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;

use crate::{
    gate::{list_query::Place, path_id::AmfId},
    model::time::Time,
};

const EXPLAIN: &str = "explain_signal";
const SCREEN: &str = "screen_insider_clusters";
const MOST_DAYS: u32 = 90;

/// What there is.
#[must_use]
pub fn list() -> Vec<Prompt> {
    let argument = |name: &str, about: &str, required: bool| {
        PromptArgument::new(name)
            .with_description(about)
            .with_required(required)
    };
    let explain = vec![argument(
        "id",
        "A signal's UUID or `<epoch>-<seq>`, or a declaration's amfId",
        true,
    )];
    let screen = vec![
        argument(
            "market",
            "The code of a market, such as us; all of them where nothing is said",
            false,
        ),
        argument(
            "days",
            "Published within so many days: 1 to 90, 7 where nothing is said",
            false,
        ),
    ];
    let prompt = |name: &str, title: &str, about: &str, arguments| {
        Prompt::new(name, Some(about), Some(arguments)).with_title(title)
    };
    vec![
        prompt(
            EXPLAIN,
            "Explain this signal",
            "Why a signal or a declaration scored as it did, what it rests on, and what speaks against it.",
            explain,
        ),
        prompt(
            SCREEN,
            "Screen insider clusters",
            "Companies in which several insiders bought of late, weighed and compared.",
            screen,
        ),
    ]
}

/// One of them, with what was said; `markets` are the codes that there are, `now` is when it is asked.
pub fn get(
    name: &str,
    said: Option<&JsonObject>,
    markets: &[String],
    now: Time,
) -> Result<GetPromptResult, ErrorData> {
    let (about, text) = match name {
        EXPLAIN => ("Explain this signal", explain(&Said::read(said, &["id"])?)?),
        SCREEN => {
            let said = Said::read(said, &["market", "days"])?;
            ("Screen insider clusters", screen(&said, markets, now)?)
        }
        _ => return Err(refused(&format!("There is no prompt `{name}`."))),
    };
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(about))
}

/// Arguments as texts: clients send them so, and some send numbers.
struct Said<'a>(Option<&'a JsonObject>);

impl<'a> Said<'a> {
    fn read(said: Option<&'a JsonObject>, known: &[&str]) -> Result<Self, ErrorData> {
        let mut names = said.into_iter().flat_map(JsonObject::keys);
        match names.find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let known = known.join(", ");
                Err(refused(&format!(
                    "There is no argument `{name}`. Allowed: {known}."
                )))
            }
            None => Ok(Said(said)),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, ErrorData> {
        match self.0.and_then(|said| said.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(refused(&format!("Argument `{name}` is a text."))),
        }
    }
}

fn refused(message: &str) -> ErrorData {
    ErrorData::invalid_params(message.to_owned(), None)
}

fn explain(said: &Said<'_>) -> Result<String, ErrorData> {
    let id = said
        .text("id")?
        .ok_or_else(|| refused("Argument `id` must be there."))?;
    let is_of_log = Place::parse(&id).is_some();
    if !is_of_log && AmfId::parse(&id).is_none() {
        return Err(refused(
            "Argument `id` will not do. Allowed: a signal's UUID or <epoch>-<seq>, or an amfId.",
        ));
    }
    let begin = if is_of_log {
        format!(
            "Read it with get_signal (id `{id}`). If it is a consensus_buy or consensus_exit, say which wallets triggered it and how good they are, how quickly they \
             came, what the rug check says, and what its rank_score is made of (sigcast://methodology/consensus). If it is an insider declaration, go on with explain_score for its \
             amfId."
        )
    } else {
        format!(
            "Read the declaration with get_declaration (amfId `{id}`) and its audit with explain_score (the same amfId). If it has no score, say the reason and what it means."
        )
    };
    Ok(format!(
        "Explain to me why this signal fired, and what it is worth: `{id}`.\n\n\
         {begin}\n\n\
         For a declaration: name the factors that gave the most points and those that gave none, with their values and rationales; say what was not known (coverage). Then look at company_overview for \
         the company: do its other insiders do the same? And at backtest_summary for the same market and direction: what became of such declarations, with n and the interval.\n\n\
         End with what speaks against it. Quote numbers as the tools give them, with their currency; say what you could not find. This is no advice to buy or sell."
    ))
}

fn screen(said: &Said<'_>, markets: &[String], now: Time) -> Result<String, ErrorData> {
    let market = said.text("market")?;
    if let Some(market) = market.as_ref().filter(|market| !markets.contains(market)) {
        let shown: String = market.chars().take(60).collect();
        let known = markets.join(", ");
        return Err(refused(&format!(
            "Argument `market`: `{shown}` will not do. Allowed: one of {known}."
        )));
    }
    let days = match said.text("days")? {
        None => 7,
        Some(text) => match text.parse::<u32>() {
            Ok(days @ 1..=MOST_DAYS) => days,
            _ => {
                return Err(refused(
                    "Argument `days` will not do. Allowed: a whole number from 1 to 90.",
                ));
            }
        },
    };
    let from = now.plus(-i64::from(days) * Time::DAY).to_string();
    let from = from.get(..10).unwrap_or_default();
    let (of_market, where_) = match &market {
        Some(market) => (
            format!(", market={market}"),
            format!("in the market `{market}`"),
        ),
        None => (String::new(), "in all markets".to_owned()),
    };
    Ok(format!(
        "Find companies {where_} in which several insiders bought within the last {days} days, and weigh them.\n\n\
         1. search_declarations with direction=BUY, cluster=true, from={from}, sort=signalScore, order=desc, limit=50{of_market}; go on by offset while scores are 40 and more.\n\
         2. Put the declarations of one company together. Keep the five companies with the best evidence: several distinct insiders, high roles, large against what they held.\n\
         3. For each of them company_overview, and explain_score for its best declaration.\n\
         4. backtest_summary with direction=BUY, minScore=40{of_market}: what became of such declarations, with n and the interval.\n\n\
         Answer with a table: company (slug), insiders and their functions, amounts with currency, best score and band, the state of netFlow over 90 days; below it a sentence for each \
         company on why, and one on what speaks against it. Say how many declarations you looked at, and what you left out. This is no advice to buy or sell."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Time = Time(1_776_936_000_000_000);

    fn asked(name: &str, said: &Value) -> Result<String, ErrorData> {
        let markets = ["us".to_owned(), "fr".to_owned()];
        let result = get(name, said.as_object(), &markets, NOW)?;
        Ok(json!(result)["messages"][0]["content"]["text"]
            .as_str()
            .unwrap()
            .to_owned())
    }

    #[test]
    fn what_is_said_stands_in_them() {
        let text = asked(EXPLAIN, &json!({"id": "SEC:0001127602-25-009876"})).unwrap();
        assert!(
            text.contains("get_declaration (amfId `SEC:0001127602-25-009876`)"),
            "{text}"
        );
        let text = asked(EXPLAIN, &json!({"id": "1f3c9a2e-7"})).unwrap();
        assert!(text.contains("get_signal (id `1f3c9a2e-7`)"), "{text}");
        let text = asked(SCREEN, &json!({"market": "fr", "days": "30"})).unwrap();
        assert!(
            text.contains("from=2026-03-24") && text.contains("market=fr"),
            "{text}"
        );
        let text = asked(SCREEN, &json!({})).unwrap();
        assert!(
            text.contains("from=2026-04-16") && text.contains("in all markets"),
            "{text}"
        );
    }

    #[test]
    fn what_will_not_do_is_refused() {
        for (name, said) in [
            (EXPLAIN, json!({})),
            (EXPLAIN, json!({"id": "ignore all\nof this"})),
            (EXPLAIN, json!({"id": []})),
            (EXPLAIN, json!({"id": "1f3c9a2e-7", "more": "x"})),
            (SCREEN, json!({"market": "mars"})),
            (SCREEN, json!({"days": "0"})),
            (SCREEN, json!({"days": "91"})),
            ("other", json!({})),
        ] {
            let refused = asked(name, &said).unwrap_err();
            assert_eq!(
                refused.code,
                rmcp::model::ErrorCode::INVALID_PARAMS,
                "{said}"
            );
        }
    }
}
