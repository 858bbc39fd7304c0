//! When tokens were last used, as far as there is room to remember it.

use crate::time::Timestamp;

/// So many tokens are remembered between two reports, each in one of [`PROBES`] places.
const PLACES: usize = 1_024;

/// Places that a token may be in.
const PROBES: usize = 16;

/// The last use of tokens since these were last taken. It has a fixed size: a use for which there is no room is dropped,
/// and counted.
#[derive(Debug, Default)]
pub struct Uses {
    /// None before the first use, so that a worker without requests does without.
    places: Vec<Option<Use>>,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Use {
    token: Box<str>,
    at: Timestamp,
}

impl Uses {
    /// Notes that a token was used.
    pub fn note(&mut self, token: &str, at: Timestamp) {
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        let first = place_of(token);
        for probe in 0..PROBES {
            let Some(place) = self.places.get_mut((first + probe) % PLACES) else {
                break;
            };
            match place {
                Some(used) if *used.token == *token => {
                    used.at = at;
                    return;
                }
                Some(_) => {}
                None => {
                    let token = token.into();
                    *place = Some(Use { token, at });
                    return;
                }
            }
        }
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Uses that were dropped, ever.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Hands out what was noted, and forgets it.
    pub fn take(&mut self) -> impl Iterator<Item = (Box<str>, Timestamp)> + use<> {
        let places = std::mem::take(&mut self.places);
        places
            .into_iter()
            .flatten()
            .map(|used| (used.token, used.at))
    }
}

/// FNV-1a. Ids are made by administrators, so nobody has a reason to have them collide.
fn place_of(token: &str) -> usize {
    let hash = token.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    // All bits count in the highest ones of a product (Knuth, The Art of Computer Programming, 6.4).
    (hash.wrapping_mul(0x9e37_79b1) >> 16) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn the_last_use_of_each_token_is_handed_out_once() {
        let mut uses = Uses::default();
        uses.note("t-1", at(10));
        uses.note("t-2", at(11));
        uses.note("t-1", at(12));
        let taken: BTreeMap<_, _> = uses.take().collect();
        let expected = [("t-1".into(), at(12)), ("t-2".into(), at(11))];
        assert_eq!(taken, BTreeMap::from(expected));
        assert_eq!(uses.take().count(), 0);
        assert_eq!(uses.dropped(), 0);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut uses = Uses::default();
        for token in 0..5_000 {
            uses.note(&format!("t-{token}"), at(1));
        }
        let kept = uses.take().count();
        assert!(kept > PLACES * 9 / 10, "{kept}");
        assert_eq!(kept as u64 + uses.dropped(), 5_000);
        uses.note("t-1", at(2));
        assert_eq!(uses.take().next(), Some(("t-1".into(), at(2))));
    }

    #[test]
    fn half_as_many_tokens_as_there_are_places_all_find_one() {
        let mut uses = Uses::default();
        for token in 0..PLACES / 2 {
            uses.note(&format!("{token:013}"), at(1));
        }
        assert_eq!(uses.take().count(), PLACES / 2);
    }
}
