//! What a decision asks of its host, and what it leaves for logs.

use std::borrow::Cow;

use super::answer::Answer;
use crate::config::FilterState;
use crate::decision_id::DecisionId;
use crate::policy::{MethodRef, TokenRow};
use crate::reason::Reason;

/// The outcome of a decision.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// What the host is to do.
    pub action: Action<'a>,
    /// What is left for metrics and access logs. Ids only; for logs only.
    pub record: Record<'a>,
    /// In what terms a refusal is put, for [`Gate::give_up`](super::Gate::give_up).
    pub terms: Terms,
}

/// In what terms the caller is answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Terms {
    /// A problem document (RFC 9457).
    #[default]
    Problem,
    /// A gRPC status and a plain sentence.
    Grpc,
    /// An error of the exchange, to a client with credentials in `Authorization: Basic` (RFC 6749, section 5.2).
    OAuthClient,
    /// An error of the exchange, to a client with a form (RFC 8693, section 2.2.2).
    OAuthForm,
}

/// What the host is to do with the request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Change headers as said, then let the request go on. If any of the changes fails, it must not go on.
    Forward(Forward<'a>),
    /// Answer it; nothing reaches the upstream.
    Answer(Answer),
    /// Hold it, gather its body, which is a form of at most [`MAX_FORM_LENGTH`](crate::oauth::MAX_FORM_LENGTH) bytes, and
    /// hand that to [`Gate::decide_form`](super::Gate::decide_form). Nothing of it may reach the upstream.
    AwaitForm,
}

/// Changes to the headers of a request that goes on. Removals come first.
#[derive(Debug, Default)]
pub struct Forward<'a> {
    /// Names of headers to remove, each as it came; a name may be there twice.
    pub remove: Vec<&'a [u8]>,
    /// Headers to set, each taking the place of all that have its name.
    pub set: Vec<(&'static str, String)>,
}

/// What a decision was about.
#[derive(Debug)]
pub struct Record<'a> {
    /// The decision's id.
    pub id: DecisionId,
    /// Why it was decided so.
    pub reason: Reason,
    /// Whether the decision was only counted, and the request let go on as it came.
    pub shadow: bool,
    /// The API token's id, where one was found in the policy.
    pub token: Option<String>,
    /// The id of the API token's person, where one was found in the policy.
    pub person: Option<String>,
    /// The service's name, where the request names one of its methods.
    pub service: Option<&'a str>,
    /// The method's name, where the request names one.
    pub method: Option<&'a str>,
}

impl Record<'_> {
    /// A piece of the record, where there is one.
    pub fn get(&self, part: FilterState) -> Option<Cow<'_, str>> {
        let text = match part {
            FilterState::Record => return Some(Cow::Owned(self.line())),
            FilterState::Reason => Some(self.reason.as_str()),
            FilterState::Decision => Some(self.id.as_str()),
            FilterState::Person => self.person.as_deref(),
            FilterState::Token => self.token.as_deref(),
            FilterState::Service => self.service,
            FilterState::Method => self.method,
            FilterState::Mode => self.shadow.then_some("shadow"),
        };
        text.map(Cow::Borrowed)
    }

    /// All that is known in one line of `key=value` pairs (logfmt). Neither ids nor names have a character that would
    /// need quotes.
    fn line(&self) -> String {
        let mut line = String::with_capacity(LINE);
        for part in FilterState::PARTS {
            if let Some(value) = self.get(part) {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(part.as_str());
                line.push('=');
                line.push_str(&value);
            }
        }
        line
    }
}

/// Room for a usual record, so that its line is allocated once.
const LINE: usize = 192;

/// What is known of a request by the time that it is decided.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known<'a> {
    pub(super) token: Option<TokenRow>,
    pub(super) method: Option<MethodRef<'a>>,
}

impl Known<'_> {
    pub(super) fn token(token: TokenRow) -> Self {
        Self {
            token: Some(token),
            method: None,
        }
    }
}
