//! A caller by the id of an API token: a policy holds hashes alone, so a credential is made for it and thrown away.

use postern_core::api_token::ApiToken;
use postern_core::explain::{NoAccessToken, access_token_of};
use postern_core::gate::Gate;
use postern_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::js::{self, Failure, PageRandom};

/// Who calls.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Caller {
    /// Somebody with an access token of the API token with this id.
    AccessTokenOf(String),
    /// Somebody who sends the API token with this id itself.
    ApiTokenOf(String),
}

impl Caller {
    /// The id of the API token.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::AccessTokenOf(id) | Self::ApiTokenOf(id) => id,
        }
    }
}

/// Puts the hash of a new API token in place of that of the policy's token with this id.
pub(crate) fn replace_token(policy: &mut Value, id: &str) -> Result<ApiToken, Failure> {
    let new = ApiToken::generate(&mut PageRandom);
    let new = new.map_err(|fault| js::error(&fault.to_string()))?;
    let tokens = policy.get_mut("tokens").and_then(Value::as_array_mut);
    let mut tokens = tokens.into_iter().flatten();
    let token = tokens.find(|token| token.get("id").and_then(Value::as_str) == Some(id));
    let members = token.and_then(Value::as_object_mut);
    let members = members.ok_or_else(|| unknown(id))?;
    members.insert("hash".to_owned(), json!(new.hash()));
    Ok(new)
}

/// `Authorization` with an API token.
pub(crate) fn bearer(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {token}"))
}

/// `Authorization` with an access token of an API token, whether or not an exchange would accept that now. `None`, if no
/// key signs at `now`.
pub(crate) fn access_token(
    gate: &Gate,
    id: &str,
    now: Timestamp,
) -> Result<Option<Zeroizing<String>>, Failure> {
    match access_token_of(gate, id, now, &mut PageRandom) {
        Ok(token) => Ok(Some(bearer(token.expose()))),
        Err(NoAccessToken::NoKey) => Ok(None),
        Err(NoAccessToken::UnknownToken) => Err(unknown(id)),
        Err(fault) => Err(js::error(&fault.to_string())),
    }
}

fn unknown(id: &str) -> Failure {
    js::error(&format!("there is no token {id:?} in the policy"))
}
