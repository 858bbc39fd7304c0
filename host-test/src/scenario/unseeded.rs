//! What `--bless` writes has to hold for every seed: what two runs with different seeds have in common.

use toml_edit::{Array, InlineTable, Value};

use super::bless::{Fix, Segment, Spot, literal};

/// The fixes of one run as far as another run, with another seed, wants them too. Parts that differ become `{ any = true }`; where
/// that would say nothing, or nothing true, the fix is left out.
pub(super) fn common(fixes: Vec<(Spot, Fix)>, other: &[(Spot, Fix)]) -> Vec<(Spot, Fix)> {
    let both = fixes.into_iter().filter_map(|(spot, fix)| {
        let same_place =
            |(other_spot, other): &&(Spot, Fix)| *other_spot == spot && other.path == fix.path;
        let (_, other) = other.iter().find(same_place)?;
        let value = match (&fix.value, &other.value) {
            (None, None) => None,
            (Some(one), Some(other)) if is_list_of_words(&fix.path) => {
                (text(one) == text(other)).then(|| Some(one.clone()))?
            }
            (Some(one), Some(other)) => Some(of_both(one, other)?),
            _ => return None,
        };
        let path = fix.path;
        Some((spot, Fix { path, value }))
    });
    both.collect()
}

/// Codes of findings cannot be `{ any = true }`.
fn is_list_of_words(path: &[Segment]) -> bool {
    matches!(path.last(), Some(Segment::Key(key)) if key == "diagnostics")
}

fn text(value: &Value) -> String {
    value.to_string()
}

fn of_both(one: &Value, other: &Value) -> Option<Value> {
    if text(one) == text(other) {
        return Some(one.clone());
    }
    match (one, other) {
        (Value::InlineTable(one), Value::InlineTable(other)) => {
            table(one, other).map(Value::InlineTable)
        }
        (Value::Array(one), Value::Array(other)) => list(one, other).map(Value::Array),
        _ => None,
    }
}

fn list(one: &Array, other: &Array) -> Option<Array> {
    if one.len() != other.len() {
        return None;
    }
    let mut list = one.clone();
    for (index, (one, other)) in one.iter().zip(other).enumerate() {
        list.replace(index, of_both(one, other).unwrap_or_else(literal::any));
    }
    Some(list)
}

fn table(one: &InlineTable, other: &InlineTable) -> Option<InlineTable> {
    if one.contains_key("near") {
        // It has room already.
        return Some(one.clone());
    }
    let names = |table: &InlineTable| -> Vec<String> {
        table.iter().map(|(name, _)| name.to_owned()).collect()
    };
    if one.contains_key("hex") || names(one) != names(other) {
        return None;
    }
    let is_line = one.contains_key("level");
    let mut table = InlineTable::new();
    for ((name, one), (_, other)) in one.iter().zip(other.iter()) {
        match of_both(one, other) {
            Some(mut value) => {
                value.decor_mut().clear();
                table.insert(name, value)
            }
            // A line of which the message is not said is any line of its level.
            None if is_line => None,
            None => table.insert(name, literal::any()),
        };
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        text.parse().expect("a value")
    }

    fn both(one: &str, other: &str) -> Option<String> {
        of_both(&value(one), &value(other)).map(|value| value.to_string())
    }

    #[test]
    fn what_differs_is_anything() {
        assert_eq!(both("'a'", "'a'").as_deref(), Some("'a'"));
        assert_eq!(both("'a'", "'b'"), None);
        assert_eq!(
            both("{ a = '1', b = '2' }", "{ a = '1', b = '3' }").as_deref(),
            Some("{ a = '1', b = { any = true } }")
        );
        assert_eq!(
            both("[['a', '1'], ['b', '2']]", "[['a', '1'], ['b', '3']]").as_deref(),
            Some("[['a', '1'], ['b', { any = true }]]")
        );
    }

    #[test]
    fn what_cannot_be_said_is_left_out() {
        assert_eq!(both("['a']", "['a', 'b']"), None);
        assert_eq!(both("{ a = 1 }", "{ b = 1 }"), None);
        assert_eq!(both("{ hex = 'ff' }", "{ hex = 'fe' }"), None);
        let lines = [
            "{ level = 'info', message = 'a' }",
            "{ level = 'info', message = 'b' }",
        ];
        assert_eq!(
            both(lines[0], lines[1]).as_deref(),
            Some("{ level = 'info' }")
        );
        let near = [
            "{ near = 10, percent = 2.0 }",
            "{ near = 11, percent = 2.0 }",
        ];
        assert_eq!(both(near[0], near[1]).as_deref(), Some(near[0]));
    }
}
