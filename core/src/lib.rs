//! Every rule of Postern, and nothing else: tokens, keys, policy, routes and the decision.
//!
//! Nothing here does I/O, reads a clock or draws randomness: time and random bytes are arguments. So the same rules run
//! in a gateway, in the test host, in a browser and in native tests, and give the same answer.

pub mod access_token;
pub mod api_token;
pub mod clock;
pub mod config;
pub mod decision_id;
pub mod derive;
pub mod explain;
pub mod feed;
pub mod gate;
mod hex;
pub mod id;
mod jose;
mod json;
pub mod keyring;
pub mod oauth;
mod order;
mod places;
pub mod policy;
pub mod random;
pub mod reason;
pub mod roots;
pub mod routes;
pub mod service_token;
mod slots;
pub mod time;

pub use postern_request::{canonical, credential, few, headers, request};
