//! Starting other programs, and saying plainly which one failed and how.

use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// Why a program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It is not installed, or may not be run.
    #[error("cannot start `{command}`")]
    NotStarted {
        /// The command line.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// It ended with anything but success.
    #[error("`{command}` failed: {status}{output}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code or signal.
        status: ExitStatus,
        /// What it wrote to standard error, if that was not shown as it came.
        output: String,
    },
}

/// Runs a program whose output the reader sees as it comes.
pub(crate) fn run(command: &mut Command) -> Result<(), ProcessError> {
    let status = command
        .status()
        .map_err(|source| not_started(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(ProcessError::Failed {
        command: line(command),
        status,
        output: String::new(),
    })
}

/// Runs a program whose standard output would spoil ours: both its outputs go to standard error.
pub(crate) fn run_aside(command: &mut Command) -> Result<(), ProcessError> {
    run(command.stdout(io::stderr()))
}

/// Runs a program for its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String, ProcessError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| not_started(command, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ProcessError::Failed {
        command: line(command),
        status: output.status,
        output: format!("\n{}", String::from_utf8_lossy(&output.stderr).trim_end()),
    })
}

/// Becomes the program, so that signals such as Ctrl-C reach it alone. Returns only if it cannot be started.
pub(crate) fn become_program(command: &mut Command) -> ProcessError {
    let source = std::os::unix::process::CommandExt::exec(command);
    not_started(command, source)
}

/// The command line as a person would type it, with the program's name for its path.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// An error with the errors that led to it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn not_started(command: &Command, source: io::Error) -> ProcessError {
    ProcessError::NotStarted {
        command: line(command),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_line_the_code_and_what_it_wrote() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck >&2; exit 3"]);
        let error = capture(&mut command).expect_err("exit code 3");
        let text = with_causes(&error);
        assert!(text.contains("sh -c"), "{text}");
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.contains("no such luck"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_the_reason() {
        let error = run(&mut Command::new("postern-no-such-program")).expect_err("not installed");
        let text = with_causes(&error);
        assert!(
            text.contains("cannot start `postern-no-such-program`"),
            "{text}"
        );
        assert!(text.contains("No such file"), "{text}");
    }
}
