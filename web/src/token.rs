//! Tokens by themselves, without a policy.

pub(crate) mod hash;
mod jwt;
pub(crate) mod read;
