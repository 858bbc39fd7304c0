//! Fixed sets of header names, found by their length first.

/// Longer names than this are in no set.
const MAX_LENGTH: usize = 48;

/// A set of names in lower case.
pub(crate) struct Names {
    /// Sorted by length.
    names: &'static [&'static str],
    /// Where the names of each length begin.
    starts: [usize; MAX_LENGTH + 2],
}

impl Names {
    /// The names, sorted by length; anything else does not compile in a `static`.
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        let mut starts = [0; MAX_LENGTH + 2];
        let mut length = 0;
        let mut at = 0;
        while length <= MAX_LENGTH {
            starts[length] = at;
            while at < names.len() && names[at].len() == length {
                at += 1;
            }
            length += 1;
        }
        starts[MAX_LENGTH + 1] = at;
        assert!(at == names.len(), "the names are not sorted by length");
        Self { names, starts }
    }

    /// Whether the name is in the set, whatever its letter case.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        if name.len() > MAX_LENGTH {
            return false;
        }
        let names = &self.names[self.starts[name.len()]..self.starts[name.len() + 1]];
        names
            .iter()
            .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SOME: Names = Names::new(&["a", "bc", "bd", "xyz"]);

    #[test]
    fn a_name_is_found_in_any_case_and_nothing_else_is() {
        for name in ["a", "bc", "BD", "xyz"] {
            assert!(SOME.contains(name.as_bytes()), "{name}");
        }
        for name in ["", "b", "be", "xy", "wxyz"] {
            assert!(!SOME.contains(name.as_bytes()), "{name}");
        }
        assert!(!SOME.contains(&[b'a'; 1_000]));
    }
}
