//! The data directory: its admin token, and its locks.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use super::error::{StartError, StartResult};
use crate::model::random::Random;

/// Makes the directory if it is not there.
pub fn create(path: &Path) -> StartResult<()> {
    fs::create_dir_all(path).map_err(|e| failed(path, "made", e))
}

/// What went wrong with a file or folder.
pub fn failed(path: &Path, what: &'static str, source: io::Error) -> StartError {
    use io::ErrorKind as Kind;
    let path = path.to_owned();
    match source.kind() {
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StartError::Forbidden { path, what },
        _ => StartError::File { path, what, source },
    }
}

/// The lock of the one process that runs the engines.
pub const ENGINES: &str = "engine.lock";
/// The lock of the one process that judges what waits of insider filings.
pub const INSIDERS: &str = "insiders.lock";
/// The lock of the one process that follows EDGAR.
pub const EDGAR: &str = "edgar.lock";
/// The lock of the one process that serves.
pub const SERVER: &str = "server.lock";

/// A lock on the data directory; the system frees it however the process ends.
#[derive(Debug)]
pub struct DirLock(#[expect(dead_code, reason = "its descriptor is the lock")] File);

impl DirLock {
    /// Takes the lock; `None` while another process has it.
    pub fn try_take(data_dir: &Path, name: &str) -> StartResult<Option<Self>> {
        let path = data_dir.join(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(|e| failed(&path, "opened", e))?;
        // SAFETY: the descriptor is open for as long as `file` lives.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(DirLock(file)));
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(failed(&path, "locked", error))
        }
    }
}

/// Where a server notes which node of a shared database it is.
const NODE: &str = "node";

/// What tells the file from a copy of it, and this run of the system from any other: a note in a copied directory is about a process
/// that may live. `None` where it is not known which run of the system this is, as on a machine that is a copy of another: then nothing
/// is known for sure.
fn mark(file: &File, boot: Option<&str>) -> io::Result<Option<String>> {
    let meta = file.metadata()?;
    Ok(boot.map(|boot| format!("{}-{}-{}", boot.trim(), meta.dev(), meta.ino())))
}

/// Names this run of the system. A sandbox may hide it.
fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

/// Which node the last server on this directory was, where that is known for sure. For who has the directory's lock.
#[must_use]
pub fn last_node(data_dir: &Path) -> Option<String> {
    last_node_of(data_dir, boot().as_deref())
}

fn last_node_of(data_dir: &Path, boot: Option<&str>) -> Option<String> {
    let mut file = File::open(data_dir.join(NODE)).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let (id, noted) = text.trim().split_once(' ')?;
    (mark(&file, boot).ok()?? == noted).then(|| id.to_owned())
}

/// Notes which node this server is.
pub fn note_node(data_dir: &Path, id: &str) -> StartResult<()> {
    note_node_of(data_dir, id, boot().as_deref())
}

fn note_node_of(data_dir: &Path, id: &str, boot: Option<&str>) -> StartResult<()> {
    let path = data_dir.join(NODE);
    let write = || {
        let mut file = File::create(&path)?;
        let mark = mark(&file, boot)?.unwrap_or_default();
        writeln!(file, "{id} {mark}")
    };
    write().map_err(|e| failed(&path, "written", e))
}

/// The admin token, and whether it was made just now.
pub struct Token {
    /// The token.
    pub text: String,
    /// The file it was written to, if it is new: to be shown once.
    pub made: Option<PathBuf>,
}

/// Letters that an admin token has at least: who guesses it has everything.
const LEAST_TOKEN: usize = 16;

/// The admin token: from the environment, else from the data directory, else a new one that is kept there for its owner alone.
pub fn admin_token(
    data_dir: &Path,
    from_environment: Option<String>,
    random: &Random,
) -> StartResult<Token> {
    if let Some(text) = from_environment.filter(|text| !text.trim().is_empty()) {
        if text.trim().len() < LEAST_TOKEN {
            return Err(StartError::WeakToken { least: LEAST_TOKEN });
        }
        return Ok(Token {
            text: text.trim().to_owned(),
            made: None,
        });
    }
    let path = data_dir.join("admin-token");
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => {
            return Ok(Token {
                text: text.trim().to_owned(),
                made: None,
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&path, "read", error)),
    }
    let text = format!("{}{}", random.uuid().simple(), random.uuid().simple());
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path);
    let mut file = file.map_err(|e| failed(&path, "written", e))?;
    // an empty file that was there already kept its mode
    let written = file
        .set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| writeln!(file, "{text}"))
        .and_then(|()| file.sync_all());
    written.map_err(|e| failed(&path, "written", e))?;
    Ok(Token {
        text,
        made: Some(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_known_again_in_its_own_directory_alone() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(last_node(own.path()), None);
        note_node(own.path(), "a").unwrap();
        note_node(own.path(), "b").unwrap();
        assert_eq!(last_node(own.path()).as_deref(), Some("b"));
        fs::copy(own.path().join(NODE), other.path().join(NODE)).unwrap();
        assert_eq!(last_node(other.path()), None, "a copy: that one may live");
        let (one, another) = (Some("one"), Some("another"));
        note_node_of(own.path(), "c", one).unwrap();
        assert_eq!(last_node_of(own.path(), one).as_deref(), Some("c"));
        assert_eq!(
            last_node_of(own.path(), another),
            None,
            "a copy of the machine"
        );
        // where nothing tells a machine from its copy
        note_node_of(own.path(), "d", None).unwrap();
        assert_eq!(last_node_of(own.path(), None), None);
    }
}
