//! The types of a scenario file, as they are written: parsing them needs no host, and other tools can run what they say.
//!
//! A file is TOML. Every key is in `schema/scenario.schema.json`, which is made from these types
//! ([`schema`](super::schema())), and in `docs/host/scenarios.md`.

mod bytes;
mod connection;
mod expect;
mod fault;
mod grpc;
mod log;
mod matcher;
mod names;
mod offered;
mod peers;
mod plugin;
mod request;
mod route;
mod setup;
mod step;
mod time;
mod union;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use bytes::{Bytes, Headers};
pub use connection::{Connecting, Sent};
pub use expect::{
    Answerer, CallbackCostExpect, CalloutExpect, Closer, CodeName, ConnectionExpect, CostExpect,
    Expect, GrpcExpect, HeaderExpect, HeaderValues, LocalResponseExpect, State, UpstreamExpect,
};
pub use fault::{FaultEffect, FaultSpec};
pub use grpc::{GrpcMoment, GrpcPeerReply, GrpcRule};
pub use log::LogLevelName;
pub use matcher::{LogPattern, Number, Text};
pub use offered::{Capability, DnsSpec, ForeignFunction, ProfileName, Property};
pub use peers::{PartContent, PeerReply, PeerResponse, ReplyPart, Rule};
pub use plugin::PluginSpec;
pub use request::{ClientRequest, MoreBody, MoreReply};
pub use route::{DirectResponse, RoutePath, RouteSpec, RouteTarget};
pub use setup::{Allowed, FailurePolicyName, Setup, Workers};
pub use step::{Action, Source, Step};
pub use time::{Instant, Span};

pub(super) use matcher::quoted;

/// A scenario file: one scenario, or several that share a set-up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A scenario of the Proxy-Wasm test host")]
#[non_exhaustive]
pub struct File {
    /// The schema, for editors. Nothing reads it.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// The scenario's name; without this, that of the file.
    pub name: Option<String>,
    /// What the file is about, for people.
    pub about: Option<String>,
    /// What the scenarios run in.
    #[serde(default)]
    pub host: Setup,
    /// The plugins of the filter chain, in the order in which requests pass them; without any, one as `host` says.
    #[serde(default)]
    pub plugin: Vec<PluginSpec>,
    /// Where requests lead that the filter lets through; everything to the upstream without any.
    #[serde(default)]
    pub route: Vec<RouteSpec>,
    /// Who answers requests that the filter lets through.
    #[serde(default)]
    pub upstream: Vec<Rule>,
    /// The clusters that the filter can call and that routes can lead to, by name, and what they answer.
    #[serde(default)]
    pub cluster: BTreeMap<String, Vec<Rule>>,
    /// gRPC services that the filter can call, by the names of their clusters, and what they answer.
    #[serde(default)]
    pub grpc: BTreeMap<String, Vec<GrpcRule>>,
    /// Faults that are there from the start, before the first configuration.
    #[serde(default)]
    pub fault: Vec<FaultSpec>,
    /// What is to come of the start: of the first configuration.
    #[serde(default)]
    pub start: Start,
    /// What is to have come of the whole scenario, all steps and the start together.
    #[serde(default)]
    pub finally: Finally,
    /// The steps, if the file is one scenario.
    #[serde(default)]
    pub step: Vec<Step>,
    /// The scenarios, if the file has several.
    #[serde(default)]
    pub scenario: Vec<NamedScenario>,
}

/// One of several scenarios in a file. What it says about the host, the upstream and the clusters goes before what the file
/// says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NamedScenario {
    /// The scenario's name, unlike that of any other in the file.
    pub name: String,
    /// What it is about, for people.
    pub about: Option<String>,
    /// What it runs in, where that is not as for the whole file.
    #[serde(default)]
    pub host: Setup,
    /// The plugins of the filter chain, in place of those of the file.
    #[serde(default)]
    pub plugin: Vec<PluginSpec>,
    /// Where requests lead, before the routes of the file.
    #[serde(default)]
    pub route: Vec<RouteSpec>,
    /// Who answers requests that the filter lets through, before the rules of the file.
    #[serde(default)]
    pub upstream: Vec<Rule>,
    /// The clusters that the filter can call. One of this name in the file is not there then.
    #[serde(default)]
    pub cluster: BTreeMap<String, Vec<Rule>>,
    /// The gRPC services that the filter can call. One of this name in the file is not there then.
    #[serde(default)]
    pub grpc: BTreeMap<String, Vec<GrpcRule>>,
    /// Faults that are there from the start, behind those of the file.
    #[serde(default)]
    pub fault: Vec<FaultSpec>,
    /// What is to come of the start, in place of what the file says.
    pub start: Option<Start>,
    /// What is to have come of the whole scenario, in place of what the file says.
    pub finally: Option<Finally>,
    /// The steps.
    pub step: Vec<Step>,
}

/// The start: the VMs start and get the first configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Start {
    /// What is to come of it.
    pub expect: Option<Expect>,
}

/// The end: what came of the start and all steps together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Finally {
    /// What is to have come of everything: log lines, callouts, findings, costs and changes of metrics of the start and of all
    /// steps. Streams, shared data and so on are looked at as they stand at the end. What the steps have dealt with, a VM that died
    /// or a finding, is no failure here unless it is expected otherwise.
    pub expect: Option<Expect>,
}
