//! The command `postern`: tokens, keys and policies for people without an admin service.
//!
//! Exit codes: 0, it is as it should be; 1, it is not (a fault, a refusal, a failed case); 2, it could not be told.

mod command;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    command::Arguments::parse().run()
}
