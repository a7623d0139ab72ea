//! A statement: one text for every database, the values that go with it, and the rows that come back.

use std::{fmt::Display, marker::PhantomData};

use sqlx::{
    AssertSqlSafe, Decode, FromRow, PgConnection, PgPool, Postgres, Row as _, Sqlite,
    SqliteConnection, SqlitePool, Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    error::{StoreError, StoreResult},
    patience::Patience,
};

/// A value of a kind that all databases take and give back alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Real(Option<f64>),
    Bool(bool),
    Text(Option<String>),
}

macro_rules! values {
    ($($from:ty => $kind:ident, $given:ident => $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($given: $from) -> Self {
                Value::$kind($value)
            }
        }
    )*};
}
values! {
    i64 => Int, it => Some(it);
    Option<i64> => Int, it => it;
    Option<f64> => Real, it => it;
    f64 => Real, it => Some(it);
    bool => Bool, it => it;
    String => Text, it => Some(it);
    &String => Text, it => Some(it.clone());
    &str => Text, it => Some(it.to_owned());
    Option<&str> => Text, it => it.map(str::to_owned);
    Option<String> => Text, it => it;
    &Option<String> => Text, it => it.clone();
}

/// Where a value goes in a text that is put together: no text of a statement has it otherwise.
const PLACE: char = '\u{1}';

/// Before a column: see [`unindexed`].
const UNINDEXED: char = '\u{2}';

/// A column by which SQLite must not choose an index, for a text that is put together: there it stands behind a plus sign, which changes
/// nothing else. PostgreSQL reads it as it is: it knows what is in its tables, and would no longer know how many rows such an expression
/// passes.
pub(crate) fn unindexed(column: &str) -> String {
    format!("{UNINDEXED}{column}")
}

/// What a row is read as.
pub(crate) trait Shape {
    /// What it gives.
    type Out: Send + Unpin;
    fn from_sqlite(row: &SqliteRow) -> sqlx::Result<Self::Out>;
    fn from_postgres(row: &PgRow) -> sqlx::Result<Self::Out>;
}

/// Nothing is read.
pub(crate) struct Nothing;

/// A struct or a tuple, by its columns.
pub(crate) struct Whole<T>(PhantomData<T>);

impl<T> Shape for Whole<T>
where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    type Out = T;
    fn from_sqlite(row: &SqliteRow) -> sqlx::Result<T> {
        T::from_row(row)
    }
    fn from_postgres(row: &PgRow) -> sqlx::Result<T> {
        T::from_row(row)
    }
}

/// The first column.
pub(crate) struct First<T>(PhantomData<T>);

impl<T> Shape for First<T>
where
    T: for<'r> Decode<'r, Sqlite>
        + Type<Sqlite>
        + for<'r> Decode<'r, Postgres>
        + Type<Postgres>
        + Send
        + Unpin,
{
    type Out = T;
    fn from_sqlite(row: &SqliteRow) -> sqlx::Result<T> {
        row.try_get(0)
    }
    fn from_postgres(row: &PgRow) -> sqlx::Result<T> {
        row.try_get(0)
    }
}

/// A statement that is ready to run.
pub(crate) struct Query<S> {
    text: Text,
    values: Vec<Value>,
    shape: PhantomData<fn() -> S>,
}

enum Text {
    /// As it stands, with `$1` and so on.
    Written(&'static str),
    /// Put together, with [`PLACE`]s.
    Made(String),
}

impl<S> Query<S> {
    fn new(text: Text, values: Vec<Value>) -> Self {
        let shape = PhantomData;
        Query {
            text,
            values,
            shape,
        }
    }

    /// Gives the next value.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A statement of which no rows are read.
pub(crate) fn query(text: &'static str) -> Query<Nothing> {
    Query::new(Text::Written(text), Vec::new())
}

/// A statement whose rows are structs or tuples.
pub(crate) fn query_as<T>(text: &'static str) -> Query<Whole<T>> {
    Query::new(Text::Written(text), Vec::new())
}

/// A statement whose rows have one column.
pub(crate) fn query_scalar<T>(text: &'static str) -> Query<First<T>> {
    Query::new(Text::Written(text), Vec::new())
}

/// A statement put together from pieces. What comes from outside is bound, never pushed.
pub(crate) struct QueryBuilder {
    text: String,
    values: Vec<Value>,
}

impl QueryBuilder {
    pub(crate) fn new(beginning: impl Into<String>) -> Self {
        QueryBuilder {
            text: beginning.into(),
            values: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, piece: impl Display) -> &mut Self {
        use std::fmt::Write as _;
        let _ = write!(self.text, "{piece}"); // to a String: cannot fail
        self
    }

    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.text.push(PLACE);
        self.values.push(value.into());
        self
    }

