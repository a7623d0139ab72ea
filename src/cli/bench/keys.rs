//! Keys to connect with: read from a file, or made through the admin listener for this run alone, and revoked after it.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::admin::Admin;
use crate::{cli::progress::Progress, model::time::Time, store::accounts::MAX_ACTIVE_KEYS};

/// Requests under way at a time: enough to keep the server's database at it.
const IN_FLIGHT: usize = 8;
/// What the accounts are called.
const ACCOUNT: &str = "sigcast bench";

/// A key of this run; its text is printed nowhere.
#[derive(Clone)]
pub struct Made {
    id: String,
    text: String,
}

impl Made {
    /// The key.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The keys of a file, one a line.
pub fn read(file: &Path, count: usize) -> Result<Vec<String>> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    let keys: Vec<String> = text
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .take(count)
        .collect();
    if keys.len() < count {
        let found = keys.len();
        bail!("{name} holds {found} keys, and {count} streams want one each");
    }
    Ok(keys)
}

/// What several tasks do together: the next piece, what came of it, and whether to go on.
struct Work {
    admin: Admin,
    next: AtomicUsize,
    made: Mutex<Vec<Made>>,
    done: AtomicUsize,
    stop: CancellationToken,
}

impl Work {
    fn made(&self) -> Vec<Made> {
        let made = self.made.lock();
        made.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes `count` keys on accounts of this plan, as many accounts as they need; all end by themselves at `expires`. What was made is
/// handed back also where it is not all, with the reason; `stop` ends it early.
pub async fn make(
    admin: &Admin,
    count: usize,
    plan: &str,
    expires: Time,
    stop: &CancellationToken,
) -> (Vec<Made>, Result<()>) {
    let work = Arc::new(Work {
        admin: admin.clone(),
        next: AtomicUsize::new(0),
        made: Mutex::default(),
        done: AtomicUsize::new(0),
        stop: stop.clone(),
    });
    let accounts = count.div_ceil(MAX_ACTIVE_KEYS);
    let account = json!({"name": ACCOUNT, "plan": plan, "expires": expires});
    let ended = together("keys", count, &work, |work| {
        let account = account.clone();
        async move {
            while !work.stop.is_cancelled() {
                let turn = work.next.fetch_add(1, Ordering::Relaxed);
                if turn >= accounts {
                    break;
                }
                let keys = MAX_ACTIVE_KEYS.min(count - turn * MAX_ACTIVE_KEYS);
                keys_of_one(&work, &account, expires, keys).await?;
            }
            Ok(())
        }
    })
    .await;
    (work.made(), ended)
}

async fn keys_of_one(work: &Work, account: &Value, expires: Time, keys: usize) -> Result<()> {
    let made = work.admin.json(Method::POST, "/v1/accounts", account);
    let made = made.await.context("no account could be made")?;
    let key = json!({"account_id": made["id"], "kind": "stream", "expires": expires});
    for _ in 0..keys {
        let made = work.admin.json(Method::POST, "/v1/keys", &key);
        let made = made.await.context("no key could be made")?;
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        let (Some(id), Some(text)) = (text("id"), text("key")) else {
            bail!("the admin listener's answer holds no key");
        };
        let mut all = work.made.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Made { id, text });
        work.done.store(all.len(), Ordering::Relaxed);
    }
    Ok(())
}

/// Revokes keys; how many could not be.
pub async fn revoke(admin: &Admin, keys: Vec<Made>, stop: &CancellationToken) -> usize {
    let count = keys.len();
    let work = Arc::new(Work {
        admin: admin.clone(),
        next: AtomicUsize::new(0),
        made: Mutex::new(keys),
        done: AtomicUsize::new(0),
        stop: stop.clone(),
    });
    // what fails is counted by what is not done
    let _ = together("keys revoked", count, &work, |work| async move {
        let keys = work.made();
        while !work.stop.is_cancelled() {
            let turn = work.next.fetch_add(1, Ordering::Relaxed);
            let Some(key) = keys.get(turn) else { break };
            let path = format!("/v1/keys/{}", key.id);
            work.admin.json(Method::DELETE, &path, &Value::Null).await?;
            work.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
    .await;
    count - work.done.load(Ordering::Relaxed)
}

/// Runs the same in several tasks, and shows how far they are.
async fn together<F: Future<Output = Result<()>> + Send + 'static>(
    what: &'static str,
    count: usize,
    work: &Arc<Work>,
    each: impl Fn(Arc<Work>) -> F,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        tasks.spawn(each(work.clone()));
    }
    let mut progress = Progress::counting(what, count as u64);
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
    let mut ended = Ok(());
    loop {
        tokio::select! {
            next = tasks.join_next() => match next {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => ended = Err(error),
                Some(Err(error)) => ended = Err(error.into()),
            },
            _ = tick.tick() => {
                let done = work.done.load(Ordering::Relaxed) as u64;
                progress.at(done, done);
            }
        }
    }
    progress.finish();
    ended
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_holds_a_key_for_each_stream_or_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"sig_a\n\n  sig_b \nsig_c").unwrap();
        assert_eq!(read(file.path(), 2).unwrap(), ["sig_a", "sig_b"]);
        assert_eq!(read(file.path(), 3).unwrap().len(), 3);
        let refused = read(file.path(), 4).unwrap_err().to_string();
        assert!(
            refused.contains("holds 3 keys") && !refused.contains("sig_"),
            "{refused}"
        );
        assert!(read(Path::new("/nowhere/keys"), 1).is_err());
    }
}
