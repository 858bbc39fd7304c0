//! What a run came to.

use serde_json::{Value, json};

use super::contestants::{Contestant, EXT_AUTHZ, find};
use super::rounds::{BUSY, CONNECTIONS, Plan, QUIET, Turn, Turns};
use super::statistics::{Comparison, Estimate, median};
use crate::{Error, Result};

/// Where and with what a run took place.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The processor, as the kernel calls it.
    pub processor: String,
    /// How many of them the system has.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Envoy's version, as it says it.
    pub envoy: String,
    /// Of the filter: its size in bytes and SHA-256.
    pub module: (u64, String),
    /// How the rounds went.
    pub plan: Plan,
    /// Envoy's memory in use after the last round, in bytes.
    pub resident: u64,
}

/// One contestant's row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who.
    pub contestant: &'static Contestant,
    /// The median of Envoy's CPU time for one request, in microseconds.
    pub envoy: f64,
    /// The median less that of the baseline, in microseconds.
    pub added: f64,
    /// What is added, in parts of what the reference adds.
    pub ratio: Estimate,
    /// The median of requests in a second.
    pub rate: f64,
    /// All turns.
    pub turns: Vec<Turn>,
}

impl Row {
    /// Whether the whole interval is within the bound. `None`: there is no bound.
    pub fn holds(&self) -> Option<bool> {
        self.contestant.must.map(|must| self.ratio.high <= must)
    }
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Results {
    /// Where and with what.
    pub circumstances: Circumstances,
    /// The table.
    pub rows: Vec<Row>,
}

impl Results {
    /// Compares every contestant with those that it is compared with.
    ///
    /// # Errors
    ///
    /// When one of those has no turns.
    pub fn new(
        circumstances: Circumstances,
        contestants: &[&'static Contestant],
        turns: &Turns,
    ) -> Result<Self> {
        let of = |name: &str| {
            turns
                .get(name)
                .ok_or_else(|| Error::Fixture(format!("{name} has no turns")))
        };
        let envoy = |turns: &[Turn]| turns.iter().map(|turn| turn.envoy).collect::<Vec<f64>>();
        let mut rows = Vec::new();
        for contestant in contestants {
            let reference = find(contestant.reference)?;
            let own = of(contestant.name)?;
            let value = envoy(own);
            let baseline = envoy(of(contestant.baseline)?);
            let ratio = Comparison {
                value: &value,
                baseline: &baseline,
                reference: &envoy(of(reference.name)?),
                reference_baseline: &envoy(of(reference.baseline)?),
            };
            rows.push(Row {
                contestant,
                envoy: median(&value),
                added: median(&value) - median(&baseline),
                ratio: ratio.estimate(circumstances.plan.seed),
                rate: median_of(own, |turn| turn.rate),
                turns: own.clone(),
            });
        }
        Ok(Self {
            circumstances,
            rows,
        })
    }

    /// What speaks against the figures, in sentences; nothing, if nothing does.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let held_up = self.median_of(|turn| turn.held_up);
        if held_up > QUIET {
            doubts.push(format!(
                "something else had Envoy's CPU for {:.1} % of the time",
                held_up * 100.0
            ));
        }
        let idle: Vec<&str> = self
            .rows
            .iter()
            .filter(|row| median_of(&row.turns, |turn| turn.busy) < BUSY)
            .map(|row| row.contestant.name)
            .collect();
        if !idle.is_empty() {
            doubts.push(format!(
                "the generator, or something else on its CPU, set the pace, and Envoy was running less than {:.0} % of the time, \
                 for {}",
                BUSY * 100.0,
                idle.join(", ")
            ));
        }
        doubts
    }

    /// How many turns were disturbed, tried anew though they were, and how many there are.
    pub fn disturbed(&self) -> (usize, usize) {
        let turns = || self.rows.iter().flat_map(|row| &row.turns);
        let disturbed = turns().filter(|turn| turn.is_disturbed()).count();
        (disturbed, turns().count())
    }

    /// The median over all turns of all contestants.
    pub fn median_of(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        let turns: Vec<Turn> = self.rows.iter().flat_map(|row| row.turns.clone()).collect();
        median_of(&turns, figure)
    }

    /// What a row adds, in parts of what `ext_authz` adds, if that took part.
    pub fn to_ext_authz(&self, row: &Row) -> Option<f64> {
        let other = self
            .rows
            .iter()
            .find(|row| row.contestant.name == EXT_AUTHZ)?;
        Some(row.added / other.added)
    }

