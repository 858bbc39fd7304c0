//! The feed: heads and pages made from the registry.
//!
//! A head names pages; a page is known by the SHA-256 of its bytes and never changes. Pages stand in memory: those of a
//! *snapshot* of the whole policy, and those of the changes after a revision that somebody asked for.

mod pages;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use postern_core::feed::{Head, HeadKey, Nonce, PageId};
use postern_core::time::Timestamp;
use tokio::sync::watch;

use crate::registry::{Position, Registry, RegistryError};

use pages::{Pages, Way};

/// What a gateway has, by its own word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// The epoch; 0 if it has nothing.
    pub epoch: u64,
    /// The revision; 0 if it has nothing.
    pub revision: u64,
}

/// A head with what proves where it comes from.
#[derive(Clone, Debug)]
pub struct SignedHead {
    /// The bytes that are signed and sent.
    pub body: Vec<u8>,
    /// The value of the signature header.
    pub signatures: String,
}

/// Publishes the registry's policy.
#[derive(Clone)]
pub struct Publisher {
    registry: Registry,
    keys: Arc<[HeadKey]>,
    pages: Arc<Pages>,
}

impl Publisher {
    /// A publisher that signs with these keys: one, or two while gateways change over to a new one.
    pub fn new(registry: Registry, keys: Vec<HeadKey>) -> Self {
        Self {
            registry,
            keys: keys.into(),
            pages: Arc::default(),
        }
    }

    /// The name of the feed.
    pub fn feed(&self) -> &str {
        self.registry.feed()
    }

    /// The head for a gateway that has this much. If that is all there is, waits for more, at most for `wait`.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn head(
        &self,
        known: Known,
        nonce: Nonce,
        wait: Duration,
        now: impl Fn() -> Timestamp,
    ) -> Result<SignedHead, RegistryError> {
        let mut positions = self.registry.watch();
        if is_latest(known, *positions.borrow_and_update()) && !wait.is_zero() {
            // That the time is over is no error: the head then says that there is nothing new, which is news as well.
            let _in_time = tokio::time::timeout(wait, newer(&mut positions, known)).await;
        }
        let Way {
            position,
            pages,
            reset,
        } = self.pages.after(&self.registry, known).await?;
        let head = Head {
            feed: self.registry.feed().to_owned(),
            epoch: position.epoch,
            revision: position.revision,
            digest: position.digest,
            nonce,
            issued_at: now(),
            reset,
            pages,
        };
        // Its members are texts, whole numbers and lists of them; an empty body would be refused by every gateway.
        let body = head.to_json().unwrap_or_default();
        let signatures: Vec<String> = self.keys.iter().map(|key| key.sign(&body)).collect();
        Ok(SignedHead {
            body,
            signatures: signatures.join(", "),
        })
    }

    /// A page that a head of late named.
    pub fn page(&self, id: PageId) -> Option<Bytes> {
        self.pages.get(id)
    }
}

/// Waits until there is more than `known`, or nobody who could make it.
async fn newer(positions: &mut watch::Receiver<Position>, known: Known) {
    while is_latest(known, *positions.borrow_and_update()) {
        if positions.changed().await.is_err() {
            return;
        }
    }
}

fn is_latest(known: Known, position: Position) -> bool {
    (known.epoch, known.revision) == (position.epoch, position.revision)
}
