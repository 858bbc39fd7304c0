//! `postern policy explain`.

use std::io::Write;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use postern::check::{Loaded, Subject};
use postern::clock::now;
use postern::entropy::Entropy;
use postern::explain::{Decision, explain};
use postern::prepared::{Caller, Prepared, gateway_for};
use postern::request::Request;
use postern_core::time::Timestamp;
use serde_json::{Map, Value};

use super::{Failure, Verdict, print_json, timestamp};

#[derive(Args)]
#[command(group(ArgGroup::new("caller").required(true).args(["access", "api", "anonymous"])))]
pub(crate) struct Arguments {
    /// The policy, or a whole plugin configuration with `policy.inline`
    #[arg(long)]
    policy: PathBuf,
    /// The plugin configuration, where it is in a file of its own
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Who calls: somebody with an access token of the API token with this id
    #[arg(long = "as", value_name = "TOKEN_ID")]
    access: Option<String>,
    /// Who calls: somebody who sends the API token with this id itself
    #[arg(long = "as-api-token", value_name = "TOKEN_ID")]
    api: Option<String>,
    /// Who calls: somebody without a credential
    #[arg(long)]
    anonymous: bool,
    /// The instant of the request, such as 2027-01-01T00:00:00Z; now if there is none
    #[arg(long, value_parser = timestamp)]
    at: Option<Timestamp>,
    /// A header of the request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// The HTTP method
    method: String,
    /// The URL; a path will do for a gateway of one host
    url: String,
}

impl Arguments {
    /// Ends with 0 if the request goes on or is answered well, with 1 if it is refused.
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let said = |error: &dyn std::fmt::Display| Failure::Said(error.to_string());
        let at = self.at.unwrap_or_else(now);
        let report = Subject::read(&self.policy, self.gateway.as_deref())
            .map_err(|error| said(&error))?
            .check(at);
        let Loaded { policy, gateway } = report.into_loaded().map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(|fault| format!("\n{fault}")).collect();
            Failure::Said(format!(
                "a gateway would refuse this policy:{}",
                faults.concat()
            ))
        })?;
        let gateway = match gateway {
            Some(gateway) => gateway,
            None => {
                writeln!(
                    std::io::stderr(),
                    "note: without --gateway this is explained for a gateway that answers for all hosts of the policy, \
                     with the defaults of everything else"
                )?;
                gateway_for(&policy)
            }
        };
        let prepared =
            Prepared::new(&gateway, &policy, &mut Entropy).map_err(|error| said(&error))?;
        let caller = match (self.access, self.api) {
            (Some(id), _) => Caller::Access(id),
            (None, Some(id)) => Caller::Api(id),
            (None, None) => Caller::None,
        };
        let request = Request::new(&self.method, &self.url, only_host(&gateway))
            .map_err(|error| said(&error))?;
        let request = Request {
            headers: self.headers,
            ..request
        };
        let explanation =
            explain(&prepared, &policy, &caller, &request, at).map_err(|error| said(&error))?;
        if self.json {
            print_json(out, &explanation)?;
        } else {
            write!(out, "{explanation}")?;
        }
        Ok(Verdict::good_if(explanation.decision != Decision::Refused))
    }
}

fn only_host(gateway: &Map<String, Value>) -> Option<&str> {
    match gateway.get("hosts")?.as_array()?.as_slice() {
        [host] => host.as_str(),
        _ => None,
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or("a header is written \"name: value\"")?;
    if name.trim().eq_ignore_ascii_case("authorization") {
        // An argument stays in the shell's history, so no credential is asked for here.
        return Err(
            "the credential is made here; say who calls with --as or --as-api-token".into(),
        );
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
