//! A scenario in this host, and what is to be compared of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Scenario;
use super::super::format::{Action, PeerReply, Step};
use super::super::observed::StreamSeen;
use super::super::play::Player;
use super::record::{self, Lines};
use super::tcp::Got;
use super::{Played, step_name};
use crate::callout::Callout;
use crate::codec::{self, request_head};
use crate::envoy::message::Reader;
use crate::exchange::{AnsweredBy, Exchange, LogLine, UpstreamRequest};
use crate::host::StreamState;
use crate::module::Module;
use crate::status::LogLevel;
use crate::trace::Trace;

/// How much virtual time passes behind each step.
const MOMENT: Duration = Duration::from_millis(160);

/// How a step went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepSeen {
    /// The lines of the boundary.
    pub(super) traced: usize,
    /// The step's stream has ended, and there is a response or a part of one.
    pub(super) answered: bool,
    /// The step's stream has ended in whatever way.
    pub(super) ended: bool,
    /// The response does not come to an end for its client.
    pub(super) endless: bool,
    pub(super) status: u16,
    /// What the sides of the step's connection had got before it, and behind it.
    pub(super) got: Option<Got>,
}

/// Plays a scenario. Streams that are still open at its end are broken off by their clients.
pub(super) fn play(scenario: &Scenario, module: &Module) -> Result<Played, String> {
    let seed = scenario.setup.seed.unwrap_or(0);
    // Plugins that name a module of their own are not compared.
    let modules = vec![module.clone(); scenario.plugin_names().len()];
    let mut player = Player::new(scenario, module, &modules, seed, true);
    if let Some(refused) = player.start().refused {
        return Err(format!("the configuration is refused: {refused}"));
    }
    player.take_trace();
    let mut lines = Vec::new();
    let mut seen = Vec::new();
    // By the name of the stream, in the order of their requests.
    let mut streams: Vec<(String, Exchange)> = Vec::new();
    let mut open: BTreeMap<String, bool> = BTreeMap::new();
    let mut calls = Vec::new();
    let mut connections: BTreeMap<String, (Got, bool)> = BTreeMap::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        let mut observed = player.step(step).map_err(|impossible| impossible.0)?;
        // A real answer takes a moment, in which replies of clusters come.
        let moment = Step {
            name: None,
            stream: step.stream.clone(),
            plugin: None,
            action: Some(Action::Advance(MOMENT)),
            save: BTreeMap::new(),
            expect: None,
        };
        let mut later = player.step(&moment).map_err(|impossible| impossible.0)?;
        observed.callouts.append(&mut later.callouts);
        observed.log.append(&mut later.log);
        observed.stream = later.stream.or(observed.stream);
        observed.connection = later.connection.or(observed.connection);
        let traced = Trace::new(player.take_trace())
            .without_ticks()
            .lines()
            .to_vec();
        lines.push(format!("# {}", step_name(index, step)));
        let mut this = StepSeen {
            traced: traced.len(),
            ..StepSeen::default()
        };
        lines.extend(traced);
        lines.extend(log(&observed.log));
        calls.append(&mut observed.callouts);
        let name = step.stream.clone().unwrap_or_default();
        if let (Some(seen), Some(action)) = (&observed.connection, &step.action) {
            let (got, closed) = connections.entry(name.clone()).or_default();
            if matches!(action, Action::Connect(_)) {
                *got = Got::default();
            }
            got.note(seen, action, &mut lines);
            *closed = seen.closed.is_some();
            this.got = Some(*got);
        }
        if let (Some(StreamSeen { exchange, state }), Some(_)) = (observed.stream, &step.action) {
            this.ended = state == StreamState::Finished;
            this.answered = this.ended && exchange.response.is_some();
            let response = exchange.response.as_ref();
            // What Envoy breaks off itself has an end.
            this.endless = exchange.answered_by != AnsweredBy::Nobody
                && response.is_some_and(|response| !response.complete);
            this.status = exchange.status();
            let was_open = open.insert(name.clone(), !this.ended);
            let opened = matches!(step.action, Some(Action::Request(_)));
            if this.answered && (opened || was_open == Some(true)) {
                answer(&exchange, &mut lines);
            }
            if !opened {
                streams.retain(|(other, _)| *other != name);
            }
            streams.push((name, exchange));
        }
        seen.push(this);
    }
    if connections.values().any(|(_, closed)| !closed) {
        return Err("a connection is open at the end: let both of its sides end".to_owned());
    }
    let left: Vec<String> = open
        .into_iter()
        .filter(|(_, open)| *open)
        .map(|(name, _)| name)
        .collect();
    lines.push("# end".to_owned());
    let mut last = StepSeen::default();
    for name in left {
        let step = Step {
            name: None,
            stream: Some(name.clone()).filter(|name| !name.is_empty()),
            plugin: None,
            action: Some(Action::Disconnect),
            save: BTreeMap::new(),
            expect: None,
        };
        let observed = player.step(&step).map_err(|impossible| impossible.0)?;
        let traced = Trace::new(player.take_trace())
            .without_ticks()
            .lines()
            .to_vec();
        last.traced += traced.len();
        lines.extend(traced);
        lines.extend(log(&observed.log));
        if let Some(StreamSeen { exchange, .. }) = observed.stream {
            streams.retain(|(other, _)| *other != name);
            streams.push((name, exchange));
        }
    }
    seen.push(last);
    for request in streams
        .iter()
        .filter_map(|(_, exchange)| exchange.upstream.as_ref())
    {
        upstream(request, &mut lines);
    }
    let connects = |callout: &&Callout| {
        if codec::check_request(&callout.on_the_wire()).is_err() {
            return false;
        }
        let rules = scenario.clusters.get(&callout.cluster);
        let mut replies = rules.into_iter().flatten().flat_map(|rule| &rule.replies);
        !replies.any(|reply| matches!(reply, PeerReply::Refused))
    };
    for callout in calls.iter().filter(connects) {
        call(callout, &mut lines);
    }
    Ok((Trace::new(lines), seen))
}

