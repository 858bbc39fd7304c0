//! `postern-core` for web pages: decide on a request, explain a decision, read a token, hash a token.
//!
//! Everything happens in the page. The package asks the network for nothing but its own module, keeps nothing between two
//! calls, and takes the time as an argument. Its one source of randomness is the page's `crypto.getRandomValues`.
// On any other target there is no page; the rules are tested in core, and the built package in tests/.
#![cfg(target_arch = "wasm32")]

mod caller;
mod decide;
mod explain;
mod gateway;
mod instant;
mod js;
mod request;
mod token;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::js::{Failure, Shape};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("../postern_web.d.ts");

/// Decides on one request, as a gateway with this configuration would.
///
/// # Errors
/// A `ConfigurationError` with every fault for which a gateway would refuse the configuration; a `TypeError` for arguments
/// of another shape.
#[wasm_bindgen(unchecked_return_type = "Decision")]
pub fn decide(
    #[wasm_bindgen(unchecked_param_type = "DecideArguments")] input: Shape,
) -> Result<Shape, Failure> {
    js::answer(&decide::decide(js::read(&input)?)?)
}

/// Decides on one request, and tells everything in the policy that the decision rests on.
///
/// # Errors
/// As [`decide`]; and an `Error` for a caller that the policy does not know.
#[wasm_bindgen(unchecked_return_type = "Explanation")]
pub fn explain(
    #[wasm_bindgen(unchecked_param_type = "ExplainArguments")] input: Shape,
) -> Result<Shape, Failure> {
    js::answer(&explain::explain(js::read(&input)?)?)
}

/// Tells what kind of token a text looks like, and what stands in it. It verifies nothing. With `now`, it tells which of a
/// JWT's times are over.
///
/// # Errors
/// A `TypeError`, if `now` is no instant.
#[wasm_bindgen(js_name = readToken, unchecked_return_type = "TokenView")]
pub fn read_token(
    text: String,
    #[wasm_bindgen(unchecked_optional_param_type = "Instant")] now: Shape,
) -> Result<Shape, Failure> {
    let text = zeroize::Zeroizing::new(text);
    js::answer(&token::read::read(&text, js::read_optional(&now)?))
}

/// The hash under which a policy knows a token, with the checks of `postern token hash`.
///
/// # Errors
/// An `Error` that says why no caller could be let in by it. It repeats nothing of the token.
#[wasm_bindgen(js_name = hashToken, unchecked_return_type = "TokenHash")]
pub fn hash_token(text: String) -> Result<Shape, Failure> {
    let text = zeroize::Zeroizing::new(text);
    js::answer(&token::hash::hash(&text)?)
}
