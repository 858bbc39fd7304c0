//! The list of findings in the documentation is the list of tests.

use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/host/envoy.md");
const SECTION: &str = "## Findings and their tests";

/// The names of the tests in the sources below this folder.
fn tests_in(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            names.extend(tests_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("it is text");
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if line == "#[test]" {
                    let name = lines.next().and_then(|line| line.strip_prefix("fn "));
                    names.extend(
                        name.and_then(|rest| rest.split_once('('))
                            .map(|(name, _)| name.to_owned()),
                    );
                }
            }
        }
    }
    names
}

/// The names in the last column of the section's tables.
fn listed() -> BTreeSet<String> {
    let section = PAGE
        .split(SECTION)
        .nth(1)
        .expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_finding_of_the_page_has_its_test_and_every_test_of_a_finding_is_on_the_page() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: BTreeSet<String> = ["src", "tests/all"]
        .into_iter()
        .flat_map(|folder| tests_in(&crate_folder.join(folder)))
        .collect();
    let listed = listed();
    assert!(listed.len() > 80, "{} are listed", listed.len());
    let missing: Vec<_> = listed.difference(&all).collect();
    assert!(missing.is_empty(), "no tests have the names {missing:#?}");
    let of_findings = tests_in(&crate_folder.join("tests/all/rows"));
    let this = "every_finding_of_the_page_has_its_test_and_every_test_of_a_finding_is_on_the_page";
    let unlisted: Vec<_> = of_findings
        .iter()
        .filter(|name| *name != this && !listed.contains(*name))
        .collect();
    assert!(unlisted.is_empty(), "the page does not list {unlisted:#?}");
}
