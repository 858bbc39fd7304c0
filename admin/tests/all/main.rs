//! The admin service over a real database.

mod backup;
mod client;
mod command;
mod compaction;
mod faults;
mod feed;
mod gateway;
mod http;
mod import;
mod process;
mod registry;
mod service;
mod setting;
mod tokens;
mod wire;
mod writer;
