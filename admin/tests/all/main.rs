//! The admin service over a real database.

mod feed;
mod registry;
mod setting;
