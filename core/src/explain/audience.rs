//! Who is in an audience, by name.

use serde::Serialize;

use super::{Asked, Place};
use crate::gate::Gate;
use crate::policy::Admissions;
use crate::policy::document::{Audience, AudienceMode, Document, Person};

/// An audience that a call must be in.
#[derive(Clone, Debug, Serialize)]
pub struct AudienceView {
    /// Its path in the policy.
    pub path: String,
    /// How it reads its lists.
    pub mode: AudienceMode,
    /// Persons that it lists.
    pub persons: Vec<PersonView>,
    /// Roles that it lists, with those who have them.
    pub roles: Vec<RoleView>,
    /// The role whose persons are exempt from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt: Option<RoleView>,
    /// Whether it binds the persons of the policy's bypass role too.
    pub enforce: bool,
    /// Whether it admits the caller, if the caller is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admits: Option<bool>,
}

/// A person.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PersonView {
    /// The id.
    pub id: String,
    /// The roles.
    pub roles: Vec<String>,
    /// Whether the person's tokens are accepted at all.
    pub active: bool,
}

/// A role, and those who have it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RoleView {
    /// The name.
    pub name: String,
    /// Its persons.
    pub persons: Vec<PersonView>,
}

impl AudienceView {
    /// The audiences that the gate asks about a call of this method: the method's own or its service's, or both. What each
    /// says of the API token with the id `caller` is the gate's word; only the names are read from the document.
    pub fn all(
        gate: &Gate,
        policy: &Document,
        place: Place<'_>,
        asked: Asked<'_>,
        caller: Option<&str>,
    ) -> Vec<Self> {
        let admissions = caller.and_then(|id| admissions(gate, asked, id));
        let own = place.method.audience.as_ref();
        let asks_parent = own.is_none_or(|own| own.rely_on_parent);
        let own = own.map(|audience| {
            let admits = admissions.and_then(|said| said.method);
            Self::of(
                policy,
                audience,
                format!("{}.audience", place.path()),
                admits,
            )
        });
        let parent = asks_parent.then(|| {
            let path = format!("{}.audience", place.service_path());
            let admits = admissions.and_then(|said| said.service);
            Self::of(policy, &place.service.audience, path, admits)
        });
        own.into_iter().chain(parent).collect()
    }

    fn of(policy: &Document, audience: &Audience, path: String, admits: Option<bool>) -> Self {
        let person = |id: &String| policy.persons.iter().find(|person| person.id == *id);
        let bypass = policy.bypass.as_ref().filter(|_| !audience.enforce);
        let persons = audience.persons.iter().filter_map(person);
        let roles = audience.roles.iter();
        Self {
            path,
            mode: audience.mode,
            persons: persons.map(PersonView::of).collect(),
            roles: roles.map(|name| RoleView::of(policy, name)).collect(),
            exempt: bypass.map(|bypass| RoleView::of(policy, &bypass.role)),
            enforce: audience.enforce,
            admits,
        }
    }
}

fn admissions(gate: &Gate, asked: Asked<'_>, caller: &str) -> Option<Admissions> {
    let (host, path) = asked.canonical()?;
    let policy = gate.policy();
    let method = policy.method(host.as_str(), asked.method, &path).ok()?;
    Some(policy.admissions(method, &policy.token_by_id(caller)?))
}

impl PersonView {
    /// A person of a policy.
    pub fn of(person: &Person) -> Self {
        Self {
            id: person.id.clone(),
            roles: person.roles.clone(),
            active: person.active,
        }
    }
}

impl RoleView {
    fn of(policy: &Document, name: &str) -> Self {
        let has = |person: &&Person| person.roles.iter().any(|role| role == name);
        let persons = policy.persons.iter().filter(has);
        Self {
            name: name.to_owned(),
            persons: persons.map(PersonView::of).collect(),
        }
    }
}
