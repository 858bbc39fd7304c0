//! Pages: what the changes travel in.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::compact::{self, MAX_COMPACT};
use super::entry::Entry;
use crate::hex;
use crate::json::{self, record, text};
use crate::policy::document::Document;

/// The longest page, in bytes. Hashing one takes the filter about a millisecond.
pub const MAX_PAGE: usize = 256 * 1024;

/// What a page is named by: the SHA-256 of its bytes. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PageId([u8; 32]);

impl PageId {
    /// The name of these bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// The 32 bytes.
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::parse(text).map(Self)
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageId({self})")
    }
}

impl Serialize for PageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text!(
    PageId,
    "the SHA-256 of a page in 64 lower-case hexadecimal digits",
    |text: &str| PageId::parse(text).ok_or("it is not of 64 lower-case hexadecimal digits"),
    Self([0; 32])
);

/// The first line of a page.
#[derive(Serialize)]
pub(super) struct FirstLine {
    /// The version of the vocabulary, as in a [`Document`].
    pub(super) format: u32,
}

record!(FirstLine { format });

/// Reads a page's changes one at a time, so that the work can be spread over as many steps as it needs.
#[derive(Debug)]
pub struct PageReader {
    body: Vec<u8>,
    /// Where the next line begins.
    at: usize,
    /// The number of the line that was read last, from 1.
    line: usize,
}

impl PageReader {
    /// Opens a page that was asked for by its name.
    ///
    /// # Errors
    /// [`PageFault`] if these are other bytes than its name says, or of a format that this version does not read.
    pub fn open(id: PageId, body: Vec<u8>) -> Result<Self, PageFault> {
        if body.len() > MAX_PAGE {
            return Err(PageFault::TooLong);
        }
        if PageId::of(&body) != id {
            return Err(PageFault::OtherBytes);
        }
        let mut reader = Self {
            body,
            at: 0,
            line: 0,
        };
        let line = reader.next_line().ok_or(PageFault::Empty)?;
        match json::read(line?) {
            Ok(FirstLine {
                format: Document::FORMAT,
            }) => Ok(reader),
            Ok(FirstLine { format }) => Err(PageFault::Format(format)),
            Err(faults) => Err(PageFault::line(1, &faults)),
        }
    }

    /// Opens a page that another worker of this gateway kept: one of the feed, or one of a
    /// [`Snapshot`](super::Snapshot).
    ///
    /// # Errors
    /// [`PageFault`] as for [`PageReader::open`].
    pub fn open_kept(id: PageId, body: Vec<u8>) -> Result<Self, PageFault> {
        if !compact::is_compact(&body) {
            return Self::open(id, body);
        }
        if body.len() > MAX_COMPACT {
            return Err(PageFault::TooLong);
        }
        if PageId::of(&body) != id {
            return Err(PageFault::OtherBytes);
        }
        Ok(Self {
            body,
            at: compact::START,
            line: 0,
        })
    }

    /// The next change, or `None` at the end.
    ///
    /// # Errors
    /// [`PageFault`] if the line is no change. There is nothing to be gained from reading on then.
    pub fn next_entry(&mut self) -> Option<Result<Entry, PageFault>> {
        if compact::is_compact(&self.body) {
            return self.next_compact();
        }
        let line = match self.next_line()? {
            Ok(line) => json::read(line),
            Err(fault) => return Some(Err(fault)),
        };
        Some(line.map_err(|faults| PageFault::line(self.line, &faults)))
    }

    /// The number of the line that was read last, from 1: where to look for what is wrong with it.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    fn next_compact(&mut self) -> Option<Result<Entry, PageFault>> {
        let at = self.at;
        let rest = self.body.get(at..).filter(|rest| !rest.is_empty())?;
        self.line += 1;
        let Some((entry, length)) = compact::read(rest) else {
            self.at = self.body.len();
            return Some(Err(PageFault::NotCompact { at }));
        };
        self.at += length;
        Some(Ok(entry))
    }

    fn next_line(&mut self) -> Option<Result<&[u8], PageFault>> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            self.at = self.body.len();
            return Some(Err(PageFault::Truncated));
        };
        self.at += end + 1;
        self.line += 1;
        rest.get(..end).map(Ok)
    }
}

