//! The keys of a policy, made ready: which one signs now, and which ones verify.

use std::fmt;

use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use thiserror::Error;

use crate::access_token::Remembered;
use crate::derive::{DeriveError, Purpose, derive};
use crate::jose;
use crate::order;
use crate::policy::document;
use crate::random::{Random, RandomFailed};
use crate::roots::RootKeys;
use crate::service_token::{PublicJwk, ServiceKey};
use crate::time::Timestamp;

/// The access token keys of one policy, for one issuer and token audience.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// In the order of their headers, without duplicates.
    keys: Vec<Key>,
    /// What has been verified by them, so that it goes when they do. None: everything is verified anew.
    remembered: Option<Remembered>,
}

impl KeyRing {
    /// Derives all keys whose root this gateway holds. A key whose root it lacks is kept, unusable: see
    /// [`KeyRing::missing_roots`].
    ///
    /// # Errors
    /// [`KeyRingError`] for a kid that stands there twice, or a text too long for the derivation.
    pub fn build(
        keys: &[document::Key],
        roots: &RootKeys,
        issuer: &str,
        token_audience: &str,
    ) -> Result<Self, KeyRingError> {
        let mut kids = Vec::new();
        let mut ring: Vec<Key> = Vec::with_capacity(keys.len());
        for key in keys {
            if !order::insert(&mut kids, key.kid.as_str()) {
                return Err(KeyRingError::DuplicateKid(key.kid.clone()));
            }
            let key = Key::build(key, roots, issuer, token_audience)?;
            let gap = ring.partition_point(|other| other.header < key.header);
            ring.insert(gap, key);
        }
        Ok(Self {
            keys: ring,
            remembered: None,
        })
    }

    /// From now on remembers which access tokens have been verified.
    pub(crate) fn remember(&mut self, random: &mut dyn Random) -> Result<(), RandomFailed> {
        self.remembered = Some(Remembered::new(random)?);
        Ok(())
    }

    /// The access tokens that have been verified by this ring's keys.
    pub(crate) fn remembered(&self) -> Option<&Remembered> {
        self.remembered.as_ref()
    }

    /// The key that new access tokens are signed with: of all accepted keys (not revoked, before `not_after`, root
    /// present) the one with the latest `active_from` that is not in the future. `None`: the exchange cannot sign.
    ///
    /// A key whose root is missing is passed over, so that a gateway that has not got the new root yet goes on with the
    /// key before it, which every other gateway still accepts.
    #[must_use]
    pub fn signer(&self, now: Timestamp) -> Option<SigningKey<'_>> {
        self.keys
            .iter()
            .filter(|key| key.policy.active_from <= now)
            .filter_map(|key| key.usable(now).ok().map(|mac| SigningKey { key, mac }))
            .max_by_key(|signer| signer.key.policy.active_from)
    }

    /// Whether `segment` is the encoded header of one of our keys' service tokens, which no gateway accepts.
    #[must_use]
    pub fn is_service_header(&self, segment: &[u8]) -> bool {
        let mut services = self.keys.iter().filter_map(|key| key.service.as_ref());
        services.any(|service| service.header().as_bytes() == segment)
    }

    /// The public keys by which upstreams verify service tokens: those of all keys that are accepted at `now`, also
    /// before they sign, so that an upstream that keeps the set for a while has them in time.
    pub fn public_keys(&self, now: Timestamp) -> impl Iterator<Item = PublicJwk> {
        let accepted = self.keys.iter().filter(move |key| key.accepts(now).is_ok());
        accepted.filter_map(|key| Some(key.service.as_ref()?.public_jwk(key.kid())))
    }

    /// The key whose tokens begin with this header segment, byte for byte; also one that is revoked, past its time or
    /// without root. A token with such a header is an access token, and never looked up as an API token.
    #[must_use]
    pub fn by_header(&self, segment: &[u8]) -> Option<&Key> {
        self.keys
            .binary_search_by(|key| key.header.as_bytes().cmp(segment))
            .ok()
            .and_then(|index| self.keys.get(index))
    }

    /// All keys, in no particular order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Kid and root id of each key that is unusable only because this gateway lacks the root.
    pub fn missing_roots(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys
            .iter()
            .filter(|key| key.mac.is_none() && !key.policy.revoked)
            .map(|key| (key.kid(), key.root()))
    }
}

/// A key of the ring, usable or not.
pub struct Key {
    policy: document::Key,
    /// What every token of this key begins with, up to the first `.`.
    header: String,
    /// HMAC after its key block, so that a token costs a copy of it and not two more compressions. Wiped when dropped
    /// (feature `zeroize` of `hmac` and `sha2`), since it is as good as the key.
    mac: Option<Hmac<Sha256>>,
    /// What service tokens are signed with; there whenever `mac` is.
    service: Option<ServiceKey>,
}

