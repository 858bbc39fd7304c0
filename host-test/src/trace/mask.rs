//! Addresses in lines of a trace.

/// What stands in place of an address.
const MASK: &str = "*";

/// Which arguments of a function are addresses, counted from 0.
fn addresses(function: &str) -> &'static [usize] {
    match function {
        "env.proxy_log" => &[1],
        "env.proxy_get_log_level" | "env.proxy_get_current_time_nanoseconds" => &[0],
        "env.proxy_get_buffer_bytes" => &[3, 4],
        "env.proxy_set_buffer_bytes" => &[3],
        "env.proxy_get_buffer_status" | "env.proxy_get_header_map_pairs" => &[1, 2],
        "env.proxy_get_header_map_size" | "env.proxy_set_header_map_pairs" => &[1],
        "env.proxy_get_header_map_value" => &[1, 3, 4],
        "env.proxy_add_header_map_value" | "env.proxy_replace_header_map_value" => &[1, 3],
        "env.proxy_remove_header_map_value" | "env.proxy_grpc_send" => &[1],
        "env.proxy_get_status" => &[0, 1, 2],
        "env.proxy_send_local_response" => &[1, 3, 5],
        "env.proxy_http_call" => &[0, 2, 4, 6, 9],
        "env.proxy_grpc_call" => &[0, 2, 4, 6, 8, 11],
        "env.proxy_grpc_stream" => &[0, 2, 4, 6, 8],
        "env.proxy_get_shared_data" => &[0, 2, 3, 4],
        "env.proxy_set_shared_data" | "env.proxy_set_property" => &[0, 2],
        "env.proxy_register_shared_queue" => &[0, 2],
        "env.proxy_resolve_shared_queue" => &[0, 2, 4],
        "env.proxy_enqueue_shared_queue" => &[1],
        "env.proxy_dequeue_shared_queue" => &[1, 2],
        "env.proxy_define_metric" => &[1, 3],
        "env.proxy_get_metric" => &[1],
        "env.proxy_get_configuration" => &[0, 1],
        "env.proxy_get_property" => &[0, 2, 3],
        "env.proxy_call_foreign_function" => &[0, 2, 4, 5],
        _ => wasi(function),
    }
}

fn wasi(function: &str) -> &'static [usize] {
    let Some((module, name)) = function.split_once('.') else {
        return &[];
    };
    if !module.starts_with("wasi_") {
        return &[];
    }
    match name {
        "fd_write" | "fd_read" => &[1, 3],
        "clock_time_get" => &[2],
        "clock_res_get" | "fd_fdstat_get" => &[1],
        "random_get" => &[0],
        "environ_sizes_get" | "environ_get" | "args_sizes_get" | "args_get" => &[0, 1],
        _ => &[],
    }
}

/// The line with its addresses masked: those that a guest passes, and those that its allocator answers.
pub(super) fn masked(line: &str) -> String {
    for allocator in ["malloc", "proxy_on_memory_allocate"] {
        let answer = format!("[host<-vm] {allocator} return: ");
        if line.starts_with(&answer) {
            return answer + MASK;
        }
    }
    let Some((function, args)) = line
        .strip_prefix("[vm->host] ")
        .and_then(|call| call.strip_suffix(')')?.split_once('('))
    else {
        return line.to_owned();
    };
    let masked = addresses(function);
    let args: Vec<&str> = args
        .split(", ")
        .enumerate()
        .map(|(index, arg)| match arg {
            // No address at all is something else than any address.
            "0" => arg,
            _ if masked.contains(&index) => MASK,
            _ => arg,
        })
        .collect();
    format!("[vm->host] {function}({})", args.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::Function;

    #[test]
    fn addresses_are_masked_and_sizes_are_not() {
        for (line, expected) in [
            (
                "[vm->host] env.proxy_log(2, 1114120, 13)",
                "[vm->host] env.proxy_log(2, *, 13)",
            ),
            (
                "[host<-vm] malloc return: 65536",
                "[host<-vm] malloc return: *",
            ),
            ("[host->vm] malloc(65536)", "[host->vm] malloc(65536)"),
            (
                "[vm->host] env.proxy_call_foreign_function(1250, 17, 0, 0, 0, 0)",
                "[vm->host] env.proxy_call_foreign_function(*, 17, 0, 0, 0, 0)",
            ),
            (
                "[vm->host] wasi_snapshot_preview1.clock_time_get(1, 1, 64)",
                "[vm->host] wasi_snapshot_preview1.clock_time_get(1, 1, *)",
            ),
            (
                "[vm<-host] env.proxy_log return: 0",
                "[vm<-host] env.proxy_log return: 0",
            ),
            ("[vm->host] env.proxy_done()", "[vm->host] env.proxy_done()"),
        ] {
            assert_eq!(masked(line), expected);
        }
    }

    #[test]
    fn every_function_with_an_address_is_known() {
        let without = [
            "proxy_continue_stream",
            "proxy_close_stream",
            "proxy_continue_request",
            "proxy_continue_response",
            "proxy_clear_route_cache",
            "proxy_done",
            "proxy_set_effective_context",
            "proxy_set_tick_period_milliseconds",
            "proxy_record_metric",
            "proxy_increment_metric",
            "proxy_grpc_cancel",
            "proxy_grpc_close",
        ];
        for function in Function::ALL.iter().map(|function| function.name()) {
            if function.starts_with("proxy_") && !without.contains(&function) {
                assert_ne!(addresses(&format!("env.{function}")), [0; 0], "{function}");
            }
        }
    }
}
