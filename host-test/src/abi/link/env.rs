//! The functions of the ABI, and those that Envoy adds to its module.

use wasmtime::{Caller, Linker};

use crate::abi::{
    Call, Stop, answer, buffers, callouts, clock, dns, grpc, headers, host_call, local_response,
    log, metrics, properties, queues, shared_data, streams,
};
use crate::functions::Function;
use crate::state::VmState;
use crate::status::Status;

use super::ENV;

pub(super) fn link(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    link_headers_and_buffers(linker)?;
    link_streams_and_calls(linker)?;
    link_shared(linker)?;
    link_runtime(linker)
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

/// What Envoy has beside the ABI, and what Emscripten's runtime imports.
fn link_runtime(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    functions! { linker, ENV;
        envoy_resolve_dns(name: u32, length: u32, token: u32) = |call| dns::resolve(call, name, length, token);
        pthread_equal(left: u32, right: u32) = |call| Err(Stop::Code(u32::from(left == right)));
    }
    linker.func_wrap(
        ENV,
        "emscripten_notify_memory_growth",
        |caller: Caller<'_, VmState>, memory: u32| {
            let function = Function::emscripten_notify_memory_growth;
            let args = [u64::from(memory)];
            host_call(caller, ENV, function, &args, |_| answer(Status::Ok)).map(|_| ())
        },
    )?;
    Ok(())
}
