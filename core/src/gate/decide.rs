//! The decision, in the order of `docs/decision.md`: each step can only end the request or hand it on.

use super::answer::{Answer, Refused, public_sentence};
use super::outcome::{Action, Forward, Known, Outcome, Record, Terms, Value};
use super::{Gate, Standing, exchange};
use crate::access_token::{self, AccessTokenFault, Facts, verify_or_remember};
use crate::api_token::{self, ApiTokenFault};
use crate::canonical::{CanonicalPath, Host, HttpMethod};
use crate::config::{Identity, OwnPath};
use crate::credential::Credential;
use crate::decision_id::DecisionId;
use crate::few::Few;
use crate::headers::HeaderMap;
use crate::id::looks_secret_bytes;
use crate::oauth::basic::{ClientCredentials, is_basic};
use crate::policy::document::{self, Accept, Expiry, Preflight, PublicAuthorization};
use crate::policy::{MethodRef, TokenRow};
use crate::random::Random;
use crate::reason::{Problem, Reason};
use crate::request::{RequestHead, is_reserved};
use crate::routes::Miss;
use crate::time::Timestamp;

/// What a step has come to.
pub(super) type Decided<'a> = Result<(Action<'a>, Reason, Known<'a>), Refusal<'a>>;

/// Why a request is refused, and what was known of it by then.
pub(super) struct Refusal<'a> {
    reason: Reason,
    /// More than the reason says, for faults that the caller can mend.
    detail: Option<String>,
    known: Known<'a>,
    /// The terms of the endpoint that refuses, if they are not the caller's.
    terms: Option<Terms>,
}

impl From<Reason> for Refusal<'_> {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            known: Known::default(),
            terms: None,
        }
    }
}

impl<'a> Refusal<'a> {
    pub(super) fn knowing(reason: Reason, known: Known<'a>) -> Self {
        Self {
            known,
            ..reason.into()
        }
    }

    pub(super) fn in_terms(reason: Reason, terms: Terms) -> Self {
        Self::from(reason).put_in(terms)
    }

    pub(super) fn put_in(mut self, terms: Terms) -> Self {
        self.terms = Some(terms);
        self
    }
}

/// A credential that is good here and now.
pub(super) struct Presented {
    /// The API token that it is, or was made from.
    pub(super) token: TokenRow,
    /// When it ends.
    pub(super) exp: Timestamp,
    kind: Accept,
    /// The service that it is narrowed to.
    service: Option<Box<str>>,
}

