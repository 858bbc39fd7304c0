//! Getting past a member whose shape is wrong, to see what is wrong with the others.
//!
//! A reader of JSON stops at the first member that it cannot read. Such a member is noted, then replaced by one in order,
//! and the record is read again.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A record that is mended member by member.
pub(super) struct Mending<'t> {
    members: Map<String, Value>,
    /// A record in order.
    template: &'t Value,
    mended: BTreeSet<String>,
}

impl<'t> Mending<'t> {
    pub(super) fn new(members: Map<String, Value>, template: &'t Value) -> Self {
        Self {
            members,
            template,
            mended: BTreeSet::new(),
        }
    }

    /// The record as it stands.
    pub(super) fn record(&self) -> Value {
        Value::Object(self.members.clone())
    }

    /// Mends the member that a fault is about. False if that is unknown, or was mended before: each member is mended
    /// once, so that this ends.
    pub(super) fn mend(&mut self, path: &str, sentence: &str) -> bool {
        let by_path = path.split(['.', '[']).next().unwrap_or_default();
        let member = if self.members.contains_key(by_path) {
            by_path
        } else {
            // "missing field `x`", "unknown field `x`, expected …"
            match sentence.split('`').nth(1) {
                Some(member) => member,
                None => return false,
            }
        };
        if !self.mended.insert(member.to_owned()) {
            return false;
        }
        match self.template.get(member) {
            Some(value) => self.members.insert(member.to_owned(), value.clone()),
            None => self.members.remove(member),
        };
        true
    }
}
