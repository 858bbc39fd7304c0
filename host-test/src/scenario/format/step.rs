//! The steps of a scenario: what happens, one thing after another.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::{Bytes, Headers};
use super::expect::Expect;
use super::names;
use super::peers::PeerReply;
use super::time::{Instant, Span};
use super::union::True;

/// One step: at most one thing that happens, and what is to come of it. A step without anything that happens only looks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "StepTable")]
#[schemars(with = "StepTable")]
#[non_exhaustive]
pub struct Step {
    /// A name for reports.
    pub name: Option<String>,
    /// The stream that the step is about.
    pub stream: Option<String>,
    /// What happens.
    pub action: Option<Action>,
    /// What is to come of it.
    pub expect: Option<Expect>,
    /// What of the response later steps need, by the names that they use in `saved` values.
    pub save: BTreeMap<String, Source>,
}

/// Something that happens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// A client sends a request.
    Request(Box<ClientRequest>),
    /// A client sends more of an unfinished request.
    Body(MoreBody),
    /// The client goes away.
    Disconnect,
    /// The upstream replies to a request that waits for it.
    Reply(PeerReply),
    /// Time passes.
    Advance(Duration),
    /// The wall clock is set, and the monotonic clock is not.
    WallClock(Instant),
    /// The plugin gets another configuration.
    Configure(Bytes),
    /// Configurations that nothing uses any more are taken away.
    Drain,
    /// A host function fails from now on.
    Fault(FaultSpec),
    /// All faults end.
    ClearFaults,
    /// Another plugin with the same `vm_id` stores shared data.
    SharedData(Headers),
}

/// One step: at most one thing that happens, and what is to come of it. A step without anything that happens only looks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
struct StepTable {
    /// A name for reports.
    name: Option<String>,
    /// A name for the stream that a request opens, or the name of the one that the step is about. Without it, it is the
    /// stream of the last request that had no name.
    stream: Option<String>,
    /// A client sends a request. It runs to its end, with time moving on while the filter waits for a cluster.
    request: Option<ClientRequest>,
    /// The client sends more of a request that was not finished.
    body: Option<MoreBody>,
    /// The client goes away.
    disconnect: Option<True>,
    /// The upstream replies to a request that waits for it, under a rule with `manual`.
    reply: Option<PeerReply>,
    /// Time passes on both clocks. What falls due meanwhile happens: ticks, replies, timeouts.
    advance: Option<Span>,
    /// The wall clock is set, and the monotonic clock is not.
    wall_clock: Option<Instant>,
    /// The plugin gets this configuration in place of its own.
    configure: Option<Bytes>,
    /// Configurations that nothing uses any more are taken away, as Envoy does when an old listener has drained.
    drain: Option<True>,
    /// A host function fails from now on.
    fault: Option<FaultSpec>,
    /// All faults end.
    clear_faults: Option<True>,
    /// Another plugin with the same `vm_id` stores this shared data.
    set_shared_data: Option<Headers>,
    /// What is to come of it.
    expect: Option<Expect>,
    /// What of the response later steps need: `{ saved = "Bearer ${token}" }` is a value with what was saved as `token`.
    #[serde(default)]
    save: BTreeMap<String, Source>,
}

impl TryFrom<StepTable> for Step {
    type Error = String;

    fn try_from(table: StepTable) -> Result<Self, Self::Error> {
        let actions = [
            table
                .request
                .map(|request| Action::Request(Box::new(request))),
            table.body.map(Action::Body),
            table.disconnect.map(|True| Action::Disconnect),
            table.reply.map(Action::Reply),
            table.advance.map(|span| Action::Advance(span.0)),
            table.wall_clock.map(Action::WallClock),
            table.configure.map(Action::Configure),
            table.drain.map(|True| Action::Drain),
            table.fault.map(Action::Fault),
            table.clear_faults.map(|True| Action::ClearFaults),
            table.set_shared_data.map(Action::SharedData),
        ];
        let mut actions = actions.into_iter().flatten();
        let action = actions.next();
        if actions.next().is_some() {
            return Err("a step has one thing that happens: this one has several".to_owned());
        }
        if action.is_none() && table.expect.is_none() {
            return Err("a step in which nothing happens and nothing is expected".to_owned());
        }
        Ok(Self {
            name: table.name,
            stream: table.stream,
            action,
            expect: table.expect,
            save: table.save,
        })
    }
}

/// A part of a response.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The value of a header.
    Header(String),
    /// A text or number in a JSON body, by its pointer (RFC 6901), such as `/access_token`.
    Json(String),
}

