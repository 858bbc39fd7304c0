//! Where the bytes of pages stand.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use axum::body::Bytes;
use postern_core::feed::{Page, PageId};

/// The bytes of pages, each for as long as a list names it.
#[derive(Debug, Default)]
pub(super) struct Shelf(RwLock<HashMap<PageId, Kept>>);

#[derive(Debug)]
struct Kept {
    body: Bytes,
    /// Lists that name it.
    lists: usize,
}

impl Shelf {
    pub(super) fn get(&self, id: PageId) -> Option<Bytes> {
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pages.get(&id).map(|kept| kept.body.clone())
    }

    /// Puts the pages of a list here; returns their names.
    pub(super) fn put(&self, list: Vec<Page>) -> Vec<PageId> {
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let put = |page: Page| {
            let kept = pages.entry(page.id).or_insert_with(|| Kept {
                body: page.body.into(),
                lists: 0,
            });
            kept.lists += 1;
            page.id
        };
        list.into_iter().map(put).collect()
    }

    /// A list is no longer; its pages go, unless another list names them.
    pub(super) fn take(&self, list: Vec<PageId>) {
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for id in list {
            if let Some(kept) = pages.get_mut(&id) {
                kept.lists -= 1;
                if kept.lists == 0 {
                    pages.remove(&id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        let body = text.as_bytes().to_vec();
        Page {
            id: PageId::of(&body),
            body,
        }
    }

    #[test]
    fn a_page_stays_as_long_as_one_list_names_it() {
        let shelf = Shelf::default();
        let first = shelf.put(vec![page("a"), page("b")]);
        let second = shelf.put(vec![page("b")]);
        shelf.take(first.clone());
        assert!(shelf.get(first[0]).is_none());
        assert_eq!(shelf.get(second[0]).as_deref(), Some(b"b".as_slice()));
        shelf.take(second.clone());
        assert!(shelf.get(second[0]).is_none());
    }
}
