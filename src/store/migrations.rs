//! Bringing a database's tables up to date, and saying what was done.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::error::{StoreError, StoreResult};

/// A step that a database's tables have taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number: steps are taken in this order.
    pub version: i64,
    /// What it is called.
    pub description: String,
}

/// The number of the last step.
pub(crate) fn newest(migrator: &Migrator) -> i64 {
    let numbers = migrator.iter().map(|step| step.version);
    numbers.max().unwrap_or(0)
}

/// Takes all steps that were not taken yet, under the database's own lock: of two processes one waits, and finds them taken. Gives
/// those that this call took.
pub(crate) async fn run<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> StoreResult<Vec<Migration>> {
    take_steps(migrator, connection)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(version) => StoreError::corrupt(
                "tables",
                format!("they are of a newer version of this program (step {version})"),
            ),
            other => StoreError::corrupt("tables", other),
        })
}

async fn take_steps<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<Vec<Migration>, MigrateError> {
    // the migrator takes the same lock within: it counts
    connection.lock().await?;
    let table = &migrator.table_name;
    connection.ensure_migrations_table(table).await?;
    let before = connection.list_applied_migrations(table).await?;
    migrator.run_direct(None, connection, false).await?;
    connection.unlock().await?;
    let new = migrator
        .iter()
        .filter(|step| before.iter().all(|known| known.version != step.version));
    Ok(new
        .map(|step| Migration {
            version: step.version,
            description: step.description.to_string(),
        })
        .collect())
}
