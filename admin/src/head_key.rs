//! The keys that sign heads: in a file that only this service reads, or in the environment.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use postern_core::feed::{HeadKey, HeadKeyError};
use zeroize::Zeroizing;

/// Where keys are found if no file is named: one, or two separated by a comma.
pub const VARIABLE: &str = "POSTERN_HEAD_KEY";

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others on the machine could sign as this service does.
    #[error("{}: others may read this file; `chmod 600` it, and make a new key if they could have", .0.display())]
    Readable(PathBuf),
    /// A line is no key.
    #[error("{place}: {source}")]
    Form {
        /// The file or the variable.
        place: String,
        /// What is wrong. It holds none of the key.
        source: HeadKeyError,
    },
    /// There is no key at all.
    #[error(
        "there is no key to sign heads with: make one with `postern-admin head-key new FILE`, then name it with --head-key or put it in {VARIABLE}"
    )]
    Missing,
}

/// Reads the keys of a file, one on each line, or of the environment.
///
/// # Errors
/// [`KeyFileError`].
pub fn read(file: Option<&Path>) -> Result<Vec<HeadKey>, KeyFileError> {
    let (place, text) = match file {
        Some(path) => {
            let failed = |source| KeyFileError::File {
                path: path.to_owned(),
                source,
            };
            let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(KeyFileError::Readable(path.to_owned()));
            }
            let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
            (path.display().to_string(), text)
        }
        None => {
            let text = std::env::var(VARIABLE).map_err(|_| KeyFileError::Missing)?;
            (VARIABLE.to_owned(), Zeroizing::new(text))
        }
    };
    let keys = text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(HeadKey::parse)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| KeyFileError::Form { place, source })?;
    if keys.is_empty() {
        return Err(KeyFileError::Missing);
    }
    Ok(keys)
}

/// Writes a key to a new file that only its owner reads.
///
/// # Errors
/// [`KeyFileError::File`]; a file that is there already is left as it is.
pub fn write_new(path: &Path, key: &HeadKey) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    writeln!(file, "{}", key.expose().as_str()).map_err(failed)?;
    file.sync_all().map_err(failed)
}
