//! Answers that the gate gives itself: refusals as problem documents (RFC 9457), challenges (RFC 6750), and what an
//! exchange returns.

use serde::Serialize;

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

impl Answer {
    /// The refusal for a reason. `detail` says more than the problem does; it must hold nothing that the caller did not
    /// send or may not know.
    pub(super) fn refusal(
        problem: Problem,
        detail: &str,
        realm: &str,
        decision: &DecisionId,
        grpc: bool,
    ) -> Self {
        let mut headers = Vec::with_capacity(4);
        if let Some(challenge) = challenge(problem, detail, realm) {
            headers.push(("www-authenticate", challenge));
        }
        if problem == Problem::MethodNotAllowed {
            // RFC 9110, section 15.5.6.
            headers.push(("allow", "POST".to_owned()));
        }
        if grpc {
            let (body, grpc_status) = (detail.to_owned(), Some(problem.grpc_status()));
            return Self {
                status: problem.status(),
                headers,
                body,
                grpc_status,
            };
        }
        headers.push(("content-type", "application/problem+json".to_owned()));
        headers.push(("cache-control", "no-store".to_owned()));
        let document = Document {
            r#type: format!("urn:postern:problem:{}", problem.code()),
            title: problem.title(),
            status: problem.status(),
            detail,
            instance: format!("urn:postern:decision:{decision}"),
        };
        // Serialising text and a number cannot fail.
        let body = serde_json::to_string(&document).unwrap_or_default();
        Self {
            status: problem.status(),
            headers,
            body,
            grpc_status: None,
        }
    }
}

impl Answer {
    /// The refusal where there is no configuration to refuse by.
    pub fn not_configured(decision: &DecisionId) -> Self {
        let problem = Problem::Unavailable;
        Self::refusal(
            problem,
            public_sentence(problem, Reason::NotConfigured),
            "",
            decision,
            false,
        )
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
fn challenge(problem: Problem, detail: &str, realm: &str) -> Option<String> {
    let error = match problem {
        // Section 3.1: without a credential there SHOULD NOT be an error code.
        Problem::Unauthenticated => return Some(format!("Bearer realm=\"{realm}\"")),
        Problem::InvalidToken => "invalid_token",
        Problem::InvalidRequest | Problem::AmbiguousPath => "invalid_request",
        Problem::InsufficientScope => "insufficient_scope",
        Problem::NoRule
        | Problem::Upgrade
        | Problem::Misdirected
        | Problem::MethodNotAllowed
        | Problem::Unavailable => {
            return None;
        }
    };
    // Section 3: %x20-21 / %x23-5B / %x5D-7E.
    let description: String = detail
        .chars()
        .filter(|&c| matches!(c, ' '..='~') && c != '"' && c != '\\')
        .collect();
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
        let id = DecisionIds::seeded(&mut Zeros).unwrap().next_id();
        let problem = reason.problem().unwrap();
        Answer::refusal(problem, public_sentence(problem, reason), "edge", &id, grpc)
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
