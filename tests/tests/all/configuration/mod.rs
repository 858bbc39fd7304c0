//! Configurations with a fault: refused as a whole, with the JSON path and the reason in one log line. At the start
//! Envoy then ends with 1; an update is rejected and the old configuration goes on serving.

mod faults;

use std::collections::BTreeMap;

use faults::{Fault, faults};
use postern_tests::Result;
use postern_tests::envoy::Update;
use postern_tests::fixture::{ROOT_KEY_ENV, World, key};
use postern_tests::gateway::{Gateway, Kind, Setup, start_refused};
use postern_tests::message::Request;

const CALL: &str = "/m42Services/api/orders";

/// The one line that tells the operator.
fn refusal_line<'a>(log: &'a str, fault: &Fault) -> Option<&'a str> {
    let place = match fault.path {
        "" => String::new(),
        path => format!("{path}: "),
    };
    let refusal = format!("configuration refused: {place}{}", fault.reason);
    log.lines().find(|line| line.contains(&refusal))
}

#[tokio::test]
async fn an_update_with_any_fault_is_rejected_and_the_old_configuration_serves_on() -> Result<()> {
    let world = World::new()?;
    let token = world.access_token()?;
    let mut findings = Vec::new();
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &Setup::of(&world)?).await?;
        for fault in faults() {
            let place = format!("{kind:?}: {}", fault.name);
            let mut config = world.config();
            (fault.apply)(&mut config);
            match gateway.swap(&config).await? {
                Update::Accepted => findings.push(format!("{place}: accepted")),
                Update::Refused(log) if refusal_line(&log, &fault).is_none() => {
                    let line = log
                        .lines()
                        .find(|line| line.contains("configuration refused"));
                    findings.push(format!(
                        "{place}: no line with {:?} and {:?}: {line:?}",
                        fault.path, fault.reason
                    ));
                }
                Update::Refused(_) => {}
            }
            assert_eq!(
                gateway.status_of(CALL, &token).await?,
                200,
                "{place}, afterwards"
            );
        }
        assert_eq!(gateway.traps()?, 0, "{kind:?}");
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

/// One VM can hold several configurations, and one log several gateways.
#[tokio::test]
async fn every_line_about_a_configuration_names_its_gateway() -> Result<()> {
    let mut world = World::new()?;
    world.policy.keys.push(key("soon", "r2", world.now + 3600));
    let named = |id: &str| {
        let mut config = world.config();
        config["gateway_id"] = id.into();
        config
    };
    let setup = Setup::with_config(&named("edge-7"), world.environment())?;
    let setup = setup.and_plugin("other", &named("edge-8"));
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        gateway.send(&Request::get(CALL)).await?;
        let log = gateway.records().await?;
        for id in ["edge-7", "edge-8"] {
            for said in [
                "configuration accepted: ",
                "key \"soon\" cannot be used: POSTERN_ROOT_KEY holds no root \"r2\"",
            ] {
                let line = format!("gateway \"{id}\": {said}");
                assert!(log.contains(&line), "{kind:?}: no {line} in {log}");
            }
        }
        for (id, line) in [
            (
                "edge-9",
                "postern: gateway \"edge-9\": configuration refused: hosts: ",
            ),
            (
                "edge 9",
                "postern: configuration refused: gateway_id: \"edge 9\" is no id",
            ),
        ] {
            let mut config = named(id);
            config["hosts"] = serde_json::json!([]);
            let Update::Refused(log) = gateway.swap(&config).await? else {
                panic!("{kind:?}: {id} was accepted");
            };
            assert!(log.contains(line), "{kind:?}: no {line} in {log}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_text_that_is_no_json_is_rejected_with_its_place() -> Result<()> {
    let world = World::new()?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &Setup::of(&world)?).await?;
        for text in ["{", "null", "[]", "\"x\"", "{\"gateway_id\": }"] {
            let Update::Refused(log) = gateway.swap_text(text).await? else {
                panic!("{kind:?}: {text} was accepted");
            };
            assert!(
                log.contains("configuration refused"),
                "{kind:?}: {text}: {log}"
            );
        }
        assert_eq!(
            gateway.status_of(CALL, &world.access_token()?).await?,
            200,
            "{kind:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_configuration_at_the_start_ends_envoy_with_1() -> Result<()> {
    let world = World::new()?;
    for number in [0, 12] {
        let fault = &faults()[number];
        let mut config = world.config();
        (fault.apply)(&mut config);

        let (code, log) = start_refused(&Setup::with_config(&config, world.environment())?).await?;

        assert_eq!(code, Some(1), "{}", fault.name);
        assert!(refusal_line(&log, fault).is_some(), "{}: {log}", fault.name);
    }
    Ok(())
}

#[tokio::test]
async fn root_keys_that_are_none_are_refused_and_not_repeated() -> Result<()> {
    let world = World::new()?;
    let secret = world
        .root_key
        .split_once(':')
        .map_or("", |(_, secret)| secret);
    for value in [
        String::new(),
        "r1".to_owned(),
        "r1:short".to_owned(),
        format!("r1:{}", &secret[..40]),
        format!("r1:{secret}, r2:{secret}"),
        format!("r1:{secret},r1:{secret}"),
        format!("r 1:{secret}"),
        postern_core::roots::EXAMPLE.to_owned(),
    ] {
        let environment = BTreeMap::from([(ROOT_KEY_ENV.to_owned(), value.clone())]);
        let setup = Setup::with_config(&world.config(), environment)?;

        let refused = Gateway::start(Kind::TestHost, &setup).await;

        let error = refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains("root_key_env"), "{value}: {error:?}");
        assert!(
            !error.contains(&secret[..20]),
            "the refusal repeats the key"
        );
    }
    let setup = Setup::with_config(&world.config(), BTreeMap::new())?;
    let (code, log) = start_refused(&setup).await?;
    assert_eq!(code, Some(1));
    assert!(
        log.contains("root_key_env: ") && log.contains(ROOT_KEY_ENV),
        "{log}"
    );
    Ok(())
}
