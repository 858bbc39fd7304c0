//! `postern-host schema`.

use std::process::ExitCode;

use clap::Args;
use postern_host::scenario;

use super::output;

/// Print the JSON Schema of scenario files, for editors.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Print the reference of all keys instead, in Markdown.
    #[arg(long)]
    reference: bool,
    /// Print the JSON Schema of reports (`run --format json`) instead.
    #[arg(long, conflicts_with = "reference")]
    report: bool,
}

impl SchemaArgs {
    pub(crate) fn run(self) -> ExitCode {
        let text = if self.reference {
            scenario::reference()
        } else if self.report {
            format!("{:#}\n", scenario::report_schema())
        } else {
            format!("{:#}\n", scenario::schema())
        };
        match output::write(text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("postern-host: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
