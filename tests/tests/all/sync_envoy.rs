//! Policy sync with a real Envoy and a real admin service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postern_core::roots::RootKey;
use postern_tests::admin::{Admin, Made};
use postern_tests::client::Protocol;
use postern_tests::envoy::{Envoy, FailurePolicy, Listener, Options, Plugin, Source, Upgrade};
use postern_tests::fixture::{EXCHANGE, ROOT_KEY_ENV};
use postern_tests::message::{Request, Response};
use postern_tests::upstream::Upstream;
use postern_tests::wait::until;
use postern_tests::{Result, artefacts};
use serde_json::json;

const CREDENTIAL_ENV: &str = "POSTERN_GATEWAY_CREDENTIAL";

/// Requests in a row, each on a connection of its own, after which every worker has answered.
const IN_A_ROW: usize = 30;

/// An admin service with a person, a key and a service, and what a gateway needs to read from it.
struct Setting {
    admin: Admin,
    address: SocketAddr,
    credential: String,
    root: RootKey,
    upstream: Upstream,
}

impl Setting {
    async fn new() -> Result<Self> {
        let binary = Path::new(env!("CARGO_BIN_EXE_postern-demo")).with_file_name("postern-admin");
        let mut admin = Admin::new(&binary)?;
        let credential = admin.command(&["gateway", "new", "edge-1"])?;
        let key = ["key", "put", "k1", "--root", "r1"];
        admin.command(&[&key[..], &["--active-from", "2026-01-01T00:00:00Z"]].concat())?;
        admin.command(&["person", "new", "--name", "Exporter", "--id", "p-1"])?;
        let service = json!({
            "name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
            "audience": {"mode": "unrestricted"},
            "methods": [{"name": "list", "http": ["GET"], "path": "/"}],
        });
        admin.file("service.json", &service)?;
        admin.command(&["service", "put", "service.json"])?;
        let address = admin.serve(0)?;
        let root = RootKey::generate("r1", &mut postern::entropy::Entropy)
            .map_err(|error| postern_tests::Error::Fixture(error.to_string()))?;
        Ok(Self {
            admin,
            address,
            credential,
            root,
            upstream: Upstream::start().await?,
        })
    }

    /// An Envoy with so many workers and listeners, whose configurations differ.
    async fn envoy(&self, concurrency: u32, listeners: u32) -> Result<Envoy> {
        let listeners = (0..listeners).map(|number| {
            let configuration = json!({
                "gateway_id": "edge-1", "hosts": ["api.example.com"], "issuer": "https://api.example.com",
                "token_audience": "edge", "root_key_env": ROOT_KEY_ENV,
                "exchange": {"ttl": format!("{}m", 5 + number)},
                "sync": {
                    "cluster": "postern_admin", "authority": "admin.internal",
                    "credential_env": CREDENTIAL_ENV, "public_keys": [self.admin.public_key],
                },
            });
            Ok(Listener {
                name: format!("gateway-{number}"),
                plugin: Some(Plugin {
                    wasm: artefacts::sync_wasm()?,
                    configuration: configuration.to_string(),
                    vm_id: "postern".to_owned(),
                    host_env_keys: vec![ROOT_KEY_ENV.to_owned(), CREDENTIAL_ENV.to_owned()],
                    failure_policy: FailurePolicy::Reload,
                    allow_on_headers_stop_iteration: false,
                    denied_host_calls: Vec::new(),
                }),
                normalize: true,
                upgrade: Upgrade::Nothing,
                follow_redirects: false,
            })
        });
        Envoy::start(Options {
            binary: artefacts::envoy()?,
            upstream: self.upstream.address(),
            listeners: listeners.collect::<Result<_>>()?,
            source: Source::Static,
            environment: BTreeMap::from([
                (ROOT_KEY_ENV.to_owned(), self.root.expose().to_owned()),
                (CREDENTIAL_ENV.to_owned(), self.credential.clone()),
            ]),
            concurrency,
            clusters: BTreeMap::from([("postern_admin".to_owned(), self.address)]),
        })
        .await
    }

    async fn heads(&self) -> Result<u64> {
        self.admin.metric("postern_admin_heads_total").await
    }
}

async fn send(envoy: &Envoy, listener: &str, request: Request) -> Result<Response> {
    let request = request.authority("api.example.com");
    envoy.send(listener, Protocol::Http1, &request).await
}

/// Waits until every worker has a policy that has this token, and returns an access token.
async fn exchanged(envoy: &Envoy, listener: &str, made: &Made) -> Result<String> {
    let mut in_a_row = 0;
    until("the token at every worker", async || {
        let answer = send(envoy, listener, Request::post(EXCHANGE).bearer(&made.token)).await?;
        in_a_row = if answer.status == 200 {
            in_a_row + 1
        } else {
            0
        };
        if in_a_row < IN_A_ROW {
            return Ok(None);
        }
        Ok(answer.json()?["RawToken"].as_str().map(str::to_owned))
    })
    .await
}

