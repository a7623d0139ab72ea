//! The networks that may not call without a key, from a file that is read again when it changes.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use core::net::IpAddr;

use crate::gate::networks::{BadLine, Networks};

/// A larger file is no list: all networks of the large clouds together are a few megabytes.
const MOST_BYTES: u64 = 64 << 20;

/// Whether an address may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No network that it is in is denied.
    Open,
    /// One is.
    Denied,
    /// There is to be a list, and none could be read since the start.
    Unknown,
}

/// By what a file's change shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Line(#[from] BadLine),
    #[error("it has more than 64 MB")]
    Large,
}

/// The list as it was last read.
#[derive(Debug)]
pub struct Denied {
    path: PathBuf,
    list: RwLock<Option<Arc<Networks>>>,
    /// What was last looked at, whatever came of it: an error is told once.
    looked: Mutex<Option<Option<Look>>>,
}

impl Denied {
    /// By the file at a path; nobody is denied where it is empty. To be looked at before anybody asks.
    #[must_use]
    pub fn by(path: &Path) -> Self {
        let none = path.as_os_str().is_empty();
        Denied {
            path: path.to_owned(),
            list: RwLock::new(none.then(Arc::default)),
            looked: Mutex::new(None),
        }
    }

    /// Whether there is a file to look at.
    #[must_use]
    pub fn has_file(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// Whether this address may call.
    #[must_use]
    pub fn access(&self, ip: IpAddr) -> Access {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        match &*list {
            Some(list) if list.contain(ip) => Access::Denied,
            Some(_) => Access::Open,
            None => Access::Unknown,
        }
    }

    /// Reads the file if it is another than at the last look. One that cannot be read leaves the list as it is. Waits for the disk.
    pub fn look(&self) {
        if !self.has_file() {
            return;
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let look = fs::metadata(&self.path).ok().map(|meta| Look {
            inode: meta.ino(),
            bytes: meta.len(),
            changed: (meta.mtime(), meta.mtime_nsec()),
        });
        if *looked == Some(look) {
            return;
        }
        *looked = Some(look);
        let path = self.path.display();
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let known = list.as_ref().map(|list| list.ranges());
        drop(list);
        match (read(&self.path), known) {
            // a download that failed, more likely than a change of mind; and whoever was kept out would be let in
            (Ok(list), Some(ranges @ 1..)) if list.ranges() == 0 => {
                tracing::warn!(%path, ranges, "sandbox.deny_networks is empty now: the list stays as it was; to deny nobody, take the setting away and start again");
            }
            (Ok(list), _) => {
                match list.ranges() {
                    0 => tracing::warn!(%path, "sandbox.deny_networks is empty: nobody is denied"),
                    ranges => {
                        tracing::info!(%path, ranges, "the networks that may not call without a key were read");
                    }
                }
                let list = Some(Arc::new(list));
                *self.list.write().unwrap_or_else(PoisonError::into_inner) = list;
            }
            (Err(error), Some(_)) => {
                tracing::error!(%path, %error, "sandbox.deny_networks cannot be read: the list stays as it was");
            }
            (Err(error), None) => {
                tracing::error!(%path, %error, "sandbox.deny_networks cannot be read: nobody calls without a key until it can");
            }
        }
    }
}

fn read(path: &Path) -> Result<Networks, Unread> {
    if fs::metadata(path)?.len() > MOST_BYTES {
        return Err(Unread::Large);
    }
    Ok(Networks::parse(&fs::read_to_string(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_when_it_changes_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("networks");
        let (one, other) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let denied = Denied::by(&path);
        denied.look();
        assert_eq!(denied.access(one), Access::Unknown, "there is no file");
        let write = |text: &str| {
            // as an editor does: another file in its place
            let draft = folder.path().join("draft");
            fs::write(&draft, text).unwrap();
            fs::rename(&draft, &path).unwrap();
            denied.look();
        };
        write("192.0.2.0/24\n");
        assert_eq!(denied.access(one), Access::Denied);
        assert_eq!(denied.access(other), Access::Open);
        write("2001:db8::/32\n192.0.2.0/33\n");
        assert_eq!(denied.access(one), Access::Denied, "as it was");
        assert_eq!(denied.access(other), Access::Open);
        write("2001:db8::/32\n");
        assert_eq!(denied.access(one), Access::Open);
        assert_eq!(denied.access(other), Access::Denied);
        for empty in ["", "# nothing\n\n"] {
            write(empty);
            assert_eq!(denied.access(other), Access::Denied, "as it was");
        }
        write("192.0.2.0/24\n");
        assert_eq!(denied.access(other), Access::Open, "the next one counts");
        write("2001:db8::/32\n");
        fs::remove_file(&path).unwrap();
        denied.look();
        assert_eq!(denied.access(other), Access::Denied, "still");
        // one that was empty at the start denies nobody, and may be filled
        write("");
        let begun = Denied::by(&path);
        begun.look();
        assert_eq!(begun.access(other), Access::Open);
        write("2001:db8::/32\n");
        begun.look();
        assert_eq!(begun.access(other), Access::Denied);
        let nobody = Denied::by(Path::new(""));
        nobody.look();
        assert_eq!(nobody.access(one), Access::Open);
    }
}
