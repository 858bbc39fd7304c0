//! What passes between a [`Sync`](super::Sync) and whoever drives it.

use super::super::moment::Moment;
use super::super::nonce::Nonce;
use super::super::page::PageId;
use super::{InForce, Position, Refusal};
use crate::time::Seconds;

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Next {
    /// Ask for a head.
    Head(HeadRequest),
    /// Ask for a page. Several may be asked for at once: call [`Sync::next`](super::Sync::next) again.
    Page(PageId),
    /// Look for a page among what other workers keep, and hand it in as any other.
    Shared(PageId),
    /// Nothing before this moment, unless an answer comes.
    Wait(Moment),
}

/// A request for a head: `GET /v1/feeds/{feed}?after={revision}&epoch={epoch}&nonce={nonce}`, and `Prefer: wait={wait}`
/// unless that is 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadRequest {
    /// The revision whose successors are asked for; 0 for everything.
    pub after: u64,
    /// The epoch of that revision; 0 for everything.
    pub epoch: u64,
    /// What the head must repeat.
    pub nonce: Nonce,
    /// How long the server may hold the request while there is nothing newer.
    pub wait: Seconds,
}

/// What a head that was believed means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// What is in force is the latest: it is fresh again.
    UpToDate,
    /// Another policy is to be read.
    Reading(Position),
    /// There is nothing newer than the policy that was refused.
    StillRefused(Position),
    /// There is something newer than the policy that was refused; it is asked for next.
    NewerThanRefused(Position),
}

/// What a step of work ended in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// There is nothing to do until an answer comes.
    Idle,
    /// There is more to do.
    Busy,
    /// Another policy decides from now on.
    Switched(InForce),
    /// A policy was refused. The one before decides as it did.
    Refused(Refusal),
}

/// What leads from one policy to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changes {
    /// The policy that is changed.
    pub base: Position,
    /// The feed's pages, in the order in which they apply.
    pub pages: Vec<PageId>,
}

/// A policy that other workers of a gateway keep for this one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shared {
    /// What it is, and when it was known to be the latest.
    pub policy: InForce,
    /// What it is in.
    pub pages: SharedPages,
}

/// What a kept policy is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SharedPages {
    /// The feed's pages, with the changes since a position.
    Changes(Position, Vec<PageId>),
    /// Pages of a [`Snapshot`](crate::feed::Snapshot), and after them pages of the feed with the changes since it was begun.
    Whole(Vec<PageId>),
}
