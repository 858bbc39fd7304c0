//! Checking a policy, or a whole plugin configuration, before a gateway does: every fault, and what is no fault but
//! often a mistake.

mod gateway;
mod json;
mod shape;
mod warnings;

use std::fmt;
use std::path::{Path, PathBuf};

use postern_core::policy::Policy;
use postern_core::policy::document::Document;
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::source::{Source, SourceError};

pub use warnings::Code;

/// What is checked: a policy, and the gateway's configuration where there is one.
#[derive(Clone, Debug)]
pub struct Subject {
    policy: Source,
    /// A configuration in a file of its own, without `policy`.
    gateway: Option<Source>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A policy.
    Policy,
    /// A plugin configuration with its policy.
    Configuration,
}

/// What a check has found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file that was checked.
    pub file: PathBuf,
    /// What it holds.
    pub kind: Kind,
    /// Why a gateway would refuse it.
    pub faults: Vec<Finding>,
    /// What a gateway accepts, and an operator should look at.
    pub warnings: Vec<Finding>,
    /// What was not checked, and why.
    pub notes: Vec<String>,
    /// Policy and configuration, if nothing is wrong with either.
    #[serde(skip)]
    pub loaded: Option<Loaded>,
}

/// A policy without faults, and the configuration that came with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Document,
    /// The configuration, if there was one.
    pub gateway: Option<Map<String, Value>>,
}

/// A fault or a warning, with its place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The path into the file's JSON, such as `tokens[3].hash`; empty for the whole.
    pub path: String,
    /// For a warning: what kind it is, so that it can be told to be silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What is wrong, and how to mend it.
    pub sentence: String,
}

impl Subject {
    /// Reads what is to be checked: a policy or a whole configuration, and for a policy the configuration of the gateway
    /// that it is for, if there is one.
    ///
    /// # Errors
    /// [`SourceError`], if a file cannot be read.
    pub fn read(file: &Path, gateway: Option<&Path>) -> Result<Self, SourceError> {
        Ok(Self {
            policy: Source::read(file)?,
            gateway: gateway.map(Source::read).transpose()?,
        })
    }

    /// Checks all but the root keys, which no check should have to know.
    #[must_use]
    pub fn check(&self, at: Timestamp) -> Report {
        let mut report = Report {
            file: self.policy.file.clone(),
            kind: Kind::Policy,
            faults: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            loaded: None,
        };
        if let Some(members) = object(&self.policy, &mut report.faults) {
            self.check_members(members, at, &mut report);
        }
        for source in self.gateway.iter().chain([&self.policy]) {
            locate(source, &mut report.faults);
            locate(source, &mut report.warnings);
        }
        report
    }

    fn check_members(&self, members: Map<String, Value>, at: Timestamp, report: &mut Report) {
        let faults = &mut report.faults;
        let (gateway, policy) = if is_configuration(&members) {
            report.kind = Kind::Configuration;
            if let Some(other) = &self.gateway {
                let sentence = format!(
                    "this is a whole configuration, so it cannot be checked together with {}",
                    other.file.display()
                );
                return faults.push(finding(&self.policy, "", sentence));
            }
            let (gateway, inline) =
                gateway::check(&Part::new(&self.policy, ""), members, true, faults);
            let policy = inline.map(|value| (Part::new(&self.policy, "policy.inline"), value));
            (gateway, policy)
        } else {
            let gateway = self.gateway.as_ref().and_then(|source| {
                let members = object(source, faults)?;
                gateway::check(&Part::new(source, ""), members, false, faults).0
            });
            let policy = (Part::new(&self.policy, ""), Value::Object(members));
            (gateway, Some(policy))
        };
        if report.kind == Kind::Configuration || self.gateway.is_some() {
            let note = "the root keys are not checked: they are in the gateway's environment only";
            report.notes.push(note.to_owned());
        }
        if gateway
            .as_ref()
            .is_some_and(|gateway| gateway.contains_key("sync"))
        {
            let note =
                "the gateway's credential is not checked: it is in the gateway's environment only";
            report.notes.push(note.to_owned());
        }
        if let Some((part, value)) = policy {
            self.check_policy(&part, &value, gateway, at, report);
        }
    }

