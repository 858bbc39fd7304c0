//! Reading scenario files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::files::{Unreadable, read_files};
use super::format::{
    FaultSpec, File, Finally, GrpcRule, NamedScenario, PluginSpec, RouteSpec, Rule, Setup, Start,
    Step,
};
use super::places::{self, Placed, position};
use super::sense::check;

/// How the names of scenario files end, where a folder is searched for them.
pub(super) const EXTENSION: &str = ".scenario.toml";

/// One scenario, with everything that its file says for all of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// The file.
    pub file: PathBuf,
    /// Where in the file it stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// The module, unless whoever runs the scenario has to name one.
    pub module: Option<PathBuf>,
    /// What it runs in.
    pub setup: Setup,
    /// The plugins of the chain; empty: one, as `setup` says.
    pub plugins: Vec<PluginSpec>,
    /// Where requests lead.
    pub routes: Vec<RouteSpec>,
    /// Who answers requests that the filter lets through.
    pub upstream: Vec<Rule>,
    /// The clusters that the filter can call, and what they answer.
    pub clusters: BTreeMap<String, Vec<Rule>>,
    /// The gRPC services that the filter can call, and what they answer.
    pub grpc: BTreeMap<String, Vec<GrpcRule>>,
    /// Faults that are there from the start.
    pub faults: Vec<FaultSpec>,
    /// What is to come of the start.
    pub start: Start,
    /// What is to have come of everything.
    pub finally: Finally,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// The names of the plugins, in the order of the chain.
    pub(super) fn plugin_names(&self) -> Vec<&str> {
        let setup = &self.setup;
        if self.plugins.is_empty() {
            vec![setup.plugin_name.as_deref().unwrap_or("plugin")]
        } else {
            self.plugins
                .iter()
                .map(|plugin| plugin.name.as_str())
                .collect()
        }
    }
}

/// Where in its file a scenario stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The file is one scenario.
    Whole,
    /// It is one of the list `scenario`, counted from 0, and `start` is its own.
    Listed {
        /// The place in the list.
        index: usize,
        /// Whether it says itself what is to come of the start.
        own_start: bool,
        /// Whether it says itself what is to have come of everything.
        own_finally: bool,
    },
}

/// Why a scenario file cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no TOML, or has a key or a value that does not belong there.
    #[error("{}:{line}:{column}: {}{message}", .file.display(), prefix(.key))]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in letters, from 1.
        column: usize,
        /// The key in its whole length, such as `step[0].expect.status`; empty if the file is no TOML.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The file says something that makes no sense as a whole.
    #[error("{}: {message}", .file.display())]
    Meaning {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A folder has no scenario files in it.
    #[error("{}: no files `*{EXTENSION}` in this folder", .0.display())]
    NoFiles(PathBuf),
}

impl Unreadable {
    fn placed(self, file: &Path, text: &str) -> LoadError {
        let message = format!("{}: {}", self.path.display(), self.source);
        LoadError::at(file, places::of_file(text, &self.named), message)
    }
}

impl LoadError {
    /// That something is wrong at this place of the file, as far as the place is known.
    pub(super) fn at(file: &Path, placed: Option<Placed>, message: String) -> Self {
        let file = file.to_owned();
        match placed {
            Some(Placed { key, line, column }) => Self::Syntax {
                file,
                line,
                column,
                key,
                message,
            },
            None => Self::Meaning { file, message },
        }
    }
}

fn prefix(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!("{key}: ")
    }
}

/// Reads the scenarios of one file, and the files that they name but for the module.
///
/// # Errors
/// [`LoadError`], with the place in the file where there is one.
pub fn load(file: impl AsRef<Path>) -> Result<Vec<Scenario>, LoadError> {
    let path = file.as_ref();
    let text = read_text(path)?;
    let file = parse(path, &text)?;
    let mut scenarios = split(path, file)?;
    let base = folder(path);
    for scenario in &mut scenarios {
        let modules = scenario.plugins.iter_mut().map(|plugin| &mut plugin.module);
        for module in modules.chain([&mut scenario.module]).flatten() {
            *module = base.join(&*module);
        }
        check(scenario).map_err(|wrong| wrong.placed(path, &text, scenario.place))?;
        read_files(scenario, base).map_err(|unreadable| unreadable.placed(path, &text))?;
    }
    Ok(scenarios)
}

