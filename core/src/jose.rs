//! The header of the JWTs that are made here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// A JOSE header (RFC 7515, section 4), in the order in which it is signed.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// The encoded header of all tokens of one key and kind. Text can always be written as JSON, so there is no error; a
/// caller that must not panic still has to say what it would do.
pub(crate) fn header(
    alg: &'static str,
    typ: &'static str,
    kid: &str,
) -> serde_json::Result<String> {
    serde_json::to_vec(&Header { alg, typ, kid }).map(|header| URL_SAFE_NO_PAD.encode(header))
}
