//! Reading the next policy beside the one that decides.
//!
//! Changes gather in the same tables, on the side that no decision looks at. When all are there, what must hold between
//! records is checked, routes and audiences are compiled, and one switch lets that side decide. What only the other side
//! had goes afterwards. All of it takes steps of bounded work, so that requests are decided in between; a policy that is
//! refused, or given up, leaves the one that decides as it was.

use thiserror::Error;

use super::compile::{Before, Compiled, Compiler};
use super::compiled::Policy;
use super::digest::Digest;
use super::fault::{PolicyFault, PolicyRule};
use super::side::Side;
use super::store::{Change, NamesOf};

/// How the next policy is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reading {
    /// As changes of the policy that decides.
    Changes,
    /// As a whole: what is not put is not in it.
    Whole {
        /// Whether the publisher has begun anew, from a backup. Only then may an id or a hash mean another token than in
        /// the policy that decides.
        is_new_epoch: bool,
    },
}

/// Where the reading of the next policy is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// There is no next policy.
    Settled,
    /// It is being made ready to be read as a whole.
    Preparing,
    /// Changes are taken.
    Open,
    /// It is being checked as a whole.
    Checking,
    /// It is in order, and may decide.
    Checked,
    /// What is left of it, or of the one before it, is being removed.
    Settling,
}

/// The next policy, as far as it is.
#[derive(Debug, Default)]
pub(super) enum Staging {
    #[default]
    Settled,
    Preparing(Walk),
    Open,
    Checking(Box<Checking>),
    Checked(Box<Compiled>),
    Settling(Walk),
}

/// A way through all blocks of tokens, then all places of persons.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    block: usize,
    person: usize,
}

#[derive(Debug, Default)]
pub(super) struct Checking {
    token: usize,
    person: usize,
    compiler: Compiler,
    faults: Vec<PolicyFault>,
}

/// A row of tokens that is only looked at costs this part of a unit of work.
const ROWS_PER_UNIT: usize = 64;

/// So many faults of one kind are told; that many are looked for in one go.
const MOST_FAULTS: usize = 8;

impl Policy {
    /// Where the reading of the next policy is.
    pub fn phase(&self) -> Phase {
        match self.staging {
            Staging::Settled => Phase::Settled,
            Staging::Preparing(_) => Phase::Preparing,
            Staging::Open => Phase::Open,
            Staging::Checking(_) => Phase::Checking,
            Staging::Checked(_) => Phase::Checked,
            Staging::Settling(_) => Phase::Settling,
        }
    }

    /// Begins to read the next policy. It is open for changes at once, or after [`Phase::Preparing`].
    ///
    /// # Errors
    /// [`OutOfTurn`] unless the policy is settled.
    pub fn begin(&mut self, reading: Reading) -> Result<(), OutOfTurn> {
        if self.phase() != Phase::Settled {
            return Err(OutOfTurn(self.phase()));
        }
        self.staging = match reading {
            Reading::Changes => {
                self.store.begin(false, false);
                Staging::Open
            }
            Reading::Whole { is_new_epoch } => {
                self.store.begin(true, is_new_epoch);
                Staging::Preparing(Walk::default())
            }
        };
        Ok(())
    }

    /// Takes one change of the next policy. Changes may come in any order, if the last one of each record comes last:
    /// what a change names need not be there yet.
    ///
    /// # Errors
    /// [`StageFault::Refused`] if the change is at odds with itself, or with what can never change. The next policy is
    /// then to be given up by [`Policy::abort`].
    pub fn stage(&mut self, change: Change<'_>) -> Result<(), StageFault> {
        match self.staging {
            Staging::Open => self.store.stage(change).map_err(StageFault::Refused),
            _ => Err(StageFault::OutOfTurn(OutOfTurn(self.phase()))),
        }
    }

    /// The digest of the next policy, as far as it is read.
    pub fn staged_digest(&self) -> Digest {
        self.store.next_digest()
    }

    /// Says that all changes are there, so that the next policy is to be checked.
    ///
    /// # Errors
    /// [`OutOfTurn`] unless changes are being taken.
    pub fn close(&mut self) -> Result<(), OutOfTurn> {
        if self.phase() != Phase::Open {
            return Err(OutOfTurn(self.phase()));
        }
        self.staging = Staging::Checking(Box::default());
        Ok(())
    }

