//! What can be wrong with a policy, each with the place where it is and a sentence that helps to mend it.

use std::fmt;

use thiserror::Error;

use super::document::Document;
use crate::id::Shown;
use crate::request::OVERRIDE_HEADERS;
use crate::routes::RouteRule;

/// One fault of a policy. A policy with a fault is refused as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyFault {
    /// Where: a path into the JSON document, such as `tokens[3].hash`.
    pub path: String,
    /// Which rule is broken.
    pub rule: PolicyRule,
}

impl PolicyFault {
    pub(super) fn new(path: impl Into<String>, rule: PolicyRule) -> Self {
        Self {
            path: path.into(),
            rule,
        }
    }

    /// The same fault, seen from the document that holds the record.
    pub(super) fn within(mut self, parent: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{parent}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return self.rule.fmt(formatter);
        }
        write!(formatter, "{}: {}", self.path, self.rule)
    }
}

impl std::error::Error for PolicyFault {}

/// A rule that a policy must keep.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PolicyRule {
    /// The text is no JSON, or not of the document's shape.
    #[error("{0}")]
    Shape(String),
    /// The document is of a version that this program does not know.
    #[error("format {0} is unknown; this version reads format {format}", format = Document::FORMAT)]
    Format(u32),
    /// Ids and names have an alphabet, since they go into headers and logs.
    #[error("{} is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -", Shown(.0))]
    Id(String),
    /// Ids go into logs and headers, so none may begin as a secret does.
    #[error("it begins as a token does; an id goes into logs and headers, so choose another")]
    LooksSecret,
    /// Something is there twice.
    #[error("{} is there twice", Shown(.0))]
    Duplicate(String),
    /// A reference to something that the policy does not have.
    #[error("there is no {kind} {} in the policy", Shown(name))]
    Dangling {
        /// What is referred to.
        kind: &'static str,
        /// By which name.
        name: String,
    },
    /// A hash that everybody can reverse.
    #[error("this is the hash of a well-known text; issue a new token")]
    WellKnownHash,
    /// Two tokens with one hash would be one credential for two persons.
    #[error("token {} has the same hash", Shown(.0))]
    HashTaken(String),
    /// A token's person never changes: issue a new token instead.
    #[error("the token belongs to another person; a token's person never changes")]
    PersonChanged,
    /// A token's hash never changes: issue a new token instead.
    #[error("the token has another hash; a token's hash never changes")]
    HashChanged,
    /// A person with tokens cannot be taken away.
    #[error("the person still has tokens; delete them first, or deactivate the person")]
    PersonHasTokens,
    /// A role that a person has cannot be taken away.
    #[error("a person still has the role; take it from all persons first")]
    RoleInUse,
    /// More records than the store can address.
    #[error("the policy has more {0} than this version can hold")]
    Full(&'static str),
    /// Two keys that begin to sign at the same instant.
    #[error("key {} is active from the same instant; which of the two signs would be chance", Shown(.0))]
    EqualActiveFrom(String),
    /// A key that ends before it begins.
    #[error("not_after is not later than active_from, so the key never signs")]
    KeyNeverActive,
    /// The last tokens of a key would be refused before their end.
    #[error(
        "not_after must be at least 1 h and 60 s after key {} begins to sign, so that tokens of this key live out their time",
        Shown(next)
    )]
    OverlapTooShort {
        /// The key that follows.
        next: String,
    },
    /// Lists that have no meaning in this mode.
    #[error(
        "an unrestricted audience has no persons and no roles; say \"restricted\", or remove the lists"
    )]
    ListsInUnrestricted,
    /// A service has no parent.
    #[error("only a method's audience can rely on its parent")]
    NoParent,
    /// An audience that is too long to be one.
    #[error("an audience lists at most {MAX_AUDIENCE} persons and roles; use a role")]
    AudienceTooLong,
    /// A list that must name something.
    #[error("the list is empty")]
    EmptyList,
    /// `allow_headers` is for headers that would be removed otherwise.
    #[error("{} is never removed, so it cannot be allowed; the override headers are {known}", Shown(name), known = OVERRIDE_HEADERS.join(", "))]
    NotAnOverrideHeader {
        /// What the policy says.
        name: String,
    },
    /// A rule of hosts, paths and methods.
    #[error(transparent)]
    Route(RouteRule),
}

/// The longest audience, persons and roles together.
pub const MAX_AUDIENCE: usize = 1_000;
