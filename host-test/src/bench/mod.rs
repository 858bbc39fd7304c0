//! What a filter costs: time, fuel, host calls, bytes, allocations and memory, of one module or of two side by side.
//!
//! Counts are exact and the same on every machine. Times are not: they are medians of rounds in which all subjects take
//! turns, on the processor where the system tells that, and worth something only as ratios to another subject of the same
//! run.

mod costs;
mod floor;
mod report;
mod subject;
mod time;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use costs::CallbackCosts;
pub use report::{Rate, Report, SubjectReport};

use crate::module::{LoadError, LoadOptions, Module};
use crate::plugins::ConfigRefused;
use crate::request::Request;
use subject::Subject;

/// Requests of which the costs of callbacks are the mean.
const COUNTED_REQUESTS: u32 = 100;
/// What happens once in a life is done so often, and the shortest time is taken: the others were disturbed.
const STARTS: u32 = 20;

/// The built-in guest that does nothing; part of every run, to compare with.
pub const EMPTY_GUEST: &str = include_str!("guests/empty.wat");
/// The built-in guest that reads one header: what is measured if no module is named.
pub const ONE_HEADER_GUEST: &str = include_str!("guests/one-header.wat");

/// What is to be measured, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The modules: files, or none for the built-in guest that reads one header.
    pub modules: Vec<PathBuf>,
    /// How they are loaded. Where compiled code is kept, [`cache`](Self::cache) says.
    pub load: LoadOptions,
    /// The plugin configuration.
    pub configuration: Vec<u8>,
    /// The environment that the guest sees.
    pub environment: Vec<(String, String)>,
    /// The `vm_id` that the guest sees.
    pub vm_id: String,
    /// What the guest's wall clock says, in seconds since 1970; `None`: 2026-01-01. It stands still.
    pub wall_clock: Option<u64>,
    /// The request that is sent over and over.
    pub request: Request,
    /// Requests of each subject before anything is measured.
    pub warm_up: u32,
    /// Requests in one round of one subject.
    pub requests: u32,
    /// Rounds of each subject.
    pub rounds: u32,
    /// A directory of compiled code, to measure how long a module takes that was compiled before.
    pub cache: Option<PathBuf>,
    /// Whether the host looks for findings, as it does unless it is told not to.
    pub diagnostics: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            modules: Vec::new(),
            load: LoadOptions::new(),
            configuration: Vec::new(),
            environment: Vec::new(),
            vm_id: String::new(),
            wall_clock: None,
            request: Request::get("/bench?page=1")
                .authority("api.example.com")
                .header("user-agent", "bench/1")
                .header("accept", "*/*"),
            warm_up: 20_000,
            requests: 20_000,
            rounds: 9,
            cache: None,
            diagnostics: true,
        }
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A module cannot be hosted.
    #[error("{name}: {source}")]
    Load {
        /// The module.
        name: String,
        /// Why.
        source: Box<LoadError>,
    },
    /// A module refuses the configuration.
    #[error("{name}: the configuration was refused: {source}")]
    Refused {
        /// The module.
        name: String,
        /// Why.
        source: Box<ConfigRefused>,
    },
    /// A module died in a request.
    #[error("{name}: died: {reason}")]
    Died {
        /// The module.
        name: String,
        /// Why.
        reason: String,
    },
    /// The host answers the request itself, as Envoy does before any filter sees it.
    #[error(
        "{name}: the host answers this request by itself, as Envoy would ({status}, {details}): no filter sees it"
    )]
    NotLetIn {
        /// The module.
        name: String,
        /// The status.
        status: u16,
        /// What Envoy's access log would say.
        details: String,
    },
    /// A number that must not be zero is.
    #[error("requests and rounds must be at least 1")]
    Nothing,
    /// The engine itself failed.
    #[error("the engine: {0}")]
    Engine(String),
}

/// Measures.
///
/// ```
/// use postern_host::bench;
///
/// let mut options = bench::Options::default();
/// (options.warm_up, options.requests, options.rounds) = (10, 10, 3);
/// let report = bench::run(&options)?;
/// let costs = &report.subjects[0].callbacks["proxy_on_request_headers"];
/// assert_eq!(costs.host_calls["proxy_get_header_map_value"], 1.0);
/// assert_eq!(costs.allocations, 1.0);
/// # Ok::<(), bench::BenchError>(())
/// ```
pub fn run(options: &Options) -> Result<Report, BenchError> {
    if options.requests == 0 || options.rounds == 0 {
        return Err(BenchError::Nothing);
    }
    let mut subjects = vec![Subject::start(
        "empty guest",
        &load_text(EMPTY_GUEST)?,
        None,
        options,
    )?];
    if options.modules.is_empty() {
        let module = load_text(ONE_HEADER_GUEST)?;
        subjects.push(Subject::start("one header", &module, None, options)?);
    }
    for path in &options.modules {
        let (module, times) = load_file(path, options)?;
        let name = path.display().to_string();
        subjects.push(Subject::start(&name, &module, Some(times), options)?);
    }
    for subject in &mut subjects {
        subject.try_out(&options.request)?;
        subject.round(&options.request, options.warm_up)?;
        subject.count(&options.request, COUNTED_REQUESTS)?;
    }
    let mut bare_call = Vec::new();
    for _ in 0..options.rounds {
        for subject in &mut subjects {
            subject.measure(&options.request, options.requests)?;
        }
        bare_call.push(floor::round(options.requests)?);
    }
    Ok(Report::new(options, subjects, bare_call))
}

/// How long a module took to load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadTimes {
    compiled: Duration,
    /// From the cache, when it was there: the shortest of several times.
    cached: Option<Duration>,
}

fn load_text(text: &str) -> Result<Module, BenchError> {
    Module::compile(text).map_err(|source| BenchError::Load {
        name: "built-in guest".to_owned(),
        source: Box::new(source),
    })
}

fn load_file(path: &Path, options: &Options) -> Result<(Module, LoadTimes), BenchError> {
    let error = |source| BenchError::Load {
        name: path.display().to_string(),
        source: Box::new(source),
    };
    let start = Instant::now();
    let module = options.load.open(path).map_err(error)?;
    let compiled = start.elapsed();
    let Some(directory) = &options.cache else {
        let cached = None;
        return Ok((module, LoadTimes { compiled, cached }));
    };
    let mut shortest = Duration::MAX;
    let mut module = module;
    // The first time fills the cache.
    for round in 0..=STARTS {
        let start = Instant::now();
        module = options
            .load
            .clone()
            .cache(directory)
            .open(path)
            .map_err(error)?;
        if round > 0 {
            shortest = shortest.min(start.elapsed());
        }
    }
    let cached = Some(shortest);
    Ok((module, LoadTimes { compiled, cached }))
}
