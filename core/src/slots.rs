//! An index from a 64-bit key to places in a table: four bytes an entry, and no step that grows with the policy.
//!
//! The keys themselves stay in the table. An index of a million entries is 256 small tables, so that growing one of
//! them, the only costly step, moves a few thousand entries and not a million: a policy can grow while requests wait.

const SHARDS: usize = 256;

/// The load, in tenths, from which a shard grows. With fingerprints a probe costs nothing, so this may be high.
const LOAD_TENTHS: usize = 8;

/// Three bytes for a place, one for a fingerprint of the key.
const PLACE_BITS: u32 = 24;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;

/// One more than the highest place that an index can hold.
pub(crate) const MAX_PLACES: usize = PLACE_MASK as usize;

/// Finds places by key. Keys must be well spread; they need not be unique.
#[derive(Debug, Default)]
pub(crate) struct SlotIndex {
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    /// Open addressing with linear probing; 0 is empty, otherwise fingerprint and place + 1.
    entries: Vec<u32>,
    used: usize,
}

impl SlotIndex {
    /// The first place with this key that `is_it` accepts.
    pub(crate) fn find(&self, key: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let entries = self.shards.get(shard_of(key))?.entries.as_slice();
        let mut at = home(key, entries.len());
        // A loop and not `probe`: each request comes here several times, and built for size an iterator is calls.
        for _ in 0..entries.len() {
            let entry = entries.get(at).copied().filter(|&entry| entry != 0)?;
            let place = place_of(entry);
            if fingerprint_of(entry) == fingerprint(key) && is_it(place) {
                return Some(place);
            }
            at = if at + 1 == entries.len() { 0 } else { at + 1 };
        }
        None
    }

    /// Adds a place, which must be below [`MAX_PLACES`]. `key_of` tells the key of any place that is in the index.
    pub(crate) fn insert(&mut self, key: u64, place: usize, key_of: &dyn Fn(usize) -> u64) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        if let Some(shard) = self.shards.get_mut(shard_of(key)) {
            if (shard.used + 1) * 10 > shard.entries.len() * LOAD_TENTHS {
                shard.grow(key_of);
            }
            shard.put(key, entry(key, place));
            shard.used += 1;
        }
    }

    /// Takes a place out again.
    pub(crate) fn remove(&mut self, key: u64, place: usize, key_of: &dyn Fn(usize) -> u64) {
        if let Some(shard) = self.shards.get_mut(shard_of(key)) {
            shard.take(key, place, key_of);
        }
    }
}

impl Shard {
    /// The entries from the key's home on, up to the first gap.
    fn probe(&self, key: u64) -> impl Iterator<Item = (usize, u32)> {
        let size = self.entries.len();
        let home = home(key, size);
        (0..size)
            .map(move |step| (home + step) % size)
            .map_while(|at| {
                self.entries
                    .get(at)
                    .copied()
                    .filter(|&entry| entry != 0)
                    .map(|entry| (at, entry))
            })
    }

    fn put(&mut self, key: u64, entry: u32) {
        let size = self.entries.len();
        let mut at = home(key, size);
        // The load stays below one, so there is a gap.
        while self.entries.get(at).is_some_and(|&taken| taken != 0) {
            at = (at + 1) % size;
        }
        if let Some(free) = self.entries.get_mut(at) {
            *free = entry;
        }
    }

    fn grow(&mut self, key_of: &dyn Fn(usize) -> u64) {
        let size = (self.entries.len() + self.entries.len() / 4).max(8);
        let entries = std::mem::replace(&mut self.entries, vec![0; size]);
        for entry in entries.into_iter().filter(|&entry| entry != 0) {
            self.put(key_of(place_of(entry)), entry);
        }
    }

