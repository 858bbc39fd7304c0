//! The types of a scenario file, as they are written: parsing them needs no host, and other tools can run what they say.
//!
//! A file is TOML. Every key is in `schema/scenario.schema.json`, which is made from these types
//! ([`schema`](super::schema())), and in `docs/host/scenarios.md`.

mod bytes;
mod expect;
mod grpc;
mod log;
mod matcher;
mod names;
mod offered;
mod peers;
mod setup;
mod step;
mod time;
mod union;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use bytes::{Bytes, Headers};
pub use expect::{
    Answerer, CallbackCostExpect, CalloutExpect, CodeName, CostExpect, Expect, GrpcExpect,
    HeaderExpect, HeaderValues, LocalResponseExpect, State, UpstreamExpect,
};
pub use grpc::{GrpcMoment, GrpcPeerReply, GrpcRule};
pub use log::LogLevelName;
pub use matcher::{LogPattern, Number, Text};
pub use offered::{ForeignFunction, ProfileName, Property};
pub use peers::{PeerReply, PeerResponse, Rule};
pub use setup::{Allowed, FailurePolicyName, Setup, Workers};
pub use step::{Action, ClientRequest, FaultEffect, FaultSpec, MoreBody, Source, Step};
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
    /// Who answers requests that the filter lets through.
    #[serde(default)]
    pub upstream: Vec<Rule>,
    /// The clusters that the filter can call, by name, and what they answer.
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
