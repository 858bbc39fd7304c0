//! Who may call a method: allow-lists of persons and roles, compiled to places in the policy's tables.

use super::document::{Audience, AudienceMode};
use super::fault::{MAX_AUDIENCE, PolicyFault, PolicyRule};
use super::persons::PersonRow;

/// An audience in the form in which a call is checked.
#[derive(Debug)]
pub(super) struct CompiledAudience {
    everyone: bool,
    /// Places of persons, ascending.
    persons: Box<[u32]>,
    /// Places of roles, ascending.
    roles: Box<[u32]>,
    /// The service's audience must allow as well.
    pub(super) rely_on_parent: bool,
    enforce: bool,
}

/// Where the names in an audience are looked up.
pub(super) trait Names {
    fn person_place(&self, id: &str) -> Option<u32>;
    fn role_place(&self, name: &str) -> Option<u32>;
}

impl CompiledAudience {
    pub(super) fn compile(
        audience: &Audience,
        is_method: bool,
        names: &impl Names,
    ) -> Result<Self, Vec<PolicyFault>> {
        let mut faults = Vec::new();
        let unrestricted = audience.mode == AudienceMode::Unrestricted;
        if unrestricted && !(audience.persons.is_empty() && audience.roles.is_empty()) {
            faults.push(PolicyFault::new("", PolicyRule::ListsInUnrestricted));
        }
        if audience.rely_on_parent && !is_method {
            faults.push(PolicyFault::new("rely_on_parent", PolicyRule::NoParent));
        }
        if audience.persons.len() + audience.roles.len() > MAX_AUDIENCE {
            faults.push(PolicyFault::new("", PolicyRule::AudienceTooLong));
        }
        let persons = places(
            "persons",
            "person",
            &audience.persons,
            |id| names.person_place(id),
            &mut faults,
        );
        let roles = places(
            "roles",
            "role",
            &audience.roles,
            |name| names.role_place(name),
            &mut faults,
        );
        if !faults.is_empty() {
            return Err(faults);
        }
        let (rely_on_parent, enforce) = (audience.rely_on_parent, audience.enforce);
        Ok(Self {
            everyone: unrestricted,
            persons,
            roles,
            rely_on_parent,
            enforce,
        })
    }

    /// Whether a person, whose place this is, is in the audience, or exempt from it by the role at place `bypass`.
    pub(super) fn allows(&self, place: usize, person: &PersonRow, bypass: Option<u32>) -> bool {
        let has = |role: &u32| person.roles.binary_search(role).is_ok();
        self.everyone
            || u32::try_from(place).is_ok_and(|place| self.persons.binary_search(&place).is_ok())
            || person
                .roles
                .iter()
                .any(|role| self.roles.binary_search(role).is_ok())
            || (!self.enforce && bypass.as_ref().is_some_and(has))
    }
}

/// Resolves a list of names to ascending places, noting unknown and repeated ones.
pub(super) fn places(
    member: &str,
    kind: &'static str,
    names: &[String],
    mut place: impl FnMut(&str) -> Option<u32>,
    faults: &mut Vec<PolicyFault>,
) -> Box<[u32]> {
    let mut places = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let fault = match place(name) {
            Some(place) => match places.binary_search(&place) {
                Ok(_) => PolicyRule::Duplicate(name.clone()),
                Err(gap) => {
                    places.insert(gap, place);
                    continue;
                }
            },
            None => PolicyRule::Dangling {
                kind,
                name: name.clone(),
            },
        };
        faults.push(PolicyFault::new(format!("{member}[{at}]"), fault));
    }
    places.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdCode;

    struct Letters;

    impl Names for Letters {
        fn person_place(&self, id: &str) -> Option<u32> {
            "abc".find(id).and_then(|place| u32::try_from(place).ok())
        }

        fn role_place(&self, name: &str) -> Option<u32> {
            "xyz".find(name).and_then(|place| u32::try_from(place).ok())
        }
    }

    fn audience(json: &str) -> Audience {
        serde_json::from_str(json).unwrap()
    }

    fn compile(json: &str) -> Result<CompiledAudience, Vec<PolicyFault>> {
        CompiledAudience::compile(&audience(json), true, &Letters)
    }

    fn person(roles: &[u32]) -> PersonRow {
        PersonRow {
            id: IdCode::from_bits(1),
            active: true,
            valid_from: None,
            roles: roles.into(),
        }
    }

    #[test]
    fn a_restricted_audience_is_its_persons_and_their_roles_and_nobody_else() {
        let audience =
            compile(r#"{"mode": "restricted", "persons": ["c", "a"], "roles": ["y"]}"#).unwrap();
        assert!(audience.allows(0, &person(&[]), None));
        assert!(audience.allows(2, &person(&[]), None));
        assert!(audience.allows(1, &person(&[0, 1]), None));
        assert!(!audience.allows(1, &person(&[0, 2]), None));
    }

    #[test]
    fn an_empty_restricted_list_is_nobody_and_unrestricted_is_everybody() {
        assert!(!compile(r#"{"mode": "restricted"}"#).unwrap().allows(
            0,
            &person(&[0, 1, 2]),
            None
        ));
        assert!(
            compile(r#"{"mode": "unrestricted"}"#)
                .unwrap()
                .allows(0, &person(&[]), None)
        );
    }

    #[test]
    fn the_bypass_role_is_exempt_unless_the_audience_is_enforced() {
        let open = compile(r#"{"mode": "restricted"}"#).unwrap();
        assert!(open.allows(0, &person(&[2]), Some(2)));
        assert!(!open.allows(0, &person(&[1]), Some(2)));
        let enforced = compile(r#"{"mode": "restricted", "enforce": true}"#).unwrap();
        assert!(!enforced.allows(0, &person(&[2]), Some(2)));
    }

    #[test]
    fn every_fault_of_an_audience_is_told_with_its_place() {
        let told = |json| {
            compile(json)
                .unwrap_err()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(r#"{"mode": "restricted", "persons": ["a", "q", "a"], "roles": ["w"]}"#),
            [
                "persons[1]: there is no person \"q\" in the policy",
                "persons[2]: \"a\" is there twice",
                "roles[0]: there is no role \"w\" in the policy",
            ]
        );
        assert!(
            told(r#"{"mode": "unrestricted", "persons": ["a"]}"#)[0]
                .starts_with("an unrestricted audience")
        );
    }

    #[test]
    fn a_service_has_no_parent_to_rely_on_and_no_audience_is_endless() {
        let rely = audience(r#"{"mode": "restricted", "rely_on_parent": true}"#);
        assert!(
            CompiledAudience::compile(&rely, true, &Letters)
                .unwrap()
                .rely_on_parent
        );
        let faults = CompiledAudience::compile(&rely, false, &Letters).unwrap_err();
        assert_eq!(faults[0].rule, PolicyRule::NoParent);
        let mut long = audience(r#"{"mode": "restricted"}"#);
        long.persons = vec!["a".to_owned(); MAX_AUDIENCE + 1];
        let faults = CompiledAudience::compile(&long, true, &Letters).unwrap_err();
        assert_eq!(faults[0].rule, PolicyRule::AudienceTooLong);
    }
}
