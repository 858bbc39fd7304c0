//! Reading a scenario's files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use postern_core::reason::Reason;
use postern_core::time::Timestamp;
use serde::Deserialize;

use super::expect::present;
use super::{Case, Expect, Scenario, ScenarioError};
use crate::check::{Loaded, Subject};
use crate::prepared::{Caller, gateway_for};
use crate::request::Request;
use crate::source::Source;

/// A scenario as it is written; see `schema/scenario.schema.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    policy: PathBuf,
    #[serde(default, deserialize_with = "present")]
    gateway: Option<PathBuf>,
    #[serde(default, deserialize_with = "present")]
    at: Option<Timestamp>,
    cases: Vec<WrittenCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    r#as: WrittenCaller,
    request: WrittenRequest,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenCaller {
    Access(String),
    Api(String),
    None(bool),
    Raw(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRequest {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

pub(super) fn load(file: &Path) -> Result<Scenario, ScenarioError> {
    let source = Source::read(file)?;
    let mut reader = serde_json::Deserializer::from_str(&source.text);
    let written: Written = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        shape(file, &path, error.into_inner().to_string())
    })?;
    reader
        .end()
        .map_err(|error| shape(file, "", error.to_string()))?;

    let folder = file.parent().unwrap_or(Path::new(""));
    let policy_file = folder.join(&written.policy);
    let gateway_file = written.gateway.map(|gateway| folder.join(gateway));
    let subject = Subject::read(&policy_file, gateway_file.as_deref())?;
    // Warnings depend on the instant, faults do not.
    let report = subject.check(written.at.unwrap_or(Timestamp::MAX));
    let Loaded { policy, gateway } = report.into_loaded().map_err(ScenarioError::Refused)?;

    let mut cases = Vec::with_capacity(written.cases.len());
    let mut names = BTreeSet::new();
    for (at, case) in written.cases.into_iter().enumerate() {
        let fault =
            |member: &str, sentence: String| shape(file, &format!("cases[{at}]{member}"), sentence);
        if !names.insert(case.name.clone()) {
            let sentence = format!("there is a case {:?} already", case.name);
            return Err(fault(".name", sentence));
        }
        let caller = caller(case.r#as).ok_or_else(|| {
            let sentence = "say {\"none\": true}, or which credential is sent".to_owned();
            fault(".as", sentence)
        })?;
        if let Caller::Access(id) | Caller::Api(id) = &caller
            && !policy.tokens.iter().any(|token| token.id == *id)
        {
            let sentence = format!("there is no token {id:?} in the policy");
            return Err(fault(".as", sentence));
        }
        if let Some(word) = &case.expect.reason
            && !Reason::ALL.iter().any(|reason| reason.as_str() == word)
        {
            let sentence = format!("there is no reason {word:?}");
            return Err(fault(".expect.reason", sentence));
        }
        if let Some(upstream) = &case.expect.upstream
            && let Some(name) = &upstream.service_token
            && !policy.services.iter().any(|service| service.name == *name)
        {
            let sentence = format!("there is no service {name:?} in the policy");
            return Err(fault(".expect.upstream.service_token", sentence));
        }
        let request = Request::new(&case.request.method, &case.request.url, None)
            .map_err(|error| fault(".request.url", error.to_string()))?;
        cases.push(Case {
            name: case.name,
            caller,
            request: Request {
                headers: case.request.headers,
                ..request
            },
            expect: case.expect,
        });
    }
    Ok(Scenario {
        file: file.to_owned(),
        at: written.at,
        gateway: gateway.unwrap_or_else(|| gateway_for(&policy)),
        policy,
        cases,
    })
}

fn caller(written: WrittenCaller) -> Option<Caller> {
    Some(match written {
        WrittenCaller::Access(id) => Caller::Access(id),
        WrittenCaller::Api(id) => Caller::Api(id),
        WrittenCaller::Raw(value) => Caller::Raw(value),
        WrittenCaller::None(true) => Caller::None,
        WrittenCaller::None(false) => return None,
    })
}

fn shape(file: &Path, path: &str, sentence: String) -> ScenarioError {
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    };
    ScenarioError::Shape {
        file: file.to_owned(),
        path,
        sentence,
    }
}
