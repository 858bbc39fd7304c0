//! `postern-host new`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::output;

/// Everything that a new guest consists of: where it goes, and its text, in which `{{name}}` and `{{module}}` stand for the
/// crate's name and that of its module.
const TEMPLATE: [(&str, &str); 6] = [
    (".gitignore", "/target\n"),
    ("Cargo.toml", include_str!("Cargo.toml.txt")),
    ("README.md", include_str!("README.md.txt")),
    (
        "scenarios/greeting.scenario.toml",
        include_str!("scenario.toml.txt"),
    ),
    ("src/lib.rs", include_str!("lib.rs.txt")),
    ("tests/scenarios.rs", include_str!("test.rs.txt")),
];

/// Write a new filter in Rust, with scenarios and a test that passes.
#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// The crate's name, and the folder that is made for it.
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// The folder in which it is made; the current one without this.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    inside: PathBuf,
}

/// A name that Cargo takes for a package and Rust for a crate.
fn name(text: &str) -> Result<String, String> {
    let starts = text.starts_with(|letter: char| letter.is_ascii_lowercase());
    let all = text.chars().all(|letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_')
    });
    if starts && all && text != "test" {
        Ok(text.to_owned())
    } else {
        Err("a name has small letters, digits, `-` and `_`, and begins with a letter".to_owned())
    }
}

impl NewArgs {
    pub(crate) fn run(self) -> ExitCode {
        let folder = self.inside.join(&self.name);
        match write(&folder, &self.name) {
            Ok(()) => {
                let (name, folder) = (&self.name, folder.display());
                let hint = format!("{name} is there. Try it: cd {folder} && cargo test\n");
                match output::write(hint) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => {
                        eprintln!("postern-host: {error}");
                        ExitCode::from(2)
                    }
                }
            }
            Err((path, error)) => {
                eprintln!("postern-host: {}: {error}", path.display());
                ExitCode::from(2)
            }
        }
    }
}

fn write(folder: &Path, name: &str) -> Result<(), (PathBuf, std::io::Error)> {
    // Whatever is there already stays as it is.
    std::fs::create_dir(folder).map_err(|error| (folder.to_owned(), error))?;
    let schema = format!("{:#}\n", postern_host::scenario::schema());
    let schema = ("scenarios/scenario.schema.json", schema.as_str());
    for (path, text) in TEMPLATE.into_iter().chain([schema]) {
        let path = folder.join(path);
        let text = text
            .replace("{{name}}", name)
            .replace("{{module}}", &name.replace('-', "_"));
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| (path, error))?;
    }
    Ok(())
}
