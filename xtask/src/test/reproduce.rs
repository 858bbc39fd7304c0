//! Proof that the folder of a build leaves no trace in the module.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process;
use crate::wasm::{self, Artefact, Toolchain, Variant};
use crate::workspace::Workspace;

/// Builds the filter in a copy of the sources and compares it with the one that was built here.
pub(crate) fn compare(
    workspace: &Workspace,
    toolchain: &Toolchain,
    here: &Artefact,
) -> Result<(), Box<dyn Error>> {
    let copy = Copy::of(workspace)?;
    let there = wasm::build(
        &Workspace::at(copy.root.clone()),
        toolchain,
        Variant::Product,
    )?;
    wasm::print(&there);
    let (first, second) = (fs::read(&here.path)?, fs::read(&there.path)?);
    if let Some(position) = first_difference(&first, &second) {
        return Err(format!(
            "the module depends on the folder of its build: {} and {} differ from byte {position} on",
            here.sha256, there.sha256
        )
        .into());
    }
    if let Some(folder) = own_folders(workspace)
        .into_iter()
        .find(|folder| contains(&first, folder))
    {
        return Err(format!(
            "the module names the folder {} of this machine",
            folder.display()
        )
        .into());
    }
    println!("the same bytes from both folders");
    Ok(())
}

/// A copy of the sources, gone with this value.
struct Copy {
    root: PathBuf,
}

impl Copy {
    fn of(workspace: &Workspace) -> io::Result<Self> {
        // Longer than the first by some segments, so that a path of another length would move bytes.
        let root = workspace.target().join("elsewhere/a copy of the sources");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        let copy = Self { root };
        copy_folder(workspace.root(), &copy.root, workspace.target())?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!(
                "cannot remove {}: {}",
                self.root.display(),
                process::with_causes(&error)
            );
        }
    }
}

/// Copies files and folders, but for results and history.
fn copy_folder(from: &Path, to: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path == target || name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&path, &to.join(name), target)?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn first_difference(first: &[u8], second: &[u8]) -> Option<usize> {
    let common = first.len().min(second.len());
    let position = first
        .iter()
        .zip(second)
        .position(|(left, right)| left != right);
    position.or_else(|| (first.len() != second.len()).then_some(common))
}

/// Folders whose names say who built the module, and where.
fn own_folders(workspace: &Workspace) -> Vec<PathBuf> {
    let mut folders = vec![workspace.root().to_owned()];
    // A user without a real home has `/` for one, which is part of every path.
    folders.extend(env::home_dir().filter(|home| home.components().count() > 1));
    folders
}

fn contains(bytes: &[u8], path: &Path) -> bool {
    // With the separator: `/root` alone could be part of a word.
    let mut needle = path.as_os_str().as_encoded_bytes().to_vec();
    needle.push(b'/');
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_different_byte_is_found() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
        assert_eq!(first_difference(b"abc", b"abcd"), Some(3));
    }

    #[test]
    fn a_folder_is_found_in_a_module_only_as_part_of_a_path() {
        assert!(contains(b"..at /src/me/lib.rs..", Path::new("/src/me")));
        assert!(!contains(b"..at /src/mean..", Path::new("/src/me")));
    }

    #[test]
    fn a_copy_has_the_sources_but_neither_results_nor_history() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("project");
        for file in [
            "core/src/lib.rs",
            "target/debug/xtask",
            "results/x",
            ".git/HEAD",
            ".cargo/config.toml",
        ] {
            let file = root.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, "").expect("written");
        }
        let to = folder.path().join("copy");
        copy_folder(&root, &to, &root.join("results")).expect("copied");
        assert!(to.join("core/src/lib.rs").exists() && to.join(".cargo/config.toml").exists());
        assert!(
            !to.join("target").exists()
                && !to.join("results").exists()
                && !to.join(".git").exists()
        );
    }
}
