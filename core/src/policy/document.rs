//! The policy as an operator writes it: one JSON document, and the records that the feed will carry.
//!
//! These types only say what may be written. What must also hold between the records is
//! in [`Store`](super::Store), and for the whole in [`Policy`](super::Policy).

use serde::Serialize;

use crate::api_token::TokenHash;
pub use crate::json::{FromJson, ShapeFault};
use crate::json::{deserializable, record, text, words};
use crate::time::Timestamp;

/// A whole policy, as in a file or inline in the plugin's configuration.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Document {
    /// The version of this vocabulary; must be [`Document::FORMAT`].
    pub format: u32,
    /// Keys that sign and verify access tokens.
    pub keys: Vec<Key>,
    /// The names that a person's `roles` and an audience's `roles` may use.
    pub roles: Vec<String>,
    /// The identities whose permissions apply.
    pub persons: Vec<Person>,
    /// The API tokens, by hash.
    pub tokens: Vec<Token>,
    /// The parts of the API behind the gateway.
    pub services: Vec<Service>,
    /// Routes that need no credential.
    pub public: Vec<PublicRoute>,
    /// Who is exempt from audiences that do not say `enforce`. Absent: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass: Option<Bypass>,
}

impl Document {
    /// The only format there is so far.
    pub const FORMAT: u32 = 1;
}

/// A key by name; its secret is derived from a root key that only the gateways hold.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Key {
    /// The key's id, as it stands in a token's header.
    pub kid: String,
    /// The id of the root key that it is derived from.
    pub root: String,
    /// From when the key signs. It verifies before that too, so that a gateway that is behind still understands it.
    pub active_from: Timestamp,
    /// From when the key no longer verifies. Absent: no end is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// A revoked key neither signs nor verifies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// An identity: what a token acts for.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// Never reused.
    pub id: String,
    /// What the person may do, through the audiences that name these roles.
    pub roles: Vec<String>,
    /// An inactive person's tokens are refused.
    pub active: bool,
    /// Access tokens issued before this instant are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
}

/// An API token, known by its hash only.
#[derive(Clone, Debug, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
}

/// When an API token ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub enum Expiry {
    /// Refused from this instant on.
    At(Timestamp),
    /// Good until it is deactivated or deleted.
    Never,
}

impl Expiry {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        Timestamp::parse(text)
            .map(Self::At)
            .map_err(|fault| format!("{fault}; or the word \"never\""))
    }
}

text!(
    Expiry,
    "an instant or the word \"never\"",
    Expiry::parse,
    Self::Never
);

impl From<Expiry> for String {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::At(instant) => instant.to_string(),
            Expiry::Never => "never".to_owned(),
        }
    }
}

/// A named part of the API behind the gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Unique; goes into logs and, where configured, an identity header.
    pub name: String,
    /// The authorities it answers at, without port.
    pub hosts: Vec<String>,
    /// Where its methods begin, in whole segments, literals only.
    pub base_path: String,
    /// What becomes of the caller's `Authorization`.
    pub forward: Forward,
    /// Which credentials its methods take.
    pub accept: Vec<Accept>,
    /// Whether a segment that differs from a literal only in ASCII case is that literal.
    pub case: Case,
    /// What becomes of a CORS preflight, which cannot carry a credential.
    pub preflight: Preflight,
    /// Who may call its methods, where a method does not say otherwise.
    pub audience: Audience,
    /// Its methods.
    pub methods: Vec<Method>,
}

/// What becomes of the caller's `Authorization` header on an accepted call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// It is removed.
    #[default]
    Strip,
    /// A service token takes its place, which the upstream verifies.
    Reissue,
}

/// A kind of credential that a service's methods take.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// An access token from an exchange.
    Access,
    /// An API token itself, exchanged on the way.
    Api,
}

/// What becomes of a CORS preflight.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    /// It needs a credential like any request, so browsers fail.
    #[default]
    Refuse,
    /// It goes on to the upstream, which answers it.
    Pass,
}

/// How a service compares literal segments.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Exactly; a segment that differs from a literal only in ASCII case is refused as ambiguous.
    #[default]
    Sensitive,
    /// ASCII letters of either case are the same.
    Insensitive,
}

/// One HTTP method and path of a service.
#[derive(Clone, Debug, Serialize)]
pub struct Method {
    /// Unique in its service.
    pub name: String,
    /// HTTP methods, case-sensitive (RFC 9110, section 9.1).
    pub http: Vec<String>,
    /// A pattern below the service's base path: literals, `{name}` for one segment, `{*name}` for the rest.
    pub path: String,
    /// Who may call it. Absent: the service's audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Names of the protocols that a caller may upgrade to, such as `websocket`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upgrade: Vec<String>,
    /// Override headers that this method's upstream needs, such as `x-http-method-override`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
}

/// Who may call: an allow-list of persons and roles.
#[derive(Clone, Debug, Serialize)]
pub struct Audience {
    /// Everybody, or those listed.
    pub mode: AudienceMode,
    /// Persons by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
    /// Roles by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// On a method: the service's audience must allow as well.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rely_on_parent: bool,
    /// Whether this audience binds those whom the policy's `bypass` exempts elsewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enforce: bool,
}

/// How an audience reads its lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AudienceMode {
    /// Every active person.
    Unrestricted,
    /// Those listed; an empty list is nobody.
    Restricted,
}

/// A route that needs no credential: literal segments only.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PublicRoute {
    /// HTTP methods, case-sensitive.
    pub http: Vec<String>,
    /// A literal path.
    pub path: String,
    /// The authorities it holds for. Absent: all of the gateway's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What becomes of an `Authorization` header that a caller sends all the same.
    pub authorization: PublicAuthorization,
}

/// What becomes of an `Authorization` header on a public route.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PublicAuthorization {
    /// It is removed.
    #[default]
    Strip,
    /// It reaches the upstream as it came.
    Pass,
}

/// Who is exempt from audiences that do not say `enforce`.
#[derive(Clone, Debug, Serialize)]
pub struct Bypass {
    /// The role whose persons are exempt.
    pub role: String,
}

record!(Document {
    format,
    keys: default,
    roles: default,
    persons: default,
    tokens: default,
    services: default,
    public: default,
    bypass: optional,
});
record!(Key {
    kid,
    root,
    active_from,
    not_after: optional,
    revoked: default,
});
record!(Person {
    id,
    roles: default,
    active,
    valid_from: optional,
});
record!(Token {
    id,
    person,
    hash,
    expires_at,
    active,
    valid_from: optional,
});
record!(Service {
    name,
    hosts,
    base_path,
    forward: default,
    accept: or(vec![Accept::Access]),
    case: default,
    preflight: default,
    audience,
    methods,
});
record!(Method {
    name,
    http,
    path,
    audience: optional,
    upgrade: default,
    allow_headers: default,
});
record!(Audience {
    mode,
    persons: default,
    roles: default,
    rely_on_parent: default,
    enforce: default,
});
record!(PublicRoute {
    http,
    path,
    hosts: default,
    authorization: default,
});
record!(Bypass { role });

words!(Forward { Strip = "strip", Reissue = "reissue" });
words!(Accept { Access = "access", Api = "api" });
words!(Preflight { Refuse = "refuse", Pass = "pass" });
words!(Case { Sensitive = "sensitive", Insensitive = "insensitive" });
words!(AudienceMode { Restricted = "restricted", Unrestricted = "unrestricted" });
words!(PublicAuthorization { Strip = "strip", Pass = "pass" });

deserializable!(
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