impl Key {
    fn build(
        key: &document::Key,
        roots: &RootKeys,
        issuer: &str,
        token_audience: &str,
    ) -> Result<Self, KeyRingError> {
        let (mut mac, mut service) = (None, None);
        if let Some(root) = roots.get(&key.root) {
            let secret = |purpose| {
                derive(root, issuer, token_audience, &key.kid, purpose).map_err(|source| {
                    KeyRingError::Derive {
                        kid: key.kid.clone(),
                        source,
                    }
                })
            };
            let access = Hmac::new_from_slice(secret(Purpose::Access)?.expose())
                .map_err(|_| KeyRingError::Mac(key.kid.clone()))?;
            mac = Some(access);
            let signing = ServiceKey::new(&key.kid, &secret(Purpose::Service)?)
                .map_err(|_| KeyRingError::Header(key.kid.clone()))?;
            service = Some(signing);
        }
        let header = jose::header("HS256", "at+jwt", &key.kid)
            .map_err(|_| KeyRingError::Header(key.kid.clone()))?;
        Ok(Self {
            policy: key.clone(),
            header,
            mac,
            service,
        })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.policy.kid
    }

    /// The id of the root key that it is derived from.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.policy.root
    }

    /// The encoded JOSE header that every token of this key begins with.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether the key verifies at `now`; before its `active_from` too.
    ///
    /// # Errors
    /// [`KeyFault`] says why not.
    pub fn accepts(&self, now: Timestamp) -> Result<(), KeyFault> {
        self.usable(now).map(|_| ())
    }

    /// The keyed HMAC of a key that is accepted at `now`: there is no other way to it.
    pub(crate) fn usable(&self, now: Timestamp) -> Result<&Hmac<Sha256>, KeyFault> {
        if self.policy.revoked {
            return Err(KeyFault::Revoked);
        }
        if self.policy.not_after.is_some_and(|end| now >= end) {
            return Err(KeyFault::Expired);
        }
        self.mac.as_ref().ok_or(KeyFault::RootMissing)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = match self.mac {
            Some(_) => "[redacted]",
            None => "[root missing]",
        };
        f.debug_struct("Key")
            .field("policy", &self.policy)
            .field("secret", &secret)
            .finish()
    }
}

/// A key that may sign now.
#[derive(Clone, Copy, Debug)]
pub struct SigningKey<'r> {
    key: &'r Key,
    mac: &'r Hmac<Sha256>,
}

impl<'r> SigningKey<'r> {
    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &'r str {
        self.key.kid()
    }

    /// The encoded JOSE header that the token begins with.
    #[must_use]
    pub fn header(&self) -> &'r str {
        self.key.header()
    }

    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }

    /// The key that signs service tokens.
    pub(crate) fn service(&self) -> Option<&'r ServiceKey> {
        self.key.service.as_ref()
    }
}

/// Why a key of the ring does not verify now.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyFault {
    /// The policy says so.
    #[error("the key is revoked")]
    Revoked,
    /// Its `not_after` has come.
    #[error("the key's time is over")]
    Expired,
    /// This gateway does not hold the root that the key is derived from.
    #[error("the key's root is not among this gateway's root keys")]
    RootMissing,
}

