//! Foreign functions: what a guest calls by name, beside the ABI. Envoy's common ones, and those of a test.

mod compression;
mod expressions;
mod filter_state;
mod hashes;
mod keys;
mod signatures;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use expressions::Expressions;

use crate::functions::Export;
use crate::host::Host;
use crate::plugins::PluginId;
use crate::state::VmState;
use crate::status::Status;

impl Host {
    /// Calls the guest's `proxy_on_foreign_function` for a plugin on one worker, as an extension of a host may do; Envoy never
    /// does. The guest reads the arguments from the buffer of this name (8). False if there is no VM to call.
    pub fn call_guest(
        &mut self,
        plugin: PluginId,
        worker: usize,
        function: u32,
        arguments: impl AsRef<[u8]>,
    ) -> bool {
        let Some((index, root)) = self.root_for_stream(plugin, worker) else {
            return false;
        };
        let arguments = arguments.as_ref();
        let Some(vm) = &mut self.vms[index].vm else {
            return false;
        };
        vm.state_mut().stale_buffer = arguments.to_vec();
        let size = u32::try_from(arguments.len()).unwrap_or(u32::MAX);
        self.root_callback(
            index,
            root,
            Export::ForeignFunction,
            &[root, function, size],
        );
        self.settle();
        true
    }
}

type Scripted = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, u32> + Send>;

/// The functions that a test has scripted, for all VMs of a host.
#[derive(Clone, Default)]
pub(crate) struct ForeignFunctions(BTreeMap<String, Arc<Mutex<Scripted>>>);

impl ForeignFunctions {
    pub(crate) fn add(&mut self, name: String, function: Scripted) {
        self.0.insert(name, Arc::new(Mutex::new(function)));
    }
}

impl fmt::Debug for ForeignFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a function comes to: a status, and a result if it makes one. One that fails makes none.
pub(crate) type Outcome = Result<Option<Vec<u8>>, u32>;

/// Calls a function; the test's own come first.
pub(crate) fn call(state: &mut VmState, name: &[u8], arguments: &[u8]) -> Option<Outcome> {
    let name = str::from_utf8(name).ok()?;
    if let Some(scripted) = state.identity.offered.foreign_functions.0.get(name) {
        let mut function = scripted.lock().unwrap_or_else(PoisonError::into_inner);
        return Some(function(arguments).map(Some));
    }
    let outcome = match name {
        "compress" => compression::compress(arguments).map(Some),
        "uncompress" => compression::uncompress(arguments).map(Some),
        // The route is looked up behind all filters in any case: nothing is kept that could be cleared.
        "clear_route_cache" => Ok(None),
        "declare_property" => filter_state::declare_property(state, arguments).map(|()| None),
        "set_envoy_filter_state" => {
            filter_state::set_envoy_filter_state(state, arguments).map(|()| None)
        }
        "expr_create" => expressions::create(state, arguments).map(Some),
        "expr_evaluate" => expressions::evaluate(state, arguments).map(Some),
        "expr_delete" => expressions::delete(state, arguments).map(|()| None),
        "sign" => signatures::sign(arguments).map(Some),
        "verify_signature" => signatures::verify(arguments).map(Some),
        _ => return None,
    };
    Some(outcome.map_err(|status: Status| status as u32))
}
