//! Loading: defaults, then the file, then the environment, then flags. What is unknown is refused by name.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::settings::Settings;

/// The defaults, as they stand in the project.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");
/// Variables whose names begin so are settings, or are refused.
pub const PREFIX: &str = "SIGCAST_";
/// Variables that are not settings: the admin token, the key of webhooks' secrets, the key of `tail`, the secret of `listen`, and what the
/// examples take, as one shell may serve for all.
const OTHER_VARIABLES: [&str; 7] = [
    "SIGCAST_ADMIN_TOKEN",
    "SIGCAST_WEBHOOK_KEY",
    "SIGCAST_KEY",
    "SIGCAST_WEBHOOK_SECRET",
    "SIGCAST_URL",
    "SIGCAST_LAST_EVENT_ID",
    "SIGCAST_STOP_AFTER",
];

/// The one setting that may hold a password has a short name too, as it is given in the environment more often than anywhere else.
const DATABASE_URL: &str = "SIGCAST_DATABASE_URL";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key that is no setting.
    #[error("{source_name}: `{key}` is not a setting; config.default.toml lists them all")]
    Unknown {
        /// File, variable or flag.
        source_name: String,
        /// The key.
        key: String,
    },
    /// A value of the wrong kind.
    #[error("settings: {0}")]
    Value(String),
}

/// Reads all sources. `flags` are pairs of a dotted key and a value.
pub fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Settings, ConfigError> {
    let defaults: Table = DEFAULTS
        .parse()
        .map_err(|e| ConfigError::Value(format!("config.default.toml: {e}")))?;
    let mut merged = defaults.clone();
    if let Some(path) = file {
        let wrong = |reason: String| ConfigError::File {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        let table: Table = text
            .parse()
            .map_err(|e: toml::de::Error| wrong(without_text(&e, &text)))?;
        check_known(&table, &defaults, "", &path.display().to_string())?;
        merge(&mut merged, table);
    }
    for (name, value) in variables {
        if !name.starts_with(PREFIX) || OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let key = match name.as_str() {
            DATABASE_URL => "database.url".to_owned(),
            _ => name[PREFIX.len()..].to_lowercase().replace("__", "."),
        };
        set(
            &mut merged,
            &defaults,
            &key,
            &value,
            &format!("environment variable {name}"),
        )?;
    }
    for (key, value) in flags {
        set(&mut merged, &defaults, key, value, "flag")?;
    }
    Settings::deserialize(merged)
}

/// What is wrong, and in which line, without the line itself: it may hold a password.
fn without_text(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message())
}

impl Settings {
    fn deserialize(table: Table) -> Result<Self, ConfigError> {
        let settings: Settings = table
            .try_into()
            .map_err(|e: toml::de::Error| ConfigError::Value(e.to_string().trim().to_owned()))?;
        settings.stream.check().map_err(ConfigError::Value)?;
        settings.sandbox.check().map_err(ConfigError::Value)?;
        Ok(settings)
    }
}

/// Plans are the operator's own to name; what a plan may hold is checked when it is read.
fn is_free(key: &str) -> bool {
    key.starts_with("plans.")
}

/// Settings of an engine that the defaults file leaves to their documented defaults.
fn is_engine(key: &str) -> bool {
    key.starts_with("consensus.")
}

fn check_known(
    table: &Table,
    known: &Table,
    above: &str,
    source_name: &str,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        if is_free(&key) || is_engine(&key) {
            continue;
        }
        match (value, known.get(name)) {
            (_, None) => {
                return Err(ConfigError::Unknown {
                    source_name: source_name.to_owned(),
                    key,
                });
            }
            (Value::Table(inner), Some(Value::Table(known))) => {
                check_known(inner, known, &key, source_name)?
            }
            _ => {}
        }
    }
    Ok(())
}

fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Table(inner)), Value::Table(more)) => merge(inner, more),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

