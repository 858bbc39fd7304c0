//! The head: which revision there is, and what leads to it.

use serde::Serialize;
use thiserror::Error;

use super::key::{KeyId, PublicKeys};
use super::nonce::Nonce;
use super::page::PageId;
use super::signature::{Signatures, SignaturesFault};
use crate::clock::EARLIEST;
use crate::id::Shown;
use crate::json::{self, deserializable, record};
use crate::policy::Digest;
use crate::time::Timestamp;

/// The most pages that a head names: 1 GiB of changes, a policy of some five million tokens.
pub const MAX_PAGES: usize = 4_096;

/// The longest head, in bytes: that of [`MAX_PAGES`] pages.
pub const MAX_HEAD: usize = 300 * 1024;

/// What a head's signature covers before the head's own bytes: keys that sign other things cannot be made to sign one.
const CONTEXT: &[u8] = b"postern-head-v1\0";

/// What a gateway is told of a feed when it asks for the changes after a revision.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Head {
    /// The feed's name.
    pub feed: String,
    /// Grows when the feed begins anew, after a backup was restored. Revisions of different epochs do not compare.
    pub epoch: u64,
    /// The revision that the pages lead to.
    pub revision: u64,
    /// The digest of the whole policy at that revision.
    pub digest: Digest,
    /// The nonce of the request that this answers.
    pub nonce: Nonce,
    /// When the head was made, by the publisher's clock.
    pub issued_at: Timestamp,
    /// Whether the pages are the whole policy, and not the changes after the revision that was asked for.
    pub reset: bool,
    /// The pages, in the order in which they apply.
    pub pages: Vec<PageId>,
}

record!(Head {
    feed,
    epoch,
    revision,
    digest,
    nonce,
    issued_at,
    reset,
    pages,
});
deserializable!(Head);

/// What a gateway knows before a head arrives.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The feed it reads.
    pub feed: &'a str,
    /// The nonce of its request.
    pub nonce: Nonce,
    /// The keys it accepts heads from.
    pub keys: &'a PublicKeys,
}

impl Head {
    /// Reads and checks a head: that it is signed by an accepted key, for this feed, in answer to this request. How it
    /// relates to what the gateway already has is not judged here.
    ///
    /// # Errors
    /// [`HeadFault`]. Nothing of the body is read before a signature over it has been verified.
    pub fn verify(
        body: &[u8],
        signatures: &[u8],
        expected: &Expected<'_>,
    ) -> Result<Self, HeadFault> {
        if body.len() > MAX_HEAD {
            return Err(HeadFault::TooLong);
        }
        verify_signature(body, signatures, expected.keys)?;
        let head: Self =
            json::read(body).map_err(|faults| HeadFault::Shape(json::joined(&faults)))?;
        if head.feed != expected.feed {
            return Err(HeadFault::OtherFeed(head.feed));
        }
        if head.nonce != expected.nonce {
            return Err(HeadFault::OtherNonce);
        }
        if head.pages.len() > MAX_PAGES {
            return Err(HeadFault::TooManyPages(head.pages.len()));
        }
        if head.issued_at < EARLIEST {
            return Err(HeadFault::IssuedInThePast(head.issued_at));
        }
        Ok(head)
    }

