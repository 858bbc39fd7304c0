//! Why a change is not made.

use postern_core::policy::PolicyFault;
use postern_core::random::RandomFailed;

use super::Kind;

/// Why a change is not made. Nothing of it has happened then.
#[derive(Debug, thiserror::Error)]
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
    Database(#[from] sqlx::Error),
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

fn faults(faults: &[PolicyFault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
