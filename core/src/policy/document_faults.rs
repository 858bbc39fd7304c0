//! Faults of a document as a whole, which its records one by one cannot have.

use super::document::Document;
use super::fault::{PolicyFault, PolicyRule};
use crate::order;
use crate::places::Places;
use crate::routes::RouteRule;

/// Records that a later one would silently replace.
pub(super) fn duplicates(document: &Document) -> Vec<PolicyFault> {
    let (roles, persons, keys) = (&document.roles, &document.persons, &document.keys);
    let (tokens, services) = (&document.tokens, &document.services);
    let mut faults = repeated("roles", "", roles.len(), &|at| Some(roles.get(at)?));
    faults.extend(repeated("persons", ".id", persons.len(), &|at| {
        Some(&persons.get(at)?.id)
    }));
    faults.extend(repeated("keys", ".kid", keys.len(), &|at| {
        Some(&keys.get(at)?.kid)
    }));
    faults.extend(repeated("tokens", ".id", tokens.len(), &|at| {
        Some(&tokens.get(at)?.id)
    }));
    faults.extend(repeated("services", ".name", services.len(), &|at| {
        Some(&services.get(at)?.name)
    }));
    for (at, route) in document.public.iter().enumerate() {
        if document
            .public
            .iter()
            .take(at)
            .any(|earlier| earlier == route)
        {
            faults.push(PolicyFault::new(
                format!("public[{at}]"),
                PolicyRule::Duplicate(route.path.clone()),
            ));
        }
    }
    faults
}

/// The names in a list that stand there before.
fn repeated<'a>(
    list: &str,
    member: &str,
    length: usize,
    name: &dyn Fn(usize) -> Option<&'a str>,
) -> Vec<PolicyFault> {
    let mut faults = Vec::new();
    for at in order::repeated(length, &|one, other| name(one).cmp(&name(other))) {
        let path = format!("{list}[{at}]{member}");
        let rule = PolicyRule::Duplicate(name(at).unwrap_or_default().to_owned());
        faults.push(PolicyFault::new(path, rule));
    }
    faults
}

/// The faults of records and those between them, without what only follows from another: nothing in the policy is of a
/// person or a role that was refused, and that a service's name is there twice is found once more as the routes are built.
pub(super) fn without_consequences(
    mut faults: Vec<PolicyFault>,
    mut found: Vec<PolicyFault>,
    document: &Document,
) -> Vec<PolicyFault> {
    let is_told = |fault: &PolicyFault| {
        let same_place = |told: &PolicyFault| told.path == fault.path;
        matches!(
            fault.rule,
            PolicyRule::Route(RouteRule::DuplicateName { .. })
        ) && faults.iter().any(same_place)
    };
    found.retain(|fault| !is_told(fault));
    faults.append(&mut found);
    let mut declared = Places::default();
    for (at, person) in document.persons.iter().enumerate() {
        declared.put(name_of("person", &person.id).as_bytes(), at);
    }
    for (at, role) in document.roles.iter().enumerate() {
        declared.put(name_of("role", role).as_bytes(), at);
    }
    faults.retain(|fault| match &fault.rule {
        PolicyRule::Dangling { kind, name } => {
            declared.get(name_of(kind, name).as_bytes()).is_none()
        }
        _ => true,
    });
    faults
}

fn name_of(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    fn faults(json: &str) -> Vec<String> {
        let faults = Policy::from_json(json.as_bytes()).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_refused_person_or_role_is_told_once_and_not_at_all_that_names_it() {
        let told = faults(
            r#"{"format": 1, "roles": ["a b", "ops"],
                "persons": [
                    {"id": "p", "roles": ["ops", "nobody"], "active": true},
                    {"id": "q", "roles": ["a b"], "active": true}],
                "tokens": [
                    {"id": "t", "person": "p", "expires_at": "never", "active": true,
                     "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"},
                    {"id": "u", "person": "r", "expires_at": "never", "active": true,
                     "hash": "sha256:5f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"}],
                "bypass": {"role": "a b"},
                "services": [{"name": "s", "hosts": ["a"], "base_path": "/s",
                    "audience": {"mode": "restricted", "persons": ["p", "s"], "roles": ["a b", "c"]},
                    "methods": []}]}"#,
        );
        let places: Vec<_> = told
            .iter()
            .filter_map(|fault| fault.split(": ").next())
            .collect();
        assert_eq!(
            places,
            [
                "roles[0]",
                "persons[0].roles[1]",
                "tokens[1].person",
                "services[0].audience.persons[1]",
                "services[0].audience.roles[1]",
            ],
            "{told:#?}"
        );
    }

    #[test]
    fn a_name_that_two_services_have_is_told_once() {
        let service = |base: &str| {
            format!(
                r#"{{"name": "s", "hosts": ["a"], "base_path": "{base}", "audience": {{"mode": "restricted"}},
                    "methods": []}}"#
            )
        };
        let services = [service("/a"), service("/b")].join(", ");
        assert_eq!(
            faults(&format!(r#"{{"format": 1, "services": [{services}]}}"#)),
            ["services[1].name: \"s\" is there twice"]
        );
    }
}