    /// The head as JSON: the bytes to sign and to send.
    ///
    /// # Errors
    /// None that can happen: its members are texts, whole numbers and lists of them.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// One signature of an accepted key must be right. Signatures of other keys do not count, but a wrong one under the name
/// of an accepted key is a fault whatever stands beside it.
fn verify_signature(body: &[u8], header: &[u8], keys: &PublicKeys) -> Result<(), HeadFault> {
    let signatures = Signatures::parse(header).map_err(HeadFault::Signatures)?;
    let message = signed_bytes(body);
    let mut unknown = None;
    let mut is_signed = false;
    for (id, signature) in signatures.iter() {
        match keys.get(id) {
            Some(key) if key.verifies(&message, signature) => is_signed = true,
            Some(_) => return Err(HeadFault::BadSignature(id)),
            None => unknown = Some(id),
        }
    }
    match unknown {
        _ if is_signed => Ok(()),
        Some(id) => Err(HeadFault::UnknownKey(id)),
        None => Err(HeadFault::Signatures(SignaturesFault::Form)),
    }
}

/// What is signed.
pub(super) fn signed_bytes(head: &[u8]) -> Vec<u8> {
    [CONTEXT, head].concat()
}

/// Why a head is not believed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HeadFault {
    /// Longer than [`MAX_HEAD`].
    #[error("the head is longer than {MAX_HEAD} bytes")]
    TooLong,
    /// The signature header has another form.
    #[error(transparent)]
    Signatures(SignaturesFault),
    /// Signed by keys that this gateway does not accept alone.
    #[error("the head is signed by key {0}, which is not among this gateway's public_keys")]
    UnknownKey(KeyId),
    /// The signature of an accepted key does not fit the bytes: they were changed on the way, or signed for something
    /// else.
    #[error("the signature of key {0} does not fit the head")]
    BadSignature(KeyId),
    /// The text is no JSON, or not of a head's shape.
    #[error("{0}")]
    Shape(String),
    /// A head of another feed.
    #[error("this is the head of feed {}", Shown(.0))]
    OtherFeed(String),
    /// A head that answers another request: a copy of an old one, or one for another gateway.
    #[error("the head answers another request than this one")]
    OtherNonce,
    /// More than [`MAX_PAGES`].
    #[error("the head names {0} pages; this version takes at most {MAX_PAGES}")]
    TooManyPages(usize),
    /// No publisher is that old; its clock stands wrong, so the ends of tokens that it sets are wrong too.
    #[error(
        "the head was issued at {0}, before this program was made: the publisher's clock is wrong"
    )]
    IssuedInThePast(Timestamp),
}

#[cfg(test)]
mod tests {
    use super::super::signing::HeadKey;
    use super::*;
    use crate::random::fakes::Sequence;

    fn key(seed: u64) -> HeadKey {
        HeadKey::generate(&mut Sequence::from_seed(seed)).unwrap()
    }

    fn keys(seeds: &[u64]) -> PublicKeys {
        PublicKeys::new(seeds.iter().map(|&seed| key(seed).public_key()).collect())
    }

    fn nonce(seed: u64) -> Nonce {
        Nonce::generate(&mut Sequence::from_seed(seed)).unwrap()
    }

    fn head() -> Head {
        Head {
            feed: "default".to_owned(),
            epoch: 1,
            revision: 7,
            digest: Digest::default(),
            nonce: nonce(9),
            issued_at: EARLIEST,
            reset: false,
            pages: vec![PageId::of(b"a"), PageId::of(b"b")],
        }
    }

    fn verify(body: &[u8], signatures: &str, keys: &PublicKeys) -> Result<Head, HeadFault> {
        let expected = Expected {
            feed: "default",
            nonce: nonce(9),
            keys,
        };
        Head::verify(body, signatures.as_bytes(), &expected)
    }

    fn verify_signed(head: &Head) -> Result<Head, HeadFault> {
        let body = head.to_json().unwrap();
        verify(&body, &key(1).sign(&body), &keys(&[1]))
    }

    #[test]
    fn a_signed_head_is_read_as_it_was_written() {
        assert_eq!(verify_signed(&head()), Ok(head()));
    }

    #[test]
    fn no_bit_of_a_head_can_be_changed() {
        let body = head().to_json().unwrap();
        let signature = key(1).sign(&body);
        // Every 41st, since a verification takes long without optimisation; that meets each member.
        for at in (0..body.len()).step_by(41) {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let fault = verify(&changed, &signature, &keys(&[1])).unwrap_err();
            assert_eq!(fault, HeadFault::BadSignature(key(1).public_key().id()));
        }
        let fault = verify(&body[..body.len() - 1], &signature, &keys(&[1])).unwrap_err();
        assert!(matches!(fault, HeadFault::BadSignature(_)));
    }

