//! Comparing what VMs share: data, queues and metrics.

use std::collections::BTreeMap;

use super::super::format::Expect;
use super::super::observed::Observed;
use super::Checker;
use crate::headers::HeaderMap;

impl Checker {
    pub(super) fn shared_data(&mut self, expect: &Expect, observed: &Observed) {
        let (shared, vm_id) = (&observed.shared, &observed.vm_id);
        let value = |key: &str| shared.data(vm_id, key);
        let all = || {
            let keys = shared.data_keys(vm_id).into_iter();
            // Keys that are no text cannot be written in a file.
            keys.filter_map(|key| {
                let value = shared.data(vm_id, &key)?;
                Some((String::from_utf8(key).ok()?, value))
            })
            .collect()
        };
        self.table("shared_data", expect.shared_data.as_ref(), value, all);
    }

    pub(super) fn queues(&mut self, expect: &Expect, observed: &Observed) {
        if expect.queues.is_none() {
            return;
        }
        let (shared, vm_id) = (&observed.shared, &observed.vm_id);
        // A queue reads like headers of one name.
        let mut waiting = HeaderMap::new();
        for name in shared.queue_names(vm_id) {
            for item in shared.queue(vm_id, &name).unwrap_or_default() {
                waiting.append(&name, item);
            }
        }
        self.headers("queues", expect.queues.as_ref(), Some(&waiting));
    }

    pub(super) fn metrics(&mut self, expect: &Expect, observed: &Observed) {
        self.number_table("metrics", expect.metrics.as_ref(), &observed.metrics);
        if expect.metrics_change.is_none() {
            return;
        }
        let none = BTreeMap::new();
        let before = observed.metrics_before.as_ref().unwrap_or(&none);
        let changes = observed.metrics.iter().map(|(name, now)| {
            let before = before.get(name).copied().unwrap_or(0);
            (name.clone(), now.saturating_sub(before))
        });
        let mut changes: BTreeMap<_, _> = changes.collect();
        if expect
            .metrics_change
            .as_ref()
            .is_some_and(BTreeMap::is_empty)
        {
            // What is to be filled in is what moved.
            changes.retain(|_, change| *change != 0);
        }
        self.number_table("metrics_change", expect.metrics_change.as_ref(), &changes);
    }
}
