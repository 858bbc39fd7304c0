//! Running scenarios: one, or many in parallel.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::bless::{self, Fix, Moment, Spot};
use super::check::{Difference, Mark, check, check_whole};
use super::format::{Action, Allowed, ProfileName, Setup, Step};
use super::load::{LoadError, Scenario, find, load, stem};
use super::play::{Impossible, Missed, Player};
use super::report::{Failure, Outcome, Report};
use super::title;
use super::unseeded;
use super::whole::Whole;
use crate::diagnostics::Allowance;
use crate::module::{LoadOptions, Module};
use crate::profile::Profile;

/// So many lines of the trace are shown with a failure: the first and the last of its step.
const TRACE_LINES: usize = 24;

/// How scenarios are run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// How many run at a time; 0: as many as the machine has processors.
    pub jobs: usize,
    /// The start of the random numbers, whatever the scenarios say.
    pub seed: Option<u64>,
    /// Only scenarios with this in their name are run.
    pub filter: Option<String>,
    /// The module, whatever the scenarios say.
    pub module: Option<PathBuf>,
    /// The host to behave as, whatever the scenarios say.
    pub profile: Option<Profile>,
    /// Modules of extended ABI versions are taken for ones of 0.2.1, whatever the scenarios say.
    pub abi_lenient: bool,
    /// How often each scenario is run, to see how long that takes; 0 and 1: once. The report is that of the last time.
    pub repeat: usize,
    /// Findings that are allowed in all scenarios, beside those that they allow themselves.
    pub allow: Vec<Allowance>,
    /// Each request is repeated with bytes that are not UTF-8, whatever the scenarios say.
    pub hostile_bytes: bool,
    /// The whole trace is kept for the report.
    pub trace: bool,
    /// What came is written into the files, in place of exact expectations that differ, and where an expectation is empty or
    /// a request has none.
    pub bless: bool,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A folder cannot be read or has no scenarios, or a file cannot be written.
    #[error(transparent)]
    Load(LoadError),
    /// No scenario has this in its name.
    #[error("no scenario has `{0}` in its name")]
    NothingFits(String),
}

/// Runs the scenarios of these files, and of the files `*.scenario.toml` in these folders. A file that cannot be read or says
/// something wrong is in the report as one scenario that could not be run.
///
/// The report is the same for every number of jobs.
///
/// # Errors
/// [`RunError`], before anything runs, if a folder cannot be read or has no scenarios; and if what is to be written with
/// [`bless`](Options::bless) cannot be.
pub fn run_files(paths: &[PathBuf], options: &Options) -> Result<Report, RunError> {
    let scenarios = load_all(paths, options)?;
    let modules = Modules::default();
    let run = |scenario: &Result<Scenario, Outcome>| match scenario {
        Ok(scenario) => run_cached(scenario, options, &modules),
        Err(unusable) => (unusable.clone(), Vec::new()),
    };
    let outcomes = in_parallel(&scenarios, options, run);
    if !options.bless {
        let scenarios = outcomes.into_iter().map(|(outcome, _)| outcome).collect();
        return Ok(Report { scenarios });
    }
    let fixes = outcomes.iter().flat_map(|(outcome, fixes)| {
        let fixes = fixes.iter().cloned();
        fixes.map(|(spot, fix)| (outcome.file.as_path(), spot, fix))
    });
    for (file, fixes) in bless::by_file(fixes) {
        bless::write(file, &fixes).map_err(RunError::Load)?;
    }
    let scenarios = load_all(paths, options)?;
    let again = in_parallel(&scenarios, options, run);
    let mut report = Report::default();
    for ((mut outcome, _), (_, fixes)) in again.into_iter().zip(outcomes) {
        outcome.blessed = fixes.len();
        report.scenarios.push(outcome);
    }
    Ok(report)
}

