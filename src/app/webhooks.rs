//! Webhooks put together: the key that seals their secrets, and the desk at which owners change them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    data_dir::failed,
    error::{StartError, StartResult},
    sending::dialer,
};
use crate::{
    config::settings::Settings,
    model::{random::Random, time::Clock},
    store::db::Db,
    webhook::{
        desk::Desk,
        proof,
        secret::{SEAL_BYTES, Seal},
    },
};

/// The variable that holds the key itself.
pub const KEY_VARIABLE: &str = "SIGCAST_WEBHOOK_KEY";
/// Where it is kept in the data directory.
const FILE: &str = "webhook.key";
/// Bits of a file's mode by which everybody may read, write or run it.
const EVERYBODY: u32 = 0o007;

/// The key that seals webhooks' secrets: from the environment, else from the file that the settings name, else from the data directory, where one
/// is made if there is none. Refused where the database's secrets were sealed with another.
pub async fn open_seal(
    settings: &Settings,
    from_environment: Option<String>,
    db: &Db,
    random: &Random,
) -> StartResult<Arc<Seal>> {
    let key = find(settings, from_environment, random)?;
    let seal = read_key(&key.text).map_err(|what| StartError::WebhookKey {
        place: key.place.clone(),
        what,
    })?;
    if proof::fits(db, &seal).await? {
        return Ok(Arc::new(seal));
    }
    Err(match key.made {
        Some(path) => {
            // it seals nothing, and would only stand in the way of the right one, which is what is missing
            let _ = fs::remove_file(&path);
            StartError::MissingWebhookKey { path }
        }
        None => StartError::OtherWebhookKey { place: key.place },
    })
}

/// The desk. Without a seal nothing is made, rotated or tested there.
pub fn desk(
    settings: &Settings,
    db: &Db,
    seal: Option<Arc<Seal>>,
    clock: &Clock,
    random: &Random,
) -> StartResult<Arc<Desk>> {
    let dialer = dialer(settings)?;
    let (db, clock, random) = (db.clone(), clock.clone(), random.clone());
    Ok(Arc::new(Desk::new(db, dialer, seal, clock, random)))
}

/// A key as it was found.
struct Found {
    text: String,
    /// Where, in words.
    place: String,
    /// The file, if it was made just now.
    made: Option<PathBuf>,
}

fn find(
    settings: &Settings,
    from_environment: Option<String>,
    random: &Random,
) -> StartResult<Found> {
    if let Some(text) = from_environment.filter(|text| !text.trim().is_empty()) {
        return Ok(Found {
            text,
            place: KEY_VARIABLE.to_owned(),
            made: None,
        });
    }
    let named = &settings.webhook.key_file;
    let own = settings.server.data_dir.join(FILE);
    let path = match named.as_os_str().is_empty() {
        true => &own,
        false => named,
    };
    let found = |text, made: Option<&PathBuf>| Found {
        text,
        place: path.display().to_string(),
        made: made.cloned(),
    };
    if let Some(text) = read(path)? {
        return Ok(found(text, None));
    }
    if path == named {
        // one that is not there is a disk that is not mounted, more likely than a first start
        return Err(StartError::NoWebhookKey { path: path.clone() });
    }
    match make(path, random)? {
        true => {
            let text = read(path)?.unwrap_or_default();
            Ok(found(text, Some(path)))
        }
        // another process was first
        false => Ok(found(read(path)?.unwrap_or_default(), None)),
    }
}

fn read(path: &Path) -> StartResult<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "read", error)),
    };
    let mode = file.metadata().map_err(|e| failed(path, "read", e))?.mode();
    if mode & EVERYBODY != 0 {
        let path = path.to_owned();
        return Err(StartError::OpenWebhookKey { path });
    }
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    read.map_err(|e| failed(path, "read", e))?;
    Ok(Some(text))
}

/// Makes a key's file, which is whole as soon as it is there; whether it was not there before.
fn make(path: &Path, random: &Random) -> StartResult<bool> {
    let mut key = [0; SEAL_BYTES];
    proof::fill(random, &mut key);
    let draft = path.with_extension(format!("key.{:016x}", random.number()));
    let write = || {
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&draft)?;
        writeln!(file, "{}", STANDARD.encode(key))?;
        file.sync_all()?;
        let made = match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        };
        // lost after a failure of power, what it sealed would be lost as well
        if let (Ok(true), Some(folder)) = (&made, path.parent()) {
            File::open(folder)?.sync_all()?;
        }
        made
    };
    let made = write();
    let _ = fs::remove_file(&draft);
    made.map_err(|e| failed(path, "written", e))
}

fn read_key(text: &str) -> Result<Seal, &'static str> {
    let bytes = STANDARD.decode(text.trim());
    let bytes = bytes.map_err(|_| "it is not base64")?;
    let key: [u8; SEAL_BYTES] = bytes.try_into().map_err(|_| "it does not have 32 bytes")?;
    Seal::new(&key).ok_or("it is no key")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::app::system;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let random = system::random();
        assert_eq!(read(&path).unwrap(), None);
        assert!(make(&path, &random).unwrap());
        let first = read(&path).unwrap().unwrap();
        assert!(read_key(&first).is_ok());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!make(&path, &random).unwrap(), "it is there");
        assert_eq!(read(&path).unwrap(), Some(first));
        let there: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(there.len(), 1, "no drafts");
    }

    #[test]
    fn a_key_that_everybody_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        make(&path, &system::random()).unwrap();
        for (mode, refused) in [(0o400, false), (0o640, false), (0o644, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_err(), refused, "{mode:o}");
        }
    }

    #[test]
    fn only_thirty_two_bytes_are_a_key() {
        for (text, why) in [
            ("", "32 bytes"),
            ("AAAA", "32 bytes"),
            ("not base64!", "base64"),
            (&STANDARD.encode([1; 33]), "32 bytes"),
        ] {
            let said = read_key(text).err().unwrap();
            assert!(said.contains(why), "{text}: {said}");
        }
        let padded = format!("  {}\n", STANDARD.encode([1; 32]));
        assert!(read_key(&padded).is_ok());
    }
}
