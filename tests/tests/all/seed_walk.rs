//! The four steps of the seed: a person, an audience, an API token, and its use.

use postern_tests::client::Protocol;
use postern_tests::fixture::{EXCHANGE, World, at, person, persons, token};
use postern_tests::gateway::{DEFAULT, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::{Result, cases};

const CALL: &str = "/m42Services/api/orders/export";

#[tokio::test]
async fn an_external_application_is_let_into_one_method_and_no_other() -> Result<()> {
    for kind in Kind::ALL {
        let mut world = World::new()?;
        let raw = postern_tests::fixture::api_token()?;
        let mut gateway = Gateway::start(kind, &Setup::of(&world)?).await?;

        world.policy.persons.push(person("ExternalApp", &[], true));
        for service in &mut world.policy.services {
            for method in service
                .methods
                .iter_mut()
                .filter(|method| method.name == "export")
            {
                method.audience = Some(persons(&["ExternalApp"]));
            }
        }
        let end = at(world.now + 30 * 24 * 3600);
        world
            .policy
            .tokens
            .push(token("t-app", "ExternalApp", &raw, end));
        gateway.swap(&world.config()).await?;

        let mut secrets = world.secrets()?;
        secrets.push(raw.clone());
        for protocol in Protocol::ALL {
            let exchange = Request::post(format!("{EXCHANGE}/?")).bearer(&raw);
            let answer = gateway.send_to(DEFAULT, protocol, &exchange).await?;
            assert_eq!(answer.response.status, 200, "{kind:?} {protocol:?}");
            let body = answer.response.json()?;
            let access = body["RawToken"].as_str().unwrap_or_default().to_owned();
            assert_eq!(access.split('.').count(), 3, "{kind:?}: {access}");
            secrets.push(access.clone());

            let call = Request::get(CALL).bearer(&access);
            let answer = gateway.send_to(DEFAULT, protocol, &call).await?;
            assert_eq!(answer.response.status, 200, "{kind:?} {protocol:?}");
            let [received] = answer.upstream.as_slice() else {
                panic!("{kind:?}: the upstream got {:?}", answer.upstream);
            };
            assert_eq!(
                received.headers.text("x-postern-person").as_deref(),
                Some("ExternalApp")
            );
            assert!(!received.headers.has("authorization"));

            let other = Request::get("/m42Services/api/orders").bearer(&access);
            let answer = gateway.send_to(DEFAULT, protocol, &other).await?;
            assert_eq!(answer.response.status, 403, "{kind:?} {protocol:?}");
            assert!(answer.upstream.is_empty());
        }
        assert_eq!(
            cases::find_secrets(&gateway.records().await?, &secrets),
            Vec::<String>::new(),
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn life_time_is_the_instant_at_which_the_access_token_ends() -> Result<()> {
    let world = World::new()?;
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let request = Request::post(EXCHANGE).bearer(&world.tokens.external);
        let before = postern_tests::fixture::now();

        let body = gateway.send(&request).await?.response.json()?;

        let claims = postern_tests::fixture::claims(body["RawToken"].as_str().unwrap_or_default())?;
        let (issued, ends) = (
            claims["iat"].as_u64().unwrap_or_default(),
            claims["exp"].as_u64().unwrap_or_default(),
        );
        assert_eq!(ends - issued, 300, "{kind:?}");
        assert!(
            issued >= before || kind == Kind::TestHost,
            "{kind:?}: {issued} is before {before}"
        );
        let written = postern_core::time::Timestamp::from_secs(ends).to_string();
        assert_eq!(
            body["LifeTime"].as_str(),
            Some(written.as_str()),
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_access_token_has_the_claims_of_rfc_9068_and_an_id_of_its_own() -> Result<()> {
    let world = World::new()?;
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let mut ids = Vec::new();
        for _ in 0..2 {
            let token = gateway.exchange(&world.tokens.external).await?;
            let claims = postern_tests::fixture::claims(&token)?;
            let members: Vec<&String> = claims
                .as_object()
                .map(|claims| claims.keys().collect())
                .unwrap_or_default();
            assert_eq!(
                members,
                ["aud", "client_id", "exp", "iat", "iss", "jti", "sub"],
                "{kind:?}"
            );
            assert_eq!(claims["iss"], postern_tests::fixture::ISSUER);
            ids.push(claims["jti"].clone());
        }
        assert_ne!(ids[0], ids[1], "{kind:?}");
    }
    Ok(())
}
