//! Pages that the workers of a gateway keep for each other: a whole policy in a form that takes little room and is read
//! quickly. They never leave the process, so this form may change with every version.

use super::entry::{Entry, Put};
use super::page::{MAX_PAGE, PageId};
use super::page_writer::Page;
use crate::api_token::TokenHash;
use crate::id::{number_from_text, number_to_text};
use crate::json;
use crate::policy::document::{Expiry, Token};
use crate::policy::{Change, Cursor, Policy, Record};
use crate::time::Timestamp;

/// What a page of this form begins with. A page of lines begins with `{`.
const MARK: u8 = 1;

/// The longest page of this form: a record is at most as long as a page of the feed.
pub(super) const MAX_COMPACT: usize = MAX_PAGE + 16;

const LINE: u8 = 1;
const TOKEN: u8 = 2;

const ACTIVE: u8 = 1;
const NEVER: u8 = 2;
const VALID_FROM: u8 = 4;
const TEXT_ID: u8 = 8;
const TEXT_PERSON: u8 = 16;

/// Instants have 38 bits.
const INSTANT: usize = 5;

/// Writes a policy as pages of this form, one page a call.
///
/// The policy may change between calls, if [`Snapshot::policy_changed`] is told each time: then the pages have what did
/// not change meanwhile, and with the changes after them they are the policy again.
#[derive(Debug)]
pub struct Snapshot {
    cursor: Cursor,
    limit: usize,
    /// A record that did not fit into the page before.
    left: Vec<u8>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::with_limit(MAX_COMPACT)
    }
}

impl Snapshot {
    /// One whose pages have at most `limit` bytes, unless a record has more.
    pub(super) fn with_limit(limit: usize) -> Self {
        Self {
            cursor: Cursor::default(),
            limit,
            left: Vec::new(),
        }
    }

    /// Notes that another policy is in force.
    pub fn policy_changed(&mut self) {
        self.cursor.policy_changed();
    }

    /// The next page, or `None` after the last one.
    pub fn next_page(&mut self, policy: &Policy) -> Option<Page> {
        let mut body = Vec::with_capacity(self.limit);
        body.push(MARK);
        body.append(&mut self.left);
        let Self {
            cursor,
            limit,
            left,
        } = self;
        while policy.visit_next(cursor, &mut |record| {
            write(record, left);
        }) {
            if body.len() > START && body.len() + left.len() > *limit {
                break;
            }
            body.append(left);
        }
        (body.len() > 1).then(|| Page {
            id: PageId::of(&body),
            body,
        })
    }
}

fn write(record: Record<'_>, to: &mut Vec<u8>) {
    let Record::Token(token) = record else {
        // Serialising these types cannot fail; a line that is empty would be refused when it is read.
        let line = serde_json::to_vec(&Change::Put(record)).unwrap_or_default();
        to.push(LINE);
        to.extend((line.len() as u32).to_be_bytes());
        return to.extend(line);
    };
    to.push(TOKEN);
    let flags = to.len();
    to.push(if token.active { ACTIVE } else { 0 });
    let mut set = write_id(&token.id, TEXT_ID, to) | write_id(&token.person, TEXT_PERSON, to);
    to.extend(token.hash.as_bytes());
    match token.expires_at {
        Expiry::At(instant) => write_instant(instant, to),
        Expiry::Never => set |= NEVER,
    }
    if let Some(instant) = token.valid_from {
        write_instant(instant, to);
        set |= VALID_FROM;
    }
    if let Some(flags) = to.get_mut(flags) {
        *flags |= set;
    }
}

/// Writes an id; returns `text` if it is no number.
fn write_id(id: &str, text: u8, to: &mut Vec<u8>) -> u8 {
    if let Some(number) = number_from_text(id) {
        to.extend(number.to_be_bytes());
        return 0;
    }
    to.push(id.len() as u8);
    to.extend(id.as_bytes());
    text
}

fn write_instant(instant: Timestamp, to: &mut Vec<u8>) {
    to.extend(instant.as_secs().to_be_bytes().iter().skip(8 - INSTANT));
}

/// Whether a page is of this form.
pub(super) fn is_compact(body: &[u8]) -> bool {
    body.first() == Some(&MARK)
}

/// Where its records begin.
pub(super) const START: usize = 1;

/// Reads the record at the beginning of `bytes`. Returns it with its length, or `None` if there is no such record.
pub(super) fn read(bytes: &[u8]) -> Option<(Entry, usize)> {
    let mut rest = bytes;
    let entry = match take::<1>(&mut rest)? {
        [LINE] => {
            let length = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
            let (line, after) = rest.split_at_checked(length)?;
            rest = after;
            json::read(line).ok()?
        }
        [TOKEN] => Entry::Put(Put::Token(read_token(&mut rest)?)),
        _ => return None,
    };
    Some((entry, bytes.len() - rest.len()))
}

