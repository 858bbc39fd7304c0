//! Counts what a lookup does, for the test that a big policy costs a request what a small one does.

/// Counts one comparison or one visited node; outside tests it is nothing.
#[inline(always)]
pub(super) fn step() {
    #[cfg(test)]
    tests::STEPS.with(|steps| steps.set(steps.get() + 1));
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    thread_local! {
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// What `lookup` gives, and how many steps it took.
    pub(in crate::routes) fn counted<T>(lookup: impl FnOnce() -> T) -> (T, usize) {
        STEPS.set(0);
        let result = lookup();
        (result, STEPS.get())
    }
}
