//! Faults that are planted, to see that the simulation finds them.

/// Faults that are put into the program's ways on purpose, to see that they are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// Nodes fall silent only after the others may have taken their leases.
    LateMute,
    /// Whether a node lives is looked at, and only then, in a second step, its lease is taken.
    TakenWithoutLock,
    /// A node that is back sends on without looking what was taken from it.
    NoLookAfterSilence,
    /// A node is not told that it was held for gone; it knows only what its own clock says.
    NoEras,
    /// Nodes are not told that the log went back.
    LogSeemsWhole,
}
