//! Who shares what: another root is another zone of trust, and two configurations in one VM are two gateways.

use postern_tests::client::Protocol;
use postern_tests::fixture::{ROOT_KEY_ENV, World, root_key};
use postern_tests::gateway::{Answer, DEFAULT, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::{Error, Result};

const CALL: &str = "/m42Services/api/orders";

async fn reason(gateway: &Gateway, answer: &Answer) -> Result<String> {
    let logged = gateway.logged(answer).await?;
    Ok(logged
        .state
        .get("postern.reason")
        .cloned()
        .unwrap_or_default())
}

#[tokio::test]
async fn a_gateway_with_another_root_refuses_the_access_tokens_of_the_first() -> Result<()> {
    let world = World::new()?;
    let elsewhere = World {
        root_key: root_key("r1")?,
        ..world.clone()
    };
    for kind in Kind::ALL {
        let mut first = Gateway::start(kind, &Setup::of(&world)?).await?;
        let mut second = Gateway::start(kind, &Setup::of(&elsewhere)?).await?;
        let token = first.exchange(&world.tokens.external).await?;
        assert_eq!(first.status_of(CALL, &token).await?, 200, "{kind:?}");

        let answer = second.send(&Request::get(CALL).bearer(&token)).await?;

        assert_eq!(answer.response.status, 401, "{kind:?}");
        assert!(answer.upstream.is_empty(), "{kind:?}");
        assert_eq!(
            reason(&second, &answer).await?,
            "access_token_forged",
            "{kind:?}"
        );
        // The API token is the policy's, and both have that.
        let own = second.exchange(&world.tokens.external).await?;
        assert_eq!(second.status_of(CALL, &own).await?, 200, "{kind:?}");
        assert_eq!(first.status_of(CALL, &own).await?, 401, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn two_gateways_with_one_root_understand_each_other() -> Result<()> {
    let world = World::new()?;
    let mut in_envoy = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    let mut in_test_host = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;

    let token = in_envoy.exchange(&world.tokens.external).await?;
    assert_eq!(in_test_host.status_of(CALL, &token).await?, 200);
    let token = in_test_host.exchange(&world.tokens.external).await?;
    assert_eq!(in_envoy.status_of(CALL, &token).await?, 200);
    Ok(())
}

#[tokio::test]
async fn two_configurations_in_one_vm_do_not_know_each_others_tokens() -> Result<()> {
    const OTHER: &str = "other";
    const OTHER_ENV: &str = "POSTERN_OTHER_ROOT_KEY";
    let (ours, theirs) = (World::new()?, World::new()?);
    let mut their_config = theirs.config();
    their_config["root_key_env"] = OTHER_ENV.into();
    let mut setup = Setup::of(&ours)?.and_plugin(OTHER, &their_config);
    setup
        .environment
        .insert(ROOT_KEY_ENV.to_owned(), ours.root_key.clone());
    setup
        .environment
        .insert(OTHER_ENV.to_owned(), theirs.root_key.clone());
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        // Which plugin, whose API token, is it good there?
        for (plugin, world, good) in [
            (DEFAULT, &ours, true),
            (OTHER, &theirs, true),
            (DEFAULT, &theirs, false),
            (OTHER, &ours, false),
        ] {
            for protocol in Protocol::ALL {
                let place = format!("{kind:?} {plugin} {protocol:?}");
                let exchange =
                    Request::post(postern_tests::fixture::EXCHANGE).bearer(&world.tokens.external);
                let status = gateway
                    .send_to(plugin, protocol, &exchange)
                    .await?
                    .response
                    .status;
                assert_eq!(status, if good { 200 } else { 401 }, "{place}, exchange");
                let call = Request::get(CALL).bearer(world.access_token()?);
                let answer = gateway.send_to(plugin, protocol, &call).await?;
                assert_eq!(
                    answer.response.status,
                    if good { 200 } else { 401 },
                    "{place}, call"
                );
            }
        }
        if let Gateway::Envoy(envoy) = &gateway {
            one_vm_holds_both(&envoy.envoy().log()?)?;
        }
    }
    Ok(())
}

/// Whether Envoy's trace shows a second root context in a VM that had one.
fn one_vm_holds_both(log: &str) -> Result<()> {
    if log.contains("[host->vm] proxy_on_context_create(2, 0)") {
        Ok(())
    } else {
        Err(Error::Fixture("no VM got a second root context".to_owned()))
    }
}
