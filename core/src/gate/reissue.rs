//! Service tokens in place of the caller's credential.
//!
//! Signing one costs more than everything else that a request does, so a token is used again for the same API token,
//! service and key, while enough of its life is left and it does not outlive what the caller presents. What is kept is
//! the token, never the decision: that is taken afresh on every request.

use std::cell::RefCell;

use zeroize::Zeroizing;

use super::Gate;
use super::decide::Presented;
use crate::access_token::NewClaims;
use crate::id::IdCode;
use crate::policy::MethodRef;
use crate::random::Random;
use crate::reason::Reason;
use crate::service_token::{MAX_LIFE, MIN_LEFT, mint};
use crate::time::Timestamp;

/// The most service tokens that are kept; a few hundred bytes each.
const MAX_KEPT: usize = 4096;

/// Service tokens that may be used again, in the order of what they are for.
#[derive(Debug, Default)]
pub(super) struct ServiceTokens(RefCell<Vec<Kept>>);

/// What a service token is for. The key stands first, so that those of an old key go together.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Use {
    kid: String,
    token: IdCode,
    service: String,
}

struct Kept {
    for_use: Use,
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
        if let Some(authorization) = self.service_tokens.find(&for_use, still_good) {
            return Ok(authorization);
        }

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
            &NewClaims {
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
    // The cell is never borrowed across a call, so borrowing does not fail; if it did, a token would be signed anew.

    fn find(&self, for_use: &Use, still_good: impl Fn(Timestamp) -> bool) -> Option<String> {
        let kept = self.0.try_borrow().ok()?;
        let place = kept
            .binary_search_by(|kept| kept.for_use.cmp(for_use))
            .ok()?;
        let kept = kept.get(place).filter(|kept| still_good(kept.exp))?;
        Some(kept.authorization.to_string())
    }

    fn keep(&self, for_use: Use, authorization: &str, exp: Timestamp, now: Timestamp) {
        let Ok(mut kept) = self.0.try_borrow_mut() else {
            return;
        };
        if kept.len() >= MAX_KEPT {
            kept.retain(|kept| kept.exp >= now.saturating_add(MIN_LEFT));
        }
        if kept.len() >= MAX_KEPT {
            kept.pop();
        }
        let place = kept.binary_search_by(|kept| kept.for_use.cmp(&for_use));
        let new = Kept {
            for_use,
            authorization: Zeroizing::new(authorization.to_owned()),
            exp,
        };
        match place {
            Ok(place) => {
                if let Some(old) = kept.get_mut(place) {
                    *old = new;
                }
            }
            Err(place) => kept.insert(place, new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_use(number: u64) -> Use {
        Use {
            kid: "k1".to_owned(),
            token: IdCode::from_bits(number),
            service: "orders".to_owned(),
        }
    }

    #[test]
    fn their_number_is_bounded_and_those_that_have_ended_go_first() {
        let tokens = ServiceTokens::default();
        let (now, later) = (Timestamp::from_secs(1000), Timestamp::from_secs(1060));
        for number in 0..MAX_KEPT as u64 {
            let end = if number < 10 { now } else { later };
            tokens.keep(for_use(number), "Bearer x", end, now);
        }
        tokens.keep(for_use(u64::MAX), "Bearer y", later, now);
        assert_eq!(tokens.0.borrow().len(), MAX_KEPT - 10 + 1);
        assert_eq!(tokens.find(&for_use(9), |_| true), None);
        assert_eq!(
            tokens.find(&for_use(10), |_| true).as_deref(),
            Some("Bearer x")
        );
        for number in 0..100 {
            tokens.keep(for_use(1_000_000 + number), "Bearer z", later, now);
        }
        assert_eq!(tokens.0.borrow().len(), MAX_KEPT);
    }

    #[test]
    fn a_new_token_takes_the_place_of_the_one_for_the_same_use() {
        let tokens = ServiceTokens::default();
        let now = Timestamp::from_secs(1000);
        for authorization in ["Bearer x", "Bearer y"] {
            tokens.keep(for_use(1), authorization, now, now);
        }
        assert_eq!(
            tokens.find(&for_use(1), |_| true).as_deref(),
            Some("Bearer y")
        );
        assert_eq!(tokens.find(&for_use(1), |_| false), None);
        assert!(!format!("{tokens:?}").contains("Bearer"));
    }
}
