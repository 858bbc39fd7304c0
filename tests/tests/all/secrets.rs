//! No raw token and no key in any record: logs, ABI trace, access log, statistics, configuration dump. Every other test
//! looks for what its own gateways were given, were sent and sent, when they are dropped.

use postern_tests::fixture::{EXCHANGE, World};
use postern_tests::gateway::{Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::{Result, cases};

const CALL: &str = "/m42Services/api/orders";

#[tokio::test]
async fn a_busy_gateway_writes_no_token_and_no_key_anywhere() -> Result<()> {
    let mut world = World::new()?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &Setup::of(&world)?).await?;
        let mut secrets = world.secrets()?;
        let tokens = world.tokens.clone();
        for raw in [
            &tokens.external,
            &tokens.never_expires,
            &tokens.operator,
            &tokens.imported,
        ] {
            let access = gateway.exchange(raw).await?;
            gateway.status_of(CALL, &access).await?;
            gateway.status_of("/admin/status", &access).await?;
            gateway
                .send(&Request::post(EXCHANGE).bearer(&access))
                .await?;
            secrets.push(access);
        }
        for raw in [
            &tokens.deactivated,
            &tokens.expired,
            &tokens.of_inactive_person,
            &tokens.unknown,
        ] {
            gateway.send(&Request::post(EXCHANGE).bearer(raw)).await?;
            gateway.send(&Request::get(CALL).bearer(raw)).await?;
            gateway
                .send(&Request::get(CALL).header("authorization", format!("Token {raw}")))
                .await?;
            gateway
                .send(&Request::get(CALL).bearer(format!("{raw},{raw}")))
                .await?;
        }
        world.token_mut("t-operator").active = false;
        gateway.swap(&world.config()).await?;
        // A configuration with a raw token where its hash belongs is refused, and the token is not repeated.
        let mut wrong = world.config();
        wrong["policy"]["inline"]["tokens"][0]["hash"] = tokens.external.as_str().into();
        gateway.swap(&wrong).await?;

        // The configuration dump has what Envoy was last given, a refused one included: that text is the operator's.
        gateway.swap(&world.config()).await?;
        let records = gateway.records().await?;

        assert_eq!(
            cases::find_secrets(&records, &secrets),
            Vec::<String>::new(),
            "{kind:?}"
        );
        assert!(
            records.len() > 1000,
            "{kind:?}: there is hardly any record to search"
        );
        for received in gateway.upstream() {
            let seen = format!("{received:?}");
            assert_eq!(
                cases::find_secrets(&seen, &secrets),
                Vec::<String>::new(),
                "{kind:?}, upstream"
            );
        }
        world.token_mut("t-operator").active = true;
    }
    Ok(())
}

#[tokio::test]
async fn the_search_would_find_a_secret() -> Result<()> {
    let world = World::new()?;
    let gateway = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    let records = gateway.records().await?;

    for present in [
        "[host->vm] proxy_on_configure",
        "\"token_audience\\\"",
        "POSTERN_ROOT_KEY",
    ] {
        assert!(
            !cases::find_secrets(&records, &[present.to_owned()]).is_empty(),
            "{present}"
        );
    }
    Ok(())
}

/// A gateway for which a word that it writes down is a secret.
async fn talkative(kind: Kind, word: &str) -> Result<Gateway> {
    let setup = Setup {
        secrets: vec![word.to_owned()],
        ..Setup::of(&World::new()?)?
    };
    let mut gateway = Gateway::start(kind, &setup).await?;
    gateway.send(&Request::get(CALL)).await?;
    Ok(gateway)
}

#[tokio::test]
#[should_panic(expected = "stands in a record")]
async fn a_secret_in_what_envoy_leaves_behind_fails_whichever_test_it_was() {
    drop(
        talkative(Kind::Envoy, "wasmcustom.postern")
            .await
            .expect("a gateway"),
    );
}

#[tokio::test]
#[should_panic(expected = "stands in a record")]
async fn a_secret_in_what_the_test_host_leaves_behind_fails_whichever_test_it_was() {
    drop(
        talkative(Kind::TestHost, "proxy_on_request_headers")
            .await
            .expect("a gateway"),
    );
}