/// Why no key ring can be made of a policy's keys.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyRingError {
    /// Two keys have the same id.
    #[error("the kid `{0}` is used twice")]
    DuplicateKid(String),
    /// A key cannot be derived.
    #[error("the key `{kid}` cannot be derived: {source}")]
    Derive {
        /// Which key.
        kid: String,
        /// Why.
        source: DeriveError,
    },
    /// HMAC refused the key. It takes any length, so this does not happen.
    #[error("HMAC refused the key `{0}`")]
    Mac(String),
    /// The header could not be written. A text always can be, so this does not happen.
    #[error("the header of the key `{0}` cannot be written as JSON")]
    Header(String),
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const ROOTS: &str = "r1:XgsDwt0_JXKaKB-5XB9ueMQbOk0zIfyQcJWb7SUlMOM";

    fn key(kid: &str, active_from: u64) -> document::Key {
        document::Key {
            kid: kid.to_owned(),
            root: "r1".to_owned(),
            active_from: at(active_from),
            not_after: None,
            revoked: false,
        }
    }

    fn ring(keys: &[document::Key]) -> KeyRing {
        KeyRing::build(keys, &RootKeys::parse(ROOTS).unwrap(), "i", "t").unwrap()
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn signer(ring: &KeyRing, now: u64) -> Option<&str> {
        ring.signer(at(now)).map(|signer| signer.kid())
    }

    #[test]
    fn a_header_is_found_exactly_as_it_is_encoded() {
        let ring = ring(&[key("b", 0), key("a", 0), key("c", 0)]);
        for kid in ["a", "b", "c"] {
            let header = URL_SAFE_NO_PAD
                .encode(format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#));
            assert_eq!(ring.by_header(header.as_bytes()).unwrap().kid(), kid);
            assert!(ring.by_header(&header.as_bytes()[1..]).is_none());
            assert!(ring.by_header(format!("{header}A").as_bytes()).is_none());
        }
        assert!(ring.by_header(b"").is_none());
    }

    #[test]
    fn the_latest_active_key_signs_from_its_second_on() {
        let ring = ring(&[key("old", 100), key("new", 200), key("future", 300)]);
        assert_eq!(signer(&ring, 99), None);
        assert_eq!(signer(&ring, 100), Some("old"));
        assert_eq!(signer(&ring, 199), Some("old"));
        assert_eq!(signer(&ring, 200), Some("new"));
        assert_eq!(signer(&ring, 300), Some("future"));
    }

    #[test]
    fn a_key_verifies_before_it_signs_and_until_the_second_of_its_end() {
        let mut ending = key("k", 100);
        ending.not_after = Some(at(200));
        let ring = ring(&[ending]);
        let key = ring.keys().next().unwrap();
        assert_eq!(key.accepts(at(0)), Ok(()));
        assert_eq!(key.accepts(at(199)), Ok(()));
        assert_eq!(key.accepts(at(200)), Err(KeyFault::Expired));
        assert_eq!(signer(&ring, 199), Some("k"));
        assert_eq!(signer(&ring, 200), None);
    }

    #[test]
    fn a_revoked_key_is_known_but_neither_signs_nor_verifies() {
        let mut revoked = key("new", 200);
        revoked.revoked = true;
        let ring = ring(&[key("old", 100), revoked]);
        let header = ring.keys().find(|key| key.kid() == "new").unwrap().header();
        let known = ring.by_header(header.as_bytes()).unwrap();
        assert_eq!(known.accepts(at(250)), Err(KeyFault::Revoked));
        assert_eq!(signer(&ring, 250), Some("old"));
    }

    #[test]
    fn a_key_without_its_root_is_known_and_reported_and_the_one_before_it_signs() {
        let mut rootless = key("new", 200);
        rootless.root = "r2".to_owned();
        let mut revoked = key("gone", 50);
        revoked.root = "r3".to_owned();
        revoked.revoked = true;
        let ring = ring(&[key("old", 100), rootless, revoked]);
        assert_eq!(ring.missing_roots().collect::<Vec<_>>(), [("new", "r2")]);
        let known = ring.keys().find(|key| key.kid() == "new").unwrap();
        assert_eq!(known.accepts(at(250)), Err(KeyFault::RootMissing));
        assert!(ring.by_header(known.header().as_bytes()).is_some());
        assert_eq!(signer(&ring, 250), Some("old"));
    }

    #[test]
    fn a_kid_that_stands_twice_is_refused() {
        let roots = RootKeys::parse(ROOTS).unwrap();
        assert_eq!(
            KeyRing::build(&[key("k", 1), key("k", 2)], &roots, "i", "t").unwrap_err(),
            KeyRingError::DuplicateKid("k".to_owned())
        );
    }

    #[test]
    fn a_text_too_long_for_the_derivation_is_refused() {
        let roots = RootKeys::parse(ROOTS).unwrap();
        let error = KeyRing::build(&[key("k", 1)], &roots, &"i".repeat(70_000), "t").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the key `k` cannot be derived: the issuer is longer than 65535 bytes"
        );
    }

    #[test]
    fn a_ring_without_keys_signs_nothing_and_knows_nothing() {
        let ring = KeyRing::default();
        assert!(ring.signer(at(0)).is_none());
        assert!(ring.by_header(b"eyJ").is_none());
    }

    #[test]
    fn debug_output_shows_ids_and_no_secret() {
        let ring = ring(&[key("k", 1)]);
        let shown = format!("{ring:?} {:?}", ring.signer(at(5)));
        assert!(
            shown.contains("\"k\"") && shown.contains("[redacted]"),
            "{shown}"
        );
        assert!(!shown.contains("Hmac<Sha256> {"), "{shown}");
    }
}
