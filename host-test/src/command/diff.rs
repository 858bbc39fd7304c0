//! `postern-host diff`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use postern_host::trace::{self, Trace};

/// The exit code when the two differ.
const DIFFERENT: u8 = 1;
/// The exit code when they could not be compared, as for wrong arguments.
const UNUSABLE: u8 = 2;

/// Compare two traces, or logs that have traces in them, line by line. Exits with 0 if they are equal, 1 if they differ, and 2 if
/// they could not be compared.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The first trace; its lines have `-` in front where the other has not got them.
    #[arg(value_name = "A")]
    left: PathBuf,
    /// The second trace; its lines have `+` in front.
    #[arg(value_name = "B")]
    right: PathBuf,
    /// Compare addresses in the guest's memory as well. Without this they are masked: they differ between guests, and between
    /// builds of one.
    #[arg(long)]
    addresses: bool,
}

impl DiffArgs {
    pub(crate) fn run(&self) -> ExitCode {
        let (left, right) = match (self.read(&self.left), self.read(&self.right)) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(error), _) | (_, Err(error)) => {
                eprintln!("postern-host: {error}");
                return ExitCode::from(UNUSABLE);
            }
        };
        let difference = trace::diff(&left, &right);
        if difference.is_empty() {
            return ExitCode::SUCCESS;
        }
        let (left, right) = (self.left.display(), self.right.display());
        // That nobody reads on changes nothing about the answer.
        let _nobody_reads = write!(std::io::stdout(), "--- {left}\n+++ {right}\n{difference}");
        ExitCode::from(DIFFERENT)
    }

    fn read(&self, path: &Path) -> Result<Trace, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let trace = Trace::parse(&String::from_utf8_lossy(&bytes));
        if trace.lines().is_empty() {
            return Err(format!("{}: there is no trace in it", path.display()));
        }
        Ok(if self.addresses {
            trace
        } else {
            trace.masked()
        })
    }
}
