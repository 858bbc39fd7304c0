//! The last requests and what crossed the boundary for them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::exchange::Exchange;

/// The last requests. A trace has sizes and addresses in it, but no header, body or token; the query of the path is left out,
/// since it may have secrets in it.
#[derive(Debug)]
pub(super) struct Traces {
    room: usize,
    last: Mutex<VecDeque<Entry>>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    request: String,
    status: u16,
    details: String,
    worker: usize,
    took: Duration,
    lines: Vec<String>,
}

/// The method and the path of a request, fit to be shown.
pub(super) fn label(method: &[u8], target: Option<&[u8]>) -> String {
    let path = target.unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    format!("{} {}", method.escape_ascii(), path.escape_ascii())
}

impl Traces {
    /// Room for so many requests; with none, nothing is kept.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            last: Mutex::default(),
        }
    }

    pub(super) fn keep(
        &self,
        number: u64,
        worker: usize,
        request: String,
        took: Duration,
        exchange: Exchange,
    ) {
        if self.room == 0 {
            return;
        }
        let entry = Entry {
            number,
            request,
            status: exchange.status(),
            details: exchange.details,
            worker,
            took,
            lines: exchange.trace,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        while last.len() >= self.room {
            last.pop_front();
        }
        last.push_back(entry);
    }

    /// The last requests as text, the newest behind all others. It is a trace that `postern-host diff` reads.
    pub(super) fn text(&self, most: usize) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = last.len().saturating_sub(most);
        let mut text = String::new();
        for entry in last.iter().skip(skipped) {
            // Writing to a string does not fail.
            let _written = writeln!(
                text,
                "# {} {} -> {} {} worker {} {} ms",
                entry.number,
                entry.request,
                entry.status,
                entry.details,
                entry.worker,
                entry.took.as_millis()
            );
            for line in &entry.lines {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_no_query_and_no_control_characters() {
        assert_eq!(label(b"GET", Some(b"/a?access_token=x")), "GET /a");
        assert_eq!(label(b"GET", Some(b"/\x1b[2J")), "GET /\\x1b[2J");
        assert_eq!(label(b"CONNECT", None), "CONNECT ");
    }
}
