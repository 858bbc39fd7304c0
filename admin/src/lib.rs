//! The admin service: a registry of persons, API tokens, services and audiences, and the feed that carries the policy made
//! of them to the gateways.
//!
//! Every change is one transaction: `postern-core` has checked the whole policy that results, the revision has grown, and
//! the audit log says who did it, or nothing has happened. Of a secret only its SHA-256 is kept.

pub mod clock;
pub mod counters;
pub mod database;
pub mod entropy;
pub mod feed;
pub mod head_key;
pub mod http;
pub mod maintenance;
pub mod registry;
pub mod serve;
