//! The feed: how a policy travels from an admin service to the gateways. `docs/sync-protocol.md` is its reference.
//!
//! A gateway asks for the changes after a revision and gets a [`Head`]: a short signed document that says which revision
//! there is now, which digest the whole policy then has, and which [pages](PageId) lead there. Pages are immutable, named
//! by their SHA-256, and need no signature of their own. There is no other message: a snapshot is the changes after
//! revision 0.
//!
//! Nothing here does I/O. The filter reads and checks; [`HeadKey`] and [`PageWriter`] are for the service that publishes.

mod apply;
mod backoff;
mod compact;
mod download;
mod entry;
mod freshness;
mod head;
mod key;
mod moment;
mod nonce;
mod page;
mod page_writer;
mod report;
pub mod shared;
mod signature;
mod signing;
mod sync;
mod uses;

pub use apply::RefusalReason;
pub use compact::Snapshot;
pub use entry::{Deleted, Entry, Put};
pub use freshness::{CLOCK_DOUBT, Freshness, Patience, is_clock_doubtful};
pub use head::{Expected, Head, HeadFault, MAX_HEAD, MAX_PAGES};
pub use key::{KeyId, PublicKey, PublicKeyError, PublicKeys};
pub use moment::Moment;
pub use nonce::Nonce;
pub use page::{MAX_PAGE, PageFault, PageId, PageReader};
pub use page_writer::{Page, PageWriter, RecordTooLong};
pub use report::Report;
pub use signature::{MAX_SIGNATURES, Signatures, SignaturesFault};
pub use signing::{HeadKey, HeadKeyError};
pub use sync::{
    Changes, HeadRequest, InForce, News, Next, Position, Refusal, Shared, SharedPages, Source,
    Sync, SyncFault, TIMEOUT, WAIT, Work,
};
pub use uses::Uses;
