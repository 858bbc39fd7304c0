//! The files that values of a scenario stand in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::format::{
    Action, Bytes, Expect, FaultEffect, FaultSpec, HeaderExpect, LogPattern, PartContent,
    PeerReply, Step, Text,
};
use super::load::Scenario;

/// A file that a value stands in and that cannot be read.
pub(super) struct Unreadable {
    /// The file as the scenario names it.
    pub(super) named: PathBuf,
    pub(super) path: PathBuf,
    pub(super) source: std::io::Error,
}

/// Reads the files that the scenario's values stand in.
pub(super) fn read_files(scenario: &mut Scenario, base: &Path) -> Result<(), Unreadable> {
    let mut outcome = Ok(());
    each_value(scenario, &mut |bytes| {
        if let Some(file) = bytes.file()
            && outcome.is_ok()
        {
            let (named, path) = (file.to_owned(), base.join(file));
            match std::fs::read(&path) {
                Ok(contents) => bytes.fill(contents),
                Err(source) => {
                    outcome = Err(Unreadable {
                        named,
                        path,
                        source,
                    });
                }
            }
        }
    });
    outcome
}

/// Calls `visit` for everything in a scenario that may stand in a file.
fn each_value(scenario: &mut Scenario, visit: &mut dyn FnMut(&mut Bytes)) {
    let setup = &mut scenario.setup;
    setup.configuration.iter_mut().for_each(&mut *visit);
    setup.vm_configuration.iter_mut().for_each(&mut *visit);
    for plugin in &mut scenario.plugins {
        let texts = [&mut plugin.configuration, &mut plugin.vm_configuration];
        texts.into_iter().flatten().for_each(&mut *visit);
    }
    for function in setup.foreign_functions.values_mut() {
        function.result.iter_mut().for_each(&mut *visit);
    }
    for rule in scenario.grpc.values_mut().flatten() {
        let texts = [&mut rule.service, &mut rule.method, &mut rule.message];
        for text in texts.into_iter().flatten() {
            text.bytes_mut().iter_mut().for_each(&mut *visit);
        }
        for reply in &mut rule.replies {
            reply.messages.iter_mut().for_each(&mut *visit);
            let metadata = reply.initial_metadata.values_mut();
            metadata
                .chain(reply.trailers.values_mut())
                .for_each(&mut *visit);
        }
    }
    let rules = scenario.clusters.values_mut().flatten();
    for rule in rules.chain(&mut scenario.upstream) {
        for text in rule.method.iter_mut().chain(&mut rule.path) {
            text.bytes_mut().iter_mut().for_each(&mut *visit);
        }
        rule.replies
            .iter_mut()
            .for_each(|reply| reply_values(reply, visit));
    }
    scenario
        .faults
        .iter_mut()
        .for_each(|fault| fault_values(fault, visit));
    let looks = [&mut scenario.start.expect, &mut scenario.finally.expect];
    for expect in looks.into_iter().flatten() {
        expect_values(expect, visit);
    }
    for step in &mut scenario.steps {
        step_values(step, visit);
    }
}

/// Calls `visit` for everything in a step that need not be plain text.
pub(super) fn step_values(step: &mut Step, visit: &mut dyn FnMut(&mut Bytes)) {
    match &mut step.action {
        Some(Action::Request(request)) => {
            let parts = [
                &mut request.method,
                &mut request.path,
                &mut request.authority,
                &mut request.scheme,
                &mut request.body,
            ];
            parts.into_iter().flatten().for_each(&mut *visit);
            request.chunks.iter_mut().for_each(&mut *visit);
            request.headers.values_mut().for_each(&mut *visit);
            request.trailers.values_mut().for_each(&mut *visit);
        }
        Some(Action::Body(body)) => {
            body.chunks.iter_mut().for_each(&mut *visit);
            body.trailers.values_mut().for_each(&mut *visit);
        }
        Some(Action::Reply(reply)) => reply_values(reply, visit),
        Some(Action::Configure(configuration)) => visit(configuration),
        Some(Action::Fault(fault)) => fault_values(fault, visit),
        Some(Action::ReplyBody(body)) => {
            body.chunks.iter_mut().for_each(&mut *visit);
            body.trailers.values_mut().for_each(&mut *visit);
        }
        Some(Action::ClientSends(sent) | Action::UpstreamSends(sent)) => {
            sent.chunks.iter_mut().for_each(&mut *visit);
        }
        Some(
            Action::SharedData(data)
            | Action::Enqueue(data)
            | Action::Metadata(data)
            | Action::ReplyMetadata(data),
        ) => {
            data.values_mut().for_each(&mut *visit);
        }
        Some(
            Action::Disconnect
            | Action::Advance(_)
            | Action::WallClock(_)
            | Action::Drain
            | Action::Connect(_)
            | Action::FlushStats
            | Action::Remove
            | Action::ShutDown
            | Action::ClearFaults,
        )
        | None => {}
    }
    if let Some(expect) = &mut step.expect {
        expect_values(expect, visit);
    }
}

