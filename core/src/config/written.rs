//! The plugin configuration as it is written, and the check of everything in it but the policy.

#[cfg(feature = "sync")]
use super::SyncConfig;
#[cfg(feature = "sync")]
use super::sync::WrittenSync;
use super::{
    Config, ConfigFault, ConfigRule, DEFAULT_EXCHANGE_PATH, DEFAULT_KEY_SET_PATH,
    DEFAULT_OAUTH_PATH, FilterState, Identity, Mode, OwnPath,
};
use crate::canonical::{CanonicalPath, validate_host};
use crate::id::{is_id, looks_secret};
use crate::json::{self, record, words};
use crate::order;
use crate::policy::MAX_ACCESS_TOKEN_LIFE;
use crate::policy::document::Document;
use crate::time::{Seconds, Timestamp};

/// How long an access token lives if the configuration does not say.
const DEFAULT_TTL: Seconds = Seconds::new(300);

/// The longest that shadow mode may last.
const MAX_SHADOW: Seconds = Seconds::new(90 * 24 * 3600);

/// The configuration as it is written.
pub(crate) struct Written {
    gateway_id: String,
    hosts: Vec<String>,
    issuer: String,
    token_audience: String,
    root_key_env: String,
    #[cfg(not(feature = "sync"))]
    policy: WrittenPolicy,
    #[cfg(feature = "sync")]
    policy: Option<WrittenPolicy>,
    #[cfg(feature = "sync")]
    sync: Option<WrittenSync>,
    exchange: WrittenExchange,
    identity: Vec<Identity>,
    filter_state: Vec<FilterState>,
    jwks_path: String,
    ready_path: Option<String>,
    mode: WrittenMode,
    shadow_until: Option<Timestamp>,
}

