//! One way to use both gateways: a real Envoy with a real upstream, and the test host in this process.

mod in_envoy;
mod in_test_host;
mod secrets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

pub use in_envoy::{EnvoyGateway, start_refused};
pub use in_test_host::HostGateway;

use secrets::Secrets;

use crate::client::Protocol;
use crate::envoy::{FailurePolicy, Logged, Update};
use crate::fixture::{ROOT_KEY_ENV, World, now};
use crate::message::{Request, Response};
use crate::upstream::{MARKER, Received};
use crate::{Error, Result, artefacts};

/// The name of the only plugin of most set-ups.
pub const DEFAULT: &str = "gateway";

/// Which gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A real Envoy.
    Envoy,
    /// The test host.
    TestHost,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TestHost, Self::Envoy];
}

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The module.
    pub wasm: PathBuf,
    /// Plugin configurations by name. All share one VM; each has an address of its own.
    pub plugins: BTreeMap<String, String>,
    /// Environment variables of the VM.
    pub environment: BTreeMap<String, String>,
    /// The test host's clock at the start, in seconds since the Unix epoch. Envoy's is the machine's.
    pub clock: u64,
    /// What the host does once the VM has trapped.
    pub failure_policy: FailurePolicy,
    /// Whether the filter may hold a request at its headers and see its body.
    pub allow_on_headers_stop_iteration: bool,
    /// Whether Envoy follows the upstream's redirects itself. The test host never does.
    pub follow_redirects: bool,
    /// Host calls that Envoy denies to the filter. The test host has `HostGateway::inject` instead.
    pub denied_host_calls: Vec<String>,
    /// What must stand in no record, beside what the gateway itself is given, is sent and sends.
    pub secrets: Vec<String>,
}

impl Setup {
    /// The filter as it ships, with a world's configuration and root key.
    ///
    /// # Errors
    ///
    /// When the tests do not run under `cargo xtask test`.
    pub fn of(world: &World) -> Result<Self> {
        Ok(Self {
            secrets: world.secrets()?,
            ..Self::with_config(&world.config(), world.environment())?
        })
    }

    /// The filter as it ships, with any configuration.
    ///
    /// # Errors
    ///
    /// When the tests do not run under `cargo xtask test`.
    pub fn with_config(config: &Value, environment: BTreeMap<String, String>) -> Result<Self> {
        Ok(Self {
            wasm: artefacts::wasm()?,
            plugins: BTreeMap::from([(DEFAULT.to_owned(), config.to_string())]),
            environment,
            clock: now(),
            failure_policy: FailurePolicy::Reload,
            allow_on_headers_stop_iteration: false,
            follow_redirects: false,
            denied_host_calls: Vec::new(),
            secrets: Vec::new(),
        })
    }

    /// Adds a second plugin configuration to the same VM.
    #[must_use]
    pub fn and_plugin(mut self, name: &str, config: &Value) -> Self {
        self.plugins.insert(name.to_owned(), config.to_string());
        self
    }

    /// Uses another module.
    #[must_use]
    pub fn module(mut self, wasm: PathBuf) -> Self {
        self.wasm = wasm;
        self
    }

    /// The names of the environment variables that the VM may read.
    fn environment_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.environment.keys().cloned().collect();
        // Naming a variable that is not set is what an operator does who forgot to set it.
        if !keys.iter().any(|key| key == ROOT_KEY_ENV) {
            keys.push(ROOT_KEY_ENV.to_owned());
        }
        keys
    }
}

/// One request's whole story.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the client got.
    pub response: Response,
    /// What the upstream got: nothing or one request.
    pub upstream: Vec<Received>,
    /// The marker that found it.
    pub marker: String,
    /// What the test host says at once; Envoy says it in its access log, a moment later.
    logged: Option<Logged>,
}

/// A started gateway. When it is dropped, its records are searched for every token and key that it was given, was sent or
/// has sent; one that is found fails the test.
#[derive(Debug)]
pub enum Gateway {
    /// A real Envoy.
    Envoy(Box<EnvoyGateway>),
    /// The test host.
    TestHost(Box<HostGateway>),
}

