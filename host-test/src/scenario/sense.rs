//! What each part of a scenario cannot know by itself.

use std::collections::BTreeSet;
use std::path::Path;

use super::bless::Segment;
use super::format::{Action, Headers, PeerReply, RouteTarget, Rule, Step, Workers};
use super::load::{LoadError, Place, Scenario};
use super::places;
use crate::front::check_header;

/// Something that makes no sense, and its key in the scenario if it is one key's fault.
pub(super) struct Wrong {
    key: Vec<Segment>,
    message: String,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        let key = Vec::new();
        Self { key, message }
    }
}

impl From<&str> for Wrong {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl Wrong {
    fn of(keys: &[&str], message: String) -> Self {
        let key = keys.iter().map(|key| Segment::Key((*key).to_owned()));
        let key = key.collect();
        Self { key, message }
    }

    /// The same as an error of the file with this text.
    pub(super) fn placed(self, file: &Path, text: &str, place: Place) -> LoadError {
        let mut path = match place {
            Place::Whole => Vec::new(),
            Place::Listed { index, .. } => {
                vec![Segment::Key("scenario".to_owned()), Segment::Index(index)]
            }
        };
        path.extend(self.key.iter().cloned());
        let placed = (!self.key.is_empty()).then(|| places::of_key(text, &path));
        LoadError::at(file, placed.flatten(), self.message)
    }
}

/// Whether a scenario makes sense as a whole; what is wrong, if it does not.
pub(super) fn check(scenario: &Scenario) -> Result<(), Wrong> {
    let looks = [&scenario.start.expect, &scenario.finally.expect];
    if scenario.steps.is_empty() && looks.iter().all(|look| look.is_none()) {
        return Err(format!("`{}` has no steps", scenario.name).into());
    }
    peers(scenario)?;
    plugins(scenario)?;
    let mut foreign = scenario.setup.foreign_functions.values();
    if foreign.any(|function| function.result.is_some() && function.status.is_some()) {
        return Err("a foreign function has either a `result` or a `status`".into());
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        check_step(scenario, step).map_err(|mut wrong| {
            let step = [Segment::Key("step".to_owned()), Segment::Index(index)];
            wrong.key.splice(..0, step);
            wrong
        })?;
    }
    Ok(())
}

fn check_step(scenario: &Scenario, step: &Step) -> Result<(), Wrong> {
    let known = scenario.plugin_names();
    let there_is = |keys: &[&str], name: &str| match known.contains(&name) {
        true => Ok(()),
        false => Err(Wrong::of(keys, format!("there is no plugin `{name}`"))),
    };
    if let Some(name) = &step.plugin {
        there_is(&["plugin"], name)?;
    }
    match &step.action {
        Some(Action::Reply(PeerReply::Timeout | PeerReply::Manual)) => {
            let message = "what the upstream replies by hand is a response, a `reset` or `refused`";
            Err(Wrong::of(&["reply"], message.to_owned()))
        }
        Some(Action::Request(request)) => {
            for name in request.plugins.iter().flatten() {
                there_is(&["request", "plugins"], name)?;
            }
            let workers = scenario.setup.workers.map_or(1, Workers::get);
            match request.worker {
                Some(worker) if worker >= workers => Err(Wrong::of(
                    &["request", "worker"],
                    format!(
                        "there is no worker {worker}: `host.workers` is {workers}, and they are counted from 0"
                    ),
                )),
                _ => sendable(&request.trailers, &["request", "trailers"]),
            }
        }
        Some(Action::Body(body)) => sendable(&body.trailers, &["body", "trailers"]),
        _ => Ok(()),
    }
}

fn peers(scenario: &Scenario) -> Result<(), Wrong> {
    let mut grpc = scenario.grpc.values().flatten();
    if grpc.any(|rule| rule.replies.is_empty()) {
        return Err("a rule of a gRPC service has no `replies`".into());
    }
    let routed = |name: &String| {
        let mut targets = scenario.routes.iter().map(|route| &route.target);
        targets.any(|target| matches!(target, RouteTarget::Cluster(cluster) if cluster == name))
    };
    let by_hand = |rule: &Rule| {
        rule.replies.iter().any(|reply| match reply {
            PeerReply::Manual => true,
            PeerReply::Response(response) => response.unfinished,
            _ => false,
        })
    };
    let called = scenario.clusters.iter().filter(|(name, _)| !routed(name));
    for (name, rules) in called {
        if rules.iter().any(by_hand) {
            return Err(format!(
                "`manual` and `end = false` are for upstreams, and no route leads to the cluster `{name}`"
            )
            .into());
        }
    }
    Ok(())
}

fn plugins(scenario: &Scenario) -> Result<(), Wrong> {
    let names = scenario.plugin_names();
    let mut known = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !known.insert(**name)) {
        return Err(format!("two plugins have the name `{twice}`").into());
    }
    Ok(())
}

/// Whether trailers can stand on the wire. Of headers the host says it itself, as Envoy would.
fn sendable(trailers: &Headers, keys: &[&str]) -> Result<(), Wrong> {
    for (name, value) in trailers.iter() {
        if check_header(name.as_bytes(), value).is_err() {
            let message = format!("no client can send the trailer `{}`", name.escape_debug());
            return Err(Wrong::of(keys, message));
        }
    }
    Ok(())
}