/// Runs one scenario with a module that is there already. Nothing is written.
///
/// Plugins that name no module of their own run this one. A module of a plugin that is no good is the outcome's error.
pub fn run(scenario: &Scenario, module: &Module, options: &Options) -> Outcome {
    let modules = Modules::default();
    let loaded = plugin_modules(scenario, |path| match path {
        Some(path) => modules.get(path, &scenario.setup),
        None => Ok(module.clone()),
    });
    match loaded {
        Ok(loaded) => {
            play(
                scenario,
                &Code {
                    module,
                    plugins: loaded,
                },
                options,
            )
            .0
        }
        Err(error) => unusable(scenario, options, error),
    }
}

/// All scenarios, and in the place of each file that has something wrong what there is to say about it.
fn load_all(
    paths: &[PathBuf],
    options: &Options,
) -> Result<Vec<Result<Scenario, Outcome>>, RunError> {
    let files = find(paths).map_err(RunError::Load)?;
    let mut scenarios = Vec::new();
    for file in files {
        match load(&file) {
            Ok(loaded) => scenarios.extend(loaded.into_iter().map(Ok)),
            Err(error) => scenarios.push(Err(Outcome {
                error: Some(error.to_string()),
                ..blank(&file, &stem(&file), options.seed.unwrap_or(0))
            })),
        }
    }
    for scenario in scenarios.iter_mut().flatten() {
        if let Some(profile) = options.profile {
            scenario.setup.profile = Some(ProfileName(profile));
        }
        if options.abi_lenient {
            scenario.setup.abi_lenient = Some(true);
        }
        let allowed = options.allow.iter().cloned().map(Allowed);
        scenario.setup.allow.extend(allowed);
        if options.hostile_bytes {
            scenario.setup.hostile_bytes = Some(true);
        }
    }
    if let Some(filter) = &options.filter {
        // What the scenarios of a file are called that cannot be read is not known.
        scenarios.retain(|scenario| {
            let name = scenario.as_ref().map(|scenario| &scenario.name);
            name.map_or(true, |name| name.contains(filter.as_str()))
        });
        if scenarios.is_empty() {
            return Err(RunError::NothingFits(filter.clone()));
        }
    }
    Ok(scenarios)
}

