//! The subcommands: each reads its arguments, calls the library, and says how it went.

mod bench;
mod diff;
mod lint;
mod new;
mod output;
mod run;
mod schema;
mod serve;
mod trace;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Bench(bench::BenchArgs),
    Diff(diff::DiffArgs),
    New(new::NewArgs),
    Lint(lint::LintArgs),
    Run(run::RunArgs),
    Schema(schema::SchemaArgs),
    Serve(serve::ServeArgs),
    Trace(trace::TraceArgs),
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Bench(args) => bench::run(args),
            Self::Diff(args) => args.run(),
            Self::New(args) => args.run(),
            Self::Lint(args) => lint::run(args),
            Self::Run(args) => args.run(),
            Self::Schema(args) => args.run(),
            Self::Serve(args) => serve::run(args),
            Self::Trace(args) => args.run(),
        }
    }
}
