//! `cargo xtask bench host`: the figures of the test host, each beside its goal.

use std::error::Error;
use std::process::{Command, ExitCode};

use crate::process;
use crate::wasm::{self, Choice, Toolchain, Variant};
use crate::workspace::Workspace;

/// Builds the host as it is shipped and the filter, and becomes the program that measures.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Box<dyn Error>> {
    let toolchain = Toolchain::find(Choice::from_environment()?)?;
    let artefact = wasm::build(workspace, &toolchain, Variant::Product)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "postern-host"]);
    cargo.args(["--example", "goals"]);
    process::run_aside(&mut cargo)?;
    let mut goals = goals(workspace);
    goals.arg("--wasm").arg(artefact.path);
    Err(process::become_program(&mut goals).into())
}

fn goals(workspace: &Workspace) -> Command {
    let (root, target) = (workspace.root(), workspace.target());
    let mut goals = Command::new(target.join("release").join("examples").join("goals"));
    goals
        .arg("--policy")
        .arg(root.join("policies/examples/team"));
    goals.arg("--scenarios").arg(root.join("tests/scenarios"));
    goals.arg("--cache").arg(target.join("compiled"));
    goals
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_host_is_measured_as_it_is_shipped_with_the_files_of_the_workspace() {
        let workspace = Workspace::at(PathBuf::from("/somewhere"));
        assert_eq!(
            process::line(&goals(&workspace)),
            "goals --policy /somewhere/policies/examples/team --scenarios /somewhere/tests/scenarios \
             --cache /somewhere/target/compiled"
        );
    }
}
