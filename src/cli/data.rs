//! Which data a command works on: the same flags, settings and files as the server's.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    app::{node::open_database, system},
    config::{load, settings::Settings},
    model::{random::Random, time::Clock},
    store::db::Db,
};

/// Flags that every command on the data takes.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Settings file (TOML); config.default.toml documents every setting
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Where the database, the admin token and the lock are [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// A PostgreSQL database; not in this version, which keeps its data in SQLite in the data directory
    #[arg(long, value_name = "URL", hide = true, global = true)]
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

/// Why a database elsewhere cannot be used. The URL is not repeated: it may hold a password.
fn no_database(url: &str) -> &'static str {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" => {
            "this version cannot use PostgreSQL; leave the flag out, and everything is kept in SQLite in --data-dir"
        }
        // elsewhere, two data directories could share it, each with its own lock
        "sqlite" | "file" => {
            "the SQLite database is always in the data directory; name that one with --data-dir"
        }
        _ => {
            "this is no database URL that is known; leave the flag out, and everything is kept in SQLite in --data-dir"
        }
    }
}

impl DataArgs {
    /// The settings, with further flags.
    pub fn settings(&self, flags: &[(&'static str, Option<String>)]) -> Result<Settings> {
        if let Some(url) = &self.database_url {
            bail!("--database-url: {}", no_database(url));
        }
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
        Ok(load::load(
            self.config.as_deref(),
            variables.into_iter(),
            &all,
        )?)
    }

    /// Opens the database, or makes it.
    pub async fn open(&self) -> Result<Opened> {
        self.open_with(|_| ()).await
    }

    /// Opens the database that must be there: who lists or changes something, and names the wrong folder, is told so.
    pub async fn open_existing(&self) -> Result<Opened> {
        let dir = self.settings(&[])?.server.data_dir;
        if !dir.join("sigcast.db").exists() {
            bail!(
                "there is no database in {}; name its folder with --data-dir",
                dir.display()
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
