//! `GET /api/v1/deliveries`: of each signal of the log, to which of the account's streams it was written, and what its webhooks said.

use std::{collections::HashSet, sync::Arc};

use axum::http::Uri;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    call::Call,
    error::{ApiError, ApiResult},
    schema::Answer,
    signals::{self, Part},
    state::State,
};
use crate::{
    gate::{filter::Filter, kept_filter, list_query::ListQuery},
    model::{
        delivery::Kept,
        log::{LogRow, Position},
        signal::{Facets, id_of},
        time::Time,
    },
    store::{
        hook_outcomes::{Outcome, Outcomes},
        hooks::Hook,
        stream_writes::SavedWrite,
    },
};

/// Ranges that are looked at for a page: far more than clients have that do not fail.
const MOST_RANGES: i64 = 2_000;
/// Streams that are named for a signal, the latest first: it may have been replayed without end.
const MOST_STREAMS: usize = 8;
/// A signal that was published less than so long ago may be under way on either channel, or written and not saved yet; and so long after
/// an account's first webhook its streams are noted at the latest.
const UNDER_WAY: i64 = 15 * Time::SECOND;

/// What became of the signals of a part of the log.
#[derive(Serialize, ToSchema)]
pub struct Deliveries {
    /// In seq order.
    items: Vec<Delivery>,
    summary: Summary,
    /// Where a poller goes on: the last item's place, or where it stood.
    next: String,
    /// Names this log; places of another mean nothing in it.
    epoch: String,
    /// The seq of the log's last row.
    head: i64,
}

/// What became of one signal.
#[derive(Serialize, ToSchema)]
struct Delivery {
    /// Its UUID.
    id: String,
    /// Its place in the log.
    seq: i64,
    /// The same as streams say it: the `id` of its frame.
    event_id: String,
    #[schema(value_type = String, format = DateTime)]
    published_at: Time,
    /// Streams that it was written to, those that were saved last first, 8 at most. Written, not received.
    streams: Vec<OnStream>,
    /// The account's webhooks, the oldest first.
    webhooks: Vec<AtWebhook>,
}

/// A stream that a signal was written to.
#[derive(Serialize, ToSchema)]
struct OnStream {
    /// The connection's number on its node.
    connection: u64,
    /// Names the node, from its start to its end.
    node: String,
    /// The visible beginning of the key that it was opened with.
    key_prefix: String,
    /// What it was asked for; null is everything.
    #[schema(value_type = Option<Object>, required)]
    filter: Option<Box<RawValue>>,
    /// When that it was written was saved, or that more was.
    #[schema(value_type = String, format = DateTime)]
    saved_at: Time,
}

/// A webhook, and what became of a signal there.
#[derive(Serialize, ToSchema)]
struct AtWebhook {
    /// UUID.
    webhook_id: String,
    state: DeliveryState,
    /// When it was acknowledged first.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    acknowledged_at: Option<Time>,
    /// Attempts that were made.
    attempts: u32,
}

/// What became of a signal at a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryState {
    /// It was answered with a 2xx.
    Acknowledged,
    /// It is sent again.
    Waiting,
    /// It was given up.
    Failed,
    /// Its turn is yet to come.
    Pending,
    /// It was passed over: the filter hides it, or the webhook began, or was enabled again, behind it.
    NotSent,
    /// It is too long ago: attempts are not kept for ever.
    Forgotten,
}

/// The page on the whole.
#[derive(Serialize, ToSchema)]
struct Summary {
    /// Signals on this page.
    signals: u32,
    /// Of these, written to a stream.
    on_stream: u32,
    /// Of these, acknowledged by a webhook.
    by_webhook: u32,
    /// Those that neither channel has brought, by their UUIDs: hidden by all filters, on their way to a webhook for longer than usual, or missed.
    on_neither: Vec<String>,
    /// Those of which neither is known, and it is too early or too late to say: published less than 15 seconds ago, longer ago than is kept, or
    /// before the account's first webhook.
    undecided: u32,
}

