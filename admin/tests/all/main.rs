//! The admin service over a real database.

mod command;
mod feed;
mod http;
mod registry;
mod service;
mod setting;
mod tokens;
mod writer;
