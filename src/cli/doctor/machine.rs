//! The machine: its clock, how many descriptors a process may have, and room on the disk.

use std::path::Path;

use super::finding::Finding;
use crate::app::system::{self, Room};

const GB: u64 = 1 << 30;
/// Fewer connections than this are soon used up.
const FEW_DESCRIPTORS: u64 = 4_096;

/// Looks at all of it.
pub(super) fn check(data_dir: &Path) -> Vec<Finding> {
    vec![
        clock(system::is_clock_kept()),
        descriptors(system::descriptor_limit()),
        disk(data_dir, system::room(data_dir)),
    ]
}

fn clock(kept: Option<bool>) -> Finding {
    match kept {
        Some(true) => Finding::ok("clock", "kept in step by this machine's time service"),
        Some(false) => Finding::warn(
            "clock",
            "no time service says that it keeps this machine's clock; signals carry its time, and subscriptions lapse by it",
            "run chrony or systemd-timesyncd (in a container the host does that; then this may be ignored)",
        ),
        None => Finding::ok(
            "clock",
            "this system does not say whether its clock is kept",
        ),
    }
}

fn descriptors(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FEW_DESCRIPTORS => Finding::warn(
            "descriptors",
            format!(
                "a process of this user may have {limit}: {} connections, and 256 for files and the database",
                limit.saturating_sub(256)
            ),
            "raise it: LimitNOFILE= in the systemd unit, `ulimit -Hn` in a shell, --ulimit nofile= in Docker",
        ),
        Some(limit) => Finding::ok(
            "descriptors",
            format!("a process of this user may have {limit}, all but 256 for connections"),
        ),
        None => Finding::ok(
            "descriptors",
            "this system does not say how many there may be",
        ),
    }
}

fn disk(data_dir: &Path, room: std::io::Result<Room>) -> Finding {
    let place = data_dir.display();
    let room = match room {
        Ok(room) => room,
        Err(error) => {
            return Finding::warn(
                "disk",
                format!("{place} cannot be looked at: {error}"),
                "name the data directory with --data-dir, and run this as the server's user",
            );
        }
    };
    let free = format!(
        "{:.1} of {:.1} GB are free at {place}",
        room.free as f64 / GB as f64,
        room.all as f64 / GB as f64
    );
    let advice = "make room, move the data directory, or set log.retention_days: with a full disk nothing is published";
    if room.free < GB / 8 {
        Finding::fail("disk", free, advice)
    } else if room.free < GB || room.free < room.all / 20 {
        Finding::warn("disk", free, advice)
    } else {
        Finding::ok("disk", free)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn each_state_of_the_machine_is_told() {
        assert_eq!(clock(Some(true)).level, Level::Ok);
        assert_eq!(clock(Some(false)).level, Level::Warn);
        assert_eq!(descriptors(Some(1_024)).level, Level::Warn);
        assert!(descriptors(Some(1_024)).found.contains("768 connections"));
        assert_eq!(descriptors(Some(65_536)).level, Level::Ok);
        let at = Path::new("/data");
        for (free, all, level) in [
            (GB / 10, 100 * GB, Level::Fail),
            (GB / 2, GB, Level::Warn),
            (3 * GB, 100 * GB, Level::Warn),
            (30 * GB, 100 * GB, Level::Ok),
        ] {
            assert_eq!(disk(at, Ok(Room { free, all })).level, level, "{free}");
        }
        let gone = disk(at, Err(std::io::ErrorKind::NotFound.into()));
        assert_eq!(gone.level, Level::Warn);
    }
}
