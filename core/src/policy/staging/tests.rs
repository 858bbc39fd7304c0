//! That reading a policy beside another one ends as reading it alone does, and changes no decision on the way.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::document::{Document, Expiry};
use super::super::store::{Record, RecordId};
use super::*;
use crate::api_token::TokenHash;
use crate::canonical::CanonicalPath;
use crate::feed::Entry;

/// The records of a policy by kind and name.
type Model = BTreeMap<(Kind, usize), Value>;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Role,
    Person,
    Key,
    Token,
    Service,
    Public,
    Bypass,
}

const TOKENS: usize = 9;
const PERSONS: usize = 5;

fn name(kind: Kind, number: usize) -> String {
    match kind {
        // Half of the ids are numbers, half are interned.
        Kind::Person if number.is_multiple_of(2) => format!("000000000000{number}"),
        Kind::Token if number.is_multiple_of(2) => format!("00000000000t{number}"),
        _ => format!("{kind:?}-{number}"),
    }
}

fn hash(number: usize, epoch: usize) -> TokenHash {
    TokenHash::of(format!("token-{}", (number + epoch) % TOKENS).as_bytes())
}

/// A record, as `variant` has it. In another epoch, ids and hashes mean other tokens.
fn record(kind: Kind, number: usize, variant: usize, epoch: usize) -> Value {
    let (bit, other) = (variant & 1 == 1, variant >> 1);
    let role = name(Kind::Role, other % 4);
    let person = name(Kind::Person, other % PERSONS);
    let audience = match other % 3 {
        0 => json!({"mode": "unrestricted"}),
        1 => json!({"mode": "restricted", "persons": [person], "enforce": bit}),
        _ => json!({"mode": "restricted", "roles": [role]}),
    };
    let id = name(kind, number);
    let mut record = match kind {
        Kind::Role => json!(id),
        Kind::Person => {
            json!({"id": id, "active": bit, "roles": if other == 0 { vec![] } else { vec![role] }})
        }
        Kind::Key => json!({"kid": id, "root": "r", "revoked": bit,
            "active_from": format!("2026-11-01T00:00:{number:02}Z")}),
        Kind::Token => {
            json!({"id": id, "person": name(Kind::Person, (number + epoch) % PERSONS), "active": bit,
            "hash": hash(number, epoch).to_string(),
            "expires_at": if other == 0 { "never" } else { "2027-01-01T00:00:00Z" }})
        }
        Kind::Service => json!({"name": id, "hosts": ["a"], "base_path": format!("/{number}"),
            "audience": audience, "methods": [
                {"name": "m", "http": ["GET"], "path": "/", "audience": {"mode": "restricted", "roles": [role]}},
                {"name": "n", "http": ["GET"], "path": if bit { "/n" } else { "/{x}" }}]}),
        Kind::Public => json!({"http": ["GET"], "path": format!("/public/{number}")}),
        Kind::Bypass => json!({"role": role}),
    };
    if matches!(kind, Kind::Person | Kind::Token) && other % 4 == 3 {
        record["valid_from"] = json!(format!("2026-11-02T00:00:0{}Z", variant % 10));
    }
    record
}

