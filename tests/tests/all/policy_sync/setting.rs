//! An admin service in this process, and a filter in the test host that reads its feed.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postern_admin::clock;
use postern_admin::database::Database;
use postern_admin::entropy::Entropy;
use postern_admin::feed::{Known, Publisher};
use postern_admin::registry::persons::NewPerson;
use postern_admin::registry::tokens::{Ends, Issued, NewToken, TokenAction};
use postern_admin::registry::{Actor, Change, Registry, Work};
use postern_core::feed::{HeadKey, Nonce, PageId, Signatures};
use postern_core::policy::document::{Key, Service};
use postern_core::roots::RootKey;
use postern_core::time::Seconds;
use postern_host::{
    Callout, CalloutReply, FailurePolicy, Host, HostBuilder, Metric, Module, Plugin, PluginId,
    Request,
};
use postern_tests::artefacts;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const EXCHANGE: &str = "/m42Services/api/ApiToken/GenerateAccessTokenFromApiToken";

/// Under which the VMs share data.
pub(crate) const VM_ID: &str = "postern";

/// The admin service: registry, feed, and what stands before it.
pub(crate) struct Admin {
    runtime: Runtime,
    registry: Registry,
    keys: Vec<String>,
    /// The second key that gateways accept: what it signs, a publisher that has gone wrong would.
    second: Arc<HeadKey>,
    credential: String,
    root: RootKey,
    service: Arc<Mutex<Served>>,
    _folder: TempDir,
}

/// What the gateways reach.
struct Served {
    publisher: Publisher,
    proxy: Proxy,
    asked: Vec<Asked>,
}

/// What stands between a gateway and the admin service: it sees each request, and the true answer.
type Proxy = Box<dyn FnMut(&Asked, Truth) -> CalloutReply + Send>;

/// What the admin service answers.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    pub(crate) status: u16,
    pub(crate) signatures: String,
    pub(crate) body: Vec<u8>,
}

impl Truth {
    fn new(status: u16) -> Self {
        Self {
            status,
            signatures: String::new(),
            body: Vec::new(),
        }
    }

    /// The answer as it should be.
    pub(crate) fn reply(self) -> CalloutReply {
        let reply = CalloutReply::new(self.status).body(self.body);
        if self.signatures.is_empty() {
            return reply;
        }
        reply.header(Signatures::HEADER, self.signatures)
    }
}

/// A request that a gateway sent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn is_head(&self) -> bool {
        self.path.contains("nonce=")
    }

    /// A parameter of a request for a head.
    pub(crate) fn value(&self, name: &str) -> String {
        let (_, query) = self.path.split_once('?').expect("a head is asked for");
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
            .expect("it is there")
    }

    pub(crate) fn nonce(&self) -> Nonce {
        Nonce::parse(&self.value("nonce")).expect("a nonce")
    }

    pub(crate) fn is_page(&self) -> bool {
        self.path.contains("/pages/")
    }

    pub(crate) fn is_report(&self) -> bool {
        self.path == "/v1/status"
    }
}

impl Admin {
    pub(crate) fn new() -> Self {
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
        let second = HeadKey::generate(&mut Entropy).expect("a key");
        let keys = [&key, &second].map(|key| key.public_key().to_string());
        let publisher = Publisher::new(registry.clone(), vec![key]);
        let added = registry.change(ada(), |change| {
            Box::pin(async {
                change.add_gateway("edge-1").await?;
                change.add_gateway_credential("edge-1").await
            })
        });
        let added = runtime.block_on(added).expect("a gateway");
        let credential = added.secret.as_str().to_owned();
        Self {
            service: Arc::new(Mutex::new(Served {
                publisher,
                proxy: Box::new(|_, truth| truth.reply()),
                asked: Vec::new(),
            })),
            runtime,
            registry,
            keys: keys.into(),
            second: Arc::new(second),
            credential,
            root: RootKey::generate("r1", &mut Entropy).expect("a root"),
            _folder: folder,
        }
    }

    /// With a person, a key and a service that everybody may call.
    pub(crate) fn filled() -> Self {
        let admin = Self::new();
        let key: Key = serde_json::from_value(json!({
            "kid": "k1", "root": "r1", "active_from": "2026-01-01T00:00:00Z"
        }))
        .expect("a key");
        let service: Service = serde_json::from_value(json!({
            "name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
            "audience": {"mode": "unrestricted"},
            "methods": [{"name": "list", "http": ["GET"], "path": "/"}],
        }))
        .expect("a service");
        admin.change(|change| {
            Box::pin(async {
                let person = NewPerson {
                    id: Some("p-1".to_owned()),
                    name: "Exporter".to_owned(),
                    roles: Vec::new(),
                };
                change.add_person(person).await?;
                change.put_key(key).await?;
                change.put_service(service).await
            })
        });
        admin
    }

