//! Calls without a key: counted exactly over restarts and nodes. Each is let pass in a transaction that sees all before it.

use std::collections::{HashMap, HashSet};

use super::{
    accounts::hex,
    db::{Db, Lane, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::{
    gate::{
        pow::Proof,
        prover::SECRET_BYTES,
        sandbox::{Allowed, Fingerprint, Shown, Verdict, WINDOW},
    },
    model::time::Time,
};

/// Somebody wants to make a call.
#[derive(Clone, Debug)]
pub struct SandboxAsk {
    /// Who: the fingerprints under which calls of theirs may be that count. The first is the one that this call is written under.
    pub whose: Vec<Fingerprint>,
    /// What they may do.
    pub allowed: Allowed,
    /// What they have done for it.
    pub proof: Option<Proof>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxAnswer {
    /// Whether it may be made.
    pub verdict: Verdict,
    /// The calls that count, in order; of one that passed it is the last.
    pub calls: Vec<Time>,
    /// When that was, by the clock that all nodes have in common.
    pub at: Time,
}

/// Bytes that are kept, in hexadecimal.
fn bytes(text: &str) -> StoreResult<[u8; SECRET_BYTES]> {
    let damaged = || StoreError::corrupt("secrets of the sandbox", "not 32 bytes in hexadecimal");
    let mut bytes = [0; SECRET_BYTES];
    if text.len() != 2 * SECRET_BYTES || !text.is_ascii() {
        return Err(damaged());
    }
    for (byte, place) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).map_err(|_| damaged())?;
    }
    Ok(bytes)
}

impl Db {
    /// What proves that challenges and watermarks are this database's: what is kept, or `own`, which is kept from now on.
    pub async fn sandbox_secret(
        &self,
        own: &[u8; SECRET_BYTES],
    ) -> StoreResult<[u8; SECRET_BYTES]> {
        if let Some(kept) = self.kept_sandbox_secret().await? {
            return Ok(kept);
        }
        let mut tx = self.begin().await?;
        query(
            "insert into sandbox_secret (only_row, secret) values (1, $1) on conflict do nothing",
        )
        .bind(hex(own))
        .execute(&mut tx)
        .await?;
        let kept: String = query_scalar("select secret from sandbox_secret")
            .fetch_one(&mut tx)
            .await?;
        self.commit_quietly(tx).await?;
        bytes(&kept)
    }

    /// The same, if there is one yet.
    pub async fn kept_sandbox_secret(&self) -> StoreResult<Option<[u8; SECRET_BYTES]>> {
        let kept: Option<String> = query_scalar("select secret from sandbox_secret")
            .fetch_optional(self)
            .await?;
        kept.as_deref().map(bytes).transpose()
    }

    /// The salts of these days: those that are kept, or these, which are kept from now on. All nodes get the same.
    pub async fn sandbox_salts(
        &self,
        own: &[(i64, [u8; SECRET_BYTES])],
    ) -> StoreResult<HashMap<i64, [u8; SECRET_BYTES]>> {
        let days: Vec<i64> = own.iter().map(|(day, _)| *day).collect();
        let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else {
            return Ok(HashMap::new());
        };
        let mut tx = self.begin().await?;
        let mut insert = QueryBuilder::new("insert into sandbox_salts (day, salt) ");
        insert.push_values(own, |mut row, (day, salt)| {
            row.push_bind(*day).push_bind(hex(salt));
        });
        insert.push(" on conflict do nothing");
        insert.build().execute(&mut tx).await?;
        let kept: Vec<(i64, String)> =
            query_as("select day, salt from sandbox_salts where day >= $1 and day <= $2")
                .bind(*first)
                .bind(*last)
                .fetch_all(&mut tx)
                .await?;
        self.commit_quietly(tx).await?;
        kept.into_iter()
            .map(|(day, salt)| Ok((day, bytes(&salt)?)))
            .collect()
    }

    /// Which of these calls may be made; those that may are made, and counted, in their order. One transaction at a time does this, over all nodes:
    /// it sees all calls before it, and what it lets pass is on disk when this returns.
    pub async fn count_sandbox_calls(
        &self,
        asks: &[SandboxAsk],
        now: Time,
    ) -> StoreResult<Vec<SandboxAnswer>> {
        let mut tx = self.begin_in(Lane::Sandbox).await?;
        let now = tx.shared_time(now).await?;
        let mut book = Book {
            calls: tx.sandbox_calls(asks, now).await?,
            used: tx.used_proofs(asks).await?,
            new_calls: Vec::new(),
            new_proofs: Vec::new(),
        };
        let answers = asks.iter().map(|ask| book.judge(ask, now)).collect();
        tx.keep_sandbox_calls(&book).await?;
        self.commit_quietly(tx).await?;
        Ok(answers)
    }

    /// How many calls are kept.
    pub async fn kept_sandbox_calls(&self) -> StoreResult<u64> {
        let count: i64 = query_scalar("select count(*) from sandbox_calls")
            .fetch_one(self)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Forgets some of what counts no more: calls that are 24 hours old, proofs that prove nothing; how many. And salts of days before one.
    pub async fn forget_sandbox(&self, now: Time, oldest_salt: i64, most: i64) -> StoreResult<u64> {
        let mut tx = self.begin().await?;
        let now = tx.shared_time(now).await?;
        let calls = query(
            "delete from sandbox_calls where (fingerprint, at) in
             (select fingerprint, at from sandbox_calls where at <= $1 order by at limit $2)",
        )
        .bind(now.0.saturating_sub(WINDOW))
        .bind(most)
        .execute(&mut tx)
        .await?;
        let proofs = query(
            "delete from sandbox_proofs where id in
             (select id from sandbox_proofs where until <= $1 order by until limit $2)",
        )
        .bind(now.0)
        .bind(most)
        .execute(&mut tx)
        .await?;
        query("delete from sandbox_salts where day < $1")
            .bind(oldest_salt)
            .execute(&mut tx)
            .await?;
        self.commit_quietly(tx).await?;
        Ok(calls.max(proofs))
    }
}

/// What one transaction knows, and what it adds.
struct Book {
    calls: HashMap<Fingerprint, Vec<Time>>,
    used: HashSet<String>,
    new_calls: Vec<(Fingerprint, Time)>,
    new_proofs: Vec<Proof>,
}

impl Book {
    fn judge(&mut self, ask: &SandboxAsk, now: Time) -> SandboxAnswer {
        let known = ask.whose.iter().filter_map(|print| self.calls.get(print));
        let mut calls: Vec<Time> = known.flatten().copied().collect();
        calls.sort_unstable();
        let shown = match &ask.proof {
            // it may have expired while its call waited
            Some(proof) if proof.until <= now => Shown::Nothing,
            Some(proof) if self.used.contains(&proof.id) => Shown::UsedProof,
            Some(_) => Shown::Proof,
            None => Shown::Nothing,
        };
        let is_free = ask.allowed.judge(&calls, Shown::Nothing, now) == Verdict::Passed;
        let verdict = ask.allowed.judge(&calls, shown, now);
        if verdict == Verdict::Passed
            && let Some(print) = ask.whose.first()
        {
            // no two of a client at one moment: each is a row of its own
            let at = calls.last().map_or(now, |last| now.max(last.plus(1)));
            calls.push(at);
            self.calls.entry(*print).or_default().push(at);
            self.new_calls.push((*print, at));
            if let Some(proof) = ask.proof.as_ref().filter(|_| !is_free) {
                self.used.insert(proof.id.clone());
                self.new_proofs.push(proof.clone());
            }
        }
        SandboxAnswer {
            verdict,
            calls,
            at: now,
        }
    }
}

/// Values of a list in a statement: of a few lengths alone, so that there are few statements. The rest asks for the first of them again.
fn padded<T: Clone>(mut values: Vec<T>) -> Vec<T> {
    if let Some(first) = values.first().cloned() {
        values.resize(values.len().next_power_of_two(), first);
    }
    values
}

impl Tx {
    /// The calls that count, of all who ask; each one's in order.
    async fn sandbox_calls(
        &mut self,
        asks: &[SandboxAsk],
        now: Time,
    ) -> StoreResult<HashMap<Fingerprint, Vec<Time>>> {
        let asked: HashSet<Fingerprint> = asks.iter().flat_map(|ask| ask.whose.clone()).collect();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        // one row for each: those of the driver take far more than what is in them
        let mut query = QueryBuilder::new(
            "select fingerprint, string_agg(cast(at as text), ',') from sandbox_calls where at > ",
        );
        query
            .push_bind(now.0.saturating_sub(WINDOW))
            .push(" and fingerprint in (");
        let mut list = query.separated(", ");
        for print in padded(asked.into_iter().collect()) {
            list.push_bind(print.to_string());
        }
        query.push(") group by fingerprint");
        let rows: Vec<(String, String)> = query.build_query_as().fetch_all(self).await?;
        rows.into_iter()
            .map(|(print, calls)| {
                let read = || {
                    let calls = calls.split(',').map(|at| at.parse().ok().map(Time));
                    let mut calls = calls.collect::<Option<Vec<Time>>>()?;
                    calls.sort_unstable();
                    Some((Fingerprint::parse(&print)?, calls))
                };
                read().ok_or_else(|| StoreError::corrupt("calls without a key", "no fingerprint"))
            })
            .collect()
    }

    /// Which of what they show was used before.
    async fn used_proofs(&mut self, asks: &[SandboxAsk]) -> StoreResult<HashSet<String>> {
        let shown: HashSet<&str> = asks
            .iter()
            .filter_map(|ask| Some(&*ask.proof.as_ref()?.id))
            .collect();
        if shown.is_empty() {
            return Ok(HashSet::new());
        }
        let mut query = QueryBuilder::new("select id from sandbox_proofs where id in (");
        let mut list = query.separated(", ");
        for id in padded(shown.into_iter().collect()) {
            list.push_bind(id);
        }
        query.push(")");
        let used: Vec<String> = query.build_query_scalar().fetch_all(self).await?;
        Ok(used.into_iter().collect())
    }

    async fn keep_sandbox_calls(&mut self, book: &Book) -> StoreResult<()> {
        if !book.new_calls.is_empty() {
            let mut insert = QueryBuilder::new("insert into sandbox_calls (fingerprint, at) ");
            insert.push_values(&book.new_calls, |mut row, (print, at)| {
                row.push_bind(print.to_string()).push_bind(at.0);
            });
            insert.build().execute(&mut *self).await?;
        }
        if !book.new_proofs.is_empty() {
            let mut insert = QueryBuilder::new("insert into sandbox_proofs (id, until) ");
            insert.push_values(&book.new_proofs, |mut row, proof| {
                row.push_bind(&proof.id).push_bind(proof.until.0);
            });
            insert.build().execute(&mut *self).await?;
        }
        Ok(())
    }
}
