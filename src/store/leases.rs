//! Leases of keys' streams on PostgreSQL: one call is one statement, so that what was given up on is either done or not.

use std::time::Duration;

use super::{error::StoreError, member::Member};
use crate::model::{
    lease::{
        Answer, Applicant, Application, Ask, Claim, Ended, Fence, Held, LeaseFuture, LeaseStore,
        LeasesUnavailable,
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
    connected_at: Option<i64>,
    peer: Option<String>,
    takeover_ages_ms: Option<Vec<i64>>,
}

impl LeaseStore for Member {
    fn beat(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async { Member::beat(self).await.map_err(unavailable) })
    }

    fn own(&self) -> LeaseFuture<'_, Vec<(String, Fence)>> {
        Box::pin(async {
            let sql = "select key_id, fence from leases where node = $1";
            let rows = sqlx::query_as(sql).bind(&*self.id).fetch_all(&self.pool);
            let rows: Vec<(String, i64)> = rows.await.map_err(unavailable)?;
            Ok(rows
                .into_iter()
                .map(|(key, fence)| (key, Fence(fence)))
                .collect())
        })
    }

    fn apply<'a>(&'a self, applicant: &'a Applicant) -> LeaseFuture<'a, Application> {
        Box::pin(async {
            let sql = "select * from apply_for_lease($1, $2, $3, $4, $5)";
            let applied = sqlx::query_as(sql)
                .bind(&applicant.key_id)
                .bind(&*self.id)
                .bind(applicant.connected_at.0)
                .bind(&applicant.peer)
                .bind(to_ms(&applicant.takeovers))
                .fetch_one(&self.pool);
            let applied: Applied = applied.await.map_err(unavailable)?;
            let fence = Fence(applied.fence);
            if applied.granted {
                let takeovers = from_ms(&applied.takeover_ages_ms.unwrap_or_default());
                return Ok(Application::Granted { fence, takeovers });
            }
            Ok(Application::Held(Held {
                fence,
                connected_at: Time(applied.connected_at.unwrap_or_default()),
                peer: applied.peer.unwrap_or_default(),
            }))
        })
    }

    fn ask<'a>(&'a self, key_id: &'a str, fence: Fence, claim: Claim) -> LeaseFuture<'a, i64> {
        Box::pin(async move {
            // a lease that has changed hands since is answered as free: whoever asked applies again
            let sql = "with old as (delete from lease_asks where asked_at < clock_timestamp() - interval '1 minute'),
                       held as (select node from leases where key_id = $1 and fence = $2 and node is not null),
                       asked as (
                           insert into lease_asks (key_id, fence, node, takeover, answer)
                           values ($1, $2, coalesce((select node from held), ''), $3,
                                   case when exists (select from held) then null else 'free' end)
                           returning id)
                       select id, pg_notify('sigcast_leases', '') is null from asked";
            let asked = sqlx::query_as(sql)
                .bind(key_id)
                .bind(fence.0)
                .bind(claim == Claim::Takeover)
                .fetch_one(&self.pool);
            let (id, _): (i64, bool) = asked.await.map_err(unavailable)?;
            Ok(id)
        })
    }

    fn answer(&self, ask: i64) -> LeaseFuture<'_, Option<Answer>> {
        Box::pin(async move {
            let sql = "select answer from lease_asks where id = $1";
            let answer = sqlx::query_scalar(sql).bind(ask).fetch_optional(&self.pool);
            let answer: Option<Option<String>> = answer.await.map_err(unavailable)?;
            match answer.flatten() {
                None => Ok(None),
                Some(word) => {
                    Ok(Some(read_word(&word).ok_or_else(|| {
                        unavailable(StoreError::corrupt("an answer", &word))
                    })?))
                }
            }
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
            // a list for each: as texts, since arrays of arrays must all be of one length
            let ages = leases.iter().map(|ended| {
                let ages = to_ms(&ended.takeovers);
                let ages: Vec<String> = ages.iter().map(i64::to_string).collect();
                ages.join(",")
            });
            let ages: Vec<String> = ages.collect();
            let sql = "update leases set node = null, takeovers = array(
                           select clock_timestamp() - cast(age as bigint) * interval '1 millisecond'
                           from unnest(string_to_array(ended.ages, ',')) as age)
                       from unnest($2::text[], $3::bigint[], $4::text[]) as ended (key_id, fence, ages)
                       where node = $1 and leases.key_id = ended.key_id and leases.fence = ended.fence";
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
