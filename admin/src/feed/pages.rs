//! Pages in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use postern_core::feed::{Page, PageId, PageWriter};

use super::Known;
use crate::registry::{Log, LogReader, Position, Registry, RegistryError};

/// The bytes of a page.
pub type PageBody = Arc<[u8]>;

/// Pages of changes that somebody asked for are kept until they have more bytes than this together; then the oldest go.
/// Whoever still wants one of those asks for a head again.
const CHANGES_LIMIT: usize = 64 << 20;

/// A snapshot is made anew when more changes came after it than this, and than a quarter of the records in it.
const SNAPSHOT_LAG: u64 = 10_000;

/// Pages, and the lists of them that heads name.
#[derive(Debug, Default)]
pub(super) struct Pages {
    bodies: HashMap<PageId, PageBody>,
    snapshot: Option<Snapshot>,
    /// The oldest first.
    changes: VecDeque<Changes>,
    changes_bytes: usize,
}

/// The whole policy at a revision.
#[derive(Debug)]
struct Snapshot {
    epoch: u64,
    revision: u64,
    records: u64,
    pages: Vec<PageId>,
}

/// The changes from one revision to another.
#[derive(Debug)]
struct Changes {
    epoch: u64,
    after: u64,
    until: u64,
    pages: Vec<PageId>,
    bytes: usize,
}

impl Pages {
    /// The pages for whoever has `known`: where they lead, and whether they are the whole policy.
    pub(super) async fn after(
        &mut self,
        registry: &Registry,
        known: Known,
    ) -> Result<(Position, Vec<PageId>, bool), RegistryError> {
        let position = registry.position();
        if is_latest(known, position) {
            return Ok((position, Vec::new(), false));
        }
        let mut log = registry.read_log().await?;
        let position = log.position();
        if is_latest(known, position) {
            return Ok((position, Vec::new(), false));
        }
        let follows = known.epoch == position.epoch
            && known.revision <= position.revision
            && known.revision >= log.floor()
            && known.revision > 0;
        if follows {
            let pages = self.changes(&mut log, known.revision).await?;
            return Ok((position, pages, false));
        }
        let mut pages = Vec::new();
        let since = self.snapshot(&mut log, &mut pages).await?;
        if since < position.revision {
            pages.extend(self.changes(&mut log, since).await?);
        }
        Ok((position, pages, true))
    }

    pub(super) fn get(&self, id: PageId) -> Option<PageBody> {
        self.bodies.get(&id).cloned()
    }

    /// The pages of the changes after a revision.
    async fn changes(
        &mut self,
        log: &mut LogReader,
        after: u64,
    ) -> Result<Vec<PageId>, RegistryError> {
        let position = log.position();
        let kept = self.changes.iter().find(|changes| {
            (changes.epoch, changes.after, changes.until)
                == (position.epoch, after, position.revision)
        });
        if let Some(kept) = kept {
            return Ok(kept.pages.clone());
        }
        let pages = write(log, after, Log::WithDeletions).await?;
        let changes = Changes {
            epoch: position.epoch,
            after,
            until: position.revision,
            bytes: pages.iter().map(|page| page.body.len()).sum(),
            pages: pages.iter().map(|page| page.id).collect(),
        };
        let ids = changes.pages.clone();
        self.changes_bytes += changes.bytes;
        self.changes.push_back(changes);
        self.keep(pages);
        self.drop_old();
        Ok(ids)
    }

    /// Adds the pages of the latest snapshot to `pages`; returns its revision.
    async fn snapshot(
        &mut self,
        log: &mut LogReader,
        pages: &mut Vec<PageId>,
    ) -> Result<u64, RegistryError> {
        let position = log.position();
        let good = self.snapshot.as_ref().filter(|snapshot| {
            let lag = position.revision.saturating_sub(snapshot.revision);
            snapshot.epoch == position.epoch
                && snapshot.revision <= position.revision
                && (lag <= SNAPSHOT_LAG || lag <= snapshot.records / 4)
        });
        if let Some(snapshot) = good {
            pages.extend(&snapshot.pages);
            return Ok(snapshot.revision);
        }
        let written = write(log, 0, Log::WithoutDeletions).await?;
        pages.extend(written.iter().map(|page| page.id));
        if let Some(old) = self.snapshot.take() {
            self.forget(&old.pages);
        }
        self.snapshot = Some(Snapshot {
            epoch: position.epoch,
            revision: position.revision,
            records: log.record_count().await?,
            pages: pages.clone(),
        });
        self.keep(written);
        Ok(position.revision)
    }

    fn keep(&mut self, pages: Vec<Page>) {
        for page in pages {
            self.bodies
                .entry(page.id)
                .or_insert_with(|| page.body.into());
        }
    }

    fn drop_old(&mut self) {
        while self.changes_bytes > CHANGES_LIMIT && self.changes.len() > 1 {
            let Some(oldest) = self.changes.pop_front() else {
                return;
            };
            self.changes_bytes -= oldest.bytes;
            self.forget(&oldest.pages);
        }
    }

    /// Drops bodies that nothing kept names any more.
    fn forget(&mut self, pages: &[PageId]) {
        for id in pages {
            let is_named = self.changes.iter().any(|kept| kept.pages.contains(id))
                || self
                    .snapshot
                    .as_ref()
                    .is_some_and(|kept| kept.pages.contains(id));
            if !is_named {
                self.bodies.remove(id);
            }
        }
    }
}

/// Packs the records that were changed after a revision, in the order of their changes.
async fn write(log: &mut LogReader, after: u64, what: Log) -> Result<Vec<Page>, RegistryError> {
    let mut writer = PageWriter::new();
    let mut pages = Vec::new();
    let mut from = after;
    loop {
        let entries = log.after(from, what).await?;
        let Some(last) = entries.last() else { break };
        from = last.0;
        for (_, entry) in &entries {
            let full = writer.push(entry.change());
            pages.extend(full.map_err(|fault| RegistryError::Mirror(fault.to_string()))?);
        }
    }
    pages.extend(writer.finish());
    Ok(pages)
}

fn is_latest(known: Known, position: Position) -> bool {
    (known.epoch, known.revision) == (position.epoch, position.revision)
}
