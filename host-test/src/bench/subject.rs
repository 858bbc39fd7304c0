//! One module that is measured.

use std::time::{Duration, Instant};

use super::costs::Costs;
use super::time::{Timer, Took};
use super::{BenchError, LoadTimes, Options, STARTS};
use crate::exchange::{AnsweredBy, Callback, Exchange};
use crate::functions::Export;
use crate::host::Host;
use crate::module::Module;
use crate::plugins::PluginId;
use crate::request::Request;

/// One module that is measured, running.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) load: Option<LoadTimes>,
    /// From a compiled module to one that has taken its configuration, the trial in a VM of its own
    /// included: the shortest of several times.
    pub(super) start: Duration,
    pub(super) costs: Costs,
    /// How long each round took.
    pub(super) rounds: Vec<Took>,
    pub(super) findings: usize,
    host: Host,
    plugin: PluginId,
}

impl Subject {
    pub(super) fn start(
        name: &str,
        module: &Module,
        load: Option<LoadTimes>,
        options: &Options,
    ) -> Result<Self, BenchError> {
        let mut shortest = Duration::MAX;
        let mut running = None;
        for _ in 0..STARTS {
            let start = Instant::now();
            let started = started(name, module, options)?;
            shortest = shortest.min(start.elapsed());
            running = Some(started);
        }
        let (host, plugin) = running.ok_or(BenchError::Nothing)?;
        Ok(Self {
            name: name.to_owned(),
            load,
            start: shortest,
            costs: Costs::default(),
            rounds: Vec::new(),
            findings: 0,
            host,
            plugin,
        })
    }

    /// Sends the request once, to see that filters get to see it.
    pub(super) fn try_out(&mut self, request: &Request) -> Result<(), BenchError> {
        let exchange = self.request(request)?;
        let seen = |callback: &Callback| callback.name == Export::RequestHeaders.name();
        if exchange.answered_by == AnsweredBy::Host && !exchange.callbacks.iter().any(seen) {
            return Err(BenchError::NotLetIn {
                name: self.name.clone(),
                status: exchange.status(),
                details: exchange.details,
            });
        }
        Ok(())
    }

    /// Sends requests, and how long they took.
    pub(super) fn round(&mut self, request: &Request, requests: u32) -> Result<Took, BenchError> {
        let timer = Timer::start();
        for _ in 0..requests {
            self.request(request)?;
        }
        let took = timer.stop();
        // Callbacks of root contexts gather until somebody takes them.
        self.host.take_callbacks();
        Ok(took)
    }

    fn request(&mut self, request: &Request) -> Result<Exchange, BenchError> {
        let exchange = self.host.request(self.plugin, request.clone());
        match exchange.trap {
            None => Ok(exchange),
            Some(reason) => Err(BenchError::Died {
                name: self.name.clone(),
                reason,
            }),
        }
    }

    pub(super) fn measure(&mut self, request: &Request, requests: u32) -> Result<(), BenchError> {
        let took = self.round(request, requests)?;
        self.rounds.push(took);
        self.findings = self.host.diagnostics().len();
        Ok(())
    }

    /// Sends requests, and adds up what their callbacks cost.
    pub(super) fn count(&mut self, request: &Request, requests: u32) -> Result<(), BenchError> {
        for _ in 0..requests {
            let exchange = self.host.request(self.plugin, request.clone());
            self.costs.add(&exchange.callbacks);
        }
        Ok(())
    }
}

fn started(name: &str, module: &Module, options: &Options) -> Result<(Host, PluginId), BenchError> {
    let mut builder = Host::builder(module)
        .vm_id(&options.vm_id)
        .diagnose(options.diagnostics)
        .on_log(|_line| {});
    if let Some(seconds) = options.wall_clock {
        builder = builder.wall_clock_secs(seconds);
    }
    for (key, value) in &options.environment {
        builder = builder.environment(key, value);
    }
    let mut host = builder.build();
    // The built-in guests take any configuration.
    let plugin =
        host.add_plugin(&options.configuration)
            .map_err(|refused| BenchError::Refused {
                name: name.to_owned(),
                source: Box::new(refused),
            })?;
    Ok((host, plugin))
}