/// Does something for each scenario on several threads; the results are in the order of the scenarios.
fn in_parallel<S: Sync, T: Send>(
    scenarios: &[S],
    options: &Options,
    work: impl Fn(&S) -> T + Sync,
) -> Vec<T> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = match options.jobs {
        0 => processors(),
        jobs => jobs,
    };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(scenarios.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(index) else {
                        return;
                    };
                    let result = work(scenario);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.insert(index, result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_values().collect()
}

/// Modules, each compiled once.
#[derive(Default)]
struct Modules(Mutex<BTreeMap<(PathBuf, &'static str, bool), Loaded>>);

/// A module that is being compiled, or that was; others wait for it.
type Loaded = std::sync::Arc<std::sync::OnceLock<Result<Module, String>>>;

impl Modules {
    fn get(&self, path: &Path, setup: &Setup) -> Result<Module, String> {
        let profile = setup.profile.map_or_else(Profile::default, |name| name.0);
        let lenient = setup.abi_lenient.unwrap_or(false);
        let place = {
            let mut modules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (path.to_owned(), profile.name(), lenient);
            modules.entry(key).or_default().clone()
        };
        place
            .get_or_init(|| {
                let loader = LoadOptions::new().profile(profile).abi_lenient(lenient);
                loader.open(path).map_err(|error| match error {
                    crate::LoadError::Read { ref source, .. } if source.kind() == ErrorKind::NotFound => {
                        format!("the module {error}: it is not built yet, or `host.module` names another place")
                    }
                    crate::LoadError::Read { .. } => format!("the module {error}"),
                    error => format!("the module {}: {error}", path.display()),
                })
            })
            .clone()
    }
}

type Fixes = Vec<(Spot, Fix)>;

/// What runs in a scenario.
struct Code<'a> {
    /// What the scenario as a whole names, or else the first plugin.
    module: &'a Module,
    /// The modules of the plugins, in the order of the chain.
    plugins: Vec<Module>,
}

/// The modules of the plugins, in the order of the chain. `load` gets the path of one, or nothing for the scenario's own.
fn plugin_modules(
    scenario: &Scenario,
    load: impl Fn(Option<&Path>) -> Result<Module, String>,
) -> Result<Vec<Module>, String> {
    if scenario.plugins.is_empty() {
        return Ok(vec![load(None)?]);
    }
    let plugins = scenario.plugins.iter();
    plugins
        .map(|plugin| load(plugin.module.as_deref()))
        .collect()
}

fn unusable(scenario: &Scenario, options: &Options, error: String) -> Outcome {
    let mut outcome = outcome(scenario, options);
    // None of them is played.
    outcome.steps = 0;
    outcome.error = Some(error);
    outcome
}

fn run_cached(scenario: &Scenario, options: &Options, modules: &Modules) -> (Outcome, Fixes) {
    let own = options.module.as_ref().or(scenario.module.as_ref());
    let loaded = plugin_modules(scenario, |path| match path.or(own.map(PathBuf::as_path)) {
        Some(path) => modules.get(path, &scenario.setup),
        None => Err("`host.module` names no module, and neither does --module".to_owned()),
    });
    let code = loaded.and_then(|plugins| {
        let first = plugins.first().cloned();
        let first = first.ok_or_else(|| "there is no plugin".to_owned())?;
        Ok((first, plugins))
    });
    match code {
        Ok((module, plugins)) => {
            let code = Code {
                module: &module,
                plugins,
            };
            for _ in 1..options.repeat {
                play_once(scenario, &code, options, options.trace);
            }
            play(scenario, &code, options)
        }
        Err(error) => (unusable(scenario, options, error), Vec::new()),
    }
}

fn outcome(scenario: &Scenario, options: &Options) -> Outcome {
    Outcome {
        steps: scenario.steps.len(),
        ..blank(&scenario.file, &scenario.name, seed(scenario, options))
    }
}

/// What is known of a scenario before it is read.
fn blank(file: &Path, name: &str, seed: u64) -> Outcome {
    Outcome {
        file: file.to_owned(),
        name: name.to_owned(),
        seed,
        steps: 0,
        failures: Vec::new(),
        error: None,
        blessed: 0,
        trace: Vec::new(),
    }
}

fn seed(scenario: &Scenario, options: &Options) -> u64 {
    options.seed.or(scenario.setup.seed).unwrap_or(0)
}

/// Plays a scenario; one that fails is played again with a trace, which is the same run.
fn play(scenario: &Scenario, code: &Code<'_>, options: &Options) -> (Outcome, Fixes) {
    let mut played = play_once(scenario, code, options, options.trace);
    if !options.trace && !played.0.failures.is_empty() && !options.bless {
        played = play_once(scenario, code, options, true);
        played.0.trace.clear();
    }
    if options.bless && !played.1.is_empty() {
        let mut other = options.clone();
        other.seed = Some(played.0.seed.wrapping_add(1));
        let (_, fixes) = play_once(scenario, code, &other, false);
        played.1 = unseeded::common(played.1, &fixes);
    }
    played
}

fn play_once(
    scenario: &Scenario,
    code: &Code<'_>,
    options: &Options,
    trace: bool,
) -> (Outcome, Fixes) {
    let mut outcome = outcome(scenario, options);
    let mut fixes = Vec::new();
    let mut player = Player::new(scenario, code.module, &code.plugins, outcome.seed, trace);
    let spot = |moment| Spot {
        place: scenario.place,
        moment,
    };
    let mut whole = scenario.finally.expect.as_ref().map(|_| Whole::default());

    let observed = player.start();
    let mut differences = check(scenario.start.expect.as_ref(), &observed);
    fixes.extend(take_fixes(&mut differences, spot(Moment::Start)));
    let lines = player.take_trace();
    let title = "the first configuration";
    fail(&mut outcome, 0, title, differences, &lines);
    outcome.trace.extend(lines);
    if let Some(whole) = &mut whole {
        whole.add(observed);
    }

    for (index, step) in scenario.steps.iter().enumerate() {
        let title = step.name.clone().unwrap_or_else(|| title::of(step));
        let done = player.complete(step).and_then(|step| {
            let observed = player.step(&step)?;
            Ok((step, observed))
        });
        match done {
            Ok((step, observed)) => {
                let mut differences = check(expectation(&step, options), &observed);
                fixes.extend(take_fixes(&mut differences, spot(Moment::Step(index))));
                let lines = player.take_trace();
                fail(&mut outcome, index + 1, &title, differences, &lines);
                outcome.trace.extend(lines);
                if let Some(whole) = &mut whole {
                    whole.add(observed);
                }
            }
            Err(Impossible(reason)) => {
                outcome.failures.push(Failure {
                    step: index + 1,
                    title,
                    key: String::new(),
                    expected: String::new(),
                    observed: reason,
                    diff: Vec::new(),
                    trace: Vec::new(),
                });
                // What follows would fail because of this, and is not played.
                outcome.steps = index + 1;
                return (outcome, fixes);
            }
        }
    }
    if let (Some(whole), Some(expect)) = (whole, &scenario.finally.expect) {
        let mut differences = check_whole(expect, &whole.observed(player.look()));
        fixes.extend(take_fixes(&mut differences, spot(Moment::Finally)));
        let after = scenario.steps.len() + 1;
        fail(&mut outcome, after, "finally", differences, &[]);
    }
    let missed = player.end().into_iter();
    outcome
        .failures
        .extend(missed.map(|missed| never_struck(scenario, missed)));
    (outcome, fixes)
}

/// A scenario about a fault that never came is about something else than it says.
fn never_struck(scenario: &Scenario, missed: Missed) -> Failure {
    let step = missed
        .step
        .checked_sub(1)
        .and_then(|index| scenario.steps.get(index));
    let title = match step {
        None => "a fault from the start".to_owned(),
        Some(step) => step.name.clone().unwrap_or_else(|| title::of(step)),
    };
    let seen = match missed.calls {
        0 => "there was no such call".to_owned(),
        1 => "there was 1 such call".to_owned(),
        calls => format!("there were {calls} such calls"),
    };
    Failure {
        step: missed.step,
        title,
        key: "fault".to_owned(),
        expected: format!("{} fails", missed.fault),
        observed: format!("it never did: {seen}"),
        diff: Vec::new(),
        trace: Vec::new(),
    }
}

/// What a step expects; with `bless`, a request without any expectation gets one.
fn expectation<'a>(step: &'a Step, options: &Options) -> Option<&'a super::format::Expect> {
    static BLANK: std::sync::LazyLock<super::format::Expect> =
        std::sync::LazyLock::new(super::format::Expect::default);
    match (&step.expect, &step.action) {
        (None, Some(Action::Request(_))) if options.bless => Some(&BLANK),
        (expect, _) => expect.as_ref(),
    }
}

