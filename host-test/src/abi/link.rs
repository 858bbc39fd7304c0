//! Which import is answered by which function.

use wasmtime::{Caller, ExternType, ImportType, Linker, Val};

use super::{Call, Stop, answer, host_call};
use super::{
    buffers, callouts, clock, grpc, headers, local_response, log, metrics, properties, queues,
    shared_data,
};
use super::{streams, wasi};
use crate::functions::Function;
use crate::module::LoadError;
use crate::profile::{Link, Profile};
use crate::state::VmState;
use crate::status::Status;
use crate::version::AbiVersion;

const ENV: &str = "env";
const WASI: &[&str] = &["wasi_snapshot_preview1", "wasi_unstable"];

/// Functions that return a status or an errno.
macro_rules! functions {
    ($linker:expr, $module:expr; $($name:ident($($arg:ident: $ty:ty),*) = |$call:ident| $body:expr;)*) => {$(
        $linker.func_wrap(
            $module,
            stringify!($name),
            |caller: Caller<'_, VmState>, $($arg: $ty),*| {
                let args: &[u64] = &[$($arg as u64),*];
                #[allow(unused_variables, reason = "some functions need no more than their arguments")]
                host_call(caller, $module, Function::$name, args, |$call: &mut Call<'_>| $body)
            },
        )?;
    )*};
}

/// Offers everything that the module imports, and names what nobody has.
pub(crate) fn link(
    linker: &mut Linker<VmState>,
    module: &wasmtime::Module,
    abi: AbiVersion,
    profile: Profile,
) -> Result<(), LoadError> {
    let unknown: Vec<String> = module
        .imports()
        .filter(|import| !is_known(import, abi, profile))
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if !unknown.is_empty() {
        return Err(LoadError::UnknownImports(unknown));
    }
    link_all(linker, module)
        .and_then(|()| replace(linker, module, profile))
        .map_err(|error| LoadError::WrongImport(format!("{error:#}")))
}

