//! What is to come of a step.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::grpc::GrpcMoment;
use super::matcher::{self, LogPattern, Number, Text};
use super::names;
use super::union::OneOrMany;
use crate::diagnostics::{Code, UnknownCode};

/// What is to come of a step. What is left out is not looked at, but for three things: a VM that dies is a failure unless `trap`
/// says otherwise, so is a configuration that is refused unless `refused` does, and a finding of severity `error` about the guest
/// unless `diagnostics` or the host's `allow` does.
///
/// What the stream got (status, headers, body, upstream, …) is looked at as it stands after the step; log lines, callouts, costs,
/// and changes of metrics are those of the step.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expect {
    /// The status that the client got; `{ absent = true }` if it got none.
    #[serde(default, deserialize_with = "matcher::not_negative")]
    pub status: Option<Number>,
    /// Who made the response.
    pub answered_by: Option<Answerer>,
    /// How far the stream is.
    pub state: Option<State>,
    /// What Envoy's access log has as `%RESPONSE_CODE_DETAILS%`.
    pub details: Option<Text>,
    /// Response headers, among others: each is there once and is this, or as often as there are values in a list.
    pub headers: Option<HeaderExpect>,
    /// All response headers in their order, and no others.
    pub headers_in_order: Option<Vec<(String, Text)>>,
    /// The response body, as much of it as came.
    pub body: Option<Text>,
    /// Response trailers, among others.
    pub trailers: Option<HeaderExpect>,
    /// The METADATA frames of HTTP/2 that the client got, all of them in their order: each has these entries, among others.
    pub metadata: Option<Vec<BTreeMap<String, Text>>>,
    /// Whether the response came to its end.
    pub complete: Option<bool>,
    /// What the upstream got.
    pub upstream: Option<UpstreamExpect>,
    /// What has come of a TCP connection.
    pub connection: Option<ConnectionExpect>,
    /// What the filter passed to `proxy_send_local_response`.
    pub local_response: Option<LocalResponseExpect>,
    /// What the filter left with `proxy_set_property`, under Envoy's names: `wasm.<path>`.
    pub filter_state: Option<BTreeMap<String, Text>>,
    /// The calls to clusters, all of them in their order.
    pub callouts: Option<Vec<CalloutExpect>>,
    /// What reached gRPC services, all of it in its order.
    pub grpc: Option<Vec<GrpcExpect>>,
    /// Lines of the log, among others and in any order.
    pub log: Option<Vec<LogPattern>>,
    /// All lines of the log in their order, and no others.
    pub log_in_order: Option<Vec<LogPattern>>,
    /// Metrics as they stand after the step. A histogram is two numbers: `<name>.count` and `<name>.sum`.
    pub metrics: Option<BTreeMap<String, Number>>,
    /// How far metrics moved in the step. One that did not exist before counts from 0.
    pub metrics_change: Option<BTreeMap<String, Number>>,
    /// Shared data of the plugin's `vm_id` as it stands after the step.
    pub shared_data: Option<BTreeMap<String, Text>>,
    /// What waits in the queues of the plugin's `vm_id`, by their names: as many items as there are values in a list, in their
    /// order; absent if there is none.
    pub queues: Option<HeaderExpect>,
    /// How many root contexts the VM has in which the plugin lives, on the first worker; replaced configurations that have not
    /// drained count.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub root_contexts: Option<Number>,
    /// The codes of all findings about the guest that are new with the step and not accepted, and no others; those of severity
    /// `info` only if they are here.
    pub diagnostics: Option<Vec<CodeName>>,
    /// What the guest's callbacks in the step cost, all of them together.
    pub cost: Option<CostExpect>,
    /// Why a VM died; without this, none may die.
    pub trap: Option<Text>,
    /// Why the configuration was refused, and the last line that the guest logged; without this, it must not be.
    pub refused: Option<Text>,
}

impl Expect {
    /// The same without the tables and lists that are empty, and so say nothing.
    pub(in crate::scenario) fn without_empty_parts(&self) -> Self {
        let mut rest = self.clone();
        let headers = [&mut rest.headers, &mut rest.trailers];
        for part in headers {
            part.take_if(|part| part.is_empty());
        }
        for part in [&mut rest.filter_state, &mut rest.shared_data] {
            part.take_if(|part| part.is_empty());
        }
        for part in [&mut rest.metrics, &mut rest.metrics_change] {
            part.take_if(|part| part.is_empty());
        }
        rest.log.take_if(|part| part.is_empty());
        rest
    }
}

