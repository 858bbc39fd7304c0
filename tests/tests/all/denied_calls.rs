//! Host calls that Envoy denies (`capability_restriction_config`): the same closed doors as in `host_faults`, in a real
//! host.

use postern_tests::client::Protocol;
use postern_tests::fixture::{EXCHANGE, World};
use postern_tests::gateway::{DEFAULT, Gateway, Kind, Setup, start_refused};
use postern_tests::message::Request;
use postern_tests::{Error, Result, cases};

const CALL: &str = "/m42Services/api/orders";

fn without(world: &World, call: &str) -> Result<Setup> {
    Ok(Setup {
        denied_host_calls: vec![call.to_owned()],
        ..Setup::of(world)?
    })
}

/// An Envoy that denies this host call, which must be seen in its log at the end.
async fn envoy_without(world: &World, call: &str) -> Result<Gateway> {
    Gateway::start(Kind::Envoy, &without(world, call)?).await
}

async fn was_denied(gateway: &Gateway, call: &str) -> Result<()> {
    let log = gateway.records().await?;
    let denied = log
        .lines()
        .any(|line| line.contains("call to restricted") && line.contains(call));
    assert!(denied, "{call} was never denied");
    assert_eq!(gateway.traps()?, 0, "{call}");
    Ok(())
}

async fn all_unavailable(
    gateway: &mut Gateway,
    requests: &[Request],
    reason: &'static str,
) -> Result<()> {
    for request in requests {
        for protocol in Protocol::ALL {
            let answer = gateway.send_to(DEFAULT, protocol, request).await?;
            let logged = gateway.logged(&answer).await?;
            let faults = cases::Refusal::unavailable()
                .because(reason)
                .check(&answer, &logged);
            assert_eq!(faults, Vec::<String>::new(), "{protocol:?} {request:?}");
        }
    }
    Ok(())
}

fn everything(world: &World) -> Result<[Request; 4]> {
    Ok([
        Request::get(CALL).bearer(world.access_token()?),
        Request::post(EXCHANGE).bearer(&world.tokens.external),
        Request::get("/healthz"),
        Request::get(CALL),
    ])
}

#[tokio::test]
async fn without_a_way_to_write_headers_a_call_is_unavailable_and_nothing_is_forwarded()
-> Result<()> {
    let world = World::new()?;
    let call = Request::get(CALL)
        .bearer(world.access_token()?)
        .header("x-postern-person", "forged");
    for name in [
        "proxy_replace_header_map_value",
        "proxy_remove_header_map_value",
    ] {
        let mut gateway = envoy_without(&world, name).await?;
        all_unavailable(&mut gateway, std::slice::from_ref(&call), "host_call").await?;
        assert!(gateway.upstream().is_empty(), "{name}");
        was_denied(&gateway, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_headers_or_clock_nothing_is_decided() -> Result<()> {
    let world = World::new()?;
    for (name, reason) in [
        ("proxy_get_header_map_pairs", "headers_unreadable"),
        ("clock_time_get", "clock"),
    ] {
        let mut gateway = envoy_without(&world, name).await?;
        all_unavailable(&mut gateway, &everything(&world)?, reason).await?;
        assert!(gateway.upstream().is_empty(), "{name}");
        was_denied(&gateway, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_randomness_the_configuration_is_refused() -> Result<()> {
    let world = World::new()?;

    let (code, log) = start_refused(&without(&world, "random_get")?).await?;

    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("configuration refused: "), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_refusal_that_cannot_be_sent_ends_the_stream_and_nothing_is_forwarded() -> Result<()> {
    let world = World::new()?;
    let mut gateway = envoy_without(&world, "proxy_send_local_response").await?;
    for request in [
        Request::get(CALL),
        Request::get(CALL).bearer(&world.tokens.unknown),
        Request::get("/m42Services//orders"),
        Request::post(CALL).body("order"),
        Request::post(EXCHANGE).bearer(&world.tokens.external),
    ] {
        for protocol in Protocol::ALL {
            let ended = gateway.send_to(DEFAULT, protocol, &request).await;
            let place = format!("{protocol:?} {request:?}");
            assert!(
                matches!(ended, Err(Error::Closed(0) | Error::Hyper(_))),
                "{place}: {ended:?}"
            );
        }
    }
    assert!(gateway.upstream().is_empty());
    // A call that needs no answer of the filter's own is as ever.
    let token = world.access_token()?;
    assert_eq!(gateway.status_of(CALL, &token).await?, 200);
    was_denied(&gateway, "proxy_send_local_response").await
}

#[tokio::test]
async fn without_filter_state_and_counters_it_still_decides() -> Result<()> {
    let world = World::new()?;
    let token = world.access_token()?;
    for name in ["proxy_set_property", "proxy_increment_metric"] {
        let mut gateway = envoy_without(&world, name).await?;
        assert_eq!(gateway.status_of(CALL, &token).await?, 200, "{name}");
        assert_eq!(gateway.status_of(CALL, "nothing").await?, 401, "{name}");
        was_denied(&gateway, name).await?;
    }
    Ok(())
}
