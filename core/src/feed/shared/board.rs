//! What a worker tells the others: which policy there is, and where it is kept.

use thiserror::Error;

use super::super::moment::Moment;
use super::super::page::PageId;
use super::super::sync::{InForce, Position, Shared, SharedPages};
use super::{LocalKey, SharedData, SharedDataFailed, Shelf};
use crate::policy::Digest;
use crate::time::Timestamp;

/// The version of the form. A worker of another version keeps its own counsel.
const FORM: u8 = 1;

/// The longest board that is read, in bytes. What a worker writes is far below: [`RING`](super::RING)
/// steps and pages, and a snapshot as large as a head can be. Anything longer is not worth its hash.
const MAX_BOARD: usize = 256 * 1024;

/// Which policy there is, and where it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Board {
    /// What is in force at the worker that wrote this.
    pub policy: InForce,
    /// The latest changes, oldest first; each begins where the one before ended.
    pub(super) steps: Vec<Step>,
    pub(super) snapshot: Option<Kept>,
}

/// Changes from one policy to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Step {
    pub(super) base: Position,
    pub(super) policy: InForce,
    /// The slots of the ring, and the pages in them.
    pub(super) pages: Vec<(u8, PageId)>,
}

/// A snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Kept {
    /// What was in force when it was begun: with the changes since, it is the policy.
    pub(super) since: Position,
    pub(super) generation: u8,
    pub(super) pages: Vec<PageId>,
}

impl Board {
    /// Reads the board, if there is one.
    ///
    /// # Errors
    /// [`BoardFault`] if it was not written by a worker of this gateway and version.
    pub fn load(
        data: &dyn SharedData,
        shelf: Shelf,
        key: &LocalKey,
    ) -> Result<Option<Self>, BoardFault> {
        let Some((value, _)) = data.get(&shelf.board())? else {
            return Ok(None);
        };
        if value.len() > MAX_BOARD {
            return Err(BoardFault::Forged);
        }
        let (tag, body) = value.split_first_chunk().ok_or(BoardFault::Forged)?;
        if !key.verifies(shelf, body, tag) {
            return Err(BoardFault::Forged);
        }
        let mut reader = Reader(body);
        let board = reader.board().filter(|_| reader.0.is_empty());
        board.map(Some).ok_or(BoardFault::Form)
    }

    /// Writes the board. Two workers that write are harmless: each writes what is so.
    ///
    /// # Errors
    /// [`SharedDataFailed`] as the host's.
    pub fn store(
        &self,
        data: &mut dyn SharedData,
        shelf: Shelf,
        key: &LocalKey,
    ) -> Result<(), SharedDataFailed> {
        let body = self.write();
        let value = [&key.tag(shelf, &body)[..], &body].concat();
        data.set(&shelf.board(), &value, None).map(|_| ())
    }

    /// What a worker should read whose policy in force has this position: changes if it can, else the whole. `None` if
    /// there is nothing newer.
    #[must_use]
    pub fn offer(&self, own: Option<Position>) -> Option<Shared> {
        let steps = self.steps.iter();
        let changes = steps.rev().find(|step| Some(step.base) == own);
        if let Some(step) = changes {
            let pages = step.pages.iter().map(|(_, page)| *page).collect();
            return Some(Shared {
                policy: step.policy,
                pages: SharedPages::Changes(step.base, pages),
            });
        }
        if own >= Some(self.policy.position) {
            return None;
        }
        let kept = self.snapshot.as_ref()?;
        let mut pages = kept.pages.clone();
        for step in self.steps_since(kept.since)? {
            pages.extend(step.pages.iter().map(|(_, page)| *page));
        }
        Some(Shared {
            policy: self.policy,
            pages: SharedPages::Whole(pages),
        })
    }

    /// The steps from a position to the policy in force, if all of them are kept.
    pub(super) fn steps_since(&self, since: Position) -> Option<&[Step]> {
        if since == self.policy.position {
            return Some(&[]);
        }
        let first = self.steps.iter().position(|step| step.base == since)?;
        self.steps.get(first..)
    }

