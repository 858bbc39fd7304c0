//! Which host this one behaves as: which functions each host has, and where its answers differ from Envoy's.
//!
//! What is said of the other hosts was read in their sources and documentation in 2026: Kong's ngx_wasm_module, the Traffic
//! Server plugin, MOSN's proxy-wasm-go-host (ABI v1), APISIX's wasm-nginx-module and Google's Service Extensions. Only Envoy was
//! run beside this host.

use std::fmt;
use std::str::FromStr;

use crate::functions::{Export, Function};
use crate::status::Status;

/// A host to behave as.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// Envoy 1.40.
    #[default]
    Envoy,
    /// Kong's ngx_wasm_module.
    NgxWasmModule,
    /// The Wasm plugin of Apache Traffic Server.
    TrafficServer,
    /// MOSN's proxy-wasm-go-host, with its ABI v1.
    Mosn,
    /// APISIX, through wasm-nginx-module.
    Apisix,
    /// Google Cloud's Service Extensions.
    ServiceExtensions,
}

/// What becomes of an import.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    /// It works.
    Works,
    /// It links, and a call of it ends the VM.
    Traps,
    /// It links, and does nothing but answer this.
    Answers(Status),
    /// A module that imports it does not load.
    Absent,
}

impl Profile {
    /// All profiles, in the order of the documentation.
    pub const ALL: &[Self] = &[
        Self::Envoy,
        Self::NgxWasmModule,
        Self::TrafficServer,
        Self::Mosn,
        Self::Apisix,
        Self::ServiceExtensions,
    ];

    /// The word for it on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::NgxWasmModule => "ngx-wasm-module",
            Self::TrafficServer => "traffic-server",
            Self::Mosn => "mosn",
            Self::Apisix => "apisix",
            Self::ServiceExtensions => "service-extensions",
        }
    }

    pub(crate) fn link(self, function: Function) -> Link {
        match self {
            Self::Envoy => Link::Works,
            _ if function == Function::envoy_resolve_dns => Link::Absent,
            Self::NgxWasmModule => ngx_wasm_module(function),
            Self::TrafficServer => traffic_server(function),
            Self::Mosn => mosn(function),
            Self::Apisix => apisix(function),
            Self::ServiceExtensions => service_extensions(function),
        }
    }

    /// Whether this host ever calls this callback.
    pub(crate) fn calls(self, export: Export) -> bool {
        match export {
            Export::RequestTrailers | Export::ResponseTrailers => {
                matches!(self, Self::Envoy | Self::Mosn)
            }
            Export::QueueReady => !matches!(
                self,
                Self::NgxWasmModule | Self::Apisix | Self::ServiceExtensions
            ),
            Export::Tick => !matches!(self, Self::Mosn | Self::Apisix | Self::ServiceExtensions),
            _ => true,
        }
    }

    /// A header that is not there is an empty one.
    pub(crate) fn has_every_header(self) -> bool {
        self == Self::TrafficServer
    }

    /// A property that is not there is an empty one.
    pub(crate) fn has_every_property(self) -> bool {
        self == Self::Mosn
    }

    /// Every property is text, numbers and truth values included.
    pub(crate) fn has_text_properties(self) -> bool {
        matches!(self, Self::NgxWasmModule | Self::Apisix)
    }

    /// The only property there is.
    pub(crate) fn only_property(self) -> Option<&'static [u8]> {
        (self == Self::ServiceExtensions).then_some(b"plugin_root_id")
    }

    /// The clock stands still while a stream lives.
    pub(crate) fn freezes_time(self) -> bool {
        self == Self::ServiceExtensions
    }

    /// The current time has its lower 32 bits alone.
    pub(crate) fn cuts_time(self) -> bool {
        self == Self::Mosn
    }

    /// `end_of_stream` is never set in callbacks about headers.
    pub(crate) fn hides_end_of_headers(self) -> bool {
        self == Self::NgxWasmModule
    }

    /// Callbacks about headers are told of none.
    pub(crate) fn counts_no_headers(self) -> bool {
        self == Self::Apisix
    }

    /// The callbacks about bodies come only once these properties are set: for requests, and for responses.
    pub(crate) fn property_before(self, export: Export) -> Option<&'static [u8]> {
        match (self, export) {
            (Self::Apisix, Export::RequestBody) => Some(b"wasm.wasm_process_req_body"),
            (Self::Apisix, Export::ResponseBody) => Some(b"wasm.wasm_process_resp_body"),
            _ => None,
        }
    }

    /// Local responses have no headers but those of the host.
    pub(crate) fn drops_local_headers(self) -> bool {
        self == Self::Apisix
    }

    /// A local response with a body and no `content-type` is this.
    pub(crate) fn local_content_type(self) -> Option<&'static str> {
        (self == Self::TrafficServer).then_some("text/html")
    }

    /// `proxy_continue_stream` says OK, and the stream stays where it is.
    pub(crate) fn never_resumes(self) -> bool {
        self == Self::Apisix
    }

    /// `path_link` and `path_symlink` have the types of proxy-wasm-cpp-host, which are not those of WASI.
    pub(crate) fn has_envoys_links(self) -> bool {
        matches!(
            self,
            Self::Envoy | Self::TrafficServer | Self::ServiceExtensions
        )
    }

    /// Whether the stream waits when a filter returns Pause from this callback. ngx_wasm_module expects a local response behind a
    /// Pause at response headers, warns if there is none, and goes on.
    pub(crate) fn pauses_at(self, export: Export) -> bool {
        !(self == Self::NgxWasmModule && export == Export::ResponseHeaders)
    }

    /// The name of the peer that an HTTP call reaches, of what the guest named: a cluster, but for hosts that have none.
    /// ngx_wasm_module resolves `host[:port]`, APISIX takes a URL or a host, and Traffic Server goes by the authority alone.
    pub(crate) fn peer(self, target: String, authority: Option<&[u8]>) -> String {
        match self {
            Self::TrafficServer => {
                authority.map_or(target, |name| String::from_utf8_lossy(name).into_owned())
            }
            Self::Apisix => target
                .split_once("://")
                .and_then(|(_, rest)| rest.split('/').next())
                .map_or(target.clone(), str::to_owned),
            _ => target,
        }
    }

    /// A call goes out wherever it is to go: what cannot be reached fails later, and not at the call.
    pub(crate) fn calls_anyone(self) -> bool {
        matches!(self, Self::NgxWasmModule | Self::TrafficServer)
    }

    /// A call that fails comes back with nothing: no headers, no body and no trailers.
    pub(crate) fn fails_with_nothing(self) -> bool {
        matches!(self, Self::NgxWasmModule | Self::TrafficServer)
    }

    /// HTTP calls wait as long as they like, whatever timeout the guest asks for.
    pub(crate) fn ignores_timeouts(self) -> bool {
        self == Self::TrafficServer
    }

    /// The bytes of memory that a VM may have, unless the builder says otherwise.
    pub(crate) fn memory_limit(self) -> Option<usize> {
        (self == Self::ServiceExtensions).then_some(16 * 1024 * 1024)
    }

    /// The bytes that a module may have.
    pub(crate) fn size_limit(self) -> Option<usize> {
        (self == Self::ServiceExtensions).then_some(5 * 1024 * 1024)
    }

    /// What stands before the names of metrics, for a plugin of this name.
    pub(crate) fn metric_prefix(self, plugin: &str) -> Option<String> {
        (self == Self::NgxWasmModule).then(|| format!("pw.{plugin}."))
    }
}

