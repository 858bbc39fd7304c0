//! Where a feed is.

use std::fmt;

/// An epoch and a revision in it. A later one follows an earlier one; a new epoch follows whatever its revision is.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// Grows when the feed begins anew, after a backup was restored.
    pub epoch: u64,
    /// Grows with every change.
    pub revision: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.revision)
    }
}
