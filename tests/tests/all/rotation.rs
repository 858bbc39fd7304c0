//! Rotation of root keys, as `docs/operate/keys.md` has it: under load, step by step, in two gateways that share their
//! callers, and no request is lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use postern_core::policy::document::Key;
use postern_core::time::Timestamp;
use postern_tests::client::{Protocol, send};
use postern_tests::envoy::Update;
use postern_tests::fixture::{EXCHANGE, ROOT_KEY_ENV, World, header, key, now, root_key};
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::wait::until;
use postern_tests::{Error, Result};
use serde_json::Value;
use tokio::task::JoinSet;

const CALL: &str = "/m42Services/api/orders";
const DAY: u64 = 24 * 60 * 60;
/// An access token's longest life, and how far clocks may differ: how long a key has to verify after it signs no more.
const OVERLAP: u64 = 60 * 60 + 60;

fn kid(token: &str) -> Result<String> {
    Ok(header(token)?["kid"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// The plugin configuration with these keys.
fn with_keys(world: &World, keys: &[Key]) -> Value {
    let mut world = world.clone();
    world.policy.keys = keys.to_vec();
    world.config()
}

/// The roots that a gateway holds.
fn environment(roots: &[&str]) -> BTreeMap<String, String> {
    BTreeMap::from([(ROOT_KEY_ENV.to_owned(), roots.join(","))])
}

/// The gateways that the callers may go to; a gateway that is being replaced is not among them, as behind any balancer.
type Members = Arc<Mutex<Vec<SocketAddr>>>;

fn members_of(members: &Members) -> Vec<SocketAddr> {
    members
        .lock()
        .map(|members| members.clone())
        .unwrap_or_default()
}

fn set_members(members: &Members, addresses: &[SocketAddr]) {
    if let Ok(mut members) = members.lock() {
        *members = addresses.to_vec();
    }
}

/// Callers that exchange at one gateway and call at another, on and on, and keep tokens for as long as they are good.
struct Load {
    stop: Arc<AtomicBool>,
    /// How often each caller has been served.
    served: Vec<Arc<AtomicU64>>,
    callers: JoinSet<Result<Vec<String>>>,
}

impl Load {
    fn start(members: &Members, api_token: &str) -> Self {
        let stop = Arc::default();
        let served: Vec<Arc<AtomicU64>> = (0..4).map(|_| Arc::default()).collect();
        let mut callers = JoinSet::new();
        for (number, served) in served.iter().enumerate() {
            let caller = Caller {
                members: Arc::clone(members),
                api_token: api_token.to_owned(),
                stop: Arc::clone(&stop),
                served: Arc::clone(served),
            };
            callers.spawn(caller.run(number));
        }
        Self {
            stop,
            served,
            callers,
        }
    }

    /// Waits until each caller has been served so many times more. After two of them none uses a gateway that was
    /// taken off the list before.
    async fn passes(&self, count: u64) -> Result<()> {
        for served in &self.served {
            let goal = served.load(Ordering::Relaxed) + count;
            until("the callers' next requests", async || {
                Ok((served.load(Ordering::Relaxed) >= goal).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Everything that was lost.
    async fn end(mut self) -> Result<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut lost = Vec::new();
        while let Some(ended) = self.callers.join_next().await {
            lost.extend(ended.map_err(|error| Error::Fixture(error.to_string()))??);
        }
        Ok(lost)
    }
}

struct Caller {
    members: Members,
    api_token: String,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
}

impl Caller {
    async fn run(self, number: usize) -> Result<Vec<String>> {
        let (mut lost, mut tokens): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let mut turn = number;
        while !self.stop.load(Ordering::Relaxed) {
            turn += 1;
            let members = members_of(&self.members);
            let (here, there) = (
                members[turn % members.len()],
                members[(turn + 1) % members.len()],
            );
            let exchange = Request::post(EXCHANGE).bearer(&self.api_token);
            match send(here, Protocol::Http1, &exchange).await {
                Ok(answer) if answer.status == 200 => {
                    let token = answer.json()?["RawToken"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    tokens.push(token);
                }
                other => lost.push(format!("an exchange: {other:?}")),
            }
            // The newest token and the oldest: each was good when it was made, and is good for five minutes.
            for token in [tokens.last(), tokens.first()].into_iter().flatten() {
                let call = Request::get(CALL).bearer(token);
                match send(there, Protocol::Http1, &call).await {
                    Ok(answer) if answer.status == 200 => {}
                    other => lost.push(format!("a call: {other:?}")),
                }
            }
            self.served.fetch_add(1, Ordering::Relaxed);
        }
        Ok(lost)
    }
}

async fn exchanged_kid(gateway: &EnvoyGateway, api_token: &str) -> Result<String> {
    let exchange = Request::post(EXCHANGE).bearer(api_token);
    let answer = gateway
        .envoy()
        .send(DEFAULT, Protocol::Http1, &exchange)
        .await?;
    kid(answer.json()?["RawToken"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_with_a_second_root_under_load_loses_no_request() -> Result<()> {
    // The new key begins while the test runs, and not before every gateway has it: on a slow machine that is later.
    for ahead in [10, 30, 90] {
        if rolls(ahead).await? {
            return Ok(());
        }
    }
    Err(Error::Late {
        what: "two restarts".to_owned(),
        seconds: 90,
    })
}

/// A rotation whose new key begins so many seconds ahead; false if the restarts took longer than that.
async fn rolls(ahead: u64) -> Result<bool> {
    let mut world = World::new()?;
    let (r1, r2) = (root_key("r1")?, root_key("r2")?);
    world.root_key = r1.clone();
    let old = key("old", "r1", world.now - DAY);
    // Far enough ahead that every gateway has it by then; here that is a few seconds and not a day.
    let new_from = now() + ahead;
    let new = key("new", "r2", new_from);

    // Before: two gateways with the old root.
    let before = Setup::with_config(
        &with_keys(&world, std::slice::from_ref(&old)),
        environment(&[&r1]),
    )?;
    let mut gateways = Vec::new();
    for _ in 0..2 {
        gateways.push(EnvoyGateway::start(&before).await?);
    }
    let members = Members::default();
    let addresses = |gateways: &[EnvoyGateway]| -> Result<Vec<SocketAddr>> {
        gateways
            .iter()
            .map(|gateway| gateway.envoy().address(DEFAULT))
            .collect()
    };
    set_members(&members, &addresses(&gateways)?);
    let load = Load::start(&members, &world.tokens.external);
    load.passes(3).await?;

    // Steps 1 and 2: a rolling restart with both roots, and the policy with both keys; the new one signs later.
    let both = [old.clone(), new.clone()];
    let during = Setup::with_config(&with_keys(&world, &both), environment(&[&r1, &r2]))?;
    let mut replaced = Vec::new();
    for place in 0..2 {
        let others: Vec<_> = addresses(&gateways[1 - place..2 - place])?;
        replaced.push(EnvoyGateway::start(&during).await?);
        let mut next = if place == 0 { others } else { Vec::new() };
        next.extend(addresses(&replaced)?);
        set_members(&members, &next);
        load.passes(3).await?;
    }
    drop(gateways);
    let mut gateways = replaced;
    load.passes(3).await?;
    let signs = exchanged_kid(&gateways[0], &world.tokens.external).await?;
    if now() >= new_from {
        return Ok(false);
    }
    assert_eq!(signs, "old");

    // Step 3: the new key signs.
    until("the new key's beginning", async || {
        Ok((now() >= new_from).then_some(()))
    })
    .await?;
    load.passes(3).await?;
    for gateway in &gateways {
        assert_eq!(exchanged_kid(gateway, &world.tokens.external).await?, "new");
    }

    // Step 4: the old key gets its end, and is not over yet.
    let ended = Key {
        not_after: Some(Timestamp::from_secs(new_from + OVERLAP)),
        ..old
    };
    let last = with_keys(&world, &[ended, new]);
    for gateway in &mut gateways {
        assert_eq!(gateway.reconfigure(&last).await?, Update::Accepted);
        load.passes(3).await?;
    }

    let lost = load.end().await?;
    assert!(lost.is_empty(), "{} lost: {:#?}", lost.len(), lost.first());
    Ok(true)
}

/// The rest of the story takes an hour, so it is told in the test host: when the old key is over, so are its tokens.
#[tokio::test]
async fn after_the_overlap_the_old_root_can_go_and_its_tokens_are_over() -> Result<()> {
    let mut world = World::new()?;
    let (r1, r2) = (root_key("r1")?, root_key("r2")?);
    world.root_key = r1.clone();
    let switch = world.now + 1000;
    let keys = [
        Key {
            not_after: Some(Timestamp::from_secs(switch + OVERLAP)),
            ..key("old", "r1", world.now - DAY)
        },
        key("new", "r2", switch),
    ];
    let mut config = with_keys(&world, &keys);
    config["exchange"]["ttl"] = "1h".into();
    let setup = Setup {
        clock: world.now,
        ..Setup::with_config(&config, environment(&[&r1, &r2]))?
    };
    let mut gateway = Gateway::start(Kind::TestHost, &setup).await?;
    let mut at = async |clock: u64, token: Option<&str>| {
        if let Gateway::TestHost(host) = &mut gateway {
            host.set_clock(clock);
        }
        let made = gateway.exchange(&world.tokens.external).await?;
        let status = gateway.status_of(CALL, token.unwrap_or(&made)).await?;
        Ok::<_, Error>((made, status))
    };

    let (last_of_old, _) = at(switch - 1, None).await?;
    assert_eq!(kid(&last_of_old)?, "old");
    let (first_of_new, status) = at(switch, None).await?;
    assert_eq!((kid(&first_of_new)?.as_str(), status), ("new", 200));
    // To its own last second, no token of the old key is cut short by the key's end.
    assert_eq!(at(switch - 1 + 3599, Some(&last_of_old)).await?.1, 200);
    assert_eq!(at(switch - 1 + 3600, Some(&last_of_old)).await?.1, 401);

    // Step 5: a gateway that has the new root alone serves as before.
    let alone = Setup {
        clock: switch + OVERLAP,
        ..Setup::with_config(&with_keys(&world, &keys[1..]), environment(&[&r2]))?
    };
    let mut gateway = Gateway::start(Kind::TestHost, &alone).await?;
    let token = gateway.exchange(&world.tokens.external).await?;
    assert_eq!(
        (
            kid(&token)?.as_str(),
            gateway.status_of(CALL, &token).await?
        ),
        ("new", 200)
    );
    assert_eq!(gateway.status_of(CALL, &last_of_old).await?, 401);
    Ok(())
}

/// A policy that would end a key while tokens of it can be good is refused, so that the mistake costs nothing.
#[tokio::test]
async fn a_key_that_would_end_too_soon_is_refused_and_what_was_in_force_stays() -> Result<()> {
    let world = World::new()?;
    let switch = world.now - 10;
    let hasty = [
        Key {
            not_after: Some(Timestamp::from_secs(switch + OVERLAP - 1)),
            ..key("old", "r1", world.now - DAY)
        },
        key("new", "r1", switch),
    ];
    let setup = Setup::of(&world)?;
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, &setup).await?;
        let token = gateway.exchange(&world.tokens.external).await?;

        let update = gateway.swap(&with_keys(&world, &hasty)).await?;

        let Update::Refused(log) = update else {
            panic!("{kind:?}: accepted");
        };
        assert!(
            log.contains("policy.inline.keys[0].not_after"),
            "{kind:?}: {log}"
        );
        assert_eq!(gateway.status_of(CALL, &token).await?, 200, "{kind:?}");
    }
    Ok(())
}

/// What `keys.md` says of a root that has leaked: its kids are revoked, and with them every token that the thief can make.
#[tokio::test]
async fn after_a_leak_the_thiefs_tokens_end_with_the_next_policy_and_callers_exchange_anew()
-> Result<()> {
    let mut world = World::new()?;
    let (r1, r2) = (root_key("r1")?, root_key("r2")?);
    world.root_key = r1.clone();
    let before = with_keys(&world, &[key("2026-11", "r1", world.now - DAY)]);
    let after = with_keys(
        &world,
        &[
            Key {
                revoked: true,
                ..key("2026-11", "r1", world.now - DAY)
            },
            key("2026-11b", "r2", world.now - 1),
        ],
    );
    let stolen = world.access_token()?;
    for kind in Kind::ALL {
        let setup = Setup::with_config(&before, environment(&[&r1, &r2]))?;
        let mut gateway = Gateway::start(kind, &setup).await?;
        assert_eq!(gateway.status_of(CALL, &stolen).await?, 200, "{kind:?}");

        assert_eq!(gateway.swap(&after).await?, Update::Accepted, "{kind:?}");

        assert_eq!(gateway.status_of(CALL, &stolen).await?, 401, "{kind:?}");
        let token = gateway.exchange(&world.tokens.external).await?;
        assert_eq!(kid(&token)?, "2026-11b", "{kind:?}");
        assert_eq!(gateway.status_of(CALL, &token).await?, 200, "{kind:?}");
    }
    Ok(())
}
