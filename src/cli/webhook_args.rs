//! What `sigcast webhooks` is told by flags, as the bodies that say the same over HTTP: both are read by the same rules.

use clap::Args;
use serde_json::{Map, Number, Value};

/// Which signals pass.
#[derive(Debug, Clone, Default, Args)]
struct FilterArgs {
    /// Only signals of this type; may be said several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only signals of at least this rank: S, A, B, C, D
    #[arg(long, value_name = "RANK")]
    min_rank: Option<String>,
    /// Only signals of at least this score
    #[arg(long, value_name = "SCORE")]
    min_score: Option<f64>,
    /// Only signals of this market, such as crypto
    #[arg(long, value_name = "MARKET")]
    market: Option<String>,
}

/// A new webhook.
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Whose
    #[arg(long, value_name = "ID")]
    pub account: String,
    /// Where to: https, and no address that is not the public internet's, but for what webhook.allow_http and webhook.allow_subnets say
    #[arg(long)]
    url: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// Words of your own
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Send another service's headers as well: sigmate
    #[arg(long, value_name = "SERVICE")]
    compat: Option<String>,
    /// Send each signal only once the one before is answered or failed
    #[arg(long)]
    ordered: bool,
    /// Do not send yet; `set ID --enable` begins, and nothing is lost until then
    #[arg(long)]
    disabled: bool,
    /// Begin behind this signal: a seq (0: with the first there is), or `<epoch>-<seq>`
    #[arg(long, value_name = "SEQ|ID")]
    start_after: Option<String>,
}

/// What changes of a webhook.
#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// The webhook's id
    pub id: String,
    /// Where to
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Let all signals pass
    #[arg(long, conflicts_with_all = ["types", "min_rank", "min_score", "market"])]
    no_filter: bool,
    /// Words of your own
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Send another service's headers as well: sigmate, or `none`
    #[arg(long, value_name = "SERVICE|none")]
    compat: Option<String>,
    /// Send each signal only once the one before is answered or failed
    #[arg(long, value_name = "true|false")]
    ordered: Option<bool>,
    /// Send to it, from where it stood
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// With --enable: go on with the next signal, and leave out what it missed
    #[arg(long, requires = "enable")]
    skip_missed: bool,
    /// Do not send to it; its place in the log is kept
    #[arg(long)]
    disable: bool,
}

/// What is sent again.
#[derive(Debug, Clone, Args)]
pub struct ResendArgs {
    /// The webhook's id
    pub id: String,
    /// This signal: its UUID, or `<epoch>-<seq>`
    #[arg(long, value_name = "ID", conflicts_with_all = ["after", "before", "failed_since"])]
    signal: Option<String>,
    /// The signals behind this one that pass the filter
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Those before this one; without it, up to the head of the log
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Only what failed, and was first sent from this moment on (ISO 8601)
    #[arg(long, value_name = "ISO")]
    failed_since: Option<String>,
}

impl FilterArgs {
    fn filter(self) -> Option<Value> {
        let mut filter = Map::new();
        let types = Some(self.types).filter(|types| !types.is_empty());
        put(&mut filter, "types", types);
        put(&mut filter, "min_rank", self.min_rank);
        // what is no number is refused by its name as well
        let score = |score: f64| {
            Number::from_f64(score).map_or_else(|| Value::from(score.to_string()), Value::from)
        };
        put(&mut filter, "min_score", self.min_score.map(score));
        put(&mut filter, "market", self.market);
        (!filter.is_empty()).then_some(Value::Object(filter))
    }
}

impl AddArgs {
    /// The body that makes it.
    pub fn body(self) -> Vec<u8> {
        let mut fields = Map::new();
        put(&mut fields, "url", Some(self.url));
        put(&mut fields, "filter", self.filter.filter());
        put(&mut fields, "description", self.description);
        put(&mut fields, "compat", self.compat);
        put(&mut fields, "ordered", self.ordered.then_some(true));
        put(&mut fields, "enabled", self.disabled.then_some(false));
        let start = self.start_after.map(|text| match text.parse::<u64>() {
            Ok(seq) => Value::from(seq),
            Err(_) => Value::from(text),
        });
        put(&mut fields, "start_after", start);
        Value::Object(fields).to_string().into_bytes()
    }
}

impl SetArgs {
    /// The body that changes it; `None`: nothing does.
    pub fn body(self) -> Option<Vec<u8>> {
        let mut fields = Map::new();
        put(&mut fields, "url", self.url);
        put(&mut fields, "filter", self.filter.filter());
        put(&mut fields, "filter", self.no_filter.then_some(Value::Null));
        put(&mut fields, "description", self.description);
        let compat = self.compat.map(|word| match word.as_str() {
            "none" => Value::Null,
            _ => Value::from(word),
        });
        put(&mut fields, "compat", compat);
        put(&mut fields, "ordered", self.ordered);
        put(&mut fields, "enabled", self.enable.then_some(true));
        put(&mut fields, "enabled", self.disable.then_some(false));
        put(&mut fields, "skip_missed", self.skip_missed.then_some(true));
        some(fields)
    }
}

impl ResendArgs {
    /// The body that asks for it; `None`: nothing is asked for.
    pub fn body(self) -> Option<Vec<u8>> {
        let mut fields = Map::new();
        put(&mut fields, "signal_id", self.signal);
        put(&mut fields, "after", self.after);
        put(&mut fields, "before", self.before);
        put(&mut fields, "failed_since", self.failed_since);
        some(fields)
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

fn some(fields: Map<String, Value>) -> Option<Vec<u8>> {
    let body = (!fields.is_empty()).then_some(Value::Object(fields));
    body.map(|body| body.to_string().into_bytes())
}
