//! What one step saves and another one uses.

use std::collections::BTreeMap;

use super::format::Source;
use crate::exchange::Exchange;

/// A part of a response, if it is there.
pub(super) fn part(exchange: &Exchange, source: &Source) -> Option<String> {
    match source {
        Source::Header(name) => exchange.header_text(name),
        Source::Json(pointer) => {
            let body: serde_json::Value = serde_json::from_slice(exchange.body()).ok()?;
            match body.pointer(pointer)? {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        }
    }
}

/// A text with `${name}` replaced by what was saved under that name.
pub(super) fn insert(text: &str, saved: &BTreeMap<String, String>) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part
            .split_once('}')
            .ok_or_else(|| format!("`${{{part}` has no end"))?;
        let value = saved
            .get(name)
            .ok_or_else(|| format!("no step before has saved `{name}`"))?;
        out.push_str(value);
        out.push_str(rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_must_be_known() {
        let saved = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(insert("x${a}y$z${a}", &saved), Ok("x1y$z1".to_owned()));
        assert!(insert("${b}", &saved).is_err_and(|error| error.contains("`b`")));
        assert!(insert("${a", &saved).is_err_and(|error| error.contains("no end")));
    }
}
