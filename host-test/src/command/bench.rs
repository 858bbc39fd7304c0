//! `postern-host bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use postern_host::bench::{self, Options};
use postern_host::{LoadOptions, Profile, Request};

use super::output;

/// Measure what a filter costs: time, fuel, host calls, bytes, allocations and memory of each callback.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// The module, and another one to compare it with; without any, a built-in guest that reads one header, which measures
    /// the host itself.
    #[arg(value_name = "FILE", num_args = 0..=2)]
    modules: Vec<PathBuf>,
    /// The host to behave as: envoy, ngx-wasm-module, traffic-server, mosn, apisix or service-extensions.
    #[arg(long, value_name = "HOST", default_value = "envoy")]
    profile: Profile,
    /// Take modules with an extended ABI version, such as 0.2.100, for ones of 0.2.1.
    #[arg(long)]
    abi_lenient: bool,
    /// The plugin configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An environment variable that the guest may see. Can be given several times.
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// The vm_id.
    #[arg(long, value_name = "ID", default_value = "")]
    vm_id: String,
    /// What the guest's wall clock says, in seconds since 1970; 2026-01-01 without this.
    #[arg(long, value_name = "SECONDS")]
    wall_clock: Option<u64>,
    /// The request's method.
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The request's path and query.
    #[arg(long, value_name = "PATH", default_value = "/bench?page=1")]
    path: String,
    /// The request's authority.
    #[arg(long, value_name = "HOST", default_value = "api.example.com")]
    authority: String,
    /// One more header of the request, as `name: value`. Can be given several times; `user-agent` and `accept` are there
    /// anyway.
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// The request's body.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Requests before anything is measured.
    #[arg(long, value_name = "N", default_value_t = Options::default().warm_up)]
    warm_up: u32,
    /// Requests in a round.
    #[arg(long, value_name = "N", default_value_t = Options::default().requests)]
    requests: u32,
    /// Rounds of each module, in turns.
    #[arg(long, value_name = "N", default_value_t = Options::default().rounds)]
    rounds: u32,
    /// Keep compiled code in this directory, and measure how long a module takes whose code is there. What is in it is
    /// executed: let nobody else write there.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Measure without diagnostics.
    #[arg(long)]
    no_diagnostics: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    text.split_once(':')
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "a header is `name: value`".to_owned())
}

pub(crate) fn run(args: BenchArgs) -> ExitCode {
    let json = args.json;
    let outcome = options(args)
        .and_then(|options| bench::run(&options).map_err(|error| error.to_string()))
        .and_then(|report| {
            let shown = if json {
                output::write(report.to_json())
            } else {
                output::write(report)
            };
            shown.map_err(|error| error.to_string())
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postern-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: BenchArgs) -> Result<Options, String> {
    let mut options = Options::default();
    options.load = LoadOptions::new()
        .profile(args.profile)
        .abi_lenient(args.abi_lenient);
    if let Some(path) = &args.config {
        options.configuration =
            std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    for name in args.env {
        let value = std::env::var(&name).map_err(|error| format!("{name}: {error}"))?;
        options.environment.push((name, value));
    }
    let mut request = Request::new(args.method, args.path)
        .authority(args.authority)
        .header("user-agent", "bench/1")
        .header("accept", "*/*");
    for (name, value) in args.header {
        request = request.header(name, value);
    }
    if let Some(body) = args.body {
        request = request.body(body);
    }
    options.request = request;
    options.cache = match args.cache {
        Some(directory) => Some(
            std::path::absolute(&directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?,
        ),
        None => None,
    };
    (options.modules, options.vm_id) = (args.modules, args.vm_id);
    (options.warm_up, options.requests, options.rounds) =
        (args.warm_up, args.requests, args.rounds);
    options.wall_clock = args.wall_clock;
    options.diagnostics = !args.no_diagnostics;
    Ok(options)
}
