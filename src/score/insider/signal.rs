//! What a scored declaration is called on the stream.

use uuid::Uuid;

use super::record::Direction;

/// From this score on a fresh declaration makes a signal, unless it is set otherwise; points.
pub const SIGNAL_SCORE: u32 = 40;

/// The `signal_type`.
#[must_use]
pub fn signal_type(direction: Direction, is_cluster: bool) -> &'static str {
    match (direction, is_cluster) {
        (Direction::Buy, false) => "insider_buy",
        (Direction::Sell, false) => "insider_sell",
        (Direction::Buy, true) => "insider_cluster_buy",
        (Direction::Sell, true) => "insider_cluster_sell",
    }
}

/// The id: the same declaration makes one signal, however often it is scored.
#[must_use]
pub fn signal_id(amf_id: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("insider|{amf_id}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_declaration_alone() {
        // uuid5(NAMESPACE_URL, …) of Python's standard library
        assert_eq!(
            signal_id("SEC:0001127602-25-009876").to_string(),
            "febccbbb-1f2d-52e4-ba41-32bf23a4d68f"
        );
        assert_eq!(signal_type(Direction::Sell, true), "insider_cluster_sell");
    }
}
