//! `postern-host serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use postern_host::serve::{self, Options};
use postern_host::{Allowance, FailurePolicy, LoadOptions, LogLevel, Profile};

/// Put a module behind a real HTTP front.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The module (.wasm, or .wat in text).
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    /// The host to behave as: envoy, ngx-wasm-module, traffic-server, mosn, apisix or service-extensions.
    #[arg(long, value_name = "HOST", default_value = "envoy")]
    profile: Profile,
    /// Take a module with an extended ABI version, such as 0.2.100, for one of 0.2.1.
    #[arg(long)]
    abi_lenient: bool,
    /// The plugin configuration; empty without this. When the file changes, the new contents are given to the plugin.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The VM configuration.
    #[arg(long, value_name = "FILE")]
    vm_config: Option<PathBuf>,
    /// Where to listen; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where requests go that the filter lets through.
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// A cluster that the guest can call, as NAME=http://host:port. Can be given several times.
    #[arg(long = "cluster", value_name = "NAME=URL")]
    clusters: Vec<String>,
    /// How many seconds the upstream may take from the end of a request to the end of its response, as Envoy's route timeout; 0
    /// for as long as it likes.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    upstream_timeout: u64,
    /// How many seconds open requests have after a signal to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    grace: u64,
    /// How many bytes of a body the filter may hold back; more is a 413, or a 500 for a response.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    buffer_limit: usize,
    /// An environment variable that the guest may see. Can be given several times.
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// The vm_id, under which VMs share data.
    #[arg(long, value_name = "ID", default_value = "")]
    vm_id: String,
    /// The plugin's name.
    #[arg(long, value_name = "NAME", default_value = "plugin")]
    plugin_name: String,
    /// The plugin's root_id.
    #[arg(long, value_name = "ID", default_value = "")]
    root_id: String,
    /// The number of worker VMs, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = workers)]
    workers: usize,
    /// What becomes of requests when a VM has died: fail-closed (503), fail-open (past the filter) or fail-reload (a new VM).
    #[arg(long, value_name = "POLICY", default_value = "fail-closed")]
    failure_policy: FailurePolicy,
    /// How long one callback may run, such as 500ms or 10s, before its VM is stopped as if it had died; 0s for as long as its fuel
    /// lasts.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    callback_time_limit: Duration,
    /// Let a filter that pauses at headers see the body, as Envoy's option of this name does.
    #[arg(long)]
    allow_on_headers_stop_iteration: bool,
    /// Let trailers of HTTP/1.1 pass.
    #[arg(long)]
    trailers: bool,
    /// An upgrade that is let in, as in Envoy's `upgrade_configs`. Can be given several times; others get a 403.
    #[arg(long, value_name = "TYPE", default_value = "websocket")]
    upgrade: Vec<String>,
    /// Drop the guest's log lines below this level.
    #[arg(long, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    log_level: LogLevel,
    /// Where to show metrics, the last traces and findings about the guest; port 0 takes any free port. Nowhere without this.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// How many of the last requests the admin pages show.
    #[arg(long, value_name = "N", default_value_t = 100)]
    kept_traces: usize,
    /// A finding about the guest that is left out, such as PH014 or PH014@proxy_on_log. Can be given several times.
    #[arg(long, value_name = "CODE")]
    allow: Vec<Allowance>,
    /// Do not watch the guest for what it gets away with.
    #[arg(long)]
    no_diagnostics: bool,
    /// Print every call between host and guest. It shows sizes and addresses, and no header or token.
    #[arg(long)]
    trace: bool,
    /// Write the URL into this file once the front listens.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Each takes memory and a thread.
const MAX_WORKERS: usize = 64;

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MAX_WORKERS) => Ok(number),
        Ok(number) => Err(format!("{number} workers: there are 1 to {MAX_WORKERS}")),
        Err(error) => Err(format!("{error}")),
    }
}

pub(crate) fn run(args: ServeArgs) -> ExitCode {
    match serve::run(&args.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postern-host: {error}");
            ExitCode::FAILURE
        }
    }
}

impl From<ServeArgs> for Options {
    fn from(args: ServeArgs) -> Self {
        Self {
            wasm: args.wasm,
            load: LoadOptions::new()
                .profile(args.profile)
                .abi_lenient(args.abi_lenient),
            config: args.config,
            vm_config: args.vm_config,
            listen: args.listen,
            upstream: args.upstream,
            clusters: args.clusters,
            upstream_timeout: Duration::from_secs(args.upstream_timeout),
            grace: Duration::from_secs(args.grace),
            buffer_limit: args.buffer_limit,
            env: args.env,
            vm_id: args.vm_id,
            plugin_name: args.plugin_name,
            root_id: args.root_id,
            workers: args.workers,
            failure_policy: args.failure_policy,
            callback_time_limit: args.callback_time_limit,
            allow_on_headers_stop_iteration: args.allow_on_headers_stop_iteration,
            trailers: args.trailers,
            upgrade: args.upgrade,
            log_level: args.log_level,
            admin: args.admin,
            kept_traces: args.kept_traces,
            diagnose: !args.no_diagnostics,
            allow: args.allow,
            trace: args.trace,
            ready_file: args.ready_file,
        }
    }
}