fn set(
    merged: &mut Table,
    defaults: &Table,
    key: &str,
    value: &str,
    source_name: &str,
) -> Result<(), ConfigError> {
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let unknown = || ConfigError::Unknown {
        source_name: source_name.to_owned(),
        key: key.to_owned(),
    };
    if parts.is_empty() || last.is_empty() {
        return Err(unknown());
    }
    let mut table = Table::new();
    // a value that is TOML is taken as such (numbers, lists), anything else as text
    let parsed = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"));
    table.insert(
        last.to_owned(),
        parsed.unwrap_or_else(|| Value::String(value.to_owned())),
    );
    for part in parts.into_iter().rev() {
        let mut outer = Table::new();
        outer.insert(part.to_owned(), Value::Table(table));
        table = outer;
    }
    check_known(&table, defaults, "", source_name).map_err(|_| unknown())?;
    merge(merged, table);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(
        file: &str,
        variables: &[(&str, &str)],
        flags: &[(&str, String)],
    ) -> Result<Settings, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sigcast.toml");
        std::fs::write(&path, file).unwrap();
        let variables = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load(Some(&path), variables, flags)
    }

    #[test]
    fn each_source_overrides_the_one_before() {
        let file = "[stream]\nping_seconds = 5\nprobe_ms = 7\n[server]\nlisten = \"0.0.0.0:1\"";
        let variables = [
            ("SIGCAST_STREAM__PING_SECONDS", "6"),
            ("SIGCAST_SERVER__LISTEN", "0.0.0.0:2"),
            ("SIGCAST_INSIDER__SIGNAL_MIN_SCORE", "55.5"),
            ("PATH", "x"),
        ];
        let settings = loaded(file, &variables, &[("server.listen", "0.0.0.0:3".into())]).unwrap();
        assert_eq!(settings.stream.probe_ms, 7);
        assert_eq!(settings.stream.ping_seconds, 6);
        assert_eq!(settings.server.listen.port(), 3);
        assert_eq!(settings.stream.ring_frames, 8192, "a default");
        let insider = &settings.insider;
        assert!((insider.signal_min_score - 55.5).abs() < 1e-9);
        assert_eq!(insider.signal_max_age_hours, 24, "a default");
    }

    #[test]
    fn a_lease_that_a_late_heartbeat_would_end_is_refused() {
        let set = |lease: &str, beat: &str| {
            let flags = [
                ("stream.lease_ms", lease.to_owned()),
                ("stream.beat_ms", beat.to_owned()),
            ];
            load(None, std::iter::empty(), &flags)
        };
        for (lease, beat) in [("1000", "1000"), ("2999", "1000"), ("0", "1000")] {
            let refused = set(lease, beat).unwrap_err().to_string();
            assert!(refused.contains("stream.lease_ms"), "{refused}");
        }
        set("3000", "1000").unwrap();
    }

    #[test]
    fn a_priority_that_there_is_none_of_is_refused() {
        let set = |nice: &str| {
            let flags = [("stream.nice", nice.to_owned())];
            load(None, std::iter::empty(), &flags)
        };
        set("19").unwrap();
        let refused = set("20").unwrap_err().to_string();
        assert!(refused.contains("stream.nice (20)"), "{refused}");
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        let file = loaded("[stream]\npign_seconds = 5", &[], &[])
            .unwrap_err()
            .to_string();
        assert!(file.contains("stream.pign_seconds"), "{file}");
        for name in ["SIGCAST_STREAM__PIGN", "SIGCAST_NONSENSE", "SIGCAST_STREAM"] {
            let error = loaded("", &[(name, "1")], &[]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(loaded("[consensus]\nwindow = 1", &[], &[]).is_err());
        assert!(loaded("[stream]\nping_seconds = \"often\"", &[], &[]).is_err());
    }

    #[test]
    fn a_database_is_named_in_any_source_and_never_told() {
        let url = "postgres://me:s3cret@db.example/signals";
        let file = format!("[database]\nurl = \"{url}\"");
        let settings = loaded(&file, &[], &[]).unwrap();
        assert!(settings.database.url.is_set());
        let settings = loaded("", &[("SIGCAST_DATABASE_URL", url)], &[]).unwrap();
        assert!(settings.database.url.to_string().contains("db.example"));
        assert!(!format!("{settings:?}").contains("s3cret"));
        for bad in [
            "[database]\nurl = \"postgres://me:s3cret@db:x/y\"",
            "[database]\nurl = \"mysql://me:s3cret@db/y\"",
            "[database]\nurl = \"postgres://me:s3cret@db/y",
            "[database]\nurl = [\"postgres://me:s3cret@db/y\"]",
        ] {
            let error = loaded(bad, &[], &[]).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        let bad = [("SIGCAST_DATABASE_URL", "mysql://me:s3cret@db/y")];
        let error = loaded("", &bad, &[]).unwrap_err().to_string();
        assert!(
            error.contains("database.url") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn plans_are_the_operators_own() {
        let settings = loaded("[plans.gold]\nstream = true", &[], &[]).unwrap();
        assert!(settings.plans["gold"].stream && !settings.plans["free"].stream);
        assert!(loaded("[plans.gold]\nstraem = true", &[], &[]).is_err());
    }
}
