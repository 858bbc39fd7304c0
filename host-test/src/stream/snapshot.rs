//! Looking at a stream while it goes on.

use std::collections::BTreeMap;

use super::Stream;
use super::filter::Filter;
use crate::exchange::{Callback, Exchange, StreamId};
use crate::host::Host;

impl Host {
    /// What came of a stream so far; the stream goes on. `None`: it is not of this host, or was taken before.
    pub fn snapshot(&self, stream: StreamId) -> Option<Exchange> {
        self.streams.get(&stream).map(|stream| stream.snapshot())
    }

    /// The callbacks that ran for a stream so far.
    pub(crate) fn callbacks_of(&self, stream: StreamId) -> &[Callback] {
        self.streams
            .get(&stream)
            .map_or(&[], |stream| &stream.callbacks)
    }
}

impl Stream {
    fn snapshot(&self) -> Exchange {
        Exchange {
            response: self.client.clone(),
            answered_by: self.answered_by,
            details: self.details.clone(),
            local_response: self.local_response.clone(),
            upstream: self.upstream.clone(),
            redirected: self.redirected.clone(),
            filter_state: self.named_filter_state(),
            log: self.log.clone(),
            trace: self.trace.clone(),
            callbacks: self.callbacks.clone(),
            trap: self.trap.clone(),
            worker: self.worker,
            context: self.filters.first().map_or(0, Filter::context),
        }
    }

    /// The filter state under the names that Envoy gives it.
    pub(super) fn named_filter_state(&self) -> BTreeMap<String, Vec<u8>> {
        let facts = self.info.common.lock();
        let named = facts.filter_state.all().into_iter().map(|(name, state)| {
            let name = String::from_utf8_lossy(&name).into_owned();
            (name, state.value)
        });
        named.collect()
    }
}
