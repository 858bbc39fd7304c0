//! The decision, in the order of `docs/decision.md`: each step can only end the request or hand it on.

use super::answer::{Answer, public_sentence};
use super::outcome::{Action, Forward, Known, Outcome, Record};
use super::{Gate, exchange};
use crate::access_token::{self, AccessTokenFault, Verified};
use crate::api_token::{self, ApiTokenFault};
use crate::canonical::{CanonicalPath, Host, HttpMethod};
use crate::config::Identity;
use crate::credential::Credential;
use crate::decision_id::DecisionId;
use crate::headers::HeaderMap;
use crate::policy::document::{Expiry, PublicAuthorization};
use crate::policy::{MethodRef, TokenRow};
use crate::random::Random;
use crate::reason::Reason;
use crate::request::RequestHead;
use crate::routes::Miss;
use crate::time::Timestamp;

/// Why a request is refused, and what was known of it by then.
pub(super) struct Refusal<'a> {
    pub(super) reason: Reason,
    /// More than the reason says, for faults that the caller can mend.
    detail: Option<String>,
    known: Known<'a>,
}

impl From<Reason> for Refusal<'_> {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            known: Known::default(),
        }
    }
}

impl<'a> Refusal<'a> {
    pub(super) fn knowing(reason: Reason, known: Known<'a>) -> Self {
        Self {
            reason,
            detail: None,
            known,
        }
    }
}

