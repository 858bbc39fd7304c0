//! Who calls the Rust SDK's getters of text.
//!
//! The names alone say nothing: every trait method has a default, tables of methods keep all of them alive, and each calls
//! the getter. Only a call from code that is not the SDK's does.

use std::collections::BTreeSet;

use super::facts::Facts;

/// The functions of the SDK that make a `String` of what may be bytes.
const GETTERS: &[&str] = &[
    "proxy_wasm::hostcalls::get_map",
    "proxy_wasm::hostcalls::get_map_value",
];
/// The methods that do, as their names end.
const METHODS: &[&str] = &[
    "::get_http_request_headers",
    "::get_http_request_header",
    "::get_http_request_trailers",
    "::get_http_request_trailer",
    "::get_http_response_headers",
    "::get_http_response_header",
    "::get_http_response_trailers",
    "::get_http_response_trailer",
    "::get_http_call_response_headers",
    "::get_http_call_response_header",
    "::get_http_call_response_trailers",
    "::get_http_call_response_trailer",
    "::get_grpc_stream_initial_metadata_value",
    "::get_grpc_stream_trailing_metadata_value",
];

/// The names of the functions that call them, each once.
pub(super) fn readers(facts: &Facts) -> Vec<String> {
    let name = |index: &u32| facts.names.get(index).map_or("", String::as_str);
    let readers: BTreeSet<&str> = facts
        .calls
        .iter()
        .filter(|(_, callee)| is_getter(name(callee)))
        .map(|(caller, _)| name(caller))
        .filter(|caller| {
            !caller.is_empty() && !is_getter(caller) && !caller.starts_with("proxy_wasm::")
        })
        .collect();
    readers.into_iter().map(str::to_owned).collect()
}

fn is_getter(name: &str) -> bool {
    GETTERS.contains(&name)
        || (name.contains("proxy_wasm::") && METHODS.iter().any(|method| name.ends_with(method)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_callers_outside_the_sdk_are_readers() {
        let names = [
            "proxy_wasm::hostcalls::get_map_value",
            "proxy_wasm::traits::HttpContext::get_http_request_header",
            "<mine::Filter as proxy_wasm::traits::HttpContext>::on_http_request_headers",
            "proxy_wasm::hostcalls::get_map_value_bytes",
            "mine::other",
        ];
        let facts = Facts {
            names: (0..).zip(names.map(str::to_owned)).collect(),
            calls: vec![(1, 0), (2, 1), (2, 0), (4, 3)],
            ..Facts::default()
        };
        assert_eq!(readers(&facts), [names[2]]);
    }
}
