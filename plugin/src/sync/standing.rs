//! Whether the policy is still good to decide by.

use postern_core::feed::Freshness;
use postern_core::gate::{Gate, Standing};

use super::{Client, moment, vouched};
use crate::host::Level;

impl Client {
    /// Without a clock nobody can tell how old the policy is, so nothing is decided.
    pub(super) fn lose_clock(&mut self, gate: &mut Gate) {
        gate.stand(Standing::Stale);
        if self.freshness != Freshness::Stale {
            self.freshness = Freshness::Stale;
            self.troubles.say(
                Level::Error,
                "the host's monotonic clock fails, so that the policy's age is not known; every request is refused until it is",
            );
        }
    }

    /// Says whether the policy is still good to decide by. The time is that of the end of the work: meanwhile another
    /// worker may have had contact, and a contact in the future would be none.
    pub(super) fn judge(&mut self, gate: &mut Gate) {
        let Some(now) = moment() else {
            return self.lose_clock(gate);
        };
        let freshness = self.sync.freshness(now);
        gate.stand(match freshness {
            Freshness::Never => Standing::NoPolicy,
            freshness if freshness.may_decide() => Standing::Good,
            _ => Standing::Stale,
        });
        if let Some(in_force) = self.sync.in_force() {
            self.metrics
                .age(now.since(in_force.contact).unwrap_or(0) / 1000);
            if freshness.may_decide() {
                vouched::decides(self.workers.shelf, in_force, now);
            }
        }
        if freshness == self.freshness {
            return;
        }
        let was = std::mem::replace(&mut self.freshness, freshness);
        match freshness {
            Freshness::Late => self.troubles.say(
                Level::Warn,
                "no contact with the feed for longer than warn_after; the policy may be old",
            ),
            Freshness::Stale => self.troubles.say(
                Level::Error,
                "no contact with the feed for longer than deny_after; every request is refused until there is",
            ),
            _ if freshness.may_decide() && was != Freshness::Never => self.troubles.say(
                Level::Info,
                "there is contact with the feed again; requests are decided",
            ),
            _ => {}
        }
    }
}
