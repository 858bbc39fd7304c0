//! The steps of a scenario: what happens, one thing after another.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::{Bytes, Headers};
use super::connection::{Connecting, Sent};
use super::expect::Expect;
use super::fault::FaultSpec;
use super::peers::PeerReply;
use super::request::{ClientRequest, MoreBody, MoreReply};
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
    /// The stream or connection that the step is about.
    pub stream: Option<String>,
    /// The plugin that the step is about.
    pub plugin: Option<String>,
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
    /// The client sends a METADATA frame of HTTP/2 in an unfinished request.
    Metadata(Headers),
    /// The upstream sends a METADATA frame of HTTP/2 in an unfinished reply.
    ReplyMetadata(Headers),
    /// The client goes away.
    Disconnect,
    /// The upstream replies to a request that waits for it.
    Reply(PeerReply),
    /// The upstream sends more of an unfinished reply.
    ReplyBody(MoreReply),
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
    /// Another plugin with the same `vm_id` puts items into queues.
    Enqueue(Headers),
    /// A client opens a TCP connection.
    Connect(Connecting),
    /// The client of a connection sends.
    ClientSends(Sent),
    /// The upstream of a connection sends.
    UpstreamSends(Sent),
    /// The plugin, a stats sink, gets the metrics.
    FlushStats,
    /// The plugin is removed.
    Remove,
    /// The host stops.
    ShutDown,
}

/// One step: at most one thing that happens, and what is to come of it. A step without anything that happens only looks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
struct StepTable {
    /// A name for reports.
    name: Option<String>,
    /// A name for the stream that a request opens or for a connection, or the name of the one that the step is about. Without
    /// it, it is the stream of the last request, or the last connection, that had no name.
    stream: Option<String>,
    /// The plugin that the step is about, where there are several; the first one without this.
    plugin: Option<String>,
    /// A client sends a request. It runs to its end, with time moving on while the filter waits for a cluster.
    request: Option<ClientRequest>,
    /// The client sends more of a request that was not finished.
    body: Option<MoreBody>,
    /// The client sends a METADATA frame of HTTP/2 with these entries, in a request that was not finished.
    metadata: Option<Headers>,
    /// The upstream sends a METADATA frame of HTTP/2 with these entries, in a reply that was not finished.
    reply_metadata: Option<Headers>,
    /// The client goes away.
    disconnect: Option<True>,
    /// The upstream replies to a request that waits for it, under a rule with `manual`, or that is not finished yet.
    reply: Option<PeerReply>,
    /// The upstream sends more of a reply that was not finished.
    reply_body: Option<MoreReply>,
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
    /// The metrics are flushed: a plugin that is a stats sink gets them (`envoy_on_stats_update`).
    flush_stats: Option<True>,
    /// The plugin is removed, as at the end of its listener.
    remove: Option<True>,
    /// The host stops: root contexts are done and deleted. Nothing can be requested after that.
    shut_down: Option<True>,
    /// Another plugin with the same `vm_id` stores this shared data.
    set_shared_data: Option<Headers>,
    /// Another plugin with the same `vm_id` puts these items into queues that guests have registered, by their names.
    enqueue: Option<Headers>,
    /// A client opens a TCP connection, for network filters: `true`, or a table.
    connect: Option<Connecting>,
    /// The client of a connection sends.
    client_sends: Option<Sent>,
    /// The upstream of a connection sends.
    upstream_sends: Option<Sent>,
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
            table.metadata.map(Action::Metadata),
            table.reply_metadata.map(Action::ReplyMetadata),
            table.disconnect.map(|True| Action::Disconnect),
            table.reply.map(Action::Reply),
            table.reply_body.map(Action::ReplyBody),
            table.advance.map(|span| Action::Advance(span.0)),
            table.wall_clock.map(Action::WallClock),
            table.configure.map(Action::Configure),
            table.drain.map(|True| Action::Drain),
            table.fault.map(Action::Fault),
            table.clear_faults.map(|True| Action::ClearFaults),
            table.flush_stats.map(|True| Action::FlushStats),
            table.remove.map(|True| Action::Remove),
            table.shut_down.map(|True| Action::ShutDown),
            table.set_shared_data.map(Action::SharedData),
            table.enqueue.map(Action::Enqueue),
            table.connect.map(Action::Connect),
            table.client_sends.map(Action::ClientSends),
            table.upstream_sends.map(Action::UpstreamSends),
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
            plugin: table.plugin,
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
