//! The exchange in the terms of OAuth.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::config::DEFAULT_OAUTH_PATH;

const WITH_FORM: &str = r#""exchange": {"form": true}, "gateway_id""#;

fn with_form() -> Fixture {
    Fixture::with(|json| json.replace(r#""gateway_id""#, WITH_FORM))
}

fn basic(fixture: &Fixture, id: &str, secret: &str) -> Seen {
    let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    fixture.send("POST", DEFAULT_OAUTH_PATH, &[("authorization", &value)])
}

fn form(fixture: &Fixture, token: &str, more: &str) -> Seen {
    fixture.send_form(&format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}\
         &subject_token_type=urn:postern:token-type:api-token{more}"
    ))
}

#[test]
fn client_credentials_give_an_access_token_that_opens_the_methods() {
    let fixture = Fixture::new();
    let seen = basic(&fixture, "t-9", fixture.api_token.expose());
    assert_eq!((seen.reason, seen.status), (Reason::Exchanged, Some(200)));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    let answer = seen.json();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 300);
    assert_eq!(answer.as_object().unwrap().len(), 3);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(
        fixture.call(token, "GET", "/orders").reason,
        Reason::Allowed
    );
}

#[test]
fn a_wrong_id_and_a_wrong_secret_get_the_same_bytes() {
    let fixture = Fixture::new();
    let (right, other) = (fixture.api_token.expose().to_owned(), api_token(8));
    let answers: Vec<_> = [
        (
            basic(&fixture, "t-9", other.expose()),
            Reason::ApiTokenUnknown,
        ),
        (basic(&fixture, "t-404", &right), Reason::ClientMismatch),
        (
            basic(&fixture, "t-404", other.expose()),
            Reason::ApiTokenUnknown,
        ),
        (basic(&fixture, "t-9", "short"), Reason::ApiTokenTooShort),
        (basic(&fixture, "", &right), Reason::ClientMalformed),
        (
            basic(&fixture, "t-9", &fixture.access_token()),
            Reason::AccessTokenAtExchange,
        ),
    ]
    .into_iter()
    .map(|(seen, reason)| {
        assert_eq!(seen.reason, reason);
        assert_eq!(
            seen.header("www-authenticate"),
            Some("Basic realm=\"edge\"")
        );
        (seen.status, seen.headers, seen.body)
    })
    .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].0, Some(401));
    assert!(answers[0].2.contains(r#""error":"invalid_client""#));
}

#[test]
fn a_form_gives_an_access_token_of_the_type_that_was_asked_for() {
    let fixture = with_form();
    let seen = form(&fixture, fixture.api_token.expose(), "");
    assert_eq!((seen.reason, seen.status), (Reason::Exchanged, Some(200)));
    let answer = seen.json();
    assert_eq!(answer["issued_token_type"], crate::oauth::ACCESS_TOKEN_TYPE);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(
        fixture.call(token, "GET", "/orders").reason,
        Reason::Allowed
    );
}

#[test]
fn a_narrowed_token_is_good_at_its_service_alone() {
    let two = |json: String| {
        let json = json.replace(r#""gateway_id""#, WITH_FORM);
        let other = r#"{"name": "stock", "hosts": ["api.example.com"], "base_path": "/stock",
            "audience": {"mode": "unrestricted"}, "methods": [{"name": "list", "http": ["GET"], "path": "/"}]}"#;
        json.replace(r#""services": ["#, &format!(r#""services": [{other}, "#))
    };
    let fixture = Fixture::with(two);
    let seen = form(&fixture, fixture.api_token.expose(), "&audience=orders");
    let answer = seen.json();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(
        fixture.call(token, "GET", "/orders").reason,
        Reason::Allowed
    );
    let refused = fixture.call(token, "GET", "/stock");
    assert_eq!(
        (refused.reason, refused.status),
        (Reason::AccessTokenOtherService, Some(401))
    );
    assert_eq!(
        fixture
            .call(&fixture.access_token(), "GET", "/stock")
            .reason,
        Reason::Allowed
    );
}

#[test]
fn faults_of_a_form_have_the_codes_of_the_rfcs() {
    let fixture = with_form();
    let good = fixture.api_token.expose().to_owned();
    let other = api_token(8);
    for (seen, reason, error) in [
        (
            form(&fixture, other.expose(), ""),
            Reason::ApiTokenUnknown,
            "invalid_request",
        ),
        (
            form(&fixture, &fixture.access_token(), ""),
            Reason::AccessTokenAtExchange,
            "invalid_request",
        ),
        (
            form(&fixture, &good, "&audience=nothing"),
            Reason::AudienceUnknown,
            "invalid_target",
        ),
        (
            form(&fixture, other.expose(), "&audience=nothing"),
            Reason::ApiTokenUnknown,
            "invalid_request",
        ),
        (
            form(&fixture, &good, "&scope=read"),
            Reason::ScopeUnsupported,
            "invalid_scope",
        ),
        (
            form(&fixture, &good, "&resource=https://a"),
            Reason::ResourceUnsupported,
            "invalid_target",
        ),
        (
            form(&fixture, &good, "&actor_token=x"),
            Reason::ActorUnsupported,
            "invalid_request",
        ),
        (
            form(&fixture, &good, "&audience=orders&audience=orders"),
            Reason::FormRepeats,
            "invalid_request",
        ),
        (
            fixture.send_form("grant_type=password"),
            Reason::GrantTypeUnsupported,
            "unsupported_grant_type",
        ),
        (
            fixture.send_form(""),
            Reason::FormMalformed,
            "invalid_request",
        ),
    ] {
        assert_eq!((seen.reason, seen.status), (reason, Some(400)));
        assert_eq!(seen.json()["error"], error);
        assert_eq!(seen.header("www-authenticate"), None);
    }
    let long = fixture.send_form(&"a".repeat(crate::oauth::MAX_FORM_LENGTH + 1));
    assert_eq!((long.reason, long.status), (Reason::FormTooLong, Some(413)));
}

#[test]
fn a_form_is_awaited_only_where_it_can_be_one() {
    let fixture = with_form();
    let send = |headers: &[(&str, &str)]| fixture.send("POST", DEFAULT_OAUTH_PATH, headers);
    let of_form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        send(&[("content-type", "application/json")]).reason,
        Reason::FormMalformed
    );
    // `send` says that no body follows; a host would wait for one for ever.
    assert_eq!(send(&[of_form]).reason, Reason::FormMalformed);
    assert_eq!(
        send(&[of_form, ("authorization", "Bearer x")]).reason,
        Reason::OtherScheme
    );
    let twice = [
        ("authorization", "Basic YTpi"),
        ("authorization", "Basic YTpi"),
    ];
    assert_eq!(send(&twice).reason, Reason::SeveralCredentials);

    let without = Fixture::new();
    let refused = without.send_form("grant_type=x");
    assert_eq!(
        (refused.reason, refused.status),
        (Reason::FormUnsupported, Some(401))
    );
    assert_eq!(refused.json()["error"], "invalid_client");
}

#[test]
fn other_methods_and_a_query_are_refused_in_oauths_terms() {
    let fixture = Fixture::new();
    let seen = fixture.send("GET", DEFAULT_OAUTH_PATH, &[]);
    assert_eq!(
        (seen.status, seen.header("allow")),
        (Some(405), Some("POST"))
    );
    assert_eq!(seen.json()["error"], "invalid_request");
    let seen = fixture.send("POST", "/oauth/token?a=b", &[]);
    assert_eq!(
        (seen.reason, seen.status),
        (Reason::ExchangeQuery, Some(400))
    );
    assert_eq!(
        fixture.send("POST", "/OAuth/Token", &[]).reason,
        Reason::NoCredential
    );
}
