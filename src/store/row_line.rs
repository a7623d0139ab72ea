//! A row of any table, as a line of NDJSON and back: the same line on every database.

use serde_json::value::RawValue;
use sqlx::{
    Column as _, Database, Decode, Postgres, Row as _, Sqlite, TypeInfo as _, ValueRef as _,
    error::BoxDynError, postgres::PgRow, sqlite::SqliteRow,
};

use super::{
    error::{StoreError, StoreResult},
    sql::{Shape, Value},
    tables::{Kind, SIGNALS, Table},
};
use crate::model::{log::LogRow, time::Time};

/// What a row holds, in the order of its table's columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub(crate) Vec<Value>);

/// Why a line is no row of its table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRow {
    /// It is not what lines of rows look like.
    #[error("a row is a JSON list of {0} values")]
    Shape(usize),
    /// One of its values.
    #[error("{column}: {why}")]
    Value {
        /// Whose.
        column: &'static str,
        /// Why it cannot be.
        why: &'static str,
    },
}

/// A row of whatever columns are asked for. What they hold is seen from the row itself.
pub(crate) struct Any;

impl Shape for Any {
    type Out = Row;

    fn from_sqlite(row: &SqliteRow) -> sqlx::Result<Row> {
        let values = (0..row.len()).map(|at| {
            let raw = row.try_get_raw(at)?;
            if raw.is_null() {
                return Ok(Value::Text(None));
            }
            // of the value, not of the column: SQLite keeps booleans as numbers
            let kind = raw.type_info().name().to_owned();
            let value = match kind.as_str() {
                "REAL" => decoded::<Sqlite, f64>(raw),
                "TEXT" => decoded::<Sqlite, String>(raw),
                "INTEGER" | "BOOLEAN" => decoded::<Sqlite, i64>(raw),
                other => Err(format!("it holds {other}").into()),
            };
            value.map_err(|source| undecoded(row.column(at).name(), source))
        });
        values.collect::<sqlx::Result<_>>().map(Row)
    }

    fn from_postgres(row: &PgRow) -> sqlx::Result<Row> {
        let values = (0..row.len()).map(|at| {
            let raw = row.try_get_raw(at)?;
            if raw.is_null() {
                return Ok(Value::Text(None));
            }
            let kind = raw.type_info().name().to_owned();
            let value = match kind.as_str() {
                "INT8" => decoded::<Postgres, i64>(raw),
                "INT4" => <i32 as Decode<Postgres>>::decode(raw).map(|it| i64::from(it).into()),
                "BOOL" => decoded::<Postgres, bool>(raw),
                "FLOAT8" => decoded::<Postgres, f64>(raw),
                "TEXT" => decoded::<Postgres, String>(raw),
                other => Err(format!("it holds {other}").into()),
            };
            value.map_err(|source| undecoded(row.column(at).name(), source))
        });
        values.collect::<sqlx::Result<_>>().map(Row)
    }
}

fn decoded<'r, D: Database, T: Decode<'r, D> + Into<Value>>(
    raw: D::ValueRef<'r>,
) -> Result<Value, BoxDynError> {
    T::decode(raw).map(Into::into)
}

fn undecoded(column: &str, source: BoxDynError) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source,
    }
}

/// PostgreSQL keeps no such character, and shows another in its place: so it is written, wherever it comes from.
const ZERO: char = '\0';
const SHOWN_ZERO: &str = "\u{fffd}";

impl Row {
    /// How much it holds, in bytes, about.
    pub(crate) fn weight(&self) -> usize {
        let texts = self.0.iter().map(|value| match value {
            Value::Text(Some(text)) => text.len(),
            _ => 8,
        });
        texts.sum()
    }

