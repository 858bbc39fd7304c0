//! Who is compared with whom. A contestant is one kind of request at one filter chain; its figure is what the chain adds
//! to the same request without it.
//!
//! To add one: a chain needs a JSON file in this folder and a row in [`CHAINS`], a contestant a row in [`CONTESTANTS`].

mod template;

use std::path::PathBuf;

use serde_json::Value;

pub use template::{Chain, Values};

use super::population::Size;
use super::traffic::Traffic;
use crate::{Error, Result};

/// The headers beside the eight that every request has, in the case that asks for many.
const MANY: usize = 40;

/// A contestant: its row in the table.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// How the command line calls it.
    pub name: &'static str,
    /// What it is, for readers of the table.
    pub title: &'static str,
    /// The filter chain, by its name in [`CHAINS`].
    pub chain: &'static str,
    /// What is sent.
    pub traffic: Traffic,
    /// Headers of 100 bytes beside the eight.
    pub padding: usize,
    /// The contestant that is the same without a filter.
    pub baseline: &'static str,
    /// The contestant whose added time is 1.
    pub reference: &'static str,
    /// The ratio to the reference that it must not pass, if there is a bound.
    pub must: Option<f64>,
    /// Whether it is this project's filter.
    pub ours: bool,
}

impl Contestant {
    /// Whether there is no filter, and so nothing that is added.
    pub fn is_baseline(&self) -> bool {
        self.chain == NONE
    }

    /// The status of the right answer.
    pub fn status(&self) -> u16 {
        if self.is_baseline() {
            200
        } else {
            self.traffic.status()
        }
    }
}

/// Requests without a filter.
pub const NONE: &str = "none";

/// The same with a credential that is much shorter than an access token, and so quicker to read for Envoy itself.
const NONE_API_KEY: &str = "none-api-key";

/// The same without a credential.
const NONE_NO_CREDENTIAL: &str = "none-no-credential";

/// What an operator would use instead, and so the measure of all.
pub const REFERENCE: &str = "jwt-authn";

/// The other thing that an operator would use instead.
pub const EXT_AUTHZ: &str = "ext-authz";

/// All contestants, in the table's order.
pub const CONTESTANTS: &[Contestant] = &[
    peer(NONE, "no filter", NONE, Traffic::Seen),
    peer(
        NONE_API_KEY,
        "no filter, an API token for a credential",
        NONE,
        Traffic::ApiKeys,
    ),
    peer(
        NONE_NO_CREDENTIAL,
        "no filter, no credential",
        NONE,
        Traffic::NoCredential,
    ),
    against(
        NONE_API_KEY,
        peer(
            "api-key-auth",
            "`api_key_auth`, 10,000 keys in plain text",
            "api-key-auth",
            Traffic::ApiKeys,
        ),
    ),
    peer(
        "jwt-authn-cached",
        "`jwt_authn`, HS256, with its token cache",
        "jwt-authn-cached",
        Traffic::Seen,
    ),
    peer(
        "floor",
        "wasm: one read of the header map, nothing else",
        "floor",
        Traffic::Seen,
    ),
    peer(
        "same-calls",
        "wasm: the host calls of an allowed request, nothing else",
        "same-calls",
        Traffic::Seen,
    ),
    against(
        NONE_API_KEY,
        peer(
            "lua",
            "Lua: one header read and compared",
            "lua",
            Traffic::OneApiKey,
        ),
    ),
    peer(
        REFERENCE,
        "`jwt_authn`, HS256, without cache",
        REFERENCE,
        Traffic::Seen,
    ),
    peer(
        EXT_AUTHZ,
        "HTTP `ext_authz`, answered by the same process",
        EXT_AUTHZ,
        Traffic::Seen,
    ),
    Contestant {
        must: Some(0.90),
        ..ours("seen", "access token seen before", LARGE, Traffic::Seen)
    },
    ours("new", "access token never seen", LARGE, Traffic::New),
    ours(
        "refused",
        "refused by audience (403)",
        LARGE,
        Traffic::Refused,
    ),
    against(
        NONE_NO_CREDENTIAL,
        ours(
            "no-credential",
            "no credential (401)",
            LARGE,
            Traffic::NoCredential,
        ),
    ),
    against(
        NONE_API_KEY,
        ours("exchange", "exchange, `RawToken`", LARGE, Traffic::Exchange),
    ),
    ours(
        "seen-small",
        "access token seen before, 100 tokens, 10 methods",
        SMALL,
        Traffic::Seen,
    ),
    ours(
        "new-small",
        "access token never seen, 100 tokens, 10 methods",
        SMALL,
        Traffic::New,
    ),
    ours(
        "refused-small",
        "refused by audience, 100 tokens, 10 methods",
        SMALL,
        Traffic::Refused,
    ),
    against(
        NONE_NO_CREDENTIAL,
        ours(
            "no-credential-small",
            "no credential, 100 tokens, 10 methods",
            SMALL,
            Traffic::NoCredential,
        ),
    ),
    against(
        NONE_API_KEY,
        ours(
            "exchange-small",
            "exchange, 100 tokens, 10 methods",
            SMALL,
            Traffic::Exchange,
        ),
    ),
    with_many_headers(peer(
        NONE_MANY,
        "no filter, 40 headers of 100 bytes",
        NONE,
        Traffic::Seen,
    )),
    with_many_headers(peer(
        "jwt-authn-many",
        "`jwt_authn` without cache, 40 headers of 100 bytes",
        REFERENCE,
        Traffic::Seen,
    )),
    with_many_headers(ours(
        "seen-many",
        "access token seen before, 40 headers of 100 bytes",
        LARGE,
        Traffic::Seen,
    )),
];

