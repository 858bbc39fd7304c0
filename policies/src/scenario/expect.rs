//! What a case expects, and how that is compared with what happened.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};

/// What becomes of a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The status that the caller gets. An upstream that is reached answers 200.
    pub status: u16,
    /// The reason's word. Absent: any.
    #[serde(default, deserialize_with = "present")]
    pub reason: Option<String>,
    /// What reaches the upstream; `null` if nothing does.
    #[serde(deserialize_with = "Option::deserialize")]
    pub upstream: Option<ExpectedUpstream>,
}

/// The headers that an upstream gets.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExpectedUpstream {
    /// Headers that it gets, once and with exactly this value.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The service whose token it gets in `Authorization`, once. Who verifies a token has the gateway's key set; here it
    /// is only told from the caller's credential.
    #[serde(default, deserialize_with = "present")]
    pub service_token: Option<String>,
    /// Names of headers that it does not get.
    #[serde(default)]
    pub removed: Vec<String>,
}

/// What happened to a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Observed {
    /// The status that the caller got; 200 where the request reached an upstream that was not really there.
    pub status: u16,
    /// The reason's word, where it can be seen.
    pub reason: Option<String>,
    /// The headers with which the request reached the upstream, if it did.
    pub upstream: Option<Vec<(String, String)>>,
}

/// Reads a member that may be absent: `null` is no absence.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Expect {
    /// How what happened differs from what was expected: one sentence for each difference.
    #[must_use]
    pub fn differences(&self, observed: &Observed) -> Vec<String> {
        let mut differences = Vec::new();
        if observed.status != self.status {
            differences.push(format!(
                "status: expected {}, got {}",
                self.status, observed.status
            ));
        }
        if let (Some(expected), Some(got)) = (&self.reason, &observed.reason)
            && expected != got
        {
            differences.push(format!("reason: expected {expected}, got {got}"));
        }
        match (&self.upstream, &observed.upstream) {
            (None, None) => {}
            (None, Some(_)) => {
                differences.push("upstream: expected not to be reached, but it was".to_owned());
            }
            (Some(_), None) => {
                differences.push("upstream: expected to be reached, but it was not".to_owned());
            }
            (Some(expected), Some(headers)) => differences.extend(expected.differences(headers)),
        }
        differences
    }
}

impl ExpectedUpstream {
    fn differences(&self, headers: &[(String, String)]) -> Vec<String> {
        let values = |name: &str| -> Vec<&str> {
            let of_name = headers
                .iter()
                .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
            of_name.map(|(_, value)| value.as_str()).collect()
        };
        let set = self.set.iter().filter_map(|(name, expected)| {
            let got = values(name);
            let told = match got.as_slice() {
                [one] if one == expected => return None,
                [] => "it did not get it".to_owned(),
                // The value may be a credential, so it is not repeated.
                _ if name.eq_ignore_ascii_case("authorization") => "it got another".to_owned(),
                several => format!("it got {several:?}"),
            };
            Some(format!(
                "upstream header {name}: expected {expected:?}, but {told}"
            ))
        });
        let removed = self
            .removed
            .iter()
            // The value may be a credential, so it is not repeated.
            .filter(|name| !values(name).is_empty())
            .map(|name| format!("upstream header {name}: expected to be removed, but it got it"));
        let service_token = self.service_token.as_deref().and_then(|service| {
            let told = match values("authorization").as_slice() {
                [] => "it got no Authorization",
                [one] if is_token_for(one, service) => return None,
                [_] => "it got something else",
                _ => "it got several",
            };
            Some(format!(
                "upstream: expected a service token for {service} in Authorization, but {told}"
            ))
        });
        set.chain(removed).chain(service_token).collect()
    }
}