    /// Its line, without a break.
    pub fn line(&self, table: &Table) -> StoreResult<String> {
        use std::fmt::Write as _;
        let unfit =
            |column: &str, why: &str| StoreError::corrupt(format!("{}.{column}", table.name), why);
        let mut line = String::from("[");
        for (value, column) in self.0.iter().zip(table.columns()) {
            if line.len() > 1 {
                line.push(',');
            }
            // to a String: cannot fail
            let _ = match (column.kind, value) {
                (_, Value::Text(None) | Value::Int(None) | Value::Real(None)) => {
                    line.write_str("null")
                }
                (Kind::Int, Value::Int(Some(it))) => write!(line, "{it}"),
                (Kind::Bool, Value::Bool(it)) => write!(line, "{it}"),
                (Kind::Bool, Value::Int(Some(it @ (0 | 1)))) => write!(line, "{}", *it == 1),
                (Kind::Real, Value::Real(Some(it))) if it.is_finite() => {
                    // SQLite knows no zero below zero
                    line.write_str(&json(&(it + 0.0))?)
                }
                (Kind::Text, Value::Text(Some(it))) if it.contains(ZERO) => {
                    line.write_str(&json(&it.replace(ZERO, SHOWN_ZERO))?)
                }
                (Kind::Text, Value::Text(Some(it))) => line.write_str(&json(it)?),
                _ => return Err(unfit(column.name, "it is of another kind than its column")),
            };
        }
        line.push(']');
        Ok(line)
    }

    /// Reads a row's line.
    pub fn parse(table: &Table, line: &str) -> Result<Self, NoRow> {
        let columns = table.columns();
        let shape = || NoRow::Shape(columns.clone().count());
        let given: Vec<&RawValue> = serde_json::from_str(line).map_err(|_| shape())?;
        if given.len() != columns.clone().count() {
            return Err(shape());
        }
        let read = |(raw, column): (&RawValue, super::tables::Column)| {
            let value = value(column.kind, raw.get());
            value.map_err(|why| NoRow::Value {
                column: column.name,
                why,
            })
        };
        let values = given.into_iter().zip(columns.clone()).map(read);
        values.collect::<Result<_, _>>().map(Row)
    }

    /// The row of the log that it is; `None` where it is none.
    #[must_use]
    pub fn log_row(&self, table: &Table) -> Option<LogRow> {
        if table.name != SIGNALS {
            return None;
        }
        Some(LogRow {
            seq: self.int(table, "seq")?,
            published_at: Time(self.int(table, "published_at")?),
            body: self.text(table, "body")?.into(),
        })
    }

    /// The whole number in a column; `None` where there is none.
    #[must_use]
    pub fn int(&self, table: &Table, column: &str) -> Option<i64> {
        match self.0.get(table.place(column)?)? {
            Value::Int(it) => *it,
            _ => None,
        }
    }