/// List deliveries
///
/// What became of the signals of the log on both channels: to which of the account's streams they were written, and whether its webhooks
/// acknowledged them. Streams are noted from the account's first webhook on, saved every 5 seconds and when one closes. The page is
/// chosen as that of `/api/signals` is.
#[utoipa::path(
    get, path = "/api/v1/deliveries", tag = "signals",
    params(super::schema::FilterParams, super::schema::LogPartParams),
    responses((status = 200, description = "What became of them", body = Answer<Deliveries>)),
)]
pub async fn list(call: Call, uri: Uri) -> ApiResult {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let part = signals::part(&call.state, &query).await?;
    let account = &call.known()?.holder.account.id;
    let known = Channels::read(&call.state, account, &part).await?;
    let mut summary = Summary {
        signals: 0,
        on_stream: 0,
        by_webhook: 0,
        on_neither: Vec::new(),
        undecided: 0,
    };
    let mut items = Vec::with_capacity(part.rows.len());
    for row in &part.rows {
        let id = id_of(row.body.as_bytes());
        // proof: nothing is published without one
        let id = id.ok_or_else(|| ApiError::internal(&"a signal without an id"))?;
        let item = known.delivery(id, row);
        summary.count(&item, &known);
        items.push(item);
    }
    call.json(&Deliveries {
        items,
        summary,
        next: Position {
            epoch: part.head.epoch.clone(),
            seq: part.next,
        }
        .to_string(),
        epoch: part.head.epoch.to_string(),
        head: part.head.seq,
    })
}

/// A range that was written, and what of it.
struct Range {
    saved: SavedWrite,
    filter: Filter,
    shown: Option<Box<RawValue>>,
}

impl Range {
    /// `None` where it says of its filter what this version does not understand: what it hid, nobody knows.
    fn of(saved: SavedWrite) -> Option<Self> {
        let Some(kept) = &saved.written.filter else {
            return Some(Range {
                saved,
                filter: Filter::default(),
                shown: None,
            });
        };
        let filter = kept_filter::read(kept)?;
        let shown = RawValue::from_string(kept.to_string()).ok()?;
        Some(Range {
            saved,
            filter,
            shown: Some(shown),
        })
    }

    fn shows(&self) -> OnStream {
        let saved = &self.saved;
        OnStream {
            connection: saved.written.connection,
            node: saved.node.clone(),
            key_prefix: saved.key_prefix.clone(),
            filter: self.shown.clone(),
            saved_at: saved.saved_at,
        }
    }
}

/// What is known of both channels for a part of the log.
struct Channels {
    epoch: Arc<str>,
    ranges: Vec<Range>,
    /// Whether any of them hides anything.
    filtered: bool,
    hooks: Vec<Hook>,
    outcomes: Outcomes,
    kept: Kept,
    now: Time,
}

impl Channels {
    async fn read(state: &State, account: &str, part: &Part) -> ApiResult<Self> {
        let now = state.clock.now();
        let epoch = part.head.epoch.clone();
        let seqs: Vec<i64> = part.rows.iter().map(|row| row.seq).collect();
        let hooks = state.db.hooks(Some(account)).await?;
        let (mut saved, mut outcomes) = (Vec::new(), Outcomes::new());
        if let (Some(first), Some(last)) = (seqs.first(), seqs.last()) {
            let writes = state
                .db
                .stream_writes(account, &epoch, *first, *last, MOST_RANGES);
            saved = writes.await?;
            let ids: Vec<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
            outcomes = state.db.hook_outcomes(&ids, &seqs).await?;
        }
        let ranges: Vec<Range> = saved.into_iter().filter_map(Range::of).collect();
        Ok(Channels {
            epoch,
            filtered: ranges.iter().any(|range| range.shown.is_some()),
            ranges,
            hooks,
            outcomes,
            kept: state.kept,
            now,
        })
    }

    fn delivery(&self, id: String, row: &LogRow) -> Delivery {
        let facets = match self.filtered {
            true => Facets::of(&row.body),
            false => Facets::default(),
        };
        let mut seen = HashSet::new();
        let wrote = self.ranges.iter().filter(|range| {
            let written = &range.saved.written;
            written.holds(row.seq) && (range.filter.is_open() || range.filter.passes(&facets))
        });
        // a connection has it once, in whichever of its ranges
        let streams = wrote
            .filter(|range| {
                let saved = &range.saved;
                seen.insert((saved.node.as_str(), saved.written.connection))
            })
            .take(MOST_STREAMS)
            .map(Range::shows);
        let streams = streams.collect();
        let forgotten_before = Kept::horizon(self.kept.attempts, self.now);
        let webhooks = self.hooks.iter().map(|hook| {
            let outcome = self.outcomes.get(&(hook.id.clone(), id.clone()));
            let outcome = outcome.copied().unwrap_or_default();
            AtWebhook {
                webhook_id: hook.id.clone(),
                state: state_of(&hook.sent_to, &outcome, &self.epoch, row, forgotten_before),
                acknowledged_at: outcome.acknowledged_at,
                attempts: outcome.attempts,
            }
        });
        Delivery {
            webhooks: webhooks.collect(),
            event_id: Position {
                epoch: self.epoch.clone(),
                seq: row.seq,
            }
            .to_string(),
            seq: row.seq,
            published_at: row.published_at,
            streams,
            id,
        }
    }

