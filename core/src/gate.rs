//! The gate: one plugin configuration with its policy and keys, and the decision on a request.
//!
//! The decision is one pure function of request, policy, keys and time, so a gateway, the test host and a console give
//! the same one.

mod answer;
mod decide;
mod exchange;
mod metadata;
mod outcome;
mod reissue;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use outcome::{Action, Forward, Outcome, Record, Terms, Value};

use crate::config::{Config, ConfigFault, ConfigRule, Written};
use crate::feed::{Sync, Work};
use crate::keyring::KeyRing;
use crate::policy::document::Document;
use crate::policy::{Phase, Policy};
use crate::random::{Random, RandomFailed};
use crate::roots::RootKeys;
use crate::time::Timestamp;
use reissue::ServiceTokens;

/// Everything that one plugin configuration decides from.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    policy: Policy,
    keys: KeyRing,
    service_tokens: ServiceTokens,
    /// For the keys of the policies that are still to come.
    roots: RootKeys,
    standing: Standing,
}

/// Whether there is a policy to decide by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// There is.
    Good,
    /// None has come yet.
    NoPolicy,
    /// The one there is is too old.
    Stale,
}

impl Gate {
    /// Takes a plugin configuration. Without an inline policy, everything is refused until one has come. `environment` tells
    /// the value of an environment variable; `now` is `None` if the clock is not to be trusted.
    ///
    /// # Errors
    /// Every fault that could be found, each with its path; none of their texts holds a secret.
    pub fn from_json(
        json: &[u8],
        now: Option<Timestamp>,
        environment: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let written = Written::from_json(json)?;
        let (config, document) = written.check(now)?;
        let standing = if document.is_some() {
            Standing::Good
        } else {
            Standing::NoPolicy
        };
        let policy = match document {
            Some(document) => inline(&document)?,
            None => Policy::default(),
        };
        config.check_own_paths(&policy)?;

        let name = &config.root_key_env;
        let fault = |rule| {
            vec![ConfigFault {
                path: "root_key_env".to_owned(),
                rule,
            }]
        };
        let roots =
            environment(name).ok_or_else(|| fault(ConfigRule::RootKeysMissing(name.clone())))?;
        let roots = RootKeys::parse(&roots).map_err(|error| fault(ConfigRule::RootKeys(error)))?;
        let mut gate = Self::new(config, policy, roots).map_err(fault)?;
        gate.standing = standing;
        Ok(gate)
    }

    /// Puts a gate together from its parts.
    fn new(config: Config, policy: Policy, roots: RootKeys) -> Result<Self, ConfigRule> {
        let keys = KeyRing::build(
            policy.keys(),
            &roots,
            &config.issuer,
            &config.token_audience,
        )
        .map_err(|error| ConfigRule::Shape(error.to_string()))?;
        Ok(Self {
            config,
            policy,
            keys,
            service_tokens: ServiceTokens::default(),
            roots,
            standing: Standing::Good,
        })
    }

    /// Does a step of work on the policy that is to come, of about `budget` records, and takes it once it is whole.
    pub fn work(&mut self, sync: &mut Sync, budget: usize, random: &mut dyn Random) -> Work {
        if self.policy.phase() != Phase::Checked {
            return sync.work(&mut self.policy, budget);
        }
        let keys = self.policy.keys().to_vec();
        let epoch = sync.in_force().map(|in_force| in_force.position.epoch);
        let work = sync.work(&mut self.policy, budget);
        if let Work::Switched(in_force) = &work {
            // In another epoch an id may be another token's, so what was made for it is not to be used again.
            if self.policy.keys() != keys || Some(in_force.position.epoch) != epoch {
                self.take_keys(random);
            }
        }
        work
    }

    /// Says whether there is a policy to decide by; while there is none, everything is refused.
    pub fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Whether there is a policy to decide by.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Derives the keys of the policy in force. What was made or verified with those before goes with them. Without keys,
    /// for whatever reason, no token is good and none is made.
    fn take_keys(&mut self, random: &mut dyn Random) {
        let config = &self.config;
        let keys = KeyRing::build(
            self.policy.keys(),
            &self.roots,
            &config.issuer,
            &config.token_audience,
        );
        let remembers = self.keys.remembered().is_some();
        self.keys = keys.unwrap_or_default();
        if remembers {
            // Without randomness tokens are verified anew each time, which is as good and costs more.
            let _remembers = self.keys.remember(random);
        }
        self.service_tokens = ServiceTokens::default();
    }

    /// The same gate, and from now on it remembers which access tokens it has verified. Its decisions are the same; those
    /// on tokens that it has seen before cost less.
    ///
    /// # Errors
    /// [`RandomFailed`]: tokens are found by a keyed hash, and there is no key.
    pub fn remembering(mut self, random: &mut dyn Random) -> Result<Self, RandomFailed> {
        self.keys.remember(random)?;
        Ok(self)
    }

    /// The root keys of this gateway.
    pub fn roots(&self) -> &RootKeys {
        &self.roots
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The keys, by their names and roots; those whose root this gateway lacks are reported by it.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }
}

/// The policy that stands in a configuration.
fn inline(document: &Document) -> Result<Policy, Vec<ConfigFault>> {
    Policy::from_document(document).map_err(|faults| {
        let within = |path: String| {
            if path.is_empty() {
                String::new()
            } else {
                format!(".{path}")
            }
        };
        faults
            .into_iter()
            .map(|fault| ConfigFault {
                path: format!("policy.inline{}", within(fault.path)),
                rule: ConfigRule::Policy(fault.rule),
            })
            .collect()
    })
}
