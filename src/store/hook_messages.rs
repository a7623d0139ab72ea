//! What webhooks were sent: attempts, messages that wait for the next one or failed, ranges to be sent again.

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    hooks::Disabled,
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{log::Position, time::Time};

/// A message that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which signal, by its seq ...
    pub seq: i64,
    /// ... and its id.
    pub signal_id: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first was made.
    pub first_at: Time,
    /// When the next is due; `None`: there is none, it has failed.
    pub next_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
pub(super) struct MessageRow {
    seq: i64,
    signal_id: String,
    attempts: i64,
    first_at: i64,
    next_at: Option<i64>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Message {
            seq: row.seq,
            signal_id: row.signal_id,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            first_at: Time(row.first_at),
            next_at: row.next_at.map(Time),
        }
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which signal; `None`: a test.
    pub seq: Option<i64>,
    /// Its id.
    pub signal_id: String,
    /// The how many-th at this message.
    pub attempt: u32,
    /// When it began.
    pub at: Time,
    /// How long it took, in microseconds.
    pub took: i64,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// What kind of failure; `None`: it was acknowledged.
    pub error: Option<String>,
    /// The first kB of the answer.
    pub answer: Option<String>,
}

/// What has become of one endpoint's messages since this was written last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The endpoint.
    pub hook_id: String,
    /// Proves that it is this node's.
    pub fence: i64,
    /// It stands here now.
    pub sent_to: Option<Position>,
    /// Attempts made.
    pub attempts: Vec<Attempt>,
    /// Messages that wait now, or failed.
    pub waiting: Vec<Message>,
    /// Messages that were answered after they had waited.
    pub answered: Vec<i64>,
    /// Since when nothing was answered, and how many messages failed since; the inner `None`: something was.
    pub failing: Option<Option<(Time, i64)>>,
    /// When something was answered last.
    pub answered_at: Option<Time>,
    /// It is not sent to any more.
    pub disabled: Option<(Disabled, Time)>,
    /// Ranges that have moved on, by their number: `None` where one is done.
    pub ranges: Vec<(i64, Option<i64>)>,
}

/// Signals that are to be sent again: those behind `sent_to`, up to `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its number.
    pub id: i64,
    /// All up to here was sent again, or waits as a message of its own.
    pub sent_to: i64,
    /// Its last seq.
    pub until: i64,
    /// Only messages that failed, and were first sent from then on; `None`: all signals that pass.
    pub failed_since: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct RangeRow {
    id: i64,
    sent_to: i64,
    until: i64,
    failed_since: Option<i64>,
}

impl From<RangeRow> for Range {
    fn from(row: RangeRow) -> Self {
        Range {
            id: row.id,
            sent_to: row.sent_to,
            until: row.until,
            failed_since: row.failed_since.map(Time),
        }
    }
}

/// Messages of one endpoint that may wait: with so many, none but the log's own joins them.
pub const MOST_WAITING: usize = 64;
/// Ranges of one endpoint that may be under way.
const MOST_RANGES: i64 = 16;

/// Rows in one statement.
const ROWS: usize = 500;

impl Db {
    /// Writes down what has become of messages, of many endpoints in one transaction. Those whose endpoint is another node's by now are left out;
    /// their places among what was given are returned.
    pub async fn write_progress(&self, all: &[Progress]) -> StoreResult<Vec<usize>> {
        let mut tx = self.begin().await?;
        let mut lost = Vec::new();
        for (place, progress) in all.iter().enumerate() {
            if !tx.advance_hook(progress).await? {
                lost.push(place);
                continue;
            }
            tx.write_messages(progress).await?;
        }
        let mine = all
            .iter()
            .enumerate()
            .filter(|(place, _)| !lost.contains(place));
        let attempts: Vec<(&str, &Attempt)> = mine
            .flat_map(|(_, one)| one.attempts.iter().map(|made| (&*one.hook_id, made)))
            .collect();
        for some in attempts.chunks(ROWS) {
            tx.write_attempts(some).await?;
        }
        self.commit(tx).await?;
        Ok(lost)
    }