    /// Removes an entry and closes the gap, so that no probe ends too early.
    fn take(&mut self, key: u64, place: usize, key_of: &dyn Fn(usize) -> u64) {
        let wanted = entry(key, place);
        let Some((mut gap, _)) = self.probe(key).find(|&(_, entry)| entry == wanted) else {
            return;
        };
        let size = self.entries.len();
        let mut at = gap;
        loop {
            at = (at + 1) % size;
            let moved = match self.entries.get(at) {
                Some(&entry) if entry != 0 => entry,
                _ => break,
            };
            let home = home(key_of(place_of(moved)), size);
            // `moved` may fill the gap unless its home lies behind the gap, seen along the ring.
            if (at + size - home) % size >= (at + size - gap) % size {
                if let Some(free) = self.entries.get_mut(gap) {
                    *free = moved;
                }
                gap = at;
            }
        }
        if let Some(free) = self.entries.get_mut(gap) {
            *free = 0;
        }
        self.used -= 1;
    }
}

/// A key for an id. Ids may be counted up by a registry; this spreads them (the finaliser of SplitMix64).
pub(crate) fn spread(id: u64) -> u64 {
    let mixed = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn shard_of(key: u64) -> usize {
    (key & 0xff) as usize
}

fn fingerprint(key: u64) -> u32 {
    ((key >> 8) & 0xff) as u32
}

/// Where in a shard of `size` entries a key belongs: its upper 32 bits, scaled to the size without a division.
fn home(key: u64, size: usize) -> usize {
    (((key >> 32) * size as u64) >> 32) as usize
}

fn entry(key: u64, place: usize) -> u32 {
    (fingerprint(key) << PLACE_BITS) | ((place as u32 + 1) & PLACE_MASK)
}

fn fingerprint_of(entry: u32) -> u32 {
    entry >> PLACE_BITS
}

fn place_of(entry: u32) -> usize {
    ((entry & PLACE_MASK) - 1) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A well-spread key for a small number, as SHA-256 gives in real use.
    fn key(number: u32) -> u64 {
        u64::from(number)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    proptest! {
        #[test]
        fn it_finds_exactly_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0u32..40, 0usize..4), 1..400),
        ) {
            // Keys are drawn from one shard and few homes, so that runs collide and wrap around.
            let crowded = |number: u32| (u64::from(number % 5) << 60) | (u64::from(number) << 8);
            let mut index = SlotIndex::default();
            let mut model = BTreeMap::new();
            for (put, number, _) in steps {
                let place = number as usize;
                if put && model.insert(place, ()).is_none() {
                    index.insert(crowded(number), place, &|place| crowded(place as u32));
                } else if !put && model.remove(&place).is_some() {
                    index.remove(crowded(number), place, &|place| crowded(place as u32));
                }
                for number in 0..40 {
                    let found = index.find(crowded(number), |place| place == number as usize);
                    prop_assert_eq!(found.is_some(), model.contains_key(&(number as usize)));
                }
            }
        }
    }

    #[test]
    fn a_hundred_thousand_entries_take_at_most_seven_bytes_each() {
        let mut index = SlotIndex::default();
        for number in 0..100_000 {
            index.insert(key(number), number as usize, &|place| key(place as u32));
        }
        let bytes: usize = index
            .shards
            .iter()
            .map(|shard| shard.entries.capacity() * 4)
            .sum();
        assert!(bytes <= 700_000, "{bytes}");
        for number in 0..100_000 {
            assert_eq!(
                index.find(key(number), |place| place == number as usize),
                Some(number as usize)
            );
        }
        assert_eq!(index.find(key(100_001), |_| true), None);
    }

    #[test]
    fn one_insertion_moves_few_entries_whatever_the_size() {
        let mut index = SlotIndex::default();
        let moved = std::cell::Cell::new(0);
        let mut most = 0;
        for number in 0..200_000u32 {
            moved.set(0);
            index.insert(key(number), number as usize, &|place| {
                moved.set(moved.get() + 1);
                key(place as u32)
            });
            most = most.max(moved.get());
        }
        assert!(most < 2_000, "{most}");
    }
}
