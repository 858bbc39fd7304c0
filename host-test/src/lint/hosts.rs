//! Which host does what about an import (their sources, and what is reported of them, 2026).

use std::fmt;

use serde::Serialize;

use crate::functions::Function;

/// A Proxy-Wasm host.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Host {
    /// Envoy 1.40, and Istio with it.
    Envoy,
    /// ngx_wasm_module: nginx, Kong.
    NgxWasmModule,
    /// The wasm plugin of Apache Traffic Server.
    TrafficServer,
    /// The Go host of MOSN, version 1.
    Mosn,
    /// wasm-nginx-module: Apache APISIX.
    Apisix,
    /// Service Extensions of Google Cloud.
    ServiceExtensions,
}

/// What a host does about an import.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Support {
    /// It has the function.
    Works,
    /// It has a function of that name which behaves otherwise.
    Differs,
    /// It answers OK and does nothing.
    NoEffect,
    /// It answers UNIMPLEMENTED (12).
    Unimplemented,
    /// It kills the VM when the function is called.
    Traps,
    /// It refuses to link the module.
    NotLinked,
    /// It does not offer this; what exactly happens is not known.
    Missing,
    /// It is not known.
    Unknown,
}

impl Host {
    /// All hosts.
    pub const ALL: &'static [Self] = &[
        Self::Envoy,
        Self::NgxWasmModule,
        Self::TrafficServer,
        Self::Mosn,
        Self::Apisix,
        Self::ServiceExtensions,
    ];

    /// The name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::NgxWasmModule => "ngx_wasm_module",
            Self::TrafficServer => "Traffic Server",
            Self::Mosn => "MOSN",
            Self::Apisix => "APISIX",
            Self::ServiceExtensions => "Service Extensions",
        }
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Works => "has it",
            Self::Differs => "has another one",
            Self::NoEffect => "does nothing",
            Self::Unimplemented => "answers UNIMPLEMENTED",
            Self::Traps => "traps",
            Self::NotLinked => "does not link it",
            Self::Missing => "does not offer it",
            Self::Unknown => "is not known to have it",
        })
    }
}

/// The functions of WASI that the specification of ABI 0.2.1 has; Envoy has 37 more since 1.39.
pub(crate) const WASI_OF_THE_SPECIFICATION: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_write",
    "proc_exit",
    "random_get",
];

