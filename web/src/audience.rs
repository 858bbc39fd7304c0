//! Who is in an audience, by name.

use postern_core::gate::Gate;
use postern_core::policy::Admissions;
use postern_core::policy::document::{Audience, AudienceMode, Document, Person};
use serde::Serialize;

use crate::explain::{self, Place};
use crate::request::Request;

/// An audience that a call must be in.
#[derive(Serialize)]
pub(crate) struct AudienceView {
    /// Its path in the policy.
    pub(crate) path: String,
    pub(crate) mode: AudienceMode,
    persons: Vec<PersonView>,
    pub(crate) roles: Vec<RoleView>,
    /// The role whose persons are exempt from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    exempt: Option<RoleView>,
    pub(crate) enforce: bool,
    /// Whether it admits the caller, if the caller is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admits: Option<bool>,
}

/// A person.
#[derive(Serialize)]
pub(crate) struct PersonView {
    pub(crate) id: String,
    pub(crate) roles: Vec<String>,
    active: bool,
}

/// A role, and those who have it.
#[derive(Serialize)]
pub(crate) struct RoleView {
    pub(crate) name: String,
    persons: Vec<PersonView>,
}

impl AudienceView {
    /// The audiences that the gate asks about a call of this method. What each says of the API token with the id `caller` is
    /// the gate's word; only the names are read from the document.
    pub(crate) fn all(
        gate: &Gate,
        policy: &Document,
        place: Place<'_>,
        request: &Request,
        caller: Option<&str>,
    ) -> Vec<Self> {
        let admissions = caller.and_then(|id| admissions(gate, request, id));
        let own = place.method.audience.as_ref().map(|audience| {
            let admits = admissions.and_then(|said| said.method);
            Self::of(
                policy,
                audience,
                format!("{}.audience", place.path()),
                admits,
            )
        });
        let asks_parent = place
            .method
            .audience
            .as_ref()
            .is_none_or(|own| own.rely_on_parent);
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

fn admissions(gate: &Gate, request: &Request, caller: &str) -> Option<Admissions> {
    let (host, path) = explain::canonical(request)?;
    let policy = gate.policy();
    let method = policy.method(&host, &request.method, &path).ok()?;
    Some(policy.admissions(method, &policy.token_by_id(caller)?))
}

impl PersonView {
    /// A person of the policy.
    pub(crate) fn of(person: &Person) -> Self {
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
