//! What the worker that asks the feed keeps for the others.

use super::super::compact::{MAX_COMPACT, Snapshot};
use super::super::page::PageId;
use super::super::sync::{Changes, InForce, Position};
use super::board::{Board, Kept, Step};
use super::{RING, SharedData, SharedDataFailed, Shelf};
use crate::policy::Policy;

/// Keeps pages and snapshots, and the board that names them. It begins with the board that is there, so that a worker that
/// takes over goes on where another one stopped.
#[derive(Debug)]
pub struct Keeper {
    shelf: Shelf,
    board: Option<Board>,
    /// The slot that is written next.
    slot: u8,
    /// Pages that were kept since the last step.
    pages: Vec<(u8, PageId)>,
    /// Whether more pages came than the ring has slots.
    is_overrun: bool,
    writing: Option<Writing>,
    /// The longest page of a snapshot.
    page_limit: usize,
}

/// A snapshot that is being written.
#[derive(Debug)]
struct Writing {
    snapshot: Snapshot,
    since: Position,
    generation: u8,
    pages: Vec<PageId>,
}

impl Keeper {
    /// Begins with what is there.
    #[must_use]
    pub fn new(shelf: Shelf, board: Option<Board>) -> Self {
        let latest = board.as_ref().and_then(|board| board.steps.last());
        let slot = latest.and_then(|step| step.pages.last());
        Self {
            shelf,
            slot: slot.map_or(0, |(slot, _)| (slot + 1) % RING),
            board,
            pages: Vec::new(),
            is_overrun: false,
            writing: None,
            page_limit: MAX_COMPACT,
        }
    }

    /// What the others are to be told: [`Board::store`] it after [`Keeper::contacted`], [`Keeper::switched`], and
    /// whenever [`Keeper::write_snapshot`] says so.
    #[must_use]
    pub fn board(&self) -> Option<&Board> {
        self.board.as_ref()
    }

    #[cfg(test)]
    pub(super) fn with_page_limit(mut self, limit: usize) -> Self {
        self.page_limit = limit;
        self
    }

    /// Forgets the pages of a head that was given up or refused, or has just begun.
    pub fn begin(&mut self) {
        self.pages.clear();
        self.is_overrun = false;
    }

    /// Keeps a page of the feed that came right. In a snapshot or a long list of changes only the first few are kept, since
    /// the others will not be read from here.
    ///
    /// # Errors
    /// [`SharedDataFailed`] as the host's.
    pub fn keep_page(
        &mut self,
        data: &mut dyn SharedData,
        page: PageId,
        body: &[u8],
    ) -> Result<(), SharedDataFailed> {
        if self.pages.len() >= usize::from(RING) {
            self.is_overrun = true;
            return Ok(());
        }
        let slot = self.slot;
        self.slot = (slot + 1) % RING;
        // What the slot held is gone, and so is the way through it.
        if let Some(board) = &mut self.board {
            let lost = |step: &Step| step.pages.iter().any(|(other, _)| *other == slot);
            let kept = board
                .steps
                .iter()
                .rposition(lost)
                .map_or(0, |last| last + 1);
            board.steps.drain(..kept);
        }
        data.set(&self.shelf.ring(slot), body, None)?;
        self.pages.push((slot, page));
        Ok(())
    }

    /// Notes that the policy in force was found to be the latest.
    pub fn contacted(&mut self, policy: InForce) {
        match &mut self.board {
            Some(board) if board.policy.position == policy.position => board.policy = policy,
            _ => self.switched(None, policy),
        }
    }

    /// Notes that another policy came into force: by these changes, whose pages were kept since [`Keeper::begin`], or, if
    /// that is `None`, as a whole.
    pub fn switched(&mut self, changes: Option<&Changes>, policy: InForce) {
        let kept = std::mem::take(&mut self.pages);
        let is_overrun = std::mem::take(&mut self.is_overrun);
        // They may have come in another order than that in which they apply.
        let find = |page: &PageId| kept.iter().find(|(_, other)| other == page).copied();
        let pages =
            changes.and_then(|changes| changes.pages.iter().map(find).collect::<Option<Vec<_>>>());
        let base = changes.map(|changes| changes.base);
        let board = self.board.get_or_insert_with(|| Board {
            policy,
            steps: Vec::new(),
            snapshot: None,
        });
        let continues = base == Some(board.policy.position);
        board.policy = policy;
        match (base, pages) {
            (Some(base), Some(pages)) if continues && !is_overrun => {
                board.steps.push(Step {
                    base,
                    policy,
                    pages,
                });
                // Steps without pages hold no slot, so the ring does not bound them.
                let surplus = board.steps.len().saturating_sub(usize::from(RING));
                board.steps.drain(..surplus);
            }
            _ => board.steps.clear(),
        }
        // What is written so far is still good if the changes since it was begun are kept.
        self.writing = self
            .writing
            .take()
            .filter(|writing| board.steps_since(writing.since).is_some());
        if let Some(writing) = &mut self.writing {
            writing.snapshot.policy_changed();
        }
    }

    /// Whether the others need another snapshot: there is none, or no way from it to the policy in force, or so long a one
    /// that it will soon be none.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        let Some(board) = &self.board else {
            return false;
        };
        let kept = board.snapshot.as_ref();
        let steps = kept.and_then(|kept| board.steps_since(kept.since));
        let pages = |step: &Step| step.pages.len().max(1);
        steps.is_none_or(|steps| steps.iter().map(pages).sum::<usize>() > usize::from(RING) / 2)
    }

    /// Writes the next page of a snapshot, if one is needed. The policy must be the one of which this was told last. Returns
    /// whether a snapshot is finished, so that the board names it.
    ///
    /// # Errors
    /// [`SharedDataFailed`] as the host's; the snapshot is then begun anew.
    pub fn write_snapshot(
        &mut self,
        data: &mut dyn SharedData,
        policy: &Policy,
    ) -> Result<bool, SharedDataFailed> {
        if !self.needs_snapshot() {
            return Ok(false);
        }
        let Some(board) = &mut self.board else {
            return Ok(false);
        };
        let mut writing = self.writing.take().unwrap_or_else(|| Writing {
            snapshot: Snapshot::with_limit(self.page_limit),
            since: board.policy.position,
            // Never the one that the board names.
            generation: board
                .snapshot
                .as_ref()
                .map_or(0, |kept| 1 - kept.generation.min(1)),
            pages: Vec::new(),
        });
        if let Some(page) = writing.snapshot.next_page(policy) {
            let key = self.shelf.snapshot(writing.generation, writing.pages.len());
            data.set(&key, &page.body, None)?;
            writing.pages.push(page.id);
            self.writing = Some(writing);
            return Ok(false);
        }
        board.snapshot = Some(Kept {
            since: writing.since,
            generation: writing.generation,
            pages: writing.pages,
        });
        Ok(true)
    }
}
