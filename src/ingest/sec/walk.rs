//! Which files are meant by some paths: files as they are, folders with all that is in them, always in the same order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What is read in folders: EDGAR's own endings. A file that is named itself may have any.
const ENDINGS: [&str; 4] = ["txt", "xml", "nc", "sgml"];

/// Walks paths: in the order given, folders in the order of their entries' names. Holds one folder's names for each level, never all.
///
/// In folders, hidden entries and links to folders (which may lead round in a circle) are passed over. What cannot be looked into comes
/// as an error with its path.
#[derive(Debug)]
pub struct Walk {
    /// The next one last.
    ahead: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    path: PathBuf,
    named: bool,
}

impl Walk {
    /// Begins at the first path.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Self {
        let named = |path: &PathBuf| Step {
            path: path.clone(),
            named: true,
        };
        Walk {
            ahead: paths.iter().rev().map(named).collect(),
        }
    }

    /// Puts a folder's entries ahead.
    fn enter(&mut self, folder: &Path) -> io::Result<()> {
        let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| !is_hidden(path));
        paths.sort_unstable_by(|a, b| b.cmp(a));
        let inside = |path| Step { path, named: false };
        self.ahead.extend(paths.into_iter().map(inside));
        Ok(())
    }
}

/// A file's path and its size in bytes.
pub type Found = (PathBuf, u64);

impl Iterator for Walk {
    type Item = Result<Found, (PathBuf, io::Error)>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(Step { path, named }) = self.ahead.pop() {
            let seen = match named {
                true => fs::metadata(&path),
                // a link to a file is that file, one to a folder is nothing
                false => fs::symlink_metadata(&path).and_then(|meta| match meta.is_symlink() {
                    true => fs::metadata(&path).map(|to| if to.is_dir() { meta } else { to }),
                    false => Ok(meta),
                }),
            };
            match seen {
                Err(error) => return Some(Err((path, error))),
                Ok(meta) if meta.is_dir() => {
                    if let Err(error) = self.enter(&path) {
                        return Some(Err((path, error)));
                    }
                }
                Ok(meta) if meta.is_file() && (named || has_ending(&path)) => {
                    return Some(Ok((path, meta.len())));
                }
                // pipes and devices may have no end
                Ok(_) if named => {
                    return Some(Err((path, io::Error::other("neither a file nor a folder"))));
                }
                Ok(_) => {}
            }
        }
        None
    }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(|name| name.starts_with(b"."))
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        ENDINGS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_order_every_time() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["b/deep", "a", ".hidden", "empty"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "b/2.txt",
            "b/1.XML",
            "b/deep/0.nc",
            "a/z.txt",
            "a/readme.md",
            "a/.x.txt",
            ".hidden/x.txt",
            "c.csv",
            "c.txt",
        ] {
            fs::write(root.join(file), "abc").unwrap();
        }
        let named = [root.join("c.csv"), root.to_owned(), root.join("missing")];
        let walk = Walk::new(&named).map(|found| match found {
            Ok((path, size)) => format!("{} {size}", path.strip_prefix(root).unwrap().display()),
            Err((path, _)) => format!("no {}", path.strip_prefix(root).unwrap().display()),
        });
        let expected = [
            "c.csv 3",
            "a/z.txt 3",
            "b/1.XML 3",
            "b/2.txt 3",
            "b/deep/0.nc 3",
            "c.txt 3",
            "no missing",
        ];
        assert_eq!(walk.collect::<Vec<_>>(), expected);
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_files_and_not_in_circles() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), "abc").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("round")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("link.txt")).unwrap();
        let found: Vec<_> = Walk::new(&[dir.path().join("round")]).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            matches!(&found[0], Ok((path, 3)) if path.ends_with("link.txt")),
            "{found:?}"
        );
    }

    #[test]
    fn devices_are_no_files() {
        let mut walk = Walk::new(&[PathBuf::from("/dev/zero")]);
        assert!(matches!(walk.next(), Some(Err(_))));
        assert!(walk.next().is_none());
    }
}