    fn check_policy(
        &self,
        part: &Part<'_>,
        value: &Value,
        gateway: Option<Map<String, Value>>,
        at: Timestamp,
        report: &mut Report,
    ) {
        let policy = match shape::read(part, value) {
            Ok(policy) => policy,
            Err(faults) => return report.faults.extend(faults),
        };
        let of_gateway = Part::new(self.gateway.as_ref().unwrap_or(&self.policy), "");
        let with_part = gateway.as_ref().map(|gateway| (&of_gateway, gateway));
        report.warnings = warnings::of(part, &policy, with_part, at);
        if let Err(faults) = Policy::from_document(&policy) {
            let faults = faults.into_iter();
            let faults = faults.map(|fault| part.finding(&fault.path, fault.rule.to_string()));
            report.faults.extend(faults);
        }
        if !report.faults.is_empty() {
            return;
        }
        if let Some(gateway) = &gateway {
            self.check_together(gateway, &policy, report);
        }
        if report.faults.is_empty() {
            report.loaded = Some(Loaded { policy, gateway });
        }
    }

    /// What only holds between a policy and a configuration that are each in order.
    fn check_together(&self, gateway: &Map<String, Value>, policy: &Document, report: &mut Report) {
        let source = self.gateway.as_ref().unwrap_or(&self.policy);
        let mut config = gateway.clone();
        config.remove("sync");
        config.insert("policy".to_owned(), serde_json::json!({ "inline": policy }));
        for fault in gateway::refusals(&Value::Object(config)) {
            report
                .faults
                .push(finding(source, &fault.path, fault.rule.to_string()));
        }
    }
}

impl Report {
    /// What was loaded.
    ///
    /// # Errors
    /// Why nothing was: the faults, or that there is no policy here.
    pub fn into_loaded(self) -> Result<Loaded, Vec<Finding>> {
        let Some(loaded) = self.loaded else {
            let mut faults = self.faults;
            if faults.is_empty() {
                faults.push(Finding {
                    file: self.file,
                    line: None,
                    path: "sync".to_owned(),
                    code: None,
                    sentence: "the policy is read from a feed; write it to a file with `postern-admin policy export`, \
                               and give that as the policy and this as the gateway's configuration"
                        .to_owned(),
                });
            }
            return Err(faults);
        };
        Ok(loaded)
    }
}

impl fmt::Display for Finding {
    /// `file:line: path: sentence`, as compilers write it, so that editors find the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.sentence)?;
        match self.code {
            Some(code) => write!(f, " [{code}]"),
            None => Ok(()),
        }
    }
}

/// A part of a file, and the path to it.
#[derive(Clone, Copy, Debug)]
struct Part<'s> {
    source: &'s Source,
    parent: &'static str,
}

impl<'s> Part<'s> {
    fn new(source: &'s Source, parent: &'static str) -> Self {
        Self { source, parent }
    }

    fn finding(&self, path: &str, sentence: impl Into<String>) -> Finding {
        let joint = match (self.parent, path) {
            ("", _) | (_, "") => "",
            _ => ".",
        };
        finding(
            self.source,
            &format!("{}{joint}{path}", self.parent),
            sentence,
        )
    }
}

/// Finds the lines of the findings in a file, and puts them in the order of the file, so that it can be mended from top
/// to bottom.
fn locate(source: &Source, findings: &mut [Finding]) {
    let here = |finding: &Finding| finding.line.is_none() && finding.file == source.file;
    let paths: Vec<_> = findings
        .iter()
        .filter(|finding| here(finding))
        .map(|finding| finding.path.clone())
        .collect();
    let lines = source.lines_of(paths.iter().map(String::as_str));
    for finding in findings.iter_mut().filter(|finding| here(finding)) {
        finding.line = lines.get(finding.path.as_str()).copied();
    }
    findings.sort_by_key(|finding| finding.line);
}

fn finding(source: &Source, path: &str, sentence: impl Into<String>) -> Finding {
    Finding {
        file: source.file.clone(),
        line: None,
        path: path.to_owned(),
        code: None,
        sentence: sentence.into(),
    }
}

/// The members of a file that holds a JSON object; otherwise a fault.
fn object(source: &Source, faults: &mut Vec<Finding>) -> Option<Map<String, Value>> {
    let fault = match json::read(&source.text) {
        Ok(Value::Object(members)) => return Some(members),
        Ok(_) => finding(source, "", "this is no JSON object"),
        Err(fault) => Finding {
            line: Some(fault.line),
            ..finding(source, &fault.path, fault.sentence)
        },
    };
    faults.push(fault);
    None
}

/// Whether the members of a file are those of a plugin configuration rather than a policy's.
fn is_configuration(members: &Map<String, Value>) -> bool {
    let of_policy = ["format", "persons", "services", "tokens"];
    let of_configuration = ["gateway_id", "issuer", "policy", "root_key_env", "sync"];
    let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
    has(&of_configuration) && !has(&of_policy)
}