/// Why a page cannot be read.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PageFault {
    /// Longer than [`MAX_PAGE`].
    #[error("the page is longer than {MAX_PAGE} bytes")]
    TooLong,
    /// The SHA-256 is another: the bytes were changed on the way, or are not the page at all.
    #[error("these are not the bytes of the page that was asked for")]
    OtherBytes,
    /// There is not even a first line.
    #[error("the page is empty")]
    Empty,
    /// The last line does not end.
    #[error("the page's last line does not end with a line feed")]
    Truncated,
    /// A version of the vocabulary that this program does not know.
    #[error("the page has format {0}; this version reads format {format}", format = Document::FORMAT)]
    Format(u32),
    /// There is no record at this byte of a page that another worker kept.
    #[error("there is no record at byte {at}")]
    NotCompact {
        /// The byte, from 0.
        at: usize,
    },
    /// A line that is no JSON, or not of the shape of a change.
    #[error("line {line}: {text}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Where in the line, such as `put.token.hash`, and what is wrong there.
        text: String,
    },
}

impl PageFault {
    fn line(line: usize, faults: &[json::ShapeFault]) -> Self {
        Self::Line {
            line,
            text: json::joined(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Deleted, Entry, Put};
    use super::*;

    fn open(body: &str) -> Result<PageReader, PageFault> {
        PageReader::open(PageId::of(body.as_bytes()), body.into())
    }

    #[test]
    fn changes_are_read_one_at_a_time_with_their_lines() {
        let mut page =
            open("{\"format\":1}\n{\"put\":{\"role\":\"r\"}}\n{\"delete\":{\"token\":\"t\"}}\n")
                .unwrap();
        assert!(matches!(page.next_entry(), Some(Ok(Entry::Put(Put::Role(role)))) if role == "r"));
        assert_eq!(page.line(), 2);
        assert!(
            matches!(page.next_entry(), Some(Ok(Entry::Delete(Deleted::Token(id)))) if id == "t")
        );
        assert_eq!(page.line(), 3);
        assert!(page.next_entry().is_none());
        assert!(page.next_entry().is_none());
    }

    #[test]
    fn other_bytes_than_the_name_says_are_refused() {
        let body = "{\"format\":1}\n";
        assert!(open(body).is_ok());
        let other = PageReader::open(PageId::of(body.as_bytes()), b"{\"format\":2}\n".to_vec());
        assert_eq!(other.unwrap_err(), PageFault::OtherBytes);
    }

    #[test]
    fn limits_and_formats_are_checked_before_any_change_is_read() {
        let long = " ".repeat(MAX_PAGE + 1);
        assert_eq!(open(&long).unwrap_err(), PageFault::TooLong);
        let mut full = "{\"format\":1}".to_owned();
        full.push_str(&" ".repeat(MAX_PAGE - full.len() - 1));
        full.push('\n');
        assert!(open(&full).is_ok());
        assert_eq!(open("").unwrap_err(), PageFault::Empty);
        assert_eq!(open("{\"format\":2}\n").unwrap_err(), PageFault::Format(2));
        assert_eq!(open("{\"format\":1}").unwrap_err(), PageFault::Truncated);
        let html = open("<html>\n").unwrap_err().to_string();
        assert!(html.starts_with("line 1: expected value"), "{html}");
    }

    #[test]
    fn a_line_that_is_no_change_is_told_with_its_place() {
        for (line, told) in [
            ("", "line 2: EOF while parsing"),
            ("{}", "line 2: an object of 0 members, expected one"),
            (
                r#"{"put":{"lamp":{}}}"#,
                "line 2: put: unknown variant `lamp`",
            ),
            (
                r#"{"put":{"person":{"id":"p"}}}"#,
                "line 2: put.person: missing field `active`",
            ),
            (
                r#"{"put":{"person":{"id":"p","active":1}}}"#,
                "line 2: put.person.active: invalid type",
            ),
            (
                r#"{"put":{"role":"r"},"delete":{"role":"r"}}"#,
                "line 2: an object of 2 members, expected one",
            ),
            (r#"{"put":{"role":"r"}} x"#, "line 2: trailing characters"),
        ] {
            let mut page = open(&format!("{{\"format\":1}}\n{line}\n")).unwrap();
            let fault = page.next_entry().unwrap().unwrap_err().to_string();
            assert!(fault.starts_with(told), "{line}: {fault}");
        }
    }

    #[test]
    fn a_page_that_breaks_off_in_a_line_says_so() {
        let mut page = open("{\"format\":1}\n{\"put\":{\"role\":\"r\"}}").unwrap();
        assert_eq!(
            page.next_entry().unwrap().unwrap_err(),
            PageFault::Truncated
        );
        assert!(page.next_entry().is_none());
    }
}
