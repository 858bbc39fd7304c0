//! The references describe what the schemas describe, and their examples work.

use std::collections::BTreeMap;

use postern::check::Code;
use serde_json::Value;

use crate::command::{Folder, file, postern, read_json};
use crate::schema::definitions;

const POLICY: &str = "policy.md";
const CONFIGURATION: &str = "configuration.md";

fn read(page: &str) -> String {
    std::fs::read_to_string(file(&format!("../docs/{page}"))).unwrap()
}

fn reference() -> String {
    read(POLICY)
}

/// The page for each schema.
fn page(schema: &str) -> &'static str {
    if schema == "gateway.schema.json" {
        CONFIGURATION
    } else {
        POLICY
    }
}

/// Where the members of each definition are described.
const HEADINGS: &[(&str, &str, &str)] = &[
    ("policy.schema.json", "", "## The policy"),
    ("policy.schema.json", "key", "### Keys"),
    ("policy.schema.json", "person", "### Persons"),
    ("policy.schema.json", "token", "### API tokens"),
    ("policy.schema.json", "service", "### Services"),
    ("policy.schema.json", "method", "### Methods"),
    ("policy.schema.json", "audience", "### Audiences"),
    ("policy.schema.json", "public_route", "### Public routes"),
    ("policy.schema.json", "bypass", "### Bypass"),
    ("gateway.schema.json", "configuration", "## Members"),
    ("gateway.schema.json", "policy", "### Source of the policy"),
    ("gateway.schema.json", "sync", "### Policy sync"),
    ("gateway.schema.json", "exchange", "### Exchange"),
    ("scenario.schema.json", "", "## Scenarios"),
    ("scenario.schema.json", "case", "### Cases"),
    ("scenario.schema.json", "caller", "### Callers"),
    ("scenario.schema.json", "request", "### Requests"),
    ("scenario.schema.json", "expect", "### Outcomes"),
    ("scenario.schema.json", "upstream", "### At the upstream"),
];

/// Members and defaults in the first table of members under a heading.
fn described(reference: &str, heading: &str) -> BTreeMap<String, String> {
    let (_, after) = reference.split_once(&format!("\n{heading}\n")).unwrap();
    let section = after
        .split("\n## ")
        .next()
        .unwrap()
        .split("\n### ")
        .next()
        .unwrap();
    let (_, table) = section
        .split_once("| member | default | meaning |\n")
        .unwrap();
    table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.split(" | ").collect();
            let [name, default, meaning] = cells.as_slice() else {
                panic!("{line}")
            };
            assert!(meaning.len() > 10, "{line}");
            let name = name.trim_start_matches("| ").trim_matches('`');
            (name.to_owned(), default.trim_matches('`').to_owned())
        })
        .collect()
}

#[test]
fn every_member_of_the_schemas_is_in_the_reference_with_its_default() {
    for &(schema, definition, heading) in HEADINGS {
        let reference = read(page(schema));
        let schema = read_json(&format!("schema/{schema}"));
        let object = if definition.is_empty() {
            &schema
        } else {
            &schema["$defs"][definition]
        };
        let is_required = |name: &str| {
            let list = object["required"].as_array();
            list.is_some_and(|list| list.iter().any(|required| required == name))
        };
        let expected: BTreeMap<String, String> = object["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, member)| {
                let default = match member.get("default") {
                    _ if is_required(name) => "required".to_owned(),
                    Some(default) => default.to_string(),
                    None => "absent".to_owned(),
                };
                (name.clone(), default)
            })
            .collect();
        assert_eq!(described(&reference, heading), expected, "{heading}");
    }
}

#[test]
fn every_object_of_the_schemas_is_in_the_reference() {
    for name in [
        "policy.schema.json",
        "gateway.schema.json",
        "scenario.schema.json",
    ] {
        for definition in definitions(name) {
            let described = HEADINGS
                .iter()
                .any(|&(schema, at, _)| (schema, at) == (name, &definition));
            assert!(described, "{name} {definition}");
        }
    }
}

/// The table is short; what a member means, its limits and an example stand below it.
#[test]
fn every_member_of_a_configuration_is_explained_with_an_example() {
    let reference = read(CONFIGURATION);
    let (_, after) = reference.split_once("\n## What each means\n").unwrap();
    let paragraphs: Vec<_> = after.split("\n## ").next().unwrap().split("\n\n").collect();
    let schema = read_json("schema/gateway.schema.json");
    let names = |definition: &str, parent: &str| -> Vec<String> {
        let members = schema["$defs"][definition]["properties"]
            .as_object()
            .unwrap();
        members
            .keys()
            .map(|name| format!("{parent}{name}"))
            .collect()
    };
    let mut names = [
        names("configuration", ""),
        names("sync", "sync."),
        names("exchange", "exchange."),
    ]
    .concat();
    names.retain(|name| name != "exchange" && name != "sync");
    for name in names {
        let bold = format!("**`{name}`**");
        let paragraph = paragraphs.iter().find(|paragraph| {
            paragraph
                .split(": ")
                .next()
                .is_some_and(|start| start.contains(&bold))
        });
        let paragraph = paragraph.unwrap_or_else(|| panic!("{bold}"));
        let exempt = ["policy", "exchange.form"].contains(&name.as_str());
        assert!(
            exempt || paragraph.to_lowercase().contains("example:"),
            "{bold}"
        );
    }
}

#[test]
fn every_kind_of_warning_is_in_the_reference() {
    let reference = reference();
    let (_, after) = reference.split_once("\n## Warnings\n").unwrap();
    let listed: Vec<_> = after
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, codes);
}

#[test]
fn the_policies_and_configurations_in_the_reference_are_in_order() {
    let references = [read(POLICY), read(CONFIGURATION)].concat();
    let mut checked = 0;
    for block in references.split("```json\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        if value.get("cases").is_some() {
            continue;
        }
        let folder = Folder::with(&[("file.json", text)]);
        let run = postern(&["policy", "check", &folder.path("file.json")]);
        assert_eq!(run.code, 0, "{}", run.stdout);
        checked += 1;
    }
    assert_eq!(checked, 3);
}

#[test]
fn the_scenario_in_the_reference_holds() {
    let reference = reference();
    let block = reference
        .split("```json\n")
        .find(|block| block.contains("\"cases\""))
        .unwrap();
    let text = block.split("```").next().unwrap();
    let read = |name: &str| {
        std::fs::read_to_string(file(&format!("examples/external-app/{name}"))).unwrap()
    };
    let folder = Folder::with(&[
        ("scenario.json", text),
        ("policy.json", &read("policy.json")),
        ("gateway.json", &read("gateway.json")),
    ]);
    let run = postern(&["policy", "test", &folder.path("scenario.json")]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn every_command_in_the_reference_exists() {
    let reference = reference();
    let (_, after) = reference.split_once("```sh\n").unwrap();
    let commands = after.split("```").next().unwrap();
    for line in commands.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[0], "postern");
        let run = postern(&[words[1], words[2], "--help"]);
        assert_eq!(run.code, 0, "{line}");
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(run.stdout.contains(option), "{option} of {line}");
        }
    }
}
