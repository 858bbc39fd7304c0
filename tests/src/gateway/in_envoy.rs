//! A gateway that is a real Envoy, with its upstream.

use std::collections::BTreeMap;

use super::secrets::Secrets;
use serde_json::Value;

use super::{Answer, Setup};
use crate::Result;
use crate::client::Protocol;
use crate::envoy::{Envoy, Listener, Logged, Options, Plugin, Source, Update, Upgrade};
use crate::message::Request;
use crate::upstream::{MARKER, Received, Upstream};
use crate::{Error, artefacts};

/// Envoy and the upstream behind it.
#[derive(Debug)]
pub struct EnvoyGateway {
    envoy: Envoy,
    upstream: Upstream,
    listeners: Vec<Listener>,
    environment: BTreeMap<String, String>,
    secrets: Secrets,
}

impl EnvoyGateway {
    /// Starts both; the listeners come from a watched file.
    ///
    /// # Errors
    ///
    /// When one does not start.
    pub async fn start(setup: &Setup) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let listeners = listeners(setup);
        let envoy = Envoy::start(options(
            setup,
            &upstream,
            listeners.clone(),
            Source::Watched,
        )?)
        .await?;
        Ok(Self {
            envoy,
            upstream,
            listeners,
            environment: setup.environment.clone(),
            secrets: Secrets::of(setup),
        })
    }

    /// Envoy itself.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Sends a request over HTTP/1.1 to the only plugin.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub async fn call(&mut self, request: &Request) -> Result<Answer> {
        let marker = super::next_marker();
        let request = request.clone().header(MARKER, marker.as_str());
        self.send(super::DEFAULT, Protocol::Http1, &request, marker)
            .await
    }

    pub(super) async fn send(
        &mut self,
        plugin: &str,
        protocol: Protocol,
        request: &Request,
        marker: String,
    ) -> Result<Answer> {
        let response = self.envoy.send(plugin, protocol, request).await?;
        Ok(Answer {
            response,
            upstream: self.upstream.with_marker(&marker),
            marker,
            logged: None,
        })
    }

    /// Swaps the configuration of the only plugin, as LDS does.
    ///
    /// # Errors
    ///
    /// When Envoy neither takes nor refuses it.
    pub async fn reconfigure(&mut self, config: &Value) -> Result<Update> {
        self.swap(super::DEFAULT, &config.to_string()).await
    }

    pub(super) async fn swap(&mut self, plugin: &str, config: &str) -> Result<Update> {
        let mut listeners = self.listeners.clone();
        let listener = listeners
            .iter_mut()
            .find(|listener| listener.name == plugin)
            .and_then(|listener| listener.plugin.as_mut())
            .ok_or_else(|| Error::Fixture(format!("no plugin {plugin}")))?;
        config.clone_into(&mut listener.configuration);
        for roots in self.environment.values() {
            self.secrets.add_derived(roots, config);
        }
        let update = self.envoy.swap(listeners.clone()).await?;
        if update == Update::Accepted {
            self.listeners = listeners;
        }
        Ok(update)
    }

    pub(super) async fn logged(&self, marker: &str) -> Result<Logged> {
        self.envoy.logged(marker).await
    }

    pub(super) async fn records(&self) -> Result<String> {
        let mut records = Vec::new();
        for page in [
            "/stats",
            "/config_dump",
            "/server_info",
            "/listeners",
            "/clusters",
        ] {
            records.push(self.envoy.admin_page(page).await?);
        }
        // Last: Envoy writes its access log a moment after the answer.
        records.extend([self.envoy.log()?, self.envoy.access_log()?]);
        Ok(records.join("\n"))
    }

    pub(super) fn secrets(&mut self) -> &mut Secrets {
        &mut self.secrets
    }

    pub(super) fn upstream(&self) -> Vec<Received> {
        self.upstream.received()
    }

    /// The upstream behind it.
    pub fn echo(&self) -> &Upstream {
        &self.upstream
    }

    pub(super) fn unreadable(&self) -> Vec<String> {
        self.upstream.unreadable()
    }

    pub(super) fn traps(&self) -> Result<u64> {
        // Envoy logs one such line for each trap, whatever the reason for it.
        let traps = self.envoy.log()?.matches("Function: proxy_on_").count();
        Ok(traps as u64)
    }
}

/// Every test is a test for secrets in records, whatever else it is about.
impl Drop for EnvoyGateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for received in self.upstream.received() {
            self.secrets.add_received(&received);
        }
        // A value is dropped inside the test's runtime, which cannot wait there.
        let records = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(self.records())
            });
            reader.join()
        });
        match records {
            Ok(Ok(records)) => assert_eq!(self.secrets.found_in(&records), Vec::<String>::new()),
            Ok(Err(error)) => panic!("Envoy's records cannot be searched for secrets: {error}"),
            Err(_) => panic!("the search for secrets in Envoy's records panicked"),
        }
    }
}

/// Starts Envoy with the configuration in its bootstrap, expecting that it ends; its exit code and its log.
///
/// # Errors
///
/// When it does not end.
pub async fn start_refused(setup: &Setup) -> Result<(Option<i32>, String)> {
    let upstream = Upstream::start().await?;
    crate::envoy::start_refused(options(setup, &upstream, listeners(setup), Source::Static)?).await
}

fn options(
    setup: &Setup,
    upstream: &Upstream,
    listeners: Vec<Listener>,
    source: Source,
) -> Result<Options> {
    Ok(Options {
        binary: artefacts::envoy()?,
        upstream: upstream.address(),
        listeners,
        source,
        environment: setup.environment.clone(),
        concurrency: crate::envoy::CONCURRENCY,
        clusters: std::collections::BTreeMap::new(),
    })
}

fn listeners(setup: &Setup) -> Vec<Listener> {
    let listener = |(name, configuration): (&String, &String)| Listener {
        name: name.clone(),
        plugin: Some(Plugin {
            wasm: setup.wasm.clone(),
            configuration: configuration.clone(),
            vm_id: "postern".to_owned(),
            host_env_keys: setup.environment_keys(),
            failure_policy: setup.failure_policy,
            allow_on_headers_stop_iteration: setup.allow_on_headers_stop_iteration,
            denied_host_calls: setup.denied_host_calls.clone(),
        }),
        normalize: false,
        upgrade: Upgrade::WebSocketAndConnect,
        follow_redirects: setup.follow_redirects,
    };
    setup.plugins.iter().map(listener).collect()
}
