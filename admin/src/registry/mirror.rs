//! The policy in memory, as it stands in the database: what a change is checked against, as every gateway will check it.

use postern_core::feed::Entry;
use postern_core::policy::{OutOfTurn, Phase, Policy, PolicyFault, Reading, StageFault};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::log::CHUNK;
use super::records::{Kind, RecordKey};
use super::{Position, RegistryError, number};

/// Where the feed stands in the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) epoch: i64,
    pub(super) revision: i64,
    /// Deletions before it are forgotten.
    pub(super) floor: i64,
}

impl Stand {
    /// Reads a row of `epoch, revision, floor`.
    pub(super) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            epoch: row.try_get(0)?,
            revision: row.try_get(1)?,
            floor: row.try_get(2)?,
        })
    }
}

/// The policy in memory.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    policy: Policy,
    epoch: i64,
    revision: i64,
    /// What is in memory may not be what is in the database; everything is read again before the next change.
    is_spoilt: bool,
}

impl Mirror {
    /// Takes one change of the next policy.
    pub(super) fn stage(&mut self, entry: &Entry, key: &RecordKey) -> Result<(), RegistryError> {
        if self.policy.phase() == Phase::Settled {
            self.policy.begin(Reading::Changes)?;
        }
        self.policy
            .stage(entry.change())
            .map_err(|fault| match fault {
                StageFault::Refused(faults) => RegistryError::Refused(
                    faults
                        .into_iter()
                        .map(|fault| PolicyFault {
                            path: format!("{}.{}", key.path(), fault.path),
                            rule: fault.rule,
                        })
                        .collect(),
                ),
                StageFault::OutOfTurn(fault) => fault.into(),
                other => RegistryError::Mirror(other.to_string()),
            })
    }

    /// Checks the next policy as a whole. Without changes there is none, and nothing to check.
    pub(super) fn check(&mut self) -> Result<(), RegistryError> {
        if self.policy.phase() == Phase::Settled {
            return Ok(());
        }
        self.policy.close()?;
        while self.policy.phase() != Phase::Checked {
            self.policy
                .advance(usize::MAX)
                .map_err(RegistryError::Refused)?;
        }
        Ok(())
    }

    /// Makes the next policy the policy.
    pub(super) fn switch(&mut self, epoch: i64, revision: i64) -> Result<(), RegistryError> {
        if self.policy.phase() == Phase::Checked {
            self.policy.switch()?;
        }
        self.settle();
        self.epoch = epoch;
        self.revision = revision;
        Ok(())
    }

    /// Gives the next policy up.
    pub(super) fn abort(&mut self) {
        self.policy.abort();
        self.settle();
    }

    /// Has everything read again before the next change.
    pub(super) fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    pub(super) fn position(&self) -> Position {
        Position {
            epoch: number(self.epoch),
            revision: number(self.revision),
            digest: self.policy.store().digest(),
        }
    }

    /// Reads what another process has changed, or everything after a start or a restored backup.
    pub(super) async fn catch_up(
        &mut self,
        connection: &mut AnyConnection,
        stand: Stand,
    ) -> Result<(), RegistryError> {
        // Deletions before the floor are forgotten: what is in memory from before would keep what they deleted.
        let is_usable = !self.is_spoilt
            && self.epoch == stand.epoch
            && self.revision <= stand.revision
            && self.revision >= stand.floor;
        if !is_usable {
            *self = Self::default();
        }
        if self.revision == stand.revision {
            self.epoch = stand.epoch;
            return Ok(());
        }
        // What comes of a fault half-way is read anew.
        self.is_spoilt = true;
        let mut after = self.revision;
        while after < stand.revision {
            // A big policy as rows takes many times the memory that it takes as a policy.
            let rows = sqlx::query(
                "SELECT revision, kind, id, body FROM record WHERE revision > $1 AND revision <= $2 \
                 ORDER BY revision LIMIT $3",
            )
            .bind(after)
            .bind(stand.revision)
            .bind(CHUNK)
            .fetch_all(&mut *connection)
            .await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get(0)?;
            for row in rows {
                let (kind, id): (String, String) = (row.try_get(1)?, row.try_get(2)?);
                let body: Option<String> = row.try_get(3)?;
                let entry = Kind::read(&kind, &id, body.as_deref())?;
                self.stage(&entry, &RecordKey::of(&entry))?;
            }
        }
        self.check()?;
        self.switch(stand.epoch, stand.revision)?;
        self.is_spoilt = false;
        Ok(())
    }

    fn settle(&mut self) {
        while self.policy.phase() == Phase::Settling {
            // Settling refuses nothing; should it ever, all is read again.
            self.is_spoilt |= self.policy.advance(usize::MAX).is_err();
        }
    }
}

impl From<OutOfTurn> for RegistryError {
    fn from(fault: OutOfTurn) -> Self {
        Self::Mirror(fault.to_string())
    }
}

#[cfg(test)]
mod tests;