    /// A list: what is pushed is parted by `separator`.
    pub(crate) fn separated(&mut self, separator: &'static str) -> Separated<'_> {
        Separated {
            query: self,
            separator,
            begun: false,
        }
    }

    /// `values (…), (…)`, a row for each item; at least one must be there.
    pub(crate) fn push_values<I: IntoIterator>(
        &mut self,
        items: I,
        mut row: impl FnMut(Separated<'_>, I::Item),
    ) -> &mut Self {
        self.text.push_str("values ");
        for (number, item) in items.into_iter().enumerate() {
            self.text.push_str(if number == 0 { "(" } else { ", (" });
            row(self.separated(", "), item);
            self.text.push(')');
        }
        self
    }

    fn take<S>(&mut self) -> Query<S> {
        let text = Text::Made(std::mem::take(&mut self.text));
        Query::new(text, std::mem::take(&mut self.values))
    }

    pub(crate) fn build(&mut self) -> Query<Nothing> {
        self.take()
    }

    pub(crate) fn build_query_as<T>(&mut self) -> Query<Whole<T>> {
        self.take()
    }

    pub(crate) fn build_query_scalar<T>(&mut self) -> Query<First<T>> {
        self.take()
    }

    pub(crate) fn build_shape<S: Shape>(&mut self) -> Query<S> {
        self.take()
    }
}

/// See [`QueryBuilder::separated`].
pub(crate) struct Separated<'q> {
    query: &'q mut QueryBuilder,
    separator: &'static str,
    begun: bool,
}

impl Separated<'_> {
    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        if self.begun {
            self.query.text.push_str(self.separator);
        }
        self.begun = true;
        self.query.push_bind(value);
        self
    }
}

/// Where a statement runs.
pub(crate) enum Target<'a> {
    SqlitePool(&'a SqlitePool),
    Sqlite(&'a mut SqliteConnection),
    PostgresPool(&'a PgPool, &'a Patience),
    Postgres(&'a mut PgConnection, &'a Patience),
}

impl<S> Query<S> {
    /// Runs it; how many rows it changed.
    pub(crate) async fn execute<'a>(self, on: impl Into<Target<'a>>) -> StoreResult<u64> {
        match on.into() {
            Target::SqlitePool(pool) => {
                let (text, values) = for_sqlite(self.text, self.values)?;
                let done = sqlx::query_with(text, values).execute(pool).await?;
                Ok(done.rows_affected())
            }
            Target::Sqlite(connection) => {
                let (text, values) = for_sqlite(self.text, self.values)?;
                let done = sqlx::query_with(text, values).execute(connection).await?;
                Ok(done.rows_affected())
            }
            Target::PostgresPool(pool, patience) => {
                let (text, values) = for_postgres(self.text, self.values)?;
                let run = sqlx::query_with(text, values).execute(pool);
                Ok(patience.of(run).await?.rows_affected())
            }
            Target::Postgres(connection, patience) => {
                let (text, values) = for_postgres(self.text, self.values)?;
                let run = sqlx::query_with(text, values).execute(connection);
                Ok(patience.of(run).await?.rows_affected())
            }
        }
    }
}

impl<S: Shape> Query<S> {
    /// Runs it; all its rows, each read as it comes: a row of the driver's takes many times what is read from it.
    pub(crate) async fn fetch_all<'a>(self, on: impl Into<Target<'a>>) -> StoreResult<Vec<S::Out>> {
        match on.into() {
            Target::SqlitePool(pool) => {
                let (text, values) = for_sqlite(self.text, self.values)?;
                let query = sqlx::query_with(text, values);
                Ok(query.try_map(read_sqlite::<S>).fetch_all(pool).await?)
            }
            Target::Sqlite(connection) => {
                let (text, values) = for_sqlite(self.text, self.values)?;
                let query = sqlx::query_with(text, values);
                Ok(query
                    .try_map(read_sqlite::<S>)
                    .fetch_all(connection)
                    .await?)
            }
            Target::PostgresPool(pool, patience) => {
                let (text, values) = for_postgres(self.text, self.values)?;
                let query = sqlx::query_with(text, values);
                let run = query.try_map(read_postgres::<S>).fetch_all(pool);
                patience.of(run).await
            }
            Target::Postgres(connection, patience) => {
                let (text, values) = for_postgres(self.text, self.values)?;
                let query = sqlx::query_with(text, values);
                let run = query.try_map(read_postgres::<S>).fetch_all(connection);
                patience.of(run).await
            }
        }
    }

