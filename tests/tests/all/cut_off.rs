//! What plain JWT filters cannot do: an access token ends for every new request when its API token or its person is no
//! longer what it was, as soon as the gateway has the policy that says so.

use postern_core::time::Timestamp;
use postern_tests::Result;
use postern_tests::envoy::Update;
use postern_tests::fixture::{World, at, now};
use postern_tests::gateway::{Answer, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::wait::until;

const CALL: &str = "/m42Services/api/orders";

/// One way in which a token ends, and the reason in the log.
struct End {
    name: &'static str,
    reason: &'static str,
    apply: fn(&mut World),
    /// Whether another API token of the same person goes on being good.
    spares_the_other: bool,
}

const ENDS: [End; 4] = [
    End {
        name: "deactivated",
        reason: "api_token_deactivated",
        apply: |world| world.token_mut("t-external").active = false,
        spares_the_other: true,
    },
    End {
        name: "deleted",
        reason: "access_token_orphaned",
        apply: |world| world.policy.tokens.retain(|token| token.id != "t-external"),
        spares_the_other: true,
    },
    End {
        name: "made to expire sooner",
        reason: "api_token_expired",
        apply: |world| {
            let sooner = at(world.now - 1);
            world.token_mut("t-external").expires_at = sooner;
        },
        spares_the_other: true,
    },
    End {
        name: "left without an active person",
        reason: "person_inactive",
        apply: |world| world.person_mut("p-external").active = false,
        spares_the_other: false,
    },
];

#[tokio::test]
async fn the_next_policy_ends_the_access_tokens_of_an_api_token_that_has_ended() -> Result<()> {
    let original = World::new()?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &Setup::of(&original)?).await?;
        let token = gateway.exchange(&original.tokens.external).await?;
        let other = gateway.exchange(&original.tokens.never_expires).await?;
        for end in &ENDS {
            let place = format!("{kind:?}, {}", end.name);
            assert_eq!(
                gateway.status_of(CALL, &token).await?,
                200,
                "{place}, before"
            );
            let mut world = original.clone();
            (end.apply)(&mut world);

            assert_eq!(
                gateway.swap(&world.config()).await?,
                Update::Accepted,
                "{place}"
            );

            let answer = gateway.send(&Request::get(CALL).bearer(&token)).await?;
            assert_eq!(answer.response.status, 401, "{place}");
            assert!(answer.upstream.is_empty(), "{place}");
            let logged = gateway.logged(&answer).await?;
            assert_eq!(
                logged.state.get("postern.reason").map(String::as_str),
                Some(end.reason),
                "{place}"
            );
            let expected = if end.spares_the_other { 200 } else { 401 };
            assert_eq!(
                gateway.status_of(CALL, &other).await?,
                expected,
                "{place}, the other token"
            );
            assert_eq!(
                gateway.swap(&original.config()).await?,
                Update::Accepted,
                "{place}, restored"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn activating_again_revives_no_access_token_from_before() -> Result<()> {
    for kind in Kind::ALL {
        for of_person in [false, true] {
            let mut world = World::new()?;
            let mut gateway = Gateway::start(kind, &Setup::of(&world)?).await?;
            let old = gateway.exchange(&world.tokens.external).await?;
            let issued = postern_tests::fixture::claims(&old)?["iat"]
                .as_u64()
                .unwrap_or_default();
            // What an administrator's deactivation leaves behind: valid from the next second on.
            let valid_from = Timestamp::from_secs(issued + 1);

            set(&mut world, of_person, false, None);
            gateway.swap(&world.config()).await?;
            assert_eq!(gateway.status_of(CALL, &old).await?, 401, "{kind:?}");
            set(&mut world, of_person, true, Some(valid_from));
            gateway.swap(&world.config()).await?;

            let answer: Answer = gateway.send(&Request::get(CALL).bearer(&old)).await?;
            assert_eq!(answer.response.status, 401, "{kind:?}");
            let logged = gateway.logged(&answer).await?;
            let reason = logged.state.get("postern.reason").map(String::as_str);
            assert_eq!(reason, Some("access_token_void"), "{kind:?}");

            wait_until(&mut gateway, issued + 1).await?;
            let new = gateway.exchange(&world.tokens.external).await?;
            assert_eq!(gateway.status_of(CALL, &new).await?, 200, "{kind:?}");
            assert_eq!(gateway.status_of(CALL, &old).await?, 401, "{kind:?}");
        }
    }
    Ok(())
}

fn set(world: &mut World, of_person: bool, active: bool, valid_from: Option<Timestamp>) {
    if of_person {
        let person = world.person_mut("p-external");
        person.active = active;
        person.valid_from = valid_from;
    } else {
        let token = world.token_mut("t-external");
        token.active = active;
        token.valid_from = valid_from;
    }
}

async fn wait_until(gateway: &mut Gateway, second: u64) -> Result<()> {
    if let Gateway::TestHost(host) = gateway {
        host.set_clock(second);
        return Ok(());
    }
    until("the next second", async || {
        Ok((now() >= second).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_change_of_the_audience_holds_for_access_tokens_that_are_out_already() -> Result<()> {
    for kind in Kind::ALL {
        let mut world = World::new()?;
        let mut gateway = Gateway::start(kind, &Setup::of(&world)?).await?;
        let token = gateway.exchange(&world.tokens.external).await?;
        assert_eq!(gateway.status_of(CALL, &token).await?, 200, "{kind:?}");

        world.policy.services[0].audience.persons.clear();
        gateway.swap(&world.config()).await?;

        assert_eq!(gateway.status_of(CALL, &token).await?, 403, "{kind:?}");
    }
    Ok(())
}