/// The scenario files among these paths: files as they are, and everything named `*.scenario.toml` in folders and theirs, in
/// order of their names.
///
/// # Errors
/// When a folder cannot be read or has none.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            search(path, &mut files)?;
            if files.len() == before {
                return Err(LoadError::NoFiles(path.clone()));
            }
        } else {
            files.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn search(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let failed = |source| LoadError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // What a link leads to may be a folder above it: only what really is in the folder is searched.
        entries.push((entry.path(), entry.file_type().map_err(failed)?));
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, kind) in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if kind.is_dir() && !name.starts_with('.') && name != "target" {
            search(&path, files)?;
        } else if !kind.is_dir() && name.ends_with(EXTENSION) {
            files.push(path);
        }
    }
    Ok(())
}

pub(super) fn read_text(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads the text of a scenario file as it is written.
fn parse(path: &Path, text: &str) -> Result<File, LoadError> {
    let syntax = |key: String, error: &toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let (line, column) = position(text, start);
        LoadError::Syntax {
            file: path.to_owned(),
            line,
            column,
            key,
            message: error.message().to_owned(),
        }
    };
    let deserializer =
        toml::Deserializer::parse(text).map_err(|error| syntax(String::new(), &error))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let key = match error.path().to_string() {
            root if root == "." => String::new(),
            key => key,
        };
        syntax(key, error.inner())
    })
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn split(path: &Path, file: File) -> Result<Vec<Scenario>, LoadError> {
    let meaning = |message: String| LoadError::Meaning {
        file: path.to_owned(),
        message,
    };
    match (file.step.is_empty(), file.scenario.is_empty()) {
        (false, false) => Err(meaning(
            "`step` and `scenario` exclude each other: put the steps into a scenario".to_owned(),
        )),
        (true, true) if file.start.expect.is_none() && file.finally.expect.is_none() => Err(
            meaning("no `[[step]]` and no `[[scenario]]`: nothing would be tested".to_owned()),
        ),
        (_, true) => {
            let name = file.name.unwrap_or_else(|| stem(path));
            Ok(vec![Scenario {
                file: path.to_owned(),
                place: Place::Whole,
                name,
                module: file.host.module.clone(),
                setup: file.host,
                plugins: file.plugin,
                routes: file.route,
                upstream: file.upstream,
                clusters: file.cluster,
                grpc: file.grpc,
                faults: file.fault,
                start: file.start,
                finally: file.finally,
                steps: file.step,
            }])
        }
        (true, false) => {
            let mut file = file;
            let list = std::mem::take(&mut file.scenario);
            let mut names = BTreeSet::new();
            let mut scenarios = Vec::new();
            for (index, named) in list.into_iter().enumerate() {
                if !names.insert(named.name.clone()) {
                    return Err(meaning(format!(
                        "two scenarios have the name `{}`",
                        named.name
                    )));
                }
                scenarios.push(listed(path, &file, named, index));
            }
            Ok(scenarios)
        }
    }
}

fn listed(path: &Path, file: &File, named: NamedScenario, index: usize) -> Scenario {
    let setup = named.host.over(&file.host);
    let plugins = match named.plugin.is_empty() {
        true => file.plugin.clone(),
        false => named.plugin,
    };
    let mut routes = named.route;
    routes.extend(file.route.iter().cloned());
    let mut upstream = named.upstream;
    upstream.extend(file.upstream.iter().cloned());
    let mut clusters = file.cluster.clone();
    clusters.extend(named.cluster);
    let mut grpc = file.grpc.clone();
    grpc.extend(named.grpc);
    let mut faults = file.fault.clone();
    faults.extend(named.fault);
    Scenario {
        file: path.to_owned(),
        place: Place::Listed {
            index,
            own_start: named.start.is_some(),
            own_finally: named.finally.is_some(),
        },
        name: named.name,
        module: setup.module.clone(),
        setup,
        plugins,
        routes,
        upstream,
        clusters,
        grpc,
        faults,
        start: named.start.unwrap_or_else(|| file.start.clone()),
        finally: named.finally.unwrap_or_else(|| file.finally.clone()),
        steps: named.step,
    }
}

/// The name of a scenario whose file gives it none.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name
        .strip_suffix(EXTENSION)
        .or_else(|| name.strip_suffix(".toml"));
    stem.unwrap_or(&name).to_owned()
}
