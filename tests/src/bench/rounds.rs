//! The rounds: every contestant once in each, in an order of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::contestants::{Contestant, chain};
use super::cpu::Spent;
use super::gateway::Gateway;
use super::load::{self, Load};
use super::population::{Population, Size};
use super::seeded::Seeded;
use super::traffic::encode;
use crate::fixture::now;
use crate::{Error, Result};

/// Connections that the generator goes round.
pub const CONNECTIONS: usize = 8;

/// A share of its turn that Envoy may be held up before the turn counts as disturbed.
pub const QUIET: f64 = 0.02;

/// A share of its turn that Envoy must be running before it is Envoy that is measured and not the generator's pace.
pub const BUSY: f64 = 0.90;

/// How often a disturbed turn is tried in all. What decides is whether something else ran, not what the turn's figure is.
const ATTEMPTS: usize = 3;

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds that count.
    pub rounds: usize,
    /// Requests of each contestant in each of them.
    pub requests: usize,
    /// What the order of contestants, and everything else that is drawn, follows from.
    pub seed: u64,
}

/// What one contestant's turn in one round came to.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Microseconds of CPU time of the whole Envoy process for one request.
    pub envoy: f64,
    /// Microseconds of CPU time of the load generator for one request.
    pub generator: f64,
    /// Requests in a second.
    pub rate: f64,
    /// The share of the turn in which Envoy was running: near 1, it is Envoy that sets the pace.
    pub busy: f64,
    /// The share of the turn in which a task of Envoy was ready to run and something else had its CPU: near 0 on a quiet
    /// machine.
    pub held_up: f64,
}

impl Turn {
    /// Whether something else ran on one of the two CPUs, so that the figure is not Envoy's alone.
    pub fn is_disturbed(&self) -> bool {
        self.busy < BUSY || self.held_up > QUIET
    }
}

/// All turns of all contestants, by name.
pub type Turns = BTreeMap<&'static str, Vec<Turn>>;

/// Runs a round to warm up, which does not count, and then those that do.
///
/// # Errors
///
/// When Envoy ends, or answers anything with another status than the right one.
pub fn run(
    gateway: &mut Gateway,
    populations: &BTreeMap<Size, Population>,
    contestants: &[&'static Contestant],
    plan: &Plan,
    mut progress: impl FnMut(usize),
) -> Result<Turns> {
    let mut numbers = Seeded::new(plan.seed);
    let mut turns = Turns::new();
    let mut order = contestants.to_vec();
    for round in 0..=plan.rounds {
        progress(round);
        numbers.shuffle(&mut order);
        for contestant in &order {
            let population = populations
                .get(&chain(contestant)?.size)
                .ok_or_else(|| Error::Fixture(format!("no policy for {}", contestant.name)))?;
            let mut turn = take_turn(gateway, population, contestant, plan, &mut numbers)?;
            for _ in 1..ATTEMPTS {
                if round == 0 || !turn.is_disturbed() {
                    break;
                }
                turn = take_turn(gateway, population, contestant, plan, &mut numbers)?;
            }
            if round > 0 {
                turns.entry(contestant.name).or_default().push(turn);
            }
        }
    }
    Ok(turns)
}

fn take_turn(
    gateway: &mut Gateway,
    population: &Population,
    contestant: &Contestant,
    plan: &Plan,
    numbers: &mut Seeded,
) -> Result<Turn> {
    let planned = contestant.traffic.plan(
        population,
        plan.requests,
        contestant.padding,
        now(),
        numbers,
    )?;
    let requests: Vec<Vec<u8>> = planned.iter().map(encode).collect();
    let load = Load {
        address: gateway.address(contestant)?,
        requests: &requests,
        count: plan.requests,
        connections: CONNECTIONS,
        status: contestant.status(),
    };
    if contestant.traffic.repeats() {
        let once = Load {
            count: requests.len(),
            ..load
        };
        send(gateway, contestant, &once)?;
    }

    let (envoy, generator) = (gateway.spent()?, Spent::of(std::process::id())?);
    let elapsed = send(gateway, contestant, &load)?;
    let envoy = gateway.spent()?.since(envoy);
    let generator = Spent::of(std::process::id())?.since(generator);

    let count = plan.requests as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count;
    Ok(Turn {
        envoy: micros(envoy.running),
        generator: micros(generator.running),
        rate: count / elapsed.as_secs_f64(),
        busy: envoy.running.as_secs_f64() / elapsed.as_secs_f64(),
        held_up: envoy.waiting.as_secs_f64() / elapsed.as_secs_f64(),
    })
}

fn send(gateway: &mut Gateway, contestant: &Contestant, load: &Load<'_>) -> Result<Duration> {
    load::run(load).map_err(|error| match gateway.must_run() {
        Ok(()) => Error::Fixture(format!("{}: {error}", contestant.name)),
        Err(ended) => ended,
    })
}
