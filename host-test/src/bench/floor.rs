//! The least that anything on this engine costs: a call of a function that does nothing, with its fuel renewed.

use wasmtime::{Instance, Module, Store, TypedFunc};

use super::time::{Timer, Took};
use super::{BenchError, EMPTY_GUEST};

/// How long so many bare calls take.
pub(super) fn round(calls: u32) -> Result<Took, BenchError> {
    time(calls).map_err(|error| BenchError::Engine(format!("{error:#}")))
}

fn time(calls: u32) -> wasmtime::Result<Took> {
    let engine = crate::module::engine(None)?;
    let module = Module::new(&engine, EMPTY_GUEST)?;
    let mut store = Store::new(&engine, ());
    store.set_fuel(1_000)?;
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = Instance::new(&mut store, &module, &[])?;
    let function: TypedFunc<(u32, u32, u32), u32> =
        instance.get_typed_func(&mut store, "proxy_on_request_headers")?;
    let timer = Timer::start();
    for _ in 0..calls {
        store.set_fuel(1_000)?;
        function.call(&mut store, (1, 2, 3))?;
    }
    Ok(timer.stop())
}
