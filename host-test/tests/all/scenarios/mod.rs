//! Scenario files: what they say, how they run, and what is reported.

mod bless;
mod chains;
mod command;
mod docs;
mod examples;
mod expectations;
mod files;
mod peers;
mod reports;
mod schema;
mod steps;
mod tcp;
mod whole;

use std::path::PathBuf;

use postern_host::scenario::{self, Options, Outcome, Report};

use crate::guests;

/// A folder with the guest `guest.wat`, and files in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with this guest, whose body goes into the frame of [`guests`].
    pub(crate) fn with_guest(body: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("guest.wat", guests::text(body));
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Writes a scenario and runs it.
    pub(crate) fn run(&self, scenario: &str) -> Report {
        let file = self.write(
            "s.scenario.toml",
            format!("host.module = 'guest.wat'\n{scenario}"),
        );
        scenario::run_files(&[file], &Options::default()).expect("a scenario")
    }

    /// What is wrong with a scenario file.
    pub(crate) fn refused(&self, scenario: &str) -> String {
        let file = self.write("s.scenario.toml", scenario);
        let error = scenario::load(file).expect_err("not a scenario");
        let text = error.to_string();
        let folder = self.0.path().display().to_string();
        text.replace(&format!("{folder}/"), "")
    }
}

/// What came of the only scenario.
pub(crate) fn only(report: &Report) -> &Outcome {
    assert_eq!(report.scenarios.len(), 1, "{report}");
    &report.scenarios[0]
}

/// The keys of the expectations that failed.
pub(crate) fn failed_keys(report: &Report) -> Vec<&str> {
    let failures = report
        .scenarios
        .iter()
        .flat_map(|outcome| &outcome.failures);
    failures.map(|failure| failure.key.as_str()).collect()
}

/// A guest that logs, marks and answers: `x-guest: 1` for the upstream, the log line `seen` at warning level, and a 403 with
/// details for requests to `/deny`.
pub(crate) const GUEST: &str = r#"
    (data (i32.const 1000) ":pathx-guest1/denyseendenied")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $log (i32.const 3) (i32.const 1018) (i32.const 4)))
      (drop (call $add (i32.const 0) (i32.const 1005) (i32.const 7) (i32.const 1012) (i32.const 1)))
      (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
      (if (result i32) (i32.eq (i32.load (i32.load (i32.const 0))) (i32.load (i32.const 1013)))
        (then
          (drop (call $respond (i32.const 403) (i32.const 1022) (i32.const 6) (i32.const 1022) (i32.const 6)
            (i32.const 0) (i32.const 0) (i32.const -1)))
          (i32.const 1))
        (else (i32.const 0))))"#;