    /// Runs it; its first row, if it has any. All of them are made: for statements that give one at most.
    pub(crate) async fn fetch_optional<'a>(
        self,
        on: impl Into<Target<'a>>,
    ) -> StoreResult<Option<S::Out>> {
        Ok(self.fetch_all(on).await?.into_iter().next())
    }

    /// Runs it; its one row.
    pub(crate) async fn fetch_one<'a>(self, on: impl Into<Target<'a>>) -> StoreResult<S::Out> {
        let row = self.fetch_optional(on).await?;
        row.ok_or(StoreError::Other(sqlx::Error::RowNotFound))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over so")]
fn read_sqlite<S: Shape>(row: SqliteRow) -> sqlx::Result<S::Out> {
    S::from_sqlite(&row)
}

#[expect(clippy::needless_pass_by_value, reason = "rows are handed over so")]
fn read_postgres<S: Shape>(row: PgRow) -> sqlx::Result<S::Out> {
    S::from_postgres(&row)
}

fn unbound(error: sqlx::error::BoxDynError) -> StoreError {
    StoreError::Other(sqlx::Error::Encode(error))
}

type Ready<A> = (AssertSqlSafe<std::borrow::Cow<'static, str>>, A);

fn for_sqlite(text: Text, values: Vec<Value>) -> StoreResult<Ready<SqliteArguments>> {
    use sqlx::Arguments as _;
    let text = match text {
        Text::Written(text) => text.into(),
        Text::Made(text) => text.replace(PLACE, "?").replace(UNINDEXED, "+").into(),
    };
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Int(it) => arguments.add(it),
            Value::Real(it) => arguments.add(it),
            Value::Bool(it) => arguments.add(it),
            Value::Text(it) => arguments.add(it),
        }
        .map_err(unbound)?;
    }
    Ok((AssertSqlSafe(text), arguments))
}

fn for_postgres(text: Text, values: Vec<Value>) -> StoreResult<Ready<PgArguments>> {
    use sqlx::Arguments as _;
    use std::fmt::Write as _;
    let text = match text {
        Text::Written(text) => text.into(),
        Text::Made(text) => {
            let text = text.replace(UNINDEXED, "");
            let mut numbered = String::with_capacity(text.len() + 4 * values.len());
            let mut pieces = text.split(PLACE);
            numbered.push_str(pieces.next().unwrap_or_default());
            for (number, piece) in pieces.enumerate() {
                let _ = write!(numbered, "${}{piece}", number + 1); // to a String: cannot fail
            }
            numbered.into()
        }
    };
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Int(it) => arguments.add(it),
            Value::Real(it) => arguments.add(it),
            Value::Bool(it) => arguments.add(it),
            Value::Text(it) => arguments.add(it.map(without_zero)),
        }
        .map_err(unbound)?;
    }
    Ok((AssertSqlSafe(text), arguments))
}

/// PostgreSQL's texts hold any character but this one: it is kept, and asked for, as the one that stands for what cannot be shown.
fn without_zero(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built() -> QueryBuilder {
        let mut query = QueryBuilder::new("select a from t where b = ");
        query.push_bind(7).push(" and c in (");
        let mut list = query.separated(", ");
        list.push_bind("x").push_bind("y");
        query.push(") and ").push(unindexed("d")).push(" = 1");
        query
    }

    #[test]
    fn each_database_has_its_own_places() {
        let mut query = built();
        let Query { text, values, .. } = query.build();
        assert_eq!(values.len(), 3);
        let (AssertSqlSafe(text), _) = for_sqlite(text, values).unwrap();
        assert_eq!(
            text,
            "select a from t where b = ? and c in (?, ?) and +d = 1"
        );
        let Query { text, values, .. } = built().build();
        let (AssertSqlSafe(text), _) = for_postgres(text, values).unwrap();
        assert_eq!(
            text,
            "select a from t where b = $1 and c in ($2, $3) and d = 1"
        );
    }

    #[test]
    fn values_come_in_rows() {
        let mut query = QueryBuilder::new("insert into t ");
        query.push_values([(1, "a"), (2, "b")], |mut row, (number, text)| {
            row.push_bind(number).push_bind(text);
        });
        query.push(" returning n");
        let Query { text, values, .. } = query.build();
        let (AssertSqlSafe(text), _) = for_postgres(text, values).unwrap();
        assert_eq!(text, "insert into t values ($1, $2), ($3, $4) returning n");
    }

    #[test]
    fn the_zero_character_is_kept_as_another() {
        assert_eq!(without_zero("a\0b".to_owned()), "a\u{fffd}b");
        assert_eq!(without_zero("ab".to_owned()), "ab");
    }
}
