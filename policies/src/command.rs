//! What the command line says, and what is done about it.

mod check;
mod explain;
mod root_key;
mod test;
mod token;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postern_core::random::RandomFailed;
use postern_core::time::{Timestamp, TimestampError};
use serde::Serialize;
use thiserror::Error;

/// Makes tokens and keys, checks policies, and explains what they decide.
#[derive(Parser)]
#[command(name = "postern", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// API tokens: make one, or tell the hash of one
    #[command(subcommand)]
    Token(token::Command),
    /// Root keys, which gateways derive their signing keys from
    #[command(subcommand)]
    RootKey(root_key::Command),
    /// Policies: check, explain, test
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Tells every fault of a policy or a plugin configuration, and what is often a mistake
    Check(check::Arguments),
    /// Tells why a request is allowed or refused
    Explain(explain::Arguments),
    /// Runs scenarios: files that say what a policy allows and refuses
    Test(test::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> ExitCode {
        let mut out = io::stdout().lock();
        let done = match self.command {
            Command::Token(command) => command.run(&mut out),
            Command::RootKey(command) => command.run(&mut out),
            Command::Policy(PolicyCommand::Check(arguments)) => arguments.run(&mut out),
            Command::Policy(PolicyCommand::Explain(arguments)) => arguments.run(&mut out),
            Command::Policy(PolicyCommand::Test(arguments)) => arguments.run(&mut out),
        };
        match done.and_then(|verdict| out.flush().map(|()| verdict).map_err(Failure::from)) {
            Ok(Verdict::Good) => ExitCode::SUCCESS,
            Ok(Verdict::Bad) => ExitCode::FAILURE,
            // Whoever reads has seen enough, as with `| head`.
            Err(Failure::Io(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(failure) => {
                // Where this cannot be said either, the exit code is all that is left.
                let _ = writeln!(io::stderr(), "error: {failure}");
                ExitCode::from(2)
            }
        }
    }
}

/// How it turned out, where it could be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Good,
    Bad,
}

impl Verdict {
    fn good_if(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

/// Why it could not be told.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Random(#[from] RandomFailed),
    #[error("{0}")]
    Said(String),
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Io(error.into())
    }
}

fn timestamp(text: &str) -> Result<Timestamp, TimestampError> {
    Timestamp::parse(text)
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
