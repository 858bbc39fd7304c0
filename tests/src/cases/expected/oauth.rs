//! What OAuth clients get: tokens as RFC 6749, section 5.1, and RFC 8693, section 2.2.1, have them, and errors as RFC
//! 6749, section 5.2, has them.

use serde_json::{Value, json};

use super::equal;
use crate::envoy::Logged;
use crate::fixture::TOKEN_AUDIENCE;
use crate::gateway::Answer;

/// What is said of every credential that is not good.
const NOT_VALID: &str = "The token is not valid here and now.";

/// A refusal in the terms of OAuth.
#[derive(Clone, Copy, Debug)]
pub struct OAuthRefusal {
    status: u16,
    error: &'static str,
    reason: &'static str,
    /// The whole sentence, where all reasons must have the same one.
    sentence: Option<&'static str>,
}

impl OAuthRefusal {
    /// A status, an `error` and the reason in filter state.
    pub const fn new(status: u16, error: &'static str, reason: &'static str) -> Self {
        Self {
            status,
            error,
            reason,
            sentence: None,
        }
    }

    /// 401 for a client whose id and secret are not those of one good API token, whichever of the two is wrong.
    pub const fn bad_client(reason: &'static str) -> Self {
        Self {
            sentence: Some(NOT_VALID),
            ..Self::new(401, "invalid_client", reason)
        }
    }

    /// 400 for a subject token that is not good.
    pub const fn bad_subject(reason: &'static str) -> Self {
        Self {
            sentence: Some(NOT_VALID),
            ..Self::new(400, "invalid_request", reason)
        }
    }

    pub(super) fn check(&self, faults: &mut Vec<String>, answer: &Answer, logged: &Logged) {
        let response = &answer.response;
        equal(faults, "status", &response.status, &self.status);
        let challenge = (self.status == 401).then(|| format!("Basic realm=\"{TOKEN_AUDIENCE}\""));
        equal(
            faults,
            "www-authenticate",
            &response.headers.text("www-authenticate"),
            &challenge,
        );
        let allow = (self.status == 405).then(|| "POST".to_owned());
        equal(faults, "allow", &response.headers.text("allow"), &allow);
        check_no_store(faults, answer);
        let body = response.json().unwrap_or_default();
        let sentence = body["error_description"].as_str().unwrap_or_default();
        if sentence.is_empty() {
            faults.push(format!("no error_description: {}", response.text()));
        }
        let expected = self.sentence.unwrap_or(sentence);
        let expected = json!({ "error": self.error, "error_description": expected });
        equal(faults, "body", &response.text(), &expected.to_string());
        equal(
            faults,
            "reason",
            &logged.state.get("postern.reason").map(String::as_str),
            &Some(self.reason),
        );
    }
}

pub(super) fn check_exchanged(
    faults: &mut Vec<String>,
    answer: &Answer,
    [token, person, audience]: [&str; 3],
    form: bool,
) {
    equal(faults, "status", &answer.response.status, &200);
    check_no_store(faults, answer);
    let mut body = answer.response.json().unwrap_or_default();
    let raw = body["access_token"].take();
    let Ok(claims) = crate::fixture::claims(raw.as_str().unwrap_or_default()) else {
        faults.push(format!(
            "access_token is no JWT: {}",
            answer.response.text()
        ));
        return;
    };
    let mut expected = json!({
        "access_token": null,
        "token_type": "Bearer",
        "expires_in": 300,
    });
    if form {
        expected["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
    }
    equal(faults, "body", &body, &expected);
    for (claim, value) in [("sub", person), ("client_id", token), ("aud", audience)] {
        equal(faults, claim, &claims[claim], &Value::from(value));
    }
}

fn check_no_store(faults: &mut Vec<String>, answer: &Answer) {
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("pragma", "no-cache"),
    ] {
        equal(
            faults,
            name,
            &answer.response.headers.text(name).as_deref(),
            &Some(value),
        );
    }
}
