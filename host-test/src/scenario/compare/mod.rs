//! A scenario in this host and in a real Envoy: what the client, the upstream and the guest see of each.
//!
//! Each side leaves a [`Trace`] with a comment for each step, the lines of the boundary, and at a step's end what came of it:
//! `# answer …` for the client, `# upstream …` and `# call …` for what peers got. So a difference reads like one of traces.

mod client;
mod envoy_side;
mod host_side;
mod mask;
mod record;
mod tcp;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::Scenario;
use super::format::{Action, Bytes, PeerReply, PeerResponse, Rule, Step};
use crate::envoy::EnvoyError;
use crate::module::{LoadError, Module};
use crate::trace::{self, Difference, Trace};

/// How long clusters and the upstream take at least. So `x-envoy-upstream-service-time` has three figures on a slow machine, too, and
/// a call's reply comes before the upstream's.
const CALL: std::time::Duration = std::time::Duration::from_millis(100);
const UPSTREAM: std::time::Duration = std::time::Duration::from_millis(130);

/// So much time may pass in a scenario that Envoy is to play: there it is real.
const LONGEST_ADVANCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What came of a scenario on both sides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// The scenario's file and name.
    pub file: PathBuf,
    /// The scenario's name.
    pub name: String,
    /// What came of it in this host.
    pub host: Trace,
    /// What came of it in Envoy.
    pub envoy: Trace,
}

/// Why scenarios cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A scenario does something that a real Envoy cannot be told to do.
    #[error("{}: {name}: {reason}", .file.display())]
    NotForEnvoy {
        /// The scenario's file.
        file: PathBuf,
        /// The scenario's name.
        name: String,
        /// What it does.
        reason: String,
    },
    /// The module is no good for this host.
    #[error("{}: {source}", .path.display())]
    Module {
        /// The module.
        path: PathBuf,
        /// What is wrong with it.
        source: LoadError,
    },
    /// Envoy does not do its part.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// A file or a socket fails.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Comparison {
    /// How the two differ: with `-` what Envoy has, with `+` what this host has. Addresses of the guest's memory are the same on
    /// both sides, and so are not masked. UUIDs, JWTs, dates and instants are, in what guests log and in what client and peers
    /// get: they are random, or real.
    pub fn difference(&self) -> Difference {
        trace::diff(&self.envoy, &self.host)
    }

    /// The same without what these expressions match in what guests log and in what client and peers get: ids that a guest makes
    /// of random numbers.
    pub fn difference_but_for(&self, ignored: &[Regex]) -> Difference {
        trace::diff(&self.envoy.without(ignored), &self.host.without(ignored))
    }
}

/// Plays the scenarios of one file in this host.
///
/// # Errors
/// [`CompareError`], if a scenario does something that cannot be compared, or its module is no good.
pub fn in_host(scenarios: &[Scenario]) -> Result<Vec<Trace>, CompareError> {
    let scenarios = prepared(scenarios)?;
    let mut modules = Modules::new();
    let played = scenarios.iter().map(|one| played(one, &mut modules));
    played.map(|played| Ok(played?.0)).collect()
}

/// Plays the scenarios of one file in this host and in this Envoy, one after another. Each has VMs of its own in one process.
///
/// # Errors
/// [`CompareError`], if a scenario does something that a real Envoy cannot be told to do, or if Envoy does not run.
pub fn against_envoy(
    scenarios: &[Scenario],
    envoy: &Path,
) -> Result<Vec<Comparison>, CompareError> {
    let scenarios = prepared(scenarios)?;
    let mut modules = Modules::new();
    let played = scenarios.iter().map(|one| played(one, &mut modules));
    let played = played.collect::<Result<Vec<_>, _>>()?;
    let envoys = envoy_side::play(&scenarios, &played, envoy)?;
    let sides = scenarios.iter().zip(played).zip(envoys);
    Ok(sides
        .map(|((scenario, (host, _)), envoy)| Comparison {
            file: scenario.file.clone(),
            name: scenario.name.clone(),
            host,
            envoy,
        })
        .collect())
}

/// What the host's side left, and how each step went there.
type Played = (Trace, Vec<host_side::StepSeen>);

/// Modules by their paths: most scenarios of a file have the same.
type Modules = BTreeMap<PathBuf, Module>;

fn played(scenario: &Scenario, modules: &mut Modules) -> Result<Played, CompareError> {
    let path = module_of(scenario)?;
    let module = match modules.entry(path.to_owned()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            let module = Module::from_file(path).map_err(|source| CompareError::Module {
                path: path.to_owned(),
                source,
            })?;
            unknown.insert(module)
        }
    };
    host_side::play(scenario, module).map_err(|reason| not_for_envoy(scenario, &reason))
}

fn module_of(scenario: &Scenario) -> Result<&Path, CompareError> {
    let module = scenario.module.as_deref();
    module.ok_or_else(|| not_for_envoy(scenario, "it names no module"))
}

fn not_for_envoy(scenario: &Scenario, reason: &str) -> CompareError {
    CompareError::NotForEnvoy {
        file: scenario.file.clone(),
        name: scenario.name.clone(),
        reason: reason.to_owned(),
    }
}

