//! One instance of a guest: how it starts, and how its callbacks are called.

use std::collections::BTreeMap;

use wasmtime::{Instance, Store, TypedFunc};

use crate::diagnostics;
use crate::exchange::Callback;
use crate::functions::Export;
use crate::limits::Limits;
use crate::module::{ALLOCATORS, EPOCH, Module};
use crate::state::VmState;
use crate::status::LogLevel;
use crate::version::AbiVersion;

/// More epochs than there will be.
const FOREVER: u64 = u64::MAX / 2;

/// A running instance.
pub(crate) struct Vm {
    store: Store<VmState>,
    exports: Vec<Option<Entry>>,
    limits: Limits,
    /// The bytes of linear memory after the last callback.
    memory: usize,
    failure: Option<String>,
    callbacks: Vec<Callback>,
}

/// A callback in the shape in which it is called. Looking a function up by name and checking its type at every call would
/// cost more than many a callback does.
enum Entry {
    Takes0(TypedFunc<(), ()>),
    Takes1(TypedFunc<u32, ()>),
    Takes2(TypedFunc<(u32, u32), ()>),
    Takes3(TypedFunc<(u32, u32, u32), ()>),
    Takes5(TypedFunc<(u32, u32, u32, u32, u32), ()>),
    Gives0(TypedFunc<(), u32>),
    Gives1(TypedFunc<u32, u32>),
    Gives2(TypedFunc<(u32, u32), u32>),
    Gives3(TypedFunc<(u32, u32, u32), u32>),
}

/// A VM that died before it could be used.
pub(crate) struct Stillborn {
    pub(crate) dead: Dead,
    pub(crate) state: Box<VmState>,
}

/// The VM is dead: a callback trapped, now or earlier.
#[derive(Clone, Debug)]
pub(crate) struct Dead(pub(crate) String);

impl Vm {
    /// Instantiates the module and runs `_initialize` or `_start`.
    pub(crate) fn start(
        module: &Module,
        state: VmState,
        limits: Limits,
    ) -> Result<Self, Stillborn> {
        let mut state = state;
        (state.abi, state.profile) = (module.abi_version(), module.profile());
        let mut store = Store::new(module.engine(), state);
        store.limiter(|state| &mut state.limits);
        let mut vm = Self {
            store,
            exports: Vec::new(),
            limits,
            memory: 0,
            failure: None,
            callbacks: Vec::new(),
        };
        match vm.instantiate(module).and_then(|()| vm.initialize()) {
            Ok(()) => Ok(vm),
            Err(dead) => Err(Stillborn {
                dead,
                state: Box::new(vm.store.into_data()),
            }),
        }
    }

