//! Policies as an operator handles them: check one, explain what it decides, and prove it with scenarios.
//!
//! Nothing here decides anything: [`prepared::Prepared`] puts a policy, a gateway's configuration, and keys and tokens
//! made for the occasion into a [`postern_core::gate::Gate`], and everything else asks that gate. The command `postern`
//! is a thin layer over this library.

pub mod check;
pub mod clock;
pub mod entropy;
pub mod explain;
pub mod prepared;
pub mod request;
pub mod scenario;
pub mod source;
