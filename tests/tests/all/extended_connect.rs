//! WebSocket over HTTP/2 (RFC 8441). Only in Envoy: its codec makes of an extended CONNECT what an `Upgrade` is in
//! HTTP/1.1, before any filter sees it.

use postern_tests::Result;
use postern_tests::client::Tunnel;
use postern_tests::fixture::World;
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Setup};
use postern_tests::message::Request;
use postern_tests::upstream::MARKER;

const LISTED: &str = "/m42Services/api/orders/1/follow";

async fn open(gateway: &EnvoyGateway, marker: &str, request: Request) -> Result<Tunnel> {
    let address = gateway.envoy().address(DEFAULT)?;
    Tunnel::open(address, "websocket", &request.header(MARKER, marker)).await
}

#[tokio::test]
async fn one_that_the_method_lists_carries_bytes_both_ways() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let request = Request::get(LISTED)
        .bearer(world.access_token()?)
        .header("x-postern-person", "forged");

    let mut tunnel = open(&gateway, "listed", request).await?;

    assert_eq!(tunnel.status, 200);
    for word in [b"first".as_slice(), b"again"] {
        tunnel.send(word)?;
        assert_eq!(tunnel.receive().await?.as_deref(), Some(word));
    }
    let [received] = &gateway.echo().received()[..] else {
        panic!("one request");
    };
    assert_eq!(
        (received.method.as_str(), received.target.as_str()),
        ("CONNECT", LISTED)
    );
    assert_eq!(
        received.headers.text("x-postern-person").as_deref(),
        Some("p-external")
    );
    assert_eq!(
        received.headers.text("x-postern-method").as_deref(),
        Some("follow")
    );
    assert!(!received.headers.has("authorization"));
    Ok(())
}

#[tokio::test]
async fn any_other_is_refused_and_reaches_no_upstream() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let (external, operator) = (world.access_token()?, world.operator_access_token()?);
    let unlisted = "/m42Services/api/orders";
    for (name, request, status, reason) in [
        (
            "unlisted",
            Request::get(unlisted).bearer(&external),
            403,
            "upgrade_not_listed",
        ),
        ("public", Request::get("/healthz"), 401, "no_credential"),
        ("nobody", Request::get(LISTED), 401, "no_credential"),
        (
            "api-token",
            Request::get(LISTED).bearer(&world.tokens.external),
            401,
            "api_token_at_method",
        ),
        (
            "outsider",
            Request::get(LISTED).bearer(&operator),
            403,
            "not_in_audience",
        ),
    ] {
        let tunnel = open(&gateway, name, request).await?;

        assert_eq!(tunnel.status, status, "{name}: {tunnel:?}");
        let logged = gateway.envoy().logged(name).await?;
        assert_eq!(
            logged.state.get("postern.reason").map(String::as_str),
            Some(reason),
            "{name}"
        );
    }
    assert_eq!(gateway.echo().connections(), 0);
    Ok(())
}
