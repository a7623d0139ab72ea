//! The database: whether it opens, takes writes, and is sound.

use std::path::Path;

use super::finding::Finding;
use crate::{
    cli::data::Opened, config::settings::Settings, model::time::Clock, store::listen::QUEUE_WARNING,
};

const CHECK: &str = "database";

/// Looks it over.
pub(super) async fn check(opened: &Opened) -> Finding {
    let checkup = match opened.db.check_up().await {
        Ok(checkup) => checkup,
        Err(error) => {
            return Finding::fail(
                CHECK,
                format!("cannot be used: {error}"),
                "see whether the disk is full or read-only, whether another program holds the database, and what its own log says",
            );
        }
    };
    let damage = checkup.damage.as_deref();
    if let Some(lines) = damage.filter(|lines| !lines.is_empty()) {
        return Finding::fail(
            CHECK,
            format!("damaged: {}", lines.join("; ")),
            "stop the server, copy the folder away, and restore a backup; look at the disk first",
        );
    }
    // every opening brings them up to date
    let tables = match opened.db.migrated() {
        [] => "tables up to date".to_owned(),
        steps => format!("tables brought up to date just now ({})", steps.len()),
    };
    let pages = damage.map_or("", |_| ", its pages are sound");
    Finding::ok(
        CHECK,
        format!(
            "{} of {:.1} MB ({}), {tables}, takes writes{pages}; {} signals so far",
            checkup.kind,
            checkup.bytes as f64 / 1e6,
            opened.place(),
            checkup.seq
        ),
    )
}

/// Whether other processes' commits are heard of, where the database tells of them.
pub(super) async fn notifications(opened: &Opened) -> Option<Finding> {
    const CHECK: &str = "notifications";
    let trial = match opened.db.try_notification().await {
        Ok(trial) => trial?,
        Err(error) => {
            return Some(Finding::warn(
                CHECK,
                format!("they could not be tried: {error}"),
                "run this again; the server looks for news every half a second as well",
            ));
        }
    };
    let Some(lag) = trial.lag else {
        return Some(Finding::warn(
            CHECK,
            "none arrives: signals of other servers, and revoked keys, are found by looking, half a second late",
            "connect past a pooler that is in transaction mode, or have it keep sessions together",
        ));
    };
    let percent = trial.queue_usage * 100.0;
    if trial.queue_usage > QUEUE_WARNING {
        return Some(Finding::warn(
            CHECK,
            format!(
                "their queue is {percent:.0} % full: once it is full, nothing can be published"
            ),
            "end the session that holds it: select pg_terminate_backend(pid), of those that sit in a transaction in pg_stat_activity \
             the one with the oldest xact_start",
        ));
    }
    let ms = lag.as_secs_f64() * 1e3;
    Some(Finding::ok(
        CHECK,
        format!("one arrives after {ms:.1} ms, their queue is {percent:.0} % full"),
    ))
}

/// How far this machine's clock may be off the database's, in seconds.
const CLOCKS_APART: f64 = 2.0;

/// Whether this machine's clock agrees with that of a database that it shares with others.
pub(super) async fn clock(opened: &Opened, clock: &Clock) -> Option<Finding> {
    const CHECK: &str = "clock of the database";
    if !opened.db.is_shared() {
        return None;
    }
    let before = clock.now();
    let Ok(there) = opened.db.shared_time(before).await else {
        // that it cannot be read is told above
        return None;
    };
    // how long the question took is in doubt
    let (ahead, behind) = (
        before.seconds_since(there),
        there.seconds_since(clock.now()),
    );
    let apart = ahead.max(behind);
    if apart <= CLOCKS_APART {
        return Some(Finding::ok(
            CHECK,
            "this machine's agrees with it".to_owned(),
        ));
    }
    let way = if ahead > behind { "ahead of" } else { "behind" };
    Some(Finding::warn(
        CHECK,
        format!(
            "this machine's is {apart:.1} s {way} it: published_at and latencies are off by as much"
        ),
        "have a time service keep both clocks",
    ))
}

/// What could not be opened.
pub(super) fn closed(settings: &Settings, error: &anyhow::Error) -> Finding {
    let advice = if settings.database.url.is_set() {
        "see that PostgreSQL runs and lets this machine in, and that SIGCAST_DATABASE_URL is what the server has"
    } else {
        "name its folder with --data-dir, and run this as the server's user"
    };
    Finding::fail(CHECK, format!("cannot be opened: {error:#}"), advice)
}

/// There is none here, and the public side can be looked at all the same.
pub(super) fn elsewhere(dir: &Path) -> Finding {
    Finding::warn(
        CHECK,
        format!(
            "there is none in {}: only the public side is looked at",
            dir.display()
        ),
        "run this where the server runs, with its --data-dir, to have all of it checked",
    )
}
