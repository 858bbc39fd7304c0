//! Which root context a call's answer is for.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::root::Configured;

thread_local! {
    /// Root contexts by their ids. Nothing else is kept for the whole VM, and nothing is kept alive by this: the SDK knows
    /// its roots, and tells nobody.
    static ROOTS: RefCell<Vec<(u32, Weak<Configured>)>> = const { RefCell::new(Vec::new()) };
}

/// From now on, answers for this context are this configuration's.
pub(crate) fn register(context: u32, configured: &Rc<Configured>) {
    ROOTS.with_borrow_mut(|roots| {
        roots.retain(|(other, root)| *other != context && root.strong_count() > 0);
        roots.push((context, Rc::downgrade(configured)));
    });
}

/// Hands over the answer to a call.
pub(crate) fn answered(context: u32, call: u32, body_size: usize) {
    let root = ROOTS.with_borrow(|roots| {
        let root = roots.iter().find(|(other, _)| *other == context);
        root.and_then(|(_, root)| root.upgrade())
    });
    if let Some(root) = root {
        root.answered(call, body_size);
    }
}
