//! Why a change is not made.

use std::sync::Arc;

use postern_core::policy::PolicyFault;
use postern_core::random::RandomFailed;

use super::Kind;

/// Why a change is not made. Nothing of it has happened then.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is none of this id.
    #[error("there is no {kind} \"{id}\"")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// Its id, or its name.
        id: String,
    },
    /// The database has no feed of this name.
    #[error("the database has no feed \"{asked}\"{}", known_feeds(.known))]
    UnknownFeed {
        /// The name that was asked for.
        asked: String,
        /// The names that the database has.
        known: Vec<String>,
    },
    /// There is one already.
    #[error("there is a {kind} \"{id}\" already")]
    Exists {
        /// What is there.
        kind: Kind,
        /// Its id, or its name.
        id: String,
    },
    /// Another one has the name.
    #[error(
        "the {kind} \"{holder}\" has this name; names are compared without regard to case and spaces around them"
    )]
    NameTaken {
        /// What has the name.
        kind: Kind,
        /// The id of the one that has it.
        holder: String,
    },
    /// It was deleted; that is final, and its id is not used again.
    #[error("the {kind} \"{id}\" was deleted; that is final, and its id is not used again")]
    Deleted {
        /// What was deleted.
        kind: Kind,
        /// Its id.
        id: String,
    },
    /// Other records need it.
    #[error("the {kind} \"{id}\" is still used: {by}")]
    InUse {
        /// What is used.
        kind: Kind,
        /// Its id.
        id: String,
        /// What uses it, in words.
        by: String,
    },
    /// A value cannot be taken.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The policy that would result has faults.
    #[error("the policy would have {} fault(s): {}", .0.len(), faults(.0))]
    Refused(Vec<PolicyFault>),
    /// Secrets need randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The database did not do what it was asked.
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
    /// There is no room for more.
    #[error(
        "there is no room for the database to grow, on its disk or within the limit it was given: {0}"
    )]
    Full(Arc<sqlx::Error>),
    /// More is asked for than can be done.
    #[error("too many changes wait already")]
    Busy,
    /// The process is about to end.
    #[error("the service is stopping")]
    Stopped,
    /// The policy in memory is not at what is asked of it: a defect of this program.
    #[error("the policy in memory is in disorder: {0}")]
    Mirror(String),
    /// What stands in the database was not written by this program.
    #[error("the database holds a {kind} \"{id}\" that cannot be read: {reason}")]
    Corrupt {
        /// What cannot be read.
        kind: Kind,
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
}

/// A value that cannot be taken, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Invalid {
    /// The member of the request.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Invalid {
    /// The value at `path` cannot be taken.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reason: reason.into(),
        }
    }
}

impl RegistryError {
    /// Whether the database failed in a way that leaves nothing of its transaction to be trusted.
    pub(super) fn is_of_the_database(&self) -> bool {
        match self {
            Self::Database(error) => !is_constraint(error),
            Self::Full(_) | Self::Mirror(_) => true,
            _ => false,
        }
    }
}

/// SQLite's code for a disk or a database without room (<https://sqlite.org/rescode.html#full>).
const SQLITE_FULL: &str = "13";

impl From<sqlx::Error> for RegistryError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        if code.as_deref() == Some(SQLITE_FULL) {
            return Self::Full(Arc::new(error));
        }
        Self::Database(Arc::new(error))
    }
}

/// Whether it is a statement alone that failed, for what it asked.
pub(super) fn is_constraint(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.is_unique_violation()
            || error.is_foreign_key_violation()
            || error.is_check_violation()
    })
}

fn known_feeds(names: &[String]) -> String {
    if names.is_empty() {
        return "; nothing was written to it yet".to_owned();
    }
    format!("; it has \"{}\": see --feed", names.join("\", \""))
}

fn faults(faults: &[PolicyFault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
