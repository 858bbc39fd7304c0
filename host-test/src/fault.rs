//! Faults: host functions that answer otherwise than they would.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A host function that fails, or that answers other bytes than the true ones. It works for every function that a guest
/// can import, WASI included.
///
/// ```
/// use postern_host::Fault;
/// let third_write = Fault::status("proxy_replace_header_map_value", 10).on_call(3);
/// let no_headers = Fault::bytes("proxy_get_header_map_pairs", b"").in_callback("proxy_on_request_headers");
/// # let _ = (third_write, no_headers);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) function: String,
    effect: Effect,
    call: Option<u64>,
    callback: Option<String>,
}

/// What a faulty host function does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Status(u32),
    Bytes(Vec<u8>),
}

impl Fault {
    /// The function does nothing and returns this number: a `proxy_status_t`, or an errno for a function of WASI.
    pub fn status(function: impl Into<String>, status: u32) -> Self {
        Self {
            function: function.into(),
            effect: Effect::Status(status),
            call: None,
            callback: None,
        }
    }

    /// The function works, but the bytes that it hands to the guest (a header map, a value, a buffer) are these. No
    /// bytes at all reach the guest as status OK, a null pointer and size 0.
    pub fn bytes(function: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            function: function.into(),
            effect: Effect::Bytes(bytes.as_ref().to_vec()),
            call: None,
            callback: None,
        }
    }

    /// Only the `call`-th call fails, counted from 1 since the fault was injected; without this, every call does.
    pub fn on_call(mut self, call: u64) -> Self {
        self.call = Some(call);
        self
    }

    /// Only calls from within this callback count and fail.
    pub fn in_callback(mut self, callback: impl Into<String>) -> Self {
        self.callback = Some(callback.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some(call) = self.call {
            write!(f, ", call {call}")?;
        }
        match &self.callback {
            Some(callback) => write!(f, " in {callback}"),
            None => Ok(()),
        }
    }
}

/// A fault for a function that this host does not have: it could never strike.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no function that this host offers to guests")]
pub struct UnknownHostFunction(pub String);

/// The faults in force in all VMs of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Armed>);

#[derive(Debug, Default)]
struct Armed {
    // Read on every host call; the list behind the lock only when there is something in it.
    any: AtomicBool,
    list: Mutex<Vec<Held>>,
}

#[derive(Debug)]
struct Held {
    fault: Fault,
    /// How often the function was called where the fault counts.
    calls: u64,
    struck: bool,
}

/// A fault that has not struck.
#[derive(Clone, Debug)]
pub(crate) struct Unstruck {
    /// How many faults were injected before it, since all of them were cleared.
    pub(crate) index: usize,
    pub(crate) fault: Fault,
    /// How often the function was called where the fault counts.
    pub(crate) calls: u64,
}

impl Faults {
    pub(crate) fn inject(&self, fault: Fault) {
        let mut list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(Held {
            fault,
            calls: 0,
            struck: false,
        });
        self.0.any.store(true, Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        let mut list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.clear();
        self.0.any.store(false, Ordering::Relaxed);
    }

    /// What is to happen to this call, if a fault strikes it.
    pub(crate) fn strike(&self, function: &str, callback: &str) -> Option<Effect> {
        if !self.0.any.load(Ordering::Relaxed) {
            return None;
        }
        let mut list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut effect = None;
        for held in list.iter_mut() {
            let fault = &held.fault;
            if fault.function != function
                || fault
                    .callback
                    .as_deref()
                    .is_some_and(|name| name != callback)
            {
                continue;
            }
            held.calls += 1;
            if effect.is_none() && fault.call.is_none_or(|call| call == held.calls) {
                effect = Some(fault.effect.clone());
                held.struck = true;
            }
        }
        effect
    }

    /// The faults in force that have not struck.
    pub(crate) fn unstruck(&self) -> Vec<Unstruck> {
        let list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = list.iter().enumerate().filter(|(_, held)| !held.struck);
        waiting
            .map(|(index, held)| Unstruck {
                index,
                fault: held.fault.clone(),
                calls: held.calls,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_call_in_the_named_callback_is_struck() {
        let faults = Faults::default();
        faults.inject(Fault::status("f", 10).on_call(2).in_callback("c"));
        assert_eq!(faults.strike("f", "c"), None);
        assert_eq!(faults.strike("f", "other"), None);
        assert_eq!(faults.strike("g", "c"), None);
        assert_eq!(faults.strike("f", "c"), Some(Effect::Status(10)));
        assert_eq!(faults.strike("f", "c"), None);
    }

    #[test]
    fn a_cleared_fault_is_gone() {
        let faults = Faults::default();
        faults.inject(Fault::bytes("f", "x"));
        assert_eq!(faults.strike("f", "c"), Some(Effect::Bytes(b"x".to_vec())));
        faults.clear();
        assert_eq!(faults.strike("f", "c"), None);
    }
}