/// The code of a finding, such as `PH014`, or its name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(rename = "Code")]
pub struct CodeName(#[schemars(with = "String")] pub Code);

impl TryFrom<String> for CodeName {
    type Error = UnknownCode;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// Who made a response.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Answerer {
    /// The upstream.
    Upstream,
    /// The filter, with a local response.
    Filter,
    /// The host itself, as Envoy would.
    Host,
    /// Nobody.
    Nobody,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The filter holds it, or more of the request has to come.
    Paused,
    /// The upstream has the whole request and has not replied.
    AwaitingUpstream,
    /// The upstream has granted an upgrade.
    Upgraded,
    /// It has ended.
    Finished,
}

/// What the upstream got.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UpstreamExpect {
    /// Whether it got anything. Everything else here says that it did.
    pub reached: Option<bool>,
    /// The cluster that the route led to; absent if that was the upstream.
    pub cluster: Option<Text>,
    /// How many redirects the host has followed before.
    #[serde(default, deserialize_with = "matcher::not_negative")]
    pub redirects: Option<Number>,
    /// Request headers, among others, with `:method`, `:path`, `:authority` and `:scheme`.
    pub headers: Option<HeaderExpect>,
    /// All request headers in their order, and no others.
    pub headers_in_order: Option<Vec<(String, Text)>>,
    /// The request body, as much of it as came.
    pub body: Option<Text>,
    /// Request trailers, among others.
    pub trailers: Option<HeaderExpect>,
    /// The METADATA frames of HTTP/2, all of them in their order: each has these entries, among others.
    pub metadata: Option<Vec<BTreeMap<String, Text>>>,
    /// Whether the request came to its end.
    pub complete: Option<bool>,
}

/// What has come of a TCP connection.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConnectionExpect {
    /// Whether there is a connection to the upstream; not while the filter holds the new connection.
    pub connected: Option<bool>,
    /// The bytes that reached the upstream.
    pub to_upstream: Option<Text>,
    /// The bytes that reached the client.
    pub to_client: Option<Text>,
    /// Whether the upstream saw the end of what the client sends.
    pub upstream_ended: Option<bool>,
    /// Whether the upstream saw the connection broken off, because the client did that.
    pub upstream_reset: Option<bool>,
    /// Whether the client saw the end of what the upstream sends.
    pub client_ended: Option<bool>,
    /// Whether the client saw the connection broken off: the upstream did that, or refused it and left bytes unread.
    pub client_reset: Option<bool>,
    /// Who closed it.
    pub closed_by: Option<Closer>,
}

/// Who closed a connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Closer {
    /// The filter, with `proxy_close_stream`.
    Filter,
    /// The client, which ended last or broke the connection off.
    Client,
    /// The upstream, which ended last or broke the connection off.
    Upstream,
    /// The host, because the upstream cannot be connected to.
    NoUpstream,
    /// The host, because the filter's VM is dead.
    Host,
    /// Nobody: it is open.
    Nobody,
}

/// What the filter passed to `proxy_send_local_response`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalResponseExpect {
    /// Whether it did. Everything else here says that it did.
    pub sent: Option<bool>,
    /// The status.
    #[serde(default, deserialize_with = "matcher::not_negative")]
    pub status: Option<Number>,
    /// The response code details.
    pub details: Option<Text>,
    /// The body.
    pub body: Option<Text>,
    /// Headers, among others.
    pub headers: Option<HeaderExpect>,
    /// The gRPC status; -1 leaves it to the host.
    pub grpc_status: Option<Number>,
}

/// A call to a cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CalloutExpect {
    /// The cluster.
    pub cluster: Option<Text>,
    /// Headers, among others, with `:method`, `:path` and `:authority`.
    pub headers: Option<HeaderExpect>,
    /// The body.
    pub body: Option<Text>,
    /// Trailers, among others.
    pub trailers: Option<HeaderExpect>,
    /// The timeout in milliseconds; 0 for none.
    #[serde(default, deserialize_with = "matcher::not_negative")]
    pub timeout_ms: Option<Number>,
}

/// Something that reached a gRPC service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GrpcExpect {
    /// The cluster.
    pub cluster: Option<Text>,
    /// What it was.
    pub on: Option<GrpcMoment>,
    /// The service with its package.
    pub service: Option<Text>,
    /// The method.
    pub method: Option<Text>,
    /// The message.
    pub message: Option<Text>,
    /// Initial metadata, among others.
    pub initial_metadata: Option<HeaderExpect>,
    /// The timeout of a call in milliseconds; 0 for none.
    #[serde(default, deserialize_with = "matcher::not_negative")]
    pub timeout_ms: Option<Number>,
}

