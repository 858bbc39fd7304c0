//! The filter reads its policy from the admin service.

use std::time::Duration;

use postern_admin::clock;
use postern_admin::database::Database;
use postern_admin::entropy::Entropy;
use postern_admin::feed::{Known, Publisher};
use postern_admin::registry::persons::NewPerson;
use postern_admin::registry::tokens::{Ends, Issued, NewToken};
use postern_admin::registry::{Actor, Change, Registry};
use postern_core::feed::{HeadKey, Nonce, PageId, Signatures};
use postern_core::policy::document::{Key, Service};
use postern_host::{Callout, CalloutReply, Host, Module, PluginId, Request};
use postern_tests::artefacts;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const EXCHANGE: &str = "/m42Services/api/ApiToken/GenerateAccessTokenFromApiToken";

/// An admin service in this process, and a filter that reads its feed.
struct Setting {
    runtime: Runtime,
    registry: Registry,
    host: Host,
    plugin: PluginId,
    _folder: TempDir,
}

impl Setting {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let registry = runtime.block_on(async {
            let database = Database::open_file(&folder.path().join("postern.db")).await;
            let database = database.expect("a database");
            Registry::open(database, "default")
                .await
                .expect("a registry")
        });
        let key = HeadKey::generate(&mut Entropy).expect("a key");
        let public = key.public_key().to_string();
        let publisher = Publisher::new(registry.clone(), vec![key]);
        let mut change = runtime.block_on(begin(&registry));
        let credential = runtime.block_on(async {
            change.add_gateway("edge-1").await.expect("a gateway");
            let made = change.add_gateway_credential("edge-1").await;
            let made = made.expect("a credential");
            change.commit().await.expect("committed");
            made.secret
        });
        let handle = runtime.handle().clone();
        let wasm = std::fs::read(artefacts::sync_wasm().expect("under xtask")).expect("a module");
        let module = Module::compile(wasm).expect("it compiles");
        let root = postern_core::roots::RootKey::generate("r1", &mut Entropy).expect("a root");
        let mut host = Host::builder(&module)
            .wall_clock_secs(clock::now().as_secs())
            .environment("POSTERN_ROOT_KEY", root.expose())
            .environment("POSTERN_GATEWAY_CREDENTIAL", credential.as_str())
            .cluster("postern_admin", move |call| {
                handle.block_on(answer(&publisher, call))
            })
            .main_thread_vm(false)
            .build();
        let configuration = json!({
            "gateway_id": "edge-1", "hosts": ["api.example.com"], "issuer": "https://api.example.com",
            "token_audience": "edge", "root_key_env": "POSTERN_ROOT_KEY",
            "sync": {
                "cluster": "postern_admin", "authority": "admin.internal",
                "credential_env": "POSTERN_GATEWAY_CREDENTIAL", "public_keys": [public],
            },
        });
        let plugin = host
            .add_plugin(configuration.to_string())
            .expect("accepted");
        Self {
            runtime,
            registry,
            host,
            plugin,
            _folder: folder,
        }
    }

    /// A person, a key and a service that everybody may call.
    fn fill(&self) {
        self.runtime.block_on(async {
            let mut change = begin(&self.registry).await;
            let person = NewPerson {
                id: Some("p-1".to_owned()),
                name: "Exporter".to_owned(),
                roles: Vec::new(),
            };
            change.add_person(person).await.expect("a person");
            let key: Key = serde_json::from_value(json!({
                "kid": "k1", "root": "r1", "active_from": "2026-01-01T00:00:00Z"
            }))
            .expect("a key");
            change.put_key(key).await.expect("a key");
            let service: Service = serde_json::from_value(json!({
                "name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
                "audience": {"mode": "unrestricted"},
                "methods": [{"name": "list", "http": ["GET"], "path": "/"}],
            }))
            .expect("a service");
            change.put_service(service).await.expect("a service");
            change.commit().await.expect("committed");
        });
    }

    fn token(&self) -> Issued {
        self.runtime.block_on(async {
            let mut change = begin(&self.registry).await;
            let new = NewToken {
                name: "nightly".to_owned(),
                person: "p-1".to_owned(),
                ends: Ends::InDays(30),
            };
            let issued = change.generate_token(new).await.expect("a token");
            change.commit().await.expect("committed");
            issued
        })
    }

    /// Lets so much time pass that a request for news comes and is answered.
    fn pass(&mut self) {
        self.host.advance(Duration::from_secs(10));
    }

    fn send(&mut self, request: Request, credential: &str) -> (u16, String) {
        let request = request
            .authority("api.example.com")
            .header("authorization", format!("Bearer {credential}"));
        let exchange = self.host.request(self.plugin, request);
        let body = exchange
            .response
            .as_ref()
            .map(|response| String::from_utf8_lossy(&response.body).into_owned());
        (exchange.status(), body.unwrap_or_default())
    }
}

async fn begin(registry: &Registry) -> Change {
    let actor = Actor {
        operator: "ada".to_owned(),
        address: "local".to_owned(),
    };
    registry.begin(actor).await.expect("a change begins")
}

/// What the admin service answers, without its wait: time does not pass by itself here.
async fn answer(publisher: &Publisher, call: &Callout) -> CalloutReply {
    let path = call.headers.text(":path").unwrap_or_default();
    if let Some(page) = path.strip_prefix("/v1/feeds/default/pages/") {
        let page = PageId::parse(page).expect("a page's name");
        return match publisher.page(page).await {
            Some(body) => CalloutReply::new(200).body(&body),
            None => CalloutReply::new(404),
        };
    }
    let query = path
        .strip_prefix("/v1/feeds/default?")
        .expect("a head is asked for");
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
            .expect("it is there")
    };
    let known = Known {
        epoch: value("epoch").parse().expect("a number"),
        revision: value("after").parse().expect("a number"),
    };
    let nonce = Nonce::parse(&value("nonce")).expect("a nonce");
    let head = publisher
        .head(known, nonce, Duration::ZERO, clock::now)
        .await
        .expect("a head");
    CalloutReply::new(200)
        .header(Signatures::HEADER, head.signatures)
        .body(head.body)
}

#[test]
fn without_a_policy_nothing_is_decided_and_with_one_a_token_works_until_it_is_deactivated() {
    let mut setting = Setting::new();
    let (status, body) = setting.send(Request::get("/orders"), "x");
    assert_eq!(status, 503, "{body}");

    setting.fill();
    let issued = setting.token();
    setting.pass();
    let (status, body) = setting.send(Request::post(EXCHANGE), issued.token.expose());
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let access = body["RawToken"].as_str().expect("a token").to_owned();
    let (status, _) = setting.send(Request::get("/orders"), &access);
    assert_eq!(status, 200);

    let id = issued.record.id.clone();
    setting.runtime.block_on(async {
        let mut change = begin(&setting.registry).await;
        change.deactivate_token(&id).await.expect("deactivated");
        change.commit().await.expect("committed");
    });
    setting.pass();
    let (status, _) = setting.send(Request::get("/orders"), &access);
    assert_eq!(status, 401);
}
