//! The admin service over a real database.

mod command;
mod compaction;
mod feed;
mod gateway;
mod http;
mod registry;
mod service;
mod setting;
mod tokens;
mod writer;
