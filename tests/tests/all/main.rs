//! The filter before a real upstream, in a real Envoy and in the test host. One module for each topic.

mod budgets;
mod configuration;
mod cut_off;
mod demo;
mod expiry;
mod harness;
mod host_faults;
mod keys;
mod sample_config;
mod scenarios;
mod secrets;
mod seed_walk;
mod shared_cases;
mod survival;
mod zones;
