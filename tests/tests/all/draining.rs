//! Connections that stay open over a swap. Envoy keeps the old listener, and with it the filter's old configuration, for
//! as long as it drains: `docs/decisions/008-draining.md`.

use std::net::SocketAddr;

use postern_tests::client::{Kept, Protocol, Tunnel};
use postern_tests::envoy::{Envoy, Update};
use postern_tests::fixture::World;
use postern_tests::gateway::{DEFAULT, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::wait::until;
use postern_tests::{Error, Result};

const CALL: &str = "/m42Services/api/orders";

/// Old listeners, and old filter chains of a listener that is otherwise the same, that still have connections.
const STILL_DRAINING: [&str; 2] = [
    "listener_manager.total_filter_chains_draining",
    "listener_manager.total_listeners_draining",
];

fn envoy(gateway: &Gateway) -> &Envoy {
    match gateway {
        Gateway::Envoy(gateway) => gateway.envoy(),
        Gateway::TestHost(_) => panic!("the test host drains at once"),
    }
}

fn address(gateway: &Gateway) -> Result<SocketAddr> {
    envoy(gateway).address(DEFAULT)
}

async fn still_draining(gateway: &Gateway) -> Result<u64> {
    let mut draining = 0;
    for gauge in STILL_DRAINING {
        draining += envoy(gateway).stat(gauge).await?;
    }
    Ok(draining)
}

/// The status of a call on an open connection; `None` if it is no longer open.
async fn call(connection: &mut Kept, token: &str) -> Option<u16> {
    let request = Request::get(CALL).bearer(token);
    let answer = connection.send(&request).await.ok()?;
    Some(answer.status)
}

#[tokio::test]
async fn once_envoy_has_drained_no_open_connection_is_decided_by_the_old_policy() -> Result<()> {
    let mut world = World::new()?;
    let token = world.access_token()?;
    let mut gateway = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    let address = address(&gateway)?;
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for protocol in Protocol::ALL {
        for connections in [&mut idle, &mut busy] {
            let mut connection = Kept::open(address, protocol).await?;
            for _ in 0..2 {
                let status = call(&mut connection, &token).await;
                assert_eq!(status, Some(200), "{protocol:?}: it stays open");
            }
            connections.push((protocol, connection));
        }
    }

    world.token_mut("t-external").active = false;
    assert_eq!(gateway.swap(&world.config()).await?, Update::Accepted);

    assert_eq!(gateway.status_of(CALL, &token).await?, 401, "a new one");
    until("the end of draining", async || {
        for (_, connection) in &mut busy {
            call(connection, &token).await;
        }
        Ok((still_draining(&gateway).await? == 0).then_some(()))
    })
    .await?;
    for (what, connections) in [("idle", &mut idle), ("busy", &mut busy)] {
        for (protocol, connection) in connections {
            let status = call(connection, &token).await;
            assert_eq!(status, None, "{what}, {protocol:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_still_open_when_envoy_has_drained_is_cut_off() -> Result<()> {
    let mut world = World::new()?;
    let mut gateway = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    let follow = Request::get("/m42Services/api/orders/1/follow").bearer(world.access_token()?);
    let mut stream = Tunnel::open(address(&gateway)?, "websocket", &follow).await?;
    stream.send(b"word")?;
    assert_eq!(stream.receive().await?.as_deref(), Some(b"word".as_slice()));

    world.token_mut("t-external").active = false;
    assert_eq!(gateway.swap(&world.config()).await?, Update::Accepted);

    until("the end of draining", async || {
        Ok((still_draining(&gateway).await? == 0).then_some(()))
    })
    .await?;
    let end = stream.receive().await;
    assert!(matches!(end, Ok(None) | Err(Error::Io(_))), "{end:?}");
    Ok(())
}
