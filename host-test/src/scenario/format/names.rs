//! Names of callbacks and host functions: one that does not exist is refused, for nothing would ever come of it.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};

use crate::fault::UnknownHostFunction;
use crate::functions::{Export, Function};

/// Checks the name of a callback.
pub(super) fn callback(name: &str) -> Result<(), String> {
    if Export::ALL.iter().any(|export| export.name() == name) {
        Ok(())
    } else {
        Err(format!("`{name}` is no callback that this host makes"))
    }
}

/// Checks the name of a host function.
pub(super) fn function(name: &str) -> Result<(), String> {
    match Function::named(name) {
        Some(_known) => Ok(()),
        None => Err(UnknownHostFunction(name.to_owned()).to_string()),
    }
}

/// Reads a table whose keys are callbacks.
pub(super) fn by_callback<'de, D, T>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    checked(deserializer, callback)
}

/// Reads a table whose keys are host functions.
pub(super) fn by_function<'de, D, T>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    checked(deserializer, function)
}

fn checked<'de, D, T>(
    deserializer: D,
    check: fn(&str) -> Result<(), String>,
) -> Result<Option<BTreeMap<String, T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let table: BTreeMap<String, T> = BTreeMap::deserialize(deserializer)?;
    for name in table.keys() {
        check(name).map_err(D::Error::custom)?;
    }
    Ok(Some(table))
}
