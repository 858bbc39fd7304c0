//! Tokens and key rings that the tests share.

mod claims;
mod form;
mod keys;
mod mint;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::Deserialize;

use super::{AccessTokenFault, Expected, NewClaims, Outcome, verify};
use crate::keyring::KeyRing;
use crate::policy::document::Key;
use crate::roots::RootKeys;
use crate::time::Timestamp;

const ISSUER: &str = "https://api.example.com";
const ISSUED: u64 = 1_793_491_200;
const EXPECTED: Expected<'static> = Expected {
    issuer: ISSUER,
    token_audience: "edge",
};

/// A token of `core/testdata/access_token.py`.
#[derive(Deserialize)]
struct Golden {
    root: String,
    kid: String,
    jti_bytes: [u8; 16],
    claims: serde_json::Value,
    token: String,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../../testdata/access_token.json")).unwrap()
    }

    fn claims(&self) -> NewClaims<'_> {
        NewClaims {
            iss: self.claims["iss"].as_str().unwrap(),
            sub: self.claims["sub"].as_str().unwrap(),
            aud: self.claims["aud"].as_str().unwrap(),
            iat: Timestamp::from_secs(self.claims["iat"].as_u64().unwrap()),
            exp: Timestamp::from_secs(self.claims["exp"].as_u64().unwrap()),
            jti: self.jti_bytes,
            client_id: self.claims["client_id"].as_str().unwrap(),
        }
    }
}

/// The instant `secs` after the golden token was issued.
fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(ISSUED + secs)
}

fn ring() -> KeyRing {
    let golden = Golden::read();
    ring_of(&[policy_key(&golden.kid)], &golden.root, ISSUER, "edge")
}

fn policy_key(kid: &str) -> Key {
    Key {
        kid: kid.to_owned(),
        root: "r1".to_owned(),
        active_from: at(0),
        not_after: None,
        revoked: false,
    }
}

fn ring_of(keys: &[Key], root: &str, issuer: &str, token_audience: &str) -> KeyRing {
    let roots = RootKeys::parse(&format!("r1:{root}")).unwrap();
    KeyRing::build(keys, &roots, issuer, token_audience).unwrap()
}

fn check(token: &str, now: Timestamp) -> Outcome {
    verify(&ring(), token.as_bytes(), &EXPECTED, now)
}

fn refused(fault: AccessTokenFault) -> Outcome {
    Outcome::Refused(fault)
}

/// A token with the golden header and a right signature over any payload.
fn signed(payload: &str) -> String {
    sign_encoded(&URL_SAFE_NO_PAD.encode(payload))
}

fn sign_encoded(payload: &str) -> String {
    let ring = ring();
    let signer = ring.signer(at(0)).unwrap();
    let input = format!("{}.{payload}", signer.header());
    let signature = signer
        .mac()
        .chain_update(input.as_bytes())
        .finalize()
        .into_bytes();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The golden claims with some of them replaced; `null` removes one.
fn claims(changes: &serde_json::Value) -> String {
    let mut claims = Golden::read().claims;
    for (name, value) in changes.as_object().unwrap() {
        match value {
            serde_json::Value::Null => claims.as_object_mut().unwrap().remove(name),
            _ => claims
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    claims.to_string()
}
