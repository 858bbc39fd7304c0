//! The types of host functions and callbacks (specification v0.2.1), in one letter for each argument: `i` for 32 bits, `l`
//! for 64.

use wasmparser::{FuncType, ValType};

use crate::functions::{Export, Function};
use crate::version::AbiVersion;

/// The arguments of a function of the ABI, all of which return one `i32`; `None`: any will do.
pub(super) fn arguments(function: Function) -> Option<&'static str> {
    use Function as F;
    Some(match function {
        F::proxy_done
        | F::proxy_continue_request
        | F::proxy_continue_response
        | F::proxy_clear_route_cache => "",
        F::proxy_get_log_level
        | F::proxy_get_current_time_nanoseconds
        | F::proxy_set_tick_period_milliseconds
        | F::proxy_continue_stream
        | F::proxy_close_stream
        | F::proxy_grpc_cancel
        | F::proxy_grpc_close
        | F::proxy_set_effective_context => "i",
        F::proxy_get_header_map_size | F::proxy_get_metric | F::proxy_get_configuration => "ii",
        F::proxy_record_metric | F::proxy_increment_metric => "il",
        F::proxy_log
        | F::proxy_get_buffer_status
        | F::proxy_get_header_map_pairs
        | F::proxy_set_header_map_pairs
        | F::proxy_remove_header_map_value
        | F::proxy_get_status
        | F::proxy_register_shared_queue
        | F::proxy_enqueue_shared_queue
        | F::proxy_dequeue_shared_queue => "iii",
        F::proxy_grpc_send
        | F::proxy_define_metric
        | F::proxy_get_property
        | F::proxy_set_property => "iiii",
        F::proxy_get_buffer_bytes
        | F::proxy_set_buffer_bytes
        | F::proxy_get_header_map_value
        | F::proxy_add_header_map_value
        | F::proxy_replace_header_map_value
        | F::proxy_get_shared_data
        | F::proxy_set_shared_data
        | F::proxy_resolve_shared_queue => "iiiii",
        F::proxy_call_foreign_function => "iiiiii",
        F::proxy_send_local_response => "iiiiiiii",
        F::proxy_grpc_stream => "iiiiiiiii",
        F::proxy_http_call => "iiiiiiiiii",
        F::proxy_grpc_call => "iiiiiiiiiiii",
        _ => return None,
    })
}

/// Whether a function has these arguments and one `i32` or nothing as its result.
pub(super) fn fits(ty: &FuncType, arguments: &str, returns: bool) -> bool {
    let letters: Option<String> = ty
        .params()
        .iter()
        .map(|param| match param {
            ValType::I32 => Some('i'),
            ValType::I64 => Some('l'),
            _ => None,
        })
        .collect();
    let results: &[ValType] = if returns { &[ValType::I32] } else { &[] };
    letters.as_deref() == Some(arguments) && ty.results() == results
}

/// Whether a callback has the type that this version of the ABI gives it.
pub(super) fn fits_callback(ty: &FuncType, export: Export, abi: AbiVersion) -> bool {
    fits(ty, &"i".repeat(export.params_in(abi)), export.returns())
}

/// A type in words.
pub(super) fn words(ty: &FuncType) -> String {
    let list = |types: &[ValType]| {
        let words: Vec<String> = types.iter().map(ToString::to_string).collect();
        words.join(", ")
    };
    match ty.results() {
        [] => format!("({})", list(ty.params())),
        results => format!("({}) -> {}", list(ty.params()), list(results)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_abi_has_a_type() {
        for function in Function::ALL {
            let is_abi = function.name().starts_with("proxy_");
            assert!(!is_abi || arguments(*function).is_some(), "{function:?}");
        }
    }
}
