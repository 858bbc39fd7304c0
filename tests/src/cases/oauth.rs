use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::oauth::{ACCESS_TOKEN_TYPE, API_TOKEN_TYPE, MAX_FORM_LENGTH, TOKEN_EXCHANGE};

use super::{Case, Expected, OAuthRefusal};
use crate::Result;
use crate::fixture::{OAUTH, OTHER_HOST, TOKEN_AUDIENCE, World, api_token};

/// The value of an `Authorization: Basic` header.
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A form's body of these parameters, percent-encoded where need be.
pub fn form_body(parameters: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._*".contains(byte);
        let bytes = text.bytes().map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if plain(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        });
        bytes.collect()
    };
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

pub(super) fn clients(world: &World) -> Result<Vec<Case>> {
    let tokens = &world.tokens;
    let client = |name: &str, id: &str, secret: &str| {
        Case::named(format!("a client with {name}"))
            .post(OAUTH)
            .header("authorization", basic(id, secret))
    };
    let exchanged = |token, person| Expected::ExchangedByOAuth {
        token,
        person,
        audience: TOKEN_AUDIENCE,
        form: false,
    };
    let external = exchanged("t-external", "p-external");
    let header =
        |name: &str, value: String| Case::named(name).post(OAUTH).header("authorization", value);
    let good = basic("t-external", &tokens.external);
    let mut cases = vec![
        client("its id and secret", "t-external", &tokens.external).expect(external.clone()),
        client("another's id and secret", "t-operator", &tokens.operator)
            .expect(exchanged("t-operator", "p-operator")),
        client("an imported token", "t-imported", &tokens.imported)
            .expect(exchanged("t-imported", "p-external")),
        client(
            "a body as libraries send it",
            "t-external",
            &tokens.external,
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .expect(external.clone()),
        client(
            "an id that it has encoded",
            "t%2dexternal",
            &tokens.external,
        )
        .expect(external.clone()),
        header(
            "the scheme in other letters",
            good.replacen("Basic", "bASIC", 1),
        )
        .expect(external),
        client("a wrong id", "t-never", &tokens.external)
            .expect(OAuthRefusal::bad_client("client_mismatch")),
        client("an id of nobody", "t-nobody", &tokens.external)
            .expect(OAuthRefusal::bad_client("client_mismatch")),
        client("an unknown secret", "t-external", &api_token()?)
            .expect(OAuthRefusal::bad_client("api_token_unknown")),
        client("a malformed secret", "t-external", "pst_x")
            .expect(OAuthRefusal::bad_client("api_token_malformed")),
        client("a deactivated token", "t-deactivated", &tokens.deactivated)
            .expect(OAuthRefusal::bad_client("api_token_deactivated")),
        client("an expired token", "t-expired", &tokens.expired)
            .expect(OAuthRefusal::bad_client("api_token_expired")),
        client(
            "an inactive person",
            "t-of-inactive",
            &tokens.of_inactive_person,
        )
        .expect(OAuthRefusal::bad_client("person_inactive")),
        client("an access token", "t-external", &world.access_token()?)
            .expect(OAuthRefusal::bad_client("access_token_at_exchange")),
        client("no secret", "t-external", "").expect(OAuthRefusal::bad_client("client_malformed")),
        client("no id", "", &tokens.external).expect(OAuthRefusal::bad_client("client_malformed")),
        header("Basic without anything", "Basic".to_owned())
            .expect(OAuthRefusal::bad_client("client_malformed")),
        header("Basic that is no base64", "Basic pst_*".to_owned())
            .expect(OAuthRefusal::bad_client("client_malformed")),
        header(
            "a Bearer token at the clients' exchange",
            format!("Bearer {}", tokens.external),
        )
        .expect(OAuthRefusal::new(401, "invalid_client", "other_scheme")),
        Case::named("a client without credential")
            .post(OAUTH)
            .expect(OAuthRefusal::new(401, "invalid_client", "form_unsupported")),
        Case::named("two clients at once")
            .post(OAUTH)
            .header("authorization", good.as_str())
            .header("authorization", good.as_str())
            .expect(OAuthRefusal::new(
                400,
                "invalid_request",
                "several_credentials",
            )),
        Case::named("a client with a query")
            .post(format!("{OAUTH}?grant_type=client_credentials"))
            .header("authorization", good.as_str())
            .expect(OAuthRefusal::new(400, "invalid_request", "exchange_query")),
        Case::named("a client at the gateway's other authority")
            .post(OAUTH)
            .authority(OTHER_HOST)
            .header("authorization", good.as_str())
            .expect(exchanged("t-external", "p-external")),
    ];
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        cases.push(
            Case::named(format!("{method} at the clients' exchange"))
                .request(method, OAUTH)
                .header("authorization", good.as_str())
                .expect(OAuthRefusal::new(405, "invalid_request", "exchange_method")),
        );
    }
    Ok(cases)
}

