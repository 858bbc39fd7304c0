//! The way to JavaScript and back: values cross as JSON, since that is what configurations and policies are.

use postern_core::config::ConfigFault;
use postern_core::random::{Random, RandomFailed};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// A value of JavaScript whose shape TypeScript knows.
pub(crate) type Shape = JsValue;

/// What is thrown.
pub(crate) type Failure = JsValue;

/// A fault of a configuration, as a page shows it.
#[derive(Serialize)]
struct Fault {
    path: String,
    message: String,
}

/// Reads an argument.
pub(crate) fn read<T: DeserializeOwned>(argument: &JsValue) -> Result<T, Failure> {
    // `stringify` gives `undefined` for what JSON cannot say, such as `undefined` itself.
    let text = stringify(argument)?.unwrap_or_else(|| "null".to_owned());
    serde_json::from_str(&text).map_err(|error| type_error(&error.to_string()))
}

/// Reads an argument that may be left out.
pub(crate) fn read_optional<T: DeserializeOwned>(argument: &JsValue) -> Result<Option<T>, Failure> {
    if argument.is_undefined() {
        return Ok(None);
    }
    read(argument).map(Some)
}

/// Writes a result.
pub(crate) fn answer(result: &impl Serialize) -> Result<Shape, Failure> {
    let text = serde_json::to_string(result).map_err(|fault| error(&fault.to_string()))?;
    parse(&text)
}

/// An `Error` with a sentence.
pub(crate) fn error(message: &str) -> Failure {
    JsError::new(message).into()
}

/// A `TypeError`: the caller has not kept to the types.
pub(crate) fn type_error(message: &str) -> Failure {
    JsTypeError::new(message).into()
}

/// A `ConfigurationError`.
pub(crate) fn refused(faults: Vec<ConfigFault>) -> Failure {
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let thrown = JsError::new(&format!(
        "a gateway would refuse this: {}",
        texts.join("; ")
    ));
    let faults: Vec<_> = faults
        .into_iter()
        .map(|fault| Fault {
            path: fault.path,
            message: fault.rule.to_string(),
        })
        .collect();
    match answer(&faults) {
        Ok(faults) => {
            thrown.set_faults(&faults);
            thrown.into()
        }
        Err(failure) => failure,
    }
}

/// The page's source of randomness (Web Cryptography API, section 10.1.1); Node.js has it under the same name.
pub(crate) struct PageRandom;

impl Random for PageRandom {
    fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
        // A call delivers 65536 bytes at most, and throws if it cannot.
        for part in dest.chunks_mut(65_536) {
            get_random_values(part).map_err(|_| RandomFailed)?;
        }
        Ok(())
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = JSON, catch)]
    fn stringify(value: &JsValue) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(js_namespace = JSON, catch)]
    fn parse(text: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(dest: &mut [u8]) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = Error)]
    type JsError;

    #[wasm_bindgen(constructor, js_class = "Error")]
    fn new(message: &str) -> JsError;

    #[wasm_bindgen(method, setter, js_class = "Error")]
    fn set_faults(this: &JsError, faults: &JsValue);

    #[wasm_bindgen(js_name = TypeError)]
    type JsTypeError;

    #[wasm_bindgen(constructor, js_class = "TypeError")]
    fn new(message: &str) -> JsTypeError;
}
