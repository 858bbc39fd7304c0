//! Why a request was answered as it was: one word for logs, metrics and filter state, and the public problem behind it.
//!
//! Many reasons share one [`Problem`], since a caller must not learn from the answer whether a token is unknown,
//! expired, deactivated or of the wrong kind (RFC 7662, section 2.2, asks the same of introspection).

use crate::canonical::AuthorityFault;
use crate::credential::CredentialFault;
use crate::request::RequestFault;

/// What a caller is told: a stable code, a status and a sentence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Problem {
    /// No usable credential was sent.
    Unauthenticated,
    /// The credential is not good here and now; one answer for every cause.
    InvalidToken,
    /// The request itself is malformed.
    InvalidRequest,
    /// The path differs from a method's only in the case of letters.
    AmbiguousPath,
    /// The caller is known and not in the audience.
    InsufficientScope,
    /// No method of the policy has this host, path and HTTP method.
    NoRule,
    /// The method does not list this upgrade.
    Upgrade,
    /// The authority is none of the gateway's.
    Misdirected,
    /// The exchange takes POST only.
    MethodNotAllowed,
    /// The grant type is none that the exchange offers (RFC 6749, section 5.2).
    UnsupportedGrantType,
    /// Tokens have no scopes here (RFC 6749, section 5.2).
    InvalidScope,
    /// The exchange makes no token for that target (RFC 8693, section 2.2.2).
    InvalidTarget,
    /// The body is longer than the exchange reads.
    ContentTooLarge,
    /// The body has not arrived in time.
    RequestTimeout,
    /// The gateway cannot decide; nothing was let through.
    Unavailable,
}

impl Problem {
    /// The code in the problem's `type`, and in tests and documents.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidToken => "invalid_token",
            Self::InvalidRequest => "invalid_request",
            Self::AmbiguousPath => "ambiguous_path",
            Self::InsufficientScope => "insufficient_scope",
            Self::NoRule => "no_rule",
            Self::Upgrade => "upgrade",
            Self::Misdirected => "misdirected",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ContentTooLarge => "content_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated | Self::InvalidToken => 401,
            Self::InvalidRequest
            | Self::AmbiguousPath
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget => 400,
            Self::ContentTooLarge => 413,
            Self::RequestTimeout => 408,
            Self::InsufficientScope | Self::NoRule | Self::Upgrade => 403,
            Self::Misdirected => 421,
            Self::MethodNotAllowed => 405,
            Self::Unavailable => 503,
        }
    }

    /// The problem's `title` (RFC 9457, section 3.1.3).
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unauthenticated => "Credential required",
            Self::InvalidToken => "Invalid token",
            Self::InvalidRequest => "Invalid request",
            Self::AmbiguousPath => "Ambiguous path",
            Self::InsufficientScope => "Not in the audience",
            Self::NoRule => "No such method",
            Self::Upgrade => "Upgrade not allowed",
            Self::Misdirected => "Misdirected request",
            Self::MethodNotAllowed => "Method not allowed",
            Self::UnsupportedGrantType => "Unsupported grant type",
            Self::InvalidScope => "Invalid scope",
            Self::InvalidTarget => "Invalid target",
            Self::ContentTooLarge => "Content too large",
            Self::RequestTimeout => "Request timeout",
            Self::Unavailable => "Temporarily unavailable",
        }
    }

    /// The gRPC status for the same answer. `HTTP 400` would otherwise become 13 INTERNAL in Envoy.
    pub const fn grpc_status(self) -> u32 {
        match self {
            Self::InvalidRequest
            | Self::AmbiguousPath
            | Self::MethodNotAllowed
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::ContentTooLarge
            | Self::RequestTimeout => 3,
            Self::Misdirected => 5,
            Self::InsufficientScope | Self::NoRule | Self::Upgrade => 7,
            Self::Unavailable => 14,
            Self::Unauthenticated | Self::InvalidToken => 16,
        }
    }
}

