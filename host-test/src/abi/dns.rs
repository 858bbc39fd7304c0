//! `envoy_resolve_dns`, which Envoy has beside the ABI.

use wasmtime::AsContextMut;

use super::callouts::MAX_CALLS;
use super::{Answer, Call, Stop};
use crate::dns::{Hears, NewLookup};
use crate::functions::Export;
use crate::status::Status;

/// Looks up a name for the root context. What Envoy knows by itself it tells the guest while this call runs.
pub(super) fn resolve(call: &mut Call<'_>, name: u32, length: u32, token: u32) -> Answer {
    let name = call.read_text(name, length)?;
    let number = call.state().next_lookup;
    call.write_u32(token, number)?;
    let state = call.state_mut();
    // 0 is no token.
    state.next_lookup = number.checked_add(1).unwrap_or(1);
    let root = state.root_id();
    let (answer, hears) = state.identity.offered.dns.look_up(&name);
    match hears {
        Hears::AtOnce => tell(call, root, number, answer),
        Hears::After(delay) => {
            if state.calls_in_flight >= MAX_CALLS {
                return Err(Status::InternalFailure.into());
            }
            state.calls_in_flight += 1;
            state.lookups.push(NewLookup {
                token: number,
                root,
                delay,
                answer,
            });
            Ok(())
        }
    }
}

/// Calls the guest inside of its own call.
fn tell(call: &mut Call<'_>, root: u32, token: u32, answer: Vec<u8>) -> Answer {
    let Some(function) = call.state().on_resolve_dns.clone() else {
        return Ok(());
    };
    let size = u32::try_from(answer.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    let name = Export::ResolveDns.name();
    let state = call.state_mut();
    state.stale_buffer = answer;
    let before = (state.effective, state.current, state.callback);
    (state.effective, state.current) = (root, root);
    state.callback = Some(Export::ResolveDns);
    let trace = state.identity.trace;
    if trace {
        let line = format!("[host->vm] {name}({root}, {token}, {size})");
        state.trace.push(line);
    }
    function
        .call(call.caller.as_context_mut(), (root, token, size))
        .map_err(Stop::Trap)?;
    let state = call.state_mut();
    if trace {
        state.trace.push(format!("[host<-vm] {name} return: void"));
    }
    (state.effective, state.current, state.callback) = before;
    Ok(())
}
