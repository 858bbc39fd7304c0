//! The admin service as a process, on a database of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, Protocol};
use crate::message::Request;
use crate::{Error, Result};

/// An admin service, running or not; what it knows stays.
#[derive(Debug)]
pub struct Admin {
    binary: PathBuf,
    folder: PathBuf,
    /// Removes the folder, if it is this value's alone.
    _temporary: Option<TempDir>,
    /// The key that signs heads, as gateways list it.
    pub public_key: String,
    operator: String,
    serving: Option<(Child, SocketAddr)>,
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// The token.
    pub token: String,
}

impl Admin {
    /// A new registry. The binary stands beside that of a test: cargo puts the workspace's programs into one folder.
    ///
    /// # Errors
    ///
    /// When a command of `postern-admin` fails.
    pub fn new(binary: &Path) -> Result<Self> {
        let temporary = TempDir::with_prefix("postern-admin-")?;
        let mut admin = Self::within(binary, temporary.path())?;
        admin._temporary = Some(temporary);
        Ok(admin)
    }

    /// A new registry in an empty folder, which stays.
    ///
    /// # Errors
    ///
    /// As [`Admin::new`].
    pub fn within(binary: &Path, folder: &Path) -> Result<Self> {
        let mut admin = Self {
            // Commands run in the folder.
            binary: std::path::absolute(binary)?,
            folder: folder.to_owned(),
            _temporary: None,
            public_key: String::new(),
            operator: String::new(),
            serving: None,
        };
        let shown = admin.command(&["head-key", "new", "head.key"])?;
        let key = shown.lines().find(|line| line.starts_with("ed25519:"));
        key.unwrap_or_default().clone_into(&mut admin.public_key);
        admin.operator = admin.command(&["operator", "new", "ada"])?;
        Ok(admin)
    }

    /// Runs a command on the registry, and returns what it prints.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .current_dir(&self.folder)
            .env_remove("POSTERN_DATABASE")
            .env_remove("POSTERN_HEAD_KEY")
            .env_remove("POSTERN_OPERATOR")
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Fixture(format!("{arguments:?}: {told}")));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(printed.trim().to_owned())
    }

    /// Puts a JSON file where commands find it by that name.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn file(&self, name: &str, value: &Value) -> Result<()> {
        Ok(std::fs::write(self.folder.join(name), value.to_string())?)
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Another one with the same credentials, keys and records; while this one does not serve.
    ///
    /// # Errors
    ///
    /// When its files cannot be copied.
    pub fn copy(&self) -> Result<Self> {
        let temporary = TempDir::with_prefix("postern-admin-")?;
        let folder = temporary.path().to_owned();
        for file in std::fs::read_dir(&self.folder)? {
            let file = file?;
            std::fs::copy(file.path(), folder.join(file.file_name()))?;
        }
        Ok(Self {
            binary: self.binary.clone(),
            folder,
            _temporary: Some(temporary),
            public_key: self.public_key.clone(),
            operator: self.operator.clone(),
            serving: None,
        })
    }

    /// Starts the service on a port: 0 for any.
    ///
    /// # Errors
    ///
    /// When it ends before it listens.
    pub fn serve(&mut self, port: u16) -> Result<SocketAddr> {
        let mut child = Command::new(&self.binary)
            .args(["serve", "--head-key", "head.key", "--listen"])
            .arg(format!("127.0.0.1:{port}"))
            .current_dir(&self.folder)
            .env_remove("POSTERN_DATABASE")
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take();
        let mut lines = BufReader::new(log.ok_or_else(|| ended(""))?).lines();
        let kept = self.folder.join("admin.log");
        let mut kept = File::options().create(true).append(true).open(kept)?;
        let mut seen = String::new();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                child.wait()?;
                return Err(ended(&seen));
            };
            writeln!(kept, "{line}")?;
            let address = line.split_once("address=").map(|(_, rest)| rest);
            let address = address.and_then(|rest| rest.split(' ').next()?.parse().ok());
            if let Some(address) = address {
                break address;
            }
            seen.push_str(&line);
        };
        // It must not wait for somebody to read its log, also where that cannot be kept.
        std::thread::spawn(move || {
            for line in lines.map_while(std::result::Result::ok) {
                let _ = writeln!(kept, "{line}");
            }
        });
        self.serving = Some((child, address));
        Ok(address)
    }

    /// Kills the service, without a warning.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        if let Some((mut child, _)) = self.serving.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks the service as an operator, and takes its answer of JSON.
    ///
    /// # Errors
    ///
    /// When it does not run, or answers with an error.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.change(Request::post(path), body).await
    }

    /// The same with another method.
    ///
    /// # Errors
    ///
    /// As [`Admin::post`].
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.change(Request::new("PUT", path), body).await
    }

    async fn change(&self, request: Request, body: &Value) -> Result<Value> {
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let text = self.ask(request).await?;
        Ok(if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        })
    }

    /// A metric of the service, by its name with labels.
    ///
    /// # Errors
    ///
    /// When it does not run, or has no such metric.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let page = self.ask(Request::get("/metrics")).await?;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.ok_or_else(|| Error::Fixture(format!("no metric {name}")))
    }

    /// A token of this name for a person, for 30 days.
    ///
    /// # Errors
    ///
    /// As [`Admin::post`].
    pub async fn generate(&self, name: &str, person: &str) -> Result<Made> {
        let asked = json!({"name": name, "person": person, "expires_in": 30});
        let made = self.post("/v1/tokens", &asked).await?;
        let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
        Ok(Made {
            id: text("id"),
            token: text("token"),
        })
    }

    /// Deactivates a token.
    ///
    /// # Errors
    ///
    /// As [`Admin::post`].
    pub async fn deactivate(&self, id: &str) -> Result<()> {
        let path = format!("/v1/tokens/{id}/deactivate");
        self.post(&path, &json!({})).await.map(drop)
    }

    /// The credential of the operator, who may do everything.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    async fn ask(&self, request: Request) -> Result<String> {
        let (_, address) = self.serving.as_ref().ok_or_else(|| ended(""))?;
        let request = request.authority("admin").bearer(&self.operator);
        let answer = client::send(*address, Protocol::Http1, &request).await?;
        if !(200..300).contains(&answer.status) {
            let (status, text) = (answer.status, answer.text());
            return Err(Error::Fixture(format!("it answers {status}: {text}")));
        }
        Ok(answer.text())
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // A test that fails half-way leaves nothing running either.
        let _ = self.kill();
    }
}

fn ended(log: &str) -> Error {
    Error::Fixture(format!("the admin service does not run: {log}"))
}