    pub(crate) fn state(&self) -> &VmState {
        self.store.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    /// Why the VM is dead, if it is.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Moves the callbacks that ran since the last time to others.
    pub(crate) fn move_callbacks(&mut self, to: &mut Vec<Callback>) {
        to.append(&mut self.callbacks);
    }

    /// Calls an export in the name of a context. A callback that the guest does not export is not called, and there is
    /// nothing that it returned.
    pub(crate) fn call(
        &mut self,
        export: Export,
        context: u32,
        args: &[u32],
    ) -> Result<Option<u32>, Dead> {
        if let Some(failure) = &self.failure {
            return Err(Dead(failure.clone()));
        }
        let Some(Some(_)) = self.exports.get(export as usize) else {
            return Ok(None);
        };
        if !self.comes(export, context) {
            return Ok(None);
        }
        let mut headers;
        let args = match (export, args) {
            (Export::RequestHeaders | Export::ResponseHeaders, &[context, count, end]) => {
                headers = [context, count, end];
                self.adapt(&mut headers)
            }
            _ => args,
        };
        self.enter(export, context, args);
        diagnostics::entered(self.state_mut(), export, args);
        let outcome = self.refuel().and_then(|()| self.invoke(export, args));
        self.leave(export, context, outcome)
    }

    /// Whether the chosen host makes this callback now.
    fn comes(&self, export: Export, context: u32) -> bool {
        let state = self.state();
        let switched_on = |name: &[u8]| {
            let stream = state.streams.get(&context);
            stream.is_some_and(|stream| stream.common.lock().filter_state.get(name).is_some())
        };
        let version_has_it = export != Export::ForeignFunction || state.abi != AbiVersion::V0_1_0;
        version_has_it
            && state.profile.calls(export)
            && state
                .profile
                .property_before(export)
                .is_none_or(switched_on)
    }

    /// What a callback about headers is told in the chosen host and version.
    fn adapt<'a>(&self, args: &'a mut [u32; 3]) -> &'a [u32] {
        let state = self.state();
        if state.profile.counts_no_headers() {
            args[1] = 0;
        }
        if state.profile.hides_end_of_headers() {
            args[2] = 0;
        }
        let count = Export::RequestHeaders.params_in(state.abi);
        &args[..count]
    }

    fn enter(&mut self, export: Export, context: u32, args: &[u32]) {
        let state = self.store.data_mut();
        state.effective = context;
        state.current = context;
        state.callback = Some(export);
        state.stop_iteration = false;
        state.spent.reset();
        state.limits.reset();
        if state.identity.trace {
            let args: Vec<String> = args.iter().map(u32::to_string).collect();
            state
                .trace
                .push(format!("[host->vm] {}({})", export.name(), args.join(", ")));
        }
    }

    fn leave(
        &mut self,
        export: Export,
        context: u32,
        outcome: wasmtime::Result<Option<u32>>,
    ) -> Result<Option<u32>, Dead> {
        let fuel = self
            .limits
            .fuel
            .saturating_sub(self.store.get_fuel().unwrap_or(0));
        let memory = self.memory_size();
        let grown = memory.saturating_sub(std::mem::replace(&mut self.memory, memory));
        let memory_growth = u64::try_from(grown).unwrap_or(u64::MAX);
        let state = self.store.data_mut();
        let mut host_calls = BTreeMap::new();
        for function in state.called.drain(..) {
            let calls = std::mem::take(&mut state.calls[function as usize]);
            host_calls.insert(function.name(), calls);
        }
        if state.identity.trace && outcome.is_ok() {
            let returned = outcome
                .as_ref()
                .ok()
                .copied()
                .flatten()
                .map_or("void".to_owned(), |value| value.to_string());
            state
                .trace
                .push(format!("[host<-vm] {} return: {returned}", export.name()));
        }
        let copied = std::mem::take(&mut state.copied);
        let allocations = std::mem::take(&mut state.allocations);
        let returned = outcome.as_ref().ok().copied().flatten();
        self.callbacks.push(Callback {
            name: export.name(),
            context,
            filter: 0,
            fuel,
            host_calls,
            copied,
            allocations,
            memory_growth,
            returned,
        });
        let result = outcome.map_err(|error| self.die(export.name(), &error));
        let state = self.store.data_mut();
        if let Ok(value) = &result {
            diagnostics::returned(state, *value, memory);
        }
        state.callback = None;
        state.effective = 0;
        state.current = 0;
        result
    }

    fn die(&mut self, function: &str, error: &wasmtime::Error) -> Dead {
        let mut reason = format!("Function: {function} failed: {}", error.root_cause());
        if let Some(limit) = self.limits.reached(error, &self.state().limits) {
            reason.push_str(&format!(" ({limit})"));
        }
        // wasmtime puts the guest's backtrace into the outer layer of the error.
        let backtrace = error.to_string();
        if !backtrace.contains(&error.root_cause().to_string()) {
            reason.push('\n');
            reason.push_str(&backtrace);
        }
        let state = self.store.data_mut();
        state.log(LogLevel::Critical, reason.clone());
        diagnostics::died(state, &reason);
        self.failure = Some(reason.clone());
        Dead(reason)
    }

    /// The bytes of linear memory that the guest has now.
    fn memory_size(&self) -> usize {
        let memory = self.store.data().memory;
        memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    fn refuel(&mut self) -> wasmtime::Result<()> {
        let epochs = self.limits.time.map_or(FOREVER, |time| {
            let epochs = time.as_millis().div_ceil(EPOCH.as_millis());
            // The epoch that runs now is over at any moment.
            u64::try_from(epochs)
                .unwrap_or(FOREVER)
                .saturating_add(1)
                .min(FOREVER)
        });
        self.store.set_epoch_deadline(epochs);
        self.store.set_fuel(self.limits.fuel)
    }

    fn instantiate(&mut self, module: &Module) -> Result<(), Dead> {
        let instance = self
            .refuel()
            .and_then(|()| module.pre().instantiate(&mut self.store))
            .map_err(|error| self.die("start", &error))?;
        self.bind(&instance)
            .map_err(|error| self.die("start", &error))
    }

    fn bind(&mut self, instance: &Instance) -> wasmtime::Result<()> {
        let store = &mut self.store;
        let memory = instance.get_memory(&mut *store, "memory");
        let mut allocator = None;
        for name in ALLOCATORS {
            if allocator.is_none() && instance.get_func(&mut *store, name).is_some() {
                allocator = Some((*name, instance.get_typed_func(&mut *store, name)?));
            }
        }
        store.data_mut().memory = memory;
        store.data_mut().allocator = allocator;
        self.memory = memory.map_or(0, |memory| memory.data_size(&*store));
        let capabilities = store.data().identity.capabilities;
        self.exports = Export::ALL
            .iter()
            .map(
                |export| match Entry::find(instance, &mut self.store, *export) {
                    Ok(Some(_)) if capabilities.denies_callback(*export) => Ok(None),
                    found => found,
                },
            )
            .collect::<Result<_, _>>()?;
        let on_resolve_dns = self.exports.get(Export::ResolveDns as usize);
        if let Some(Some(Entry::Takes3(function))) = on_resolve_dns {
            self.store.data_mut().on_resolve_dns = Some(function.clone());
        }
        Ok(())
    }

    fn initialize(&mut self) -> Result<(), Dead> {
        self.store.data_mut().restricted = true;
        let has_initialize = matches!(self.exports.get(Export::Initialize as usize), Some(Some(_)));
        if has_initialize {
            self.call(Export::Initialize, 0, &[])?;
            self.call(Export::Main, 0, &[0, 0])?;
            self.call(Export::MainVoid, 0, &[])?;
        } else {
            self.call(Export::Start, 0, &[])?;
        }
        self.store.data_mut().restricted = false;
        Ok(())
    }

    fn invoke(&mut self, export: Export, args: &[u32]) -> wasmtime::Result<Option<u32>> {
        let store = &mut self.store;
        match (
            self.exports.get(export as usize).and_then(Option::as_ref),
            args,
        ) {
            (Some(Entry::Takes0(function)), []) => function.call(store, ()).map(|()| None),
            (Some(Entry::Takes1(function)), &[a]) => function.call(store, a).map(|()| None),
            (Some(Entry::Takes2(function)), &[a, b]) => function.call(store, (a, b)).map(|()| None),
            (Some(Entry::Takes3(function)), &[a, b, c]) => {
                function.call(store, (a, b, c)).map(|()| None)
            }
            (Some(Entry::Takes5(function)), &[a, b, c, d, e]) => {
                function.call(store, (a, b, c, d, e)).map(|()| None)
            }
            (Some(Entry::Gives0(function)), []) => function.call(store, ()).map(Some),
            (Some(Entry::Gives1(function)), &[a]) => function.call(store, a).map(Some),
            (Some(Entry::Gives2(function)), &[a, b]) => function.call(store, (a, b)).map(Some),
            (Some(Entry::Gives3(function)), &[a, b, c]) => {
                function.call(store, (a, b, c)).map(Some)
            }
            _ => wasmtime::bail!("{} was called with {} arguments", export.name(), args.len()),
        }
    }
}

impl Entry {
    fn find(
        instance: &Instance,
        store: &mut Store<VmState>,
        export: Export,
    ) -> wasmtime::Result<Option<Self>> {
        if instance.get_func(&mut *store, export.name()).is_none() {
            return Ok(None);
        }
        let name = export.name();
        Ok(Some(
            match (export.params_in(store.data().abi), export.returns()) {
                (0, false) => Self::Takes0(instance.get_typed_func(store, name)?),
                (1, false) => Self::Takes1(instance.get_typed_func(store, name)?),
                (2, false) => Self::Takes2(instance.get_typed_func(store, name)?),
                (3, false) => Self::Takes3(instance.get_typed_func(store, name)?),
                (5, false) => Self::Takes5(instance.get_typed_func(store, name)?),
                (0, true) => Self::Gives0(instance.get_typed_func(store, name)?),
                (1, true) => Self::Gives1(instance.get_typed_func(store, name)?),
                (2, true) => Self::Gives2(instance.get_typed_func(store, name)?),
                (3, true) => Self::Gives3(instance.get_typed_func(store, name)?),
                (params, _) => wasmtime::bail!("no shape for {name} with {params} arguments"),
            },
        ))
    }
}
