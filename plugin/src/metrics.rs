//! Counters: one for each reason.

use postern_core::reason::Reason;

use crate::host;

/// What the counters' names begin with.
const PREFIX: &str = "postern.requests.";

/// The counters of one root context.
pub(crate) struct Metrics(Vec<Option<u32>>);

impl Metrics {
    /// Defines all counters, so that each is there, at zero, before its first request. A host without metrics has none;
    /// requests are decided all the same.
    pub(crate) fn define() -> Self {
        Self(
            Reason::ALL
                .iter()
                .map(|reason| host::define_counter(&format!("{PREFIX}{}", reason.as_str())).ok())
                .collect(),
        )
    }

    /// Counts a request.
    pub(crate) fn count(&self, reason: Reason) {
        if let Some(&Some(counter)) = self.0.get(reason.index())
            && host::increment(counter).is_err()
        {
            host::log(
                host::Level::Warn,
                "postern: a counter could not be incremented",
            );
        }
    }
}
