//! Policies of a size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use postern_core::id::number_to_text;
use serde_json::json;

use super::super::seeded::Seeded;
use crate::{Error, Result};

/// Methods of one service, at most.
const METHODS_PER_SERVICE: usize = 50;

/// So many tokens are those of the first few persons in a policy of any size: a token's person never changes.
const FIRST_TOKENS: usize = 100;
const FIRST_PERSONS: usize = 10;

/// The number in the id of the first token.
const FIRST_ID: u64 = 1 << 40;

/// How much there is of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    pub(super) tokens: usize,
    pub(super) persons: usize,
    pub(super) methods: usize,
}

/// Writes a policy of tokens that nobody holds. One of a larger amount has all of a smaller one's records.
pub(super) fn write(amounts: Amounts, path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write!(file, "{{\"format\": 1,\n\"persons\": [")?;
    list(&mut file, amounts.persons, |number| {
        Ok(json!({"id": format!("p-{number}"), "active": true}).to_string())
    })?;
    write!(file, "],\n\"services\": [")?;
    let services = amounts.methods.div_ceil(METHODS_PER_SERVICE);
    list(&mut file, services, |number| {
        let left = amounts.methods - number * METHODS_PER_SERVICE;
        let methods: Vec<_> = (0..left.min(METHODS_PER_SERVICE))
            .map(|method| json!({"name": format!("m-{method}"), "http": ["GET"], "path": format!("/m-{method}/{{id}}")}))
            .collect();
        Ok(json!({
            "name": format!("s-{number}"), "hosts": ["api.example.com"], "base_path": format!("/s-{number}"),
            "audience": {"mode": "restricted", "persons": [format!("p-{}", number % amounts.persons)]},
            "methods": methods,
        })
        .to_string())
    })?;
    write!(file, "],\n\"tokens\": [")?;
    let mut numbers = Seeded::new(5);
    list(&mut file, amounts.tokens, |number| {
        use postern_core::random::Random as _;
        let mut hash = [0; 32];
        let drawn = numbers.fill(&mut hash);
        drawn.map_err(|fault| Error::Fixture(fault.to_string()))?;
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let persons = if number < FIRST_TOKENS {
            FIRST_PERSONS
        } else {
            amounts.persons
        };
        let person = number % persons.min(amounts.persons);
        // As the registry makes them: texts of other ids are kept beside the table, and would be what is measured.
        let id = number_to_text(FIRST_ID + number as u64);
        Ok(format!(
            r#"{{"id":"{id}","person":"p-{person}","hash":"sha256:{hash}","expires_at":"never","active":true}}"#
        ))
    })?;
    writeln!(file, "]}}")?;
    Ok(file.flush()?)
}

fn list(
    file: &mut impl Write,
    count: usize,
    mut item: impl FnMut(usize) -> Result<String>,
) -> Result<()> {
    for number in 0..count {
        let comma = if number == 0 { "" } else { ",\n" };
        write!(file, "{comma}{}", item(number)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_as_much_as_was_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.json");
        let amounts = Amounts {
            tokens: 7,
            persons: 3,
            methods: 51,
        };
        write(amounts, &path).expect("written");
        let text = std::fs::read_to_string(path).expect("read");
        let policy: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let count = |list: &serde_json::Value| list.as_array().map(Vec::len);
        assert_eq!(count(&policy["tokens"]), Some(7));
        assert_eq!(count(&policy["persons"]), Some(3));
        assert_eq!(count(&policy["services"]), Some(2));
        assert_eq!(count(&policy["services"][1]["methods"]), Some(1));
    }
}