fn take_fixes(differences: &mut [Difference], spot: Spot) -> Fixes {
    let fixes = differences
        .iter_mut()
        .flat_map(|difference| std::mem::take(&mut difference.fixes));
    fixes.map(|fix| (spot, fix)).collect()
}

fn fail(
    outcome: &mut Outcome,
    step: usize,
    title: &str,
    differences: Vec<Difference>,
    trace: &[String],
) {
    let mut trace = shortened(trace);
    for difference in differences {
        let marked = |(mark, line)| {
            let mark = match mark {
                Mark::Both => ' ',
                Mark::Expected => '-',
                Mark::Observed => '+',
            };
            format!("{mark} {line}")
        };
        outcome.failures.push(Failure {
            step,
            title: title.to_owned(),
            key: difference.key,
            expected: difference.expected,
            observed: difference.observed,
            diff: difference.diff.into_iter().map(marked).collect(),
            // Once for each step.
            trace: std::mem::take(&mut trace),
        });
    }
}

fn shortened(trace: &[String]) -> Vec<String> {
    if trace.len() <= TRACE_LINES {
        return trace.to_vec();
    }
    let half = TRACE_LINES / 2;
    let left_out = format!("… {} lines more (--trace) …", trace.len() - 2 * half);
    let (first, last) = (&trace[..half], &trace[trace.len() - half..]);
    first
        .iter()
        .chain(std::iter::once(&left_out))
        .chain(last)
        .cloned()
        .collect()
}