    /// Does some work of the phase the policy is in, of about `budget` units: one is what a record costs, a microsecond
    /// or two. A step beyond it is that of one service, or that of all routes. Returns the phase reached, which is
    /// another one only if the work of the one before is done; without work to do, nothing happens.
    ///
    /// # Errors
    /// What is wrong with the next policy as a whole; it is given up then.
    pub fn advance(&mut self, budget: usize) -> Result<Phase, Vec<PolicyFault>> {
        match std::mem::take(&mut self.staging) {
            Staging::Preparing(walk) => {
                self.staging = match self.prepare(walk, budget) {
                    Some(walk) => Staging::Preparing(walk),
                    None => Staging::Open,
                };
            }
            Staging::Checking(mut checking) => match self.check(&mut checking, budget) {
                Ok(false) => self.staging = Staging::Checking(checking),
                Ok(true) => {
                    let compiled = self.finish_check(*checking);
                    self.staging = Staging::Settling(Walk::default());
                    self.staging = Staging::Checked(Box::new(compiled?));
                }
                Err(faults) => {
                    self.staging = Staging::Settling(Walk::default());
                    return Err(faults);
                }
            },
            Staging::Settling(walk) => {
                if let Some(walk) = self.settle(walk, budget) {
                    self.staging = Staging::Settling(walk);
                }
            }
            other => self.staging = other,
        }
        Ok(self.phase())
    }

    /// Lets the next policy decide. That takes no time, whatever its size.
    ///
    /// # Errors
    /// [`OutOfTurn`] unless it has been checked.
    pub fn switch(&mut self) -> Result<(), OutOfTurn> {
        match std::mem::take(&mut self.staging) {
            Staging::Checked(compiled) => {
                self.compiled = *compiled;
                self.store.switch();
                self.staging = Staging::Settling(Walk::default());
                Ok(())
            }
            other => {
                self.staging = other;
                Err(OutOfTurn(self.phase()))
            }
        }
    }

    /// Gives up the next policy. Nothing is left of it once the policy has settled.
    pub fn abort(&mut self) {
        match self.staging {
            Staging::Settled | Staging::Settling(_) => {}
            _ => self.staging = Staging::Settling(Walk::default()),
        }
    }

    /// Takes all tokens and persons from the next side; `None` if none is left.
    fn prepare(&mut self, mut walk: Walk, budget: usize) -> Option<Walk> {
        let next = self.store.next();
        self.walk(&mut walk, budget, |policy, step| {
            match step {
                Step::Block(block) => policy.store.tokens.clear_block(block),
                Step::Person(place) => policy.store.persons.set(place, None, side(next)),
            }
            0
        })
        .then_some(walk)
    }

    /// Makes both sides what the side is that decides; `None` if they are.
    fn settle(&mut self, mut walk: Walk, budget: usize) -> Option<Walk> {
        let now = self.store.now();
        if !self.store.persons.is_split() {
            walk.person = self.store.persons.end();
        }
        let is_left = self.walk(&mut walk, budget, |policy, step| match step {
            Step::Block(block) => policy.store.tokens.settle_block(block, now),
            Step::Person(place) => {
                policy.store.persons.settle_place(place, now);
                0
            }
        });
        if is_left {
            return Some(walk);
        }
        self.store.settled();
        None
    }

    /// Goes on a walk as far as the budget reaches; whether more is left. `visit` says what it cost beyond looking.
    fn walk(
        &mut self,
        walk: &mut Walk,
        budget: usize,
        mut visit: impl FnMut(&mut Self, Step) -> usize,
    ) -> bool {
        let mut spent = 0;
        while walk.block < self.store.tokens.blocks() {
            if spent >= budget {
                return true;
            }
            spent += 4096 / ROWS_PER_UNIT + visit(self, Step::Block(walk.block));
            walk.block += 1;
        }
        while walk.person < self.store.persons.end() {
            if spent >= budget {
                return true;
            }
            spent += 1 + visit(self, Step::Person(walk.person));
            walk.person += 1;
        }
        false
    }

