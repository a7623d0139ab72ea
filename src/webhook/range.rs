//! Ranges that are sent again: read on, as many messages as find room to wait.

use crate::{
    gate::filter::Filter,
    hub::node::Hub,
    model::{
        signal::{self, Facets},
        time::Time,
    },
    store::{db::Db, hook_messages::Range},
};

/// Rows that are looked at in one go.
const ROWS: usize = 128;

/// Why something could not be read.
pub type Unread = Box<dyn std::error::Error + Send + Sync>;

/// Part of a range.
pub struct Part {
    /// Which, as it stood.
    pub range: Range,
    /// All up to here is among the signals, or need not be sent.
    pub sent_to: i64,
    /// By seq and id.
    pub signals: Vec<(i64, String)>,
}

/// Messages of a range that failed since a moment.
pub async fn failed_part(
    db: &Db,
    id: &str,
    range: Range,
    since: Time,
    room: usize,
) -> Result<Part, Unread> {
    let most = i64::try_from(room)?;
    let failed = db.failed_in(id, &range, since, most).await?;
    let last = failed.last().filter(|_| failed.len() == room);
    Ok(Part {
        range,
        sent_to: last.map_or(range.until, |message| message.seq),
        signals: failed
            .into_iter()
            .map(|message| (message.seq, message.signal_id))
            .collect(),
    })
}

/// Signals of a range that pass a filter.
pub async fn log_part(
    hub: &Hub,
    filter: &Filter,
    range: Range,
    room: usize,
) -> Result<Part, Unread> {
    let rows = hub.log.after(range.sent_to, ROWS).await?.rows;
    let last = rows.last().filter(|_| rows.len() == ROWS);
    let mut part = Part {
        range,
        sent_to: last.map_or(range.until, |row| row.seq.min(range.until)),
        signals: Vec::new(),
    };
    for row in rows.iter().take_while(|row| row.seq <= range.until) {
        if part.signals.len() == room {
            part.sent_to = row.seq - 1;
            break;
        }
        if filter.passes(&Facets::of(&row.body)) {
            let id = signal::id_of(signal::wire(row).as_bytes());
            part.signals.push((row.seq, id.unwrap_or_default()));
        }
    }
    Ok(part)
}
