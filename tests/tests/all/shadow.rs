//! Shadow mode: decisions are counted and change nothing, until the instant at which they do.

use postern_core::time::Timestamp;
use postern_tests::client::Protocol;
use postern_tests::fixture::{EXCHANGE, World};
use postern_tests::gateway::{Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::{Error, Result};
use serde_json::{Value, json};

const CALL: &str = "/m42Services/api/orders";

fn shadow(world: &World, until: u64) -> Value {
    let mut config = world.config();
    config["mode"] = json!("shadow");
    config["shadow_until"] = json!(Timestamp::from_secs(until).to_string());
    config
}

async fn count(gateway: &Gateway, name: &str) -> Result<u64> {
    match gateway {
        Gateway::Envoy(envoy) => envoy.envoy().stat(&format!("wasmcustom.{name}")).await,
        Gateway::TestHost(host) => match host.metrics().get(name) {
            Some(postern_host::Metric::Counter(value)) => Ok(*value),
            other => Err(Error::Fixture(format!("{name} is {other:?}"))),
        },
    }
}

#[tokio::test]
async fn in_shadow_mode_a_request_goes_on_as_it_came_and_what_would_be_is_counted() -> Result<()> {
    let world = World::new()?;
    let config = shadow(&world, world.now + 3600);
    let setup = Setup::with_config(&config, world.environment())?;
    let access = world.access_token()?;
    for kind in Kind::ALL {
        for (request, reason) in [
            (Request::get(CALL).bearer("junk"), "api_token_too_short"),
            (Request::get(CALL), "no_credential"),
            (
                Request::get("/a/../b").header("authorization", "Basic x"),
                "path_malformed",
            ),
            (Request::get(CALL).bearer(&access), "allowed"),
            (
                Request::get("/admin/status").bearer(&access),
                "not_in_audience",
            ),
            (
                Request::post(EXCHANGE).bearer(&world.tokens.external),
                "exchanged",
            ),
            (Request::get(CALL).authority("other.example"), "wrong_host"),
        ] {
            let mut gateway = Gateway::start(kind, &setup).await?;
            let place = format!("{kind:?} {reason}");
            let sent = request
                .clone()
                .header("x-postern-person", "forged")
                .header("x-http-method-override", "DELETE")
                .body("body")
                .trailer("x-postern-token", "forged")
                .trailer("x-kept", "1");

            let answer = gateway.send(&sent).await?;

            assert_eq!(answer.response.status, 200, "{place}");
            let [received] = answer.upstream.as_slice() else {
                panic!("{place}: {:?}", answer.upstream);
            };
            assert_eq!(
                Some(received.target.as_bytes()),
                sent.target.as_deref(),
                "{place}"
            );
            for name in ["authorization", "x-http-method-override"] {
                assert_eq!(
                    received.headers.text(name),
                    sent.headers.text(name),
                    "{place} {name}"
                );
            }
            assert!(!received.headers.has("x-postern-person"), "{place}");
            assert!(!received.trailers.has("x-postern-token"), "{place}");
            assert_eq!(
                received.trailers.text("x-kept").as_deref(),
                Some("1"),
                "{place}"
            );
            let logged = gateway.logged(&answer).await?;
            let state = |key: &str| logged.state.get(key).map(String::as_str);
            assert_eq!(state("postern.reason"), Some(reason), "{place}");
            assert_eq!(state("postern.mode"), Some("shadow"), "{place}");
            assert_eq!(
                count(&gateway, &format!("postern.shadow.{reason}")).await?,
                1,
                "{place}"
            );
            assert_eq!(
                count(&gateway, &format!("postern.requests.{reason}")).await?,
                0,
                "{place}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn from_its_end_on_shadow_mode_enforces() -> Result<()> {
    let world = World::new()?;
    let until = world.now + 3600;
    let setup = Setup {
        clock: world.now,
        ..Setup::with_config(&shadow(&world, until), world.environment())?
    };
    let mut gateway = Gateway::start(Kind::TestHost, &setup).await?;
    let junk = Request::get(CALL).bearer("junk");
    for (clock, status) in [(until - 1, 200), (until, 401), (until + 1, 401)] {
        if let Gateway::TestHost(host) = &mut gateway {
            host.set_clock(clock);
        }
        for protocol in Protocol::ALL {
            let plugin = postern_tests::gateway::DEFAULT;
            let answer = gateway.send_to(plugin, protocol, &junk).await?;
            assert_eq!(answer.response.status, status, "{clock}");
            assert_eq!(answer.upstream.is_empty(), status == 401, "{clock}");
        }
    }
    // A clock that goes back by more than a minute is not believed; what it says does not bring the shadow back.
    if let Gateway::TestHost(host) = &mut gateway {
        host.set_clock(world.now);
    }
    let answer = gateway.send(&junk).await?;
    assert_eq!(answer.response.status, 503);
    assert!(answer.upstream.is_empty());
    Ok(())
}

#[tokio::test]
async fn in_envoy_shadow_mode_whose_end_has_come_is_enforced() -> Result<()> {
    let world = World::new()?;
    let setup = Setup::with_config(&shadow(&world, world.now - 1), world.environment())?;
    let mut gateway = Gateway::start(Kind::Envoy, &setup).await?;

    let answer = gateway.send(&Request::get(CALL).bearer("junk")).await?;

    assert_eq!(answer.response.status, 401);
    assert!(answer.upstream.is_empty());
    Ok(())
}