/// [`NONE`] with many headers.
const NONE_MANY: &str = "none-many";

const LARGE: &str = "postern";
const SMALL: &str = "postern-small";

/// All filter chains. Each is a listener of the one Envoy.
pub const CHAINS: &[Chain] = &[
    Chain::peer(NONE, include_str!("none.json")),
    Chain::peer("api-key-auth", include_str!("api_key_auth.json")),
    Chain::peer("jwt-authn-cached", include_str!("jwt_authn_cached.json")),
    Chain::peer("floor", include_str!("floor.json")),
    Chain::peer("same-calls", include_str!("same_calls.json")),
    Chain::peer("lua", include_str!("lua.json")),
    Chain::peer(REFERENCE, include_str!("jwt_authn.json")),
    Chain::peer(EXT_AUTHZ, include_str!("ext_authz.json")),
    Chain {
        name: LARGE,
        text: include_str!("postern.json"),
        size: Size::LARGE,
    },
    Chain {
        name: SMALL,
        text: include_str!("postern.json"),
        size: Size::SMALL,
    },
];

/// The module of the contestant `floor`, in WebAssembly text.
pub const FLOOR: &str = include_str!("floor.wat");

/// The module of the contestant `same-calls`.
pub const SAME_CALLS: &str = include_str!("same_calls.wat");

/// The contestant of this name.
///
/// # Errors
///
/// [`Error::Fixture`] with all names when there is none.
pub fn find(name: &str) -> Result<&'static Contestant> {
    CONTESTANTS
        .iter()
        .find(|contestant| contestant.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = CONTESTANTS.iter().map(|one| one.name).collect();
            Error::Fixture(format!(
                "no contestant {name}; there are: {}",
                names.join(", ")
            ))
        })
}

/// The contestants of these names with those that they are compared with, in the table's order; all, without names.
///
/// # Errors
///
/// [`Error::Fixture`] when there is none of a name.
pub fn select(names: &[String]) -> Result<Vec<&'static Contestant>> {
    let mut wanted = Vec::new();
    for name in names {
        let contestant = find(name)?;
        let reference = find(contestant.reference)?;
        wanted.extend([
            contestant.name,
            contestant.baseline,
            reference.name,
            reference.baseline,
        ]);
    }
    Ok(CONTESTANTS
        .iter()
        .filter(|contestant| names.is_empty() || wanted.contains(&contestant.name))
        .collect())
}

/// A contestant's chain.
///
/// # Errors
///
/// [`Error::Fixture`] when there is none of that name.
pub fn chain(contestant: &Contestant) -> Result<&'static Chain> {
    CHAINS
        .iter()
        .find(|chain| chain.name == contestant.chain)
        .ok_or_else(|| Error::Fixture(format!("no chain {}", contestant.chain)))
}

/// The files that a run needs beside Envoy.
#[derive(Clone, Debug)]
pub struct Modules {
    /// The filter.
    pub postern: PathBuf,
    /// The compiled [`FLOOR`].
    pub floor: PathBuf,
    /// The compiled [`SAME_CALLS`].
    pub same_calls: PathBuf,
}

/// What a chain puts into Envoy's configuration.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The filters before the router.
    pub http_filters: Vec<Value>,
    /// Clusters that they call.
    pub clusters: Vec<Value>,
    /// Listeners that answer those calls.
    pub listeners: Vec<Value>,
}

const fn peer(
    name: &'static str,
    title: &'static str,
    chain: &'static str,
    traffic: Traffic,
) -> Contestant {
    Contestant {
        name,
        title,
        chain,
        traffic,
        padding: 0,
        baseline: NONE,
        reference: REFERENCE,
        must: None,
        ours: false,
    }
}

const fn ours(
    name: &'static str,
    title: &'static str,
    chain: &'static str,
    traffic: Traffic,
) -> Contestant {
    Contestant {
        ours: true,
        ..peer(name, title, chain, traffic)
    }
}

/// With another baseline: the same requests, or requests as long, without a filter.
const fn against(baseline: &'static str, contestant: Contestant) -> Contestant {
    Contestant {
        baseline,
        ..contestant
    }
}

const fn with_many_headers(contestant: Contestant) -> Contestant {
    Contestant {
        padding: MANY,
        baseline: NONE_MANY,
        reference: "jwt-authn-many",
        ..contestant
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_contestant_has_a_name_of_its_own_a_chain_and_something_to_be_compared_with() {
        let names: BTreeSet<_> = CONTESTANTS.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), CONTESTANTS.len());
        for contestant in CONTESTANTS {
            chain(contestant).expect("a chain");
            for other in [contestant.baseline, contestant.reference] {
                let other = find(other).expect("a contestant");
                assert_eq!(other.padding, contestant.padding, "{}", contestant.name);
            }
        }
    }

    #[test]
    fn a_selection_brings_along_what_it_is_compared_with_in_the_tables_order() {
        let names = |wanted: &[&str]| -> Vec<&str> {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let selected = select(&wanted).expect("they are there");
            selected.iter().map(|contestant| contestant.name).collect()
        };
        assert_eq!(names(&["seen"]), ["none", "jwt-authn", "seen"]);
        assert_eq!(
            names(&["seen-many", "lua"]),
            [
                "none",
                "none-api-key",
                "lua",
                "jwt-authn",
                "none-many",
                "jwt-authn-many",
                "seen-many"
            ]
        );
        assert_eq!(names(&[]).len(), CONTESTANTS.len());
    }

    #[test]
    fn an_unknown_contestant_is_refused_with_the_names_of_all() {
        let error = select(&["sean".to_owned()]).expect_err("there is none");
        assert!(error.to_string().contains("seen-small"), "{error}");
    }
}