    /// Everything, every turn included.
    pub fn to_json(&self) -> Value {
        let Circumstances {
            processor,
            processors,
            kernel,
            envoy,
            module: (bytes, sha256),
            plan,
            resident,
        } = &self.circumstances;
        json!({
            "processor": processor,
            "processors": processors,
            "kernel": kernel,
            "envoy": envoy,
            "module": { "bytes": bytes, "sha256": sha256 },
            "seed": plan.seed,
            "rounds": plan.rounds,
            "requests": plan.requests,
            "connections": CONNECTIONS,
            "envoy_resident_bytes": resident,
            "disturbed_turns": self.disturbed().0,
            "doubts": self.doubts(),
            "contestants": self.rows.iter().map(row_to_json).collect::<Vec<_>>(),
        })
    }
}

fn median_of(turns: &[Turn], figure: impl Fn(&Turn) -> f64) -> f64 {
    median(&turns.iter().map(figure).collect::<Vec<f64>>())
}

fn row_to_json(row: &Row) -> Value {
    let turns: Vec<Value> = row
        .turns
        .iter()
        .map(|turn| {
            json!({
                "envoy_us": turn.envoy,
                "generator_us": turn.generator,
                "requests_per_second": turn.rate,
                "envoy_busy": turn.busy,
                "envoy_held_up": turn.held_up,
            })
        })
        .collect();
    json!({
        "name": row.contestant.name,
        "title": row.contestant.title,
        "baseline": row.contestant.baseline,
        "reference": row.contestant.reference,
        "envoy_us": row.envoy,
        "added_us": row.added,
        "ratio": row.ratio.value,
        "ratio_low": row.ratio.low,
        "ratio_high": row.ratio.high,
        "must": row.contestant.must,
        "holds": row.holds(),
        "requests_per_second": row.rate,
        "turns": turns,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::contestants::select;
    use super::*;

    /// A run of three contestants in which nothing varies.
    pub(in crate::bench) fn steady(seen: f64, busy: f64, held_up: f64) -> Results {
        let contestants = select(&["seen".to_owned()]).expect("they are there");
        let turns = |envoy: f64| {
            vec![
                Turn {
                    envoy,
                    generator: 12.0,
                    rate: 1e6 / envoy,
                    busy,
                    held_up,
                };
                5
            ]
        };
        let turns = Turns::from([
            ("none", turns(40.0)),
            ("jwt-authn", turns(80.0)),
            ("seen", turns(seen)),
        ]);
        let circumstances = Circumstances {
            processor: "a processor".to_owned(),
            processors: 2,
            kernel: "6.1".to_owned(),
            envoy: "1.40.0".to_owned(),
            module: (300_000, "ab".repeat(32)),
            plan: Plan {
                rounds: 5,
                requests: 1_000,
                seed: 9,
            },
            resident: 100 << 20,
        };
        Results::new(circumstances, &contestants, &turns).expect("all are there")
    }

    #[test]
    fn a_figure_is_what_the_filter_adds_and_its_ratio_to_the_reference() {
        let results = steady(70.0, 0.99, 0.0);
        let seen = results.rows.last().expect("three rows");
        assert!((seen.added - 30.0).abs() < 1e-9);
        assert!((seen.ratio.value - 0.75).abs() < 1e-9);
        assert_eq!(seen.holds(), Some(true));
        assert_eq!(steady(78.0, 0.99, 0.0).rows[2].holds(), Some(false));
        assert_eq!(results.rows[0].holds(), None);
        assert!(results.doubts().is_empty());
    }

    #[test]
    fn a_row_is_compared_with_ext_authz_only_where_that_took_part() {
        let mut results = steady(70.0, 0.99, 0.0);
        assert_eq!(results.to_ext_authz(&results.rows[2]), None);
        let other = results.rows[1].clone();
        results.rows.push(Row {
            contestant: find(EXT_AUTHZ).expect("it is there"),
            added: 120.0,
            ..other
        });
        let ratio = results.to_ext_authz(&results.rows[2]).expect("it is there");
        assert!((ratio - 0.25).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn a_noisy_machine_and_an_idle_envoy_are_said_beside_the_figures() {
        let doubts = steady(70.0, 0.5, 0.1).doubts();
        assert!(doubts[0].contains("10.0 %"), "{doubts:?}");
        assert!(
            doubts[1].ends_with("for none, jwt-authn, seen"),
            "{doubts:?}"
        );
    }
}
