//! Changes, one at a time.

use super::*;
use crate::api_token::TokenHash;
use crate::policy::document::Expiry;
use crate::time::Timestamp;

fn person(id: &str, roles: &[&str]) -> Person {
    Person {
        id: id.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        active: true,
        valid_from: None,
    }
}

fn token(id: &str, person: &str, secret: &str) -> Token {
    Token {
        id: id.to_owned(),
        person: person.to_owned(),
        hash: TokenHash::of(secret.as_bytes()),
        expires_at: Expiry::Never,
        active: true,
        valid_from: None,
    }
}

fn put(store: &mut Store, record: Record<'_>) -> Result<(), String> {
    store
        .apply(Change::Put(record))
        .map_err(|faults| faults[0].to_string())
}

fn filled() -> Store {
    let mut store = Store::default();
    for role in ["r1", "r2"] {
        put(&mut store, Record::Role(role)).unwrap();
    }
    put(&mut store, Record::Person(&person("p-1", &["r1", "r2"]))).unwrap();
    put(&mut store, Record::Person(&person("p-2", &[]))).unwrap();
    put(&mut store, Record::Token(&token("t-1", "p-1", "one"))).unwrap();
    store
}

#[test]
fn the_same_records_have_the_same_digest_whatever_the_order_and_the_way_there() {
    let mut other = Store::default();
    for role in ["r2", "r1"] {
        put(&mut other, Record::Role(role)).unwrap();
    }
    put(&mut other, Record::Person(&person("p-2", &["r1"]))).unwrap();
    put(&mut other, Record::Token(&token("t-2", "p-2", "two"))).unwrap();
    other.apply(Change::Delete(RecordId::Token("t-2"))).unwrap();
    put(&mut other, Record::Person(&person("p-2", &[]))).unwrap();
    put(&mut other, Record::Person(&person("p-1", &["r2", "r1"]))).unwrap();
    let inactive = Token {
        active: false,
        ..token("t-1", "p-1", "one")
    };
    put(&mut other, Record::Token(&inactive)).unwrap();
    assert_ne!(other.digest(), filled().digest());
    put(&mut other, Record::Token(&token("t-1", "p-1", "one"))).unwrap();
    assert_eq!(other.digest(), filled().digest());
}

#[test]
fn every_member_of_a_token_and_a_person_counts_in_the_digest() {
    let plain = filled().digest();
    let instant = Some(Timestamp::from_secs(1));
    for changed in [
        Token {
            active: false,
            ..token("t-1", "p-1", "one")
        },
        Token {
            expires_at: Expiry::At(Timestamp::from_secs(1)),
            ..token("t-1", "p-1", "one")
        },
        Token {
            valid_from: instant,
            ..token("t-1", "p-1", "one")
        },
    ] {
        let mut store = filled();
        put(&mut store, Record::Token(&changed)).unwrap();
        assert_ne!(store.digest(), plain, "{changed:?}");
    }
    for changed in [
        Person {
            active: false,
            ..person("p-1", &["r1", "r2"])
        },
        Person {
            valid_from: instant,
            ..person("p-1", &["r1", "r2"])
        },
        person("p-1", &["r1"]),
    ] {
        let mut store = filled();
        put(&mut store, Record::Person(&changed)).unwrap();
        assert_ne!(store.digest(), plain, "{changed:?}");
    }
}

#[test]
fn a_store_that_is_emptied_again_has_the_digest_of_an_empty_one() {
    let mut store = filled();
    for id in [
        RecordId::Token("t-1"),
        RecordId::Person("p-1"),
        RecordId::Person("p-2"),
        RecordId::Role("r1"),
        RecordId::Role("r2"),
    ] {
        store.apply(Change::Delete(id)).unwrap();
    }
    assert_eq!(store.digest(), Digest::default());
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut store = filled();
    let before = store.digest();
    for (record, fault) in [
        (
            Record::Token(&token("t-1", "p-2", "one")),
            "person: the token belongs to another person",
        ),
        (
            Record::Token(&token("t-1", "p-1", "two")),
            "hash: the token has another hash",
        ),
        (
            Record::Token(&token("t-2", "p-1", "one")),
            "hash: token \"t-1\" has the same hash",
        ),
        (
            Record::Token(&token("t-2", "p-3", "two")),
            "person: there is no person \"p-3\"",
        ),
        (
            Record::Token(&token("t 2", "p-1", "two")),
            "id: \"t 2\" is no id",
        ),
        (
            Record::Token(&token("t-2", "p-1", "password")),
            "hash: this is the hash of a well-known text",
        ),
        (
            Record::Person(&person("p-1", &["r3"])),
            "roles[0]: there is no role \"r3\"",
        ),
        (
            Record::Person(&person("p-1", &["r1", "r1"])),
            "roles[1]: \"r1\" is there twice",
        ),
    ] {
        let told = put(&mut store, record).unwrap_err();
        assert!(told.starts_with(fault), "{told}");
    }
    for id in [RecordId::Person("p-1"), RecordId::Role("r1")] {
        assert!(store.apply(Change::Delete(id)).is_err());
    }
    assert_eq!(store.digest(), before);
    assert_eq!(store.tokens.len(store.now()), 1);
}

#[test]
fn deleting_what_is_not_there_is_no_fault() {
    let mut store = filled();
    let before = store.digest();
    for id in [
        RecordId::Token("t-9"),
        RecordId::Person("p-9"),
        RecordId::Role("r9"),
        RecordId::Bypass,
    ] {
        store.apply(Change::Delete(id)).unwrap();
    }
    assert_eq!(store.digest(), before);
}
