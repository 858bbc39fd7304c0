//! A run's results for readers: a table, a chart, and both in the documentation.

mod chart;
mod publish;
mod table;

pub use chart::chart;
pub use publish::publish;
pub use table::{circumstances, table};