fn is_grpc(function: Function) -> bool {
    function.name().starts_with("proxy_grpc_")
}

fn is_metric(function: Function) -> bool {
    function.name().ends_with("_metric")
}

fn is_shared(function: Function) -> bool {
    function.name().contains("_shared_")
}

fn ngx_wasm_module(function: Function) -> Link {
    match function {
        Function::proxy_get_log_level
        | Function::proxy_resolve_shared_queue
        | Function::proxy_get_status
        | Function::proxy_clear_route_cache => Link::Traps,
        _ if is_grpc(function) => Link::Traps,
        _ => Link::Works,
    }
}

fn traffic_server(function: Function) -> Link {
    if is_grpc(function) {
        Link::Answers(Status::Unimplemented)
    } else {
        Link::Works
    }
}

fn mosn(function: Function) -> Link {
    match function {
        Function::proxy_get_buffer_status
        | Function::proxy_get_header_map_size
        | Function::proxy_continue_stream
        | Function::proxy_close_stream
        | Function::proxy_send_local_response
        | Function::proxy_get_status
        | Function::proxy_get_log_level
        | Function::proxy_grpc_stream
        | Function::proxy_grpc_send
        | Function::proxy_grpc_cancel
        | Function::proxy_grpc_close
        | Function::proxy_get_configuration
        | Function::proxy_continue_request
        | Function::proxy_continue_response
        | Function::proxy_clear_route_cache => Link::Absent,
        Function::proxy_set_tick_period_milliseconds => Link::Answers(Status::Unimplemented),
        _ if is_metric(function) => Link::Answers(Status::Unimplemented),
        _ => Link::Works,
    }
}

fn apisix(function: Function) -> Link {
    match function {
        Function::proxy_get_buffer_status
        | Function::proxy_get_header_map_size
        | Function::proxy_get_log_level => Link::Absent,
        Function::proxy_call_foreign_function | Function::proxy_set_tick_period_milliseconds => {
            Link::Answers(Status::Unimplemented)
        }
        _ if is_grpc(function) || is_shared(function) => Link::Answers(Status::Unimplemented),
        // They say OK, and `proxy_get_metric` leaves nothing behind.
        _ if is_metric(function) => Link::Answers(Status::Ok),
        _ => Link::Works,
    }
}

fn service_extensions(function: Function) -> Link {
    match function {
        Function::proxy_http_call
        | Function::proxy_call_foreign_function
        | Function::proxy_set_tick_period_milliseconds => Link::Answers(Status::Unimplemented),
        _ if is_grpc(function) || is_shared(function) || is_metric(function) => {
            Link::Answers(Status::Unimplemented)
        }
        _ => Link::Works,
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is no profile: use envoy, ngx-wasm-module, traffic-server, mosn, apisix or service-extensions"
)]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the page, row by row.
    fn table() -> String {
        let mut table = String::from("| function |");
        for profile in Profile::ALL {
            table.push_str(&format!(" {profile} |"));
        }
        table.push_str("\n| --- |");
        table.push_str(&" --- |".repeat(Profile::ALL.len()));
        for function in Function::ALL {
            if function.name().starts_with("proxy_") {
                table.push_str(&format!("\n| `{}` |", function.name()));
                for profile in Profile::ALL {
                    let word = match profile.link(*function) {
                        Link::Works => "yes".to_owned(),
                        Link::Traps => "traps".to_owned(),
                        Link::Answers(status) => format!("answers {}", status as u32),
                        Link::Absent => "not there".to_owned(),
                    };
                    table.push_str(&format!(" {word} |"));
                }
            }
        }
        table
    }

    #[test]
    fn the_page_has_the_table_of_the_code() {
        let page = include_str!("../../docs/host/abi.md");
        let table = table();
        assert!(page.contains(&table), "docs/host/abi.md lacks:\n{table}");
    }

    #[test]
    fn a_profile_is_read_as_it_is_written() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(*profile));
        }
        assert!("nginx".parse::<Profile>().is_err());
    }
}
