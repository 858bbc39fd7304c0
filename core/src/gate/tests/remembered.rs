//! What is remembered of an access token never stands in for a decision.
//!
//! Besides, every request that a test of the gate sends is decided three times, and all three decisions must be the same:
//! without anything remembered, remembering, and remembered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use super::*;

fn bearer(token: &str, path: &str) -> Vec<u8> {
    encode(&[
        (":authority", "api.example.com"),
        (":path", path),
        (":method", "GET"),
        ("authorization", &format!("Bearer {token}")),
    ])
}

impl Fixture {
    /// A fixture that has seen this token and let it through.
    fn having_seen(token: &str) -> Self {
        let fixture = Self::new();
        assert_eq!(fixture.reason(token, 0), Reason::Allowed);
        fixture
    }

    /// The reason for a call, so many seconds from now, by what is remembered.
    fn reason(&self, token: &str, later: i64) -> Reason {
        let now = Timestamp::from_secs(self.now.as_secs().saturating_add_signed(later));
        self.decide_by(&self.gate, &bearer(token, "/orders"), Some(now))
            .reason
    }
}

fn replaced(json: String, from: &str, to: &str) -> String {
    assert!(json.contains(from), "{from}");
    json.replacen(from, to, 1)
}

#[test]
fn a_token_that_was_seen_before_is_decided_by_the_policy_in_force() {
    let token = Fixture::new().access_token();
    let expiry = r#""expires_at": "never", "active": true"#;
    for (from, to, reason) in [
        (
            expiry,
            r#""expires_at": "never", "active": false"#,
            Reason::ApiTokenDeactivated,
        ),
        (
            expiry,
            r#""expires_at": "2026-11-24T12:00:00Z", "active": true"#,
            Reason::ApiTokenExpired,
        ),
        (
            expiry,
            r#""expires_at": "never", "active": true, "valid_from": "2026-11-24T12:00:01Z""#,
            Reason::AccessTokenVoid,
        ),
        (
            r#""id": "t-9""#,
            r#""id": "t-10""#,
            Reason::AccessTokenOrphaned,
        ),
        (
            r#"["operators"], "active": true"#,
            r#"["operators"], "active": false"#,
            Reason::PersonInactive,
        ),
        (
            r#""person": "p-7""#,
            r#""person": "p-8""#,
            Reason::AccessTokenOtherPerson,
        ),
        (
            r#""restricted", "roles": ["operators"]"#,
            r#""restricted", "roles": ["auditors"]"#,
            Reason::NotInAudience,
        ),
    ] {
        let mut fixture = Fixture::having_seen(&token);
        fixture.gate.policy = Fixture::with(|json| replaced(json, from, to)).gate.policy;
        assert_eq!(fixture.reason(&token, 0), reason, "{to}");
        fixture.gate.policy = Fixture::new().gate.policy;
        assert_eq!(fixture.reason(&token, 0), Reason::Allowed, "after {to}");
    }
}

#[test]
fn what_was_verified_goes_with_the_keys() {
    let token = Fixture::new().access_token();
    let from = r#""active_from": "2026-11-01T00:00:00Z""#;
    for (from, to, reason) in [
        (
            from,
            r#""active_from": "2026-11-01T00:00:00Z", "revoked": true"#,
            Reason::AccessTokenKeyRevoked,
        ),
        (
            r#""root": "r1""#,
            r#""root": "r2""#,
            Reason::AccessTokenKeyMissing,
        ),
        (r#""kid": "k1""#, r#""kid": "k2""#, Reason::ApiTokenUnknown),
        (
            r#""issuer": "https://api.example.com""#,
            r#""issuer": "https://api.example.org""#,
            Reason::AccessTokenForged,
        ),
    ] {
        let mut fixture = Fixture::having_seen(&token);
        fixture.gate.keys = Fixture::with(|json| replaced(json, from, to)).gate.keys;
        assert_eq!(fixture.reason(&token, 0), reason, "{to}");
    }
}

#[test]
fn the_end_of_a_key_ends_tokens_that_were_seen_before() {
    let fixture = Fixture::with(|json| {
        let from = r#""active_from": "2026-11-01T00:00:00Z""#;
        let to = r#""active_from": "2026-11-01T00:00:00Z", "not_after": "2026-11-24T12:01:00Z""#;
        replaced(json, from, to)
    });
    let token = fixture.access_token();
    assert_eq!(fixture.reason(&token, 59), Reason::Allowed);
    assert_eq!(fixture.reason(&token, 60), Reason::AccessTokenKeyExpired);
}

#[test]
fn a_token_that_was_seen_before_ends_with_its_time() {
    let token = Fixture::new().access_token();
    let fixture = Fixture::having_seen(&token);
    assert_eq!(fixture.reason(&token, 299), Reason::Allowed);
    assert_eq!(fixture.reason(&token, 300), Reason::AccessTokenExpired);
    assert_eq!(fixture.reason(&token, -60), Reason::Allowed);
    assert_eq!(fixture.reason(&token, -61), Reason::AccessTokenFromFuture);
}

#[test]
fn a_narrowed_token_that_was_seen_before_is_good_at_its_service_alone() {
    let other = r#""services": [{"name": "stock", "hosts": ["api.example.com"], "base_path": "/stock",
        "audience": {"mode": "unrestricted"}, "methods": [{"name": "list", "http": ["GET"], "path": "/"}]},"#;
    let fixture = Fixture::with(|json| replaced(json, r#""services": ["#, other));
    let token = fixture.forge(|claims| claims.aud = "edge/stock");
    for _ in 0..2 {
        let reason = |path| {
            let request = bearer(&token, path);
            fixture.decide_by(&fixture.gate, &request, Some(fixture.now))
        };
        assert_eq!(reason("/stock").reason, Reason::Allowed);
        assert_eq!(reason("/orders").reason, Reason::AccessTokenOtherService);
    }
}

#[test]
fn a_token_with_one_byte_changed_was_not_seen_before() {
    let token = Fixture::new().access_token();
    let fixture = Fixture::having_seen(&token);
    let header = token.find('.').unwrap();
    for at in header + 1..token.len() {
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let mut changed = token.clone();
        changed.replace_range(at..=at, other);
        let reason = fixture.reason(&changed, 0);
        assert!(
            matches!(
                reason,
                Reason::AccessTokenForged | Reason::AccessTokenMalformed
            ),
            "{at}: {reason:?}"
        );
    }
    assert_eq!(fixture.reason(&token, 0), Reason::Allowed);
}

#[test]
fn a_foreign_not_before_is_compared_each_time() {
    let fixture = Fixture::new();
    let signer = fixture.gate.keys().signer(fixture.now).unwrap();
    let now = fixture.now.as_secs();
    let claims = serde_json::json!({
        "iss": "https://api.example.com", "sub": "p-7", "aud": "edge", "client_id": "t-9",
        "iat": now - 100, "nbf": now + 60, "exp": now + 300, "jti": "AAAAAAAAAAAAAAAAAAAAAA",
    });
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = format!("{}.{payload}", signer.header());
    let signature = signer.mac().chain_update(&signed).finalize().into_bytes();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(fixture.reason(&token, 0), Reason::Allowed);
    assert_eq!(fixture.reason(&token, -1), Reason::AccessTokenFromFuture);
    assert_eq!(fixture.reason(&token, 0), Reason::Allowed);
}
