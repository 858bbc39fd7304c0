//! Where other hosts differ (`proxy-wasm` hosts of 2026, from their sources).

use crate::functions::Function;

/// Which hosts do not have a function, or answer it differently.
pub(super) fn differences(function: Function) -> Option<&'static str> {
    use Function as F;
    Some(match function {
        F::proxy_get_log_level => "ngx_wasm_module traps; MOSN and APISIX do not have it",
        F::proxy_grpc_call
        | F::proxy_grpc_stream
        | F::proxy_grpc_send
        | F::proxy_grpc_cancel
        | F::proxy_grpc_close => {
            "ngx_wasm_module traps; APISIX answers UNIMPLEMENTED; Traffic Server, MOSN and Service Extensions do not have it"
        }
        F::proxy_set_tick_period_milliseconds => {
            "MOSN answers UNIMPLEMENTED; Service Extensions never tick"
        }
        F::proxy_get_shared_data | F::proxy_set_shared_data => {
            "APISIX answers UNIMPLEMENTED; Service Extensions do not share data"
        }
        F::proxy_resolve_shared_queue => {
            "ngx_wasm_module traps; APISIX answers UNIMPLEMENTED; Service Extensions do not have it"
        }
        F::proxy_register_shared_queue
        | F::proxy_enqueue_shared_queue
        | F::proxy_dequeue_shared_queue => {
            "ngx_wasm_module never announces items; APISIX answers UNIMPLEMENTED; Service Extensions do not have it"
        }
        F::proxy_define_metric | F::proxy_increment_metric | F::proxy_record_metric => {
            "MOSN answers UNIMPLEMENTED; APISIX does nothing"
        }
        F::proxy_get_metric => "MOSN answers UNIMPLEMENTED; APISIX says OK and leaves nothing",
        F::proxy_http_call => {
            "ngx_wasm_module takes host:port for a cluster; Traffic Server ignores cluster and timeout; Service Extensions do not have it"
        }
        F::proxy_call_foreign_function => "no two hosts have the same functions",
        _ => return None,
    })
}

/// What another host calls a property, if this is not a name of Envoy's; the path has zero bytes between its segments.
pub(super) fn foreign_property(path: &[u8]) -> Option<&'static str> {
    let first = path.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(match first {
        b"route_name" => "an old name of Envoy's, now `xds.route_name`",
        b"cluster_name" => "an old name of Envoy's, now `xds.cluster_name`",
        b"wasm_process_req_body" | b"wasm_process_resp_body" => "of APISIX",
        _ if first.starts_with(b"ngx.") || first.starts_with(b"wasmx.") => "of ngx_wasm_module",
        _ => return None,
    })
}

/// Whether `proxy_set_property` of this path changes nothing, for all that it answers OK.
pub(super) fn is_envoys_own(path: &[u8]) -> bool {
    let first = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let has_more = path.contains(&0) || path.contains(&b'.');
    let root = first.split(|byte| *byte == b'.').next().unwrap_or_default();
    has_more
        && [
            "request",
            "response",
            "source",
            "destination",
            "connection",
            "upstream",
            "xds",
        ]
        .iter()
        .any(|name| name.as_bytes() == root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_other_hosts_are_foreign() {
        assert!(foreign_property(b"ngx.host").is_some());
        assert!(foreign_property(b"route_name").is_some());
        assert_eq!(foreign_property(b"xds.route_name"), None);
        assert_eq!(foreign_property(b"request\0path"), None);
    }

    #[test]
    fn only_names_under_envoys_attributes_are_envoys_own() {
        assert!(is_envoys_own(b"request\0path"));
        assert!(is_envoys_own(b"response.code"));
        assert!(!is_envoys_own(b"request"));
        assert!(!is_envoys_own(b"postern.user"));
    }
}