/// The scenarios as both sides can play them.
fn prepared(scenarios: &[Scenario]) -> Result<Vec<Scenario>, CompareError> {
    let prepared = scenarios.iter().enumerate().map(|(index, scenario)| {
        check(scenario).map_err(|reason| not_for_envoy(scenario, &reason))?;
        let mut scenario = scenario.clone();
        // VMs with one id share data, in Envoy even those of different scenarios.
        scenario
            .setup
            .vm_id
            .get_or_insert_with(|| format!("vm-{index}"));
        if scenario.upstream.is_empty() {
            scenario.upstream = empty_answers();
        }
        for rules in scenario
            .clusters
            .values_mut()
            .filter(|rules| rules.is_empty())
        {
            *rules = empty_answers();
        }
        let upstream = scenario.upstream.iter_mut().map(|rule| (rule, UPSTREAM));
        let clusters = scenario.clusters.values_mut().flatten();
        for (rule, takes) in upstream.chain(clusters.map(|rule| (rule, CALL))) {
            for reply in &mut rule.replies {
                frame(reply, takes);
            }
        }
        Ok(scenario)
    });
    prepared.collect()
}

fn empty_answers() -> Vec<Rule> {
    let response = PeerResponse {
        status: 200,
        ..PeerResponse::default()
    };
    vec![Rule {
        method: None,
        path: None,
        replies: vec![PeerReply::Response(response)],
    }]
}

/// On a real connection the end of a response has to be told, and it takes its time.
fn frame(reply: &mut PeerReply, takes: std::time::Duration) {
    if let PeerReply::Response(response) = reply {
        response.delay = response.delay.max(takes);
        let bare =
            response.body.is_none() && response.chunks.is_empty() && response.trailers.is_empty();
        if bare && !matches!(response.status, 100..200 | 204 | 304) {
            response.body = Some(Bytes::default());
        }
    }
}

fn check(scenario: &Scenario) -> Result<(), String> {
    if !scenario.faults.is_empty() {
        return Err("Envoy knows no faults".to_owned());
    }
    if scenario.setup.envoy_headers == Some(false) {
        return Err("Envoy adds its headers".to_owned());
    }
    let tcp = tcp::is_tcp(scenario);
    let others = scenario.plugins.iter().any(|plugin| {
        let plain = plugin.module.is_none() && plugin.vm_configuration.is_none();
        !plain || plugin.vm_id.is_some() || plugin.root_id.is_some()
    });
    if tcp && others {
        return Err("plugins with VMs of their own kind are not compared".to_owned());
    }
    if (!tcp && !scenario.plugins.is_empty()) || !scenario.routes.is_empty() {
        return Err("chains of several plugins and routes are not compared".to_owned());
    }
    if !scenario.setup.dns.is_empty() || scenario.setup.capabilities.is_some() {
        return Err("names and capabilities are not compared".to_owned());
    }
    let rules = scenario
        .upstream
        .iter()
        .chain(scenario.clusters.values().flatten());
    for reply in rules.flat_map(|rule| &rule.replies) {
        match reply {
            PeerReply::Manual => {
                return Err(
                    "a peer that waits for a step (`manual`) is only in this host".to_owned(),
                );
            }
            PeerReply::Response(response) if response.unfinished || !response.parts.is_empty() => {
                return Err("a response in `parts` is only in this host".to_owned());
            }
            _ => {}
        }
    }
    scenario.steps.iter().try_for_each(check_step)
}

fn check_step(step: &Step) -> Result<(), String> {
    if !step.save.is_empty() {
        return Err("what a step saves is not compared".to_owned());
    }
    match &step.action {
        Some(Action::Request(request)) if !request.properties.is_empty() => {
            Err("properties of a request are only in this host".to_owned())
        }
        Some(Action::Request(request)) if request.source.is_some() || request.worker.is_some() => {
            Err("a request's `source` and `worker` cannot be chosen in Envoy".to_owned())
        }
        Some(Action::Advance(by)) if *by > LONGEST_ADVANCE => {
            Err(format!("time is real in Envoy, and {by:?} are too long"))
        }
        Some(Action::Connect(connecting))
            if connecting.worker.is_some() || connecting.plugins.is_some() =>
        {
            Err("a connection's `worker` and `plugins` cannot be chosen in Envoy".to_owned())
        }
        Some(Action::Connect(_) | Action::ClientSends(_) | Action::UpstreamSends(_)) => Ok(()),
        None
        | Some(Action::Request(_) | Action::Body(_) | Action::Disconnect | Action::Advance(_)) => {
            Ok(())
        }
        Some(_) => Err("it has a step that only this host can do".to_owned()),
    }
}

/// What a step does, for a comment.
fn step_name(index: usize, step: &Step) -> String {
    let what = match &step.action {
        Some(Action::Request(request)) => {
            let method = request.method.as_ref().map_or(&b"GET"[..], Bytes::as_slice);
            let path = request.path.as_ref().map_or(&b"/"[..], Bytes::as_slice);
            format!("{} {}", method.escape_ascii(), path.escape_ascii())
        }
        Some(Action::Connect(_)) => "connect".to_owned(),
        Some(Action::ClientSends(_)) => "client".to_owned(),
        Some(Action::UpstreamSends(_)) => "upstream".to_owned(),
        Some(Action::Body(_)) => "body".to_owned(),
        Some(Action::Disconnect) => "disconnect".to_owned(),
        Some(Action::Advance(by)) => format!("advance {by:?}"),
        _ => "look".to_owned(),
    };
    format!("step {}: {what}", index + 1)
}
