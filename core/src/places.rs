//! Places in a table, found by name.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Places by name, or by another key of bytes; in the order of the keys. The one tree of this crate: see
/// [`crate::order`] for why it is not generic.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<Box<[u8]>, usize>);

impl Places {
    /// The place of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<usize> {
        self.0.get(key).copied()
    }

    /// The place of a key, which is `place` if the key is new.
    pub(crate) fn get_or_insert(&mut self, key: &[u8], place: usize) -> usize {
        if let Some(known) = self.get(key) {
            return known;
        }
        self.0.insert(key.into(), place);
        place
    }

    /// Gives a key its place, or another one.
    pub(crate) fn put(&mut self, key: &[u8], place: usize) {
        self.0.insert(key.into(), place);
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys with their places, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.0.iter().map(|(key, place)| (&**key, *place))
    }

    /// The place of the first key that begins with `prefix`.
    pub(crate) fn first_with(&self, prefix: &[u8]) -> Option<usize> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let (key, place) = self.0.range::<[u8], _>(from).next()?;
        key.starts_with(prefix).then_some(*place)
    }

    /// The keys with their places, ascending, for lookups alone.
    pub(crate) fn into_boxed_slice(self) -> Box<[(Box<[u8]>, usize)]> {
        self.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_first_place_until_it_is_put_elsewhere() {
        let mut places = Places::default();
        assert!(places.is_empty());
        assert_eq!(places.get_or_insert(b"a", 0), 0);
        assert_eq!(places.get_or_insert(b"a", 1), 0);
        places.put(b"a", 2);
        assert_eq!(places.get(b"a"), Some(2));
        assert_eq!(places.get(b"b"), None);
    }

    #[test]
    fn keys_come_in_their_order() {
        let mut places = Places::default();
        for (place, key) in ["b", "a", "", "ab"].into_iter().enumerate() {
            places.get_or_insert(key.as_bytes(), place);
        }
        let keys: Vec<_> = places.iter().map(|(_, place)| place).collect();
        assert_eq!(keys, [2, 1, 3, 0]);
        let boxed: Vec<_> = places.into_boxed_slice().into_vec();
        assert_eq!(boxed[1], (Box::from(&b"a"[..]), 1));
    }

    #[test]
    fn the_first_key_with_a_prefix_is_found_and_no_other() {
        let mut places = Places::default();
        for (place, key) in ["a", "bx", "by", "c"].into_iter().enumerate() {
            places.get_or_insert(key.as_bytes(), place);
        }
        assert_eq!(places.first_with(b"b"), Some(1));
        assert_eq!(places.first_with(b"by"), Some(2));
        assert_eq!(places.first_with(b"bz"), None);
        assert_eq!(places.first_with(b"d"), None);
    }
}
