//! The host functions: one file per topic of the ABI, and what all of them need.
//!
//! Every function answers as Envoy 1.40 does; where a comment names no other source, the behaviour was probed there.

mod buffers;
mod callouts;
mod clock;
mod dns;
mod grpc;
mod headers;
mod link;
mod local_response;
mod log;
mod metrics;
mod properties;
mod queues;
mod shared_data;
mod streams;
mod wasi;

use wasmtime::{AsContextMut, Caller};

pub(crate) use headers::readable;
pub(crate) use link::link;

use crate::diagnostics;
use crate::fault::Effect;
use crate::functions::Function;
use crate::state::VmState;
use crate::status::{LogLevel, Status};

/// The bytes that the trace of one host call takes, roughly.
const TRACED: usize = 256;

/// A host function while it runs.
pub(crate) struct Call<'a> {
    caller: Caller<'a, VmState>,
    /// The bytes that a fault hands to the guest instead of the true ones.
    replacement: Option<Vec<u8>>,
}

/// How a host function ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// With this number as its result: a status, or an errno of WASI.
    Code(u32),
    /// With the guest: the VM is dead.
    Trap(wasmtime::Error),
}

/// What a host function comes to; `Ok` is status OK.
pub(crate) type Answer = Result<(), Stop>;

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Code(status as u32)
    }
}

/// Turns the status of a finished operation into an answer.
fn answer(status: Status) -> Answer {
    if status == Status::Ok {
        Ok(())
    } else {
        Err(status.into())
    }
}

