//! Comparing headers.

use toml_edit::Value;

use super::super::bless::literal;
use super::super::format::{HeaderExpect, HeaderValues, Text, quoted};
use super::{Checker, diff};
use crate::headers::HeaderMap;

impl Checker {
    /// Headers among others.
    pub(super) fn headers(
        &mut self,
        key: &str,
        expected: Option<&HeaderExpect>,
        observed: Option<&HeaderMap>,
    ) {
        let Some(expected) = expected else { return };
        if expected.is_empty() {
            let fix = observed.filter(|observed| !observed.is_empty()).map(table);
            self.empty(key, fix);
        }
        self.at(key, |checker| {
            for (name, values) in expected.iter() {
                let observed = observed.map_or_else(Vec::new, |map| map.all(name));
                checker.values(name, values, &observed);
            }
        });
    }

    fn values(&mut self, name: &str, expected: &HeaderValues, observed: &[&[u8]]) {
        match (expected, observed) {
            (HeaderValues::One(expected), []) => self.text(name, Some(expected), None),
            (HeaderValues::One(expected), [one]) => self.text(name, Some(expected), Some(one)),
            (HeaderValues::One(expected), several) => {
                let fix = matches!(expected, Text::Exact(_) | Text::Absent)
                    .then(|| values_literal(several));
                self.differ_with(name, expected.to_string(), list(several), Vec::new(), fix);
            }
            (HeaderValues::All(expected), observed) => {
                let same = expected.len() == observed.len()
                    && expected
                        .iter()
                        .zip(observed)
                        .all(|(text, value)| text.matches(value));
                if same {
                    return;
                }
                let exact = expected.iter().all(|text| matches!(text, Text::Exact(_)));
                let texts: Vec<_> = expected.iter().map(ToString::to_string).collect();
                self.differ_with(
                    name,
                    format!("[{}]", texts.join(", ")),
                    list(observed),
                    Vec::new(),
                    exact.then(|| values_literal(observed)),
                );
            }
        }
    }

    /// All headers in their order.
    pub(super) fn headers_in_order(
        &mut self,
        key: &str,
        expected: Option<&Vec<(String, Text)>>,
        observed: Option<&HeaderMap>,
    ) {
        let Some(expected) = expected else { return };
        let empty = HeaderMap::new();
        let observed: Vec<_> = observed.unwrap_or(&empty).iter().collect();
        let same = |(name, text): &(String, Text), (other, value): &(&[u8], &[u8])| {
            name.as_bytes().eq_ignore_ascii_case(other) && text.matches(value)
        };
        let equal = expected.len() == observed.len()
            && expected
                .iter()
                .zip(&observed)
                .all(|(one, other)| same(one, other));
        if equal {
            return;
        }
        let lines = diff(
            expected,
            &observed,
            same,
            |(name, text)| format!("{name}: {text}"),
            |(name, value)| format!("{}: {}", String::from_utf8_lossy(name), quoted(value)),
        );
        let exact = expected
            .iter()
            .all(|(_, text)| matches!(text, Text::Exact(_)));
        let fix = exact.then(|| {
            literal::list(observed.iter().map(|(name, value)| {
                literal::list([
                    literal::string(&String::from_utf8_lossy(name)),
                    literal::bytes(value),
                ])
            }))
        });
        let count = |count| format!("{count} headers");
        self.differ_with(
            key,
            count(expected.len()),
            count(observed.len()),
            lines,
            fix,
        );
    }
}

fn list(values: &[&[u8]]) -> String {
    match values {
        [] => "nothing".to_owned(),
        values => {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

fn values_literal(values: &[&[u8]]) -> Value {
    match values {
        [one] => literal::bytes(one),
        [] => literal::absent(),
        values => literal::list(values.iter().map(|value| literal::bytes(value))),
    }
}

/// All headers as a table of names and values.
pub(super) fn table(headers: &HeaderMap) -> Value {
    let mut names: Vec<&[u8]> = Vec::new();
    for (name, _) in headers.iter() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    literal::table(names.into_iter().map(|name| {
        let values = values_literal(&headers.all(name));
        (String::from_utf8_lossy(name).into_owned(), values)
    }))
}
