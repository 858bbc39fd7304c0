//! The command `postern` as an operator runs it, the examples, the schemas and the reference, against each other.

mod check;
mod command;
mod docs;
mod examples;
mod explain;
mod explain_gateway;
mod faults;
mod gateway_faults;
mod root_key;
mod scenarios;
mod schema;
mod schema_forms;
mod token;
