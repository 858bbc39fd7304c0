//! By which policies the configurations of this VM decide.

use std::cell::RefCell;

use postern_core::feed::shared::Shelf;
use postern_core::feed::{InForce, Moment};

/// So long after its last tick, in milliseconds, a configuration is still taken to decide. Ticks are much closer.
const LIVE: u64 = 1_000;

thread_local! {
    /// Sources, the latest policy by which one of this VM's configurations decides, and when it last said so. Unlike
    /// shared data, nothing but this filter can write here.
    static DECIDES: RefCell<Vec<(Shelf, InForce, Moment)>> = const { RefCell::new(Vec::new()) };
}

/// A configuration decides by this policy, as long as it says so with each tick.
pub(super) fn decides(shelf: Shelf, in_force: &InForce, now: Moment) {
    DECIDES.with_borrow_mut(|all| {
        all.retain(|(other, known, at)| {
            let is_newer = *other != shelf || known.position > in_force.position;
            is_newer && is_live(*at, now)
        });
        if !all.iter().any(|(other, ..)| *other == shelf) {
            all.push((shelf, *in_force, now));
        }
    });
}

/// The policy by which a configuration of this VM decides right now.
pub(super) fn decided(shelf: Shelf, now: Moment) -> Option<InForce> {
    DECIDES.with_borrow(|all| {
        let mut live = all.iter().filter(|(.., at)| is_live(*at, now));
        live.find(|(other, ..)| *other == shelf)
            .map(|(_, in_force, _)| *in_force)
    })
}

fn is_live(at: Moment, now: Moment) -> bool {
    now.since(at).is_some_and(|since| since < LIVE)
}
