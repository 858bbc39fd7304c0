//! Every rule of a configuration that can be broken in its text, broken once.

use serde_json::json;

use crate::faults::Row;

const LOOKS_SECRET: &str =
    "it begins as a token does; it goes into logs and tokens, so choose another";

pub(crate) fn gateway_rows() -> Vec<Row> {
    vec![
        (
            "/gateway_id",
            json!(""),
            "gateway_id",
            "\"\" is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        ),
        ("/gateway_id", json!("pst_edge"), "gateway_id", LOOKS_SECRET),
        ("/issuer", json!("psg_issuer"), "issuer", LOOKS_SECRET),
        (
            "/token_audience",
            json!("pso_edge"),
            "token_audience",
            LOOKS_SECRET,
        ),
        ("/hosts", json!([]), "hosts", "the list is empty"),
        (
            "/hosts",
            json!(["api.example.com", "api.example.com"]),
            "hosts[1]",
            "\"api.example.com\" is there twice",
        ),
        (
            "/issuer",
            json!("a b"),
            "issuer",
            "use 1 to 256 printable ASCII characters without space, quote and backslash",
        ),
        (
            "/token_audience",
            json!("a/b"),
            "token_audience",
            "use 1 to 128 of the characters A-Z a-z 0-9 . _ : -",
        ),
        (
            "/root_key_env",
            json!("A=B"),
            "root_key_env",
            "\"A=B\" is no name of an environment variable: use capital letters, digits and _, not a digit first",
        ),
        (
            "/exchange/ttl",
            json!("2h"),
            "exchange.ttl",
            "must be between 1 s and 1h",
        ),
        (
            "/exchange/path",
            json!("/exchange/"),
            "exchange.path",
            "must be a path other than the root, without query and trailing slash",
        ),
        (
            "/exchange/oauth_path",
            json!("/"),
            "exchange.oauth_path",
            "must be a path other than the root, without query and trailing slash",
        ),
        (
            "/jwks_path",
            json!("/keys?x"),
            "jwks_path",
            "must be a path other than the root, without query and trailing slash",
        ),
        (
            "/ready_path",
            json!("ready"),
            "ready_path",
            "the path must begin with a slash",
        ),
        (
            "/ready_path",
            json!("/Exchange"),
            "ready_path",
            "is the same path as exchange.path",
        ),
        (
            "/jwks_path",
            json!("/s2"),
            "jwks_path",
            "lies under a service or a public route of the policy, on host \"api.example.com\"",
        ),
        (
            "/ready_path",
            json!("/a"),
            "ready_path",
            "lies under a service or a public route of the policy, on host \"api.example.com\"",
        ),
        (
            "/exchange/path",
            json!("/s1/exchange"),
            "exchange.path",
            "lies under a service or a public route of the policy, on host \"api.example.com\"",
        ),
        (
            "/hosts",
            json!(["API.example.com"]),
            "hosts[0]",
            "write it as \"api.example.com\": lower case, without port and without a trailing dot",
        ),
        (
            "/hosts",
            json!(["*.example.com"]),
            "hosts[0]",
            "not a host name or an IPv6 address in brackets (letters, digits, \"-\", \"_\", and single dots between labels; at most 253 bytes)",
        ),
        (
            "/mode",
            json!("shadow"),
            "mode",
            "shadow mode needs shadow_until, the instant from which on the filter enforces",
        ),
        (
            "/shadow_until",
            json!("2026-12-31T00:00:00Z"),
            "shadow_until",
            "has a meaning in shadow mode only",
        ),
        (
            "/identity",
            json!(["person", "person"]),
            "identity[1]",
            "\"x-postern-person\" is there twice",
        ),
        (
            "/filter_state",
            json!(["record", "mode", "record"]),
            "filter_state[2]",
            "\"record\" is there twice",
        ),
    ]
}

const KEY: &str = "ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";

/// Those of a source that is a feed.
pub(crate) fn sync_rows() -> Vec<Row> {
    vec![
        (
            "/policy",
            json!({"inline": {"format": 1}}),
            "sync",
            "the policy comes from policy.inline or from sync, not from both",
        ),
        (
            "/sync/feed",
            json!("a b"),
            "sync.feed",
            "\"a b\" is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        ),
        (
            "/sync/cluster",
            json!("postern admin"),
            "sync.cluster",
            "is no name of a cluster: it is empty, or has a space or a character that is not ASCII",
        ),
        (
            "/sync/authority",
            json!("Admin.internal:8443"),
            "sync.authority",
            "write it as \"admin.internal\": lower case, without port and without a trailing dot",
        ),
        (
            "/sync/credential_env",
            json!("psg"),
            "sync.credential_env",
            "\"psg\" is no name of an environment variable: use capital letters, digits and _, not a digit first",
        ),
        (
            "/sync/public_keys",
            json!([]),
            "sync.public_keys",
            "the list is empty",
        ),
        (
            "/sync/public_keys",
            json!([KEY, KEY]),
            "sync.public_keys[1]",
            "a text of 51 bytes is there twice",
        ),
        (
            "/sync/public_keys",
            json!(["PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"]),
            "sync.public_keys[0]",
            "a public key begins with `ed25519:`",
        ),
        (
            "/sync/public_keys",
            json!([format!("{KEY}=")]),
            "sync.public_keys[0]",
            "a public key has 43 characters of base64url after `ed25519:`, without `=`",
        ),
        (
            "/sync/public_keys",
            json!(["ed25519:AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]),
            "sync.public_keys[0]",
            "these 32 bytes are no Ed25519 public key",
        ),
        (
            "/sync/public_keys",
            json!(["ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]),
            "sync.public_keys[0]",
            "this key is of small order, so anybody can sign for it",
        ),
        (
            "/sync/warn_after",
            json!("44s"),
            "sync.warn_after",
            "must be at least 45 s, since a request that waits for news may take that long",
        ),
        (
            "/sync/deny_after",
            json!("5m"),
            "sync.warn_after",
            "must be less than deny_after",
        ),
    ]
}
