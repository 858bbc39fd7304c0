//! Why an answer, or a policy, was not taken.

use thiserror::Error;

use super::super::apply::RefusalReason;
use super::super::head::HeadFault;
use super::super::page::{PageFault, PageId};
use super::Position;
use crate::random::RandomFailed;

/// Why an answer could not be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SyncFault {
    /// Nothing was asked, or the answer came too late.
    #[error("an answer came to a request that is over")]
    NotAsked,
    /// The head is not believed.
    #[error(transparent)]
    Head(#[from] HeadFault),
    /// The head is older than what the same feed told before: a copy, a restored database without a new epoch, or a
    /// replica that is behind.
    #[error(
        "the head is at revision {position}, and there was {latest} before; after a restored backup the epoch must grow"
    )]
    Rollback {
        /// That of the head.
        position: Position,
        /// The latest one so far.
        latest: Position,
    },
    /// Everything was asked for, and the head says that its pages are not that.
    #[error("the head's pages are not the whole policy, which was asked for")]
    NotWhole,
    /// A new epoch has no changes of an old one.
    #[error("the head begins a new epoch, and its pages are not the whole policy")]
    EpochWithoutReset,
    /// The policy is not the one that the publisher has at that revision.
    #[error("the policy in force is not the one that the head says is revision {0}")]
    OtherDigest(Position),
    /// A page cannot be used.
    #[error("page {0}: {1}")]
    Page(PageId, PageFault),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// A policy that was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("revision {position} is refused: {reason}")]
pub struct Refusal {
    /// Which.
    pub position: Position,
    /// Why.
    pub reason: RefusalReason,
    /// Whether it is now read from 0, as is done once. Otherwise nothing is tried until there is a newer one.
    pub is_retried: bool,
}
