//! Reading a policy record by record, so that a mistake in one does not hide those in the others.

use postern_core::api_token::TokenHash;
use postern_core::policy::document::{
    Bypass, Document, Key, Method, Person, PublicRoute, Service, Token,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::mending::Mending;
use super::{Finding, Part};

/// The policy, or the faults of its shape: one for each member of a record that has any.
pub(super) fn read(part: &Part<'_>, value: &Value) -> Result<Document, Vec<Finding>> {
    let whole = match typed::<Document>(value) {
        Ok(document) => return Ok(document),
        Err(fault) => fault,
    };
    let mut faults = Faults {
        part,
        found: Vec::new(),
    };
    if let Value::Object(members) = value {
        faults.document(members);
    }
    if faults.found.is_empty() {
        faults.add("", whole);
    }
    Err(faults.found)
}

/// What is wrong with a value, and where in it.
#[derive(Debug)]
struct ShapeFault {
    path: String,
    sentence: String,
}

struct Faults<'p> {
    part: &'p Part<'p>,
    found: Vec<Finding>,
}

impl Faults<'_> {
    fn add(&mut self, parent: &str, fault: ShapeFault) {
        let joint = if parent.is_empty() || fault.path.is_empty() || fault.path.starts_with('[') {
            ""
        } else {
            "."
        };
        let path = format!("{parent}{joint}{}", fault.path);
        self.found.push(self.part.finding(&path, fault.sentence));
    }

    fn one<T: DeserializeOwned>(&mut self, path: &str, value: &Value) {
        if let Err(fault) = typed::<T>(value) {
            self.add(path, fault);
        }
    }

    /// A record, member by member: one whose shape is wrong is noted, then replaced by that of `template`, which is in
    /// order.
    fn record<T: DeserializeOwned>(&mut self, path: &str, value: &Value, template: &Value) {
        let Value::Object(members) = value else {
            return self.one::<T>(path, value);
        };
        let mut mending = Mending::new(members.clone(), template);
        while let Err(fault) = typed::<T>(&mending.record()) {
            let mended = mending.mend(&fault.path, &fault.sentence);
            self.add(path, fault);
            if !mended {
                return;
            }
        }
    }

    fn document(&mut self, members: &Map<String, Value>) {
        if !members.contains_key("format") {
            self.one::<Document>("", &json!({}));
        }
        for (name, value) in members {
            match name.as_str() {
                "format" => self.one::<u32>(name, value),
                "roles" => self.list(name, value, Self::one::<String>),
                "keys" => self.list(name, value, |faults, path, value| {
                    let template = json!({ "kid": "k", "root": "r", "active_from": INSTANT });
                    faults.record::<Key>(path, value, &template);
                }),
                "persons" => self.list(name, value, |faults, path, value| {
                    faults.record::<Person>(path, value, &json!({ "id": "p", "active": true }));
                }),
                "tokens" => self.list(name, value, |faults, path, value| {
                    let template = json!({
                        "id": "t", "person": "p", "hash": TokenHash::of(b""), "expires_at": "never",
                        "active": true,
                    });
                    faults.record::<Token>(path, value, &template);
                }),
                "public" => self.list(name, value, |faults, path, value| {
                    faults.record::<PublicRoute>(path, value, &json!({ "http": [], "path": "/" }));
                }),
                "services" => self.list(name, value, Self::service),
                "bypass" => self.one::<Bypass>(name, value),
                // Serde's own sentence lists the members that there are.
                _ => self.one::<Document>("", &json!({ "format": 1, name: value })),
            }
        }
    }

    fn list(&mut self, path: &str, value: &Value, item: impl Fn(&mut Self, &str, &Value)) {
        let Value::Array(items) = value else {
            return self.one::<Vec<Value>>(path, value);
        };
        for (at, value) in items.iter().enumerate() {
            item(self, &format!("{path}[{at}]"), value);
        }
    }

    fn service(&mut self, path: &str, value: &Value) {
        let mut frame = value.clone();
        if let Some(methods) = frame.get_mut("methods")
            && methods.is_array()
        {
            let methods = std::mem::replace(methods, json!([]));
            let template = json!({ "name": "m", "http": [], "path": "/" });
            self.list(
                &format!("{path}.methods"),
                &methods,
                |faults, path, value| {
                    faults.record::<Method>(path, value, &template);
                },
            );
        }
        let template = json!({
            "name": "s", "hosts": [], "base_path": "/", "audience": { "mode": "restricted" },
            "methods": [],
        });
        self.record::<Service>(path, &frame, &template);
    }
}

/// Some instant, for templates.
const INSTANT: &str = "2026-11-01T00:00:00Z";

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, ShapeFault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        ShapeFault {
            path: if path == "." { String::new() } else { path },
            sentence: error.into_inner().to_string(),
        }
    })
}
