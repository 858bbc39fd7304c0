//! The demo: the four steps of the seed over real HTTP, with a real admin service, then what happens outside the audience
//! and after a deactivation.

mod force;
mod gateway;
mod registry;
mod screen;
mod stage;
mod story;

use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Error, Result};

/// Walks the four steps of an API token's life with a real admin service and a real gateway, then serves until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "postern-demo")]
pub struct Arguments {
    /// The filter that reads its policy from a feed.
    #[arg(long)]
    pub wasm: PathBuf,
    /// What runs it.
    #[arg(long, value_enum, default_value_t = Which::Host)]
    pub gateway: Which,
    /// Envoy, for `--gateway envoy`.
    #[arg(long, required_if_eq("gateway", "envoy"))]
    pub envoy: Option<PathBuf>,
    /// The test host, for `--gateway host`.
    #[arg(long, required_if_eq("gateway", "host"))]
    pub host_bin: Option<PathBuf>,
    /// The admin service.
    #[arg(long)]
    pub admin_bin: PathBuf,
    /// Where to write addresses, a token and a credential as KEY=VALUE lines; other files go beside it.
    #[arg(long)]
    pub env_file: PathBuf,
    /// Do not serve afterwards: end with 0 if every step went as it should, else with 1.
    #[arg(long)]
    pub once: bool,
}

/// Which gateway runs the filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Which {
    /// The test host of this repository.
    Host,
    /// A real Envoy.
    Envoy,
}

/// The exit code of a program that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// Runs the demo. Ctrl-C and SIGTERM end it, its gateway and its admin service at any point.
///
/// # Errors
///
/// When something does not start or does not answer. A wrong answer is no error but exit code 1.
pub async fn run(arguments: &Arguments) -> Result<ExitCode> {
    // Before anything is started: a signal that came earlier would end this process alone.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let serving = Cell::new(false);
    tokio::select! {
        done = play(arguments, &serving) => done,
        _ = interrupt.recv() => Ok(ended(serving.get())),
        _ = terminate.recv() => Ok(ended(serving.get())),
    }
}

fn ended(serving: bool) -> ExitCode {
    if serving {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INTERRUPTED)
    }
}

async fn play(arguments: &Arguments, serving: &Cell<bool>) -> Result<ExitCode> {
    let folder = folder(&arguments.env_file)?;
    let _alone = alone(&folder)?;
    let mut story = story::Story::begin(arguments, &folder).await?;
    let as_it_should = story.walk().await?;
    story.leave_usable(&arguments.env_file).await?;
    if arguments.once {
        return Ok(if as_it_should {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    serving.set(true);
    story.invite(&arguments.env_file);
    std::future::pending().await
}

fn folder(env_file: &Path) -> Result<PathBuf> {
    let folder = match env_file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// The files in the folder are one demo's: another would take this one's registry away. Held as
/// long as the demo runs; the system lets go of it however that ends.
fn alone(folder: &Path) -> Result<File> {
    let lock = File::create(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Fixture(format!(
            "another demo uses {}; end that one first",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_demos_do_not_share_a_folder() {
        let folder = tempfile::tempdir().expect("made");
        let first = alone(folder.path()).expect("nobody else");
        assert!(alone(folder.path()).is_err());
        drop(first);
        assert!(alone(folder.path()).is_ok());
    }
}
