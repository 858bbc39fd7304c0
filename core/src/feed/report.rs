//! What a worker of a gateway tells the admin service about itself: the body of `POST /v1/status`.

use std::fmt::Write as _;

use super::sync::InForce;
use crate::policy::document::Document;
use crate::time::Timestamp;

/// A report. It is bounded: [`Report::to_json`] leaves out uses that do not fit.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The name that the worker has given itself.
    pub vm: &'a str,
    /// The filter's version.
    pub version: &'a str,
    /// The policy in force, if there is one.
    pub in_force: Option<&'a InForce>,
    /// Where it was read: `feed`, or `shared` if another worker had read it.
    pub origin: &'a str,
    /// How long ago the policy in force was known to be the latest, in seconds.
    pub age: Option<u64>,
    /// What went wrong last, and when.
    pub last_error: Option<(&'a str, Timestamp)>,
    /// Names of counters, and their values.
    pub counts: &'a [(&'static str, u64)],
}

/// The longest report in bytes: half of what `postern-admin` takes.
const MAX_REPORT: usize = 32 * 1024;

/// No error is told with more bytes.
const MAX_ERROR: usize = 512;

impl Report<'_> {
    /// The report as JSON, with the last uses of tokens as far as there is room. Returns it with the number of uses that
    /// were left out.
    pub fn to_json(&self, uses: impl Iterator<Item = (Box<str>, Timestamp)>) -> (String, u64) {
        let mut json = String::with_capacity(1024);
        // Writing to a `String` does not fail. What is not quoted here has been checked to need no escape: ids, numbers
        // and words of this program.
        let _written = self.write_head(&mut json);
        let (mut left_out, mut separator) = (0, "");
        for (token, at) in uses {
            let room = MAX_REPORT.saturating_sub(json.len() + token.len() + 40);
            if room == 0 {
                left_out += 1;
                continue;
            }
            let _written = write!(json, "{separator}\"{token}\":\"{at}\"");
            separator = ",";
        }
        json.push_str("}}");
        (json, left_out)
    }

    fn write_head(&self, json: &mut String) -> std::fmt::Result {
        write!(
            json,
            "{{\"vm\":\"{}\",\"version\":\"{}\",\"formats\":[{}],\"source\":\"{}\"",
            self.vm,
            self.version,
            Document::FORMAT,
            self.origin
        )?;
        if let Some(in_force) = self.in_force {
            write!(
                json,
                ",\"epoch\":{},\"revision\":{},\"digest\":\"{}\"",
                in_force.position.epoch,
                in_force.position.revision,
                in_force.digest.to_hex()
            )?;
        }
        if let Some(age) = self.age {
            write!(json, ",\"age\":{age}")?;
        }
        if let Some((text, at)) = self.last_error {
            let end = text.floor_char_boundary(MAX_ERROR);
            let text = text.get(..end).unwrap_or_default();
            let text = serde_json::to_string(text).unwrap_or_default();
            write!(json, ",\"last_error\":{{\"at\":\"{at}\",\"text\":{text}}}")?;
        }
        json.push_str(",\"counts\":{");
        for (place, (name, value)) in self.counts.iter().enumerate() {
            let separator = if place == 0 { "" } else { "," };
            write!(json, "{separator}\"{name}\":{value}")?;
        }
        json.push_str("},\"last_used\":{");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::moment::Moment;
    use super::super::sync::Position;
    use super::*;
    use crate::policy::Policy;

    fn report<'a>(in_force: Option<&'a InForce>, error: Option<&'a str>) -> Report<'a> {
        Report {
            vm: "0a1b",
            version: "0.1.0",
            in_force,
            origin: "feed",
            age: in_force.map(|_| 7),
            last_error: error.map(|text| (text, Timestamp::from_secs(0))),
            counts: &[("polls", 3), ("pages", 4)],
        }
    }

    #[test]
    fn it_is_json_with_all_that_is_known() {
        let in_force = InForce {
            position: Position {
                epoch: 2,
                revision: 41,
            },
            digest: Policy::default().store().digest(),
            issued_at: Timestamp::from_secs(1),
            contact: Moment::from_millis(1),
        };
        let uses = [("t-9".into(), Timestamp::from_secs(60))];
        let error = "line 1\n\"quoted\"";
        let (json, left_out) = report(Some(&in_force), Some(error)).to_json(uses.into_iter());
        let read: Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({
            "vm": "0a1b", "version": "0.1.0", "formats": [1], "source": "feed",
            "epoch": 2, "revision": 41, "digest": "0".repeat(64), "age": 7,
            "last_error": {"at": "1970-01-01T00:00:00Z", "text": error},
            "counts": {"polls": 3, "pages": 4},
            "last_used": {"t-9": "1970-01-01T00:01:00Z"},
        });
        assert_eq!((read, left_out), (expected, 0));
    }

    #[test]
    fn it_has_no_more_than_32_kib_and_says_how_many_uses_it_leaves_out() {
        let uses = (0..1000).map(|number| {
            let id = format!("{number:064}");
            (id.into(), Timestamp::from_secs(60))
        });
        let error = "é".repeat(1000);
        let (json, left_out) = report(None, Some(&error)).to_json(uses);
        assert!(json.len() <= MAX_REPORT, "{}", json.len());
        let read: Value = serde_json::from_str(&json).unwrap();
        let told = read["last_used"].as_object().unwrap().len();
        assert_eq!(told as u64 + left_out, 1000);
        assert!(told > 300, "{told}");
        let text = read["last_error"]["text"].as_str().unwrap();
        assert_eq!(text, "é".repeat(256));
        assert!(read.get("revision").is_none());
    }
}