fn reply_values(reply: &mut PeerReply, visit: &mut dyn FnMut(&mut Bytes)) {
    if let PeerReply::Response(response) = reply {
        response.body.iter_mut().for_each(&mut *visit);
        response.chunks.iter_mut().for_each(&mut *visit);
        response.headers.values_mut().for_each(&mut *visit);
        response.trailers.values_mut().for_each(&mut *visit);
        for part in &mut response.parts {
            match &mut part.content {
                PartContent::Body(body) => visit(body),
                PartContent::Trailers(trailers) => trailers.values_mut().for_each(&mut *visit),
                PartContent::Reset => {}
            }
        }
    }
}

fn fault_values(fault: &mut FaultSpec, visit: &mut dyn FnMut(&mut Bytes)) {
    if let FaultEffect::Bytes(bytes) = &mut fault.effect {
        visit(bytes);
    }
}

fn expect_values(expect: &mut Expect, visit: &mut dyn FnMut(&mut Bytes)) {
    let mut texts: Vec<&mut Text> = Vec::new();
    let mut headers: Vec<&mut HeaderExpect> = Vec::new();
    texts.extend(
        [
            &mut expect.details,
            &mut expect.body,
            &mut expect.trap,
            &mut expect.refused,
        ]
        .into_iter()
        .flatten(),
    );
    headers.extend(expect.headers.iter_mut().chain(&mut expect.trailers));
    texts.extend(pairs(&mut expect.headers_in_order));
    if let Some(upstream) = &mut expect.upstream {
        texts.extend(upstream.body.iter_mut().chain(&mut upstream.cluster));
        texts.extend(pairs(&mut upstream.headers_in_order));
        let frames = upstream.metadata.iter_mut().flatten();
        texts.extend(frames.flat_map(BTreeMap::values_mut));
        headers.extend(upstream.headers.iter_mut().chain(&mut upstream.trailers));
    }
    if let Some(connection) = &mut expect.connection {
        let sides = connection.to_upstream.iter_mut();
        texts.extend(sides.chain(&mut connection.to_client));
    }
    headers.extend(&mut expect.queues);
    if let Some(local) = &mut expect.local_response {
        texts.extend(local.details.iter_mut().chain(&mut local.body));
        headers.extend(&mut local.headers);
    }
    for callout in expect.callouts.iter_mut().flatten() {
        texts.extend(callout.cluster.iter_mut().chain(&mut callout.body));
        headers.extend(callout.headers.iter_mut().chain(&mut callout.trailers));
    }
    for event in expect.grpc.iter_mut().flatten() {
        let parts = [
            &mut event.cluster,
            &mut event.service,
            &mut event.method,
            &mut event.message,
        ];
        texts.extend(parts.into_iter().flatten());
        headers.extend(&mut event.initial_metadata);
    }
    let frames = expect.metadata.iter_mut().flatten();
    texts.extend(frames.flat_map(BTreeMap::values_mut));
    let tables = expect
        .filter_state
        .iter_mut()
        .chain(&mut expect.shared_data);
    texts.extend(tables.flat_map(BTreeMap::values_mut));
    let lines = expect.log.iter_mut().chain(&mut expect.log_in_order);
    texts.extend(
        lines
            .flatten()
            .map(|line: &mut LogPattern| &mut line.message),
    );
    texts.extend(headers.into_iter().flat_map(HeaderExpect::texts_mut));
    for text in texts {
        text.bytes_mut().iter_mut().for_each(&mut *visit);
    }
}

fn pairs(list: &mut Option<Vec<(String, Text)>>) -> impl Iterator<Item = &mut Text> {
    list.iter_mut().flatten().map(|(_, text)| text)
}
