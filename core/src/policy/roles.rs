//! The names that persons and audiences may use.

use super::side::Side;

/// The roles of two policies. A role keeps its place as long as any of them has it, since persons and audiences hold it;
/// a place is never used again.
#[derive(Debug, Default)]
pub(super) struct RoleTable {
    /// Ascending by name.
    roles: Vec<Role>,
    next_place: u32,
}

#[derive(Debug)]
struct Role {
    name: Box<str>,
    place: u32,
    /// The sides that have it. On none: persons name it, and it may still come.
    on_a: bool,
    on_b: bool,
}

impl Role {
    fn on(&mut self, side: Side) -> &mut bool {
        match side {
            Side::A => &mut self.on_a,
            Side::B => &mut self.on_b,
        }
    }

    fn is_on(&self, side: Side) -> bool {
        match side {
            Side::A => self.on_a,
            Side::B => self.on_b,
        }
    }
}

impl RoleTable {
    /// The place of a role that a side has.
    pub(super) fn place(&self, name: &str, side: Side) -> Option<u32> {
        let at = self.find(name).ok()?;
        let role = self.roles.get(at).filter(|role| role.is_on(side))?;
        Some(role.place)
    }

    /// The place of a name, which is given one if it has none. `None`: there are no more.
    pub(super) fn place_for(&mut self, name: &str) -> Option<u32> {
        match self.find(name) {
            Ok(at) => self.roles.get(at).map(|role| role.place),
            Err(gap) => {
                let place = self.next_place;
                self.next_place = place.checked_add(1)?;
                let role = Role {
                    name: name.into(),
                    place,
                    on_a: false,
                    on_b: false,
                };
                self.roles.insert(gap, role);
                Some(place)
            }
        }
    }

    /// Says whether these sides have a role that has a place.
    pub(super) fn set(&mut self, name: &str, is_there: bool, sides: &[Side]) {
        if let Ok(at) = self.find(name)
            && let Some(role) = self.roles.get_mut(at)
        {
            for &side in sides {
                *role.on(side) = is_there;
            }
        }
    }

    /// The names with their places, ascending; also those that a side does not have.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.roles.iter().map(|role| (&*role.name, role.place))
    }

    /// The name of a place that a side does not have, if it has it not.
    pub(super) fn missing(&self, place: u32, side: Side) -> Option<&str> {
        let role = self.roles.iter().find(|role| role.place == place)?;
        (!role.is_on(side)).then_some(&*role.name)
    }

    /// Takes all roles from a side.
    pub(super) fn clear(&mut self, side: Side) {
        for role in &mut self.roles {
            *role.on(side) = false;
        }
    }

    /// Makes both sides have what side `now` has.
    pub(super) fn settle(&mut self, now: Side) {
        self.roles.retain(|role| role.is_on(now));
        for role in &mut self.roles {
            (role.on_a, role.on_b) = (true, true);
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.roles
            .binary_search_by(|role| role.name.as_ref().cmp(name))
    }
}
