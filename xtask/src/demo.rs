//! `cargo xtask demo`: builds all, then hands over to the demo program.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::ValueEnum;

use crate::envoy;
use crate::process;
use crate::wasm::{self, Artefact, Choice, Toolchain, Variant};
use crate::workspace::Workspace;

/// What runs the filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Gateway {
    /// The test host of this workspace; nothing to download
    Host,
    /// A real Envoy
    Envoy,
}

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What runs the filter
    #[arg(long, value_enum, default_value = "host")]
    gateway: Gateway,
    /// Stop after the walk, with exit code 0 if they went as they should, else 1
    #[arg(long)]
    once: bool,
}

/// Builds what the demo needs and becomes it.
pub(crate) fn run(
    workspace: &Workspace,
    arguments: &Arguments,
) -> Result<ExitCode, Box<dyn Error>> {
    let module = build_all(workspace, Variant::Sync)?;
    let envoy = match arguments.gateway {
        Gateway::Host => None,
        Gateway::Envoy => Some(envoy::locate(workspace)?),
    };
    let gateway = arguments.gateway;
    let mut demo = command(workspace, "demo", &module.path, gateway, envoy.as_deref());
    if arguments.once {
        demo.arg("--once");
    }
    Err(process::become_program(&mut demo).into())
}

/// Builds a filter, and says what it weighs, and all native programs.
pub(crate) fn build_all(
    workspace: &Workspace,
    variant: Variant,
) -> Result<Artefact, Box<dyn Error>> {
    let toolchain = Toolchain::find(Choice::from_environment()?)?;
    let module = wasm::build(workspace, &toolchain, variant)?;
    wasm::print(&module);
    process::run_aside(&mut build(workspace))?;
    Ok(module)
}

/// The one command line for all native programs: with another set of packages, cargo would choose other features for
/// the crates that they share, and build those again.
pub(crate) fn build(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--workspace", "--all-targets"]);
    cargo
}

/// The demo program with its arguments, but for `--once`. Its files go into `folder` of the target folder.
pub(crate) fn command(
    workspace: &Workspace,
    folder: &str,
    module: &Path,
    gateway: Gateway,
    envoy: Option<&Path>,
) -> Command {
    let mut demo = Command::new(workspace.program("postern-demo"));
    let gateway = match gateway {
        Gateway::Host => "host",
        Gateway::Envoy => "envoy",
    };
    let env_file: PathBuf = workspace.target().join(folder).join("env");
    demo.current_dir(workspace.root())
        .arg("--wasm")
        .arg(module)
        .args(["--gateway", gateway])
        .arg("--host-bin")
        .arg(workspace.program("postern-host"))
        .arg("--admin-bin")
        .arg(workspace.program("postern-admin"))
        .arg("--env-file")
        .arg(env_file);
    if let Some(envoy) = envoy {
        demo.arg("--envoy").arg(envoy);
    }
    demo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_gets_an_envoy_only_where_it_uses_one() {
        let workspace = Workspace::at(PathBuf::from("/somewhere"));
        let module = PathBuf::from("/somewhere/target/postern-sync.wasm");
        let host = process::line(&command(&workspace, "demo", &module, Gateway::Host, None));
        let envoy = process::line(&command(
            &workspace,
            "demo",
            &module,
            Gateway::Envoy,
            Some(Path::new("/bin/envoy")),
        ));
        assert!(
            host.starts_with(
                "postern-demo --wasm /somewhere/target/postern-sync.wasm --gateway host"
            ),
            "{host}"
        );
        assert!(!host.contains("--envoy"), "{host}");
        assert!(
            envoy.contains("--gateway envoy") && envoy.ends_with("--envoy /bin/envoy"),
            "{envoy}"
        );
    }
}
