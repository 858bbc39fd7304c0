//! The names of everything that crosses the boundary: the host functions that guests import and the callbacks that they
//! export.

use crate::version::AbiVersion;

macro_rules! host_functions {
    ($($name:ident)*) => {
        /// A host function, named as guests import it.
        #[allow(non_camel_case_types, reason = "the variants are the imported names, letter for letter")]
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Function { $($name),* }

        impl Function {
            /// All functions, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The imported name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

host_functions! {
    proxy_log proxy_get_log_level
    proxy_get_current_time_nanoseconds proxy_set_tick_period_milliseconds
    proxy_get_buffer_bytes proxy_set_buffer_bytes proxy_get_buffer_status
    proxy_get_header_map_size proxy_get_header_map_pairs proxy_set_header_map_pairs proxy_get_header_map_value
    proxy_add_header_map_value proxy_replace_header_map_value proxy_remove_header_map_value
    proxy_continue_stream proxy_close_stream proxy_send_local_response
    proxy_get_status proxy_http_call
    proxy_grpc_call proxy_grpc_stream proxy_grpc_send proxy_grpc_cancel proxy_grpc_close
    proxy_get_shared_data proxy_set_shared_data
    proxy_register_shared_queue proxy_resolve_shared_queue proxy_enqueue_shared_queue proxy_dequeue_shared_queue
    proxy_define_metric proxy_record_metric proxy_increment_metric proxy_get_metric
    proxy_get_property proxy_set_property
    proxy_call_foreign_function proxy_set_effective_context proxy_done
    proxy_get_configuration proxy_continue_request proxy_continue_response proxy_clear_route_cache
    envoy_resolve_dns
    pthread_equal emscripten_notify_memory_growth
    fd_write fd_read fd_seek fd_close fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_advise fd_allocate
    fd_datasync fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread fd_pwrite fd_readdir fd_renumber
    fd_sync fd_tell fd_prestat_get fd_prestat_dir_name
    path_open path_create_directory path_filestat_get path_filestat_set_times path_link path_readlink
    path_remove_directory path_rename path_symlink path_unlink_file
    sock_accept sock_recv sock_send sock_shutdown
    environ_sizes_get environ_get args_sizes_get args_get
    clock_time_get clock_res_get random_get sched_yield poll_oneoff proc_exit
}

impl Function {
    /// The function that guests import under this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|function| function.name() == name)
    }
}

macro_rules! exports {
    ($($variant:ident $name:literal $params:literal $returns:literal;)*) => {
        /// A callback that a guest may export.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Export { $($variant),* }

        impl Export {
            /// All callbacks, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The exported name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// How many `i32` it takes.
            pub(crate) fn params(self) -> usize {
                match self { $(Self::$variant => $params),* }
            }

            /// Whether it returns an `i32`.
            pub(crate) fn returns(self) -> bool {
                match self { $(Self::$variant => $returns),* }
            }
        }
    };
}

exports! {
    Initialize "_initialize" 0 false;
    Start "_start" 0 false;
    Main "main" 2 true;
    MainVoid "__main_void" 0 true;
    ContextCreate "proxy_on_context_create" 2 false;
    VmStart "proxy_on_vm_start" 2 true;
    Configure "proxy_on_configure" 2 true;
    ValidateConfiguration "proxy_validate_configuration" 2 true;
    Tick "proxy_on_tick" 1 false;
    RequestHeaders "proxy_on_request_headers" 3 true;
    RequestBody "proxy_on_request_body" 3 true;
    RequestTrailers "proxy_on_request_trailers" 2 true;
    RequestMetadata "proxy_on_request_metadata" 2 true;
    ResponseHeaders "proxy_on_response_headers" 3 true;
    ResponseBody "proxy_on_response_body" 3 true;
    ResponseTrailers "proxy_on_response_trailers" 2 true;
    ResponseMetadata "proxy_on_response_metadata" 2 true;
    HttpCallResponse "proxy_on_http_call_response" 5 false;
    GrpcReceiveInitialMetadata "proxy_on_grpc_receive_initial_metadata" 3 false;
    GrpcReceive "proxy_on_grpc_receive" 3 false;
    GrpcReceiveTrailingMetadata "proxy_on_grpc_receive_trailing_metadata" 3 false;
    GrpcClose "proxy_on_grpc_close" 3 false;
    QueueReady "proxy_on_queue_ready" 2 false;
    ResolveDns "envoy_on_resolve_dns" 3 false;
    StatsUpdate "envoy_on_stats_update" 2 false;
    ForeignFunction "proxy_on_foreign_function" 3 false;
    NewConnection "proxy_on_new_connection" 1 true;
    DownstreamData "proxy_on_downstream_data" 3 true;
    UpstreamData "proxy_on_upstream_data" 3 true;
    DownstreamConnectionClose "proxy_on_downstream_connection_close" 2 false;
    UpstreamConnectionClose "proxy_on_upstream_connection_close" 2 false;
    Done "proxy_on_done" 1 true;
    Log "proxy_on_log" 1 false;
    Delete "proxy_on_delete" 1 false;
}

impl Export {
    /// Whether the callbacks of a plugin can be limited to others than this.
    pub(crate) fn is_a_capability(self) -> bool {
        self.name().starts_with("proxy_")
    }

    /// How many `i32` it takes in this version of the ABI: the callbacks about headers were not told of the end at first.
    pub(crate) fn params_in(self, abi: AbiVersion) -> usize {
        match self {
            Self::RequestHeaders | Self::ResponseHeaders if abi == AbiVersion::V0_1_0 => 2,
            _ => self.params(),
        }
    }
}

impl Function {
    /// Whether a module may call the function while it initializes (proxy-wasm-cpp-host `WasmBase::startVm`, and tried for each
    /// in Envoy 1.40).
    pub(crate) fn may_run_at_start(self) -> bool {
        !(self.name().starts_with("proxy_")
            || matches!(
                self,
                Self::envoy_resolve_dns
                    | Self::pthread_equal
                    | Self::emscripten_notify_memory_growth
                    | Self::fd_read
                    | Self::fd_seek
                    | Self::fd_close
                    | Self::path_open
                    | Self::sched_yield
                    | Self::proc_exit
            ))
            || self == Self::proxy_log
    }

    /// Whether it returns anything.
    pub(crate) fn returns(self) -> bool {
        !matches!(
            self,
            Self::proc_exit | Self::emscripten_notify_memory_growth
        )
    }

    /// Whether the functions that a plugin may call can be limited to others than this (`capability_restriction_config`).
    pub(crate) fn is_a_capability(self) -> bool {
        !matches!(
            self,
            Self::envoy_resolve_dns | Self::pthread_equal | Self::emscripten_notify_memory_growth
        )
    }

    /// Whether Envoy has the function for modules of this version.
    pub(crate) fn is_in(self, abi: AbiVersion) -> bool {
        match self {
            Self::proxy_get_configuration
            | Self::proxy_continue_request
            | Self::proxy_continue_response
            | Self::proxy_clear_route_cache => abi == AbiVersion::V0_1_0,
            Self::proxy_continue_stream | Self::proxy_close_stream => abi != AbiVersion::V0_1_0,
            Self::proxy_get_log_level => abi == AbiVersion::V0_2_1,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_the_39_functions_of_the_abi_the_4_of_its_first_version_and_the_45_of_wasi() {
        let of_the_abi = Function::ALL
            .iter()
            .filter(|function| function.name().starts_with("proxy_"))
            .count();
        assert_eq!(of_the_abi, 39 + 4);
        assert_eq!(Function::ALL.len() - of_the_abi - 3, 45);
        assert_eq!(Function::named("proxy_done"), Some(Function::proxy_done));
        assert_eq!(Function::named("proxy_dance"), None);
    }
}