    /// Changes the registry.
    pub(crate) fn change<F, T>(&self, edit: F) -> T
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        let changed = self.registry.change(ada(), edit);
        self.runtime.block_on(changed).expect("committed")
    }

    pub(crate) fn token(&self, name: &str) -> Issued {
        let new = NewToken {
            name: name.to_owned(),
            person: "p-1".to_owned(),
            ends: Ends::InDays(30),
        };
        self.change(|change| Box::pin(change.generate_token(new)))
    }

    pub(crate) fn deactivate(&self, id: &str) {
        let id = id.to_owned();
        self.change(|change| {
            Box::pin(async move { change.act_on_token(&id, TokenAction::Deactivate).await })
        });
    }

    pub(crate) fn end_sessions(&self, id: &str) {
        let id = id.to_owned();
        self.change(|change| {
            Box::pin(async move { change.act_on_token(&id, TokenAction::EndSessions).await })
        });
    }

    pub(crate) fn delete(&self, id: &str) {
        let id = id.to_owned();
        self.change(|change| {
            Box::pin(async move { change.act_on_token(&id, TokenAction::Delete).await })
        });
    }

    /// Forgets what was deleted.
    pub(crate) fn compact(&self) {
        let until = clock::now().saturating_add(Seconds::new(60));
        let compacted = self.registry.compact(ada(), until, 1);
        let compacted = self.runtime.block_on(compacted).expect("compacted");
        assert!(compacted.is_some(), "there was something to forget");
    }

    /// The revision that there is.
    pub(crate) fn revision(&self) -> u64 {
        self.registry.position().revision
    }

    /// From now on, this stands between gateways and the admin service.
    pub(crate) fn stand_between(
        &self,
        proxy: impl FnMut(&Asked, Truth) -> CalloutReply + Send + 'static,
    ) {
        self.service().proxy = Box::new(proxy);
    }

    /// From now on, nothing does.
    pub(crate) fn step_aside(&self) {
        self.stand_between(|_, truth| truth.reply());
    }

    /// The requests since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.service().asked)
    }

    /// Heads that were asked for since the last time.
    pub(crate) fn polls(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_head()).count()
    }

    fn service(&self) -> MutexGuard<'_, Served> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn second_key(&self) -> Arc<HeadKey> {
        Arc::clone(&self.second)
    }

    /// The plugin's configuration.
    pub(crate) fn configuration(&self) -> Value {
        json!({
            "gateway_id": "edge-1", "hosts": ["api.example.com"], "issuer": "https://api.example.com",
            "token_audience": "edge", "root_key_env": "POSTERN_ROOT_KEY",
            "sync": {
                "cluster": "postern_admin", "authority": "admin.internal",
                "credential_env": "POSTERN_GATEWAY_CREDENTIAL", "public_keys": self.keys,
            },
        })
    }

    /// A host in which the plugin may run.
    pub(crate) fn host(&self, module: &Module) -> HostBuilder {
        let (handle, service) = (self.runtime.handle().clone(), Arc::clone(&self.service));
        let registry = self.registry.clone();
        Host::builder(module)
            .wall_clock_secs(clock::now().as_secs())
            .environment("POSTERN_ROOT_KEY", self.root.expose())
            .environment("POSTERN_GATEWAY_CREDENTIAL", self.credential.as_str())
            .vm_id(VM_ID)
            .failure_policy(FailurePolicy::FailReload)
            .cluster("postern_admin", move |call| {
                let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
                let asked = Asked {
                    path: call.headers.text(":path").unwrap_or_default(),
                    body: call.body.clone(),
                };
                let truth = handle.block_on(answer(&service.publisher, &registry, call, &asked));
                service.asked.push(asked.clone());
                (service.proxy)(&asked, truth)
            })
    }
}

fn ada() -> Actor {
    Actor {
        operator: "ada".to_owned(),
        address: "local".to_owned(),
    }
}

/// What the admin service answers, without its wait: time does not pass by itself here.
async fn answer(
    publisher: &Publisher,
    registry: &Registry,
    call: &Callout,
    asked: &Asked,
) -> Truth {
    let bearer = call.headers.text("authorization").unwrap_or_default();
    assert!(
        bearer.starts_with("Bearer psg_"),
        "a gateway says who it is"
    );
    if asked.is_report() {
        let report: Value = serde_json::from_slice(&asked.body).expect("a report is JSON");
        let reported = registry.report("edge-1", report).await;
        reported.expect("it is kept");
        return Truth::new(204);
    }
    if let Some(page) = asked.path.strip_prefix("/v1/feeds/default/pages/") {
        let page = PageId::parse(page).expect("a page's name");
        return match publisher.page(page) {
            Some(body) => Truth {
                body: body.to_vec(),
                ..Truth::new(200)
            },
            None => Truth::new(404),
        };
    }
    let known = Known {
        epoch: asked.value("epoch").parse().expect("a number"),
        revision: asked.value("after").parse().expect("a number"),
    };
    let nonce = asked.nonce();
    let head = publisher
        .head(known, nonce, Duration::ZERO, clock::now)
        .await
        .expect("a head");
    Truth {
        status: 200,
        signatures: head.signatures,
        body: head.body,
    }
}

