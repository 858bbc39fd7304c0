//! An admin service as it ships, and an Envoy that reads its feed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use postern_core::roots::RootKey;
use serde_json::json;

use super::Arguments;
use crate::admin::Admin;
use crate::envoy::{Envoy, FailurePolicy, Listener, Options, Plugin, Source, Upgrade};
use crate::fixture::{EXCHANGE, Entropy, ROOT_KEY_ENV};
use crate::message::Request;
use crate::upstream::Upstream;
use crate::{Error, Result};

const CREDENTIAL_ENV: &str = "POSTERN_GATEWAY_CREDENTIAL";

/// The authority of every request.
const AUTHORITY: &str = "api.example.com";

/// What a gateway needs to read from an admin service.
pub(super) struct Setting {
    pub(super) admin: Admin,
    /// A token that is good from the beginning.
    pub(super) token: String,
    address: SocketAddr,
    credential: String,
    root: RootKey,
    upstream: Upstream,
}

impl Setting {
    /// A registry with a person, a key, a service and a token. It does not serve yet.
    pub(super) async fn new(arguments: &Arguments) -> Result<Self> {
        let binary = std::path::absolute(&arguments.admin)?;
        let admin = Admin::new(&binary)?;
        let credential = admin.command(&["gateway", "new", "edge-1"])?;
        let key = ["key", "put", "k1", "--root", "r1"];
        admin.command(&[&key[..], &["--active-from", "2026-01-01T00:00:00Z"]].concat())?;
        admin.command(&["person", "new", "--name", "Exporter", "--id", "exporter"])?;
        let service = json!({
            "name": "orders", "hosts": [AUTHORITY], "base_path": "/orders",
            "audience": {"mode": "unrestricted"},
            "methods": [{"name": "list", "http": ["GET"], "path": "/"}],
        });
        admin.file("service.json", &service)?;
        admin.command(&["service", "put", "service.json"])?;
        let token = ["token", "new", "--name", "kept", "--person", "exporter"];
        let token = admin.command(&[&token[..], &["--expires-in", "30"]].concat())?;
        let root = RootKey::generate("r1", &mut Entropy)
            .map_err(|error| Error::Fixture(error.to_string()))?;
        Ok(Self {
            admin,
            token,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            credential,
            root,
            upstream: Upstream::start().await?,
        })
    }

    /// Starts the admin service, where it was before if it was there already.
    pub(super) fn serve(&mut self) -> Result<()> {
        self.address = self.admin.serve(self.address.port())?;
        Ok(())
    }

    /// An Envoy with so many workers and listeners, whose configurations differ.
    pub(super) async fn envoy(
        &self,
        arguments: &Arguments,
        wasm: &Path,
        concurrency: u32,
        listeners: u32,
    ) -> Result<Envoy> {
        let listeners = (0..listeners).map(|number| {
            let configuration = json!({
                "gateway_id": "edge-1", "hosts": [AUTHORITY], "issuer": "https://api.example.com",
                "token_audience": "edge", "root_key_env": ROOT_KEY_ENV,
                "exchange": {"ttl": format!("{}m", 5 + number)},
                "sync": {
                    "cluster": "postern_admin", "authority": "admin.internal",
                    "credential_env": CREDENTIAL_ENV, "public_keys": [self.admin.public_key],
                },
            });
            Listener {
                name: format!("gateway-{number}"),
                plugin: Some(Plugin {
                    wasm: wasm.to_owned(),
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
            }
        });
        Envoy::start_quietly(Options {
            binary: arguments.envoy.clone(),
            upstream: self.upstream.address(),
            listeners: listeners.collect(),
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

    /// How many heads the admin service was asked for, by all gateways since it started.
    pub(super) async fn heads(&self) -> Result<u64> {
        self.admin.metric("postern_admin_heads_total").await
    }
}

/// A request to exchange this API token.
pub(super) fn exchange(token: &str) -> Request {
    Request::post(EXCHANGE).authority(AUTHORITY).bearer(token)
}

/// A call with this access token.
pub(super) fn call(access: &str) -> Request {
    Request::get("/orders").authority(AUTHORITY).bearer(access)
}