/// Whether an `Authorization` header holds a service token for a service.
fn is_token_for(authorization: &str, service: &str) -> bool {
    let Some(token) = authorization.strip_prefix("Bearer ") else {
        return false;
    };
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return false;
    };
    let member = |part: &str, name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        value.get(name)?.as_str().map(str::to_owned)
    };
    let audience = member(claims, "aud").unwrap_or_default();
    member(header, "typ").as_deref() == Some("postern-service+jwt")
        && audience
            .rsplit_once('/')
            .is_some_and(|(_, name)| name == service)
        && !signature.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(json: &str) -> Expect {
        serde_json::from_str(json).unwrap()
    }

    fn reached(headers: &[(&str, &str)]) -> Observed {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Observed {
            status: 200,
            reason: Some("allowed".to_owned()),
            upstream: Some(headers.collect()),
        }
    }

    fn refused() -> Observed {
        Observed {
            status: 403,
            reason: Some("no_path".to_owned()),
            upstream: None,
        }
    }

    #[test]
    fn what_is_as_expected_has_no_differences() {
        let allowed = expect(
            r#"{"status": 200, "reason": "allowed",
                "upstream": {"set": {"x-postern-person": "p"}, "removed": ["authorization"]}}"#,
        );
        let observed = reached(&[("X-Postern-Person", "p"), ("accept", "*/*")]);
        assert_eq!(allowed.differences(&observed), [""; 0]);
        let refusal = expect(r#"{"status": 403, "upstream": null}"#);
        assert_eq!(refusal.differences(&refused()), [""; 0]);
    }

    #[test]
    fn every_difference_is_told() {
        let expected = expect(r#"{"status": 200, "reason": "allowed", "upstream": {}}"#);
        assert_eq!(
            expected.differences(&refused()),
            [
                "status: expected 200, got 403",
                "reason: expected allowed, got no_path",
                "upstream: expected to be reached, but it was not",
            ]
        );
        let expected = expect(r#"{"status": 200, "upstream": null}"#);
        assert_eq!(
            expected.differences(&reached(&[])),
            ["upstream: expected not to be reached, but it was"]
        );
    }

    #[test]
    fn a_header_that_is_missing_doubled_or_left_is_told_without_the_value_of_a_removed_one() {
        let expected = expect(
            r#"{"status": 200, "upstream":
                {"set": {"a": "1", "b": "2"}, "removed": ["authorization"]}}"#,
        );
        let observed = reached(&[("b", "2"), ("B", "3"), ("authorization", "Bearer secret")]);
        assert_eq!(
            expected.differences(&observed),
            [
                "upstream header a: expected \"1\", but it did not get it",
                "upstream header b: expected \"2\", but it got [\"2\", \"3\"]",
                "upstream header authorization: expected to be removed, but it got it",
            ]
        );
    }

    fn bearer(typ: &str, aud: &str) -> String {
        let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
        let header = encode(format!(r#"{{"typ": "{typ}"}}"#));
        format!(
            "Bearer {header}.{}.c2ln",
            encode(format!(r#"{{"aud": "{aud}"}}"#))
        )
    }

    #[test]
    fn a_service_token_is_told_from_everything_else_and_not_repeated() {
        let expected = expect(r#"{"status": 200, "upstream": {"service_token": "orders"}}"#);
        let good = bearer("postern-service+jwt", "shop/orders");
        let reached_with =
            |value: &str| expected.differences(&reached(&[("authorization", value)]));
        assert_eq!(reached_with(&good), [""; 0]);
        for other in [
            bearer("at+jwt", "shop/orders"),
            bearer("postern-service+jwt", "shop/invoices"),
            bearer("postern-service+jwt", "orders"),
            good.replace("Bearer ", "Basic "),
            good.replace(".c2ln", "."),
            good.replace(".c2ln", ""),
            "Bearer junk".to_owned(),
        ] {
            assert_eq!(
                reached_with(&other),
                [
                    "upstream: expected a service token for orders in Authorization, but it got something else"
                ],
                "{other}"
            );
        }
        let twice = reached(&[("authorization", &good), ("Authorization", &good)]);
        assert!(expected.differences(&twice)[0].ends_with("but it got several"));
        assert!(expected.differences(&reached(&[]))[0].ends_with("but it got no Authorization"));
    }

    #[test]
    fn an_authorization_that_is_another_is_not_repeated() {
        let expected =
            expect(r#"{"status": 200, "upstream": {"set": {"authorization": "Basic YTpi"}}}"#);
        assert_eq!(
            expected.differences(&reached(&[("authorization", "Bearer secret")])),
            ["upstream header authorization: expected \"Basic YTpi\", but it got another"]
        );
    }

    #[test]
    fn a_reason_that_cannot_be_seen_is_not_compared() {
        let expected = expect(r#"{"status": 403, "reason": "not_in_audience", "upstream": null}"#);
        let observed = Observed {
            reason: None,
            ..refused()
        };
        assert_eq!(expected.differences(&observed), [""; 0]);
    }

    #[test]
    fn what_becomes_of_the_upstream_must_be_said() {
        assert!(serde_json::from_str::<Expect>(r#"{"status": 200}"#).is_err());
    }
}