    #[test]
    fn while_a_key_is_changed_gateways_with_either_key_accept() {
        let body = head().to_json().unwrap();
        let both = format!("{}, {}", key(1).sign(&body), key(2).sign(&body));
        for seed in [1, 2] {
            assert!(verify(&body, &both, &keys(&[seed])).is_ok());
        }
        let fault = verify(&body, &both, &keys(&[3])).unwrap_err();
        assert!(matches!(fault, HeadFault::UnknownKey(_)));
        assert!(verify(&body, &both, &PublicKeys::default()).is_err());
    }

    #[test]
    fn a_signature_under_the_name_of_another_key_is_bad_even_beside_a_good_one() {
        let body = head().to_json().unwrap();
        let (_, foreign) = key(3)
            .sign(&body)
            .split_once('=')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let forged = format!("{}={foreign}", key(2).public_key().id());
        let both = format!("{}, {forged}", key(1).sign(&body));
        let fault = verify(&body, &both, &keys(&[1, 2])).unwrap_err();
        assert_eq!(fault, HeadFault::BadSignature(key(2).public_key().id()));
    }

    #[test]
    fn a_signature_without_its_context_is_bad() {
        // As a key that signs something else as well would make it: the context must not come from the signed text.
        let body = [CONTEXT, &head().to_json().unwrap()].concat();
        let signature = key(1).sign(&body);
        let fault = verify(&body[CONTEXT.len()..], &signature, &keys(&[1])).unwrap_err();
        assert!(matches!(fault, HeadFault::BadSignature(_)));
    }

    #[test]
    fn heads_of_other_feeds_and_for_other_requests_are_refused() {
        let other = Head {
            feed: "other".to_owned(),
            ..head()
        };
        assert_eq!(
            verify_signed(&other),
            Err(HeadFault::OtherFeed("other".to_owned()))
        );
        let old = Head {
            nonce: nonce(8),
            ..head()
        };
        assert_eq!(verify_signed(&old), Err(HeadFault::OtherNonce));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let pages = |count| Head {
            pages: vec![PageId::of(b"a"); count],
            ..head()
        };
        assert!(verify_signed(&pages(MAX_PAGES)).is_ok());
        assert_eq!(
            verify_signed(&pages(MAX_PAGES + 1)),
            Err(HeadFault::TooManyPages(MAX_PAGES + 1))
        );
        let long = vec![b' '; MAX_HEAD + 1];
        assert_eq!(verify(&long, "", &keys(&[1])), Err(HeadFault::TooLong));
        let early = Timestamp::from_secs(EARLIEST.as_secs() - 1);
        let early = Head {
            issued_at: early,
            ..head()
        };
        assert!(matches!(
            verify_signed(&early),
            Err(HeadFault::IssuedInThePast(_))
        ));
    }

    #[test]
    fn another_shape_is_refused_with_its_place() {
        let told = |from: &str, to: &str| {
            let body = String::from_utf8(head().to_json().unwrap()).unwrap();
            let body = body.replacen(from, to, 1);
            let signature = key(1).sign(body.as_bytes());
            verify(body.as_bytes(), &signature, &keys(&[1]))
                .unwrap_err()
                .to_string()
        };
        for (from, to, start) in [
            (
                "\"epoch\":1",
                "\"epoch\":-1",
                "epoch: invalid type: number `-1`",
            ),
            ("\"epoch\":1,", "", "missing field `epoch`"),
            ("\"reset\":false", "\"reset\":0", "reset: invalid type"),
            ("\"reset\":", "\"more\":1,\"reset\":", "more: unknown field"),
            (
                "\"digest\":\"00",
                "\"digest\":\"0",
                "digest: it is not of 64",
            ),
            (
                "\"digest\":\"00",
                "\"digest\":\"0A",
                "digest: it is not of 64",
            ),
            ("[\"", "[\"X", "pages[0]: it is not of 64"),
            ("}", "} x", "trailing characters"),
        ] {
            let told = told(from, to);
            assert!(told.starts_with(start), "{to}: {told}");
        }
    }
}
