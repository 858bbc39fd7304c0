//! Writing to the standard output.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

/// Writes to the standard output. That nobody reads on, as behind `| head`, is no failure.
///
/// # Errors
/// Whatever else the system says, such as that the disk is full.
pub(crate) fn write(text: impl Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
