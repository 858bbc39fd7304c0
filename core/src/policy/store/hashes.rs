//! What counts in the digest.

use super::super::digest::RecordHash;
use super::super::document::Expiry;
use super::super::persons::PersonRow;
use super::super::tokens::TokenRow;
use super::Store;
use crate::api_token::TokenHash;

impl Store {
    pub(super) fn person_hash(&self, person: &PersonRow) -> RecordHash {
        let mut content = vec![u8::from(person.active)];
        content.extend(
            person
                .valid_from
                .map_or(0, |instant| instant.as_secs() + 1)
                .to_be_bytes(),
        );
        // By name, since another party may have met the roles in another order.
        for (name, place) in self.roles.iter() {
            if person.roles.contains(&place) {
                content.extend(name.as_bytes());
                content.push(b'\n');
            }
        }
        RecordHash::of("person", &self.ids.text(person.id), &content)
    }

    pub(super) fn token_hash(&self, token: &TokenRow, hash: &TokenHash) -> RecordHash {
        let mut content = hash.as_bytes().to_vec();
        let expiry = match token.expires_at {
            Expiry::At(instant) => instant.as_secs(),
            Expiry::Never => u64::MAX,
        };
        content.extend(expiry.to_be_bytes());
        content.extend(
            token
                .valid_from
                .map_or(0, |instant| instant.as_secs() + 1)
                .to_be_bytes(),
        );
        content.push(u8::from(token.active));
        let person = self.persons.id_at(token.person);
        content.extend(
            person
                .map_or_else(String::new, |person| self.ids.text(person).to_string())
                .as_bytes(),
        );
        RecordHash::of("token", &self.ids.text(token.id), &content)
    }
}

/// The hash of a record that is kept as it was written. Serialising these types cannot fail: their maps have text keys
/// and their numbers are whole.
pub(super) fn document_hash(kind: &str, id: &str, record: &impl serde::Serialize) -> RecordHash {
    RecordHash::of(kind, id, &serde_json::to_vec(record).unwrap_or_default())
}
