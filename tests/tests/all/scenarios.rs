//! The scenarios of the example policies, as `postern policy test` runs them, in both gateways.

use std::path::{Path, PathBuf};

use postern::prepared::Prepared;
use postern::scenario::{Case, Observed, Scenario};
use postern_core::time::Timestamp;
use postern_tests::fixture::now;
use postern_tests::gateway::{Gateway, Kind, Setup};
use postern_tests::message::Request;
use postern_tests::{Error, Result};
use serde_json::Value;

#[tokio::test]
async fn every_example_policy_allows_and_refuses_in_a_gateway_what_its_scenario_says() -> Result<()>
{
    let files = scenario_files()?;
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let scenario = Scenario::load(&file).map_err(fixture)?;
        let prepared = scenario.prepare().map_err(fixture)?;
        let config: Value = serde_json::from_str(prepared.config_json()).map_err(fixture)?;
        let environment = [(
            prepared.root_key_env().to_owned(),
            prepared.root_keys().to_owned(),
        )];
        let setup = Setup::with_config(&config, environment.into())?;
        for kind in Kind::ALL {
            let mut gateway = Gateway::start(kind, &setup).await?;
            let mut findings = Vec::new();
            let mut explained = 0;
            for case in &scenario.cases {
                let observed = run(&mut gateway, &prepared, case).await?;
                explained += usize::from(observed.reason.is_some());
                let found = case.expect.differences(&observed);
                findings.extend(
                    found
                        .iter()
                        .map(|difference| format!("{}: {difference}", case.name)),
                );
            }
            // A host may answer a few of them itself; if it answered most, the reasons would not be compared.
            assert!(explained * 10 >= scenario.cases.len() * 9, "{explained}");
            assert!(
                findings.is_empty(),
                "{} in {kind:?}:\n{}",
                file.display(),
                findings.join("\n")
            );
        }
    }
    Ok(())
}

async fn run(gateway: &mut Gateway, prepared: &Prepared, case: &Case) -> Result<Observed> {
    let instant = Timestamp::from_secs(now());
    let authorization = prepared
        .authorization(&case.caller, instant)
        .map_err(fixture)?;
    let mut request = Request::new(case.request.method.as_str(), case.request.path.as_str())
        .authority(case.request.authority.as_str());
    for (name, value) in &case.request.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    if let Some(value) = authorization {
        request = request.header("authorization", value.as_str());
    }
    let answer = gateway.send(&request).await?;
    let logged = gateway.logged(&answer).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let upstream = answer.upstream.first().map(|received| {
        let headers = received.headers.iter();
        headers
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    });
    Ok(Observed {
        status: answer.response.status,
        // Where the host has answered before the filter was asked, there is no reason to compare.
        reason: logged.state.get("postern.reason").cloned(),
        upstream,
    })
}

fn scenario_files() -> Result<Vec<PathBuf>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(examples).map_err(fixture)? {
        files.push(folder.map_err(fixture)?.path().join("scenario.json"));
    }
    files.sort();
    Ok(files)
}

fn fixture(error: impl std::fmt::Display) -> Error {
    Error::Fixture(error.to_string())
}
