//! Key ids: several at once, revoked ones, and those whose root this gateway lacks.

use postern_core::policy::document::Key;
use postern_tests::Result;
use postern_tests::envoy::Update;
use postern_tests::fixture::{AccessToken, KID, Signer, World, key, root_key};
use postern_tests::gateway::{Answer, Gateway, Kind, Setup};
use postern_tests::message::Request;

const CALL: &str = "/m42Services/api/orders";
const DAY: u64 = 24 * 60 * 60;

fn signed(world: &World, kid: &str) -> Result<String> {
    let token = AccessToken::of("t-external", "p-external", world.now).header("kid", kid);
    Ok(token.signed(&Signer::derived(&world.root_key, kid)?))
}

fn kid_of(token: &str) -> Result<String> {
    Ok(postern_tests::fixture::header(token)?["kid"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

async fn call(gateway: &mut Gateway, token: &str) -> Result<(u16, String)> {
    let answer: Answer = gateway.send(&Request::get(CALL).bearer(token)).await?;
    let logged = gateway.logged(&answer).await?;
    let reason = logged
        .state
        .get("postern.reason")
        .cloned()
        .unwrap_or_default();
    Ok((answer.response.status, reason))
}

#[tokio::test]
async fn while_two_keys_are_alive_both_verify_and_the_later_one_signs() -> Result<()> {
    let mut world = World::new()?;
    world.policy.keys = vec![
        key("old", "r1", world.now - 2 * DAY),
        key("new", "r1", world.now - DAY),
        key("future", "r1", world.now + DAY),
    ];
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;

        let token = gateway.exchange(&world.tokens.external).await?;

        assert_eq!(kid_of(&token)?, "new", "{kind:?}");
        assert_eq!(gateway.status_of(CALL, &token).await?, 200, "{kind:?}");
        for kid in ["old", "new", "future"] {
            assert_eq!(
                gateway.status_of(CALL, &signed(&world, kid)?).await?,
                200,
                "{kind:?} {kid}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_ends_its_access_tokens_with_the_next_policy() -> Result<()> {
    let mut world = World::new()?;
    world.policy.keys = vec![
        key("old", "r1", world.now - 2 * DAY),
        key("new", "r1", world.now - DAY),
    ];
    let before = world.config();
    world.policy.keys[1].revoked = true;
    let after = world.config();
    for kind in Kind::ALL {
        let mut gateway =
            Gateway::start(kind, &Setup::with_config(&before, world.environment())?).await?;
        let token = gateway.exchange(&world.tokens.external).await?;
        assert_eq!(call(&mut gateway, &token).await?.0, 200, "{kind:?}");

        assert_eq!(gateway.swap(&after).await?, Update::Accepted, "{kind:?}");

        let refused = (401, "access_token_key_revoked".to_owned());
        assert_eq!(call(&mut gateway, &token).await?, refused, "{kind:?}");
        let token = gateway.exchange(&world.tokens.external).await?;
        assert_eq!(kid_of(&token)?, "old", "{kind:?}");
        assert_eq!(call(&mut gateway, &token).await?.0, 200, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_past_its_end_verifies_no_more() -> Result<()> {
    let mut world = World::new()?;
    let ended = Key {
        not_after: Some(postern_core::time::Timestamp::from_secs(world.now - 1)),
        ..key("ended", "r1", world.now - 20 * DAY)
    };
    world.policy.keys = vec![ended, key(KID, "r1", world.now - 10 * DAY)];
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;

        let refused = (401, "access_token_key_expired".to_owned());
        assert_eq!(
            call(&mut gateway, &signed(&world, "ended")?).await?,
            refused,
            "{kind:?}"
        );
        assert_eq!(
            call(&mut gateway, &signed(&world, KID)?).await?.0,
            200,
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_key_whose_root_is_missing_is_kept_unusable_and_reported() -> Result<()> {
    let mut world = World::new()?;
    world.policy.keys = vec![
        key("here", "r1", world.now - 2 * DAY),
        key("elsewhere", "r2", world.now - DAY),
    ];
    let foreign = Signer::derived(&root_key("r2")?, "elsewhere")?;
    let token = AccessToken::of("t-external", "p-external", world.now)
        .header("kid", "elsewhere")
        .signed(&foreign);
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;

        let refused = (401, "access_token_key_missing".to_owned());
        assert_eq!(call(&mut gateway, &token).await?, refused, "{kind:?}");
        assert_eq!(
            call(&mut gateway, &signed(&world, "here")?).await?.0,
            200,
            "{kind:?}"
        );
        let records = gateway.records().await?;
        let report = records
            .lines()
            .find(|line| line.contains("elsewhere") && line.contains("r2"));
        assert!(
            report.is_some(),
            "{kind:?}: nothing tells the operator about the missing root"
        );
    }
    Ok(())
}

#[tokio::test]
async fn without_any_key_to_sign_with_the_exchange_is_unavailable_and_calls_are_refused()
-> Result<()> {
    let mut world = World::new()?;
    world.policy.keys = vec![key(KID, "r2", world.now - DAY)];
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let exchange =
            Request::post(postern_tests::fixture::EXCHANGE).bearer(&world.tokens.external);

        let answer = gateway.send(&exchange).await?;

        let logged = gateway.logged(&answer).await?;
        let refusal = postern_tests::cases::Refusal::unavailable().because("no_key");
        assert_eq!(
            refusal.check(&answer, &logged),
            Vec::<String>::new(),
            "{kind:?}"
        );
    }
    Ok(())
}