impl Gate {
    /// Decides on a request from its headers, encoded as the host hands them over.
    ///
    /// `now` is the wall clock's reading, or `None` if the clock is not to be trusted; `random` is asked only where an
    /// access token is made. Everything that goes wrong ends in an answer, never in a request that goes on.
    pub fn decide<'a>(
        &'a self,
        headers: &'a [u8],
        now: Option<Timestamp>,
        decision: DecisionId,
        random: &mut dyn Random,
    ) -> Outcome<'a> {
        let head = HeaderMap::decode(headers)
            .map_err(|_| Reason::HeadersUnreadable)
            .and_then(|headers| RequestHead::read(&headers));
        let head = match head {
            Ok(head) => head,
            Err(reason) => return self.refuse(reason.into(), decision, false),
        };
        let decided = match now {
            Some(now) => self.decide_head(&head, now, &decision, random),
            None => Err(Reason::Clock.into()),
        };
        match decided {
            Ok((action, reason, known)) => Outcome {
                action,
                record: self.record(decision, reason, known),
                grpc: head.grpc,
            },
            Err(refusal) => self.refuse(refusal, decision, head.grpc),
        }
    }

    /// The answer where the adapter itself has failed: a call to the host, or its own state.
    pub fn give_up(&self, reason: Reason, decision: DecisionId, grpc: bool) -> Outcome<'_> {
        self.refuse(reason.into(), decision, grpc)
    }

    fn decide_head<'a>(
        &'a self,
        head: &RequestHead<'a>,
        now: Timestamp,
        decision: &DecisionId,
        random: &mut dyn Random,
    ) -> Result<(Action<'a>, Reason, Known<'a>), Refusal<'a>> {
        let host = Host::canonicalise(head.authority.unwrap_or_default()).map_err(Reason::from)?;
        if !self.config.serves(host.as_str()) {
            return Err(Reason::WrongHost.into());
        }
        let method = HttpMethod::parse(head.method.unwrap_or_default())
            .map_err(|_| Reason::MethodMalformed)?;
        let path =
            CanonicalPath::parse(head.path.unwrap_or_default()).map_err(|fault| Refusal {
                reason: Reason::PathMalformed,
                detail: Some(format!("The path is refused: {fault}.")),
                known: Known::default(),
            })?;
        if path.has_access_token_query() {
            return Err(Reason::TokenInQuery.into());
        }
        if self.config.is_exchange(&path) {
            return exchange::answer(self, head, method.as_str(), &path, now, random);
        }
        if let Some(forward) = self.public(head, &host, method, &path) {
            return Ok((Action::Forward(forward), Reason::Public, Known::default()));
        }

        let token = self.authenticate(bearer(head)?, now)?;
        let mut known = Known {
            token: Some(token),
            method: None,
        };
        let found = self.policy.method(host.as_str(), method.as_str(), &path);
        let found = found.map_err(|miss| Refusal::knowing(reason_for(&miss), known))?;
        known.method = Some(found);
        if method.as_str() == "CONNECT"
            || !head
                .upgrades
                .iter()
                .all(|value| found.allows_upgrade(value))
        {
            return Err(Refusal::knowing(Reason::UpgradeNotListed, known));
        }
        if !self.policy.allows(found, &token) {
            return Err(Refusal::knowing(Reason::NotInAudience, known));
        }
        let forward = self.forward(head, found, &token, decision);
        Ok((Action::Forward(forward), Reason::Allowed, known))
    }

    /// The changes for a public route; `None` if the request is for none. No public route lists an upgrade, so a request
    /// for one is not public.
    fn public<'a>(
        &self,
        head: &RequestHead<'a>,
        host: &Host<'_>,
        method: HttpMethod<'_>,
        path: &CanonicalPath<'_>,
    ) -> Option<Forward<'a>> {
        if !head.upgrades.is_empty() {
            return None;
        }
        let authorization = self
            .policy
            .public_route(host.as_str(), method.as_str(), path)?;
        let mut remove: Vec<_> = head.forbidden_names(&[]).collect();
        if authorization == PublicAuthorization::Strip {
            remove.extend(head.authorization_names());
        }
        Some(Forward {
            remove,
            set: Vec::new(),
        })
    }

    /// The API token behind an access token, if both are good now.
    fn authenticate<'a>(
        &'a self,
        credential: &[u8],
        now: Timestamp,
    ) -> Result<TokenRow, Refusal<'a>> {
        let expected = access_token::Expected {
            issuer: &self.config.issuer,
            token_audience: &self.config.token_audience,
        };
        match access_token::verify(&self.keys, credential, &expected, now) {
            access_token::Outcome::Verified(claims) => self.api_token_of(&claims, now),
            access_token::Outcome::Refused(fault) => Err(Reason::from(fault).into()),
            // Not one of ours: the reason for the log tells whether it would have been good at the exchange.
            access_token::Outcome::NotOurs => match self.exchangeable(credential, now) {
                Ok(token) => Err(Refusal::knowing(
                    Reason::ApiTokenAtMethod,
                    Known {
                        token: Some(token),
                        method: None,
                    },
                )),
                Err(refusal) => Err(refusal),
            },
        }
    }

    /// The API token that an access token was made from, if an exchange would accept it now. So a token that is
    /// deactivated ends every access token that was made from it.
    fn api_token_of<'a>(
        &'a self,
        claims: &Verified,
        now: Timestamp,
    ) -> Result<TokenRow, Refusal<'a>> {
        let token = self
            .policy
            .token_by_id(&claims.client_id)
            .ok_or(Reason::AccessTokenOrphaned)?;
        self.in_force(&token, now)?;
        let refuse = |reason| {
            Refusal::knowing(
                reason,
                Known {
                    token: Some(token),
                    method: None,
                },
            )
        };
        let person = self
            .policy
            .person_of(&token)
            .ok_or_else(|| refuse(Reason::PersonInactive))?;
        if self.policy.store().id_text(person.id) != claims.sub {
            return Err(refuse(Reason::AccessTokenOtherPerson));
        }
        let valid_from = token.valid_from.max(person.valid_from);
        if valid_from.is_some_and(|valid_from| claims.iat < valid_from) {
            return Err(refuse(Reason::AccessTokenVoid));
        }
        Ok(token)
    }

    /// The API token that a credential is, if an exchange accepts it now.
    pub(super) fn exchangeable<'a>(
        &'a self,
        credential: &[u8],
        now: Timestamp,
    ) -> Result<TokenRow, Refusal<'a>> {
        let hash = api_token::inspect(credential).map_err(Reason::from)?;
        let token = self
            .policy
            .token_by_hash(&hash)
            .ok_or(Reason::ApiTokenUnknown)?;
        self.in_force(&token, now)?;
        Ok(token)
    }

    fn in_force<'a>(&'a self, token: &TokenRow, now: Timestamp) -> Result<(), Refusal<'a>> {
        let reason = if !token.active {
            Reason::ApiTokenDeactivated
        } else if matches!(token.expires_at, Expiry::At(end) if now >= end) {
            Reason::ApiTokenExpired
        } else if !self
            .policy
            .person_of(token)
            .is_some_and(|person| person.active)
        {
            Reason::PersonInactive
        } else {
            return Ok(());
        };
        Err(Refusal::knowing(
            reason,
            Known {
                token: Some(*token),
                method: None,
            },
        ))
    }

    /// The changes for an accepted call: nothing that claims to speak for the gateway stays, then the gateway speaks.
    fn forward<'a>(
        &self,
        head: &RequestHead<'a>,
        method: MethodRef<'_>,
        token: &TokenRow,
        decision: &DecisionId,
    ) -> Forward<'a> {
        let mut remove: Vec<_> = head.forbidden_names(method.allow_headers()).collect();
        remove.extend(head.authorization_names());
        let store = self.policy.store();
        let set = self.config.identity.iter().map(|identity| {
            let value = match identity {
                Identity::Person => self
                    .policy
                    .person_of(token)
                    .map(|person| store.id_text(person.id))
                    .unwrap_or_default(),
                Identity::Token => store.id_text(token.id),
                Identity::Service => method.service().to_owned(),
                Identity::Method => method.name().to_owned(),
                Identity::Decision => decision.to_string(),
            };
            (identity.header(), value)
        });
        Forward {
            remove,
            set: set.collect(),
        }
    }

    fn refuse<'a>(&'a self, refusal: Refusal<'a>, decision: DecisionId, grpc: bool) -> Outcome<'a> {
        let Refusal {
            reason,
            detail,
            known,
        } = refusal;
        // A refusal without a problem would be a defect of this module; it stays a refusal.
        let problem = reason
            .problem()
            .unwrap_or(crate::reason::Problem::Unavailable);
        let detail = detail
            .as_deref()
            .unwrap_or(public_sentence(problem, reason));
        let answer = Answer::refusal(
            problem,
            detail,
            &self.config.token_audience,
            &decision,
            grpc,
        );
        Outcome {
            action: Action::Answer(answer),
            record: self.record(decision, reason, known),
            grpc,
        }
    }

    fn record<'a>(&'a self, id: DecisionId, reason: Reason, known: Known<'a>) -> Record<'a> {
        let store = self.policy.store();
        let person = known
            .token
            .as_ref()
            .and_then(|token| self.policy.person_of(token));
        Record {
            id,
            reason,
            token: known.token.map(|token| store.id_text(token.id)),
            person: person.map(|person| store.id_text(person.id)),
            service: known.method.map(MethodRef::service),
            method: known.method.map(MethodRef::name),
        }
    }
}