/// What a host does about a function that Envoy has.
pub(super) fn support(host: Host, function: Function) -> Support {
    use Function as F;
    let is_wasi = !function.name().starts_with("proxy_");
    if is_wasi {
        let specified = WASI_OF_THE_SPECIFICATION.contains(&function.name());
        return match host {
            Host::Envoy => Support::Works,
            Host::NgxWasmModule | Host::TrafficServer if specified => Support::Works,
            Host::Mosn | Host::Apisix => Support::Works,
            _ => Support::Unknown,
        };
    }
    match host {
        Host::Envoy => Support::Works,
        Host::NgxWasmModule => match function {
            F::proxy_get_log_level
            | F::proxy_resolve_shared_queue
            | F::proxy_grpc_call
            | F::proxy_grpc_stream
            | F::proxy_grpc_send
            | F::proxy_grpc_cancel
            | F::proxy_grpc_close => Support::Traps,
            F::proxy_http_call | F::proxy_call_foreign_function => Support::Differs,
            _ => Support::Works,
        },
        Host::TrafficServer => match function {
            F::proxy_grpc_call
            | F::proxy_grpc_stream
            | F::proxy_grpc_send
            | F::proxy_grpc_cancel
            | F::proxy_grpc_close => Support::Missing,
            F::proxy_http_call | F::proxy_call_foreign_function => Support::Differs,
            _ => Support::Works,
        },
        Host::Mosn => match function {
            F::proxy_continue_stream
            | F::proxy_close_stream
            | F::proxy_send_local_response
            | F::proxy_get_status
            | F::proxy_grpc_stream
            | F::proxy_grpc_send
            | F::proxy_grpc_cancel
            | F::proxy_grpc_close
            | F::proxy_get_log_level => Support::NotLinked,
            F::proxy_set_tick_period_milliseconds
            | F::proxy_define_metric
            | F::proxy_record_metric
            | F::proxy_increment_metric
            | F::proxy_get_metric => Support::Unimplemented,
            F::proxy_get_current_time_nanoseconds
            | F::proxy_http_call
            | F::proxy_call_foreign_function => Support::Differs,
            _ => Support::Works,
        },
        Host::Apisix => match function {
            F::proxy_get_shared_data
            | F::proxy_set_shared_data
            | F::proxy_register_shared_queue
            | F::proxy_resolve_shared_queue
            | F::proxy_enqueue_shared_queue
            | F::proxy_dequeue_shared_queue
            | F::proxy_grpc_call
            | F::proxy_grpc_stream
            | F::proxy_grpc_send
            | F::proxy_grpc_cancel
            | F::proxy_grpc_close
            | F::proxy_call_foreign_function => Support::Unimplemented,
            F::proxy_get_log_level => Support::NotLinked,
            F::proxy_define_metric
            | F::proxy_record_metric
            | F::proxy_increment_metric
            | F::proxy_get_metric
            | F::proxy_continue_stream => Support::NoEffect,
            F::proxy_http_call | F::proxy_send_local_response => Support::Differs,
            F::proxy_set_tick_period_milliseconds => Support::Unknown,
            _ => Support::Works,
        },
        Host::ServiceExtensions => match function {
            F::proxy_http_call
            | F::proxy_set_tick_period_milliseconds
            | F::proxy_get_shared_data
            | F::proxy_set_shared_data
            | F::proxy_register_shared_queue
            | F::proxy_resolve_shared_queue
            | F::proxy_enqueue_shared_queue
            | F::proxy_dequeue_shared_queue
            | F::proxy_define_metric
            | F::proxy_record_metric
            | F::proxy_increment_metric
            | F::proxy_get_metric
            | F::proxy_grpc_call
            | F::proxy_grpc_stream
            | F::proxy_grpc_send
            | F::proxy_grpc_cancel
            | F::proxy_grpc_close
            | F::proxy_call_foreign_function => Support::Missing,
            _ => Support::Works,
        },
    }
}

/// What a host does about an import of any name.
pub(super) fn support_by_name(host: Host, module: &str, name: &str) -> Support {
    let is_wasi = matches!(module, "wasi_snapshot_preview1" | "wasi_unstable");
    match Function::named(name) {
        Some(function) if is_wasi != name.starts_with("proxy_") && (is_wasi || module == "env") => {
            support(host, function)
        }
        _ => Support::NotLinked,
    }
}

/// In words, which hosts do not have a function or answer it otherwise; `None`: none of which that is known.
pub(crate) fn differences(function: Function) -> Option<String> {
    let words: Vec<String> = Host::ALL
        .iter()
        .map(|host| (host, support(*host, function)))
        .filter(|(_, support)| !matches!(support, Support::Works | Support::Unknown))
        .map(|(host, support)| format!("{} {support}", host.name()))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hosts_have_has_no_differences_and_other_functions_name_the_hosts() {
        assert_eq!(differences(Function::proxy_get_header_map_value), None);
        assert_eq!(
            differences(Function::proxy_get_shared_data).as_deref(),
            Some("APISIX answers UNIMPLEMENTED; Service Extensions does not offer it")
        );
    }

    #[test]
    fn a_name_in_the_wrong_module_is_not_linked_by_anybody() {
        let find = |module, name| support_by_name(Host::Envoy, module, name);
        assert_eq!(find("env", "proxy_log"), Support::Works);
        assert_eq!(find("wasi_unstable", "fd_write"), Support::Works);
        assert_eq!(find("env", "fd_write"), Support::NotLinked);
        assert_eq!(find("wasi_unstable", "proxy_log"), Support::NotLinked);
        assert_eq!(find("env", "proxy_dance"), Support::NotLinked);
    }
}