    /// Whether it can be said of a signal that neither channel has brought it, if none is known to.
    fn is_decided(&self, published_at: Time) -> bool {
        let Some(first) = self.hooks.first() else {
            return false;
        };
        let kept = self.kept;
        let from = Kept::horizon(kept.streams, self.now)
            .max(Kept::horizon(kept.attempts, self.now))
            .max(first.created_at.plus(UNDER_WAY));
        (from..self.now.plus(-UNDER_WAY)).contains(&published_at)
    }
}

/// What became of a signal at a webhook that stands at a place.
fn state_of(
    sent_to: &Position,
    outcome: &Outcome,
    epoch: &str,
    row: &LogRow,
    forgotten_before: Time,
) -> DeliveryState {
    if outcome.acknowledged_at.is_some() {
        return DeliveryState::Acknowledged;
    }
    match outcome.message {
        Some(Some(_)) => return DeliveryState::Waiting,
        Some(None) => return DeliveryState::Failed,
        None => {}
    }
    // where it stands in another log, it goes on at the head of this one
    if *sent_to.epoch == *epoch && row.seq > sent_to.seq {
        DeliveryState::Pending
    } else if row.published_at < forgotten_before {
        DeliveryState::Forgotten
    } else {
        DeliveryState::NotSent
    }
}

impl Summary {
    fn count(&mut self, item: &Delivery, known: &Channels) {
        let acknowledged = |at: &AtWebhook| at.state == DeliveryState::Acknowledged;
        let (on_stream, by_webhook) = (
            !item.streams.is_empty(),
            item.webhooks.iter().any(acknowledged),
        );
        self.signals += 1;
        self.on_stream += u32::from(on_stream);
        self.by_webhook += u32::from(by_webhook);
        if on_stream || by_webhook {
            return;
        }
        if known.is_decided(item.published_at) {
            self.on_neither.push(item.id.clone());
        } else {
            self.undecided += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, published_at: i64) -> LogRow {
        LogRow {
            seq,
            published_at: Time(published_at),
            body: "{}".into(),
        }
    }

    #[test]
    fn what_became_of_a_signal_at_a_webhook() {
        use DeliveryState::{Acknowledged, Failed, Forgotten, NotSent, Pending, Waiting};
        let place = |epoch: &str| Position {
            epoch: epoch.into(),
            seq: 10,
        };
        let outcome = |acknowledged: Option<i64>, message| Outcome {
            attempts: 1,
            acknowledged_at: acknowledged.map(Time),
            message,
        };
        let nothing = Outcome::default();
        let waits = Some(Some(Time(9)));
        for (what, place, outcome, row, expected) in [
            (
                "its turn is to come",
                place("e"),
                nothing,
                row(11, 5),
                Pending,
            ),
            ("hidden", place("e"), nothing, row(10, 5), NotSent),
            ("long ago", place("e"), nothing, row(10, 4), Forgotten),
            (
                "another log's place",
                place("f"),
                nothing,
                row(11, 5),
                NotSent,
            ),
            (
                "ahead of the place",
                place("e"),
                outcome(Some(1), None),
                row(12, 5),
                Acknowledged,
            ),
            (
                "sent again",
                place("e"),
                outcome(None, waits),
                row(9, 5),
                Waiting,
            ),
            (
                "sent again though it was acknowledged",
                place("e"),
                outcome(Some(1), waits),
                row(9, 5),
                Acknowledged,
            ),
            (
                "given up",
                place("e"),
                outcome(None, Some(None)),
                row(9, 4),
                Failed,
            ),
        ] {
            let state = state_of(&place, &outcome, "e", &row, Time(5));
            assert_eq!(state, expected, "{what}");
        }
    }
}
