//! Service tokens in place of the caller's credential.
//!
//! Signing one costs more than everything else that a request does, so a token is used again for the same API token,
//! service and key, while enough of its life is left and it does not outlive what the caller presents. What is kept is
//! the token, never the decision: that is taken afresh on every request.

use std::cell::RefCell;
use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Gate;
use super::decide::Presented;
use crate::id::IdCode;
use crate::policy::MethodRef;
use crate::random::Random;
use crate::reason::Reason;
use crate::service_token::{MAX_LIFE, MIN_LEFT, NewServiceClaims, mint};
use crate::time::Timestamp;

/// The most service tokens that are kept; a few hundred bytes each.
const MAX_KEPT: usize = 4096;

/// Service tokens that may be used again.
#[derive(Debug, Default)]
pub(super) struct ServiceTokens(RefCell<BTreeMap<Use, Kept>>);

/// What a service token is for. The key stands first, so that those of an old key go together.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Use {
    kid: String,
    token: IdCode,
    service: String,
}

struct Kept {
    authorization: Zeroizing<String>,
    exp: Timestamp,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("exp", &self.exp)
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// The `Authorization` header with a service token for a call.
    pub(super) fn reissued(
        &self,
        presented: &Presented,
        method: MethodRef<'_>,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<String, Reason> {
        let key = self.keys.signer(now).ok_or(Reason::NoKey)?;
        let for_use = Use {
            kid: key.kid().to_owned(),
            token: presented.token.id,
            service: method.service().to_owned(),
        };
        let still_good =
            |exp: Timestamp| exp >= now.saturating_add(MIN_LEFT) && exp <= presented.exp;
        let kept = self.service_tokens.0.try_borrow().ok();
        if let Some(kept) = kept.as_ref().and_then(|kept| kept.get(&for_use))
            && still_good(kept.exp)
        {
            return Ok(kept.authorization.to_string());
        }
        drop(kept);

        let exp = now.saturating_add(MAX_LIFE).min(presented.exp);
        let person = self
            .policy
            .person_of(&presented.token)
            .ok_or(Reason::PersonInactive)?;
        let mut jti = [0; 16];
        random.fill(&mut jti).map_err(|_| Reason::Randomness)?;
        let store = self.policy.store();
        let token = mint(
            key.service().ok_or(Reason::NoKey)?,
            &NewServiceClaims {
                iss: &self.config.issuer,
                sub: &store.id_text(person.id),
                aud: &format!("{}/{}", self.config.token_audience, method.service()),
                iat: now,
                exp,
                jti,
                client_id: &store.id_text(presented.token.id),
            },
        )
        .map_err(|_| Reason::NoKey)?;
        let authorization = format!("Bearer {}", token.as_str());
        self.service_tokens.keep(for_use, &authorization, exp, now);
        Ok(authorization)
    }
}

impl ServiceTokens {
    fn keep(&self, for_use: Use, authorization: &str, exp: Timestamp, now: Timestamp) {
        // Never borrowed across a call, so this does not fail; if it did, the next request would sign again.
        let Ok(mut kept) = self.0.try_borrow_mut() else {
            return;
        };
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, kept| kept.exp >= now.saturating_add(MIN_LEFT));
        }
        if kept.len() >= MAX_KEPT {
            kept.pop_first();
        }
        let authorization = Zeroizing::new(authorization.to_owned());
        kept.insert(for_use, Kept { authorization, exp });
    }
}
