//! The findings of one host, each kind once.

use super::recorder::bit;
use super::{Allowance, Code, Diagnostic};
use crate::functions::Export;
use crate::state::VmState;

/// A guest that makes up a new cluster name for every request must not fill the machine's memory: what comes behind so many
/// different findings is counted only where it repeats one of them.
const MAX_FINDINGS: usize = 500;

/// What was found and is not allowed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Diagnostic>,
    allowed: Vec<Allowance>,
    /// One bit for each callback that was called in any VM.
    reached: u64,
}

impl Report {
    pub(crate) fn new(allowed: Vec<Allowance>) -> Self {
        Self {
            allowed,
            ..Self::default()
        }
    }

    pub(crate) fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }

    pub(crate) fn take(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.findings)
    }

    /// Takes findings in; one that is there already is counted on.
    pub(crate) fn add(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        for finding in findings {
            if !self.allowed.iter().any(|allowed| allowed.covers(&finding)) {
                merge(&mut self.findings, finding);
            }
        }
    }

    /// Takes what was found in a VM.
    pub(crate) fn collect(&mut self, state: &mut VmState) {
        let Some(recorder) = &mut state.recorder else {
            return;
        };
        self.reached |= recorder.reached();
        if recorder.has_findings() {
            self.add(recorder.take());
        }
    }

    pub(super) fn has_reached(&self, export: Export) -> bool {
        self.reached & bit(export) != 0
    }

    pub(super) fn is_known(&self, code: Code, detail: &str) -> bool {
        self.findings
            .iter()
            .any(|known| known.code == code && known.detail == detail)
    }

    pub(crate) fn about_module(&mut self, code: Code, detail: String) {
        self.add([Diagnostic {
            code,
            callback: None,
            call: None,
            context: 0,
            stream: None,
            worker: 0,
            detail,
            count: 1,
        }]);
    }
}

pub(super) fn merge(findings: &mut Vec<Diagnostic>, finding: Diagnostic) {
    let has_room = findings.len() < MAX_FINDINGS;
    match findings.iter_mut().find(|known| known.is_same(&finding)) {
        Some(known) => known.count = known.count.saturating_add(finding.count),
        None if has_room => findings.push(finding),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_repeats_is_counted_and_the_number_of_kinds_is_bounded() {
        let mut report = Report::default();
        for _ in 0..3 {
            report.about_module(Code::NeverDeleted, String::new());
        }
        assert_eq!(report.findings().len(), 1);
        assert_eq!(report.findings()[0].count, 3);
        for number in 0..2 * MAX_FINDINGS {
            report.about_module(Code::UnknownCluster, number.to_string());
        }
        assert_eq!(report.findings().len(), MAX_FINDINGS);
    }

    #[test]
    fn what_is_allowed_is_not_reported() {
        let mut report = Report::new(vec![Code::NeverDeleted.into()]);
        report.about_module(Code::NeverDeleted, String::new());
        report.about_module(Code::ExportNeverReached, String::new());
        assert_eq!(report.take().len(), 1);
        assert!(report.findings().is_empty());
    }
}
