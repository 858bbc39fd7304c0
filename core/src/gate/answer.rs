//! Answers that the gate gives itself: refusals as problem documents (RFC 9457), challenges (RFC 6750), and what an
//! exchange returns.

use serde::Serialize;

use super::outcome::Terms;
use crate::decision_id::DecisionId;
use crate::reason::{Problem, Reason};

/// An answer to the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, in order.
    pub headers: Vec<(&'static str, String)>,
    /// The body; for a gRPC caller, the message.
    pub body: String,
    /// The gRPC status, where the caller speaks gRPC.
    pub grpc_status: Option<u32>,
}

/// A problem document. Its members are those of RFC 9457, section 3.1.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: String,
}

/// An error of the exchange. Its members are those of RFC 6749, section 5.2.
#[derive(Serialize)]
struct OAuthError<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// What a refusal says.
pub(super) struct Refused<'a> {
    pub(super) problem: Problem,
    /// More than the problem says; it must hold nothing that the caller did not send or may not know.
    pub(super) detail: &'a str,
    /// The methods that the path takes, where the request's is none of them.
    pub(super) allow: &'static str,
    pub(super) realm: &'a str,
    pub(super) decision: &'a DecisionId,
}

impl Answer {
    /// The refusal in the caller's terms.
    pub(super) fn refusal(refused: &Refused<'_>, terms: Terms) -> Self {
        let mut headers = Vec::with_capacity(4);
        if refused.problem == Problem::MethodNotAllowed {
            // RFC 9110, section 15.5.6.
            headers.push(("allow", refused.allow.to_owned()));
        }
        match terms {
            Terms::Problem => Self::problem(refused, headers),
            Terms::Grpc => Self {
                body: refused.detail.to_owned(),
                grpc_status: Some(refused.problem.grpc_status()),
                ..Self::challenged(refused, headers)
            },
            Terms::OAuthClient | Terms::OAuthForm => Self::oauth_error(refused, headers, terms),
        }
    }

    fn problem(refused: &Refused<'_>, headers: Vec<(&'static str, String)>) -> Self {
        let problem = refused.problem;
        let mut answer = Self::challenged(refused, headers);
        answer.headers.extend([
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ]);
        let document = Document {
            r#type: format!("urn:postern:problem:{}", problem.code()),
            title: problem.title(),
            status: problem.status(),
            detail: refused.detail,
            instance: format!("urn:postern:decision:{}", refused.decision),
        };
        // Serialising text and a number cannot fail.
        answer.body = serde_json::to_string(&document).unwrap_or_default();
        answer
    }

    fn challenged(refused: &Refused<'_>, mut headers: Vec<(&'static str, String)>) -> Self {
        if let Some(challenge) = challenge(refused) {
            headers.insert(0, ("www-authenticate", challenge));
        }
        Self {
            status: refused.problem.status(),
            headers,
            body: String::new(),
            grpc_status: None,
        }
    }

    fn oauth_error(
        refused: &Refused<'_>,
        mut headers: Vec<(&'static str, String)>,
        terms: Terms,
    ) -> Self {
        let is_form = terms == Terms::OAuthForm;
        let (status, error) = match refused.problem {
            // RFC 8693, section 2.2.2, wants another code for the same fault than RFC 6749, section 5.2.
            Problem::InvalidToken if is_form => (400, "invalid_request"),
            Problem::Unauthenticated | Problem::InvalidToken => (401, "invalid_client"),
            Problem::UnsupportedGrantType | Problem::InvalidScope | Problem::InvalidTarget => {
                (400, refused.problem.code())
            }
            Problem::Unavailable => (503, "temporarily_unavailable"),
            other => (other.status(), "invalid_request"),
        };
        if status == 401 {
            let challenge = format!("Basic realm=\"{}\"", refused.realm);
            headers.insert(0, ("www-authenticate", challenge));
        }
        headers.extend(no_store("application/json"));
        let error = OAuthError {
            error,
            error_description: refused.detail,
        };
        Self {
            status,
            headers,
            body: serde_json::to_string(&error).unwrap_or_default(),
            grpc_status: None,
        }
    }
}

