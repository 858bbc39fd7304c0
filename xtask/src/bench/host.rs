//! `cargo xtask bench host`: the figures of the test host, each beside its goal.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::process;
use crate::wasm::{self, Choice, Toolchain, Variant};
use crate::workspace::Workspace;

/// Keys of the two roots that the policy names: what is measured is no secret, and no gateway has these.
const ROOT_KEYS: &str =
    "r1:M9OnSjHgeN_7qD2_O-guAZ3FWpaPMBzyuGNSfj0Lgkg,r2:8VJhgXaMyL2SQslRn2Ynjy0M1EFq1vffRD8lnHi8wjg";
/// Within the life of the keys of the policy: 2026-12-01.
const WALL_CLOCK: &str = "1796083200";

/// Builds the host as it is shipped and the filter, and becomes the program that measures.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Box<dyn Error>> {
    let toolchain = Toolchain::find(Choice::from_environment()?)?;
    let artefact = wasm::build(workspace, &toolchain, Variant::Product)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package", "postern-host"]);
    cargo.args(["--example", "goals"]);
    process::run_aside(&mut cargo)?;
    let config = workspace.target().join("goals.json");
    fs::write(
        &config,
        configuration(&workspace.root().join("policies/examples/team"))?,
    )?;
    let mut goals = goals(workspace, &config);
    goals.arg("--wasm").arg(artefact.path);
    Err(process::become_program(&mut goals).into())
}

/// The configuration of the gateway of this folder, with its policy of ten tokens in it.
fn configuration(folder: &Path) -> Result<String, Box<dyn Error>> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (gateway, policy) = (read("gateway.json")?, read("policy.json")?);
    let gateway = gateway.trim_end().strip_suffix('}');
    let gateway = gateway.ok_or("gateway.json is no object")?;
    Ok(format!(
        "{gateway}, \"policy\": {{ \"inline\": {policy} }} }}"
    ))
}

fn goals(workspace: &Workspace, config: &Path) -> Command {
    let (root, target) = (workspace.root(), workspace.target());
    let mut goals = Command::new(target.join("release").join("examples").join("goals"));
    goals.arg("--config").arg(config);
    goals
        .arg("--env")
        .arg(format!("POSTERN_ROOT_KEY={ROOT_KEYS}"));
    goals.args(["--wall-clock", WALL_CLOCK, "--path", "/orders"]);
    goals.args(["--authority", "api.example.com"]);
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
            process::line(&goals(&workspace, Path::new("/somewhere/config.json"))),
            format!(
                "goals --config /somewhere/config.json --env POSTERN_ROOT_KEY={ROOT_KEYS} \
             --wall-clock 1796083200 --path /orders --authority api.example.com --scenarios /somewhere/tests/scenarios \
             --cache /somewhere/target/compiled"
            )
        );
    }
}
