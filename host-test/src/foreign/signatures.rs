//! `sign` and `verify_signature` (Envoy `sign.proto`, `verify_signature.proto`).

use super::hashes::Hash;
use super::keys::{PrivateKey, PublicKey};
use crate::protobuf::{fields, last_bytes, put_bool, put_bytes};
use crate::status::Status;

/// Whether a signature is one of the text. Everything that is wrong with key, hash and signature is said in the result; only
/// arguments that are none, or name two keys or no key, are a bad argument.
pub(super) fn verify(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let arguments = fields(arguments).ok_or(Status::BadArgument)?;
    let key = one_of(last_bytes(&arguments, 2), last_bytes(&arguments, 5))?;
    let (hash, signature) = (last_bytes(&arguments, 1), last_bytes(&arguments, 3));
    let text = last_bytes(&arguments, 4);
    let problem = match (Hash::named(hash), public_key(key)) {
        (None, _) => Some(unsupported(hash)),
        (_, None) => Some("Failed to initialize digest verify.".to_owned()),
        (Some(hash), Some(key)) => (!key.verifies(hash, text, signature))
            .then(|| "Failed to verify digest. Error code: 0".to_owned()),
    };
    let mut result = Vec::new();
    put_bool(&mut result, 1, problem.is_none());
    put_bytes(&mut result, 2, problem.unwrap_or_default().as_bytes());
    Ok(result)
}

/// Signs a text.
pub(super) fn sign(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let arguments = fields(arguments).ok_or(Status::BadArgument)?;
    let key = one_of(last_bytes(&arguments, 2), last_bytes(&arguments, 4))?;
    let (hash, text) = (last_bytes(&arguments, 1), last_bytes(&arguments, 3));
    let signed = match (Hash::named(hash), private_key(key)) {
        (None, _) => Err(unsupported(hash)),
        (_, None) => {
            Err("Invalid key type: private key required for signing operation.".to_owned())
        }
        (Some(hash), Some(key)) => key
            .sign(hash, text)
            .ok_or_else(|| "Invalid private key: key data is corrupted or malformed.".to_owned()),
    };
    let mut result = Vec::new();
    put_bool(&mut result, 1, signed.is_ok());
    match signed {
        Ok(signature) => put_bytes(&mut result, 2, &signature),
        Err(problem) => put_bytes(&mut result, 3, problem.as_bytes()),
    }
    Ok(result)
}

/// A key in one of its two forms.
#[derive(Clone, Copy, Debug)]
enum Encoded<'a> {
    Der(&'a [u8]),
    Pem(&'a [u8]),
}

fn one_of<'a>(der: &'a [u8], pem: &'a [u8]) -> Result<Encoded<'a>, Status> {
    match (der.is_empty(), pem.is_empty()) {
        (false, true) => Ok(Encoded::Der(der)),
        (true, false) => Ok(Encoded::Pem(pem)),
        _ => Err(Status::BadArgument),
    }
}

fn public_key(key: Encoded<'_>) -> Option<PublicKey> {
    match key {
        Encoded::Der(bytes) => PublicKey::from_der(bytes),
        Encoded::Pem(text) => PublicKey::from_pem(str::from_utf8(text).ok()?),
    }
}

fn private_key(key: Encoded<'_>) -> Option<PrivateKey> {
    match key {
        Encoded::Der(bytes) => PrivateKey::from_der(bytes),
        Encoded::Pem(text) => PrivateKey::from_pem(str::from_utf8(text).ok()?),
    }
}

fn unsupported(hash: &[u8]) -> String {
    format!("{} is not supported.", String::from_utf8_lossy(hash))
}