impl Gate {
    /// Decides on a request from its headers, encoded as the host hands them over.
    ///
    /// `end_of_stream` says that no body follows; `now` is the wall clock's reading, or `None` if the clock is not to be
    /// trusted; `random` is asked only where a token is made. Everything that goes wrong ends in an answer, never in a
    /// request that goes on; but in shadow mode the request goes on as it came.
    pub fn decide<'a>(
        &'a self,
        headers: &'a [u8],
        end_of_stream: bool,
        now: Option<Timestamp>,
        decision: DecisionId,
        random: &mut dyn Random,
    ) -> Outcome<'a> {
        let head = HeaderMap::decode(headers)
            .map_err(|_| Reason::HeadersUnreadable)
            .and_then(|headers| Ok(RequestHead::read(&headers, end_of_stream)?));
        let head = match head {
            Ok(head) => head,
            Err(reason) => {
                let mut outcome = self.give_up(reason, decision, Terms::Problem);
                // What contradicts itself has names all the same; what cannot be read has none that could be removed.
                if let Ok(headers) = HeaderMap::decode(headers) {
                    let names = headers.iter().map(|(name, _)| name);
                    self.only_count(&mut outcome, now, names.filter(|name| is_reserved(name)));
                }
                return outcome;
            }
        };
        let terms = if head.grpc {
            Terms::Grpc
        } else {
            Terms::Problem
        };
        let decided = match (self.standing, now) {
            (Standing::NoPolicy, _) => Err(Reason::NoPolicy.into()),
            (Standing::Stale, _) => Err(Reason::PolicyStale.into()),
            (Standing::Good, None) => Err(Reason::Clock.into()),
            (Standing::Good, Some(now)) => self.decide_head(&head, now, &decision, random),
        };
        let mut outcome = self.outcome(decided, decision, terms);
        self.only_count(&mut outcome, now, head.reserved_names());
        outcome
    }

    /// In shadow mode, lets a request go on but for these headers, whatever was decided.
    fn only_count<'a>(
        &self,
        outcome: &mut Outcome<'a>,
        now: Option<Timestamp>,
        reserved: impl Iterator<Item = &'a [u8]>,
    ) {
        if now.is_some_and(|now| self.config.is_shadow(now)) {
            outcome.record.shadow = true;
            outcome.action = Action::Forward(Forward {
                remove: reserved.collect(),
                set: Few::default(),
            });
        }
    }

    /// Decides on the form that [`Action::AwaitForm`] asked for.
    pub fn decide_form(
        &self,
        form: &[u8],
        now: Option<Timestamp>,
        decision: DecisionId,
        random: &mut dyn Random,
    ) -> Outcome<'_> {
        let reason = match self.standing {
            Standing::NoPolicy => Reason::NoPolicy,
            Standing::Stale => Reason::PolicyStale,
            Standing::Good => return exchange::answer_form(self, form, now, decision, random),
        };
        self.give_up(reason, decision, Terms::OAuthForm)
    }

    /// The answer where the adapter itself has failed: a call to the host, or its own state.
    pub fn give_up(&self, reason: Reason, decision: DecisionId, terms: Terms) -> Outcome<'_> {
        self.outcome(Err(reason.into()), decision, terms)
    }

    fn decide_head<'a>(
        &'a self,
        head: &RequestHead<'a>,
        now: Timestamp,
        decision: &DecisionId,
        random: &mut dyn Random,
    ) -> Decided<'a> {
        let host = Host::canonicalise(head.authority.unwrap_or_default()).map_err(Reason::from)?;
        if !self.config.serves(host.as_str()) {
            return Err(Reason::WrongHost.into());
        }
        let method = HttpMethod::parse(head.method.unwrap_or_default())
            .map_err(|_| Reason::MethodMalformed)?;
        let path =
            CanonicalPath::parse(head.path.unwrap_or_default()).map_err(|fault| Refusal {
                detail: Some(format!("The path is refused: {fault}.")),
                ..Reason::PathMalformed.into()
            })?;
        if path.has_access_token_query() {
            return Err(Reason::TokenInQuery.into());
        }
        match self.config.own_path(&path) {
            None => {}
            Some(OwnPath::Exchange) => {
                return exchange::seed(self, head, method.as_str(), &path, now, random);
            }
            Some(OwnPath::OAuth) => {
                return exchange::oauth(self, head, method.as_str(), &path, now, random);
            }
            Some(OwnPath::KeySet) => return self.key_set(method.as_str(), now),
            Some(OwnPath::Ready) => return self.readiness(method.as_str(), now),
        }
        if let Some(passed) = self.without_credential(head, &host, method, &path) {
            return Ok(passed);
        }

        let presented = self.authenticate(bearer(head)?, now)?;
        let mut known = Known::token(presented.token);
        let found = self.policy.method(host.as_str(), method.as_str(), &path);
        let found = found.map_err(|miss| {
            // Where no service takes an API token, it is not a credential; what the gateway has is not told to it.
            let told = presented.kind == Accept::Access || self.takes_api_tokens(&miss);
            let reason = if told {
                reason_for(&miss)
            } else {
                Reason::ApiTokenAtMethod
            };
            Refusal::knowing(reason, known)
        })?;
        if !found.accepts(presented.kind) {
            let reason = match presented.kind {
                Accept::Access => Reason::AccessTokenNotAccepted,
                Accept::Api => Reason::ApiTokenAtMethod,
            };
            return Err(Refusal::knowing(reason, known));
        }
        known.method = Some(found);
        let refuse = |reason| Err(Refusal::knowing(reason, known));
        if presented
            .service
            .as_deref()
            .is_some_and(|service| service != found.service())
        {
            return refuse(Reason::AccessTokenOtherService);
        }
        if method.as_str() == "CONNECT"
            || !head
                .upgrades
                .iter()
                .all(|value| found.allows_upgrade(value))
        {
            return refuse(Reason::UpgradeNotListed);
        }
        if !self.policy.allows(found, &presented.token) {
            return refuse(Reason::NotInAudience);
        }
        let mut forward = self.forward(head, found, &presented.token, decision);
        match found.forwards() {
            document::Forward::Strip => forward.remove.extend(head.authorization_names()),
            document::Forward::Reissue => {
                let token = self.reissued(&presented, found, now, random);
                let token = token.map_err(|reason| Refusal::knowing(reason, known))?;
                forward.set.push(("authorization", Value::Secret(token)));
            }
        }
        Ok((Action::Forward(forward), Reason::Allowed, known))
    }

    /// A preflight or a public route, which need no credential; `None` if the request is for neither.
    fn without_credential<'a>(
        &'a self,
        head: &RequestHead<'a>,
        host: &Host<'_>,
        method: HttpMethod<'_>,
        path: &CanonicalPath<'_>,
    ) -> Option<(Action<'a>, Reason, Known<'a>)> {
        let passed = |forward, reason| Some((Action::Forward(forward), reason, Known::default()));
        if head.is_preflight(method.as_str())
            && self.policy.preflight(host.as_str(), path) == Preflight::Pass
        {
            let remove = head.forbidden_names(&[]).collect();
            return passed(
                Forward {
                    remove,
                    set: Few::default(),
                },
                Reason::Preflight,
            );
        }
        let forward = self.public(head, host, method, path)?;
        passed(forward, Reason::Public)
    }

    /// Whether it is a service that takes API tokens whose methods a path has missed.
    fn takes_api_tokens(&self, miss: &Miss) -> bool {
        match *miss {
            Miss::NoPath { service }
            | Miss::NoHttpMethod { service }
            | Miss::Ambiguous {
                service: Some(service),
            } => self.policy.accepts(service, Accept::Api),
            Miss::NoService | Miss::Ambiguous { service: None } => false,
        }
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
        let mut remove: Few<_> = head.forbidden_names(&[]).collect();
        if authorization == PublicAuthorization::Strip || self.is_ours(head) {
            remove.extend(head.authorization_names());
        }
        Some(Forward {
            remove,
            set: Few::default(),
        })
    }

    /// Whether `Authorization` may hold a token of ours, which no upstream may see. What cannot be read may.
    fn is_ours(&self, head: &RequestHead<'_>) -> bool {
        let is_token = |token: &[u8]| {
            let header = access_token::first_segment(token).unwrap_or_default();
            looks_secret_bytes(token)
                || self.keys.by_header(header).is_some()
                || self.keys.is_service_header(header)
        };
        match (head.credential(), head.authorization()) {
            (Ok(Credential::Bearer(token)), _) => is_token(token),
            (Ok(_), Ok(Some(value))) if is_basic(value) => ClientCredentials::read(value)
                .is_some_and(|credentials| is_token(&credentials.secret)),
            (Ok(_), Ok(_)) => false,
            _ => true,
        }
    }

    /// What a credential is, if it is good now.
    fn authenticate<'a>(
        &'a self,
        credential: &[u8],
        now: Timestamp,
    ) -> Result<Presented, Refusal<'a>> {
        let header = access_token::first_segment(credential);
        if let Some(key) = header.and_then(|header| self.keys.by_header(header)) {
            let expected = access_token::Expected {
                issuer: &self.config.issuer,
                token_audience: &self.config.token_audience,
            };
            let facts = verify_or_remember(&self.keys, key, credential, &expected, now)
                .map_err(Reason::from)?;
            return Ok(Presented {
                token: self.api_token_of(&facts, now)?,
                exp: facts.exp,
                kind: Accept::Access,
                service: facts.service,
            });
        }
        if header.is_some_and(|header| self.keys.is_service_header(header)) {
            return Err(Reason::ServiceTokenPresented.into());
        }
        let token = self.exchangeable(credential, now)?;
        let exp = match token.expires_at {
            Expiry::At(end) => end,
            Expiry::Never => Timestamp::MAX,
        };
        Ok(Presented {
            token,
            exp,
            kind: Accept::Api,
            service: None,
        })
    }

    /// The API token that an access token was made from, if an exchange would accept it now. So a token that is
    /// deactivated ends every access token that was made from it.
    fn api_token_of<'a>(&'a self, facts: &Facts, now: Timestamp) -> Result<TokenRow, Refusal<'a>> {
        let store = self.policy.store();
        let token = store
            .code_of(&facts.client_id)
            .and_then(|id| self.policy.token(id))
            .ok_or(Reason::AccessTokenOrphaned)?;
        self.in_force(&token, now)?;
        let refuse = |reason| Refusal::knowing(reason, Known::token(token));
        let person = self
            .policy
            .person_of(&token)
            .ok_or_else(|| refuse(Reason::PersonInactive))?;
        if store.code_of(&facts.sub) != Some(person.id) {
            return Err(refuse(Reason::AccessTokenOtherPerson));
        }
        let valid_from = token.valid_from.max(person.valid_from);
        if valid_from.is_some_and(|valid_from| facts.iat < valid_from) {
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

    pub(super) fn in_force<'a>(
        &'a self,
        token: &TokenRow,
        now: Timestamp,
    ) -> Result<(), Refusal<'a>> {
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
        Err(Refusal::knowing(reason, Known::token(*token)))
    }

    /// The changes for an accepted call: nothing that claims to speak for the gateway stays, then the gateway speaks.
    fn forward<'a>(
        &'a self,
        head: &RequestHead<'a>,
        method: MethodRef<'a>,
        token: &TokenRow,
        decision: &DecisionId,
    ) -> Forward<'a> {
        let remove = head.forbidden_names(method.allow_headers()).collect();
        let store = self.policy.store();
        let set = self.config.identity.iter().map(|identity| {
            let value = match identity {
                Identity::Person => {
                    let person = self.policy.person_of(token);
                    person.map_or(Value::Name(""), |person| {
                        Value::Id(store.id_text(person.id))
                    })
                }
                Identity::Token => Value::Id(store.id_text(token.id)),
                Identity::Service => Value::Name(method.service()),
                Identity::Method => Value::Name(method.name()),
                Identity::Decision => Value::Decision(*decision),
            };
            (identity.header(), value)
        });
        Forward {
            remove,
            set: set.collect(),
        }
    }

    /// What a step has come to, as the host is told it.
    pub(super) fn outcome<'a>(
        &'a self,
        decided: Decided<'a>,
        decision: DecisionId,
        terms: Terms,
    ) -> Outcome<'a> {
        let (action, reason, known, terms) = match decided {
            Ok((action, reason, known)) => (action, reason, known, terms),
            Err(refusal) => {
                let terms = refusal.terms.unwrap_or(terms);
                let answer = self.refusal(&refusal, &decision, terms);
                (Action::Answer(answer), refusal.reason, refusal.known, terms)
            }
        };
        Outcome {
            action,
            record: self.record(decision, reason, known),
            terms,
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>, decision: &DecisionId, terms: Terms) -> Answer {
        let reason = refusal.reason;
        // A refusal without a problem would be a defect of this module; it stays a refusal.
        let problem = reason.problem().unwrap_or(Problem::Unavailable);
        let detail = refusal.detail.as_deref();
        let refused = Refused {
            problem,
            detail: detail.unwrap_or(public_sentence(problem, reason)),
            allow: if reason == Reason::MetadataMethod {
                "GET, HEAD"
            } else {
                "POST"
            },
            realm: &self.config.token_audience,
            decision,
        };
        Answer::refusal(&refused, terms)
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
            shadow: false,
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
