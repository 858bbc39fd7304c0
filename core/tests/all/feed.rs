//! The protocol of policy sync against an implementation of its own: `core/testdata/feed.py`.

use postern_core::feed::{
    Expected, Head, HeadKey, Nonce, PageReader, PageWriter, PublicKey, PublicKeys,
};
use postern_core::policy::Store;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    secret_key: String,
    public_key: String,
    nonce: String,
    head: String,
    signature: String,
    page: String,
    /// That of the policy after each of the page's records.
    digests: Vec<String>,
}

fn vector() -> serde_json::Result<Vector> {
    serde_json::from_str(include_str!("../../testdata/feed.json"))
}

fn verified(vector: &Vector) -> Result<Head, Box<dyn std::error::Error>> {
    let keys = PublicKeys::new(vec![PublicKey::parse(&vector.public_key)?]);
    let expected = Expected {
        feed: "default",
        nonce: Nonce::parse(&vector.nonce).ok_or("no nonce")?,
        keys: &keys,
    };
    let signature = vector.signature.as_bytes();
    Ok(Head::verify(vector.head.as_bytes(), signature, &expected)?)
}

#[test]
fn a_head_that_another_program_signed_is_accepted_and_this_one_signs_the_same() {
    let vector = vector().unwrap();
    let head = verified(&vector).unwrap();
    assert_eq!(head.revision, 42);
    assert_eq!(head.to_json().unwrap(), vector.head.as_bytes());
    let key = HeadKey::parse(&vector.secret_key).unwrap();
    assert_eq!(key.public_key().to_string(), vector.public_key);
    assert_eq!(key.sign(vector.head.as_bytes()), vector.signature);
}

#[test]
fn a_page_that_another_program_wrote_is_read_and_this_one_writes_the_same() {
    let vector = vector().unwrap();
    let page = verified(&vector).unwrap().pages[0];
    let mut reader = PageReader::open(page, vector.page.clone().into_bytes()).unwrap();
    let mut writer = PageWriter::new();
    while let Some(entry) = reader.next_entry() {
        assert_eq!(writer.push(entry.unwrap().change()), Ok(None));
    }
    assert_eq!(writer.finish().unwrap().body, vector.page.as_bytes());
}

#[test]
fn every_kind_of_record_counts_in_the_digest_as_it_is_documented() {
    let vector = vector().unwrap();
    let head = verified(&vector).unwrap();
    let mut reader = PageReader::open(head.pages[0], vector.page.into_bytes()).unwrap();
    let mut store = Store::default();
    let mut digests = Vec::new();
    while let Some(entry) = reader.next_entry() {
        store.apply(entry.unwrap().change()).unwrap();
        digests.push(store.digest().to_hex());
    }
    let (records, gone) = digests.split_at(vector.digests.len());
    assert_eq!(records, vector.digests);
    assert_eq!(gone.len(), 2);
    assert_eq!(store.digest(), head.digest);
}
