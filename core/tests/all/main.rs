//! What holds between this crate and the documents about it.

mod docs;
mod feed;
