//! Expiry to the second. The test host's clock is set; Envoy's is the machine's, so there each answer is compared with
//! the clock before it was asked for and after it came.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postern_tests::fixture::{AccessToken, EXCHANGE, World, at, now};
use postern_tests::gateway::{Gateway, HostGateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::wait::PATIENCE;
use postern_tests::{Error, Result};

const CALL: &str = "/m42Services/api/orders";

async fn in_test_host(world: &World) -> Result<Gateway> {
    let setup = Setup {
        clock: world.now,
        ..Setup::of(world)?
    };
    Gateway::start(Kind::TestHost, &setup).await
}

fn clock(gateway: &mut Gateway) -> &mut HostGateway {
    match gateway {
        Gateway::TestHost(host) => host,
        Gateway::Envoy(_) => panic!("nobody can set Envoy's clock"),
    }
}

async fn exchange_status(gateway: &mut Gateway, token: &str) -> Result<u16> {
    Ok(gateway
        .send(&Request::post(EXCHANGE).bearer(token))
        .await?
        .response
        .status)
}

#[tokio::test]
async fn an_api_token_is_good_until_its_last_second_and_not_in_the_next() -> Result<()> {
    let mut world = World::new()?;
    let end = world.now + 1000;
    world.token_mut("t-external").expires_at = at(end);
    let mut gateway = in_test_host(&world).await?;

    clock(&mut gateway).set_clock(end - 1);
    assert_eq!(
        exchange_status(&mut gateway, &world.tokens.external).await?,
        200
    );
    clock(&mut gateway).set_clock(end);
    assert_eq!(
        exchange_status(&mut gateway, &world.tokens.external).await?,
        401
    );
    Ok(())
}

#[tokio::test]
async fn an_access_token_is_good_until_its_last_second_and_not_in_the_next() -> Result<()> {
    let world = World::new()?;
    let mut gateway = in_test_host(&world).await?;
    let token = gateway.exchange(&world.tokens.external).await?;

    clock(&mut gateway).set_clock(world.now + 299);
    assert_eq!(gateway.status_of(CALL, &token).await?, 200);
    clock(&mut gateway).set_clock(world.now + 300);
    assert_eq!(gateway.status_of(CALL, &token).await?, 401);
    Ok(())
}

#[tokio::test]
async fn an_access_token_never_outlives_its_api_token() -> Result<()> {
    let mut world = World::new()?;
    let end = world.now + 60;
    world.token_mut("t-external").expires_at = at(end);
    let mut gateway = in_test_host(&world).await?;
    let token = gateway.exchange(&world.tokens.external).await?;

    assert_eq!(postern_tests::fixture::claims(&token)?["exp"], end);
    clock(&mut gateway).set_clock(end - 1);
    assert_eq!(gateway.status_of(CALL, &token).await?, 200);
    clock(&mut gateway).set_clock(end);
    assert_eq!(gateway.status_of(CALL, &token).await?, 401);
    Ok(())
}

#[tokio::test]
async fn a_token_that_never_expires_is_good_in_fifty_years() -> Result<()> {
    let world = World::new()?;
    let mut gateway = in_test_host(&world).await?;

    clock(&mut gateway).set_clock(world.now + 50 * 365 * 24 * 3600);

    assert_eq!(
        exchange_status(&mut gateway, &world.tokens.never_expires).await?,
        200
    );
    assert_eq!(
        exchange_status(&mut gateway, &world.tokens.external).await?,
        401
    );
    Ok(())
}

#[tokio::test]
async fn a_clock_that_went_back_decides_nothing() -> Result<()> {
    let world = World::new()?;
    let mut gateway = in_test_host(&world).await?;
    let token = gateway.exchange(&world.tokens.external).await?;
    // Both workers must have seen the later time.
    for _ in 0..2 {
        assert_eq!(gateway.status_of(CALL, &token).await?, 200);
    }

    clock(&mut gateway).set_clock(world.now - 61);

    assert_eq!(gateway.status_of(CALL, &token).await?, 503);
    assert_eq!(
        exchange_status(&mut gateway, &world.tokens.external).await?,
        503
    );
    Ok(())
}

#[tokio::test]
async fn in_envoy_an_access_token_ends_at_the_second_that_it_names() -> Result<()> {
    let world = World::new()?;
    let signer = world.signer()?;
    let mut gateway = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    ends_on_time(async |end| {
        let token = AccessToken::of("t-external", "p-external", now())
            .claim("exp", end)
            .signed(&signer);
        watch(end, async || gateway.status_of(CALL, &token).await).await
    })
    .await
}

#[tokio::test]
async fn in_envoy_an_api_token_and_its_access_tokens_end_at_the_second_that_the_policy_names()
-> Result<()> {
    let mut world = World::new()?;
    let mut gateway = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    ends_on_time(async |end| {
        world.token_mut("t-external").expires_at = at(end);
        gateway.swap(&world.config()).await?;
        let Ok(access) = gateway.exchange(&world.tokens.external).await else {
            return Ok(0);
        };
        let mut accepted = 0;
        let raw = world.tokens.external.clone();
        watch(end, async || {
            let exchange = exchange_status(&mut gateway, &raw).await?;
            let call = gateway.status_of(CALL, &access).await?;
            if exchange == 200 && call == 200 {
                accepted += 1;
            }
            // One may end between the two: then the second has passed already.
            Ok(exchange.max(call))
        })
        .await?;
        Ok(accepted)
    })
    .await
}

/// Tries with ends further and further ahead, until one was far enough that requests were accepted before it.
async fn ends_on_time(mut attempt: impl AsyncFnMut(u64) -> Result<u32>) -> Result<()> {
    for ahead in [3, 6, 12, 24] {
        if attempt(now() + ahead).await? > 0 {
            return Ok(());
        }
    }
    Err(Error::Late {
        what: "a request before the token's end".to_owned(),
        seconds: 24,
    })
}

/// Asks again and again until the first refusal; how often it was accepted. An acceptance must have been asked for
/// before `end`, and the refusal must have come at `end` or later.
async fn watch(end: u64, mut ask: impl AsyncFnMut() -> Result<u16>) -> Result<u32> {
    let end = Duration::from_secs(end);
    let mut accepted = 0;
    loop {
        let before = wall_clock();
        let status = ask().await?;
        let after = wall_clock();
        match status {
            200 => {
                assert!(before < end, "accepted {:?} too late", before - end);
                accepted += 1;
            }
            401 => {
                assert!(after >= end, "refused {:?} too early", end - after);
                return Ok(accepted);
            }
            other => panic!("neither accepted nor refused as expired: {other}"),
        }
        assert!(after < end + PATIENCE, "still accepted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn wall_clock() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
