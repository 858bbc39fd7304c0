//! Python as machines have it: a distribution's may lack pip, or what makes virtual environments.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::digest;
use crate::process::{ProcessError, capture, run_aside};

/// What fetches a file where there is no pip.
const FETCH: &str = include_str!("python/fetch.py");

/// What a Python needs to make virtual environments.
const VENV: &str = "import ensurepip, venv";

/// A file of a package index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wheel {
    /// The project.
    pub(crate) project: &'static str,
    /// Its release.
    pub(crate) version: &'static str,
    /// The file's name.
    pub(crate) file: &'static str,
    /// The file's digest, in hexadecimal.
    pub(crate) sha256: &'static str,
}

/// Why there is no such file here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Python or pip failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Not the file that was pinned.
    #[error("the package index's {file} has the SHA-256 {actual}, not {expected}")]
    WrongDigest {
        /// The file's name.
        file: &'static str,
        /// The digest that it should have.
        expected: &'static str,
        /// The one that it has.
        actual: String,
    },
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Wheel {
    /// Leaves the file in a folder: by pip, which knows what index and certificates its user has set, else by what Python
    /// itself has.
    pub(crate) fn fetch(&self, folder: &Path) -> Result<(), FetchError> {
        if capture(python3(folder).args(["-m", "pip", "--version"])).is_ok() {
            self.fetch_with_pip(folder)?;
        } else {
            run_aside(&mut self.fetch_alone(folder))?;
        }
        self.check(folder)
    }

    /// Unpacks the file, which is a zip archive, into another folder below its own.
    pub(crate) fn unpack(&self, folder: &Path, to: &str) -> Result<(), ProcessError> {
        run_aside(python3(folder).args(["-m", "zipfile", "-e", self.file, to]))
    }

    fn fetch_with_pip(&self, folder: &Path) -> Result<(), FetchError> {
        let path = folder.join("requirements.txt");
        let requirement = format!(
            "{}=={} --hash=sha256:{}\n",
            self.project, self.version, self.sha256
        );
        let file = |source| FetchError::File {
            path: path.clone(),
            source,
        };
        fs::write(&path, requirement).map_err(file)?;
        run_aside(
            python3(folder)
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--only-binary=:all:", "--require-hashes"])
                .args(["--dest", ".", "--requirement", "requirements.txt"]),
        )?;
        fs::remove_file(&path).map_err(file)
    }

    fn fetch_alone(&self, folder: &Path) -> Command {
        let mut command = python3(folder);
        command.args(["-c", FETCH, self.project, self.file]);
        command
    }

    fn check(&self, folder: &Path) -> Result<(), FetchError> {
        let path = folder.join(self.file);
        let actual = digest::of_file(&path).map_err(|source| FetchError::File { path, source })?;
        if actual != self.sha256 {
            return Err(FetchError::WrongDigest {
                file: self.file,
                expected: self.sha256,
                actual,
            });
        }
        Ok(())
    }
}

/// Sees to it that virtual environments can be made, where a package of the distribution is all that it takes. Elsewhere
/// whoever makes one says what is missing.
pub(crate) fn prepare_venv() -> Result<(), ProcessError> {
    let works = || capture(Command::new("python3").args(["-c", VENV])).is_ok();
    if works() || !apt::can_install() {
        return Ok(());
    }
    eprintln!("installing python3-venv with apt-get");
    apt::update()?;
    apt::install(&["python3-venv"])
}

fn python3(folder: &Path) -> Command {
    let mut command = Command::new("python3");
    command.current_dir(folder);
    command
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const WHEEL: Wheel = Wheel {
        project: "some-project",
        version: "1.0",
        file: "some_project-1.0-py3-none-any.whl",
        // FIPS 180-2, appendix B.1: "abc".
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    /// A package index that answers one connection after another; where it is.
    fn index(answers: &'static [(&'static str, &'static str)]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for (path, body) in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("a request");
                    head.push(byte[0]);
                }
                let asked = String::from_utf8_lossy(&head).starts_with(&format!("GET {path} "));
                let status = if asked { "200 OK" } else { "404 Not Found" };
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .expect("answered");
            }
        });
        format!("http://{address}/simple/")
    }

    fn fetched(index: &str) -> Result<tempfile::TempDir, ProcessError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = WHEEL.fetch_alone(folder.path());
        command.env("PIP_INDEX_URL", index).env("no_proxy", "*");
        capture(&mut command).map(|_| folder)
    }

    #[test]
    fn without_pip_a_file_is_found_on_its_projects_page_and_fetched() {
        let index = index(&[
            (
                "/simple/some-project/",
                "<a href=\"../../files/some_project-0.9-py3-none-any.whl\">0.9</a>\
                 <a href=\"../../files/some_project-1.0-py3-none-any.whl#sha256=ba78\">1.0</a>",
            ),
            ("/files/some_project-1.0-py3-none-any.whl", "abc"),
        ]);
        let folder = fetched(&index).expect("fetched");
        WHEEL.check(folder.path()).expect("the pinned file");
    }

    #[test]
    fn another_file_than_the_pinned_one_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(WHEEL.file), "abd").expect("written");
        let error = WHEEL.check(folder.path()).expect_err("another file");
        assert!(matches!(error, FetchError::WrongDigest { .. }), "{error}");
    }

    #[test]
    fn a_file_that_no_page_has_is_an_error_that_names_it() {
        let index = index(&[("/simple/some-project/", "<a href=\"other.whl\">other</a>")]);
        let text = fetched(&index).expect_err("not there").to_string();
        let said = "the package index has no some_project-1.0-py3-none-any.whl of some-project";
        assert!(text.contains(said), "{text}");
    }
}
