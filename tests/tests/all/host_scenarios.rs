//! The scenarios of `tests/scenarios`, in the test host.

use std::path::Path;

use postern_host::scenario::{self, Options};
use postern_tests::artefacts;

#[test]
fn the_scenarios_of_the_filter_pass() -> postern_tests::Result<()> {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut options = Options::default();
    options.module = Some(artefacts::wasm()?);
    let report = scenario::run_files(&[scenarios], &options).expect("scenarios");
    assert!(report.passed(), "{report}");
    assert!(report.scenarios.len() >= 12, "{report}");
    Ok(())
}
