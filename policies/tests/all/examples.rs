//! The examples are what the documentation says they are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use postern::scenario::Scenario;
use postern_core::time::Timestamp;

use crate::command::{file, postern, read_json};

/// Every folder of an example.
pub(crate) fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(file("examples")).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 5);
    folders
}

#[test]
fn every_scenario_holds() {
    for folder in folders() {
        let scenario = folder.join("scenario.json");
        let run = postern(&["policy", "test", scenario.to_str().unwrap()]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn every_scenario_proves_what_is_allowed_and_what_is_refused() {
    for folder in folders() {
        let scenario = Scenario::load(&folder.join("scenario.json")).unwrap();
        let reached = |case: &&postern::scenario::Case| case.expect.upstream.is_some();
        let (allowed, refused): (Vec<_>, Vec<_>) = scenario.cases.iter().partition(reached);
        assert!(allowed.len() >= 4 && refused.len() >= 10, "{folder:?}");
    }
}

/// They also run in gateways with a real clock.
#[test]
fn every_scenario_holds_for_years() {
    for folder in folders() {
        let scenario = Scenario::load(&folder.join("scenario.json")).unwrap();
        let prepared = scenario.prepare().unwrap();
        for at in [
            "2026-11-01T00:00:00Z",
            "2030-01-01T00:00:00Z",
            "2035-12-31T00:00:00Z",
        ] {
            let at = Timestamp::parse(at).unwrap();
            for case in &scenario.cases {
                let observed = prepared.run_case(case, at).unwrap();
                let differences = case.expect.differences(&observed);
                assert!(
                    differences.is_empty(),
                    "{at}: {}: {differences:?}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn no_example_has_a_fault() {
    for folder in folders() {
        let policy = folder.join("policy.json");
        let gateway = folder.join("gateway.json");
        let run = postern(&[
            "policy",
            "check",
            policy.to_str().unwrap(),
            "--gateway",
            gateway.to_str().unwrap(),
        ]);
        assert_eq!(run.code, 0, "{}", run.stdout);
    }
}

#[test]
fn the_original_systems_example_grants_one_person_one_method() {
    let policy = read_json("examples/external-app/policy.json");
    let granted: Vec<_> = policy["services"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|service| service["methods"].as_array().unwrap())
        .filter(|method| method["audience"].to_string().contains("ExternalApp"))
        .collect();
    assert_eq!(granted.len(), 1);
    let run = postern(&[
        "policy",
        "check",
        "--deny-warnings",
        "examples/external-app/policy.json",
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn the_teams_example_shows_every_kind_of_audience_and_token() {
    let text = std::fs::read_to_string(file("examples/team/policy.json")).unwrap();
    let scenario = std::fs::read_to_string(file("examples/team/scenario.json")).unwrap();
    for word in [
        "\"unrestricted\"",
        "rely_on_parent",
        "bypass",
        "enforce",
        "public",
        "\"never\"",
        "not_after",
        "insensitive",
        "allow_headers",
        "\"active\": false",
    ] {
        assert!(text.contains(word), "{word}");
    }
    let reasons: BTreeSet<_> = [
        "allowed",
        "public",
        "exchanged",
        "not_in_audience",
        "no_service",
        "no_path",
        "no_http_method",
        "ambiguous_path",
        "api_token_expired",
        "api_token_deactivated",
        "person_inactive",
        "api_token_at_method",
        "access_token_at_exchange",
    ]
    .into();
    for reason in reasons {
        assert!(scenario.contains(&format!("\"{reason}\"")), "{reason}");
    }
}

/// A list of examples that lacks a member is a list that nobody can learn it from.
#[test]
fn every_member_and_word_of_a_policy_is_in_an_example() {
    let texts: String = folders()
        .iter()
        .map(|folder| std::fs::read_to_string(folder.join("policy.json")).unwrap())
        .collect();
    let schema = read_json("schema/policy.schema.json");
    let whole = [("", &schema)];
    let definitions = schema["$defs"].as_object().unwrap().iter();
    for (definition, object) in definitions
        .map(|(name, object)| (name.as_str(), object))
        .chain(whole)
    {
        let Some(members) = object["properties"].as_object() else {
            continue;
        };
        for (name, member) in members {
            // Set by an operator who deactivates or ends something, so not in a policy that begins.
            let exempt = ["valid_from", "revoked", "upgrade"].contains(&name.as_str());
            let place = format!("{definition}.{name}");
            assert!(exempt || texts.contains(&format!("\"{name}\":")), "{place}");
            let words = [&member["enum"], &member["items"]["enum"]];
            for word in words
                .into_iter()
                .filter_map(|list| list.as_array())
                .flatten()
            {
                // What a member is by default need not be written.
                let is_default = member["default"] == *word || name == "allow_headers";
                assert!(
                    is_default || texts.contains(&word.to_string()),
                    "{place} {word}"
                );
            }
        }
    }
}

#[test]
fn no_working_credential_is_in_an_example() {
    for folder in folders() {
        for name in ["policy.json", "gateway.json", "scenario.json"] {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            assert!(!text.contains("pst_"), "{folder:?} {name}");
        }
    }
}