async fn statuses(envoy: &Envoy, listener: &str, access: &str) -> Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for _ in 0..IN_A_ROW {
        let answer = send(envoy, listener, Request::get("/orders").bearer(access)).await?;
        statuses.push(answer.status);
    }
    Ok(statuses)
}

/// Waits until every worker refuses.
async fn refused(envoy: &Envoy, listener: &str, access: &str) -> Result<()> {
    until("a refusal by every worker", async || {
        let statuses = statuses(envoy, listener, access).await?;
        assert!(statuses.iter().all(|status| matches!(status, 200 | 401)));
        Ok(statuses.iter().all(|status| *status == 401).then_some(()))
    })
    .await
}

async fn walk(concurrency: u32) -> Result<()> {
    let setting = Setting::new().await?;
    let envoy = setting.envoy(concurrency, 1).await?;
    let made = setting.admin.generate("nightly", "p-1").await?;
    let access = exchanged(&envoy, "gateway-0", &made).await?;
    let called = statuses(&envoy, "gateway-0", &access).await?;
    assert_eq!(called, [200; IN_A_ROW]);
    setting.admin.deactivate(&made.id).await?;
    refused(&envoy, "gateway-0", &access).await?;
    let answer = send(
        &envoy,
        "gateway-0",
        Request::post(EXCHANGE).bearer(&made.token),
    );
    assert_eq!(answer.await?.status, 401);
    let log = envoy.log()?;
    assert!(!log.contains("wasm log postern: postern: a metric could not be kept"));
    assert!(!log.contains(&setting.credential) && !log.contains(&made.token));
    Ok(())
}

#[tokio::test]
async fn with_one_worker_a_token_is_good_from_its_making_to_its_deactivation() -> Result<()> {
    walk(1).await
}

#[tokio::test]
async fn with_four_workers_a_token_is_good_from_its_making_to_its_deactivation() -> Result<()> {
    walk(4).await
}

#[tokio::test]
async fn one_worker_of_a_process_asks_for_all_of_them_and_for_all_listeners() -> Result<()> {
    let setting = Setting::new().await?;
    let envoy = setting.envoy(4, 3).await?;
    let first = setting.admin.generate("first", "p-1").await?;
    for listener in ["gateway-0", "gateway-1", "gateway-2"] {
        exchanged(&envoy, listener, &first).await?;
    }
    // Whoever asked before the lease was known has its answer by now, or holds it for 25 s more.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let held = setting.admin.metric("postern_admin_heads_waiting").await?;
    assert_eq!(held, 1, "one request waits for news");

    let before = setting.heads().await?;
    let mut last = None;
    for number in 0..10 {
        let made = setting
            .admin
            .generate(&format!("token-{number}"), "p-1")
            .await?;
        exchanged(&envoy, "gateway-1", &made).await?;
        last = Some(made);
    }
    let asked = setting.heads().await? - before;
    assert!((10..=14).contains(&asked), "{asked} heads for 10 changes");
    let last = last.expect("one was made");
    for listener in ["gateway-0", "gateway-2"] {
        exchanged(&envoy, listener, &last).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_its_admin_service_a_gateway_decides_on_and_when_it_is_back_follows_again()
-> Result<()> {
    let mut setting = Setting::new().await?;
    let envoy = setting.envoy(2, 1).await?;
    let made = setting.admin.generate("nightly", "p-1").await?;
    let access = exchanged(&envoy, "gateway-0", &made).await?;
    let port = setting.address.port();
    setting.admin.kill()?;
    let called = statuses(&envoy, "gateway-0", &access).await?;
    assert_eq!(called, [200; IN_A_ROW]);
    until("the failure in a metric", async || {
        let errors = "wasmcustom.postern.sync.errors.unreachable";
        Ok((envoy.stat(errors).await? > 0).then_some(()))
    })
    .await?;
    assert!(
        envoy
            .log()?
            .contains("the feed cannot be read: it answers 503")
    );
    setting.admin.serve(port)?;
    setting.admin.deactivate(&made.id).await?;
    refused(&envoy, "gateway-0", &access).await?;
    assert!(envoy.log()?.contains("the feed can be read again"));
    Ok(())
}

#[tokio::test]
async fn what_a_worker_does_is_reported_to_the_admin_service() -> Result<()> {
    let setting = Setting::new().await?;
    let envoy = setting.envoy(1, 1).await?;
    let made = setting.admin.generate("nightly", "p-1").await?;
    exchanged(&envoy, "gateway-0", &made).await?;
    let used = until("the last use of the token", async || {
        let token = setting.admin.command(&["--json", "token", "list"])?;
        let tokens: serde_json::Value = serde_json::from_str(&token)?;
        Ok(tokens[0]["last_used_on"].as_str().map(str::to_owned))
    })
    .await?;
    assert_eq!(used, "edge-1");
    let status = setting.admin.command(&["--json", "gateway", "status"])?;
    let status: serde_json::Value = serde_json::from_str(&status)?;
    assert_eq!(status[0]["body"]["formats"], json!([1]), "{status}");
    assert_eq!(status[0]["gateway"], "edge-1");
    Ok(())
}
