//! Access tokens that have been verified before: that their signature and claims were right, never what was decided.
//!
//! Whether the key is still accepted, whether the token has ended, whether its API token and its person are in force, and
//! whether the person is in the audience is asked afresh on every request. What is kept is what those questions need
//! of the claims. It belongs to a key ring, and so goes with the keys.
//!
//! A token is found by a keyed hash of all its bytes (SipHash-2-4 with 128 bits), whose key is drawn for each ring and
//! never leaves it: who does not know the key finds no second token with the hash of a first.
//! `docs/decisions/009-remembered-tokens.md` says why it is not SHA-256. No part of a token is kept but its ids and
//! instants.
//!
//! Only tokens that have been verified get in, so only who holds an API token can put any there, and an API token has no
//! more than [`OF_ONE`] of them. They share one set with those of a few other API tokens, which a hash with the same
//! key chooses. So a flood of good tokens of one API token pushes out its own.

use std::cell::RefCell;

use siphasher::sip128::SipHasher24;

use super::verify::verify_by;
use super::{AccessTokenFault, Expected, check_times};
use crate::id::Id;
use crate::keyring::{Key, KeyRing};
use crate::random::{Random, RandomFailed};
use crate::slots::SlotIndex;
use crate::time::Timestamp;

/// What an access token says that is good now: verified, or remembered to have been. `key` is of this ring, and
/// `expected` the same for all tokens of it.
///
/// # Errors
/// As [`super::verify`] has them.
pub(crate) fn verify_or_remember(
    ring: &KeyRing,
    key: &Key,
    credential: &[u8],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Facts, AccessTokenFault> {
    key.accepts(now)?;
    let memory = ring.remembered();
    let digest = memory.map(|memory| memory.digest(credential));
    if let (Some(memory), Some(digest)) = (memory, digest)
        && let Some(facts) = memory.find(digest)
    {
        check_times(facts.iat, facts.exp, now)?;
        return Ok(facts);
    }
    let verified = verify_by(key, credential, expected, now)?;
    let facts = Facts {
        client_id: Id::new(&verified.client_id),
        sub: Id::new(&verified.sub),
        iat: verified.iat,
        exp: verified.exp,
        service: verified.service.map(Into::into),
    };
    // A token with an `nbf` is none of ours, and that would have to be compared each time.
    if let (Some(memory), Some(digest), 0) = (memory, digest, verified.nbf.as_secs()) {
        memory.keep(digest, facts.clone(), now);
    }
    Ok(facts)
}

/// How many sets there are, and how many tokens are in one: 8,192 tokens in all, of 72 bytes each.
const SETS: usize = 512;
const SET_LENGTH: usize = 16;

/// The most tokens of one API token.
const OF_ONE: usize = 8;

/// What a verification has found: the claims that a decision needs, and `aud` as the service that it narrows the token to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Facts {
    pub(crate) client_id: Id,
    pub(crate) sub: Id,
    pub(crate) iat: Timestamp,
    pub(crate) exp: Timestamp,
    pub(crate) service: Option<Box<str>>,
}

/// The keyed hash of a token.
#[derive(Clone, Copy, Debug)]
struct Digest {
    h1: u64,
    h2: u64,
}

/// The tokens that have been verified with one key ring.
pub(crate) struct Remembered {
    hasher: SipHasher24,
    tokens: RefCell<Tokens>,
}

#[derive(Default)]
struct Tokens {
    sets: Vec<Vec<(Digest, Facts)>>,
    /// Places: a set's number times [`SET_LENGTH`], and the place in the set.
    by_digest: SlotIndex,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered([redacted])")
    }
}

impl Remembered {
    /// Nothing yet, under a new key.
    pub(crate) fn new(random: &mut dyn Random) -> Result<Self, RandomFailed> {
        let (mut k0, mut k1) = ([0; 8], [0; 8]);
        random.fill(&mut k0)?;
        random.fill(&mut k1)?;
        if k0 == k1 {
            return Err(RandomFailed);
        }
        Ok(Self {
            hasher: SipHasher24::new_with_keys(u64::from_le_bytes(k0), u64::from_le_bytes(k1)),
            tokens: RefCell::default(),
        })
    }