/// Declares the reasons once: variant, word, problem (none where the request went well), sentence.
macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident = $word:literal, $problem:expr, $sentence:literal;)*) => {
        /// Why a request was answered as it was.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $sentence] $(#[$meta])* $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of their indices.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for logs, metrics and filter state.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What the caller is told, or `None` where the request was let through or answered well.
            pub const fn problem(self) -> Option<Problem> {
                match self { $(Self::$variant => $problem,)* }
            }

            /// One sentence that says what is wrong.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

reasons! {
    Allowed = "allowed", None, "The call is in the method's audience.";
    Public = "public", None, "The route is public.";
    Exchanged = "exchanged", None, "An API token was exchanged for an access token.";
    Preflight = "preflight", None, "A CORS preflight was passed on to a service that asks for it.";
    KeySet = "key_set", None, "The public keys of service tokens were told.";
    Ready = "ready", None, "The gateway said that it is ready.";

    AuthorityMissing = "authority_missing", Some(Problem::InvalidRequest), "The request names no authority.";
    AuthorityUserinfo = "authority_userinfo", Some(Problem::InvalidRequest), "The authority contains userinfo.";
    AuthorityMalformed = "authority_malformed", Some(Problem::InvalidRequest), "The authority is malformed.";
    WrongHost = "wrong_host", Some(Problem::Misdirected), "This gateway does not serve the requested authority.";
    MethodMalformed = "method_malformed", Some(Problem::InvalidRequest), "The HTTP method is missing or not a token.";
    PathMalformed = "path_malformed", Some(Problem::InvalidRequest), "The path is missing or not in canonical form.";
    TokenInQuery = "token_in_query", Some(Problem::InvalidRequest), "A token in the query is not accepted; send it in the Authorization header.";
    PseudoHeaderRepeated = "pseudo_header_repeated", Some(Problem::InvalidRequest), "A pseudo-header is repeated.";

    ConnectionNamesOurs = "connection_names_ours", Some(Problem::InvalidRequest), "The Connection header names a header that the gateway sets.";

    NoCredential = "no_credential", Some(Problem::Unauthenticated), "No credential was sent.";
    OtherScheme = "other_scheme", Some(Problem::Unauthenticated), "The Authorization scheme is not Bearer.";
    SeveralCredentials = "several_credentials", Some(Problem::InvalidRequest), "More than one credential was sent.";
    CredentialMalformed = "credential_malformed", Some(Problem::InvalidRequest), "The Authorization header is not the word Bearer, a space and one token.";
    CredentialTooLong = "credential_too_long", Some(Problem::InvalidRequest), "The credential is longer than 8 KiB.";

    ApiTokenUnknown = "api_token_unknown", Some(Problem::InvalidToken), "No API token has this hash.";
    ApiTokenMalformed = "api_token_malformed", Some(Problem::InvalidToken), "The credential has the prefix of an API token but not its length, alphabet or checksum.";
    ApiTokenTooShort = "api_token_too_short", Some(Problem::InvalidToken), "The credential is shorter than any API token.";
    ApiTokenDeactivated = "api_token_deactivated", Some(Problem::InvalidToken), "The API token is deactivated.";
    ApiTokenExpired = "api_token_expired", Some(Problem::InvalidToken), "The API token has expired.";
    PersonInactive = "person_inactive", Some(Problem::InvalidToken), "The API token's person is inactive.";
    ApiTokenAtMethod = "api_token_at_method", Some(Problem::InvalidToken), "An API token was sent where an access token belongs.";
    AccessTokenAtExchange = "access_token_at_exchange", Some(Problem::InvalidToken), "An access token was sent to the exchange.";
    CredentialOfOtherKind = "credential_of_other_kind", Some(Problem::InvalidToken), "A gateway's or an operator's credential was sent.";

    ServiceTokenPresented = "service_token_presented", Some(Problem::InvalidToken), "A service token was sent; it is good at its upstream alone.";
    ClientMismatch = "client_mismatch", Some(Problem::InvalidToken), "The client id is not the id of the API token that was sent as its secret.";
    ClientMalformed = "client_malformed", Some(Problem::InvalidToken), "The Basic credentials hold no id and secret.";

    AccessTokenMalformed = "access_token_malformed", Some(Problem::InvalidToken), "The access token cannot be read.";
    AccessTokenForged = "access_token_forged", Some(Problem::InvalidToken), "The access token's signature does not fit.";
    AccessTokenKeyRevoked = "access_token_key_revoked", Some(Problem::InvalidToken), "The access token's key is revoked.";
    AccessTokenKeyExpired = "access_token_key_expired", Some(Problem::InvalidToken), "The access token's key has passed its end.";
    AccessTokenKeyMissing = "access_token_key_missing", Some(Problem::InvalidToken), "This gateway lacks the root of the access token's key.";
    AccessTokenWrongIssuer = "access_token_wrong_issuer", Some(Problem::InvalidToken), "The access token is another issuer's.";
    AccessTokenWrongAudience = "access_token_wrong_audience", Some(Problem::InvalidToken), "The access token is for another token audience.";
    AccessTokenOtherService = "access_token_other_service", Some(Problem::InvalidToken), "The access token is narrowed to another service.";
    AccessTokenNotAccepted = "access_token_not_accepted", Some(Problem::InvalidToken), "The service takes API tokens alone.";
    AccessTokenExpired = "access_token_expired", Some(Problem::InvalidToken), "The access token has expired.";
    AccessTokenFromFuture = "access_token_from_future", Some(Problem::InvalidToken), "The access token is dated more than a minute ahead.";
    AccessTokenVoid = "access_token_void", Some(Problem::InvalidToken), "The access token was issued before its API token's or person's valid_from.";
    AccessTokenOrphaned = "access_token_orphaned", Some(Problem::InvalidToken), "The access token's API token is not in the policy.";
    AccessTokenOtherPerson = "access_token_other_person", Some(Problem::InvalidToken), "The access token names another person than its API token.";

    NoService = "no_service", Some(Problem::NoRule), "No service has this host and path.";
    NoPath = "no_path", Some(Problem::NoRule), "The service has no method with this path.";
    NoHttpMethod = "no_http_method", Some(Problem::NoRule), "The service has no method with this path and HTTP method.";
    AmbiguousPath = "ambiguous_path", Some(Problem::AmbiguousPath), "The path differs from a method's path only in the case of letters or in percent-encoding.";
    UpgradeNotListed = "upgrade_not_listed", Some(Problem::Upgrade), "The method does not list this upgrade.";
    NotInAudience = "not_in_audience", Some(Problem::InsufficientScope), "The caller is not in the audience of the method.";

    ExchangeMethod = "exchange_method", Some(Problem::MethodNotAllowed), "The exchange takes POST only.";
    ExchangeQuery = "exchange_query", Some(Problem::InvalidRequest), "The exchange takes no query.";
    FormUnsupported = "form_unsupported", Some(Problem::Unauthenticated), "The exchange takes client credentials by Basic alone.";
    FormMalformed = "form_malformed", Some(Problem::InvalidRequest), "The form lacks grant_type or subject_token, or is no form.";
    FormRepeats = "form_repeats", Some(Problem::InvalidRequest), "A parameter of the form is there twice.";
    GrantTypeUnsupported = "grant_type_unsupported", Some(Problem::UnsupportedGrantType), "The grant type is not that of a token exchange.";
    TokenTypeUnsupported = "token_type_unsupported", Some(Problem::InvalidRequest), "The exchange takes an API token and gives an access token, no other types.";
    ScopeUnsupported = "scope_unsupported", Some(Problem::InvalidScope), "Access tokens have no scopes; a person's audiences say what may be called.";
    ResourceUnsupported = "resource_unsupported", Some(Problem::InvalidTarget), "Name a service in audience instead of a resource.";
    ActorUnsupported = "actor_unsupported", Some(Problem::InvalidRequest), "The exchange knows no actor.";
    AudienceUnknown = "audience_unknown", Some(Problem::InvalidTarget), "The audience names no service.";
    FormTooLong = "form_too_long", Some(Problem::ContentTooLarge), "The form is longer than 16 KiB.";
    FormTimeout = "form_timeout", Some(Problem::RequestTimeout), "The form has not arrived in time.";
    TooManyForms = "too_many_forms", Some(Problem::Unavailable), "Too many forms are on their way at once.";
    MetadataMethod = "metadata_method", Some(Problem::MethodNotAllowed), "This path takes GET and HEAD only.";

    NoKey = "no_key", Some(Problem::Unavailable), "No key can sign access tokens here and now.";
    NoPolicy = "no_policy", Some(Problem::Unavailable), "The gateway has no policy yet.";
    PolicyStale = "policy_stale", Some(Problem::Unavailable), "The gateway's policy is too old to decide by.";
    Clock = "clock", Some(Problem::Unavailable), "The gateway's clock cannot be trusted.";
    Randomness = "randomness", Some(Problem::Unavailable), "The gateway has no randomness.";
    HostCall = "host_call", Some(Problem::Unavailable), "A call of the filter to its host failed.";
    HeadersUnreadable = "headers_unreadable", Some(Problem::Unavailable), "The filter could not read the request's headers.";
    NotConfigured = "not_configured", Some(Problem::Unavailable), "The filter has no configuration for this request.";
}

impl Reason {
    /// The reason's place in [`Reason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl From<RequestFault> for Reason {
    fn from(fault: RequestFault) -> Self {
        match fault {
            RequestFault::PseudoHeaderRepeated => Self::PseudoHeaderRepeated,
            RequestFault::ConnectionNamesOurs => Self::ConnectionNamesOurs,
        }
    }
}

impl From<AuthorityFault> for Reason {
    fn from(fault: AuthorityFault) -> Self {
        match fault {
            AuthorityFault::Missing => Self::AuthorityMissing,
            AuthorityFault::Userinfo => Self::AuthorityUserinfo,
            AuthorityFault::Malformed | AuthorityFault::Port => Self::AuthorityMalformed,
        }
    }
}

impl From<CredentialFault> for Reason {
    fn from(fault: CredentialFault) -> Self {
        match fault {
            CredentialFault::Several => Self::SeveralCredentials,
            CredentialFault::Malformed => Self::CredentialMalformed,
            CredentialFault::TooLong => Self::CredentialTooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own_and_an_index_that_finds_it() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
    }

    #[test]
    fn sentences_fit_into_an_error_description() {
        // RFC 6750, section 3: %x20-21 / %x23-5B / %x5D-7E.
        for reason in Reason::ALL {
            let fits = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(reason.sentence().bytes().all(fits), "{}", reason.as_str());
        }
    }
}