    /// Checks some more of the next policy; whether all but the last step is done.
    fn check(&self, checking: &mut Checking, budget: usize) -> Result<bool, Vec<PolicyFault>> {
        let (store, next) = (&self.store, self.store.next());
        let mut spent = 0;
        while store.reading.persons_open && checking.token < store.tokens.end() {
            if spent >= budget {
                return Ok(false);
            }
            let until = (checking.token + ROWS_PER_UNIT).min(store.tokens.end());
            for place in checking.token..until {
                checking.faults.extend(self.token_fault(place, next));
            }
            checking.token = until;
            spent += 1;
            if checking.faults.len() >= MOST_FAULTS {
                return Err(std::mem::take(&mut checking.faults));
            }
        }
        while store.reading.roles_open && checking.person < store.persons.end() {
            if spent >= budget {
                return Ok(false);
            }
            let faults = self.role_faults(checking.person, next);
            checking.faults.extend(faults);
            checking.person += 1;
            spent += 1;
            if checking.faults.len() >= MOST_FAULTS {
                return Err(std::mem::take(&mut checking.faults));
            }
        }
        if !checking.faults.is_empty() {
            return Err(std::mem::take(&mut checking.faults));
        }
        let names = NamesOf { store, side: next };
        while let Some(cost) = checking.compiler.step(&names, self.before()) {
            spent += cost;
            if spent >= budget {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn finish_check(&self, checking: Checking) -> Result<Compiled, Vec<PolicyFault>> {
        let (store, side) = (&self.store, self.store.next());
        let names = NamesOf { store, side };
        let compiled = checking.compiler.finish(&names, Some(self.before()));
        compiled.map_err(|faults| {
            let faults = faults.into_iter();
            faults.map(|fault| self.by_name(fault, side)).collect()
        })
    }

    fn before(&self) -> Before<'_> {
        Before {
            compiled: &self.compiled,
            lists: self.store.lists(self.store.now()),
            keeps_names: !self.store.reading.names_lost,
        }
    }

    /// A token without a person.
    fn token_fault(&self, place: usize, side: Side) -> Option<PolicyFault> {
        let token = self.store.tokens.read(place, side)?;
        if self.store.persons.get(token.person, side).is_some() {
            return None;
        }
        let person = self.store.persons.id_at(token.person);
        let rule = PolicyRule::Dangling {
            kind: "person",
            name: person.map_or_else(String::new, |id| self.store.id_text(id).to_string()),
        };
        let path = format!("tokens[{}].person", self.store.id_text(token.id));
        Some(PolicyFault::new(path, rule))
    }

    /// The roles of a person that the policy does not have.
    fn role_faults(&self, place: usize, side: Side) -> Vec<PolicyFault> {
        let Some(person) = self.store.persons.get(place, side) else {
            return Vec::new();
        };
        let roles = person.roles.iter();
        let missing = roles.filter_map(|&role| self.store.roles.missing(role, side));
        let fault = |name: &str| {
            let rule = PolicyRule::Dangling {
                kind: "role",
                name: name.to_owned(),
            };
            let path = format!("persons[{}].roles", self.store.id_text(person.id));
            PolicyFault::new(path, rule)
        };
        missing.map(fault).collect()
    }

    /// A fault whose path names its service or key, since a feed has no list in which they could be counted.
    fn by_name(&self, fault: PolicyFault, side: Side) -> PolicyFault {
        let lists = self.store.lists(side);
        let named = |path: &str| {
            let (list, rest) = path.split_once('[')?;
            let (at, rest) = rest.split_once(']')?;
            let at: usize = at.parse().ok()?;
            let name = match list {
                "services" => &lists.services.get(at)?.service.name,
                "keys" => &lists.keys.get(at)?.kid,
                "public" => &lists.public.get(at)?.path,
                _ => return None,
            };
            Some(format!("{list}[{name}]{rest}"))
        };
        match named(&fault.path) {
            Some(path) => PolicyFault::new(path, fault.rule),
            None => fault,
        }
    }
}

enum Step {
    Block(usize),
    Person(usize),
}

fn side(side: Side) -> &'static [Side] {
    match side {
        Side::A => &[Side::A],
        Side::B => &[Side::B],
    }
}

/// Something was asked of a policy that is not what it is at.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not while the next policy is {0:?}")]
pub struct OutOfTurn(pub Phase);

/// Why a change of the next policy was not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum StageFault {
    /// Changes are taken in [`Phase::Open`] only.
    #[error(transparent)]
    OutOfTurn(#[from] OutOfTurn),
    /// The change is at odds with itself, or with what can never change.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Refused(Vec<PolicyFault>),
}

#[cfg(test)]
mod tests;