/// A request as the client puts it on the wire.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientRequest {
    /// The method; GET without this.
    pub method: Option<Bytes>,
    /// The target: a path with its query, or an absolute `http://host/path`; `/` without this.
    pub path: Option<Bytes>,
    /// The authority; `localhost` without this.
    pub authority: Option<Bytes>,
    /// There is no authority.
    #[serde(default)]
    pub without_authority: bool,
    /// There is no path, as with CONNECT.
    #[serde(default)]
    pub without_path: bool,
    /// The scheme; `http` without this.
    pub scheme: Option<Bytes>,
    /// The headers, in order.
    #[serde(default)]
    pub headers: Headers,
    /// The whole body, with its `content-length`.
    pub body: Option<Bytes>,
    /// A body in parts, without a `content-length`. The filter is called once for each.
    #[serde(default)]
    pub chunks: Vec<Bytes>,
    /// The trailers.
    #[serde(default)]
    pub trailers: Headers,
    /// Whether the request ends here; it does without this. The rest comes with `body` steps.
    #[serde(default = "yes")]
    pub end: bool,
    /// Whether the step waits for the response, with time moving on; it does without this. A request that does not `end` is
    /// not waited for.
    #[serde(default = "yes")]
    pub wait: bool,
    /// Over HTTP/2 instead of HTTP/1.1.
    #[serde(default)]
    pub http2: bool,
    /// On this worker (0, 1, …) instead of the next in turn.
    pub worker: Option<usize>,
    /// The client's address and port; 127.0.0.1:40000 without this.
    #[schemars(with = "Option<String>")]
    pub source: Option<SocketAddr>,
}

fn yes() -> bool {
    true
}

/// More of a request that was not finished.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MoreBody {
    /// Parts of the body.
    #[serde(default)]
    pub chunks: Vec<Bytes>,
    /// Whether the request ends behind them; it does without this. Then the step waits for the response.
    #[serde(default = "yes")]
    pub end: bool,
    /// The trailers, which end the request.
    #[serde(default)]
    pub trailers: Headers,
}

/// A host function that fails, or that answers other bytes than the true ones.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "FaultTable")]
#[schemars(with = "FaultTable")]
#[non_exhaustive]
pub struct FaultSpec {
    /// The function, as guests import it.
    pub function: String,
    /// What it does.
    pub effect: FaultEffect,
    /// The only call that is struck, counted from 1; every one without this.
    pub call: Option<u64>,
    /// The only callback in which calls are struck; every one without this.
    pub callback: Option<String>,
}

/// What a faulty host function does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FaultEffect {
    /// It does nothing and answers this: a status, or an errno for a function of WASI.
    Status(u32),
    /// It works, but hands over these bytes.
    Bytes(Bytes),
}

/// A host function that fails, or that answers other bytes than the true ones.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
struct FaultTable {
    /// The function, as guests import it.
    function: String,
    /// What it answers instead of doing anything: the name of a status, such as CAS_MISMATCH, or a number.
    status: Option<StatusCode>,
    /// The bytes that it hands over instead of the true ones.
    bytes: Option<Bytes>,
    /// The only call that is struck, counted from 1 since the step; every one without this.
    #[schemars(range(min = 1))]
    call: Option<u64>,
    /// The only callback in which calls count and are struck, such as `proxy_on_request_headers`.
    callback: Option<String>,
}

impl TryFrom<FaultTable> for FaultSpec {
    type Error = String;

    fn try_from(table: FaultTable) -> Result<Self, Self::Error> {
        let effect = match (table.status, table.bytes) {
            (Some(status), None) => FaultEffect::Status(status.0),
            (None, Some(bytes)) => FaultEffect::Bytes(bytes),
            _ => return Err("a fault has either a `status` or `bytes`".to_owned()),
        };
        names::function(&table.function)?;
        table.callback.as_deref().map_or(Ok(()), names::callback)?;
        if table.call == Some(0) {
            return Err("calls are counted from 1".to_owned());
        }
        Ok(Self {
            function: table.function,
            effect,
            call: table.call,
            callback: table.callback,
        })
    }
}

/// A `proxy_status_t` by name or number.
#[derive(Debug)]
struct StatusCode(u32);

/// The names of the specification, by their numbers (v0.2.1, "proxy_status_t").
const STATUS_NAMES: [(&str, u32); 12] = [
    ("OK", 0),
    ("NOT_FOUND", 1),
    ("BAD_ARGUMENT", 2),
    ("SERIALIZATION_FAILURE", 3),
    ("PARSE_FAILURE", 4),
    ("INVALID_MEMORY_ACCESS", 6),
    ("EMPTY", 7),
    ("CAS_MISMATCH", 8),
    ("RESULT_MISMATCH", 9),
    ("INTERNAL_FAILURE", 10),
    ("BROKEN_CONNECTION", 11),
    ("UNIMPLEMENTED", 12),
];

impl<'de> Deserialize<'de> for StatusCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let union: super::union::Union<Self, NoTable> = super::union::Union {
            expecting: "a status by its name or number",
            text: Some(|name| {
                let found = STATUS_NAMES.iter().find(|(known, _)| *known == name);
                found.map(|(_, number)| Self(*number)).ok_or_else(|| {
                    let names: Vec<_> = STATUS_NAMES.iter().map(|(name, _)| *name).collect();
                    format!(
                        "`{name}` is no status: use {} or a number",
                        names.join(", ")
                    )
                })
            }),
            integer: Some(|number| {
                u32::try_from(number)
                    .map(Self)
                    .map_err(|_| format!("{number} is no status"))
            }),
            table: |table| match table {},
        };
        union.read(deserializer)
    }
}

/// There is no table for a status.
#[derive(Deserialize)]
enum NoTable {}

impl JsonSchema for StatusCode {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusCode".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = STATUS_NAMES.iter().map(|(name, _)| *name).collect();
        schemars::json_schema!({ "anyOf": [{ "enum": names }, { "type": "integer", "minimum": 0, "maximum": u32::MAX }] })
    }
}
