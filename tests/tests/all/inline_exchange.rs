//! Services that take API tokens themselves, CORS preflights, public routes with a credential, and readiness.

use postern_core::policy::document::{Accept, Preflight, Service};
use postern_tests::Result;
use postern_tests::cases::{self, Case, Expected, Forwarded, Refusal};
use postern_tests::fixture::{EXCHANGE, World, method, service, unrestricted};
use postern_tests::gateway::{Gateway, Kind, Setup};
use postern_tests::message::Request;
use serde_json::json;

/// A world with a service for each way of authenticating.
fn world() -> Result<World> {
    let mut world = World::new()?;
    let taking = |name: &str, accept: &[Accept]| Service {
        accept: accept.to_vec(),
        ..service(
            name,
            &format!("/{name}"),
            unrestricted(),
            vec![method("call", &["GET"], "/x", None)],
        )
    };
    world.policy.services.extend([
        taking("inline", &[Accept::Api]),
        taking("either", &[Accept::Access, Accept::Api]),
        Service {
            preflight: Preflight::Pass,
            ..taking("browsers", &[Accept::Access])
        },
    ]);
    Ok(world)
}

fn call(service: &str, token: &'static str, person: &str) -> Forwarded {
    Forwarded::call(person, token, service, "call")
}

#[tokio::test]
async fn a_service_takes_the_kinds_of_token_that_it_lists_and_no_other() -> Result<()> {
    let world = world()?;
    let access = world.access_token()?;
    let tokens = &world.tokens;
    let at = |name: &str, path: &str, token: &str| Case::named(name).get(path).bearer(token);
    let bad = |reason| Refusal::invalid_token().because(reason);
    let cases = [
        at(
            "an API token where only API tokens are taken",
            "/inline/x",
            &tokens.external,
        )
        .expect(call("inline", "t-external", "p-external")),
        at("an imported API token there", "/inline/x", &tokens.imported).expect(call(
            "inline",
            "t-imported",
            "p-external",
        )),
        at(
            "a token that never expires there",
            "/inline/x",
            &tokens.never_expires,
        )
        .expect(call("inline", "t-never", "p-external")),
        at("an access token there", "/inline/x", &access).expect(bad("access_token_not_accepted")),
        at(
            "an API token where both are taken",
            "/either/x",
            &tokens.external,
        )
        .expect(call("either", "t-external", "p-external")),
        at("an access token where both are taken", "/either/x", &access).expect(call(
            "either",
            "t-external",
            "p-external",
        )),
        at(
            "a deactivated API token there",
            "/either/x",
            &tokens.deactivated,
        )
        .expect(bad("api_token_deactivated")),
        at("an expired API token there", "/inline/x", &tokens.expired)
            .expect(bad("api_token_expired")),
        at("an unknown API token there", "/inline/x", &tokens.unknown)
            .expect(bad("api_token_unknown")),
        at(
            "a good API token at another service",
            "/files/x",
            &tokens.external,
        )
        .expect(bad("api_token_at_method")),
        at(
            "a good API token where there is no service",
            "/nowhere",
            &tokens.external,
        )
        .expect(bad("api_token_at_method")),
        at(
            "a good API token and no method of a service that takes it",
            "/inline/y",
            &tokens.external,
        )
        .expect(Refusal::no_rule().because("no_path")),
    ];
    cases::run(&world, &cases).await?.assert_none();
    Ok(())
}

#[tokio::test]
async fn a_true_preflight_goes_on_where_its_service_says_so_and_nothing_else_does() -> Result<()> {
    let world = world()?;
    let preflight = |name: &str, path: &str| {
        Case::named(name)
            .request("OPTIONS", path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET")
            .header("x-postern-person", "forged")
            .header("x-original-url", "/admin")
    };
    let none = || Refusal::unauthenticated().because("no_credential");
    let cases = [
        preflight("a preflight where it passes", "/browsers/x")
            .expect(Forwarded::preflight().without("x-original-url")),
        preflight("a preflight for a path that is no method", "/browsers/y")
            .expect(Forwarded::preflight()),
        preflight("a preflight where it does not pass", "/files/x").expect(none()),
        preflight("a preflight where there is no service", "/nowhere").expect(none()),
        preflight("a preflight with a bad credential", "/browsers/x")
            .bearer(&world.tokens.unknown)
            .expect(Refusal::invalid_token().because("api_token_unknown")),
        Case::named("OPTIONS without the headers of a preflight")
            .request("OPTIONS", "/browsers/x")
            .expect(none()),
        Case::named("OPTIONS with one of them")
            .request("OPTIONS", "/browsers/x")
            .header("origin", "https://app.example")
            .expect(none()),
        Case::named("GET with the headers of a preflight")
            .get("/browsers/x")
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET")
            .expect(none()),
    ];
    cases::run(&world, &cases).await?.assert_none();
    Ok(())
}

#[tokio::test]
async fn a_public_route_passes_the_credential_on_only_if_it_says_so() -> Result<()> {
    let world = world()?;
    let passed = |value: &str| Forwarded::public().with("authorization", value);
    let cases = [
        Case::named("a credential that is passed on")
            .get("/login/status")
            .header("authorization", "Basic dXNlcjpwYXNz")
            .expect(passed("Basic dXNlcjpwYXNz")),
        Case::named("no credential on a route that would pass it on")
            .get("/login/status")
            .expect(Forwarded::public()),
        Case::named("a credential that is not passed on")
            .get("/healthz")
            .header("authorization", "Basic dXNlcjpwYXNz")
            .expect(Forwarded::public()),
    ];
    cases::run(&world, &cases).await?.assert_none();
    Ok(())
}

#[tokio::test]
async fn the_readiness_path_is_answered_by_the_filter_and_says_when_it_is_not_ready() -> Result<()>
{
    let mut world = world()?;
    let mut config = world.config();
    config["ready_path"] = json!("/postern/ready");
    let setup = Setup::with_config(&config, world.environment())?;
    world.policy.keys[0].root = "r2".to_owned();
    let mut without_key = world.config();
    without_key["ready_path"] = json!("/postern/ready");
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405)] {
            let answer = gateway
                .send(&Request::new(method, "/postern/ready"))
                .await?;
            assert_eq!(answer.response.status, status, "{kind:?} {method}");
            assert!(answer.upstream.is_empty(), "{kind:?} {method}");
        }
        let ready = gateway.send(&Request::get("/postern/ready")).await?;
        assert_eq!(ready.response.text(), r#"{"status":"ready"}"#, "{kind:?}");

        gateway.swap(&without_key).await?;

        let answer = gateway.send(&Request::get("/postern/ready")).await?;
        let logged = gateway.logged(&answer).await?;
        let expected = Expected::from(Refusal::unavailable().because("no_key"));
        assert_eq!(
            expected.check(&answer, &logged),
            Vec::<String>::new(),
            "{kind:?}"
        );
        let exchange = Request::post(EXCHANGE).bearer(&world.tokens.external);
        assert_eq!(
            gateway.send(&exchange).await?.response.status,
            503,
            "{kind:?}"
        );
    }
    Ok(())
}
