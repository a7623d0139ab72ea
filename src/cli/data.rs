//! Which data a command works on: the same flags, settings and files as the server's.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    app::{
        node::open_database,
        ownership::{self, Duties},
        system,
    },
    config::{load, settings::Settings},
    model::{random::Random, time::Clock},
    store::{db::Db, postgres::DatabaseUrl, sqlite::FILE},
};

/// Flags that every command on the data takes.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Settings file (TOML); config.default.toml documents every setting
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Where the database, the admin token and the locks are [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// A PostgreSQL database, in place of SQLite in the data directory; a URL that holds a password is better given as
    /// SIGCAST_DATABASE_URL, as others see the command line
    #[arg(long, value_name = "URL", global = true)]
    pub database_url: Option<String>,
}

/// What a command needs to work on the data.
pub struct Opened {
    /// The database.
    pub db: Db,
    /// The settings.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

impl Opened {
    /// Who does what only one process may do at a time; to be ended.
    pub async fn duties(&self) -> Result<Duties> {
        let life = Duration::from_millis(self.settings.stream.lease_ms);
        let member = ownership::join(&self.db, &self.random, life).await?;
        Ok(Duties::with_heart(member, &self.settings.server.data_dir))
    }

    /// Where the database is, in words that hold no secret.
    pub fn place(&self) -> String {
        place(&self.settings)
    }
}

fn place(settings: &Settings) -> String {
    if settings.database.url.is_set() {
        return settings.database.url.to_string();
    }
    settings.server.data_dir.join(FILE).display().to_string()
}

impl DataArgs {
    /// The settings, with further flags.
    pub fn settings(&self, flags: &[(&'static str, Option<String>)]) -> Result<Settings> {
        let url = self.database_url.as_deref();
        let url = url
            .map(DatabaseUrl::parse)
            .transpose()
            .context("--database-url")?;
        let mut all: Vec<(&str, String)> = Vec::new();
        if let Some(dir) = &self.data_dir {
            let dir = dir.to_str().context("--data-dir: the path is not UTF-8")?;
            // as a TOML text, whatever the path looks like
            all.push((
                "server.data_dir",
                toml::Value::String(dir.to_owned()).to_string(),
            ));
        }
        for (name, value) in flags {
            if let Some(value) = value {
                all.push((name, toml::Value::String(value.clone()).to_string()));
            }
        }
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let ours = name.to_string_lossy().starts_with(load::PREFIX);
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => variables.push((name, value)),
                (Ok(name), Err(_)) if ours => bail!("environment variable {name}: not UTF-8"),
                _ => {}
            }
        }
        let mut settings = load::load(self.config.as_deref(), variables.into_iter(), &all)?;
        if let Some(url) = url {
            settings.database.url = url;
        }
        Ok(settings)
    }

    /// Opens the database, or makes it.
    pub async fn open(&self) -> Result<Opened> {
        self.open_with(|_| ()).await
    }

    /// Opens the database that must be there: who lists or changes something, and names the wrong one, is told so.
    pub async fn open_existing(&self) -> Result<Opened> {
        let settings = self.settings(&[])?;
        if settings.database.url.is_set() {
            if !Db::is_made(&settings.database).await? {
                bail!(
                    "there are no tables of sigcast in {}; name another database with --database-url, or make them with `sigcast migrate`",
                    place(&settings)
                );
            }
        } else if !settings.server.data_dir.join(FILE).exists() {
            bail!(
                "there is no database in {}; name its folder with --data-dir",
                settings.server.data_dir.display()
            );
        }
        self.open().await
    }

    /// Opens the database, with settings of the command's own.
    pub async fn open_with(&self, adjust: impl FnOnce(&mut Settings)) -> Result<Opened> {
        let mut settings = self.settings(&[])?;
        adjust(&mut settings);
        let (clock, random) = (Clock::system(), system::random());
        let db = open_database(&settings, &clock, &random).await?;
        Ok(Opened {
            db,
            settings,
            clock,
            random,
        })
    }
}
