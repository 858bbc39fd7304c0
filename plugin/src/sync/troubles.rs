//! What goes wrong, in the log and in metrics.

use postern_core::feed::Moment;
use postern_core::id::Shown;
use postern_core::time::Timestamp;

use super::metrics::SyncMetrics;
use crate::host::{self, Level};

/// The same kind of trouble is told again after so many milliseconds.
const AGAIN: u64 = 60_000;

/// Where something went wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Nobody answers for the admin service.
    Unreachable,
    /// It answers with another status than 200.
    Status,
    /// Its answer is not what it should be.
    Answer,
    /// A page is not what its name says.
    Page,
    /// A policy was refused.
    Policy,
    /// What workers share cannot be used.
    Shared,
    /// A report did not arrive.
    Report,
    /// The host failed.
    Host,
}

impl Kind {
    /// All of them, and the suffix of their counters.
    pub(super) const ALL: [(Self, &str); 8] = [
        (Self::Unreachable, "unreachable"),
        (Self::Status, "status"),
        (Self::Answer, "answer"),
        (Self::Page, "page"),
        (Self::Policy, "policy"),
        (Self::Shared, "shared"),
        (Self::Report, "report"),
        (Self::Host, "host"),
    ];
}

/// The log of one source, and what went wrong last.
pub(super) struct Troubles {
    gateway: String,
    /// The kind that was told last, and when; none since all is well again.
    told: Option<(Kind, Moment)>,
    last: Option<(String, Timestamp)>,
}

impl Troubles {
    pub(super) fn of(gateway: &str) -> Self {
        Self {
            gateway: Shown(gateway).to_string(),
            told: None,
            last: None,
        }
    }

    /// A line in the log.
    pub(super) fn say(&self, level: Level, text: &str) {
        host::log(level, &format!("postern: gateway {}: {text}", self.gateway));
    }

    /// Counts, and tells it unless the same was told a moment ago.
    pub(super) fn happened(
        &mut self,
        kind: Kind,
        text: &str,
        now: (Moment, Option<Timestamp>),
        metrics: &SyncMetrics,
    ) {
        let (now, wall) = now;
        metrics.went_wrong(kind, wall);
        self.last = Some((text.to_owned(), wall.unwrap_or(Timestamp::from_secs(0))));
        let is_known = self.told.is_some_and(|(other, at)| {
            other == kind && now.since(at).is_some_and(|since| since < AGAIN)
        });
        if !is_known || kind == Kind::Policy {
            self.told = Some((kind, now));
            let about = match kind {
                Kind::Policy | Kind::Host => "",
                Kind::Shared => "what its workers share cannot be used: ",
                Kind::Report => "its report was not taken: ",
                _ => "the feed cannot be read: ",
            };
            self.say(Level::Error, &format!("{about}{text}"));
        }
    }

    /// All is well again with the feed.
    pub(super) fn are_over(&mut self) {
        if self.told.take().is_some() {
            self.say(Level::Info, "the feed can be read again");
        }
    }

    /// What went wrong last, and when.
    pub(super) fn last(&self) -> Option<(&str, Timestamp)> {
        self.last.as_ref().map(|(text, at)| (text.as_str(), *at))
    }
}
