//! In place of policy sync, in the module that has none.

use postern_core::gate::Gate;
use postern_core::time::Timestamp;
use proxy_wasm::traits::Context;

/// What would read the feed; there is none.
pub(crate) enum Client {}

impl Client {
    /// There is none: a configuration cannot name a feed.
    pub(crate) fn of(_gate: &Gate) -> Result<Option<Self>, String> {
        Ok(None)
    }

    pub(crate) fn doubts(&self, _wall: Timestamp) -> bool {
        match *self {}
    }

    pub(crate) fn drive(&mut self, _context: &dyn Context, _gate: &mut Gate) -> bool {
        match *self {}
    }

    pub(crate) fn arrived(&mut self, _call: u32, _body_size: usize) {
        match *self {}
    }
}
