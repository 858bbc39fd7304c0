//! A chain's JSON file, and what is put in where it says `$NAME`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_core::derive::{Purpose, derive};
use postern_core::roots::RootKeys;
use serde_json::{Value, json};

use super::{Modules, Parts};
use crate::bench::population::{Population, Size};
use crate::fixture::{ISSUER, KID, TOKEN_AUDIENCE};
use crate::{Error, Result};

/// A filter chain as it is committed.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Its name, which is its listener's.
    pub name: &'static str,
    /// `http_filters`, and where it needs them `clusters` and `listeners`, as Envoy reads them.
    pub text: &'static str,
    /// The policy that its requests are about.
    pub size: Size,
}

impl Chain {
    /// Another filter than ours.
    pub const fn peer(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            size: Size::LARGE,
        }
    }

    /// The chain with everything put in.
    ///
    /// # Errors
    ///
    /// When the file is not of the form above, or names a value that there is none of.
    pub fn fill(&self, values: &Values) -> Result<Parts> {
        let mut document: Value = serde_json::from_str(self.text)?;
        values.put_into(&mut document)?;
        let mut list = |name: &str| match document[name].take() {
            Value::Array(items) => Ok(items),
            Value::Null => Ok(Vec::new()),
            _ => Err(Error::Fixture(format!("{}: {name} is no list", self.name))),
        };
        Ok(Parts {
            http_filters: list("http_filters")?,
            clusters: list("clusters")?,
            listeners: list("listeners")?,
        })
    }
}

/// What the files leave open, since it is long, secret-like or of one machine.
#[derive(Clone, Debug)]
pub struct Values(BTreeMap<&'static str, Value>);

impl Values {
    /// The values for one chain.
    ///
    /// # Errors
    ///
    /// When the population's key cannot be derived.
    pub fn new(
        chain: &Chain,
        population: &Population,
        modules: &Modules,
        authorization_port: u16,
    ) -> Result<Self> {
        let one_token = population.api_tokens().first().map_or("", String::as_str);
        let api_keys: Vec<Value> = population
            .api_tokens()
            .iter()
            .enumerate()
            .map(|(number, key)| json!({ "key": key, "client": format!("client-{number}") }))
            .collect();
        Ok(Self(BTreeMap::from([
            ("$API_KEYS", Value::from(api_keys)),
            ("$AUTHORIZATION_PORT", json!(authorization_port)),
            ("$FLOOR_WASM", json!(modules.floor)),
            ("$SAME_CALLS_WASM", json!(modules.same_calls)),
            ("$ISSUER", json!(ISSUER)),
            ("$JWKS", json!(jwks(population)?)),
            (
                "$LUA",
                json!(include_str!("lua.lua").replace("$API_TOKEN", one_token)),
            ),
            (
                "$PLUGIN_CONFIGURATION",
                json!(population.plugin_configuration().to_string()),
            ),
            ("$POSTERN_WASM", json!(modules.postern)),
            ("$TOKEN_AUDIENCE", json!(TOKEN_AUDIENCE)),
            ("$VM_ID", json!(chain.name)),
        ])))
    }

    fn put_into(&self, document: &mut Value) -> Result<()> {
        match document {
            Value::String(text) if text.starts_with('$') => {
                let value = self.0.get(text.as_str());
                *document = value
                    .ok_or_else(|| Error::Fixture(format!("no value for {text}")))?
                    .clone();
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.put_into(item))?,
            Value::Object(members) => members
                .values_mut()
                .try_for_each(|member| self.put_into(member))?,
            _ => {}
        }
        Ok(())
    }
}

/// The key that signs access tokens, as `jwt_authn` reads it: both filters then check the very same tokens.
fn jwks(population: &Population) -> Result<String> {
    let wrong = |fault: &dyn std::fmt::Display| Error::Fixture(fault.to_string());
    let roots = RootKeys::parse(population.root_key()).map_err(|fault| wrong(&fault))?;
    let root = roots.ids().next().and_then(|id| roots.get(id));
    let root = root.ok_or_else(|| Error::Fixture("no root".to_owned()))?;
    let key = derive(root, ISSUER, TOKEN_AUDIENCE, KID, Purpose::Access)
        .map_err(|fault| wrong(&fault))?;
    let key = URL_SAFE_NO_PAD.encode(key.expose());
    Ok(json!({ "keys": [{ "kty": "oct", "alg": "HS256", "kid": KID, "k": key }] }).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::CHAINS;
    use super::*;

    fn values(chain: &Chain) -> Values {
        let population = Population::new(Size::SMALL).expect("made");
        let modules = Modules {
            postern: "postern.wasm".into(),
            floor: "floor.wasm".into(),
            same_calls: "same_calls.wasm".into(),
        };
        Values::new(chain, &population, &modules, 4711).expect("values")
    }

    #[test]
    fn every_chain_can_be_filled_and_nothing_is_left_open() {
        for chain in CHAINS {
            let parts = chain.fill(&values(chain)).expect("filled");
            let text = format!("{parts:?}");
            assert!(!text.contains("\"$"), "{}", chain.name);
            assert_eq!(parts.http_filters.is_empty(), chain.name == "none");
        }
    }

    #[test]
    fn a_name_that_there_is_no_value_of_is_refused() {
        let chain = Chain::peer("x", r#"{ "http_filters": ["$NOBODY_KNOWS"] }"#);
        let error = chain.fill(&values(&chain)).expect_err("there is none");
        assert!(error.to_string().contains("$NOBODY_KNOWS"), "{error}");
    }

    #[test]
    fn the_hand_written_modules_compile() {
        for text in [super::super::FLOOR, super::super::SAME_CALLS] {
            let module = wat::parse_str(text).expect("it is WebAssembly text");
            assert!(module.starts_with(b"\0asm"));
        }
    }
}
