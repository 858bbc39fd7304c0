//! Who is in an audience, by name.

use postern_core::policy::document::{Audience, AudienceMode, Document, Person};
use serde::Serialize;

use super::Place;

/// An audience that a call must be in.
#[derive(Clone, Debug, Serialize)]
pub struct AudienceView {
    /// Its path in the policy.
    pub path: String,
    /// How it reads its lists.
    pub mode: AudienceMode,
    /// Persons that it lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<PersonView>,
    /// Roles that it lists, with those who have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
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

impl PersonView {
    pub(super) fn of(person: &Person) -> Self {
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

/// The audiences of a method that a call must be in, and whether each admits the person with the id `caller`.
pub(super) fn views(
    policy: &Document,
    place: Place<'_>,
    caller: Option<&str>,
) -> Vec<AudienceView> {
    let caller = caller.and_then(|id| policy.persons.iter().find(|person| person.id == id));
    let view = |audience: &Audience, path: String| view(policy, audience, path, caller);
    let parent = || {
        let path = format!("services[{}].audience", place.service_at);
        view(&place.service.audience, path)
    };
    match &place.method.audience {
        None => vec![parent()],
        Some(own) => {
            let mut views = vec![view(own, format!("{}.audience", place.path()))];
            if own.rely_on_parent {
                views.push(parent());
            }
            views
        }
    }
}

fn view(
    policy: &Document,
    audience: &Audience,
    path: String,
    caller: Option<&Person>,
) -> AudienceView {
    let person = |id: &String| policy.persons.iter().find(|person| person.id == *id);
    let bypass = policy.bypass.as_ref().filter(|_| !audience.enforce);
    let persons = audience.persons.iter().filter_map(person);
    let roles = audience.roles.iter();
    AudienceView {
        path,
        mode: audience.mode,
        persons: persons.map(PersonView::of).collect(),
        roles: roles.map(|name| RoleView::of(policy, name)).collect(),
        exempt: bypass.map(|bypass| RoleView::of(policy, &bypass.role)),
        enforce: audience.enforce,
        admits: caller
            .map(|person| admits(audience, person, bypass.map(|bypass| bypass.role.as_str()))),
    }
}

/// The rule of [`postern_core::policy::Policy::allows`] for one audience of a document, to tell which of two it is that
/// refuses. The test below holds it to the gate's decision.
fn admits(audience: &Audience, person: &Person, bypass: Option<&str>) -> bool {
    audience.mode == AudienceMode::Unrestricted
        || audience.persons.contains(&person.id)
        || person
            .roles
            .iter()
            .any(|role| audience.roles.contains(role) || Some(role.as_str()) == bypass)
}

#[cfg(test)]
mod tests {
    use postern_core::time::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::entropy::Entropy;
    use crate::explain::{Decision, explain};
    use crate::prepared::{Caller, Prepared, gateway_for};
    use crate::request::Request;

    /// The policy's one person has the role `has`; its bypass role, if it has one, is `b`.
    fn policy(own: &Value, parent: &Value, has: &str, bypass: bool) -> Document {
        let mut policy = json!({
            "format": 1,
            "keys": [{"kid": "k", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}],
            "roles": ["a", "b"],
            "persons": [{"id": "p", "roles": [has], "active": true}],
            "tokens": [{
                "id": "t", "person": "p", "expires_at": "never", "active": true,
                "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778",
            }],
            "services": [{
                "name": "s", "hosts": ["api.example.com"], "base_path": "/m", "audience": parent,
                "methods": [{"name": "m", "http": ["GET"], "path": "/", "audience": own}],
            }],
        });
        if bypass {
            policy["bypass"] = json!({"role": "b"});
        }
        serde_json::from_value(policy).unwrap()
    }

    fn audiences() -> Vec<Value> {
        let lists = [
            json!({"mode": "unrestricted"}),
            json!({"mode": "restricted"}),
            json!({"mode": "restricted", "persons": ["p"]}),
            json!({"mode": "restricted", "roles": ["a"]}),
        ];
        let enforced = lists.clone().map(|mut audience| {
            audience["enforce"] = json!(true);
            audience
        });
        [lists, enforced].concat()
    }

    #[test]
    fn the_audiences_that_are_shown_admit_exactly_whom_the_gate_allows() {
        let request = Request::new("GET", "https://api.example.com/m", None).unwrap();
        let at = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();
        let (mut allowed, mut refused) = (0, 0);
        for own in audiences() {
            for parent in audiences() {
                for (rely, has, bypass) in [
                    (false, "a", true),
                    (false, "b", true),
                    (true, "a", false),
                    (true, "a", true),
                    (true, "b", false),
                    (true, "b", true),
                ] {
                    let mut own = own.clone();
                    own["rely_on_parent"] = json!(rely);
                    let policy = policy(&own, &parent, has, bypass);
                    let gateway = gateway_for(&policy);
                    let prepared = Prepared::new(&gateway, &policy, &mut Entropy).unwrap();
                    let caller = Caller::Access("t".to_owned());
                    let told = explain(&prepared, &policy, &caller, &request, at).unwrap();
                    let admitted = told.audiences.iter().all(|view| view.admits == Some(true));
                    assert_eq!(
                        told.decision == Decision::Allowed,
                        admitted,
                        "{own} under {parent}: {told}"
                    );
                    assert_eq!(told.audiences.len(), if rely { 2 } else { 1 });
                    if admitted { allowed += 1 } else { refused += 1 }
                }
            }
        }
        assert!(allowed > 50 && refused > 50, "{allowed}, {refused}");
    }
}