    /// Messages of an endpoint that wait, the first to come due first.
    pub async fn waiting_messages(&self, hook_id: &str) -> StoreResult<Vec<Message>> {
        let rows: Vec<MessageRow> = query_as(
            "select seq, signal_id, attempts, first_at, next_at from hook_messages
             where hook_id = $1 and next_at is not null order by next_at, seq",
        )
        .bind(hook_id)
        .fetch_all(self)
        .await?;
        Ok(rows.into_iter().map(Message::from).collect())
    }

    /// Forgets up to `most` attempts that were made before a moment; how many these were.
    pub async fn forget_attempts(&self, before: Time, most: i64) -> StoreResult<u64> {
        let mut tx = self.begin().await?;
        let done = query(
            "delete from hook_attempts where id in (select id from hook_attempts where at < $1 order by at limit $2)",
        )
        .bind(before.0)
        .bind(most)
        .execute(&mut tx)
        .await?;
        self.commit(tx).await?;
        Ok(done)
    }

    /// Up to `most` messages of an endpoint that failed, behind a seq and up to another, first sent from a moment on; in order.
    pub async fn failed_in(
        &self,
        hook_id: &str,
        range: &Range,
        since: Time,
        most: i64,
    ) -> StoreResult<Vec<Message>> {
        let rows: Vec<MessageRow> = query_as(
            "select seq, signal_id, attempts, first_at, next_at from hook_messages
             where hook_id = $1 and next_at is null and seq > $2 and seq <= $3 and first_at >= $4 order by seq limit $5",
        )
        .bind(hook_id)
        .bind(range.sent_to)
        .bind(range.until)
        .bind(since.0)
        .bind(most)
        .fetch_all(self)
        .await?;
        Ok(rows.into_iter().map(Message::from).collect())
    }

    /// Ranges of an endpoint that are to be sent again, the first that was asked for first.
    pub async fn hook_ranges(&self, hook_id: &str) -> StoreResult<Vec<Range>> {
        let rows: Vec<RangeRow> = query_as(
            "select id, sent_to, until, failed_since from hook_ranges where hook_id = $1 order by id",
        )
        .bind(hook_id)
        .fetch_all(self)
        .await?;
        Ok(rows.into_iter().map(Range::from).collect())
    }

    /// Has a signal sent again at once, whatever became of it before, and whether or not it passes the filter. Refused where too much waits.
    pub async fn resend(
        &self,
        hook_id: &str,
        seq: i64,
        signal_id: &str,
        now: Time,
    ) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        tx.ask_known_hook(hook_id).await?;
        let waiting: i64 = query_scalar(
            "select count(*) from hook_messages where hook_id = $1 and next_at is not null and seq <> $2",
        )
        .bind(hook_id)
        .bind(seq)
        .fetch_one(&mut tx)
        .await?;
        if waiting >= MOST_WAITING as i64 {
            return Err(StoreError::Refused(format!(
                "{waiting} messages of this webhook wait to be sent again already; ask for a range, which waits its turn"
            )));
        }
        query(
            "insert into hook_messages (hook_id, seq, signal_id, attempts, first_at, next_at) values ($1, $2, $3, 0, $4, $4)
             on conflict (hook_id, seq) do update set attempts = 0, first_at = excluded.first_at, next_at = excluded.next_at",
        )
        .bind(hook_id)
        .bind(seq)
        .bind(signal_id)
        .bind(now.0)
        .execute(&mut tx)
        .await?;
        self.commit(tx).await
    }

    /// Has the signals behind one seq up to another sent again: all that pass, or those that failed since a moment; the number of the range.
    /// Refused where too many are under way.
    pub async fn resend_range(
        &self,
        hook_id: &str,
        after: i64,
        until: i64,
        failed_since: Option<Time>,
        now: Time,
    ) -> StoreResult<i64> {
        let mut tx = self.begin().await?;
        tx.ask_known_hook(hook_id).await?;
        let there: i64 = query_scalar("select count(*) from hook_ranges where hook_id = $1")
            .bind(hook_id)
            .fetch_one(&mut tx)
            .await?;
        if there >= MOST_RANGES {
            return Err(StoreError::Refused(format!(
                "{there} ranges of this webhook are being sent again already; wait until one is done"
            )));
        }
        let id = query_scalar(
            "insert into hook_ranges (hook_id, sent_to, until, failed_since, asked_at) values ($1, $2, $3, $4, $5) returning id",
        )
        .bind(hook_id)
        .bind(after)
        .bind(until)
        .bind(failed_since.map(|since| since.0))
        .bind(now.0)
        .fetch_one(&mut tx)
        .await?;
        self.commit(tx).await?;
        Ok(id)
    }
}

