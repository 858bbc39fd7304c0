//! The lists of exports and imports that the module keeps: `plugin/abi/exports.txt` and `plugin/abi/imports.txt`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a module shows to its host and what it asks of it.
#[derive(Debug, Default)]
pub(crate) struct Abi {
    /// Names of exports.
    pub(crate) exports: BTreeSet<String>,
    /// Host functions.
    pub(crate) imports: BTreeSet<Import>,
}

/// A host function, by the two names that WebAssembly gives it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Import {
    /// Such as `env`.
    pub(crate) module: String,
    /// Such as `proxy_log`.
    pub(crate) name: String,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// What is wrong with a list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AbiError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// One name, once.
    #[error("{}, line {line}: `{text}` is listed twice", .path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The line without its comment.
        text: String,
    },
    /// A line holds one name.
    #[error("{}, line {line}: `{text}` is not {expected}", .path.display())]
    NotAName {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The line without its comment.
        text: String,
        /// What a line looks like.
        expected: &'static str,
    },
}

impl Abi {
    /// Reads both lists in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, AbiError> {
        let exports = folder.join("exports.txt");
        let imports = folder.join("imports.txt");
        Ok(Self {
            exports: parse(&exports, &text(&exports)?, "one name", |line| {
                is_name(line).then(|| line.to_owned())
            })?,
            imports: parse(
                &imports,
                &text(&imports)?,
                "of the form MODULE.NAME",
                import,
            )?,
        })
    }
}

impl Abi {
    /// Adds what another module has beyond this one.
    pub(crate) fn add(&mut self, more: Self) {
        self.exports.extend(more.exports);
        self.imports.extend(more.imports);
    }
}

fn text(path: &Path) -> Result<String, AbiError> {
    fs::read_to_string(path).map_err(|source| AbiError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn parse<T: Ord>(
    path: &Path,
    text: &str,
    expected: &'static str,
    item: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, AbiError> {
    let mut items = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let content = line.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let Some(item) = item(content) else {
            return Err(AbiError::NotAName {
                path: path.to_owned(),
                line: line_number,
                text: content.to_owned(),
                expected,
            });
        };
        if !items.insert(item) {
            return Err(AbiError::Twice {
                path: path.to_owned(),
                line: line_number,
                text: content.to_owned(),
            });
        }
    }
    Ok(items)
}

fn import(line: &str) -> Option<Import> {
    let (module, name) = line.split_once('.')?;
    (is_name(module) && is_name(name)).then(|| Import {
        module: module.to_owned(),
        name: name.to_owned(),
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(exports: &str, imports: &str) -> Result<Abi, AbiError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("exports.txt"), exports).expect("written");
        fs::write(folder.path().join("imports.txt"), imports).expect("written");
        Abi::read(folder.path())
    }

    #[test]
    fn comments_and_empty_lines_are_not_names() {
        let abi = read(
            "# memory\nmemory\n\n  malloc  # how the host puts bytes in\n",
            "env.proxy_log\n",
        )
        .expect("valid");
        assert_eq!(abi.exports.iter().collect::<Vec<_>>(), ["malloc", "memory"]);
        assert_eq!(
            abi.imports
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["env.proxy_log"]
        );
    }

    #[test]
    fn a_name_listed_twice_is_refused_with_its_line() {
        let text = read("memory\nmalloc\nmemory # again\n", "")
            .expect_err("twice")
            .to_string();
        assert!(
            text.contains("exports.txt, line 3: `memory` is listed twice"),
            "{text}"
        );
    }

    #[test]
    fn two_names_on_one_line_are_refused() {
        let text = read("memory malloc\n", "")
            .expect_err("two names")
            .to_string();
        assert!(text.contains("`memory malloc` is not one name"), "{text}");
    }

    #[test]
    fn an_import_without_its_module_is_refused() {
        let text = read("", "\nproxy_log\n")
            .expect_err("no module")
            .to_string();
        assert!(
            text.contains("imports.txt, line 2: `proxy_log` is not of the form MODULE.NAME"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_list_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = Abi::read(folder.path()).expect_err("no list").to_string();
        assert!(text.contains("exports.txt"), "{text}");
    }

    #[test]
    fn the_lists_of_the_filter_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin/abi");
        let abi = Abi::read(&folder).expect("valid");
        assert!(abi.exports.contains("proxy_on_context_create"));
        assert!(
            abi.imports
                .iter()
                .any(|import| import.name == "proxy_get_header_map_pairs")
        );
    }
}
