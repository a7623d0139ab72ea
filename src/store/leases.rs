//! Leases of keys' streams on PostgreSQL: one call is one statement, so that what was given up on is either done or not.

use std::time::Duration;

use super::{error::StoreError, member::Member};
use crate::model::{
    lease::{
        Answer, Applicant, Application, Ask, Asked, Claim, Ended, Era, Fence, Held, LeaseFuture,
        LeaseStore, LeasesUnavailable,
    },
    time::Time,
};

fn unavailable(error: impl Into<StoreError>) -> LeasesUnavailable {
    LeasesUnavailable(error.into().to_string())
}

fn to_ms(ages: &[Duration]) -> Vec<i64> {
    let ms = |age: &Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    ages.iter().map(ms).collect()
}

/// A list for each of many: as texts, since arrays of arrays must all be of one length.
fn ages_text(ages: &[Duration]) -> String {
    let ages: Vec<String> = to_ms(ages).iter().map(i64::to_string).collect();
    ages.join(",")
}

fn from_ms(ages: &[i64]) -> Vec<Duration> {
    let age = |ms: &i64| Duration::from_millis(u64::try_from(*ms).unwrap_or(0));
    ages.iter().map(age).collect()
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Free => "free",
        Answer::Living => "living",
        Answer::Flapping => "flapping",
    }
}

fn read_word(word: &str) -> Option<Answer> {
    let all = [Answer::Free, Answer::Living, Answer::Flapping];
    all.into_iter().find(|answer| self::word(*answer) == word)
}

#[derive(sqlx::FromRow)]
struct Applied {
    granted: bool,
    fence: i64,
    connected_at: i64,
    peer: String,
    takeover_ages_ms: Option<Vec<i64>>,
    question: Option<i64>,
    answer: Option<String>,
}

fn outcome(applied: Applied) -> Result<Application, LeasesUnavailable> {
    let fence = Fence(applied.fence);
    if applied.granted {
        let takeovers = from_ms(&applied.takeover_ages_ms.unwrap_or_default());
        return Ok(Application::Granted { fence, takeovers });
    }
    let held = Held {
        fence,
        connected_at: Time(applied.connected_at),
        peer: applied.peer,
    };
    let question = (applied.question)
        .ok_or_else(|| unavailable(StoreError::corrupt("an application", "no question")))?;
    let Some(word) = applied.answer.filter(|word| word != "free") else {
        return Ok(Application::Held(
            held,
            Asked {
                id: question,
                fence,
            },
        ));
    };
    let answer =
        read_word(&word).ok_or_else(|| unavailable(StoreError::corrupt("an answer", &word)))?;
    Ok(Application::Refused(held, answer))
}

impl LeaseStore for Member {
    fn beat(&self) -> LeaseFuture<'_, Era> {
        Box::pin(async { Member::beat(self).await.map_err(unavailable) })
    }

    fn own(&self) -> LeaseFuture<'_, Vec<(String, Fence)>> {
        Box::pin(async {
            let sql = "select key_id, fence from leases where node = $1";
            let rows = sqlx::query_as(sql).bind(&*self.id).fetch_all(&self.heart);
            let rows: Vec<(String, i64)> = rows.await.map_err(unavailable)?;
            Ok(rows
                .into_iter()
                .map(|(key, fence)| (key, Fence(fence)))
                .collect())
        })
    }

    fn apply<'a>(&'a self, applicants: &'a [Applicant]) -> LeaseFuture<'a, Vec<Application>> {
        Box::pin(async {
            let of = |each: fn(&Applicant) -> i64| applicants.iter().map(each).collect::<Vec<_>>();
            let asked = |each: fn(Asked) -> i64| {
                let asked = applicants.iter().map(|one| one.asked.map(each));
                asked.collect::<Vec<_>>()
            };
            let keys: Vec<&str> = applicants.iter().map(|one| one.key_id.as_str()).collect();
            let peers: Vec<&str> = applicants.iter().map(|one| one.peer.as_str()).collect();
            let ages = applicants.iter().map(|one| ages_text(&one.takeovers));
            let ages: Vec<String> = ages.collect();
            let takes_over = applicants.iter().map(|one| one.claim == Claim::Takeover);
            let takes_over: Vec<bool> = takes_over.collect();
            let applied =
                sqlx::query_as("select * from apply_for_leases($1, $2, $3, $4, $5, $6, $7, $8)")
                    .bind(&*self.id)
                    .bind(keys)
                    .bind(of(|one| one.connected_at.0))
                    .bind(peers)
                    .bind(ages)
                    .bind(takes_over)
                    .bind(asked(|asked| asked.id))
                    .bind(asked(|asked| asked.fence.0))
                    .fetch_all(&self.pool);
            let applied: Vec<Applied> = applied.await.map_err(unavailable)?;
            applied.into_iter().map(outcome).collect()
        })
    }

    fn asked(&self) -> LeaseFuture<'_, Vec<Ask>> {
        Box::pin(async {
            // who asked longer ago waits no more: nobody makes room for nobody
            let sql = "select id, key_id, fence, takeover from lease_asks where node = $1 and answer is null
                       and asked_at > clock_timestamp() - interval '3 seconds' order by id";
            let rows = sqlx::query_as(sql).bind(&*self.id).fetch_all(&self.pool);
            let rows: Vec<(i64, String, i64, bool)> = rows.await.map_err(unavailable)?;
            let asks = rows.into_iter().map(|(id, key_id, fence, takeover)| Ask {
                id,
                key_id,
                fence: Fence(fence),
                claim: match takeover {
                    true => Claim::Takeover,
                    false => Claim::Fresh,
                },
            });
            Ok(asks.collect())
        })
    }

    fn reply<'a>(
        &'a self,
        ask: &'a Ask,
        answer: Answer,
        takeovers: Vec<Duration>,
    ) -> LeaseFuture<'a, ()> {
        Box::pin(async move {
            sqlx::query("select answer_lease_ask($1, $2, $3)")
                .bind(ask.id)
                .bind(word(answer))
                .bind(to_ms(&takeovers))
                .execute(&self.pool)
                .await
                .map_err(unavailable)?;
            Ok(())
        })
    }

    fn release<'a>(&'a self, leases: &'a [Ended]) -> LeaseFuture<'a, ()> {
        Box::pin(async move {
            let keys: Vec<&str> = leases.iter().map(|ended| ended.key_id.as_str()).collect();
            let fences: Vec<i64> = leases.iter().map(|ended| ended.fence.0).collect();
            let ages = leases.iter().map(|ended| ages_text(&ended.takeovers));
            let ages: Vec<String> = ages.collect();
            // locked in the order in which applications lock
            let sql = "update leases set node = null, takeovers = array(
                           select clock_timestamp() - cast(age as bigint) * interval '1 millisecond'
                           from unnest(string_to_array(ended.ages, ',')) as age)
                       from unnest($2::text[], $3::bigint[], $4::text[]) as ended (key_id, fence, ages)
                       where node = $1 and leases.key_id = ended.key_id and leases.fence = ended.fence
                           and leases.key_id in (select key_id from leases where key_id = any($2) order by key_id for update)";
            sqlx::query(sql)
                .bind(&*self.id)
                .bind(keys)
                .bind(fences)
                .bind(ages)
                .execute(&self.pool)
                .await
                .map_err(unavailable)?;
            Ok(())
        })
    }

    fn leave(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async { Member::leave(self).await.map_err(unavailable) })
    }
}
