//! The bench's command; `cargo xtask bench` runs it with all that it needs.

use std::process::ExitCode;

use clap::Parser;
use postern_tests::bench::{Arguments, run};

/// One thread: it is bound to one CPU, and the load generator is all that it does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postern-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
