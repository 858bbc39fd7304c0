//! Two lists side by side.

/// Where a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::scenario) enum Mark {
    /// In both.
    Both,
    /// Only in what was to come.
    Expected,
    /// Only in what came.
    Observed,
}

/// So many lines are compared; a table of their pairs for more would take all memory.
const MAX_LINES: usize = 1_000;

/// The longest common subsequence of both lists, with what stands between it.
pub(in crate::scenario) fn diff<E, O>(
    expected: &[E],
    observed: &[O],
    same: impl Fn(&E, &O) -> bool,
    show_expected: impl Fn(&E) -> String,
    show_observed: impl Fn(&O) -> String,
) -> Vec<(Mark, String)> {
    let expected = &expected[..expected.len().min(MAX_LINES)];
    let observed = &observed[..observed.len().min(MAX_LINES)];
    let width = observed.len() + 1;
    // lengths[i * width + j]: how much expected[i..] and observed[j..] have in common.
    let mut lengths = vec![0_u32; (expected.len() + 1) * width];
    for (i, one) in expected.iter().enumerate().rev() {
        for (j, other) in observed.iter().enumerate().rev() {
            lengths[i * width + j] = if same(one, other) {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < expected.len() || j < observed.len() {
        match (expected.get(i), observed.get(j)) {
            (Some(one), Some(other)) if same(one, other) => {
                lines.push((Mark::Both, show_observed(other)));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other)
                if other.is_none()
                    || lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] =>
            {
                lines.push((Mark::Expected, show_expected(one)));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push((Mark::Observed, show_observed(other)));
                j += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

/// The lines of two texts; nothing if neither has several lines.
pub(super) fn lines(expected: &[u8], observed: &[u8]) -> Vec<(Mark, String)> {
    let split = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        text.split('\n').map(str::to_owned).collect()
    };
    let (expected, observed) = (split(expected), split(observed));
    if expected.len() < 2 && observed.len() < 2 {
        return Vec::new();
    }
    diff(
        &expected,
        &observed,
        |one, other| one == other,
        Clone::clone,
        Clone::clone,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(expected: &str, observed: &str) -> String {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let lines = diff(
            &chars(expected),
            &chars(observed),
            |one, other| one == other,
            char::to_string,
            char::to_string,
        );
        let mark = |mark| match mark {
            Mark::Both => ' ',
            Mark::Expected => '-',
            Mark::Observed => '+',
        };
        lines
            .into_iter()
            .flat_map(|(kind, line)| [mark(kind).to_string(), line])
            .collect()
    }

    #[test]
    fn what_both_have_stays_and_the_rest_is_marked() {
        assert_eq!(marks("abcd", "abxd"), " a b-c+x d");
        assert_eq!(marks("", "a"), "+a");
        assert_eq!(marks("ab", ""), "-a-b");
        assert_eq!(marks("ba", "ab"), "-b a+b");
    }
}
