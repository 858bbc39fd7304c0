//! What the gate tells about itself: its public keys, and whether it is ready.

use super::Gate;
use super::answer::Answer;
use super::decide::Decided;
use super::outcome::{Action, Known};
use crate::reason::Reason;
use crate::service_token::key_set;
use crate::time::Timestamp;

/// How long an upstream may keep the key set. A key is in it before it signs, so that this is soon enough.
const KEY_SET_CACHE: &str = "public, max-age=300";

impl Gate {
    /// The public keys of service tokens (RFC 7517).
    pub(super) fn key_set<'a>(&self, method: &str, now: Timestamp) -> Decided<'a> {
        let body = key_set(self.keys.public_keys(now)).map_err(|_| Reason::NoKey)?;
        let answer = metadata(method, "application/jwk-set+json", KEY_SET_CACHE, body)?;
        Ok((Action::Answer(answer), Reason::KeySet, Known::default()))
    }

    /// Whether the gate can make and check tokens. A clock that is not to be trusted has been answered by then.
    pub(super) fn readiness<'a>(&self, method: &str, now: Timestamp) -> Decided<'a> {
        self.keys.signer(now).ok_or(Reason::NoKey)?;
        let body = r#"{"status":"ready"}"#.to_owned();
        let answer = metadata(method, "application/json", "no-store", body)?;
        Ok((Action::Answer(answer), Reason::Ready, Known::default()))
    }
}

fn metadata(method: &str, content_type: &str, cache: &str, body: String) -> Result<Answer, Reason> {
    if method != "GET" && method != "HEAD" {
        return Err(Reason::MetadataMethod);
    }
    Ok(Answer {
        status: 200,
        headers: vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", cache.to_owned()),
        ],
        body,
        grpc_status: None,
    })
}
