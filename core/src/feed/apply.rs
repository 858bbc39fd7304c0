//! From pages to the policy in force, in steps of bounded work.

use thiserror::Error;

use super::download::Download;
use super::page::{PageFault, PageReader};
use crate::policy::{Digest, Phase, Policy, PolicyFault, Reading, StageFault};

/// Reads one head's pages into a policy.
#[derive(Debug)]
pub(super) struct Application {
    reading: Reading,
    /// The digest that the policy must have in the end.
    digest: Digest,
    has_begun: bool,
    /// The page that is being read, and its place among the head's.
    page: Option<(usize, PageReader)>,
    /// Why the policy is to be refused, if that is known already.
    refusal: Option<RefusalReason>,
}

/// What became of a step.
#[derive(Debug)]
pub(super) enum Progress {
    /// The budget is spent, and there is more to do.
    Busy,
    /// The next page is not there yet.
    Waiting,
    /// The policy decides.
    Switched,
    /// The policy was refused, and the one before decides as it did.
    Refused(RefusalReason),
}

impl Application {
    pub(super) fn new(reading: Reading, digest: Digest) -> Self {
        Self {
            reading,
            digest,
            has_begun: false,
            page: None,
            refusal: None,
        }
    }

    /// Says that the policy cannot be read to its end: the next step refuses it.
    pub(super) fn refuse(&mut self, reason: RefusalReason) {
        self.refusal = Some(reason);
    }

    /// Goes on, for about `budget` records.
    pub(super) fn step(
        &mut self,
        policy: &mut Policy,
        download: &mut Download,
        budget: usize,
    ) -> Progress {
        match self.try_step(policy, download, budget) {
            Ok(progress) => progress,
            Err(reason) => {
                policy.abort();
                Progress::Refused(reason)
            }
        }
    }

    fn try_step(
        &mut self,
        policy: &mut Policy,
        download: &mut Download,
        budget: usize,
    ) -> Result<Progress, RefusalReason> {
        if let Some(reason) = self.refusal.take() {
            return Err(reason);
        }
        if !self.has_begun {
            if policy.phase() != Phase::Settled {
                // What is left of the reading before, which may have been given up.
                policy.abort();
                policy.advance(budget).map_err(RefusalReason::Policy)?;
                return Ok(Progress::Busy);
            }
            policy
                .begin(self.reading)
                .map_err(|_| RefusalReason::Disturbed)?;
            self.has_begun = true;
        }
        match policy.phase() {
            Phase::Open => self.read(policy, download, budget),
            Phase::Checked if policy.staged_digest() != self.digest => Err(RefusalReason::Digest {
                announced: self.digest,
                reached: policy.staged_digest(),
            }),
            Phase::Checked => {
                policy.switch().map_err(|_| RefusalReason::Disturbed)?;
                Ok(Progress::Switched)
            }
            Phase::Settled | Phase::Settling => Err(RefusalReason::Disturbed),
            _ => {
                policy.advance(budget).map_err(RefusalReason::Policy)?;
                Ok(Progress::Busy)
            }
        }
    }

    fn read(
        &mut self,
        policy: &mut Policy,
        download: &mut Download,
        budget: usize,
    ) -> Result<Progress, RefusalReason> {
        let mut left = budget;
        while left > 0 {
            let Some((place, reader)) = &mut self.page else {
                self.page = download.take();
                if self.page.is_some() {
                    continue;
                }
                if !download.is_done() {
                    return Ok(Progress::Waiting);
                }
                policy.close().map_err(|_| RefusalReason::Disturbed)?;
                return Ok(Progress::Busy);
            };
            let place = *place;
            let entry = match reader.next_entry() {
                None => {
                    self.page = None;
                    continue;
                }
                Some(entry) => entry.map_err(|fault| RefusalReason::Page { place, fault })?,
            };
            policy.stage(entry.change()).map_err(|fault| match fault {
                StageFault::Refused(faults) => RefusalReason::Record {
                    place,
                    line: reader.line(),
                    faults,
                },
                _ => RefusalReason::Disturbed,
            })?;
            left -= 1;
        }
        Ok(Progress::Busy)
    }
}

/// Why a policy was refused as a whole. Pages are counted from 0, as in the head; lines from 1.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// A page that is what its name says, and cannot be read.
    #[error("pages[{place}]: {fault}")]
    Page {
        /// Its place in the head.
        place: usize,
        /// What is wrong with it.
        fault: PageFault,
    },
    /// A record that is at odds with itself, or with what can never change.
    #[error("pages[{place}]: line {line}: {}", told(.faults))]
    Record {
        /// Its page's place in the head.
        place: usize,
        /// Its line.
        line: usize,
        /// What is wrong with it.
        faults: Vec<PolicyFault>,
    },
    /// What does not hold between records.
    #[error("{}", told(.0))]
    Policy(Vec<PolicyFault>),
    /// The pages lead to another policy than the publisher has: one of the two has a defect, or they are not changes of
    /// what this gateway has.
    #[error(
        "the pages lead to a policy with digest {}, and the head says {}",
        .reached.to_hex(),
        .announced.to_hex()
    )]
    Digest {
        /// What the head says.
        announced: Digest,
        /// What the pages give.
        reached: Digest,
    },
    /// Something else changed the policy meanwhile.
    #[error("something else changed the policy while it was read")]
    Disturbed,
}

fn told(faults: &[PolicyFault]) -> String {
    match faults {
        [] => String::new(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first} (and {} more)", others.len()),
    }
}
