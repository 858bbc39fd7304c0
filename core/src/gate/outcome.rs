//! What a decision asks of its host, and what it leaves for logs.

use std::fmt;

use super::answer::Answer;
use crate::config::FilterState;
use crate::decision_id::DecisionId;
use crate::few::Few;
use crate::id::IdText;
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
#[cfg_attr(
    target_pointer_width = "64",
    expect(
        clippy::large_enum_variant,
        reason = "a request that goes on is what happens most, and a box would be an allocation for each"
    )
)]
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
    pub remove: Few<&'a [u8]>,
    /// Headers to set, each taking the place of all that have its name.
    pub set: Few<(&'static str, Value<'a>)>,
}

/// The value of a header to set.
#[derive(Clone)]
pub enum Value<'a> {
    /// An id.
    Id(IdText<'a>),
    /// The decision's id.
    Decision(DecisionId),
    /// A name.
    Name(&'a str),
    /// A credential for the upstream.
    Secret(String),
}

impl Value<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_str(),
            Self::Decision(id) => id.as_str(),
            Self::Name(name) => name,
            Self::Secret(credential) => credential,
        }
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Id(id) => id.as_bytes(),
            Self::Decision(id) => id.as_bytes(),
            Self::Name(name) => name.as_bytes(),
            Self::Secret(credential) => credential.as_bytes(),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("[redacted]"),
            _ => self.as_str().fmt(f),
        }
    }
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
    pub token: Option<IdText<'a>>,
    /// The id of the API token's person, where one was found in the policy.
    pub person: Option<IdText<'a>>,
    /// The service's name, where the request names one of its methods.
    pub service: Option<&'a str>,
    /// The method's name, where the request names one.
    pub method: Option<&'a str>,
}

impl Record<'_> {
    /// Writes a piece of the record into a buffer; `None` where there is none.
    pub fn write<'b>(&self, part: FilterState, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        buffer.clear();
        if part == FilterState::Record {
            self.write_line(buffer);
        } else {
            buffer.extend_from_slice(self.get(part)?);
        }
        Some(buffer)
    }

    fn get(&self, part: FilterState) -> Option<&[u8]> {
        match part {
            FilterState::Record => None,
            FilterState::Reason => Some(self.reason.as_str().as_bytes()),
            FilterState::Decision => Some(self.id.as_bytes()),
            FilterState::Person => self.person.as_ref().map(IdText::as_bytes),
            FilterState::Token => self.token.as_ref().map(IdText::as_bytes),
            FilterState::Service => self.service.map(str::as_bytes),
            FilterState::Method => self.method.map(str::as_bytes),
            FilterState::Mode => self.shadow.then_some(b"shadow"),
        }
    }

    /// All that is known in one line of `key=value` pairs (logfmt). Neither ids nor names have a character that would
    /// need quotes.
    fn write_line(&self, line: &mut Vec<u8>) {
        for (part, key) in FilterState::PARTS {
            if let Some(value) = self.get(part) {
                // The first key has no space before it.
                line.extend_from_slice(key.get(usize::from(line.is_empty())..).unwrap_or_default());
                line.extend_from_slice(value);
            }
        }
    }
}

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