pub(super) fn forms(world: &World) -> Result<Vec<Case>> {
    let subject = world.tokens.external.as_str();
    let good = |subject| {
        [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", subject),
            ("subject_token_type", API_TOKEN_TYPE),
        ]
    };
    let sent = |name: String, body: String| {
        Case::named(name)
            .post(OAUTH)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let form = |name: &str, parameters: &[(&str, &str)]| {
        sent(format!("a form with {name}"), form_body(parameters))
    };
    let with =
        |name: &str, more: &[(&str, &str)]| form(name, &[good(subject).as_slice(), more].concat());
    let without = |left_out: &str| {
        let rest: Vec<_> = good(subject)
            .into_iter()
            .filter(|(name, _)| *name != left_out)
            .collect();
        sent(format!("a form without {left_out}"), form_body(&rest))
    };
    let exchanged = |audience| Expected::ExchangedByOAuth {
        token: "t-external",
        person: "p-external",
        audience,
        form: true,
    };
    let refused = |status, error, reason| OAuthRefusal::new(status, error, reason);
    let invalid = |reason| refused(400, "invalid_request", reason);
    let target = |reason| refused(400, "invalid_target", reason);
    let whole = form_body(&good(subject));
    let padded = |length: usize| format!("{whole}&x={}", "a".repeat(length - whole.len() - 3));
    let mut cases = vec![
        with("what it must have", &[]).expect(exchanged("edge")),
        with("a service", &[("audience", "orders")]).expect(exchanged("edge/orders")),
        with(
            "the type that it gets",
            &[("requested_token_type", ACCESS_TOKEN_TYPE)],
        )
        .expect(exchanged("edge")),
        with("parameters that nobody knows", &[("x", "1"), ("x", "2")]).expect(exchanged("edge")),
        with("an empty scope", &[("scope", "")]).expect(exchanged("edge")),
        sent("a form that ends in trailers".to_owned(), whole.clone())
            .trailer("x-last", "1")
            .expect(exchanged("edge")),
        sent("a form of 16 KiB".to_owned(), padded(MAX_FORM_LENGTH)).expect(exchanged("edge")),
        sent(
            "a form of 16 KiB and a byte".to_owned(),
            padded(MAX_FORM_LENGTH + 1),
        )
        .expect(refused(413, "invalid_request", "form_too_long")),
        sent(
            "a form of more than 16 KiB whose length nobody told".to_owned(),
            padded(MAX_FORM_LENGTH * 2),
        )
        .trailer("x-last", "1")
        .expect(refused(413, "invalid_request", "form_too_long")),
        with("an unknown service", &[("audience", "billing")]).expect(target("audience_unknown")),
        with("a resource", &[("resource", "https://a")]).expect(target("resource_unsupported")),
        with("a scope", &[("scope", "read")]).expect(refused(
            400,
            "invalid_scope",
            "scope_unsupported",
        )),
        with("an actor", &[("actor_token", "x")]).expect(invalid("actor_unsupported")),
        with("two subject tokens", &[("subject_token", subject)]).expect(invalid("form_repeats")),
        with(
            "two services",
            &[("audience", "orders"), ("audience", "files")],
        )
        .expect(invalid("form_repeats")),
        with(
            "another type asked for",
            &[(
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:jwt",
            )],
        )
        .expect(invalid("token_type_unsupported")),
        without("grant_type").expect(invalid("form_malformed")),
        without("subject_token").expect(invalid("form_malformed")),
        without("subject_token_type").expect(invalid("token_type_unsupported")),
        form("another grant", &[("grant_type", "client_credentials")]).expect(refused(
            400,
            "unsupported_grant_type",
            "grant_type_unsupported",
        )),
        sent("an empty form".to_owned(), String::new()).expect(invalid("form_malformed")),
        Case::named("a form without body")
            .post(OAUTH)
            .header("content-type", "application/x-www-form-urlencoded")
            .expect(invalid("form_malformed")),
        Case::named("JSON where a form belongs")
            .post(OAUTH)
            .header("content-type", "application/json")
            .body("{}")
            .expect(invalid("form_malformed")),
        sent(
            "a form in a request with a Bearer token".to_owned(),
            whole.clone(),
        )
        .bearer(subject)
        .expect(refused(401, "invalid_client", "other_scheme")),
        sent("a form at an authority of nobody".to_owned(), whole.clone())
            .authority("other.example")
            .expect(super::Refusal::misdirected().because("wrong_host")),
    ];
    let tokens = &world.tokens;
    for (name, subject, reason) in [
        (
            "an unknown token",
            tokens.unknown.as_str(),
            "api_token_unknown",
        ),
        (
            "a deactivated token",
            &tokens.deactivated,
            "api_token_deactivated",
        ),
        ("an expired token", &tokens.expired, "api_token_expired"),
        ("a malformed token", "pst_x", "api_token_malformed"),
        (
            "an access token",
            &world.access_token()?,
            "access_token_at_exchange",
        ),
    ] {
        cases.push(form(name, &good(subject)).expect(OAuthRefusal::bad_subject(reason)));
    }
    Ok(cases)
}
