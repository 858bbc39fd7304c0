//! What a real gRPC client sees of a refusal.

use postern_tests::fixture::{World, key, method, persons, service, unrestricted};
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Setup};
use postern_tests::{Result, python};
use serde_json::{Value, json};

/// The client's numbers (gRPC, `doc/statuscodes.md`).
const INVALID_ARGUMENT: u32 = 3;
const PERMISSION_DENIED: u32 = 7;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

async fn ask(gateway: &EnvoyGateway, calls: &Value) -> Result<Value> {
    let address = gateway.envoy().address(DEFAULT)?.to_string();
    let environment = [("ADDRESS", address.as_str()), ("CALLS", &calls.to_string())];
    python::run("grpc_client.py", &environment).await
}

#[tokio::test]
async fn a_grpc_client_sees_a_code_of_its_own_and_a_plain_sentence() -> Result<()> {
    let mut world = World::new()?;
    let rpc = |name, path, audience| method(name, &["POST"], path, audience);
    world.policy.services.push(service(
        "greeter",
        "/greet.Greeter",
        unrestricted(),
        vec![
            rpc("hello", "/Hello", None),
            rpc("secret", "/Secret", Some(persons(&["p-operator"]))),
        ],
    ));
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let access = world.access_token()?;
    let calls = json!({
        "no credential": ["/greet.Greeter/Hello", null],
        "a bad token": ["/greet.Greeter/Hello", world.tokens.unknown],
        "outside the audience": ["/greet.Greeter/Secret", access],
        "no method": ["/greet.Greeter/Nothing", access],
        "another case": ["/greet.Greeter/hello", access],
        "a bad path": ["/greet.Greeter/../Hello", access],
    });

    let seen = ask(&gateway, &calls).await?;

    for (call, code, sentence) in [
        ("no credential", UNAUTHENTICATED, "No credential was sent."),
        (
            "a bad token",
            UNAUTHENTICATED,
            "The token is not valid here and now.",
        ),
        (
            "outside the audience",
            PERMISSION_DENIED,
            "The caller is not in the audience of the method.",
        ),
        (
            "no method",
            PERMISSION_DENIED,
            "No method of this gateway has this path and HTTP method.",
        ),
        (
            "another case",
            INVALID_ARGUMENT,
            "The path differs from a method's path only in the case of letters or in percent-encoding.",
        ),
        ("a bad path", INVALID_ARGUMENT, "The path is refused: "),
    ] {
        assert_eq!(seen[call][0], code, "{call}: {seen}");
        let said = seen[call][1].as_str().unwrap_or_default();
        assert!(said.starts_with(sentence), "{call}: {said:?}");
    }
    assert!(gateway.echo().received().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_grpc_client_is_told_to_come_later_where_the_gateway_cannot_decide() -> Result<()> {
    let mut world = World::new()?;
    // Without a key no exchange: the only refusal of this kind that a test can bring about in Envoy.
    world.policy.keys = vec![key("2026-11", "r2", world.now - 3600)];
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;

    let calls = json!({ "exchange": [postern_tests::fixture::EXCHANGE, world.tokens.external] });
    let seen = ask(&gateway, &calls).await?;

    assert_eq!(seen["exchange"][0], UNAVAILABLE, "{seen}");
    let said = "The gateway cannot decide on requests at the moment.";
    assert_eq!(seen["exchange"][1], said);
    Ok(())
}
