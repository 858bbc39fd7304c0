//! The key by which workers of a gateway know each other's words.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Shelf;
use crate::derive::{DeriveError, Purpose, derive};
use crate::roots::RootKeys;

/// What is authenticated begins with this: a key of another use cannot be made to do it.
const CONTEXT: &[u8] = b"postern-shared-v1\0";

/// A key that only workers with the same root keys have. Wiped when dropped.
#[derive(Clone)]
pub struct LocalKey(Hmac<Sha256>);

impl LocalKey {
    /// Derives the key from the first of a gateway's root keys, by id. All workers of a process have the same ones.
    ///
    /// # Errors
    /// [`DeriveError`] if one of the texts is too long.
    pub fn derive(
        roots: &RootKeys,
        issuer: &str,
        token_audience: &str,
    ) -> Result<Option<Self>, DeriveError> {
        let Some((id, root)) = roots.ids().find_map(|id| Some((id, roots.get(id)?))) else {
            return Ok(None);
        };
        let secret = derive(root, issuer, token_audience, id, Purpose::Local)?;
        Ok(Hmac::new_from_slice(secret.expose()).ok().map(Self))
    }

    pub(super) fn tag(&self, shelf: Shelf, body: &[u8]) -> [u8; 32] {
        self.mac(shelf, body).finalize().into_bytes().into()
    }

    /// Whether a tag is right, in a time that does not depend on where it differs.
    pub(super) fn verifies(&self, shelf: Shelf, body: &[u8], tag: &[u8; 32]) -> bool {
        self.mac(shelf, body).verify_slice(tag).is_ok()
    }

    fn mac(&self, shelf: Shelf, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(CONTEXT);
        mac.update(&shelf.0);
        mac.update(body);
        mac
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKey([redacted])")
    }
}
