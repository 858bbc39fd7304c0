//! The command that measures policy sync; `cargo xtask bench sync` runs it with all that it needs.

use std::process::ExitCode;

use clap::Parser;
use postern_tests::bench::sync::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("postern-bench-sync: a goal was missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("postern-bench-sync: {error}");
            ExitCode::FAILURE
        }
    }
}
