//! Values of the wrong form, which schema and program refuse alike.

use serde_json::{Value, json};

use crate::schema::{Kind, kinds, validator};

const KEY: &str = "ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";

#[test]
fn both_refuse_what_has_the_wrong_form() {
    let [policy, gateway, synced, scenario] = kinds();
    let rows: &[(&Kind, &str, &str, Value)] = &[
        (&policy, "", "format", json!(2)),
        (&policy, "", "roles", json!(["a", "a"])),
        (&policy, "/keys/0", "kid", json!("no id")),
        (&policy, "/keys/0", "kid", json!("x".repeat(65))),
        (&policy, "/keys/0", "active_from", json!("2026-11-01")),
        (
            &policy,
            "/keys/0",
            "active_from",
            json!("2026-11-01T00:00:00+00:00"),
        ),
        (&policy, "/keys/0", "not_after", json!("never")),
        (&policy, "/keys/0", "revoked", json!("yes")),
        (&policy, "/persons/0", "active", json!(1)),
        (&policy, "/tokens/0", "hash", json!("sha256:ABC")),
        (&policy, "/tokens/0", "hash", json!("pst_0123456789")),
        (&policy, "/tokens/0", "expires_at", json!("Never")),
        (&policy, "/tokens/0", "expires_at", json!(30)),
        (&policy, "/services/0", "hosts", json!([])),
        (&policy, "/services/0", "hosts", json!(["Api.example.com"])),
        (
            &policy,
            "/services/0",
            "hosts",
            json!(["api.example.com:443"]),
        ),
        (&policy, "/services/0", "hosts", json!(["*.example.com"])),
        (&policy, "/services/0", "hosts", json!(["a", "a"])),
        (&policy, "/services/0", "base_path", json!("s")),
        (&policy, "/services/0", "base_path", json!("/{s}")),
        (&policy, "/services/0", "accept", json!([])),
        (&policy, "/services/0", "accept", json!("api")),
        (&policy, "/services/0", "forward", json!("pass")),
        (&policy, "/services/0", "preflight", json!(true)),
        (
            &policy,
            "/services/0",
            "audience",
            json!({"mode": "restricted", "rely_on_parent": true}),
        ),
        (
            &policy,
            "/services/0",
            "audience",
            json!({"mode": "unrestricted", "roles": ["integration"]}),
        ),
        (&policy, "/services/0/methods/0", "http", json!([])),
        (&policy, "/services/0/methods/0", "http", json!(["CONNECT"])),
        (&policy, "/services/0/methods/0", "http", json!(["GE T"])),
        (
            &policy,
            "/services/0/methods/0",
            "http",
            json!(["GET", "GET"]),
        ),
        (&policy, "/services/0/methods/0", "path", json!("/a?b")),
        (
            &policy,
            "/services/0/methods/0",
            "upgrade",
            json!(["WebSocket"]),
        ),
        (&policy, "/public/0", "path", json!("/{*rest}")),
        (&gateway, "", "gateway_id", json!("")),
        (&gateway, "", "hosts", json!([])),
        (&gateway, "", "issuer", json!("a b")),
        (&gateway, "", "issuer", json!("a\"b")),
        (&gateway, "", "issuer", json!("a\\b")),
        (&gateway, "", "token_audience", json!("a/b")),
        (&gateway, "", "root_key_env", json!("A=B")),
        (&gateway, "", "root_key_env", json!("")),
        (&gateway, "", "identity", json!(["person", "person"])),
        (&gateway, "", "filter_state", json!(["mode", "mode"])),
        (&gateway, "", "filter_state", json!(["decisions"])),
        (&gateway, "/exchange", "ttl", json!(300)),
        (&gateway, "/exchange", "ttl", json!("5")),
        (&gateway, "/exchange", "path", json!("/")),
        (&gateway, "/exchange", "path", json!("/x/")),
        (&gateway, "/exchange", "oauth_path", json!("token")),
        (&gateway, "/exchange", "oauth_path", json!("/token?x")),
        (&gateway, "/exchange", "form", json!("yes")),
        (&gateway, "", "root_key_env", json!("lower")),
        (&gateway, "", "root_key_env", json!("1A")),
        (&gateway, "", "jwks_path", json!("/")),
        (&gateway, "", "jwks_path", json!("/a;b")),
        (&gateway, "", "ready_path", json!("/ready/")),
        (&gateway, "", "ready_path", json!("/{x}")),
        (&gateway, "", "ready_path", json!(true)),
        (&gateway, "", "mode", json!("shadow")),
        (&gateway, "", "shadow_until", json!("2026-12-31T00:00:00Z")),
        (&gateway, "", "shadow_until", json!("90d")),
        (&synced, "", "sync", json!({})),
        (&synced, "/sync", "feed", json!("")),
        (&synced, "/sync", "cluster", json!("")),
        (&synced, "/sync", "cluster", json!("a b")),
        (&synced, "/sync", "authority", json!("Admin.internal")),
        (&synced, "/sync", "authority", json!("admin.internal:")),
        (&synced, "/sync", "authority", json!("https://admin")),
        (&synced, "/sync", "credential_env", json!("lower")),
        (&synced, "/sync", "public_keys", json!([])),
        (&synced, "/sync", "public_keys", json!(["ed25519:AAAA"])),
        (&synced, "/sync", "public_keys", json!([KEY, KEY])),
        (&synced, "/sync", "warn_after", json!(300)),
        (&synced, "/sync", "deny_after", json!("1 h")),
        (&scenario, "", "at", json!("now")),
        (&scenario, "/cases/0", "as", json!({"none": false})),
        (&scenario, "/cases/0", "as", json!({})),
        (
            &scenario,
            "/cases/0",
            "as",
            json!({"none": true, "raw": "x"}),
        ),
        (&scenario, "/cases/0/request", "url", json!("/s/m")),
        (&scenario, "/cases/0/request", "headers", json!([["a"]])),
        (
            &scenario,
            "/cases/0/request",
            "headers",
            json!([["a", "b", "c"]]),
        ),
        (&scenario, "/cases/0/expect", "reason", json!("Allowed")),
        (
            &scenario,
            "/cases/0/expect/upstream",
            "service_token",
            json!("no id"),
        ),
        (
            &scenario,
            "/cases/0/expect/upstream",
            "service_token",
            json!(true),
        ),
    ];
    for (kind, place, name, value) in rows {
        let document = kind.with(place, |members| {
            members.insert((*name).to_owned(), value.clone());
        });
        let what = format!("{place}/{name} = {value}");
        assert!(
            !kind.verdict(&validator(kind.schema), &document, &what),
            "{what} is accepted"
        );
    }
}
