//! The demo's command; `cargo xtask demo` runs it with all that it needs.

use std::process::ExitCode;

use clap::Parser;
use postern_tests::demo::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postern-demo: {error}");
            ExitCode::FAILURE
        }
    }
}
