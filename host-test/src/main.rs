//! The command of the test host.

mod command;

use std::process::ExitCode;

use clap::Parser;

/// A Proxy-Wasm host that behaves as Envoy does.
#[derive(Debug, Parser)]
#[command(name = "postern-host", version)]
struct Cli {
    #[command(subcommand)]
    command: command::Command,
}

fn main() -> ExitCode {
    Cli::parse().command.run()
}
