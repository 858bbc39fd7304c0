//! Reading a policy.

use postern_core::policy::document::{Document, FromJson};
use serde_json::Value;

use super::{Finding, Part};

/// The policy, or the faults of its shape.
pub(super) fn read(part: &Part<'_>, value: &Value) -> Result<Document, Vec<Finding>> {
    Document::from_json(value.to_string().as_bytes()).map_err(|faults| {
        let faults = faults.into_iter();
        faults
            .map(|fault| part.finding(&fault.path, fault.text))
            .collect()
    })
}