/// What guests logged. What a VM dies of is told in other words by every engine.
fn log(lines: &[LogLine]) -> impl Iterator<Item = String> {
    let of_guest = |line: &&LogLine| {
        !(line.level == LogLevel::Critical && line.message.starts_with("Function: "))
    };
    lines
        .iter()
        .filter(of_guest)
        .map(|line| record::logged(line.level, &line.message))
}

fn answer(exchange: &Exchange, to: &mut Vec<String>) {
    let Some(response) = &exchange.response else {
        return;
    };
    let closes = if response.closes { " and closes" } else { "" };
    Lines {
        of: "answer",
        start: format!("{}{closes}", response.status),
        headers: &response.headers,
        body: &response.body,
        trailers: &response.trailers,
        complete: response.complete,
    }
    .write(to);
}

fn upstream(request: &UpstreamRequest, to: &mut Vec<String>) {
    peer("upstream", request, to);
}

fn call(callout: &Callout, to: &mut Vec<String>) {
    let arrives = callout.arrives();
    let request = UpstreamRequest {
        headers: callout.on_the_wire(),
        // A cluster that waits for chunks takes nothing else for a body.
        body: if arrives {
            callout.body.clone()
        } else {
            Vec::new()
        },
        trailers: callout.trailers.clone(),
        complete: arrives,
        bodyless: callout.body.is_empty() && callout.trailers.is_empty(),
        ..UpstreamRequest::default()
    };
    peer(&format!("call of {}", callout.cluster), &request, to);
}

/// What a peer gets, with the head as it is on the wire.
fn peer(of: &str, request: &UpstreamRequest, to: &mut Vec<String>) {
    let (head, _) = request_head(&request.headers, request.bodyless);
    // It ends with an empty line.
    let head = Reader::new(head.as_slice()).head();
    let head = head.ok().flatten().unwrap_or_default();
    Lines {
        of,
        start: record::start(&head.start),
        headers: &head.headers,
        body: &request.body,
        trailers: &request.trailers,
        complete: request.complete,
    }
    .write(to);
}
