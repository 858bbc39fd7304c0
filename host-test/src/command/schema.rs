//! `postern-host schema`.

use std::process::ExitCode;

use clap::Args;
use postern_host::scenario;

/// Print the JSON Schema of scenario files, for editors.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Print the reference of all keys instead, in Markdown.
    #[arg(long)]
    reference: bool,
}

impl SchemaArgs {
    pub(crate) fn run(self) -> ExitCode {
        if self.reference {
            print!("{}", scenario::reference());
        } else {
            println!("{:#}", scenario::schema());
        }
        ExitCode::SUCCESS
    }
}
