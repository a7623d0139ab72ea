//! Places in the log, as owners name them: looked up, and held against the log that there is.

use super::refusal::{DeskError, DeskResult};
use crate::{
    gate::{endpoint::Start, list_query::Place, pairs::QueryError},
    model::log::{LogHead, LogRow, Position},
    store::db::Db,
};

/// The log's head, as a place.
#[must_use]
pub fn head(head: &LogHead) -> Position {
    Position {
        epoch: head.epoch.clone(),
        seq: head.seq,
    }
}

/// Where a new endpoint stands.
pub fn start(after: Option<Start>, head: &LogHead) -> Result<Position, QueryError> {
    let at = match after {
        None => return Ok(self::head(head)),
        Some(Start::Seq(seq)) => Position {
            epoch: head.epoch.clone(),
            seq,
        },
        Some(Start::At(at)) => at,
    };
    in_log("start_after", &at, head)?;
    Ok(at)
}

/// The seq of a place, if it is one of this log.
fn in_log(field: &str, at: &Position, head: &LogHead) -> Result<i64, QueryError> {
    let epoch = &head.epoch;
    let allowed = if at.epoch != *epoch {
        format!("a place in this log, whose epoch is {epoch}; begin again at {epoch}-0")
    } else if at.seq > head.seq {
        format!("a place in this log, which ends at {epoch}-{}", head.seq)
    } else {
        return Ok(at.seq);
    };
    Err(QueryError::new(field, &at.to_string(), allowed))
}

/// A signal of the log.
pub async fn signal(db: &Db, place: &Place, head: &LogHead) -> DeskResult<LogRow> {
    let row = match place {
        Place::Id(id) => db.signal_by_id(id).await?,
        Place::Position(at) if at.epoch == head.epoch => db.signal_by_seq(at.seq).await?,
        Place::Position(_) => None,
    };
    row.ok_or(DeskError::NoSignal)
}

/// The seq of a place in the log; a field's, which the error names.
pub async fn seq_of(db: &Db, field: &str, place: &Place, head: &LogHead) -> DeskResult<i64> {
    match place {
        Place::Position(at) => Ok(in_log(field, at, head)?),
        Place::Id(id) => match db.signal_by_id(id).await? {
            Some(row) => Ok(row.seq),
            None => {
                let allowed = "the id of a signal in the log, or <epoch>-<seq>";
                Err(QueryError::new(field, id, allowed).into())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_endpoint_begins_where_it_may() {
        let log = LogHead {
            epoch: "1f3c9a2e".into(),
            seq: 7,
            oldest: 3,
        };
        let at = |text: &str| Position::parse(text);
        let begins = |after| start(after, &log).map_err(|error| (error.parameter, error.allowed));
        assert_eq!(begins(None).ok(), at("1f3c9a2e-7"));
        assert_eq!(begins(Some(Start::Seq(0))).ok(), at("1f3c9a2e-0"));
        assert_eq!(begins(Some(Start::Seq(7))).ok(), at("1f3c9a2e-7"));
        let place = at("1f3c9a2e-5").map(Start::At);
        assert_eq!(begins(place).ok(), at("1f3c9a2e-5"));
        for (after, why) in [
            (Some(Start::Seq(8)), "ends at 1f3c9a2e-7"),
            (at("1f3c9a2e-8").map(Start::At), "ends at 1f3c9a2e-7"),
            (at("0000aaaa-5").map(Start::At), "whose epoch is 1f3c9a2e"),
        ] {
            let (field, allowed) = begins(after).unwrap_err();
            assert_eq!(field, "start_after");
            assert!(allowed.contains(why), "{allowed}");
        }
    }
}