    /// What a token is found by.
    fn digest(&self, token: &[u8]) -> Digest {
        let hash = self.hasher.hash(token);
        Digest {
            h1: hash.h1,
            h2: hash.h2,
        }
    }

    /// The set of an API token.
    fn set_of(&self, client_id: &Id) -> usize {
        let hash = match client_id {
            Id::Number(number) => self.hasher.hash(&number.to_le_bytes()),
            Id::Written(text) => self.hasher.hash(text.as_bytes()),
        };
        (hash.h2 as usize) % SETS
    }

    // The cell is never borrowed across a call, so borrowing does not fail; if it did, a token would be verified anew.

    /// What is known of a token, if it has been verified before.
    fn find(&self, digest: Digest) -> Option<Facts> {
        self.tokens.try_borrow().ok()?.find(digest).cloned()
    }

    /// Remembers a token that has just been verified.
    fn keep(&self, digest: Digest, facts: Facts, now: Timestamp) {
        if let Ok(mut tokens) = self.tokens.try_borrow_mut() {
            tokens.keep(self.set_of(&facts.client_id), digest, facts, now);
        }
    }
}

impl Tokens {
    fn find(&self, digest: Digest) -> Option<&Facts> {
        let is_it = |place| self.at(place).is_some_and(|(other, _)| other.is(digest));
        let place = self.by_digest.find(digest.h1, is_it)?;
        self.at(place).map(|(_, facts)| facts)
    }

    fn keep(&mut self, number: usize, digest: Digest, facts: Facts, now: Timestamp) {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Vec::new);
        }
        let Some(set) = self.sets.get_mut(number) else {
            return;
        };
        let at = gives_way(set, &facts.client_id, now).unwrap_or(set.len());
        let place = number * SET_LENGTH + at;
        if let Some(old) = set.get(at).map(|(old, _)| old.h1) {
            let sets = &self.sets;
            self.by_digest.remove(old, place, &|place| key(sets, place));
        }
        if let Some(set) = self.sets.get_mut(number) {
            match set.get_mut(at) {
                Some(slot) => *slot = (digest, facts),
                None => set.push((digest, facts)),
            }
        }
        let sets = &self.sets;
        self.by_digest
            .insert(digest.h1, place, &|place| key(sets, place));
    }

    fn at(&self, place: usize) -> Option<&(Digest, Facts)> {
        at(&self.sets, place)
    }
}

impl Digest {
    /// In constant time, though who measures it does not know what he compares.
    fn is(self, other: Self) -> bool {
        (self.h1 ^ other.h1) | (self.h2 ^ other.h2) == 0
    }
}

fn at(sets: &[Vec<(Digest, Facts)>], place: usize) -> Option<&(Digest, Facts)> {
    sets.get(place / SET_LENGTH)?.get(place % SET_LENGTH)
}

fn key(sets: &[Vec<(Digest, Facts)>], place: usize) -> u64 {
    at(sets, place).map_or(0, |(digest, _)| digest.h1)
}

