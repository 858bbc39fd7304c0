//! The admin service over a real database.

mod client;
mod command;
mod compaction;
mod faults;
mod feed;
mod gateway;
mod http;
mod process;
mod registry;
mod service;
mod setting;
mod tokens;
mod writer;