/// The request's one Bearer token.
pub(super) fn bearer<'a>(head: &RequestHead<'a>) -> Result<&'a [u8], Reason> {
    match head.credential()? {
        Credential::Bearer(token) => Ok(token),
        Credential::None => Err(Reason::NoCredential),
        Credential::OtherScheme => Err(Reason::OtherScheme),
    }
}

fn reason_for(miss: &Miss) -> Reason {
    match miss {
        Miss::NoService => Reason::NoService,
        Miss::NoPath { .. } => Reason::NoPath,
        Miss::NoHttpMethod { .. } => Reason::NoHttpMethod,
        Miss::Ambiguous { .. } => Reason::AmbiguousPath,
    }
}

impl From<ApiTokenFault> for Reason {
    fn from(fault: ApiTokenFault) -> Self {
        match fault {
            ApiTokenFault::WrongLength
            | ApiTokenFault::NotBase62
            | ApiTokenFault::WrongChecksum => Self::ApiTokenMalformed,
            ApiTokenFault::WrongKind => Self::CredentialOfOtherKind,
            ApiTokenFault::TooShort => Self::ApiTokenTooShort,
            ApiTokenFault::TooLong => Self::CredentialTooLong,
        }
    }
}

impl From<AccessTokenFault> for Reason {
    fn from(fault: AccessTokenFault) -> Self {
        match fault {
            AccessTokenFault::Malformed | AccessTokenFault::BadClaims => Self::AccessTokenMalformed,
            AccessTokenFault::BadSignature => Self::AccessTokenForged,
            AccessTokenFault::KeyRevoked => Self::AccessTokenKeyRevoked,
            AccessTokenFault::KeyExpired => Self::AccessTokenKeyExpired,
            AccessTokenFault::RootMissing => Self::AccessTokenKeyMissing,
            AccessTokenFault::WrongIssuer => Self::AccessTokenWrongIssuer,
            AccessTokenFault::WrongAudience => Self::AccessTokenWrongAudience,
            AccessTokenFault::Expired => Self::AccessTokenExpired,
            AccessTokenFault::IssuedInFuture | AccessTokenFault::NotYetValid => {
                Self::AccessTokenFromFuture
            }
        }
    }
}
