//! The two policies that a store can hold at once: the one that decides, and the one that is being read.

/// One of two policies in the same tables. Which of them decides is one value, so that a switch costs nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Side {
    #[default]
    A,
    B,
}

impl Side {
    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Something that each side has one of.
#[derive(Debug, Default)]
pub(super) struct Sided<T>([T; 2]);

impl<T> Sided<T> {
    pub(super) fn get(&self, side: Side) -> &T {
        let [a, b] = &self.0;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    pub(super) fn get_mut(&mut self, side: Side) -> &mut T {
        let [a, b] = &mut self.0;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }
}

impl<T: Clone> Sided<T> {
    /// Makes one side's the same as the other's.
    pub(super) fn copy_from(&mut self, side: Side) {
        *self.get_mut(side.other()) = self.get(side).clone();
    }
}

/// Which policies a change concerns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// Both: there is one policy only, and it changes at once.
    Both,
    /// The one that is being read. The other one, which decides, keeps what it has.
    Next,
}