fn word(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

/// The line of a page that puts or deletes a record.
fn entry(kind: Kind, number: usize, put: Option<&Value>) -> Entry {
    let line = match put {
        Some(record) => json!({"put": {word(kind): record}}),
        None if kind == Kind::Bypass => json!({"delete": "bypass"}),
        None if kind == Kind::Public => json!({"delete": {"public": record(kind, number, 0, 0)}}),
        None => json!({"delete": {word(kind): name(kind, number)}}),
    };
    serde_json::from_value(line).unwrap()
}

/// The policy of these records alone, read at once; nothing if it has a fault.
fn alone(model: &Model) -> Option<Policy> {
    let mut document = json!({"format": 1});
    for ((kind, _), record) in model {
        match kind {
            Kind::Bypass => document["bypass"] = record.clone(),
            _ => {
                let list = match kind {
                    Kind::Public => "public".to_owned(),
                    _ => format!("{}s", word(*kind)),
                };
                if document.get(&list).is_none() {
                    document[&list] = json!([]);
                }
                document[&list].as_array_mut().unwrap().push(record.clone());
            }
        }
    }
    let document: Document = serde_json::from_value(document).unwrap();
    Policy::from_document(&document).ok()
}

/// Everything that a policy can be asked, in words that do not depend on how it came to be.
fn observed(policy: &Policy) -> Vec<String> {
    let mut seen = vec![
        policy.store().digest().to_hex(),
        policy.token_count().to_string(),
    ];
    let path = |text: &str| {
        CanonicalPath::parse(text.as_bytes())
            .unwrap()
            .as_str()
            .to_owned()
    };
    for number in 0..TOKENS {
        let by_id = policy.token_by_id(&name(Kind::Token, number));
        for token in [by_id, policy.token_by_hash(&hash(number, 0))]
            .into_iter()
            .flatten()
        {
            let person = policy.person_of(&token).unwrap();
            seen.push(format!(
                "{} {:?} {} {:?} {} {} {:?}",
                policy.store().id_text(token.id),
                token.expires_at == Expiry::Never,
                token.active,
                token.valid_from,
                policy.store().id_text(person.id),
                person.active,
                person.valid_from,
            ));
            for service in 0..4 {
                for below in ["", "/n", "/o"] {
                    let path = path(&format!("/{service}{below}"));
                    let path = CanonicalPath::parse(path.as_bytes()).unwrap();
                    let method = policy.method("a", "GET", &path);
                    let allowed = method.map(|method| policy.allows(method, &token));
                    seen.push(format!("{:?}", allowed.ok()));
                }
            }
        }
    }
    for number in 0..4 {
        let path = path(&format!("/public/{number}"));
        let path = CanonicalPath::parse(path.as_bytes()).unwrap();
        seen.push(format!("{:?}", policy.public_route("a", "GET", &path)));
    }
    let mut keys: Vec<_> = policy.keys().iter().map(|key| format!("{key:?}")).collect();
    keys.sort();
    seen.extend(keys);
    seen
}

/// Whether nothing is left of a second policy.
fn is_whole(policy: &Policy) -> bool {
    let store = &policy.store;
    let (now, next) = (store.now(), store.next());
    let tokens = (0..store.tokens.end())
        .all(|place| store.tokens.read(place, now) == store.tokens.read(place, next));
    let persons = (0..store.persons.end()).all(|place| {
        store.persons.get(place, now) == store.persons.get(place, next)
            && store.persons.get(place, now).is_some() == store.persons.id_at(place).is_some()
    });
    tokens
        && persons
        && store.tokens.len(now) == store.tokens.len(next)
        && store.tokens.iter(now).count() == store.tokens.len(now)
        && store.digest() == store.next_digest()
}

/// One reading of a policy.
#[derive(Clone, Debug)]
struct Round {
    reading: Reading,
    changes: Vec<(Kind, usize, Option<usize>)>,
    /// Whether persons and roles that are missing come at last, so that most policies are in order.
    complete: bool,
    budget: usize,
    /// After so many steps it is given up.
    abort: Option<usize>,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let kinds = [
        (Kind::Role, 4),
        (Kind::Person, PERSONS),
        (Kind::Key, 3),
        (Kind::Token, TOKENS),
        (Kind::Token, TOKENS),
        (Kind::Service, 3),
        (Kind::Public, 3),
        (Kind::Bypass, 1),
    ];
    let change = (
        0..kinds.len(),
        0..9usize,
        prop::option::weighted(0.8, 0..16usize),
    );
    let change = change.prop_map(move |(kind, number, variant)| {
        let (kind, count) = kinds[kind];
        (kind, number % count, variant)
    });
    let reading = prop_oneof![
        3 => Just(Reading::Changes),
        2 => Just(Reading::Whole { is_new_epoch: false }),
        1 => Just(Reading::Whole { is_new_epoch: true }),
    ];
    let abort = prop::option::weighted(0.2, 0..60usize);
    let round = (
        reading,
        prop::collection::vec(change, 0..40),
        prop::bool::weighted(0.8),
        1..200usize,
        abort,
    );
    let round = round.prop_map(|(reading, changes, complete, budget, abort)| Round {
        reading,
        changes,
        complete,
        budget,
        abort,
    });
    prop::collection::vec(round, 1..8)
}

/// A policy under test, beside a model of it.
#[derive(Default)]
struct Pair {
    policy: Policy,
    model: Model,
    epoch: usize,
}

impl Pair {
    fn settle(&mut self, budget: usize) {
        while self.policy.phase() == Phase::Settling {
            let before = observed(&self.policy);
            self.policy.advance(budget).unwrap();
            assert_eq!(observed(&self.policy), before);
        }
        assert!(is_whole(&self.policy));
    }

    fn play(&mut self, round: &Round) {
        let epoch =
            self.epoch + usize::from(round.reading == Reading::Whole { is_new_epoch: true });
        let is_whole_read = round.reading != Reading::Changes;
        // Half of what a re-read puts is what is there already.
        let again = if is_whole_read {
            self.model.clone()
        } else {
            Model::new()
        };
        let again = again.into_iter().filter(|_| epoch == self.epoch);
        let mut model = if is_whole_read {
            Model::new()
        } else {
            self.model.clone()
        };
        let mut entries = Vec::new();
        for ((kind, number), record) in again {
            entries.push(entry(kind, number, Some(&record)));
            model.insert((kind, number), record);
        }
        for &(kind, number, variant) in &round.changes {
            let record = variant.map(|variant| record(kind, number, variant, epoch));
            entries.push(entry(kind, number, record.as_ref()));
            match record {
                Some(record) => model.insert((kind, number), record),
                None => model.remove(&(kind, number)),
            };
        }
        let persons = (0..PERSONS).map(|number| (Kind::Person, number));
        let missing = persons.chain((0..4).map(|number| (Kind::Role, number)));
        for (kind, number) in missing.filter(|_| round.complete) {
            model.entry((kind, number)).or_insert_with(|| {
                let record = record(kind, number, 0, epoch);
                entries.push(entry(kind, number, Some(&record)));
                record
            });
        }

        let before = observed(&self.policy);
        let expected = alone(&model);
        self.policy.begin(round.reading).unwrap();
        match self.read(&entries, round, &before) {
            Read::GivenUp => self.policy.abort(),
            Read::Refused => assert!(expected.is_none(), "{model:?}"),
            Read::Checked => {
                let digest = self.policy.staged_digest();
                self.policy.switch().unwrap();
                let expected = expected.expect("a policy with faults was taken");
                assert_eq!(observed(&self.policy), observed(&expected));
                assert_eq!(self.policy.store().digest(), digest);
                (self.model, self.epoch) = (model, epoch);
            }
        }
        let decides = observed(&self.policy);
        self.settle(round.budget);
        assert_eq!(observed(&self.policy), decides);
        assert_eq!(decides, observed(&alone(&self.model).unwrap()));
    }

    fn read(&mut self, entries: &[Entry], round: &Round, before: &[String]) -> Read {
        let mut left = round.abort;
        let mut entries = entries.iter();
        loop {
            assert_eq!(observed(&self.policy), before);
            if left == Some(0) {
                return Read::GivenUp;
            }
            left = left.map(|left| left - 1);
            match self.policy.phase() {
                Phase::Open => match entries.next() {
                    Some(entry) => self.policy.stage(entry.change()).unwrap(),
                    None => self.policy.close().unwrap(),
                },
                Phase::Checked => return Read::Checked,
                _ => {
                    if self.policy.advance(round.budget).is_err() {
                        return Read::Refused;
                    }
                }
            }
        }
    }
}

enum Read {
    GivenUp,
    Refused,
    Checked,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn reading_beside_another_policy_ends_as_reading_alone_and_changes_no_decision_before(
        rounds in rounds(),
    ) {
        let mut pair = Pair::default();
        for round in &rounds {
            pair.play(round);
        }
    }
}

fn staged(policy: &mut Policy, lines: &[&str]) -> Result<(), Vec<String>> {
    let told = |faults: Vec<PolicyFault>| faults.iter().map(ToString::to_string).collect();
    let refuse = |policy: &mut Policy, faults| {
        policy.abort();
        while policy.advance(1).map_err(told)? != Phase::Settled {}
        Err(told(faults))
    };
    while policy.phase() != Phase::Open {
        policy.advance(100).map_err(told)?;
    }
    for line in lines {
        let entry: Entry = serde_json::from_str(line).unwrap();
        match policy.stage(entry.change()) {
            Ok(()) => {}
            Err(StageFault::Refused(faults)) => return refuse(policy, faults),
            Err(StageFault::OutOfTurn(fault)) => panic!("{fault}"),
        }
    }
    policy.close().unwrap();
    while policy.phase() != Phase::Checked {
        if let Err(faults) = policy.advance(100) {
            return refuse(policy, faults);
        }
    }
    policy.switch().unwrap();
    while policy.advance(100).map_err(told)? != Phase::Settled {}
    Ok(())
}

const HASH: &str = "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778";
const OTHER_HASH: &str = "sha256:8776655443322110f0e1d2c3b4a5968778695a4b3c2d1f0537a96e8b1d2c0f4f";

fn token(id: &str, person: &str, hash: &str) -> String {
    format!(
        r#"{{"put":{{"token":{{"id":"{id}","person":"{person}","hash":"{hash}","expires_at":"never","active":true}}}}}}"#
    )
}

fn with_a_token() -> Policy {
    let mut policy = Policy::default();
    policy.begin(Reading::Changes).unwrap();
    let person = r#"{"put":{"person":{"id":"p","active":true}}}"#;
    let other = r#"{"put":{"person":{"id":"q","active":true}}}"#;
    // The token before its person: a compacted log has them in the order of their last change.
    staged(&mut policy, &[&token("t", "p", HASH), person, other]).unwrap();
    policy
}

#[test]
fn what_can_never_change_is_refused_in_changes_and_re_reads_but_not_in_a_new_epoch() {
    let persons = [
        r#"{"put":{"person":{"id":"p","active":true}}}"#,
        r#"{"put":{"person":{"id":"q","active":true}}}"#,
    ];
    for (line, told) in [
        (
            token("t", "q", HASH),
            "person: the token belongs to another person",
        ),
        (
            token("t", "p", OTHER_HASH),
            "hash: the token has another hash",
        ),
        (token("u", "p", HASH), "hash: token \"t\" has the same hash"),
    ] {
        let lines = [persons[0], persons[1], &line];
        for reading in [
            Reading::Changes,
            Reading::Whole {
                is_new_epoch: false,
            },
        ] {
            let mut policy = with_a_token();
            let before = policy.store().digest();
            policy.begin(reading).unwrap();
            let faults = staged(&mut policy, &lines).unwrap_err();
            assert!(faults[0].starts_with(told), "{faults:?}");
            assert_eq!(policy.store().digest(), before);
            assert!(is_whole(&policy));
        }
        let mut policy = with_a_token();
        policy.begin(Reading::Whole { is_new_epoch: true }).unwrap();
        staged(&mut policy, &lines).unwrap();
        assert_eq!(policy.token_count(), 1);
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_told_by_name() {
    let service = r#"{"put":{"service":{"name":"orders","hosts":["a"],"base_path":"/o","audience":{"mode":"restricted","persons":["q"]},"methods":[]}}}"#;
    for (lines, told) in [
        (
            vec![r#"{"delete":{"person":"p"}}"#],
            "tokens[t].person: there is no person \"p\"",
        ),
        (
            vec![r#"{"put":{"person":{"id":"q","active":true,"roles":["r"]}}}"#],
            "persons[q].roles: there is no role \"r\"",
        ),
        (
            vec![service, r#"{"delete":{"person":"q"}}"#],
            "services[orders].audience.persons[0]: there is no person \"q\"",
        ),
        (
            vec![
                r#"{"put":{"key":{"kid":"k","root":"r","active_from":"2026-11-01T00:00:00Z","not_after":"2026-11-01T00:00:00Z"}}}"#,
            ],
            "keys[k].not_after: not_after is not later",
        ),
        (
            vec![r#"{"put":{"public":{"http":["GET"],"path":"/{x}"}}}"#],
            "public[/{x}].path: ",
        ),
        (
            vec![r#"{"put":{"bypass":{"role":"r"}}}"#],
            "bypass.role: there is no role \"r\"",
        ),
    ] {
        let mut policy = with_a_token();
        policy.begin(Reading::Changes).unwrap();
        let faults = staged(&mut policy, &lines).unwrap_err();
        assert!(faults[0].starts_with(told), "{faults:?}");
        assert!(is_whole(&policy));
    }
}

#[test]
fn a_person_of_an_audience_cannot_go_while_it_is_named_there_even_by_a_service_that_did_not_change()
{
    let service = r#"{"put":{"service":{"name":"orders","hosts":["a"],"base_path":"/o","audience":{"mode":"restricted","persons":["q"]},"methods":[]}}}"#;
    let mut policy = with_a_token();
    policy.begin(Reading::Changes).unwrap();
    staged(&mut policy, &[service]).unwrap();
    policy.begin(Reading::Changes).unwrap();
    let faults = staged(&mut policy, &[r#"{"delete":{"person":"q"}}"#]).unwrap_err();
    assert!(faults[0].starts_with("services[orders]"), "{faults:?}");
}

#[test]
fn nothing_is_taken_out_of_turn() {
    let mut policy = Policy::default();
    let role = Change::Put(Record::Role("r"));
    let out = OutOfTurn(Phase::Settled);
    assert_eq!(policy.stage(role), Err(StageFault::OutOfTurn(out)));
    assert_eq!(policy.close(), Err(out));
    assert_eq!(policy.switch(), Err(out));
    policy.begin(Reading::Changes).unwrap();
    assert_eq!(policy.begin(Reading::Changes), Err(OutOfTurn(Phase::Open)));
    assert_eq!(policy.switch(), Err(OutOfTurn(Phase::Open)));
    policy.close().unwrap();
    assert_eq!(policy.close(), Err(OutOfTurn(Phase::Checking)));
    assert_eq!(policy.advance(1), Ok(Phase::Checked));
    let delete = Change::Delete(RecordId::Role("r"));
    assert_eq!(
        policy.stage(delete),
        Err(StageFault::OutOfTurn(OutOfTurn(Phase::Checked)))
    );
    policy.abort();
    assert_eq!(policy.advance(1), Ok(Phase::Settled));
}
