//! In place of policy sync, in the module that has none.

use std::rc::Rc;

use postern_core::gate::Gate;
use postern_core::time::Timestamp;

use crate::root::Configured;

/// What would read the feed; there is none.
pub(crate) enum Client {}

impl Client {
    /// There is none: a configuration cannot name a feed.
    pub(crate) fn of(_gate: &mut Gate, _wall: Option<Timestamp>) -> Result<Option<Self>, String> {
        Ok(None)
    }

    pub(crate) fn first_tick(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn doubts(&self, _wall: Timestamp) -> bool {
        match *self {}
    }

    pub(crate) fn used(&mut self, _token: &str) {
        match *self {}
    }

    pub(crate) fn drive(&mut self, _gate: &mut Gate, _wall: Option<Timestamp>) -> u32 {
        match *self {}
    }
}

/// Without calls there are no answers.
pub(crate) fn register(_context: u32, _configured: &Rc<Configured>) {}
