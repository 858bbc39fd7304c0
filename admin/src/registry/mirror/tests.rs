//! What is checked change by change is what a whole policy is checked for.

use std::cell::Cell;
use std::collections::BTreeMap;

use postern_core::feed::{Deleted, Entry, Put};
use postern_core::policy::Policy;
use postern_core::policy::document::Document;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::*;

type Records = BTreeMap<RecordKey, Put>;

fn put(value: serde_json::Value) -> Entry {
    serde_json::from_value(json!({ "put": value })).expect("a record")
}

/// Roles that may be missing.
fn roles() -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(vec!["r0", "r1", "r2"], 0..=2)
        .prop_map(|names| names.into_iter().map(ToOwned::to_owned).collect())
}

fn audience() -> impl Strategy<Value = serde_json::Value> {
    let persons = proptest::sample::subsequence(vec!["p0", "p1", "p2"], 0..=2);
    prop_oneof![
        Just(json!({"mode": "unrestricted"})),
        (persons, roles()).prop_map(
            |(persons, roles)| json!({"mode": "restricted", "persons": persons, "roles": roles})
        ),
    ]
}

fn change() -> impl Strategy<Value = Entry> {
    let service = (0..3_u8, 0..3_u8, audience(), audience(), any::<bool>()).prop_map(
        |(name, path, own, method, has_twins)| {
            let mut methods = vec![json!({
                "name": "read", "http": ["GET"], "path": "/{id}", "audience": method
            })];
            if has_twins {
                methods.push(json!({"name": "read-too", "http": ["GET"], "path": "/{other}"}));
            }
            put(json!({"service": {
                "name": format!("s{name}"), "hosts": ["api.example.com"],
                "base_path": format!("/{path}"), "audience": own, "methods": methods
            }}))
        },
    );
    prop_oneof![
        (0..3_u8).prop_map(|n| put(json!({"role": format!("r{n}")}))),
        (0..3_u8).prop_map(|n| Entry::Delete(Deleted::Role(format!("r{n}")))),
        (0..3_u8, roles(), any::<bool>()).prop_map(|(n, roles, active)| put(
            json!({"person": {"id": format!("p{n}"), "roles": roles, "active": active}})
        )),
        (0..3_u8).prop_map(|n| Entry::Delete(Deleted::Person(format!("p{n}")))),
        // The person and the hash of a token never change, which a policy on its own cannot know.
        (0..6_u8, any::<bool>()).prop_map(|(n, active)| put(json!({"token": {
            "id": format!("t{n}"), "person": format!("p{}", n % 3), "active": active,
            "hash": format!("sha256:{n:02x}{}", "7f".repeat(31)), "expires_at": "never"
        }}))),
        (0..6_u8).prop_map(|n| Entry::Delete(Deleted::Token(format!("t{n}")))),
        service,
        (0..3_u8).prop_map(|n| Entry::Delete(Deleted::Service(format!("s{n}")))),
        (0..3_u8, 0..3_u8).prop_map(|(n, hour)| put(json!({"key": {
            "kid": format!("k{n}"), "root": "r1", "active_from": format!("2026-01-01T0{hour}:00:00Z")
        }}))),
        (0..3_u8).prop_map(|n| Entry::Delete(Deleted::Key(format!("k{n}")))),
        (0..3_u8).prop_map(|n| put(json!({"public": {"http": ["GET"], "path": format!("/{n}")}}))),
        (0..3_u8).prop_map(|n| put(json!({"bypass": {"role": format!("r{n}")}}))),
        Just(Entry::Delete(Deleted::Bypass)),
    ]
}

fn whole(records: &Records) -> Document {
    let mut document = Document {
        format: Document::FORMAT,
        ..Document::default()
    };
    for record in records.values().cloned() {
        match record {
            Put::Role(role) => document.roles.push(role),
            Put::Person(person) => document.persons.push(person),
            Put::Key(key) => document.keys.push(key),
            Put::Token(token) => document.tokens.push(token),
            Put::Service(service) => document.services.push(service),
            Put::Public(route) => document.public.push(route),
            Put::Bypass(bypass) => document.bypass = Some(bypass),
        }
    }
    document
}

fn apply(mirror: &mut Mirror, command: &[Entry]) -> Result<(), RegistryError> {
    for entry in command {
        mirror.stage(entry, &RecordKey::of(entry))?;
    }
    mirror.check()
}

#[test]
fn a_change_is_refused_if_and_only_if_the_whole_policy_would_be() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let commands = proptest::collection::vec(proptest::collection::vec(change(), 1..4), 1..40);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(256));
    let outcome = runner.run(&commands, |commands| {
        let (mut mirror, mut records) = (Mirror::default(), Records::new());
        let mut revision = 0;
        for command in commands {
            let mut next = records.clone();
            for entry in &command {
                match entry {
                    Entry::Put(put) => next.insert(RecordKey::of(entry), put.clone()),
                    Entry::Delete(_) => next.remove(&RecordKey::of(entry)),
                };
            }
            let expected = Policy::from_document(&whole(&next));
            let done = apply(&mut mirror, &command);
            match (&done, &expected) {
                (Ok(()), Ok(policy)) => {
                    accepted.set(accepted.get() + 1);
                    revision += 1;
                    mirror.switch(1, revision).expect("checked");
                    prop_assert_eq!(mirror.position().digest, policy.store().digest());
                    records = next;
                }
                (Err(RegistryError::Refused(_)), Err(_)) => {
                    refused.set(refused.get() + 1);
                    mirror.abort();
                    let before = Policy::from_document(&whole(&records)).expect("as before");
                    prop_assert_eq!(mirror.position().digest, before.store().digest());
                }
                _ => prop_assert!(false, "{:?} {:?} {:?}", command, done, expected.err()),
            }
        }
        Ok(())
    });
    outcome.expect("the same");
    // It would be the same if there were nothing but refusals, too.
    assert!(
        accepted.get() > 500 && refused.get() > 500,
        "{accepted:?} {refused:?}"
    );
}
