//! Where the data of a server and of commands are: a folder, and on PostgreSQL a database; and the binary that works on them.

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use sigcast::{config::load, store::db::Db};
use tempfile::TempDir;

use super::{ON_POSTGRES, cluster::Database};

pub const DATABASE_URL: &str = "SIGCAST_DATABASE_URL";

/// Where a server's data are: a folder, and a database of its own where it is not in the folder.
pub struct Place {
    pub folder: PathBuf,
    /// Gone with it, where it was made for it alone.
    _own: Option<TempDir>,
    pub database: Option<Arc<Database>>,
}

impl Place {
    pub fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let place = Self::in_folder(own.path().to_owned());
        Place {
            _own: Some(own),
            ..place
        }
    }

    /// In a folder that the caller made, and keeps.
    pub fn in_folder(folder: PathBuf) -> Self {
        Place {
            folder,
            _own: None,
            database: ON_POSTGRES.then(|| Arc::new(Database::fresh())),
        }
    }

    /// On this database, whatever else is said.
    #[allow(dead_code, reason = "asked where a database is chosen")]
    pub fn on(database: Database) -> Self {
        Place {
            database: Some(Arc::new(database)),
            ..Self::new()
        }
    }

    /// The same data in another place. Nobody may have this one open.
    pub fn copy(&self) -> Self {
        let own = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&self.folder).unwrap() {
            let from = entry.unwrap();
            fs::copy(from.path(), own.path().join(from.file_name())).unwrap();
        }
        Place {
            folder: own.path().to_owned(),
            _own: Some(own),
            database: self.database.as_ref().map(|one| Arc::new(one.copy())),
        }
    }

    /// A folder of its own, on the same database: another node's place.
    #[allow(dead_code, reason = "asked where nodes share a database")]
    pub fn beside(&self) -> Self {
        let own = tempfile::tempdir().unwrap();
        Place {
            folder: own.path().to_owned(),
            _own: Some(own),
            database: self.database.clone(),
        }
    }

    /// A command on it, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = sigcast();
        command.args(args).arg("--data-dir").arg(&self.folder);
        if let Some(database) = &self.database {
            command.env(DATABASE_URL, &database.url);
        }
        command
    }

    /// The database that is not in the folder.
    #[allow(dead_code, reason = "asked where it is PostgreSQL")]
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("it is on PostgreSQL")
    }

    /// The database, as another process opens it.
    pub async fn open(&self) -> Db {
        let settings = load::load(None, std::iter::empty(), &[]).unwrap();
        match &self.database {
            Some(database) => Db::open_postgres(&database.config()).await.unwrap(),
            None => Db::open_sqlite(&self.folder, &settings.store)
                .await
                .unwrap(),
        }
    }
}

/// The binary, without what this process's environment would tell it.
pub fn sigcast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigcast"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SIGCAST_") || text.starts_with("SIGMATE_") {
            command.env_remove(&name);
        }
    }
    command
}
