//! The part of the configuration that names a feed.

use super::written::{Faults, is_environment_name};
use super::{ConfigRule, SyncConfig};
use crate::canonical::validate_host;
use crate::feed::{Patience, PublicKey, PublicKeys, Source, TIMEOUT, WAIT};
use crate::id::is_id;
use crate::json::record;
use crate::time::Seconds;

/// While all is well, contact is at most so long ago: an alarm before that would be a false one.
const LONGEST_POLL: Seconds = Seconds::new(WAIT.as_secs() + TIMEOUT.as_secs());

/// A policy that is read from a feed.
pub(super) struct WrittenSync {
    feed: String,
    cluster: String,
    authority: String,
    credential_env: String,
    public_keys: Vec<String>,
    warn_after: Seconds,
    deny_after: Seconds,
}

record!(WrittenSync {
    feed: or("default".to_owned()),
    cluster,
    authority,
    credential_env,
    public_keys,
    warn_after: or(Seconds::new(5 * 60)),
    deny_after: or(Seconds::new(60 * 60)),
});

impl WrittenSync {
    /// Checks everything but the credential, which only the gateway has.
    pub(super) fn check(&self, faults: &mut Faults) -> Option<SyncConfig> {
        if !is_id(&self.feed) {
            faults.add("sync.feed", ConfigRule::Id(self.feed.clone()));
        }
        if self.cluster.is_empty() || !self.cluster.bytes().all(|byte| byte.is_ascii_graphic()) {
            faults.add("sync.cluster", ConfigRule::Cluster);
        }
        let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) => host,
            _ => &self.authority,
        };
        if let Err(rule) = validate_host(host) {
            faults.add("sync.authority", ConfigRule::Host(rule));
        }
        if !is_environment_name(&self.credential_env) {
            let rule = ConfigRule::EnvironmentName(self.credential_env.clone());
            faults.add("sync.credential_env", rule);
        }
        if self.public_keys.is_empty() {
            faults.add("sync.public_keys", ConfigRule::EmptyList);
        }
        let mut keys = Vec::with_capacity(self.public_keys.len());
        for (at, text) in self.public_keys.iter().enumerate() {
            let rule = match PublicKey::parse(text) {
                Ok(key) if !keys.contains(&key) => {
                    keys.push(key);
                    continue;
                }
                Ok(_) => ConfigRule::Duplicate(text.clone()),
                Err(fault) => ConfigRule::PublicKey(fault),
            };
            faults.add(format!("sync.public_keys[{at}]"), rule);
        }
        if self.warn_after >= self.deny_after {
            faults.add("sync.warn_after", ConfigRule::WarnAfterDeny);
        }
        if self.warn_after < LONGEST_POLL {
            faults.add("sync.warn_after", ConfigRule::WarnTooSoon);
        }
        Some(SyncConfig {
            source: Source {
                feed: self.feed.clone(),
                keys: PublicKeys::new(keys),
                patience: Patience {
                    warn_after: self.warn_after,
                    deny_after: self.deny_after,
                },
            },
            cluster: self.cluster.clone(),
            authority: self.authority.clone(),
            credential_env: self.credential_env.clone(),
        })
    }
}
