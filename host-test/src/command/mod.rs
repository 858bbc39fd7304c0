//! The subcommands that are no more than their arguments and what they print.

pub(crate) mod bench;
pub(crate) mod diff;
