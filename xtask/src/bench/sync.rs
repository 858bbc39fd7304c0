//! `cargo xtask bench sync`: the figures of policy sync, each beside its goal.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::ValueEnum;

use crate::demo;
use crate::envoy;
use crate::process;
use crate::wasm::{self, Choice, Toolchain, Variant};
use crate::workspace::Workspace;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this part; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Passed on to the part: see `--only PART -- --help`
    #[arg(last = true)]
    rest: Vec<OsString>,
}

/// What is measured on its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// One admin process: tokens generated a second, and gateways that wait for changes
    Admin,
    /// One change until it is in force in every worker of an Envoy, and how often the admin service is asked
    Delay,
    /// A million tokens in an Envoy: first sync, memory, traffic meanwhile, lookups, recovery from a trap
    Size,
    /// Ten thousand changes one by one: memory of Envoy, and VMs that were started anew. Takes half an hour
    Changes,
}

/// Builds and measures the parts one after another; all of them, so that one goal that is missed hides no other.
pub(crate) fn run(
    workspace: &Workspace,
    arguments: &Arguments,
) -> Result<ExitCode, Box<dyn Error>> {
    let parts = match arguments.only.as_slice() {
        [] => Part::value_variants(),
        only => only,
    };
    let mut missed = None;
    for part in parts {
        let mut command = match part {
            Part::Admin => admin(workspace, &arguments.rest)?,
            Part::Delay => gateway(workspace, "delay", &arguments.rest)?,
            Part::Size => gateway(workspace, "size", &arguments.rest)?,
            Part::Changes => gateway(workspace, "changes", &arguments.rest)?,
        };
        missed = process::run(&mut command).err().or(missed);
    }
    match missed {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The service is measured as it is shipped, so it is built for that; and so is what asks it, which would else be what is
/// measured.
fn admin(workspace: &Workspace, rest: &[OsString]) -> Result<Command, Box<dyn Error>> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "postern-admin"]);
    cargo.args(["--bins", "--example", "load"]);
    process::run_aside(&mut cargo)?;
    Ok(load(workspace, rest))
}

fn load(workspace: &Workspace, rest: &[OsString]) -> Command {
    let release = workspace.target().join("release");
    let mut load = Command::new(release.join("examples").join("load"));
    load.arg("--admin").arg(release.join("postern-admin"));
    load.arg("--folder")
        .arg(workspace.target().join("bench-admin"));
    load.args(rest);
    load
}

/// The admin service and the filter are measured as they are shipped; what starts and asks them is not what is measured.
fn gateway(
    workspace: &Workspace,
    part: &str,
    rest: &[OsString],
) -> Result<Command, Box<dyn Error>> {
    let toolchain = Toolchain::find(Choice::from_environment()?)?;
    for variant in [Variant::Sync, Variant::SyncTestTrap] {
        wasm::build(workspace, &toolchain, variant)?;
    }
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "postern-admin", "--bins"]);
    process::run_aside(&mut cargo)?;
    process::run_aside(&mut demo::build(workspace))?;
    Ok(follow(workspace, &envoy::locate(workspace)?, part, rest))
}

fn follow(workspace: &Workspace, envoy: &Path, part: &str, rest: &[OsString]) -> Command {
    let admin = workspace.target().join("release").join("postern-admin");
    let mut follow = Command::new(workspace.program("postern-bench-sync"));
    follow.args(["--part", part]).arg("--admin").arg(admin);
    follow.arg("--envoy").arg(envoy);
    follow.arg("--wasm").arg(workspace.sync_wasm());
    follow.arg("--trap-wasm").arg(workspace.sync_trap_wasm());
    follow.args(rest);
    follow
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_admin_is_measured_as_it_is_shipped_with_what_is_asked_for() {
        let workspace = Workspace::at(PathBuf::from("/somewhere"));
        let rest = ["--gateways".into(), "50".into()];
        assert_eq!(
            process::line(&load(&workspace, &rest)),
            "load --admin /somewhere/target/release/postern-admin --folder /somewhere/target/bench-admin --gateways 50"
        );
    }

    #[test]
    fn the_filter_is_measured_in_envoy_beside_the_admin_service_as_it_is_shipped() {
        let workspace = Workspace::at(PathBuf::from("/somewhere"));
        let rest = ["--changes".into(), "30".into()];
        assert_eq!(
            process::line(&follow(&workspace, Path::new("/bin/envoy"), "delay", &rest)),
            "postern-bench-sync --part delay --admin /somewhere/target/release/postern-admin --envoy /bin/envoy --wasm \
             /somewhere/target/postern-sync.wasm --trap-wasm /somewhere/target/postern-sync-test-trap.wasm --changes 30"
        );
    }
}
