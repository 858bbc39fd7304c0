//! What a request says: its header map, read in place, and of that host, HTTP method, path and credential; and the text of
//! ids, which the answer to it is made of.
//!
//! `postern-core` builds on it and shows it as its own. It is a crate of its own because every request goes through all of
//! it: in the module it is built for speed, where the rest is built for size (`docs/decisions/010-request-crate.md`).

mod byte_set;
pub mod canonical;
pub mod credential;
pub mod few;
pub mod headers;
pub mod id;
pub mod request;