impl Tx {
    /// Refused where it was deleted meanwhile.
    async fn ask_known_hook(&mut self, id: &str) -> StoreResult<()> {
        match self.ask_hook(id).await? {
            true => Ok(()),
            false => Err(StoreError::Refused("the webhook is gone".to_owned())),
        }
    }

    /// Moves an endpoint on, if it is still the node's.
    async fn advance_hook(&mut self, progress: &Progress) -> StoreResult<bool> {
        let mut update = QueryBuilder::new("update hooks set fence = fence");
        if let Some(place) = &progress.sent_to {
            update
                .push(", epoch = ")
                .push_bind(&*place.epoch)
                .push(", sent_to = ")
                .push_bind(place.seq);
        }
        if let Some(failing) = progress.failing {
            update
                .push(", failing_since = ")
                .push_bind(failing.map(|(since, _)| since.0))
                .push(", failing_messages = ")
                .push_bind(failing.map_or(0, |(_, messages)| messages));
        }
        if let Some(at) = progress.answered_at {
            update.push(", answered_at = ").push_bind(at.0);
        }
        if let Some((why, at)) = progress.disabled {
            update
                .push(", enabled = false, disabled_why = ")
                .push_bind(why.word())
                .push(", disabled_at = ")
                .push_bind(at.0);
        }
        update
            .push(" where id = ")
            .push_bind(&progress.hook_id)
            .push(" and fence = ")
            .push_bind(progress.fence);
        let moved = update.build().execute(&mut *self).await? > 0;
        if moved && progress.disabled.is_some() {
            self.bump_hooks().await?;
        }
        Ok(moved)
    }

    async fn write_messages(&mut self, progress: &Progress) -> StoreResult<()> {
        let hook_id = &progress.hook_id;
        for some in progress.waiting.chunks(ROWS) {
            let mut insert = QueryBuilder::new(
                "insert into hook_messages (hook_id, seq, signal_id, attempts, first_at, next_at) ",
            );
            insert.push_values(some, |mut row, message| {
                row.push_bind(hook_id)
                    .push_bind(message.seq)
                    .push_bind(&message.signal_id)
                    .push_bind(i64::from(message.attempts))
                    .push_bind(message.first_at.0)
                    .push_bind(message.next_at.map(|at| at.0));
            });
            insert.push(
                " on conflict (hook_id, seq) do update
                 set attempts = excluded.attempts, first_at = excluded.first_at, next_at = excluded.next_at",
            );
            insert.build().execute(&mut *self).await?;
        }
        for some in progress.answered.chunks(ROWS) {
            let mut delete = QueryBuilder::new("delete from hook_messages where hook_id = ");
            delete.push_bind(hook_id).push(" and seq in (");
            let mut list = delete.separated(", ");
            for seq in some {
                list.push_bind(*seq);
            }
            delete.push(")");
            delete.build().execute(&mut *self).await?;
        }
        for (id, sent_to) in &progress.ranges {
            match sent_to {
                Some(sent_to) => query("update hook_ranges set sent_to = $2 where id = $1")
                    .bind(*id)
                    .bind(*sent_to),
                None => query("delete from hook_ranges where id = $1").bind(*id),
            }
            .execute(&mut *self)
            .await?;
        }
        Ok(())
    }

    async fn write_attempts(&mut self, attempts: &[(&str, &Attempt)]) -> StoreResult<()> {
        let mut insert = QueryBuilder::new(
            "insert into hook_attempts (hook_id, seq, signal_id, attempt, at, took, status, error, answer) ",
        );
        insert.push_values(attempts, |mut row, (hook_id, made)| {
            row.push_bind(*hook_id)
                .push_bind(made.seq)
                .push_bind(&made.signal_id)
                .push_bind(i64::from(made.attempt))
                .push_bind(made.at.0)
                .push_bind(made.took)
                .push_bind(made.status.map(i64::from))
                .push_bind(&made.error)
                .push_bind(&made.answer);
        });
        insert.build().execute(self).await?;
        Ok(())
    }
}
