//! What the workers of one gateway share, so that one of them reads the feed for all.
//!
//! A host keeps values by key for all workers of a process. Any plugin that says it is in the same VM can write there, so
//! nothing that is read is believed by itself: the [`Board`] carries a MAC, pages have their hash for a name, and the
//! worst that a [`lease`](holds_lease) can be made to do is to have more workers ask the feed than need to, or to have
//! them wait until their policy is late.
//!
//! A host cannot delete values. So keys are few and used again: one lease, one board, a ring of [`RING`] pages with the
//! latest changes, and the pages of two snapshots, of which the board names one while the other is being written.

mod board;
mod keeper;
mod lease;
mod local_key;
#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use self::board::{Board, BoardFault};
pub use self::keeper::Keeper;
pub use self::lease::{LEASE, Worker, holds_lease};
pub use self::local_key::LocalKey;
use crate::hex;

/// How many pages with changes are kept.
pub const RING: u8 = 64;

/// Values by key, for all workers of a process: `proxy_get_shared_data` and `proxy_set_shared_data`.
pub trait SharedData {
    /// A value, and what to hand to [`SharedData::set`] if it must still be this one; `None` if there is none.
    ///
    /// # Errors
    /// [`SharedDataFailed`] if the host failed, or has no such thing.
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, SharedDataFailed>;

    /// Sets a value; with `unchanged`, only if it is still the one that was read. Returns whether it did.
    ///
    /// # Errors
    /// [`SharedDataFailed`] as above.
    fn set(
        &mut self,
        key: &str,
        value: &[u8],
        unchanged: Option<u32>,
    ) -> Result<bool, SharedDataFailed>;
}

/// The host's shared data cannot be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the host's shared data cannot be used")]
pub struct SharedDataFailed;

/// The keys of one sync source: two sources never meet.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Shelf([u8; 8]);

impl Shelf {
    /// That of a source: all that makes a difference to what its policy may be.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let hash: [u8; 32] = hasher.finalize().into();
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    fn lease(self) -> String {
        format!("{self}.lease")
    }

    fn board(self) -> String {
        format!("{self}.board")
    }

    fn ring(self, slot: u8) -> String {
        format!("{self}.ring.{slot}")
    }

    fn snapshot(self, generation: u8, place: usize) -> String {
        format!("{self}.snapshot.{generation}.{place}")
    }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postern.")?;
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({self})")
    }
}
