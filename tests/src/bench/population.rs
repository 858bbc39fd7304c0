//! The policy that the bench decides by: as many tokens and methods as are asked for, the same in every run.

use postern_core::access_token::{NewClaims, mint};
use postern_core::api_token::ApiToken;
use postern_core::id::number_to_text;
use postern_core::keyring::KeyRing;
use postern_core::policy::document::{Audience, Document, Expiry, Method, Person, Service, Token};
use postern_core::random::Random as _;
use postern_core::roots::{RootKey, RootKeys};
use postern_core::time::{Seconds, Timestamp};
use serde_json::{Value, json};

use super::seeded::Seeded;
use crate::fixture::{ISSUER, KID, ROOT_KEY_ENV, TOKEN_AUDIENCE, key, method, service};
use crate::{Error, Result};

/// The authority that every request names.
pub const AUTHORITY: &str = "api.example.com";

/// How many methods one service has, if there are that many.
const METHODS_PER_SERVICE: usize = 50;

/// How many API tokens one person has.
const TOKENS_PER_PERSON: usize = 4;

/// One method in so many is closed to everyone who calls.
const CLOSED: usize = 10;

/// How many different callers take turns. `jwt_authn` remembers 100 tokens unless it is told otherwise.
const CALLERS: usize = 64;

/// The life of an access token.
const LIFE: Seconds = Seconds::new(300);

/// Who may call nearly everything.
const CALLER_ROLE: &str = "callers";

/// Whom no request of the bench comes from.
const CLOSED_ROLE: &str = "operators";

/// How large a policy is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size {
    /// API tokens.
    pub tokens: usize,
    /// Methods, in services of 50.
    pub methods: usize,
}

impl Size {
    /// What the figures are about.
    pub const LARGE: Self = Self {
        tokens: 10_000,
        methods: 1_000,
    };

    /// What they are compared with, to see whether cost grows with the policy.
    pub const SMALL: Self = Self {
        tokens: 100,
        methods: 10,
    };
}

/// A policy with everything that its callers hold.
#[derive(Debug)]
pub struct Population {
    policy: Document,
    root_key: String,
    keys: KeyRing,
    callers: Vec<Caller>,
    open: Vec<String>,
    closed: Vec<String>,
    api_tokens: Vec<String>,
}

/// One API token's holder.
#[derive(Clone, Debug)]
struct Caller {
    token: String,
    person: String,
}

impl Population {
    /// Makes the policy of this size.
    ///
    /// # Errors
    ///
    /// When `postern-core` refuses one of its parts.
    pub fn new(size: Size) -> Result<Self> {
        let root_key = RootKey::generate("r1", &mut Seeded::new(1))
            .map_err(wrong)?
            .expose()
            .to_owned();
        let roots = RootKeys::parse(&root_key).map_err(wrong)?;
        let signing = vec![key(KID, "r1", START)];
        let keys = KeyRing::build(&signing, &roots, ISSUER, TOKEN_AUDIENCE).map_err(wrong)?;

        let mut numbers = Seeded::new(2);
        let persons: Vec<Person> = (0..size.tokens.div_ceil(TOKENS_PER_PERSON))
            .map(|number| person(number, &mut numbers))
            .collect();
        let (mut tokens, mut api_tokens) = (Vec::new(), Vec::new());
        for number in 0..size.tokens {
            let raw = ApiToken::generate(&mut numbers).map_err(wrong)?;
            let holder = &persons[number / TOKENS_PER_PERSON];
            tokens.push(token(number, &raw, holder, &mut numbers));
            api_tokens.push(raw.expose().to_owned());
        }
        let services: Vec<Service> = services(size.methods, &persons);
        Ok(Self {
            callers: tokens.iter().map(caller).collect(),
            open: paths(&services, |place| !is_closed(place)),
            closed: paths(&services, is_closed),
            policy: Document {
                format: Document::FORMAT,
                keys: signing,
                roles: roles(),
                persons,
                tokens,
                services,
                ..Document::default()
            },
            root_key,
            keys,
            api_tokens,
        })
    }

    /// The plugin configuration, but for the policy as an operator would write it who keeps to the defaults.
    pub fn plugin_configuration(&self) -> Value {
        json!({
            "gateway_id": "bench",
            "hosts": [AUTHORITY],
            "issuer": ISSUER,
            "token_audience": TOKEN_AUDIENCE,
            "root_key_env": ROOT_KEY_ENV,
            "policy": { "inline": self.policy },
        })
    }

    /// The value of the environment variable [`ROOT_KEY_ENV`].
    pub fn root_key(&self) -> &str {
        &self.root_key
    }

    /// All raw API tokens, in the policy's order.
    pub fn api_tokens(&self) -> &[String] {
        &self.api_tokens
    }

    /// The places in the policy of the API tokens whose holders take turns, spread over all of it.
    pub fn regulars(&self) -> impl Iterator<Item = usize> + '_ {
        let step = (self.callers.len() / CALLERS).max(1);
        (0..CALLERS.min(self.callers.len())).map(move |number| number * step)
    }

    /// A path that every caller may `GET`; another one for every number, and round again.
    pub fn open_path(&self, number: usize) -> &str {
        &self.open[number % self.open.len()]
    }

    /// A path whose audience holds no caller.
    pub fn closed_path(&self, number: usize) -> &str {
        &self.closed[number % self.closed.len()]
    }

    /// An access token for the API token at this place in the policy, as the exchange would issue it.
    ///
    /// # Errors
    ///
    /// When there is no key to sign with.
    pub fn access_token(&self, place: usize, now: u64, entropy: &mut Seeded) -> Result<String> {
        let now = Timestamp::from_secs(now);
        let signer = self
            .keys
            .signer(now)
            .ok_or_else(|| Error::Fixture("the bench's key is not active".to_owned()))?;
        let caller = &self.callers[place % self.callers.len()];
        let mut jti = [0; 16];
        entropy.fill(&mut jti).map_err(wrong)?;
        let claims = NewClaims {
            iss: ISSUER,
            sub: &caller.person,
            aud: TOKEN_AUDIENCE,
            iat: now,
            exp: now.saturating_add(LIFE),
            jti,
            client_id: &caller.token,
        };
        Ok(mint(&signer, &claims).map_err(wrong)?.expose().to_owned())
    }
}

