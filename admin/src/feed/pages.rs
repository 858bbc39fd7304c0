//! Pages in memory.

use std::collections::VecDeque;

use axum::body::Bytes;
use postern_core::feed::{Page, PageId, PageWriter};
use tokio::sync::Mutex;

use super::Known;
use super::shelf::Shelf;
use crate::registry::{Log, LogReader, Position, Registry, RegistryError};

/// Pages of changes that somebody asked for are kept until they have more bytes than this together; then the oldest go.
/// Whoever still wants one of those asks for a head again.
const CHANGES_LIMIT: usize = 64 << 20;

/// A snapshot is made anew when more changes came after it than this, and than a quarter of the records in it.
const SNAPSHOT_LAG: u64 = 10_000;

/// Pages, and the lists of them that heads name.
///
/// A snapshot of a big policy takes seconds to be written. Who needs it waits for it; who needs only changes, or a page, does
/// not. Locks are taken before a connection to the database is, so that those who wait hold none.
#[derive(Debug, Default)]
pub(super) struct Pages {
    shelf: Shelf,
    snapshot: Mutex<Option<Snapshot>>,
    changes: Mutex<KeptChanges>,
}

/// The whole policy at a revision.
#[derive(Debug)]
struct Snapshot {
    epoch: u64,
    revision: u64,
    records: u64,
    pages: Vec<PageId>,
}

#[derive(Debug, Default)]
struct KeptChanges {
    /// The oldest first.
    lists: VecDeque<Changes>,
    bytes: usize,
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

/// Pages that lead to a position.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) position: Position,
    pub(super) pages: Vec<PageId>,
    /// They are the whole policy.
    pub(super) reset: bool,
}

impl Pages {
    /// The pages for whoever has `known`.
    pub(super) async fn after(
        &self,
        registry: &Registry,
        known: Known,
    ) -> Result<Way, RegistryError> {
        let position = registry.position();
        if is_latest(known, position) {
            return Ok(Way {
                position,
                pages: Vec::new(),
                reset: false,
            });
        }
        if known.epoch == position.epoch
            && known.revision > 0
            && let Some(way) = self.changes_after(registry, known).await?
        {
            return Ok(way);
        }
        self.whole(registry).await
    }

    /// A page that a head of late named.
    pub(super) fn get(&self, id: PageId) -> Option<Bytes> {
        self.shelf.get(id)
    }

    /// The pages of the changes after a revision, unless they are no longer known.
    async fn changes_after(
        &self,
        registry: &Registry,
        known: Known,
    ) -> Result<Option<Way>, RegistryError> {
        let mut kept = self.changes.lock().await;
        let position = registry.position();
        if let Some(pages) = kept.find(position, known.revision) {
            return Ok(Some(Way {
                position,
                pages,
                reset: false,
            }));
        }
        let mut log = registry.read_log().await?;
        let position = log.position();
        let follows = known.epoch == position.epoch
            && known.revision <= position.revision
            && known.revision >= log.floor();
        if !follows {
            log.end().await?;
            return Ok(None);
        }
        let pages = self
            .write_changes(&mut kept, &mut log, known.revision)
            .await?;
        log.end().await?;
        Ok(Some(Way {
            position,
            pages,
            reset: false,
        }))
    }

    /// The pages of the whole policy: those of a snapshot, and of what has changed since.
    async fn whole(&self, registry: &Registry) -> Result<Way, RegistryError> {
        let mut snapshot = self.snapshot.lock().await;
        let mut log = registry.read_log().await?;
        let position = log.position();
        let good = snapshot.as_ref().filter(|snapshot| {
            let lag = position.revision.saturating_sub(snapshot.revision);
            snapshot.epoch == position.epoch
                && snapshot.revision <= position.revision
                // What was deleted since must still be known to be.
                && snapshot.revision >= log.floor()
                && (lag <= SNAPSHOT_LAG || lag <= snapshot.records / 4)
        });
        let (since, mut pages) = match good {
            Some(snapshot) => (snapshot.revision, snapshot.pages.clone()),
            None => {
                let written = write(&mut log, 0, Log::WithoutDeletions).await?;
                let pages = self.shelf.put(written);
                let old = snapshot.replace(Snapshot {
                    epoch: position.epoch,
                    revision: position.revision,
                    records: log.record_count().await?,
                    pages: pages.clone(),
                });
                self.shelf.take(old.map_or_else(Vec::new, |old| old.pages));
                (position.revision, pages)
            }
        };
        if since < position.revision {
            let mut kept = self.changes.lock().await;
            pages.extend(self.write_changes(&mut kept, &mut log, since).await?);
        }
        log.end().await?;
        Ok(Way {
            position,
            pages,
            reset: true,
        })
    }

    async fn write_changes(
        &self,
        kept: &mut KeptChanges,
        log: &mut LogReader,
        after: u64,
    ) -> Result<Vec<PageId>, RegistryError> {
        let position = log.position();
        if let Some(pages) = kept.find(position, after) {
            return Ok(pages);
        }
        let written = write(log, after, Log::WithDeletions).await?;
        let bytes = written.iter().map(|page| page.body.len()).sum();
        let pages = self.shelf.put(written);
        kept.bytes += bytes;
        kept.lists.push_back(Changes {
            epoch: position.epoch,
            after,
            until: position.revision,
            pages: pages.clone(),
            bytes,
        });
        while kept.bytes > CHANGES_LIMIT && kept.lists.len() > 1 {
            let Some(oldest) = kept.lists.pop_front() else {
                break;
            };
            kept.bytes -= oldest.bytes;
            self.shelf.take(oldest.pages);
        }
        Ok(pages)
    }
}

impl KeptChanges {
    fn find(&self, position: Position, after: u64) -> Option<Vec<PageId>> {
        let wanted = (position.epoch, after, position.revision);
        // The latest are asked for most.
        let mut lists = self.lists.iter().rev();
        lists
            .find(|changes| (changes.epoch, changes.after, changes.until) == wanted)
            .map(|changes| changes.pages.clone())
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