    /// The bytes of a page that the board names, if they are there. Whether they are right is for their reader to say.
    ///
    /// # Errors
    /// [`SharedDataFailed`] as the host's.
    pub fn page(
        &self,
        data: &dyn SharedData,
        shelf: Shelf,
        page: PageId,
    ) -> Result<Option<Vec<u8>>, SharedDataFailed> {
        let steps = self.steps.iter().flat_map(|step| &step.pages);
        let mut slots = steps.filter(|(_, id)| *id == page).map(|(slot, _)| *slot);
        let key = slots.next().map(|slot| shelf.ring(slot)).or_else(|| {
            let kept = self.snapshot.as_ref()?;
            let place = kept.pages.iter().position(|id| *id == page)?;
            Some(shelf.snapshot(kept.generation, place))
        });
        let Some(key) = key else {
            return Ok(None);
        };
        Ok(data.get(&key)?.map(|(value, _)| value))
    }

    fn write(&self) -> Vec<u8> {
        let mut to = vec![FORM];
        write_policy(&self.policy, &mut to);
        to.push(self.steps.len() as u8);
        for step in &self.steps {
            write_position(step.base, &mut to);
            write_policy(&step.policy, &mut to);
            to.push(step.pages.len() as u8);
            for (slot, page) in &step.pages {
                to.push(*slot);
                to.extend(page.as_bytes());
            }
        }
        if let Some(kept) = &self.snapshot {
            write_position(kept.since, &mut to);
            to.push(kept.generation);
            for page in &kept.pages {
                to.extend(page.as_bytes());
            }
        }
        to
    }
}

fn write_position(position: Position, to: &mut Vec<u8>) {
    to.extend(position.epoch.to_be_bytes());
    to.extend(position.revision.to_be_bytes());
}

fn write_policy(policy: &InForce, to: &mut Vec<u8>) {
    write_position(policy.position, to);
    to.extend(policy.digest.to_bytes());
    to.extend(policy.issued_at.as_secs().to_be_bytes());
    to.extend(policy.contact.as_millis().to_be_bytes());
}

/// Reads from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn board(&mut self) -> Option<Board> {
        if self.byte()? != FORM {
            return None;
        }
        let policy = self.policy()?;
        let steps = (0..self.byte()?)
            .map(|_| self.step())
            .collect::<Option<_>>()?;
        let snapshot = if self.0.is_empty() {
            None
        } else {
            Some(Kept {
                since: self.position()?,
                generation: self.byte()?,
                pages: std::iter::from_fn(|| self.take().map(PageId::from_bytes)).collect(),
            })
        };
        Some(Board {
            policy,
            steps,
            snapshot,
        })
    }

    fn step(&mut self) -> Option<Step> {
        let (base, policy) = (self.position()?, self.policy()?);
        let page = |reader: &mut Self| Some((reader.byte()?, PageId::from_bytes(reader.take()?)));
        let pages = (0..self.byte()?)
            .map(|_| page(self))
            .collect::<Option<_>>()?;
        Some(Step {
            base,
            policy,
            pages,
        })
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position {
            epoch: self.number()?,
            revision: self.number()?,
        })
    }

    fn policy(&mut self) -> Option<InForce> {
        Some(InForce {
            position: self.position()?,
            digest: Digest::from_bytes(self.take()?),
            issued_at: Timestamp::from_secs(self.number()?),
            contact: Moment::from_millis(self.number()?),
        })
    }
}

/// Why a board is not read.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum BoardFault {
    /// The host failed.
    #[error(transparent)]
    Failed(#[from] SharedDataFailed),
    /// No worker with the same root keys wrote it.
    #[error("something else writes in this gateway's shared data: use a vm_id of its own")]
    Forged,
    /// A worker of another version wrote it.
    #[error("the gateway's shared data are of another version")]
    Form,
}
