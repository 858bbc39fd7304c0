//! Names that guests look up (`env.envoy_resolve_dns`), and the scripted answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::callout::{Arrival, PendingReply};
use crate::clock::nanoseconds;
use crate::events::SHORTEST_DELAY;
use crate::functions::Export;
use crate::host::Host;

/// What a look-up of a name comes to: see [`HostBuilder::dns`](crate::HostBuilder::dns).
///
/// ```
/// use std::net::Ipv4Addr;
/// use std::time::Duration;
/// use postern_host::DnsAnswer;
///
/// let answer = DnsAnswer::new([Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)])
///     .ttl(Duration::from_secs(30))
///     .after(Duration::from_millis(5));
/// # let _ = answer;
/// ```
#[derive(Clone, Debug)]
#[must_use = "an answer does nothing until a host has it"]
pub struct DnsAnswer {
    addresses: Vec<IpAddr>,
    ttl: Duration,
    delay: Duration,
    at_once: bool,
    failed: bool,
}

impl DnsAnswer {
    /// These addresses; none for a name that does not exist. It comes when the callback that asked has returned.
    pub fn new<A: Into<IpAddr>>(addresses: impl IntoIterator<Item = A>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            ttl: Duration::ZERO,
            delay: Duration::ZERO,
            at_once: false,
            failed: false,
        }
    }

    /// No answer: the servers cannot be reached. The guest is told of 0 bytes.
    pub fn failure() -> Self {
        Self {
            failed: true,
            ..Self::new(Vec::<IpAddr>::new())
        }
    }

    /// How long the addresses are good for; whole seconds count, and 0 is the default.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The answer takes so long.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The answer comes while `envoy_resolve_dns` runs, inside of the callback that asked: so Envoy answers what it finds in
    /// the hosts file of its machine, and addresses. Many guests do not expect to be called then.
    pub fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }

    /// The bytes that the guest reads (Envoy `Context::onResolveDns`): a count, so many lifetimes in seconds, so many
    /// addresses with a port of 0, each with a zero byte behind it.
    fn encode(&self) -> Vec<u8> {
        let word = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        if self.failed {
            return Vec::new();
        }
        let mut bytes = word(self.addresses.len() as u64).to_vec();
        for _address in &self.addresses {
            bytes.extend(word(self.ttl.as_secs()));
        }
        for address in &self.addresses {
            bytes.extend(SocketAddr::new(*address, 0).to_string().into_bytes());
            bytes.push(0);
        }
        bytes
    }
}

/// The answers of a host, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct DnsAnswers(pub(crate) BTreeMap<String, DnsAnswer>);

/// When the guest hears of an answer.
pub(crate) enum Hears {
    AtOnce,
    After(Duration),
}

impl DnsAnswers {
    /// What the guest reads, and when. An address stands for itself; a name that nobody has scripted does not exist.
    pub(crate) fn look_up(&self, name: &str) -> (Vec<u8>, Hears) {
        if let Some(answer) = self.0.get(name) {
            let hears = if answer.at_once {
                Hears::AtOnce
            } else {
                Hears::After(answer.delay)
            };
            return (answer.encode(), hears);
        }
        match name.parse::<IpAddr>() {
            Ok(address) => (DnsAnswer::new([address]).encode(), Hears::AtOnce),
            Err(_) => {
                let nothing = DnsAnswer::new(Vec::<IpAddr>::new());
                (nothing.encode(), Hears::After(Duration::ZERO))
            }
        }
    }
}

/// A look-up whose answer is on its way.
#[derive(Debug)]
pub(crate) struct NewLookup {
    pub(crate) token: u32,
    pub(crate) root: u32,
    pub(crate) delay: Duration,
    pub(crate) answer: Vec<u8>,
}

impl Host {
    /// Notes when the answers to new look-ups are due.
    pub(crate) fn send_lookups(&mut self) {
        let now = self.clock.monotonic();
        for slot in &mut self.vms {
            let Some(vm) = &mut slot.vm else { continue };
            let lookups = vm.state_mut().lookups.drain(..);
            slot.replies.extend(lookups.map(|lookup| PendingReply {
                due: now.saturating_add(nanoseconds(lookup.delay).max(SHORTEST_DELAY)),
                token: lookup.token,
                root: lookup.root,
                reply: Arrival::Dns(lookup.answer),
            }));
        }
    }

    /// Tells a root context of an answer; one that is gone is not told.
    pub(crate) fn deliver_dns(&mut self, slot: usize, root: u32, token: u32, answer: Vec<u8>) {
        let Some(vm) = &mut self.vms[slot].vm else {
            return;
        };
        let state = vm.state_mut();
        if !state.roots.contains_key(&root) {
            return;
        }
        let size = u32::try_from(answer.len()).unwrap_or(u32::MAX);
        state.stale_buffer = answer;
        self.root_callback(slot, root, Export::ResolveDns, &[root, token, size]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn an_answer_has_envoys_encoding() {
        let addresses = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ];
        let answer = DnsAnswer::new(addresses).ttl(Duration::from_millis(7_900));
        assert_eq!(
            answer.encode(),
            b"\x02\0\0\0\x07\0\0\0\x07\0\0\x00127.0.0.1:0\0[::1]:0\0"
        );
        assert_eq!(DnsAnswer::failure().encode(), b"");
    }
}