/// 2026-01-01T00:00:00Z: before every clock that the filter trusts.
const START: u64 = 1_767_225_600;

/// 2200-01-01T00:00:00Z: after every run.
const END: u64 = 7_258_118_400;

fn roles() -> Vec<String> {
    let groups = (0..8).map(group);
    [CALLER_ROLE.to_owned(), CLOSED_ROLE.to_owned()]
        .into_iter()
        .chain(groups)
        .collect()
}

fn group(number: usize) -> String {
    format!("group-{number}")
}

fn person(number: usize, numbers: &mut Seeded) -> Person {
    Person {
        id: number_to_text(numbers.next_u64()),
        roles: vec![CALLER_ROLE.to_owned(), group(number % 8)],
        active: true,
        valid_from: None,
    }
}

fn token(number: usize, raw: &ApiToken, holder: &Person, numbers: &mut Seeded) -> Token {
    Token {
        id: number_to_text(numbers.next_u64()),
        person: holder.id.clone(),
        hash: raw.hash(),
        expires_at: if number.is_multiple_of(2) {
            Expiry::Never
        } else {
            Expiry::At(Timestamp::from_secs(END))
        },
        active: true,
        valid_from: None,
    }
}

fn caller(token: &Token) -> Caller {
    Caller {
        token: token.id.clone(),
        person: token.person.clone(),
    }
}

fn is_closed(place: usize) -> bool {
    place % CLOSED == CLOSED - 1
}

fn services(methods: usize, persons: &[Person]) -> Vec<Service> {
    let count = methods.div_ceil(METHODS_PER_SERVICE);
    (0..count)
        .map(|number| {
            let methods = METHODS_PER_SERVICE.min(methods - number * METHODS_PER_SERVICE);
            Service {
                hosts: vec![AUTHORITY.to_owned()],
                ..service(
                    &format!("service-{number:03}"),
                    &format!("/m42Services/api/service-{number:03}"),
                    audience(CALLER_ROLE, number, persons),
                    (0..methods).map(|place| a_method(place, persons)).collect(),
                )
            }
        })
        .collect()
}

fn a_method(place: usize, persons: &[Person]) -> Method {
    let role = if is_closed(place) {
        CLOSED_ROLE
    } else {
        CALLER_ROLE
    };
    method(
        &format!("read-{place:02}"),
        &["GET"],
        &format!("/thing-{place:02}/{{id}}"),
        Some(audience(role, place, persons)),
    )
}

/// A role, and a few persons beside it: the last ones, of whose tokens none is a regular's.
fn audience(role: &str, place: usize, persons: &[Person]) -> Audience {
    let few = persons.iter().rev().take(1 + place % 5);
    Audience {
        persons: few.map(|person| person.id.clone()).collect(),
        ..crate::fixture::roles(&[role])
    }
}

fn paths(services: &[Service], wanted: impl Fn(usize) -> bool) -> Vec<String> {
    let mut paths = Vec::new();
    for service in services {
        for (place, method) in service.methods.iter().enumerate() {
            if wanted(place) {
                let path = method.path.replace("{id}", "4711");
                paths.push(format!("{}{path}", service.base_path));
            }
        }
    }
    paths
}

fn wrong(fault: impl std::fmt::Display) -> Error {
    Error::Fixture(fault.to_string())
}

#[cfg(test)]
mod tests {
    use postern_core::gate::Gate;

    use super::*;

    #[test]
    fn a_population_is_the_same_every_time_and_a_policy_that_the_filter_accepts() {
        let (first, second) = (
            Population::new(Size::SMALL).expect("made"),
            Population::new(Size::SMALL).expect("made"),
        );
        let configuration = first.plugin_configuration().to_string();
        assert_eq!(configuration, second.plugin_configuration().to_string());
        assert_eq!(first.root_key(), second.root_key());

        let root_key = first.root_key().to_owned();
        let gate = Gate::from_json(configuration.as_bytes(), None, |_| Some(root_key.clone()))
            .expect("no faults");
        assert_eq!(gate.policy().token_count(), 100);
    }

    #[test]
    fn callers_are_spread_over_the_policy_and_stand_in_no_closed_audience() {
        for size in [Size::SMALL, Size::LARGE] {
            let population = Population::new(size).expect("made");
            let regulars: Vec<usize> = population.regulars().collect();
            assert_eq!(regulars.len(), CALLERS);
            let closed = population.policy.services[0]
                .methods
                .iter()
                .enumerate()
                .filter(|(place, _)| is_closed(*place));
            for (_, method) in closed {
                let audience = method.audience.as_ref().expect("its own");
                assert_eq!(audience.roles, [CLOSED_ROLE]);
                for place in &regulars {
                    assert!(
                        !audience
                            .persons
                            .contains(&population.callers[*place].person)
                    );
                }
            }
        }
    }

    #[test]
    fn a_policy_has_as_many_methods_as_it_is_said_to_have() {
        let population = Population::new(Size::LARGE).expect("made");
        assert_eq!(population.policy.services.len(), 20);
        assert_eq!(population.open.len() + population.closed.len(), 1_000);
    }
}
