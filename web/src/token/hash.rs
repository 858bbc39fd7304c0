//! `hashToken`: what a policy keeps of a token.

use postern_core::api_token::{PREFIX, TokenHash, vet};
use serde::Serialize;

use super::jwt::{Jwt, Use};
use crate::js::{self, Failure};

/// A hash, and what is to be said of it.
#[derive(Serialize)]
pub(crate) struct HashView {
    hash: TokenHash,
    kind: &'static str,
    warnings: Vec<String>,
}

/// Hashes a token that a gateway would take.
pub(crate) fn hash(text: &str) -> Result<HashView, Failure> {
    // A line end comes along when a line is copied, and is part of no token.
    let token = text.strip_suffix('\n').unwrap_or(text);
    let token = token.strip_suffix('\r').unwrap_or(token);
    let hash = vet(token.as_bytes()).map_err(|fault| js::error(&format!("refused: {fault}")))?;
    if token.starts_with(PREFIX) {
        return Ok(HashView {
            hash,
            kind: "api_token",
            warnings: Vec::new(),
        });
    }
    let mut warnings = vec![format!(
        "Not a Postern token but a foreign one of {} bytes. A hash protects it only if it is random: at least 128 bits \
         that nobody can guess.",
        token.len()
    )];
    if Jwt::read(token).is_some_and(|jwt| jwt.purpose() == Use::AccessToken) {
        warnings.push(
            "It looks like an access token, which ends soon; what belongs into a policy is the API token that it was \
             made from."
                .to_owned(),
        );
    }
    Ok(HashView {
        hash,
        kind: "foreign",
        warnings,
    })
}
