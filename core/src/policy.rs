//! The policy: all that the filter decides from.
//!
//! [`document`] is what an operator writes. A [`Store`] takes it record by record, and a [`Policy`] is a store that was
//! checked as a whole and compiled. A policy with a fault is refused as a whole.

mod audience;
mod compile;
mod compiled;
mod digest;
pub mod document;
mod document_faults;
mod fault;
mod persons;
mod roles;
mod side;
mod staging;
mod store;
mod tokens;
mod walk;

pub use compiled::{Admissions, CLOCK_SKEW, MAX_ACCESS_TOKEN_LIFE, MethodRef, Policy};
pub use digest::Digest;
pub use fault::{MAX_AUDIENCE, PolicyFault, PolicyRule};
pub use persons::PersonRow;
pub use staging::{OutOfTurn, Phase, Reading, StageFault};
pub use store::{Change, Record, RecordId, Store};
pub use tokens::TokenRow;
pub use walk::Cursor;
