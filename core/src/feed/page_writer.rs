//! Writing pages: for the service that publishes a feed. The filter never links this.

use thiserror::Error;

use super::page::{FirstLine, MAX_PAGE, PageId};
use crate::policy::Change;
use crate::policy::document::Document;

/// A finished page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// Its name.
    pub id: PageId,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Packs changes into pages, each as full as whole changes make it.
///
/// The same changes give the same pages, and more changes after them leave all pages but the last as they are: so what
/// gateways and caches already have keeps its name.
#[derive(Debug)]
pub struct PageWriter {
    body: Vec<u8>,
    /// How long a page without changes is.
    empty: usize,
    limit: usize,
}

impl PageWriter {
    /// A writer of pages of at most [`MAX_PAGE`] bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MAX_PAGE)
    }

    fn with_limit(limit: usize) -> Self {
        let mut body = line(&FirstLine {
            format: Document::FORMAT,
        });
        let empty = body.len();
        body.reserve(limit.saturating_sub(empty));
        Self { body, empty, limit }
    }

    /// Adds a change. Returns the page before it, if the change begins a new one.
    ///
    /// # Errors
    /// [`RecordTooLong`] if the change does not fit into a page of its own; nothing is added then.
    pub fn push(&mut self, change: Change<'_>) -> Result<Option<Page>, RecordTooLong> {
        let line = line(&change);
        if self.empty + line.len() > self.limit {
            return Err(RecordTooLong(line.len()));
        }
        let full = if self.body.len() + line.len() > self.limit {
            self.take()
        } else {
            None
        };
        self.body.extend(line);
        Ok(full)
    }

    /// The last page, or `None` if it would hold no change.
    #[must_use]
    pub fn finish(mut self) -> Option<Page> {
        self.take()
    }

    fn take(&mut self) -> Option<Page> {
        if self.body.len() == self.empty {
            return None;
        }
        let next = Self::with_limit(self.limit).body;
        let body = std::mem::replace(&mut self.body, next);
        let id = PageId::of(&body);
        Some(Page { id, body })
    }
}

impl Default for PageWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// One line of JSON. Serialising these types cannot fail: their maps have text keys and their numbers are whole; an
/// empty line would be refused by every reader.
fn line(content: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(content).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A record that no page can hold.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the record takes {0} bytes; a page, and so a record, has at most {MAX_PAGE}")]
pub struct RecordTooLong(pub usize);

#[cfg(test)]
mod tests {
    use super::super::page::PageReader;
    use super::*;
    use crate::policy::{Record, RecordId};

    fn pack(names: &[String], limit: usize) -> Vec<Page> {
        let mut writer = PageWriter::with_limit(limit);
        let mut pages: Vec<_> = names
            .iter()
            .filter_map(|name| writer.push(Change::Put(Record::Role(name))).unwrap())
            .collect();
        pages.extend(writer.finish());
        pages
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("role-{number}")).collect()
    }

    #[test]
    fn every_change_is_in_a_page_once_and_in_its_order() {
        let pages = pack(&names(1000), 400);
        assert!(pages.len() > 50);
        let (_, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.body.len() > 360));
        let mut read = Vec::new();
        for page in pages {
            assert!(page.body.len() <= 400);
            let mut reader = PageReader::open(page.id, page.body).unwrap();
            while let Some(entry) = reader.next_entry() {
                if let Change::Put(Record::Role(name)) = entry.unwrap().change() {
                    read.push(name.to_owned());
                }
            }
        }
        assert_eq!(read, names(1000));
    }

    #[test]
    fn more_changes_leave_full_pages_as_they_are() {
        let (before, after) = (pack(&names(500), 400), pack(&names(700), 400));
        let (_, full) = before.split_last().unwrap();
        assert_eq!(full, &after[..full.len()]);
    }

    #[test]
    fn a_writer_without_changes_gives_no_page() {
        assert_eq!(PageWriter::new().finish(), None);
    }

    #[test]
    fn a_record_that_fits_no_page_is_refused_and_the_next_one_is_taken() {
        let mut writer = PageWriter::with_limit(60);
        let (fits, long) = ("r".repeat(60 - 13 - 20), "r".repeat(60 - 13 - 19));
        let refused = writer.push(Change::Put(Record::Role(&long)));
        assert_eq!(refused, Err(RecordTooLong(48)));
        assert_eq!(writer.push(Change::Put(Record::Role(&fits))), Ok(None));
        let full = writer.push(Change::Delete(RecordId::Role("r"))).unwrap();
        assert_eq!(full.unwrap().body.len(), 60);
    }
}