/// Runs a host function: counts and traces the call, and lets a fault strike it.
fn host_call(
    caller: Caller<'_, VmState>,
    module: &'static str,
    function: Function,
    args: &[u64],
    body: impl FnOnce(&mut Call<'_>) -> Answer,
) -> wasmtime::Result<u32> {
    let mut call = Call {
        caller,
        replacement: None,
    };
    let state = call.caller.data_mut();
    let calls = &mut state.calls[function as usize];
    *calls += 1;
    if *calls == 1 {
        state.called.push(function);
    }
    state.spent.call(0)?;
    if state.identity.trace {
        state.spent.keep(TRACED)?;
        let args: Vec<String> = args.iter().map(u64::to_string).collect();
        state.trace.push(format!(
            "[vm->host] {module}.{}({})",
            function.name(),
            args.join(", ")
        ));
    }
    if state.restricted && !function.may_run_at_start() {
        diagnostics::forbidden(state, function);
        wasmtime::bail!(
            "restricted_callback: {} is not allowed while the module initializes",
            function.name()
        );
    }
    if state.identity.capabilities.denies(function) {
        return Ok(denied(&mut call, module, function));
    }
    let callback = state.callback.map_or("", |export| export.name());
    let effect = state.faults.strike(function.name(), callback);
    let struck = effect.is_some();
    let code = match effect {
        Some(Effect::Status(status)) => status,
        other => {
            call.replacement = match other {
                Some(Effect::Bytes(bytes)) => Some(bytes),
                _ => None,
            };
            match body(&mut call) {
                Ok(()) => 0,
                Err(Stop::Code(code)) => code,
                Err(Stop::Trap(error)) => return Err(error),
            }
        }
    };
    diagnostics::called(&mut call.caller, function, args, code, struck);
    let state = call.caller.data_mut();
    if state.identity.trace {
        state.trace.push(format!(
            "[vm<-host] {module}.{} return: {}",
            function.name(),
            shown(function, code)
        ));
    }
    Ok(code)
}

/// What Envoy puts in the place of a function that the plugin may not call (proxy-wasm-cpp-host `exports.h`, the stubs).
fn denied(call: &mut Call<'_>, module: &str, function: Function) -> u32 {
    let (kind, code) = if function.name().starts_with("proxy_") {
        ("proxy-wasm", Status::InternalFailure as u32)
    } else {
        ("WASI", wasi::ENOTCAPABLE)
    };
    let name = function.name();
    let state = call.state_mut();
    let line = format!("Attempted call to restricted {kind} capability: {name}");
    state.log(LogLevel::Error, line);
    if state.identity.trace {
        let returned = shown(function, code);
        let line = format!("[vm<-host] {module}.{name} return: {returned}");
        state.trace.push(line);
    }
    code
}

/// What a trace says of a result.
fn shown(function: Function, code: u32) -> String {
    if function.returns() {
        code.to_string()
    } else {
        "void".to_owned()
    }
}

impl Call<'_> {
    fn state(&self) -> &VmState {
        self.caller.data()
    }

    fn state_mut(&mut self) -> &mut VmState {
        self.caller.data_mut()
    }

    /// Copies `length` bytes out of the guest's memory.
    fn read(&mut self, start: u32, length: u32) -> Result<Vec<u8>, Stop> {
        let range = range(start, length)?;
        // Only what is there is copied, whatever length the guest names.
        if self.memory()?.len() < range.end {
            return Err(Status::InvalidMemoryAccess.into());
        }
        let kept = self.state_mut().spent.keep(range.len());
        kept.map_err(|overspent| Stop::Trap(overspent.into()))?;
        let bytes = self.memory()?.get(range).map(<[u8]>::to_vec);
        let bytes = bytes.ok_or(Status::InvalidMemoryAccess)?;
        self.state_mut().copied.from_guest += u64::from(length);
        Ok(bytes)
    }

    /// The host has to copy or look through so many bytes.
    fn works(&mut self, bytes: usize) -> Answer {
        let done = self.state_mut().spent.call(bytes);
        done.map_err(|overspent| Stop::Trap(overspent.into()))
    }

    /// Copies text out of the guest's memory; bytes that are not UTF-8 are replaced.
    fn read_text(&mut self, start: u32, length: u32) -> Result<String, Stop> {
        self.read(start, length)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read_u32(&mut self, start: u32) -> Result<u32, Stop> {
        let bytes = self.read(start, 4)?;
        bytes
            .first_chunk::<4>()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or_else(|| Status::InvalidMemoryAccess.into())
    }

    fn write(&mut self, start: u32, bytes: &[u8]) -> Answer {
        let length = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        self.works(bytes.len())?;
        let range = range(start, length)?;
        let target = self
            .memory_mut()?
            .get_mut(range)
            .ok_or(Status::InvalidMemoryAccess)?;
        target.copy_from_slice(bytes);
        self.state_mut().copied.to_guest += u64::from(length);
        Ok(())
    }

    fn write_u32(&mut self, start: u32, value: u32) -> Answer {
        self.write(start, &value.to_le_bytes())
    }

    fn write_u64(&mut self, start: u32, value: u64) -> Answer {
        self.write(start, &value.to_le_bytes())
    }

    /// Hands bytes to the guest: in memory that the guest allocates, with the address and size where it wants them.
    /// Nothing is allocated for no bytes; the guest sees a null pointer then.
    fn hand_over(&mut self, bytes: &[u8], pointer: u32, size: u32) -> Answer {
        let replacement = self.replacement.take();
        let bytes = replacement.as_deref().unwrap_or(bytes);
        let length = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let address = if length == 0 {
            0
        } else {
            self.allocate(length)?
        };
        if length > 0 {
            self.write(address, bytes)?;
        }
        self.write_u32(pointer, address)?;
        self.write_u32(size, length)
    }

    /// Puts bytes into memory that the guest allocates, be it for none.
    fn allocate_and_write(&mut self, bytes: &[u8]) -> Result<u32, Stop> {
        let length = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let address = self.allocate(length)?;
        self.write(address, bytes)?;
        Ok(address)
    }

    fn allocate(&mut self, length: u32) -> Result<u32, Stop> {
        let (name, allocator) = self
            .state()
            .allocator
            .clone()
            .ok_or(Status::InvalidMemoryAccess)?;
        self.state_mut().allocations += 1;
        let trace = self.state().identity.trace;
        if trace {
            self.state_mut()
                .trace
                .push(format!("[host->vm] {name}({length})"));
        }
        let address = allocator
            .call(self.caller.as_context_mut(), length)
            .map_err(Stop::Trap)?;
        if trace {
            self.state_mut()
                .trace
                .push(format!("[host<-vm] {name} return: {address}"));
        }
        let memory = self.memory()?.len();
        diagnostics::allocated(self.state_mut(), address, length, memory);
        if address == 0 {
            Err(Status::InvalidMemoryAccess.into())
        } else {
            Ok(address)
        }
    }

    fn memory(&self) -> Result<&[u8], Stop> {
        let memory = self.state().memory.ok_or(Status::InvalidMemoryAccess)?;
        Ok(memory.data(&self.caller))
    }

    fn memory_mut(&mut self) -> Result<&mut [u8], Stop> {
        let memory = self.state().memory.ok_or(Status::InvalidMemoryAccess)?;
        Ok(memory.data_mut(&mut self.caller))
    }
}

fn range(start: u32, length: u32) -> Result<std::ops::Range<usize>, Stop> {
    let start = usize::try_from(start).map_err(|_| Status::InvalidMemoryAccess)?;
    let length = usize::try_from(length).map_err(|_| Status::InvalidMemoryAccess)?;
    Ok(start
        ..start
            .checked_add(length)
            .ok_or(Status::InvalidMemoryAccess)?)
}