/// Puts what another host does in the place of functions that it does not have.
fn replace(
    linker: &mut Linker<VmState>,
    module: &wasmtime::Module,
    profile: Profile,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    for import in module.imports().filter(|import| import.module() == ENV) {
        let (Some(function), ExternType::Func(ty)) = (Function::named(import.name()), import.ty())
        else {
            continue;
        };
        let answered = match profile.link(function) {
            Link::Works | Link::Absent => continue,
            Link::Traps => None,
            Link::Answers(status) => Some(status),
        };
        linker.func_new(ENV, function.name(), ty, move |caller, params, results| {
            let args: Vec<u64> = params.iter().map(word).collect();
            let code = host_call(caller, ENV, function, &args, |_| match answered {
                Some(status) => answer(status),
                None => Err(Stop::Trap(wasmtime::format_err!(
                    "{} is not implemented in {profile}",
                    function.name()
                ))),
            })?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(code.cast_signed());
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn word(value: &Val) -> u64 {
    match value {
        Val::I32(word) => u64::from(word.cast_unsigned()),
        Val::I64(word) => word.cast_unsigned(),
        _ => 0,
    }
}

fn is_known(import: &ImportType<'_>, abi: AbiVersion, profile: Profile) -> bool {
    let is_function = matches!(import.ty(), ExternType::Func(_));
    let of_env = |name: &str| {
        name.starts_with("proxy_")
            || name.starts_with("pthread_")
            || name.starts_with("emscripten_")
    };
    let is_there = |function: Function| {
        function.is_in(abi) && (import.module() != ENV || profile.link(function) != Link::Absent)
    };
    is_function
        && Function::named(import.name()).is_some_and(is_there)
        && if WASI.contains(&import.module()) {
            !of_env(import.name())
        } else {
            import.module() == ENV && of_env(import.name())
        }
}

fn link_all(linker: &mut Linker<VmState>, module: &wasmtime::Module) -> wasmtime::Result<()> {
    link_headers_and_buffers(linker)?;
    link_streams_and_calls(linker)?;
    link_shared(linker)?;
    linker.func_wrap(ENV, "pthread_equal", |left: u32, right: u32| {
        u32::from(left == right)
    })?;
    linker.func_wrap(ENV, "emscripten_notify_memory_growth", |_memory: u32| {})?;
    link_wasi_preview1(linker)?;
    link_wasi_unstable(linker)?;
    module
        .imports()
        .filter(|import| WASI.contains(&import.module()))
        .try_for_each(|import| link_fixed(linker, &import))
}

fn link_headers_and_buffers(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    functions! { linker, ENV;
        proxy_get_header_map_size(map: u32, size: u32) = |call| headers::get_size(call, map, size);
        proxy_get_header_map_pairs(map: u32, data: u32, size: u32) = |call| headers::get_pairs(call, map, data, size);
        proxy_set_header_map_pairs(map: u32, data: u32, size: u32) = |call| headers::set_pairs(call, map, data, size);
        proxy_get_header_map_value(map: u32, key: u32, key_len: u32, value: u32, value_len: u32) =
            |call| headers::get_value(call, map, key, key_len, value, value_len);
        proxy_add_header_map_value(map: u32, key: u32, key_len: u32, value: u32, value_len: u32) =
            |call| headers::add(call, map, key, key_len, value, value_len);
        proxy_replace_header_map_value(map: u32, key: u32, key_len: u32, value: u32, value_len: u32) =
            |call| headers::replace(call, map, key, key_len, value, value_len);
        proxy_remove_header_map_value(map: u32, key: u32, key_len: u32) =
            |call| headers::remove(call, map, key, key_len);
        proxy_get_buffer_bytes(buffer: u32, start: u32, max: u32, data: u32, size: u32) =
            |call| buffers::get(call, buffer, start, max, data, size);
        proxy_set_buffer_bytes(buffer: u32, start: u32, size: u32, data: u32, data_len: u32) =
            |call| buffers::set(call, buffer, start, size, data, data_len);
        proxy_get_buffer_status(buffer: u32, size: u32, unused: u32) =
            |call| buffers::get_status(call, buffer, size, unused);
        proxy_get_property(path: u32, path_len: u32, value: u32, value_len: u32) =
            |call| properties::get(call, path, path_len, value, value_len);
        proxy_set_property(path: u32, path_len: u32, value: u32, value_len: u32) =
            |call| properties::set(call, path, path_len, value, value_len);
    }
    Ok(())
}

fn link_streams_and_calls(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    functions! { linker, ENV;
        proxy_log(level: u32, message: u32, length: u32) = |call| log::log(call, level, message, length);
        proxy_get_log_level(level: u32) = |call| log::get_log_level(call, level);
        proxy_get_current_time_nanoseconds(result: u32) = |call| clock::get_current_time(call, result);
        proxy_set_tick_period_milliseconds(period: u32) = |call| clock::set_tick_period(call, period);
        proxy_continue_stream(stream_type: u32) = |call| streams::continue_stream(call, stream_type);
        proxy_close_stream(stream_type: u32) = |call| streams::close_stream(call, stream_type);
        proxy_set_effective_context(context: u32) = |call| streams::set_effective_context(call, context);
        proxy_get_configuration(data: u32, size: u32) = |call| buffers::get_configuration(call, data, size);
        proxy_continue_request() = |call| streams::continue_stream(call, streams::HTTP_REQUEST);
        proxy_continue_response() = |call| streams::continue_stream(call, streams::HTTP_RESPONSE);
        proxy_clear_route_cache() = |call| Ok(());
        proxy_done() = |call| streams::done(call);
        proxy_send_local_response(
            status: u32, details: u32, details_len: u32, body: u32, body_len: u32, headers: u32, headers_len: u32, grpc: u32
        ) = |call| local_response::send(call, local_response::Arguments {
            status,
            details: (details, details_len),
            body: (body, body_len),
            headers: (headers, headers_len),
            grpc_status: grpc,
        });
        proxy_get_status(code: u32, message: u32, message_len: u32) =
            |call| callouts::get_status(call, code, message, message_len);
        proxy_http_call(
            cluster: u32, cluster_len: u32, headers: u32, headers_len: u32, body: u32, body_len: u32, trailers: u32,
            trailers_len: u32, timeout: u32, token: u32
        ) = |call| callouts::http_call(call, callouts::Arguments {
            cluster: (cluster, cluster_len),
            headers: (headers, headers_len),
            body: (body, body_len),
            trailers: (trailers, trailers_len),
            timeout,
            token,
        });
        proxy_call_foreign_function(name: u32, name_len: u32, args: u32, args_len: u32, result: u32, result_len: u32) =
            |call| callouts::call_foreign_function(call, (name, name_len), (args, args_len), (result, result_len));
        proxy_grpc_call(
            service: u32, service_len: u32, name: u32, name_len: u32, method: u32, method_len: u32, metadata: u32,
            metadata_len: u32, message: u32, message_len: u32, timeout: u32, id: u32
        ) = |call| grpc::open(call, grpc::Arguments {
            service: (service, service_len),
            name: (name, name_len),
            method: (method, method_len),
            metadata: (metadata, metadata_len),
            message: Some((message, message_len)),
            timeout,
            id,
        });
        proxy_grpc_stream(
            service: u32, service_len: u32, name: u32, name_len: u32, method: u32, method_len: u32, metadata: u32,
            metadata_len: u32, id: u32
        ) = |call| grpc::open(call, grpc::Arguments {
            service: (service, service_len),
            name: (name, name_len),
            method: (method, method_len),
            metadata: (metadata, metadata_len),
            message: None,
            timeout: 0,
            id,
        });
        proxy_grpc_send(id: u32, message: u32, message_len: u32, end: u32) =
            |call| grpc::send(call, id, (message, message_len), end);
        proxy_grpc_cancel(id: u32) = |call| grpc::cancel(call, id);
        proxy_grpc_close(id: u32) = |call| grpc::close(call, id);
    }
    Ok(())
}

fn link_shared(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    functions! { linker, ENV;
        proxy_get_shared_data(key: u32, key_len: u32, value: u32, value_len: u32, cas: u32) =
            |call| shared_data::get(call, key, key_len, value, value_len, cas);
        proxy_set_shared_data(key: u32, key_len: u32, value: u32, value_len: u32, cas: u32) =
            |call| shared_data::set(call, key, key_len, value, value_len, cas);
        proxy_register_shared_queue(name: u32, name_len: u32, id: u32) =
            |call| queues::register(call, name, name_len, id);
        proxy_resolve_shared_queue(vm: u32, vm_len: u32, name: u32, name_len: u32, id: u32) =
            |call| queues::resolve(call, vm, vm_len, name, name_len, id);
        proxy_enqueue_shared_queue(id: u32, item: u32, item_len: u32) = |call| queues::enqueue(call, id, item, item_len);
        proxy_dequeue_shared_queue(id: u32, item: u32, item_len: u32) = |call| queues::dequeue(call, id, item, item_len);
        proxy_define_metric(kind: u32, name: u32, name_len: u32, id: u32) =
            |call| metrics::define(call, kind, name, name_len, id);
        proxy_record_metric(id: u32, value: u64) = |call| metrics::record(call, id, value);
        proxy_increment_metric(id: u32, offset: u64) = |call| metrics::increment(call, id, offset.cast_signed());
        proxy_get_metric(id: u32, result: u32) = |call| metrics::get(call, id, result);
    }
    Ok(())
}

macro_rules! wasi_functions {
    ($linker:expr, $module:literal) => {
        functions! { $linker, $module;
            fd_write(descriptor: u32, vectors: u32, count: u32, written: u32) =
                |call| wasi::fd_write(call, descriptor, vectors, count, written);
            fd_fdstat_get(descriptor: u32, result: u32) = |call| wasi::fd_fdstat_get(call, descriptor, result);
            clock_time_get(clock: u32, precision: u64, result: u32) = |call| wasi::clock_time_get(call, clock, result);
            random_get(start: u32, length: u32) = |call| wasi::random_get(call, start, length);
            environ_sizes_get(count: u32, size: u32) = |call| wasi::environ_sizes_get(call, count, size);
            environ_get(pointers: u32, buffer: u32) = |call| wasi::environ_get(call, pointers, buffer);
            args_sizes_get(count: u32, size: u32) = |call| wasi::args_sizes_get(call, count, size);
            clock_res_get(clock: u32, result: u32) = |call| wasi::clock_res_get(call, clock, result);
        }
        $linker.func_wrap($module, "proc_exit", |caller: Caller<'_, VmState>, code: u32| {
            host_call(caller, $module, Function::proc_exit, &[u64::from(code)], |call| {
                wasi::proc_exit(call);
                answer(Status::Ok)
            })
            .map(|_| ())
        })?;
    };
}

fn link_wasi_preview1(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    wasi_functions!(linker, "wasi_snapshot_preview1");
    Ok(())
}

fn link_wasi_unstable(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    wasi_functions!(linker, "wasi_unstable");
    Ok(())
}

/// The rest of WASI has one answer each, whatever the arguments; the module's own import says what they are.
fn link_fixed(linker: &mut Linker<VmState>, import: &ImportType<'_>) -> wasmtime::Result<()> {
    let ExternType::Func(ty) = import.ty() else {
        return Ok(());
    };
    let Some(function) = Function::named(import.name()) else {
        return Ok(());
    };
    let module = if import.module() == WASI[0] {
        WASI[0]
    } else {
        WASI[1]
    };
    if has_body(function) {
        return Ok(());
    }
    linker.func_new(
        module,
        function.name(),
        ty,
        move |caller, params, results| {
            let args: Vec<u64> = params
                .iter()
                .map(|value| {
                    value
                        .i32()
                        .map_or(0, |word| u64::from(word.cast_unsigned()))
                })
                .collect();
            let errno = host_call(caller, module, function, &args, |_| {
                Err(Stop::Code(wasi::fixed_errno(function)))
            })?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno.cast_signed());
            }
            Ok(())
        },
    )?;
    Ok(())
}

fn has_body(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::fd_write
            | F::fd_fdstat_get
            | F::clock_time_get
            | F::clock_res_get
            | F::random_get
            | F::environ_sizes_get
            | F::environ_get
            | F::args_sizes_get
            | F::proc_exit
    )
}
