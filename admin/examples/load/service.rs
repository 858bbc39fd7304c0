//! The admin service as a process of its own.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use postern_core::feed::{PublicKey, PublicKeys};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{Arguments, Failure};

/// A service that runs.
pub(crate) struct Service {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The credential of an operator.
    pub(crate) operator: String,
    /// Who signs its heads.
    pub(crate) keys: PublicKeys,
    admin: PathBuf,
    folder: PathBuf,
    child: Child,
}

impl Service {
    /// Fills a database and starts the service on it.
    pub(crate) async fn start(arguments: &Arguments) -> Result<Self, Failure> {
        let folder = arguments.folder.clone();
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let admin = arguments.admin.clone();
        let run = |words: &'static [&'static str]| run(&admin, &folder, words);
        write_policy(arguments, &folder.join("policy.json"))?;
        run(&["policy", "import", "--vouch", "policy.json"]).await?;
        let operator = run(&["operator", "new", "bench"]).await?;
        let keys = run(&["head-key", "new", "head.key"]).await?;
        let key = keys.lines().last().unwrap_or_default();
        let key = PublicKey::parse(key.trim())?;
        let mut child = Command::new(&admin)
            .args(["serve", "--listen", "127.0.0.1:0", "--head-key", "head.key"])
            .current_dir(&folder)
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no log")?;
        let mut lines = BufReader::new(stderr).lines();
        let address = loop {
            let line = lines.next_line().await?.ok_or("it ended at its start")?;
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split(' ').next().unwrap_or_default().parse()?;
            }
        };
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                eprintln!("admin: {line}");
            }
        });
        Ok(Self {
            address,
            operator: operator.trim().to_owned(),
            keys: PublicKeys::new(vec![key]),
            admin,
            folder,
            child,
        })
    }

    /// The memory that the process has now, and had at most, in MiB: what Linux counts as resident.
    pub(crate) fn memory(&self) -> Result<(f64, f64), Failure> {
        let id = self.child.id().ok_or("it has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| -> Result<f64, Failure> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            Ok(kib.ok_or("no such field")?.parse::<f64>()? / 1024.0)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// The time that processors have spent on it, in seconds.
    pub(crate) fn processor_time(&self) -> Result<f64, Failure> {
        let id = self.child.id().ok_or("it has ended")?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("no such file")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        // USER_HZ, which Linux shows to programs, is 100 on all its platforms of today.
        Ok(ticks / 100.0)
    }

    /// Stops it as an operator would.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let id = self.child.id().ok_or("it has ended")?;
        let killed = Command::new("kill").arg(id.to_string()).status().await?;
        if !killed.success() {
            return Err("it cannot be stopped".into());
        }
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await??;
        if status.success() {
            return Ok(());
        }
        Err(format!("it ended with {status}").into())
    }

    /// Checks the database that it left.
    pub(crate) async fn verify(&self) -> Result<(), Failure> {
        run(&self.admin, &self.folder, &["verify"]).await?;
        Ok(())
    }
}

async fn run(admin: &PathBuf, folder: &PathBuf, words: &[&str]) -> Result<String, Failure> {
    let output = Command::new(admin)
        .args(words)
        .current_dir(folder)
        .output()
        .await?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("postern-admin {}: {errors}", words.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A policy of tokens that nobody holds.
fn write_policy(arguments: &Arguments, path: &PathBuf) -> Result<(), Failure> {
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    let join = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(",\n")
    };
    let persons = join(arguments.persons, &|n| {
        format!(r#"{{"id": "p-{n}", "active": true}}"#)
    });
    let tokens = join(arguments.tokens, &|n| {
        let person = n % arguments.persons;
        let digest = Sha256::digest(format!("load {n}"));
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            r#"{{"id": "t-{n}", "person": "p-{person}", "hash": "sha256:{hash}", "expires_at": "never", "active": true}}"#
        )
    });
    write!(
        file,
        "{{\"format\": 1,\n\"persons\": [{persons}],\n\"tokens\": [{tokens}]}}\n"
    )?;
    file.flush()?;
    Ok(())
}