    /// The text in a column; `None` where there is none.
    #[must_use]
    pub fn text(&self, table: &Table, column: &str) -> Option<&str> {
        match self.0.get(table.place(column)?)? {
            Value::Text(it) => it.as_deref(),
            _ => None,
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    // proof: a finite number or a text always serialises
    serde_json::to_string(value).map_err(|error| StoreError::corrupt("a value", error))
}

/// Numbers are read here and not by the JSON reader, which may be off by the last bit of a double.
fn value(kind: Kind, text: &str) -> Result<Value, &'static str> {
    let none = text == "null";
    match kind {
        Kind::Int if none => Ok(Value::Int(None)),
        Kind::Real if none => Ok(Value::Real(None)),
        Kind::Text if none => Ok(Value::Text(None)),
        Kind::Int => text
            .parse()
            .map(|it| Value::Int(Some(it)))
            .map_err(|_| "a whole number of 64 bits is expected, or null"),
        Kind::Real => match text.parse::<f64>() {
            Ok(it) if it.is_finite() && !text.starts_with('"') => Ok(Value::Real(Some(it))),
            _ => Err("a number is expected, or null"),
        },
        Kind::Bool => text
            .parse()
            .map(Value::Bool)
            .map_err(|_| "true or false is expected"),
        Kind::Text => match serde_json::from_str::<String>(text) {
            Ok(it) if it.contains(ZERO) => Err("a text holds the character U+0000"),
            Ok(it) => Ok(Value::Text(Some(it))),
            Err(_) => Err("a text is expected, or null"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tables::{Column, Rows};
    use proptest::prelude::*;

    const ALL: Table = Table {
        name: "all",
        key: &[Column {
            name: "i",
            kind: Kind::Int,
        }],
        rest: &[
            Column {
                name: "r",
                kind: Kind::Real,
            },
            Column {
                name: "b",
                kind: Kind::Bool,
            },
            Column {
                name: "t",
                kind: Kind::Text,
            },
        ],
        without: &[],
        rows: Rows::Given,
    };

    fn row(i: Option<i64>, r: Option<f64>, b: bool, t: Option<&str>) -> Row {
        Row(vec![i.into(), r.into(), b.into(), t.into()])
    }

    #[test]
    fn values_are_spelled_alike_whichever_database_they_come_from() {
        let line = |row: &Row| row.line(&ALL).unwrap();
        assert_eq!(
            line(&row(Some(i64::MIN), Some(94.2), true, Some("é\"\n"))),
            r#"[-9223372036854775808,94.2,true,"é\"\n"]"#
        );
        assert_eq!(
            line(&row(None, None, false, None)),
            "[null,null,false,null]"
        );
        // as SQLite has them: a boolean as a number, no kind for what is null; and what it or PostgreSQL cannot keep
        let none = || Value::Text(None);
        let other = Row(vec![none(), none(), Value::Int(Some(1)), none()]);
        assert_eq!(line(&other), "[null,null,true,null]");
        let odd = row(Some(1), Some(-0.0), true, Some("a\0b"));
        assert_eq!(line(&odd), "[1,0.0,true,\"a\u{fffd}b\"]");
        for bad in [
            row(Some(1), Some(f64::NAN), true, None),
            row(Some(1), Some(f64::INFINITY), true, None),
            Row(vec![
                Value::Real(Some(1.0)),
                none(),
                Value::Bool(true),
                none(),
            ]),
            Row(vec![none(), none(), Value::Int(Some(2)), none()]),
            Row(vec![none(), none(), Value::Bool(true), Value::Int(Some(1))]),
        ] {
            assert!(bad.line(&ALL).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_row_is_named() {
        for (line, why) in [
            ("", "a JSON list of 4 values"),
            ("{}", "a JSON list of 4 values"),
            ("[1,1,true]", "a JSON list of 4 values"),
            ("[1,1,true,\"\",1]", "a JSON list of 4 values"),
            ("[1,1,true,\"\"", "a JSON list of 4 values"),
            ("[1.5,1,true,\"\"]", "i: a whole number"),
            ("[9223372036854775808,1,true,\"\"]", "i: a whole number"),
            ("[\"1\",1,true,\"\"]", "i: a whole number"),
            ("[1,\"1\",true,\"\"]", "r: a number"),
            ("[1,1e999,true,\"\"]", "r: a number"),
            ("[1,1,1,\"\"]", "b: true or false"),
            ("[1,1,null,\"\"]", "b: true or false"),
            ("[1,1,true,1]", "t: a text"),
            ("[1,1,true,\"\\u0000\"]", "t: a text holds"),
        ] {
            let error = Row::parse(&ALL, line).unwrap_err().to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn comes_back_from_its_line(
            i in any::<Option<i64>>(),
            r in prop::option::of(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO),
            b in any::<bool>(),
            t in any::<Option<String>>(),
        ) {
            let text = t.as_deref().map(|t| t.replace('\0', ""));
            let one = row(i, r, b, text.as_deref());
            let line = one.line(&ALL).unwrap();
            prop_assert!(!line.contains(['\n', '\r']));
            let read = Row::parse(&ALL, &line).unwrap();
            prop_assert_eq!(&read, &one);
            prop_assert_eq!(read.line(&ALL).unwrap(), line);
        }

        #[test]
        fn never_panics(line in "\\PC{0,60}|\\[([0-9a-z\",.-]{0,8},){3}[ -~]{0,9}\\]") {
            let _ = Row::parse(&ALL, &line);
        }
    }
}