/// The headers of every answer that holds a token or says why there is none (RFC 6749, section 5.1).
pub(super) fn no_store(content_type: &str) -> [(&'static str, String); 3] {
    [
        ("content-type", content_type.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("pragma", "no-cache".to_owned()),
    ]
}

impl Answer {
    /// The refusal where there is no configuration to refuse by.
    pub fn not_configured(decision: &DecisionId) -> Self {
        let problem = Problem::Unavailable;
        let refused = Refused {
            problem,
            detail: public_sentence(problem, Reason::NotConfigured),
            allow: "",
            realm: "",
            decision,
        };
        Self::refusal(&refused, Terms::Problem)
    }
}

/// What the caller reads about a reason. For a credential that is not good it is always the same sentence: whether a
/// token is unknown, expired, deactivated or of another kind is for logs only.
pub(super) fn public_sentence(problem: Problem, reason: Reason) -> &'static str {
    match problem {
        Problem::InvalidToken => "The token is not valid here and now.",
        Problem::NoRule => "No method of this gateway has this path and HTTP method.",
        Problem::Unavailable => "The gateway cannot decide on requests at the moment.",
        _ => reason.sentence(),
    }
}

/// The `WWW-Authenticate` header: on every 401, and where RFC 6750, section 3.1, has an error code.
fn challenge(refused: &Refused<'_>) -> Option<String> {
    let realm = refused.realm;
    let error = match refused.problem {
        // Section 3.1: without a credential there SHOULD NOT be an error code.
        Problem::Unauthenticated => return Some(format!("Bearer realm=\"{realm}\"")),
        Problem::InvalidToken => "invalid_token",
        Problem::InvalidRequest | Problem::AmbiguousPath => "invalid_request",
        Problem::InsufficientScope => "insufficient_scope",
        _ => return None,
    };
    // Section 3: %x20-21 / %x23-5B / %x5D-7E.
    let fits = |c: &char| matches!(c, ' '..='~') && *c != '"' && *c != '\\';
    let description: String = refused.detail.chars().filter(fits).collect();
    Some(format!(
        "Bearer realm=\"{realm}\", error=\"{error}\", error_description=\"{description}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision_id::DecisionIds;
    use crate::random::{Random, RandomFailed};

    struct Zeros;

    impl Random for Zeros {
        fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
            dest.fill(0);
            Ok(())
        }
    }

    fn refusal(reason: Reason, grpc: bool) -> Answer {
        in_terms(reason, if grpc { Terms::Grpc } else { Terms::Problem })
    }

    fn in_terms(reason: Reason, terms: Terms) -> Answer {
        let problem = reason.problem().unwrap();
        let refused = Refused {
            problem,
            detail: public_sentence(problem, reason),
            allow: "POST",
            realm: "edge",
            decision: &DecisionIds::seeded(&mut Zeros).unwrap().next_id(),
        };
        Answer::refusal(&refused, terms)
    }

    #[test]
    fn one_fault_has_the_code_that_each_rfc_gives_it() {
        for (reason, terms, status, error) in [
            (
                Reason::ApiTokenUnknown,
                Terms::OAuthClient,
                401,
                "invalid_client",
            ),
            (
                Reason::NoCredential,
                Terms::OAuthClient,
                401,
                "invalid_client",
            ),
            (
                Reason::ApiTokenUnknown,
                Terms::OAuthForm,
                400,
                "invalid_request",
            ),
            (
                Reason::FormRepeats,
                Terms::OAuthForm,
                400,
                "invalid_request",
            ),
            (
                Reason::GrantTypeUnsupported,
                Terms::OAuthForm,
                400,
                "unsupported_grant_type",
            ),
            (
                Reason::ScopeUnsupported,
                Terms::OAuthForm,
                400,
                "invalid_scope",
            ),
            (
                Reason::AudienceUnknown,
                Terms::OAuthForm,
                400,
                "invalid_target",
            ),
            (
                Reason::FormTooLong,
                Terms::OAuthForm,
                413,
                "invalid_request",
            ),
            (
                Reason::NoKey,
                Terms::OAuthClient,
                503,
                "temporarily_unavailable",
            ),
        ] {
            let answer = in_terms(reason, terms);
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(
                (answer.status, body["error"].as_str()),
                (status, Some(error)),
                "{reason:?}"
            );
            assert_eq!(header(&answer, "cache-control"), Some("no-store"));
            let challenge = (status == 401).then_some("Basic realm=\"edge\"");
            assert_eq!(header(&answer, "www-authenticate"), challenge);
        }
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer
            .headers
            .iter()
            .find(|(candidate, _)| *candidate == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_bad_token_gets_the_same_answer() {
        let mut answers: Vec<_> = Reason::ALL
            .iter()
            .filter(|reason| reason.problem() == Some(Problem::InvalidToken))
            .map(|&reason| format!("{:?}", refusal(reason, false)))
            .collect();
        assert!(answers.len() > 10);
        answers.dedup();
        assert_eq!(answers.len(), 1);
    }

    #[test]
    fn a_problem_document_tells_type_title_status_detail_and_instance() {
        let answer = refusal(Reason::WrongHost, false);
        assert_eq!(answer.status, 421);
        assert_eq!(
            header(&answer, "content-type"),
            Some("application/problem+json")
        );
        assert_eq!(
            answer.body,
            r#"{"type":"urn:postern:problem:misdirected","title":"Misdirected request","status":421,"detail":"This gateway does not serve the requested authority.","instance":"urn:postern:decision:0000000000001"}"#
        );
    }

    #[test]
    fn challenges_stand_where_the_rfcs_want_them_and_nowhere_else() {
        for (reason, expected) in [
            (Reason::NoCredential, Some("Bearer realm=\"edge\"")),
            (
                Reason::ApiTokenUnknown,
                Some(
                    "Bearer realm=\"edge\", error=\"invalid_token\", error_description=\"The token is not valid here and now.\"",
                ),
            ),
            (
                Reason::NotInAudience,
                Some(
                    "Bearer realm=\"edge\", error=\"insufficient_scope\", error_description=\"The caller is not in the audience of the method.\"",
                ),
            ),
            (Reason::NoPath, None),
            (Reason::NoKey, None),
        ] {
            assert_eq!(
                header(&refusal(reason, false), "www-authenticate"),
                expected
            );
        }
        for reason in Reason::ALL.iter().filter(|reason| {
            reason
                .problem()
                .is_some_and(|problem| problem.status() == 401)
        }) {
            assert!(header(&refusal(*reason, false), "www-authenticate").is_some());
        }
    }

    #[test]
    fn a_wrong_http_method_is_told_the_right_one() {
        assert_eq!(
            header(&refusal(Reason::ExchangeMethod, false), "allow"),
            Some("POST")
        );
    }

    #[test]
    fn a_grpc_caller_gets_a_status_and_a_plain_sentence() {
        for (reason, status) in [
            (Reason::PathMalformed, 3),
            (Reason::WrongHost, 5),
            (Reason::NotInAudience, 7),
            (Reason::NoKey, 14),
            (Reason::ApiTokenExpired, 16),
        ] {
            let answer = refusal(reason, true);
            assert_eq!(answer.grpc_status, Some(status));
            assert!(answer.body.ends_with('.') && !answer.body.contains('{'));
            assert_eq!(header(&answer, "content-type"), None);
        }
    }
}