impl Gateway {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When it does not start, which is also what a refused configuration leads to.
    pub async fn start(kind: Kind, setup: &Setup) -> Result<Self> {
        Ok(match kind {
            Kind::Envoy => Self::Envoy(Box::new(EnvoyGateway::start(setup).await?)),
            Kind::TestHost => Self::TestHost(Box::new(HostGateway::start(setup)?)),
        })
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Envoy(_) => Kind::Envoy,
            Self::TestHost(_) => Kind::TestHost,
        }
    }

    /// Sends a request over HTTP/1.1 to the only plugin.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub async fn send(&mut self, request: &Request) -> Result<Answer> {
        self.send_to(DEFAULT, Protocol::Http1, request).await
    }

    /// Sends a request to one plugin. A marker header is added to find it again behind the gateway.
    ///
    /// # Errors
    ///
    /// When no whole answer comes, or the protocol cannot express the request.
    pub async fn send_to(
        &mut self,
        plugin: &str,
        protocol: Protocol,
        request: &Request,
    ) -> Result<Answer> {
        let marker = next_marker();
        let request = request.clone().header(MARKER, marker.as_str());
        self.secrets().add_request(&request);
        let answer = match self {
            Self::Envoy(gateway) => gateway.send(plugin, protocol, &request, marker).await?,
            Self::TestHost(gateway) => gateway.send(plugin, protocol, &request, marker)?,
        };
        self.secrets().add_response(&answer.response);
        Ok(answer)
    }

    fn secrets(&mut self) -> &mut Secrets {
        match self {
            Self::Envoy(gateway) => gateway.secrets(),
            Self::TestHost(gateway) => gateway.secrets(),
        }
    }

    /// Exchanges an API token for an access token.
    ///
    /// # Errors
    ///
    /// When the exchange does not answer as documented.
    pub async fn exchange(&mut self, api_token: &str) -> Result<String> {
        let request = Request::post(crate::fixture::EXCHANGE).bearer(api_token);
        let answer = self.send(&request).await?;
        let body = answer.response.json()?;
        match body["RawToken"].as_str() {
            Some(token) if answer.response.status == 200 => Ok(token.to_owned()),
            _ => Err(Error::Fixture(format!(
                "no exchange: {:?}",
                answer.response
            ))),
        }
    }

    /// The status that a `GET` with this credential gets.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub async fn status_of(&mut self, path: &str, token: &str) -> Result<u16> {
        Ok(self
            .send(&Request::get(path).bearer(token))
            .await?
            .response
            .status)
    }

    /// Swaps the configuration of the only plugin, as LDS does.
    ///
    /// # Errors
    ///
    /// When the gateway neither takes nor refuses it.
    pub async fn swap(&mut self, config: &Value) -> Result<Update> {
        self.swap_text(&config.to_string()).await
    }

    /// Swaps the configuration for any text.
    ///
    /// # Errors
    ///
    /// When the gateway neither takes nor refuses it.
    pub async fn swap_text(&mut self, config: &str) -> Result<Update> {
        match self {
            Self::Envoy(gateway) => gateway.swap(DEFAULT, config).await,
            Self::TestHost(gateway) => gateway.swap(DEFAULT, config),
        }
    }

    /// Why a request was answered as it was: response code details and filter state.
    ///
    /// # Errors
    ///
    /// When Envoy has not logged the request.
    pub async fn logged(&self, answer: &Answer) -> Result<Logged> {
        match (self, &answer.logged) {
            (_, Some(logged)) => Ok(logged.clone()),
            (Self::Envoy(gateway), None) => gateway.logged(&answer.marker).await,
            (Self::TestHost(_), None) => {
                Err(Error::Fixture("the test host always says".to_owned()))
            }
        }
    }

    /// Everything that can be read about the past at this gateway: logs, ABI trace, access log and, of Envoy, its
    /// statistics and configuration dump.
    ///
    /// # Errors
    ///
    /// When Envoy's admin interface fails.
    pub async fn records(&self) -> Result<String> {
        match self {
            Self::Envoy(gateway) => gateway.records().await,
            Self::TestHost(gateway) => Ok(gateway.records()),
        }
    }

    /// Everything that has reached the upstream, in order.
    pub fn upstream(&self) -> Vec<Received> {
        match self {
            Self::Envoy(gateway) => gateway.upstream(),
            Self::TestHost(gateway) => gateway.upstream(),
        }
    }

    /// What reached the upstream and was not HTTP.
    pub fn unreadable(&self) -> Vec<String> {
        match self {
            Self::Envoy(gateway) => gateway.unreadable(),
            Self::TestHost(_) => Vec::new(),
        }
    }

    /// How often the filter has trapped, as far as the host's log and statistics show.
    ///
    /// # Errors
    ///
    /// When Envoy's log cannot be read.
    pub fn traps(&self) -> Result<u64> {
        match self {
            Self::Envoy(gateway) => gateway.traps(),
            Self::TestHost(gateway) => Ok(gateway.traps()),
        }
    }
}

/// A marker that no other request of this process has.
fn next_marker() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("m{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
