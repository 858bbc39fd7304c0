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
use crate::keyring::KeyRing;
use crate::policy::Policy;
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
}

impl Gate {
    /// Takes a plugin configuration with an inline policy. `environment` tells the value of an environment variable; `now`
    /// is `None` if the clock is not to be trusted.
    ///
    /// # Errors
    /// Every fault that could be found, each with its path; none of their texts holds a secret.
    pub fn from_json(
        json: &[u8],
        now: Option<Timestamp>,
        environment: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let written = Written::from_json(json).map_err(|fault| vec![fault])?;
        let (config, document) = written.check(now)?;
        let policy = Policy::from_document(&document).map_err(|faults| {
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
                .collect::<Vec<_>>()
        })?;
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
        Self::new(config, policy, &roots).map_err(fault)
    }

    /// Puts a gate together from its parts.
    fn new(config: Config, policy: Policy, roots: &RootKeys) -> Result<Self, ConfigRule> {
        let keys = KeyRing::build(policy.keys(), roots, &config.issuer, &config.token_audience)
            .map_err(|error| ConfigRule::Shape(error.to_string()))?;
        Ok(Self {
            config,
            policy,
            keys,
            service_tokens: ServiceTokens::default(),
        })
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
