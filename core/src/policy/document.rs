//! The policy as an operator writes it: one JSON document, and the records that the feed will carry.
//!
//! These types only say what may be written. What must also hold between the records is
//! in [`Store`](super::Store), and for the whole in [`Policy`](super::Policy).

use serde::{Deserialize, Serialize};

use crate::api_token::TokenHash;
use crate::json::{present, strictly_read, written};
use crate::time::Timestamp;

/// A whole policy, as in a file or inline in the plugin's configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Document {
    /// The version of this vocabulary; must be [`Document::FORMAT`].
    pub format: u32,
    /// Keys that sign and verify access tokens.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// The names that a person's `roles` and an audience's `roles` may use.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The identities whose permissions apply.
    #[serde(default)]
    pub persons: Vec<Person>,
    /// The API tokens, by hash.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// The parts of the API behind the gateway.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Routes that need no credential.
    #[serde(default)]
    pub public: Vec<PublicRoute>,
    /// Who is exempt from audiences that do not say `enforce`. Absent: nobody.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub bypass: Option<Bypass>,
}

impl Document {
    /// The only format there is so far.
    pub const FORMAT: u32 = 1;
}

/// A key by name; its secret is derived from a root key that only the gateways hold.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Key {
    /// The key's id, as it stands in a token's header.
    pub kid: String,
    /// The id of the root key that it is derived from.
    pub root: String,
    /// From when the key signs. It verifies before that too, so that a gateway that is behind still understands it.
    pub active_from: Timestamp,
    /// From when the key no longer verifies. Absent: no end is planned.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub not_after: Option<Timestamp>,
    /// A revoked key neither signs nor verifies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// An identity: what a token acts for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Person {
    /// Never reused.
    pub id: String,
    /// What the person may do, through the audiences that name these roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// An inactive person's tokens are refused.
    pub active: bool,
    /// Access tokens issued before this instant are void.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_from: Option<Timestamp>,
}

/// An API token, known by its hash only.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Token {
    /// Never reused.
    pub id: String,
    /// The person it acts for; never changes.
    pub person: String,
    /// `sha256:` and the hash of the whole token in lower-case hexadecimal.
    pub hash: TokenHash,
    /// When it ends. `"never"` is a word, not an absence.
    pub expires_at: Expiry,
    /// A deactivated token is refused.
    pub active: bool,
    /// Access tokens issued before this instant are void.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_from: Option<Timestamp>,
}

/// When an API token ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Expiry {
    /// Refused from this instant on.
    At(Timestamp),
    /// Good until it is deactivated or deleted.
    Never,
}

impl TryFrom<String> for Expiry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "never" {
            return Ok(Self::Never);
        }
        Timestamp::parse(&text)
            .map(Self::At)
            .map_err(|fault| format!("{fault}; or the word \"never\""))
    }
}

impl From<Expiry> for String {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::At(instant) => instant.to_string(),
            Expiry::Never => "never".to_owned(),
        }
    }
}

/// A named part of the API behind the gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Service {
    /// Unique; goes into logs and, where configured, an identity header.
    pub name: String,
    /// The authorities it answers at, without port.
    pub hosts: Vec<String>,
    /// Where its methods begin, in whole segments, literals only.
    pub base_path: String,
    /// What becomes of the caller's `Authorization`.
    #[serde(default)]
    pub forward: Forward,
    /// Which credentials its methods take.
    #[serde(default = "access_only")]
    pub accept: Vec<Accept>,
    /// Whether a segment that differs from a literal only in ASCII case is that literal.
    #[serde(default)]
    pub case: Case,
    /// What becomes of a CORS preflight, which cannot carry a credential.
    #[serde(default)]
    pub preflight: Preflight,
    /// Who may call its methods, where a method does not say otherwise.
    pub audience: Audience,
    /// Its methods.
    pub methods: Vec<Method>,
}

fn access_only() -> Vec<Accept> {
    vec![Accept::Access]
}

/// What becomes of the caller's `Authorization` header on an accepted call.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum Forward {
    /// It is removed.
    #[default]
    Strip,
    /// A service token takes its place, which the upstream verifies.
    Reissue,
}

/// A kind of credential that a service's methods take.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum Accept {
    /// An access token from an exchange.
    Access,
    /// An API token itself, exchanged on the way.
    Api,
}

/// What becomes of a CORS preflight.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum Preflight {
    /// It needs a credential like any request, so browsers fail.
    #[default]
    Refuse,
    /// It goes on to the upstream, which answers it.
    Pass,
}

/// How a service compares literal segments.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum Case {
    /// Exactly; a segment that differs from a literal only in ASCII case is refused as ambiguous.
    #[default]
    Sensitive,
    /// ASCII letters of either case are the same.
    Insensitive,
}

/// One HTTP method and path of a service.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Method {
    /// Unique in its service.
    pub name: String,
    /// HTTP methods, case-sensitive (RFC 9110, section 9.1).
    pub http: Vec<String>,
    /// A pattern below the service's base path: literals, `{name}` for one segment, `{*name}` for the rest.
    pub path: String,
    /// Who may call it. Absent: the service's audience.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub audience: Option<Audience>,
    /// Names of the protocols that a caller may upgrade to, such as `websocket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upgrade: Vec<String>,
    /// Override headers that this method's upstream needs, such as `x-http-method-override`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
}

/// Who may call: an allow-list of persons and roles.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Audience {
    /// Everybody, or those listed.
    pub mode: AudienceMode,
    /// Persons by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
    /// Roles by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// On a method: the service's audience must allow as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rely_on_parent: bool,
    /// Whether this audience binds those whom the policy's `bypass` exempts elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforce: bool,
}

/// How an audience reads its lists.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum AudienceMode {
    /// Every active person.
    Unrestricted,
    /// Those listed; an empty list is nobody.
    Restricted,
}

/// A route that needs no credential: literal segments only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct PublicRoute {
    /// HTTP methods, case-sensitive.
    pub http: Vec<String>,
    /// A literal path.
    pub path: String,
    /// The authorities it holds for. Absent: all of the gateway's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What becomes of an `Authorization` header that a caller sends all the same.
    #[serde(default)]
    pub authorization: PublicAuthorization,
}

/// What becomes of an `Authorization` header on a public route.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum PublicAuthorization {
    /// It is removed.
    #[default]
    Strip,
    /// It reaches the upstream as it came.
    Pass,
}

/// Who is exempt from audiences that do not say `enforce`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Bypass {
    /// The role whose persons are exempt.
    pub role: String,
}

strictly_read!(
    Document,
    Key,
    Person,
    Token,
    Service,
    Forward,
    Accept,
    Case,
    Preflight,
    Method,
    Audience,
    AudienceMode,
    PublicRoute,
    PublicAuthorization,
    Bypass,
);

written!(
    Document,
    Key,
    Person,
    Token,
    Service,
    Forward,
    Accept,
    Case,
    Preflight,
    Method,
    Audience,
    AudienceMode,
    PublicRoute,
    PublicAuthorization,
    Bypass,
);
