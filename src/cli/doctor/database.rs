//! The database: whether it opens, takes writes, and is sound.

use std::path::Path;

use super::finding::Finding;
use crate::{cli::data::Opened, config::settings::Settings};

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
