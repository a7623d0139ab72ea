//! The database: whether it opens, takes writes, and is sound.

use std::path::Path;

use super::finding::Finding;
use crate::cli::data::Opened;

const CHECK: &str = "database";

/// Looks it over.
pub(super) async fn check(opened: &Opened) -> Finding {
    let dir = &opened.settings.server.data_dir;
    match opened.db.check_up().await {
        Ok(checkup) if checkup.damage.is_empty() => Finding::ok(
            CHECK,
            format!(
                "{} of {:.1} MB, tables up to date, takes writes, its pages are sound; {} signals so far",
                checkup.kind,
                bytes(dir) as f64 / 1e6,
                checkup.seq
            ),
        ),
        Ok(checkup) => Finding::fail(
            CHECK,
            format!("damaged: {}", checkup.damage.join("; ")),
            "stop the server, copy the folder away, and restore a backup; look at the disk first",
        ),
        Err(error) => Finding::fail(
            CHECK,
            format!("cannot be used: {error}"),
            "see whether the disk is full or read-only, and whether another program holds the database",
        ),
    }
}

/// What could not be opened.
pub(super) fn closed(error: &anyhow::Error) -> Finding {
    Finding::fail(
        CHECK,
        format!("cannot be opened: {error:#}"),
        "name its folder with --data-dir, and run this as the server's user",
    )
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

fn bytes(dir: &Path) -> u64 {
    let size = |name| dir.join(name).metadata().map_or(0, |file| file.len());
    size("sigcast.db") + size("sigcast.db-wal")
}