/// The gateway's name in a text that may be refused for any reason, so that the refusal can say whose it is: the first
/// thing that looks like one, since the text need not even be JSON.
pub fn gateway_id_of(json: &[u8]) -> Option<&str> {
    let text = str::from_utf8(json).ok()?;
    let (_, rest) = text.split_once("\"gateway_id\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let (name, _) = value.strip_prefix('"')?.split_once('"')?;
    is_id(name).then_some(name)
}

/// A policy that stands in the configuration.
struct WrittenPolicy {
    inline: Document,
}

struct WrittenExchange {
    ttl: Seconds,
    path: String,
    oauth_path: String,
    form: bool,
}

impl Default for WrittenExchange {
    fn default() -> Self {
        Self {
            ttl: DEFAULT_TTL,
            path: DEFAULT_EXCHANGE_PATH.to_owned(),
            oauth_path: DEFAULT_OAUTH_PATH.to_owned(),
            form: false,
        }
    }
}

#[derive(Clone, Copy, Default)]
enum WrittenMode {
    #[default]
    Enforce,
    Shadow,
}

record!(Written {
    gateway_id,
    hosts,
    issuer,
    token_audience,
    root_key_env,
    #[cfg(not(feature = "sync"))]
    policy,
    #[cfg(feature = "sync")]
    policy: optional,
    #[cfg(feature = "sync")]
    sync: optional,
    exchange: default,
    identity: or(vec![Identity::Person, Identity::Token]),
    filter_state: or(vec![FilterState::Record]),
    jwks_path: or(DEFAULT_KEY_SET_PATH.to_owned()),
    ready_path: optional,
    mode: default,
    shadow_until: optional,
});
record!(WrittenPolicy { inline });
record!(WrittenExchange {
    ttl: or(DEFAULT_TTL),
    path: or(DEFAULT_EXCHANGE_PATH.to_owned()),
    oauth_path: or(DEFAULT_OAUTH_PATH.to_owned()),
    form: default,
});
words!(WrittenMode {
    Enforce = "enforce",
    Shadow = "shadow",
});

/// Collects faults with their paths.
#[derive(Default)]
pub(super) struct Faults(Vec<ConfigFault>);

impl Faults {
    pub(super) fn add(&mut self, path: impl Into<String>, rule: ConfigRule) {
        let path = path.into();
        self.0.push(ConfigFault { path, rule });
    }

    /// A fault for each item of a list that stands there before.
    fn repeated<T: Copy + PartialEq>(
        &mut self,
        list: &str,
        items: &[T],
        name: fn(T) -> &'static str,
    ) {
        for (at, item) in items.iter().enumerate() {
            if items.iter().take(at).any(|earlier| earlier == item) {
                let rule = ConfigRule::Duplicate(name(*item).to_owned());
                self.add(format!("{list}[{at}]"), rule);
            }
        }
    }
}

impl Written {
    /// Reads the JSON; its shape is checked, its content is not.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Vec<ConfigFault>> {
        json::read(json).map_err(|faults| {
            let faults = faults.into_iter().map(|fault| ConfigFault {
                path: fault.path,
                rule: ConfigRule::Shape(fault.text),
            });
            faults.collect()
        })
    }

    /// Checks everything but the policy. `now` is `None` if the clock is not to be trusted.
    pub(crate) fn check(
        self,
        now: Option<Timestamp>,
    ) -> Result<(Config, Option<Document>), Vec<ConfigFault>> {
        let mut faults = Faults::default();
        self.check_names(&mut faults);
        self.check_hosts(&mut faults);
        if self.exchange.ttl.as_secs() == 0 || self.exchange.ttl > MAX_ACCESS_TOKEN_LIFE {
            faults.add("exchange.ttl", ConfigRule::Ttl);
        }
        faults.repeated("identity", &self.identity, |header| header.header());
        faults.repeated("filter_state", &self.filter_state, |part| part.as_str());
        let mode = self.check_mode(now, &mut faults);
        let paths = self.check_paths(&mut faults);
        #[cfg(feature = "sync")]
        let sync = self.check_source(&mut faults);
        if !faults.0.is_empty() {
            return Err(faults.0);
        }
        let mut hosts = Vec::with_capacity(self.hosts.len());
        for host in self.hosts {
            order::insert(&mut hosts, host);
        }
        let config = Config {
            gateway_id: self.gateway_id,
            hosts,
            issuer: self.issuer,
            token_audience: self.token_audience,
            root_key_env: self.root_key_env,
            ttl: self.exchange.ttl,
            form: self.exchange.form,
            identity: self.identity,
            filter_state: self.filter_state,
            mode,
            paths,
            #[cfg(feature = "sync")]
            sync,
        };
        #[cfg(feature = "sync")]
        let policy = self.policy;
        #[cfg(not(feature = "sync"))]
        let policy = Some(self.policy);
        Ok((config, policy.map(|policy| policy.inline)))
    }

    fn check_names(&self, faults: &mut Faults) {
        if !is_id(&self.gateway_id) {
            faults.add("gateway_id", ConfigRule::Id(self.gateway_id.clone()));
        }
        for (path, name) in [
            ("gateway_id", &self.gateway_id),
            ("issuer", &self.issuer),
            ("token_audience", &self.token_audience),
        ] {
            if looks_secret(name) {
                faults.add(path, ConfigRule::LooksSecret);
            }
        }
        let quotable = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'\\';
        if !(1..=256).contains(&self.issuer.len()) || !self.issuer.bytes().all(quotable) {
            faults.add("issuer", ConfigRule::Issuer);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if !(1..=128).contains(&self.token_audience.len())
            || !self.token_audience.bytes().all(plain)
        {
            faults.add("token_audience", ConfigRule::TokenAudience);
        }
        let name = &self.root_key_env;
        if !is_environment_name(name) {
            faults.add("root_key_env", ConfigRule::EnvironmentName(name.clone()));
        }
    }

    /// Where the policy comes from: one of two.
    #[cfg(feature = "sync")]
    fn check_source(&self, faults: &mut Faults) -> Option<SyncConfig> {
        let sync = match (&self.policy, &self.sync) {
            (Some(_), None) => return None,
            (None, Some(sync)) => sync,
            (Some(_), Some(_)) => {
                faults.add("sync", ConfigRule::TwoSources);
                return None;
            }
            (None, None) => {
                faults.add("", ConfigRule::NoSource);
                return None;
            }
        };
        sync.check(faults)
    }

    fn check_hosts(&self, faults: &mut Faults) {
        if self.hosts.is_empty() {
            faults.add("hosts", ConfigRule::EmptyList);
        }
        for (at, host) in self.hosts.iter().enumerate() {
            if let Err(rule) = validate_host(host) {
                faults.add(format!("hosts[{at}]"), ConfigRule::Host(rule));
            } else if self.hosts.iter().take(at).any(|earlier| earlier == host) {
                faults.add(format!("hosts[{at}]"), ConfigRule::Duplicate(host.clone()));
            }
        }
    }

    fn check_mode(&self, now: Option<Timestamp>, faults: &mut Faults) -> Mode {
        match (self.mode, self.shadow_until, now) {
            (WrittenMode::Enforce, None, _) => {}
            (WrittenMode::Enforce, Some(_), _) => {
                faults.add("shadow_until", ConfigRule::ShadowUntilAlone);
            }
            (WrittenMode::Shadow, None, _) => faults.add("mode", ConfigRule::ShadowWithoutEnd),
            (WrittenMode::Shadow, Some(_), None) => {
                faults.add("mode", ConfigRule::ShadowWithoutClock);
            }
            (WrittenMode::Shadow, Some(until), Some(now)) => {
                if until > now.saturating_add(MAX_SHADOW) {
                    faults.add("shadow_until", ConfigRule::ShadowTooLong);
                }
                return Mode::ShadowUntil(until);
            }
        }
        Mode::Enforce
    }

    fn check_paths(&self, faults: &mut Faults) -> Vec<(OwnPath, String)> {
        let written = [
            (OwnPath::Exchange, Some(&self.exchange.path)),
            (OwnPath::OAuth, Some(&self.exchange.oauth_path)),
            (OwnPath::KeySet, Some(&self.jwks_path)),
            (OwnPath::Ready, self.ready_path.as_ref()),
        ];
        let mut paths: Vec<(OwnPath, String)> = Vec::with_capacity(written.len());
        for (own, path) in written {
            let Some(path) = path else { continue };
            match CanonicalPath::parse(path.as_bytes()) {
                Err(rule) => faults.add(own.member(), ConfigRule::Path(rule)),
                Ok(parsed) if parsed.as_str() != path || path == "/" => {
                    faults.add(own.member(), ConfigRule::PathForm);
                }
                Ok(_) => {
                    // Without regard to case, as the exchange's path is compared.
                    let same = paths
                        .iter()
                        .find(|(_, other)| other.eq_ignore_ascii_case(path));
                    if let Some((other, _)) = same {
                        faults.add(own.member(), ConfigRule::SamePath(other.member()));
                    }
                    paths.push((own, path.clone()));
                }
            }
        }
        paths
    }
}

pub(super) fn is_environment_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty()
        && name.bytes().all(fits)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_name_is_found_in_a_text_that_is_refused() {
        for text in [
            r#"{"gateway_id": "edge-1"}"#,
            "{\"hosts\": 1,\n \"gateway_id\" :\n\"edge-1\", \"surprise\": {",
        ] {
            assert_eq!(gateway_id_of(text.as_bytes()), Some("edge-1"), "{text}");
        }
        for text in [
            "",
            r#"{"gateway_id": 7}"#,
            r#"{"gateway_id": "edge 1"}"#,
            r#"{"gateway_id": "edge-1"#,
        ] {
            assert_eq!(gateway_id_of(text.as_bytes()), None, "{text}");
        }
    }
}
