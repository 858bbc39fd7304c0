//! The metrics, reasons and filter-state keys are those that the documentation lists, and the configuration that it tells
//! operators to paste does in Envoy what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use postern_core::reason::Reason;
use postern_core::time::Timestamp;
use postern_host::Metric;
use postern_tests::client::{Kept, Protocol};
use postern_tests::envoy::Envoy;
use postern_tests::fixture::{EXCHANGE, ROOT_KEY_ENV, World, key, now, root_key};
use postern_tests::gateway::{DEFAULT, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::upstream::Upstream;
use postern_tests::wait::until;
use postern_tests::{Error, Result, artefacts};
use serde_json::{Value, json};

const CALL: &str = "/m42Services/api/orders";

/// The gauge of the instant at which the policy came into force.
const SINCE: &str = "postern.policy.since";

fn document(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    Ok(std::fs::read_to_string(path)?)
}

/// The first `count` cells of each row of the table whose first column has this heading.
fn table<const COUNT: usize>(text: &str, first: &str) -> Result<Vec<[String; COUNT]>> {
    let heading = format!("| {first} | ");
    let missing = || Error::Fixture(format!("no table of {first}"));
    let (_, rows) = text.split_once(&heading).ok_or_else(missing)?;
    let rows = rows
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| "));
    let rows = rows.map(|line| {
        let mut cells = line.trim_start_matches("| ").split(" | ");
        std::array::from_fn(|_| {
            cells
                .next()
                .unwrap_or_default()
                .trim_matches('`')
                .to_owned()
        })
    });
    Ok(rows.collect())
}

/// The fenced block in which this text stands.
fn block<'a>(text: &'a str, holds: &str) -> Result<&'a str> {
    let blocks = text.split("```").skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.contains(holds));
    let block = found
        .next()
        .and_then(|block| Some(block.split_once('\n')?.1));
    block.ok_or_else(|| Error::Fixture(format!("no block with {holds}")))
}

#[tokio::test]
async fn the_documentation_lists_exactly_the_metrics_that_the_filter_defines() -> Result<()> {
    let world = World::new()?;
    let gateway = Gateway::start(Kind::TestHost, &Setup::of(&world)?).await?;
    let Gateway::TestHost(host) = &gateway else {
        return Err(Error::Fixture("asked for the test host".to_owned()));
    };
    let defined: BTreeMap<String, &str> = host
        .metrics()
        .into_iter()
        .map(|(name, metric)| {
            let kind = match metric {
                Metric::Counter(_) => "counter",
                Metric::Gauge(_) => "gauge",
                _ => "something else",
            };
            (name, kind)
        })
        .collect();

    let rows = table::<3>(&document("docs/metrics.md")?, "metric")?;
    let mut documented = BTreeMap::new();
    for [name, kind, _] in &rows {
        match name.strip_suffix("<reason>") {
            None => {
                documented.insert(name.clone(), kind.as_str());
            }
            Some(prefix) => documented.extend(
                Reason::ALL
                    .iter()
                    .map(|reason| (format!("{prefix}{}", reason.as_str()), kind.as_str())),
            ),
        }
    }

    assert_eq!(defined, documented);
    Ok(())
}

#[test]
fn the_documentation_lists_exactly_the_reasons_and_says_what_each_is_answered_with() -> Result<()> {
    let documented = table::<3>(&document("docs/decision.md")?, "reason")?;
    let of_code = Reason::ALL.iter().map(|reason| {
        let answer = reason.problem().map_or("—".to_owned(), |problem| {
            format!("{} `{}", problem.status(), problem.code())
        });
        [
            reason.as_str().to_owned(),
            answer,
            format!("{} |", reason.sentence()),
        ]
    });
    assert_eq!(documented, of_code.collect::<Vec<_>>());
    Ok(())
}

/// The keys of all that calls, refusals and exchanges leave under this configuration, in force and in shadow mode.
async fn left(world: &World, config: Value) -> Result<BTreeSet<String>> {
    let mut shadow = config.clone();
    shadow["mode"] = json!("shadow");
    shadow["shadow_until"] = json!(Timestamp::from_secs(world.now + 3600).to_string());
    let mut left = BTreeSet::new();
    for config in [config, shadow] {
        let setup = Setup::with_config(&config, world.environment())?;
        let mut gateway = Gateway::start(Kind::TestHost, &setup).await?;
        for request in [
            Request::get(CALL).bearer(world.access_token()?),
            Request::get(CALL),
            Request::post(EXCHANGE).bearer(&world.tokens.external),
        ] {
            let answer = gateway.send(&request).await?;
            let keys = gateway.logged(&answer).await?.left.into_keys();
            left.extend(keys.map(|key| format!("wasm.{key}")));
        }
    }
    Ok(left)
}