/// What callbacks cost: the same in every run and on every machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CostExpect {
    /// The fuel, roughly one unit for each wasm instruction. Another compiler makes another number: leave it some room.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub fuel: Option<Number>,
    /// How many host functions were called.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub calls: Option<Number>,
    /// Which host functions were called and how often: these, and no others.
    #[serde(default, deserialize_with = "names::by_function")]
    pub host_calls: Option<BTreeMap<String, Number>>,
    /// The bytes that host functions wrote into the guest's memory.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub bytes_to_guest: Option<Number>,
    /// The bytes that host functions read from the guest's memory.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub bytes_from_guest: Option<Number>,
    /// What the callbacks of one name cost together, such as `proxy_on_request_headers`.
    #[serde(default, deserialize_with = "names::by_callback")]
    pub callbacks: Option<BTreeMap<String, CallbackCostExpect>>,
}

/// What the callbacks of one name cost together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CallbackCostExpect {
    /// How many there were.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub count: Option<Number>,
    /// The fuel.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub fuel: Option<Number>,
    /// How many host functions were called.
    #[serde(default, deserialize_with = "matcher::always_there")]
    pub calls: Option<Number>,
    /// Which host functions were called and how often: these, and no others.
    #[serde(default, deserialize_with = "names::by_function")]
    pub host_calls: Option<BTreeMap<String, Number>>,
}

/// Whether an expectation has no key at all. Taking the type apart keeps a new key from being forgotten.
macro_rules! says_nothing {
    ($($type:ident { $($key:ident)* })*) => {
        $(impl $type {
            /// Whether there is no key at all: a place for `--bless` to fill in.
            pub fn says_nothing(&self) -> bool {
                let Self { $($key),* } = self;
                $($key.is_none())&&*
            }
        })*
    };
}

says_nothing! {
    Expect { status answered_by state details headers headers_in_order body trailers metadata complete upstream connection local_response filter_state callouts grpc log log_in_order metrics metrics_change shared_data queues root_contexts diagnostics cost trap refused }
    UpstreamExpect { reached cluster redirects headers headers_in_order body trailers metadata complete }
    ConnectionExpect { connected to_upstream to_client upstream_ended upstream_reset client_ended client_reset closed_by }
    LocalResponseExpect { sent status details body headers grpc_status }
    CostExpect { fuel calls host_calls bytes_to_guest bytes_from_guest callbacks }
    CallbackCostExpect { count fuel calls host_calls }
}

/// What headers are to be, by name: the value of the only one, or the values of all of that name.
#[derive(Clone, Debug, Default)]
pub struct HeaderExpect(Vec<(String, HeaderValues)>);

/// What the headers of one name are to be.
#[derive(Clone, Debug)]
pub enum HeaderValues {
    /// There is one, and it is this; or it is absent.
    One(Text),
    /// There are as many as these, in this order.
    All(Vec<Text>),
}

impl HeaderExpect {
    /// Names and what they are to be.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValues)> {
        self.0.iter().map(|(name, values)| (name.as_str(), values))
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::scenario) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().flat_map(|(_, values)| match values {
            HeaderValues::One(text) => std::slice::from_ref(text),
            HeaderValues::All(texts) => texts.as_slice(),
        })
    }

    pub(in crate::scenario) fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        self.0.iter_mut().flat_map(|(_, values)| match values {
            HeaderValues::One(text) => std::slice::from_mut(text),
            HeaderValues::All(texts) => texts.as_mut_slice(),
        })
    }
}

impl<'de> Deserialize<'de> for HeaderExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = HeaderExpect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of header names and what they are to be")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<HeaderExpect, A::Error> {
                let mut names = Vec::new();
                while let Some((name, values)) = table.next_entry::<String, OneOrMany<Text>>()? {
                    let all = values.is_list;
                    let mut values = values.values;
                    let values = match values.pop() {
                        Some(one) if !all => HeaderValues::One(one),
                        last => {
                            values.extend(last);
                            HeaderValues::All(values)
                        }
                    };
                    names.push((name, values));
                }
                Ok(HeaderExpect(names))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

impl JsonSchema for HeaderExpect {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderExpect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<OneOrMany<Text>>();
        json_schema!({
            "description": "What headers are to be, by name: the value of the only one, or the values of all of that name.",
            "type": "object",
            "additionalProperties": values
        })
    }
}
