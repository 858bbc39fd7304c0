//! The demo itself: what a newcomer types first must work, with both gateways.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use postern_tests::client::{self, Protocol};
use postern_tests::fixture::EXCHANGE;
use postern_tests::message::Request;
use postern_tests::wait::until;
use postern_tests::{Error, Result, artefacts};

const DEMO: &str = env!("CARGO_BIN_EXE_postern-demo");

/// Another command: cargo puts the workspace's binaries into one folder.
fn binary(name: &str) -> PathBuf {
    Path::new(DEMO).with_file_name(name)
}

fn demo(gateway: &str, env_file: &Path) -> Result<Command> {
    let mut command = Command::new(DEMO);
    command
        .arg("--wasm")
        .arg(artefacts::sync_wasm()?)
        .args(["--gateway", gateway])
        .arg("--envoy")
        .arg(artefacts::envoy()?)
        .arg("--host-bin")
        .arg(binary("postern-host"))
        .arg("--admin-bin")
        .arg(binary("postern-admin"))
        .arg("--env-file")
        .arg(env_file)
        .stdin(Stdio::null());
    Ok(command)
}

/// A demo that serves. It is asked to end, never killed: it has a gateway of its own to end.
struct Serving(Child);

impl Serving {
    fn ask_to_end(&self) -> std::io::Result<()> {
        if let Some(id) = self.0.id() {
            std::process::Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()?;
        }
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A test that fails half-way leaves nothing running either.
        let _ = self.ask_to_end();
    }
}

fn read_env(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path)?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

/// No other file of the demo has them, nobody but its owner can read the file, and no command line shows them.
fn secrets_stay_in_the_file(
    folder: &Path,
    env_file: &Path,
    env: &BTreeMap<String, String>,
) -> Result<()> {
    let mode = std::fs::metadata(env_file)?.permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read the file: {mode:o}");
    let secrets: Vec<&str> = ["API_TOKEN", "OPERATOR_CREDENTIAL"]
        .iter()
        .filter_map(|key| env.get(*key).map(String::as_str))
        .collect();
    assert_eq!(secrets.len(), 2, "{:?}", env.keys());
    let tells = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.contains("psg_") || secrets.iter().any(|secret| text.contains(secret))
    };
    for folder in [folder, &folder.join("admin")] {
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            if path.is_file() && path != env_file {
                assert!(!tells(&std::fs::read(&path)?), "{}", path.display());
            }
        }
    }
    for process in std::fs::read_dir("/proc")? {
        // One that has ended since then has no command line.
        if let Ok(command) = std::fs::read(process?.path().join("cmdline")) {
            assert!(!tells(&command), "{}", String::from_utf8_lossy(&command));
        }
    }
    Ok(())
}

#[tokio::test]
async fn once_it_shows_every_step_and_ends_with_0() -> Result<()> {
    for gateway in ["host", "envoy"] {
        let folder = tempfile::tempdir()?;
        let env_file = folder.path().join("env");

        let output = demo(gateway, &env_file)?.arg("--once").output().await?;

        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{gateway}: {shown}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for status in ["< 200", "< 403", "< 401"] {
            assert!(shown.contains(status), "{gateway}: {shown}");
        }
        let raw: Vec<&str> = shown
            .split_whitespace()
            .filter(|word| word.starts_with("pst_") && word.len() == 50)
            .collect();
        assert_eq!(
            raw.len(),
            1,
            "{gateway}: the API token is shown once: {shown}"
        );
        let times = shown.matches("in force at every worker of the gateway after");
        assert_eq!(times.count(), 4, "{gateway}: {shown}");
        assert!(!shown.contains("psg_"), "{gateway}: {shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() < 180),
            "{gateway}: {shown}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn while_it_serves_the_values_in_its_file_work() -> Result<()> {
    for gateway in ["host", "envoy"] {
        let folder = tempfile::tempdir()?;
        let env_file = folder.path().join("env");
        let child = demo(gateway, &env_file)?.stdout(Stdio::piped()).spawn()?;
        let mut serving = Serving(child);
        let mut lines = BufReader::new(serving.0.stdout.take().ok_or(Error::Closed(0))?).lines();
        while let Some(line) = lines.next_line().await? {
            if line.contains("Ctrl-C") {
                break;
            }
        }
        let env = read_env(&env_file)?;
        let value = |key: &str| {
            env.get(key)
                .cloned()
                .unwrap_or_else(|| panic!("{gateway}: no {key} in {env:?}"))
        };
        assert_eq!(value("EXCHANGE_PATH"), EXCHANGE);
        let address = value("GATEWAY_URL")
            .trim_start_matches("http://")
            .parse()
            .map_err(|_| Error::Fixture("GATEWAY_URL".to_owned()))?;
        let send = async |request: Request| {
            client::send(address, Protocol::Http1, &request.authority(value("HOST"))).await
        };

        let exchange =
            send(Request::post(value("EXCHANGE_PATH")).bearer(value("API_TOKEN"))).await?;
        let token = exchange.json()?["RawToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let allowed = send(Request::get(value("ALLOWED_PATH")).bearer(&token)).await?;
        let denied = send(Request::get(value("DENIED_PATH")).bearer(&token)).await?;
        let nobody = send(Request::get(value("ALLOWED_PATH"))).await?;

        assert_eq!(
            (
                exchange.status,
                allowed.status,
                denied.status,
                nobody.status
            ),
            (200, 200, 403, 401),
            "{gateway}"
        );
        assert!(value("UPSTREAM_URL").starts_with("http://127.0.0.1:"));

        secrets_stay_in_the_file(folder.path(), &env_file, &env)?;

        let admin = value("ADMIN_URL")
            .trim_start_matches("http://")
            .parse()
            .map_err(|_| Error::Fixture("ADMIN_URL".to_owned()))?;
        let deactivate = Request::post(format!("/v1/tokens/{}/deactivate", value("TOKEN_ID")))
            .bearer(value("OPERATOR_CREDENTIAL"));
        let done = client::send(admin, Protocol::Http1, &deactivate).await?;
        assert_eq!(done.status, 200, "{gateway}: {done:?}");
        until("the token's end at the gateway", async || {
            let call = Request::get(value("ALLOWED_PATH")).bearer(&token);
            Ok((send(call).await?.status == 401).then_some(()))
        })
        .await?;

        serving.ask_to_end()?;
        let status = serving.0.wait().await?;
        assert!(status.success(), "{gateway}: it ended with {status}");
        let after = send(Request::get(value("ALLOWED_PATH"))).await;
        assert!(after.is_err(), "{gateway}: the gateway outlived the demo");
        let after = client::send(admin, Protocol::Http1, &Request::get("/healthz")).await;
        assert!(
            after.is_err(),
            "{gateway}: the admin service outlived the demo"
        );
    }
    Ok(())
}