#[tokio::test]
async fn the_documentation_lists_exactly_the_keys_that_the_filter_leaves_in_filter_state()
-> Result<()> {
    let world = World::new()?;
    let mut all = world.config();
    all["filter_state"] = json!([
        "record", "reason", "decision", "person", "token", "service", "method", "mode"
    ]);
    let documented = table::<1>(&document("docs/decision.md")?, "key")?;
    assert_eq!(
        left(&world, all).await?,
        documented.into_iter().flatten().collect()
    );
    let by_default = left(&world, world.config()).await?;
    let access_log = document("docs/metrics.md")?;
    let access_log = block(&access_log, "FILTER_STATE")?;
    let logged = access_log
        .split("FILTER_STATE(")
        .skip(1)
        .map(|rest| rest.split(':').next().unwrap_or_default().to_owned());
    assert_eq!(by_default, logged.collect(), "the access log's format");

    let mut none = world.config();
    none["filter_state"] = json!([]);
    assert_eq!(left(&world, none).await?, BTreeSet::new());
    Ok(())
}

#[tokio::test]
async fn a_record_in_filter_state_says_what_its_pieces_say() -> Result<()> {
    let world = World::new()?;
    let mut config = world.config();
    config["filter_state"] = json!(["person", "record", "reason", "decision"]);
    for kind in Kind::ALL {
        let setup = Setup::with_config(&config, world.environment())?;
        let mut gateway = Gateway::start(kind, &setup).await?;
        let call = Request::get(CALL).bearer(world.access_token()?);
        let answer = gateway.send(&call).await?;
        let left = gateway.logged(&answer).await?.left;
        let [decision, person, reason, record] = ["decision", "person", "reason", "record"]
            .map(|part| &left[&format!("postern.{part}")]);
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(
            record.starts_with(&format!(
                "reason={reason} decision={decision} person={person} token="
            )) && record.contains(" service=")
                && record.contains(" method=")
                && !record.contains("mode="),
            "{record}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn gauges_say_what_the_configuration_in_force_has() -> Result<()> {
    let mut world = World::new()?;
    let hour = 60 * 60;
    let before = world.config();
    world.policy.tokens.pop();
    world.policy.services.truncate(2);
    world
        .policy
        .keys
        .push(key("elsewhere", "r2", world.now + 24 * hour));
    let methods = |world: &World| {
        world
            .policy
            .services
            .iter()
            .map(|s| s.methods.len())
            .sum::<usize>()
    };
    for kind in Kind::ALL {
        let original = World::new()?;
        let setup = Setup::with_config(&before, world.environment())?;
        let mut gateway = Gateway::start(kind, &setup).await?;
        let expected = [original.policy.tokens.len(), methods(&original), 1, 0];
        assert_eq!(
            gauges(&gateway).await?,
            expected.map(|count| count as u64),
            "{kind:?}"
        );

        gateway.swap(&world.config()).await?;

        let expected = [world.policy.tokens.len(), methods(&world), 2, 1];
        assert_eq!(
            gauges(&gateway).await?,
            expected.map(|count| count as u64),
            "{kind:?}"
        );
    }
    Ok(())
}

async fn gauges(gateway: &Gateway) -> Result<[u64; 4]> {
    let mut values = [0; 4];
    let names = [
        "postern.policy.tokens",
        "postern.policy.methods",
        "postern.keys",
        "postern.roots.missing",
    ];
    for (value, name) in values.iter_mut().zip(names) {
        *value = gauge(gateway, name).await?;
    }
    Ok(values)
}

async fn gauge(gateway: &Gateway, name: &str) -> Result<u64> {
    match gateway {
        Gateway::Envoy(envoy) => envoy.envoy().stat(&format!("wasmcustom.{name}")).await,
        Gateway::TestHost(host) => match host.metrics().get(name) {
            Some(Metric::Gauge(value)) => Ok(*value),
            other => Err(Error::Fixture(format!("{name} is {other:?}"))),
        },
    }
}

#[tokio::test]
async fn the_instant_of_a_policy_is_when_it_came_into_force_and_stays_so() -> Result<()> {
    let world = World::new()?;
    let setup = Setup {
        clock: world.now,
        ..Setup::of(&world)?
    };
    let mut gateway = Gateway::start(Kind::TestHost, &setup).await?;
    for seconds in [0, 90] {
        advance(&mut gateway, seconds);
        assert_eq!(gauge(&gateway, SINCE).await?, world.now);
    }
    let mut next = world.config();
    next["hosts"] = json!([]);
    gateway.swap(&next).await?;
    assert_eq!(gauge(&gateway, SINCE).await?, world.now, "it was refused");
    // One that is in force already would not even be tried.
    let mut next = world.config();
    next["ready_path"] = json!("/another/ready");
    gateway.swap(&next).await?;
    advance(&mut gateway, 7);
    assert_eq!(gauge(&gateway, SINCE).await?, world.now + 90);

    let no_clock = Setup {
        clock: 0,
        ..Setup::of(&world)?
    };
    let gateway = Gateway::start(Kind::TestHost, &no_clock).await?;
    assert_eq!(gauge(&gateway, SINCE).await?, 0, "nobody knows");
    Ok(())
}

fn advance(gateway: &mut Gateway, seconds: u64) {
    if let Gateway::TestHost(host) = gateway {
        host.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn an_old_configuration_that_drains_does_not_speak_over_the_new_one() -> Result<()> {
    let mut world = World::new()?;
    let mut gateway = Gateway::start(Kind::Envoy, &Setup::of(&world)?).await?;
    let token = world.access_token()?;
    let call = Request::get(CALL).bearer(&token);
    let address = match &gateway {
        Gateway::Envoy(envoy) => envoy.envoy().address(DEFAULT)?,
        Gateway::TestHost(_) => return Err(Error::Fixture("asked for Envoy".to_owned())),
    };
    let mut old = Kept::open(address, Protocol::Http1).await?;
    assert_eq!(old.send(&call).await?.status, 200);
    let first = gauge(&gateway, SINCE).await?;
    assert!(first >= world.now, "{first}");
    until(
        "the next second",
        async || Ok((now() > first).then_some(())),
    )
    .await?;

    world.policy.tokens.pop();
    gateway.swap(&world.config()).await?;

    let second = gauge(&gateway, SINCE).await?;
    assert!(second > first, "{first} {second}");
    // Ticks come every second, to the old configuration too.
    for _ in 0..25 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(gauge(&gateway, SINCE).await?, second);
        let tokens = gauge(&gateway, "postern.policy.tokens").await?;
        assert_eq!(tokens, world.policy.tokens.len() as u64);
    }
    Ok(())
}

#[tokio::test]
async fn what_operators_paste_makes_reasons_labels_on_envoys_prometheus_page() -> Result<()> {
    let upstream = Upstream::start().await?;
    let mut sample = document("deploy/envoy/envoy.yaml")?;
    for (theirs, ours) in [
        (
            "/etc/envoy/postern.wasm",
            artefacts::wasm()?.to_string_lossy().as_ref(),
        ),
        (
            "address: 0.0.0.0, port_value: 8080",
            "address: 127.0.0.1, port_value: 0",
        ),
        ("port_value: 9901", "port_value: 0"),
    ] {
        sample = sample.replace(theirs, ours);
    }
    let page = document("docs/metrics.md")?;
    let pasted = format!("{sample}\n{}", block(&page, "stats_tags")?);
    let environment = BTreeMap::from([(ROOT_KEY_ENV.to_owned(), root_key("r1")?)]);
    let envoy = Envoy::start_from_text(
        &artefacts::envoy()?,
        &pasted,
        upstream.address(),
        1,
        &environment,
    )
    .await?;
    for _ in 0..3 {
        let request = Request::get(CALL).authority("api.example.com");
        let answer = envoy.send("gateway", Protocol::Http1, &request).await?;
        assert_eq!(answer.status, 401);
    }

    let page = envoy.admin_page("/stats/prometheus").await?;

    let value = |series: &str| {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse::<u64>().ok())
    };
    assert_eq!(
        value(r#"postern_requests{reason="no_credential"}"#),
        Some(3)
    );
    for reason in Reason::ALL {
        for name in ["postern_requests", "postern_shadow"] {
            let series = format!("{name}{{reason=\"{}\"}}", reason.as_str());
            assert!(value(&series).is_some(), "{series} is not on the page");
        }
    }
    for (gauge, expected) in [
        ("postern_policy_tokens{}", 0),
        ("postern_policy_methods{}", 2),
        ("postern_keys{}", 1),
        ("postern_roots_missing{}", 0),
    ] {
        assert_eq!(value(gauge), Some(expected), "{gauge}");
    }
    assert!(value("postern_policy_since{}") > Some(0));
    let alarms = document("docs/metrics.md")?;
    let expressions = table::<2>(&alarms, "alarm")?.concat().join(" ");
    let names: BTreeSet<_> = expressions
        .split(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
        // Those of policy sync are the other module's, and compared where that is tested.
        .filter(|name| name.starts_with("postern_") && !name.starts_with("postern_sync_"))
        .collect();
    assert!(names.len() > 4, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("\n{name}{{")), "{name}");
    }
    Ok(())
}