/// The place in a set whose token gives way to another of this API token; `None` while there is room.
///
/// Where an API token has all that it may have, it is one of its own. Where the set is full, it is one that has ended, or
/// else one of the API token that has most: so who fills a set keeps nobody out of it.
fn gives_way(set: &[(Digest, Facts)], token: &Id, now: Timestamp) -> Option<usize> {
    let count = |token: &Id| {
        set.iter()
            .filter(|(_, facts)| facts.client_id == *token)
            .count()
    };
    let first_to_end = |is_candidate: &dyn Fn(&Facts) -> bool| {
        let candidates = set.iter().enumerate();
        candidates
            .filter(|(_, (_, facts))| is_candidate(facts))
            .min_by_key(|(_, (_, facts))| facts.exp)
            .map(|(at, _)| at)
    };
    if count(token) >= OF_ONE {
        return first_to_end(&|facts| facts.client_id == *token);
    }
    if set.len() < SET_LENGTH {
        return None;
    }
    let most = set.iter().map(|(_, facts)| count(&facts.client_id)).max();
    first_to_end(&|facts| facts.exp <= now)
        .or_else(|| first_to_end(&|facts| Some(count(&facts.client_id)) == most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fakes::Sequence;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn remembered() -> Remembered {
        Remembered::new(&mut Sequence::from_seed(1)).unwrap()
    }

    fn facts(token: u64, exp: u64) -> Facts {
        Facts {
            client_id: Id::Number(token),
            sub: Id::Written("p-7".into()),
            iat: NOW,
            exp: Timestamp::from_secs(exp),
            service: None,
        }
    }

    fn keep(memory: &Remembered, text: &str, token: u64, exp: u64) {
        let digest = memory.digest(text.as_bytes());
        memory.keep(digest, facts(token, exp), NOW);
    }

    fn has(memory: &Remembered, text: &str) -> bool {
        memory.find(memory.digest(text.as_bytes())).is_some()
    }

    fn len(memory: &Remembered) -> usize {
        memory.tokens.borrow().sets.iter().map(Vec::len).sum()
    }

    #[test]
    fn a_token_is_found_by_all_its_bytes() {
        let memory = remembered();
        let token = "eyJh.eyJp.c2ln".repeat(30);
        keep(&memory, &token, 1, 2000);
        assert!(has(&memory, &token));
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] ^= 1;
            assert!(memory.find(memory.digest(&other)).is_none(), "{at}");
        }
        assert!(!has(&memory, &token[1..]) && !has(&memory, &token[..token.len() - 1]));
        assert!(!has(&memory, &format!("{token}A")) && !has(&memory, ""));
    }

    #[test]
    fn another_configuration_has_another_key() {
        let other = Remembered::new(&mut Sequence::from_seed(2)).unwrap();
        assert!(!remembered().digest(b"token").is(other.digest(b"token")));
        assert!(Remembered::new(&mut crate::random::fakes::Failing).is_err());
    }

    #[test]
    fn a_flood_of_good_tokens_of_one_api_token_pushes_out_its_own_alone() {
        let memory = remembered();
        // So many that some share the flooder's set.
        let others = 0..(SETS * OF_ONE) as u64;
        for token in others.clone() {
            keep(&memory, &format!("other {token}"), token, 1500);
        }
        let kept = others.filter(|token| has(&memory, &format!("other {token}")));
        let kept: Vec<_> = kept.collect();
        let flooder = 1 << 40;
        for number in 0..10_000 {
            keep(&memory, &format!("flood {number}"), flooder, 2000 + number);
        }
        let lost = kept
            .iter()
            .filter(|token| !has(&memory, &format!("other {token}")))
            .count();
        // As many as any API token may push out in its one set, which is full.
        assert!(lost <= OF_ONE, "{lost}");
        let flood = (0..10_000).filter(|number| has(&memory, &format!("flood {number}")));
        assert_eq!(flood.count(), OF_ONE);
    }

    #[test]
    fn who_fills_a_set_keeps_nobody_out_of_it() {
        let mut set = Vec::new();
        let memory = remembered();
        for (token, count) in [(1, 8), (2, 5), (3, 3)] {
            for number in 0..count {
                let digest = memory.digest(&[token, number]);
                set.push((digest, facts(u64::from(token), 2000 + u64::from(number))));
            }
        }
        let token = |set: &[(Digest, Facts)], newcomer: u64| {
            let at = gives_way(set, &Id::Number(newcomer), NOW);
            at.map(|at| (set[at].1.client_id.clone(), set[at].1.exp.as_secs()))
        };
        assert_eq!(token(&set, 4), Some((Id::Number(1), 2000)));
        assert_eq!(token(&set, 2), Some((Id::Number(1), 2000)));
        assert_eq!(token(&set, 1), Some((Id::Number(1), 2000)));
        set[14].1.exp = NOW;
        assert_eq!(token(&set, 4), Some((Id::Number(3), 1000)));
        assert_eq!(token(&set, 1), Some((Id::Number(1), 2000)));
        assert_eq!(token(&set[..15], 4), None);
    }

    #[test]
    fn their_number_is_bounded_and_the_index_knows_exactly_them() {
        let memory = remembered();
        for number in 0..40_000_u64 {
            keep(&memory, &number.to_string(), number % 9000, 1100 + number);
        }
        assert!(len(&memory) <= SETS * SET_LENGTH);
        let found = (0..40_000).filter(|number: &u64| has(&memory, &number.to_string()));
        assert_eq!(found.count(), len(&memory));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let memory = remembered();
        keep(&memory, "token", 1, 2000);
        assert_eq!(format!("{memory:?}"), "Remembered([redacted])");
    }
}
