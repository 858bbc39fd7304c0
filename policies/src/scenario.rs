//! Scenarios: files that say what a policy allows and refuses, and prove it.

mod expect;
mod load;
mod run;

use std::path::{Path, PathBuf};

use postern_core::policy::document::Document;
use postern_core::time::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::check::Finding;
use crate::entropy::Entropy;
use crate::prepared::{PrepareError, Prepared};
use crate::request::Request;
use crate::source::SourceError;

pub use crate::prepared::Caller;
pub use expect::{Expect, ExpectedUpstream, Observed};

/// A policy, a gateway's configuration, and requests with what becomes of them.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file.
    pub file: PathBuf,
    /// The instant at which the requests are made, where it matters. Absent: now.
    pub at: Option<Timestamp>,
    /// The policy, as it is written.
    pub policy: Document,
    /// The plugin configuration, without its policy.
    pub gateway: Map<String, Value>,
    /// The requests, in order. They do not depend on each other.
    pub cases: Vec<Case>,
}

/// One request, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// A sentence; unique in its scenario.
    pub name: String,
    /// Who makes the request.
    pub caller: Caller,
    /// The request.
    pub request: Request,
    /// What becomes of it.
    pub expect: Expect,
}

impl Scenario {
    /// Reads a scenario, and the policy and configuration that it names, relative to its own folder.
    ///
    /// # Errors
    /// [`ScenarioError`], for a file that cannot be read, is not of the scenario's shape, or names a token that the
    /// policy does not have.
    pub fn load(file: &Path) -> Result<Self, ScenarioError> {
        load::load(file)
    }

    /// Prepares the policy with new keys and tokens, to run the cases here or in a gateway.
    ///
    /// # Errors
    /// [`PrepareError`], for what a gateway would refuse.
    pub fn prepare(&self) -> Result<Prepared, PrepareError> {
        Prepared::new(&self.gateway, &self.policy, &mut Entropy)
    }
}

/// Why a scenario cannot be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The policy or the configuration has faults.
    #[error("a gateway would refuse the policy or its configuration:\n{}", list(.0))]
    Refused(Vec<Finding>),
    /// A file is not of the shape that it must have.
    #[error("{file}: {path}{sentence}", file = .file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// Where in it, followed by `: `, or empty.
        path: String,
        /// What is wrong.
        sentence: String,
    },
}

fn list(faults: &[Finding]) -> String {
    let faults: Vec<_> = faults.iter().map(|fault| format!("  {fault}")).collect();
    faults.join("\n")
}