fn read_token(rest: &mut &[u8]) -> Option<Token> {
    let [flags] = take(rest)?;
    let has = |flag| flags & flag != 0;
    Some(Token {
        id: read_id(has(TEXT_ID), rest)?,
        person: read_id(has(TEXT_PERSON), rest)?,
        hash: TokenHash::from_bytes(take(rest)?),
        expires_at: if has(NEVER) {
            Expiry::Never
        } else {
            Expiry::At(read_instant(rest)?)
        },
        active: has(ACTIVE),
        valid_from: if has(VALID_FROM) {
            Some(read_instant(rest)?)
        } else {
            None
        },
    })
}

fn read_id(is_text: bool, rest: &mut &[u8]) -> Option<String> {
    if !is_text {
        return Some(number_to_text(u64::from_be_bytes(take(rest)?)));
    }
    let [length] = take(rest)?;
    let (text, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

fn read_instant(rest: &mut &[u8]) -> Option<Timestamp> {
    let bytes: [u8; INSTANT] = take(rest)?;
    let secs = bytes
        .iter()
        .fold(0, |secs, &byte| secs << 8 | u64::from(byte));
    Some(Timestamp::from_secs(secs))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::page::PageReader;
    use super::*;
    use crate::policy::{Phase, Reading};

    const POLICY: &str = r#"{"format": 1,
        "keys": [{"kid": "k", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}],
        "roles": ["r", "s"],
        "persons": [{"id": "p-1", "roles": ["s", "r"], "active": true},
                    {"id": "0000000000002", "active": false, "valid_from": "2026-11-02T00:00:00Z"}],
        "tokens": [
            {"id": "t-1", "person": "0000000000002", "expires_at": "never", "active": true,
             "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"},
            {"id": "0000000000003", "person": "p-1", "expires_at": "9999-12-31T23:59:59Z", "active": false,
             "valid_from": "2026-11-02T00:00:00Z",
             "hash": "sha256:8776655443322110f0e1d2c3b4a5968778695a4b3c2d1f0537a96e8b1d2c0f4f"}],
        "services": [{"name": "s", "hosts": ["a"], "base_path": "/s", "audience": {"mode": "unrestricted"},
                      "methods": [{"name": "m", "http": ["GET"], "path": "/"}]}],
        "public": [{"http": ["GET"], "path": "/x"}],
        "bypass": {"role": "r"}}"#;

    fn pages(policy: &Policy) -> Vec<Page> {
        let mut snapshot = Snapshot::default();
        std::iter::from_fn(|| snapshot.next_page(policy)).collect()
    }

    fn read_back(pages: Vec<Page>) -> Policy {
        let mut policy = Policy::default();
        policy.begin(Reading::Changes).unwrap();
        for page in pages {
            let mut reader = PageReader::open_kept(page.id, page.body).unwrap();
            while let Some(entry) = reader.next_entry() {
                policy.stage(entry.unwrap().change()).unwrap();
            }
        }
        policy.close().unwrap();
        while policy.advance(100) != Ok(Phase::Checked) {}
        policy.switch().unwrap();
        policy
    }

    #[test]
    fn every_kind_of_record_survives_a_snapshot() {
        let policy = Policy::from_json(POLICY.as_bytes()).unwrap();
        let again = read_back(pages(&policy));
        assert_eq!(again.store().digest(), policy.store().digest());
        assert_eq!(pages(&again).len(), 1);
    }

    #[test]
    fn a_big_policy_takes_several_pages_and_nothing_is_lost_between_them() {
        let mut document: serde_json::Value = serde_json::from_str(POLICY).unwrap();
        let tokens = (0..12_000).map(|number| {
            serde_json::json!({"id": number_to_text(number), "person": "p-1", "active": true, "expires_at": "never",
                "hash": TokenHash::of(&number.to_le_bytes()).to_string()})
        });
        document["tokens"] = tokens.collect();
        let policy = Policy::from_json(document.to_string().as_bytes()).unwrap();
        let pages = pages(&policy);
        let bytes: usize = pages.iter().map(|page| page.body.len()).sum();
        assert!(
            pages.len() == 3 && bytes < 12_000 * 56,
            "{} {bytes}",
            pages.len()
        );
        assert_eq!(read_back(pages).store().digest(), policy.store().digest());
    }

    #[test]
    fn an_empty_policy_has_no_page() {
        assert!(pages(&Policy::default()).is_empty());
    }

    #[test]
    fn a_page_of_a_snapshot_is_no_page_of_the_feed() {
        let policy = Policy::from_json(POLICY.as_bytes()).unwrap();
        let page = pages(&policy).remove(0);
        assert!(PageReader::open(page.id, page.body.clone()).is_err());
        assert!(PageReader::open_kept(page.id, page.body).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_fail_but_as_a_fault(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0..200usize,
        ) {
            read(&bytes);
            let policy = Policy::from_json(POLICY.as_bytes()).unwrap();
            let mut body = pages(&policy).remove(0).body;
            let at = 1 + at % (body.len() - 1);
            body.splice(at..(at + 8).min(body.len()), bytes.into_iter().take(8));
            let mut reader = PageReader::open_kept(PageId::of(&body), body).unwrap();
            let mut read = 0;
            while let Some(Ok(_)) = reader.next_entry() {
                read += 1;
                prop_assert!(read < 1000);
            }
        }
    }
}