/// The module, compiled once for all tests.
pub(crate) fn module() -> &'static Module {
    static MODULE: LazyLock<Module> = LazyLock::new(|| compiled(artefacts::sync_wasm()));
    &MODULE
}

/// The one that traps when it is asked to.
pub(crate) fn trapping_module() -> &'static Module {
    static MODULE: LazyLock<Module> = LazyLock::new(|| compiled(artefacts::sync_test_trap_wasm()));
    &MODULE
}

fn compiled(path: postern_tests::Result<PathBuf>) -> Module {
    let wasm = std::fs::read(path.expect("under xtask")).expect("a module");
    Module::compile(wasm).expect("it compiles")
}

/// A gateway of some workers, beside an admin service.
pub(crate) struct Gateway {
    pub(crate) host: Host,
    pub(crate) plugin: PluginId,
    workers: usize,
}

impl Gateway {
    /// One worker and no other VM.
    pub(crate) fn alone(admin: &Admin) -> Self {
        Self::of(admin, 1, |builder| builder.main_thread_vm(false))
    }

    /// The same, and it warns after a minute and denies after two.
    pub(crate) fn impatient(admin: &Admin) -> Self {
        let mut configuration = admin.configuration();
        configuration["sync"]["warn_after"] = "60s".into();
        configuration["sync"]["deny_after"] = "2m".into();
        let host = admin.host(module()).main_thread_vm(false).build();
        Self::configured(host, 1, &configuration)
    }

    /// So many workers, and the VM of Envoy's main thread.
    pub(crate) fn with_workers(admin: &Admin, workers: usize) -> Self {
        Self::of(admin, workers, |builder| builder)
    }

    pub(crate) fn of(
        admin: &Admin,
        workers: usize,
        change: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Self {
        Self::running(admin, module(), workers, change)
    }

    /// The same with another module.
    pub(crate) fn running(
        admin: &Admin,
        module: &Module,
        workers: usize,
        change: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Self {
        let builder = admin.host(module).workers(workers);
        Self::configured(change(builder).build(), workers, &admin.configuration())
    }

    fn configured(mut host: Host, workers: usize, configuration: &Value) -> Self {
        let plugin = host
            .add_plugin(configuration.to_string())
            .expect("accepted");
        Self {
            host,
            plugin,
            workers,
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.host.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn send(&mut self, request: Request, credential: &str) -> (u16, String) {
        self.send_to(self.plugin, request, credential)
    }

    pub(crate) fn send_to(
        &mut self,
        plugin: PluginId,
        request: Request,
        credential: &str,
    ) -> (u16, String) {
        let request = request
            .authority("api.example.com")
            .header("authorization", format!("Bearer {credential}"));
        let exchange = self.host.request(plugin, request);
        (exchange.status(), exchange.body_text())
    }

    /// The access token for an API token.
    pub(crate) fn exchange(&mut self, token: &Issued) -> String {
        let (status, body) = self.send(Request::post(EXCHANGE), token.token.expose());
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["RawToken"].as_str().expect("a token").to_owned()
    }

    /// What each worker answers to a call with this access token.
    pub(crate) fn call(&mut self, access: &str) -> Vec<u16> {
        (0..self.workers)
            .map(|_| self.send(Request::get("/orders"), access).0)
            .collect()
    }

    /// The reason of a refusal, of each worker.
    pub(crate) fn reasons(&mut self) -> Vec<String> {
        (0..self.workers)
            .map(|_| {
                let request = Request::get("/orders").authority("api.example.com");
                let exchange = self.host.request(self.plugin, request);
                exchange.details.trim_start_matches("postern.").to_owned()
            })
            .collect()
    }

    pub(crate) fn gauge(&self, name: &str) -> u64 {
        match self.host.metrics().get(&format!("postern.sync.{name}")) {
            Some(Metric::Gauge(value)) => *value,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let name = format!("postern.sync.{name}");
        self.host
            .counter(&name)
            .unwrap_or_else(|| panic!("{name} is no counter"))
    }

    /// Whether a line of the log has this text.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        let mut lines = self.host.logs().iter();
        lines.any(|line| line.message.contains(text))
    }

    /// One more listener, whose configuration differs.
    pub(crate) fn add(&mut self, admin: &Admin, name: &str, configuration: &Value) -> PluginId {
        let plugin = Plugin::of(module())
            .name(name)
            .vm_id(VM_ID)
            .environment("POSTERN_ROOT_KEY", admin.root.expose())
            .environment("POSTERN_GATEWAY_CREDENTIAL", admin.credential.as_str())
            .failure_policy(FailurePolicy::FailReload)
            .configuration(configuration.to_string());
        self.host.add_plugin_with(plugin).expect("accepted")
    }
}
