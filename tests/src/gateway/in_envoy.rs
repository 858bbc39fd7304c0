//! A gateway that is a real Envoy, with its upstream.

use super::{Answer, Setup};
use crate::Result;
use crate::client::Protocol;
use crate::envoy::{Envoy, Listener, Logged, Options, Plugin, Source, Update, Upgrade};
use crate::message::Request;
use crate::upstream::{Received, Upstream};
use crate::{Error, artefacts};

/// Envoy and the upstream behind it.
#[derive(Debug)]
pub struct EnvoyGateway {
    envoy: Envoy,
    upstream: Upstream,
    listeners: Vec<Listener>,
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
        })
    }

    /// Envoy itself.
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
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

    pub(super) async fn swap(&mut self, plugin: &str, config: &str) -> Result<Update> {
        let mut listeners = self.listeners.clone();
        let listener = listeners
            .iter_mut()
            .find(|listener| listener.name == plugin)
            .and_then(|listener| listener.plugin.as_mut())
            .ok_or_else(|| Error::Fixture(format!("no plugin {plugin}")))?;
        config.clone_into(&mut listener.configuration);
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
        let mut records = vec![self.envoy.log()?, self.envoy.access_log()?];
        for page in [
            "/stats",
            "/config_dump",
            "/server_info",
            "/listeners",
            "/clusters",
        ] {
            records.push(self.envoy.admin_page(page).await?);
        }
        Ok(records.join("\n"))
    }

    pub(super) fn upstream(&self) -> Vec<Received> {
        self.upstream.received()
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
        }),
        normalize: false,
        upgrade: Upgrade::WebSocketAndConnect,
    };
    setup.plugins.iter().map(listener).collect()
}
