//! `postern-host schema`.

use std::process::ExitCode;

use clap::Args;

/// Print the JSON Schema of scenario files, for editors.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {}

impl SchemaArgs {
    pub(crate) fn run(self) -> ExitCode {
        println!("{:#}", postern_host::scenario::schema());
        ExitCode::SUCCESS
    }
}
