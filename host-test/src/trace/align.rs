//! The shortest way from one list of lines to another (E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986).

/// So many differing lines are told apart at most; where there are more, nobody looks at each.
const MOST: usize = 4_000;

/// A line on the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Edit<'a> {
    Both(&'a str),
    Left(&'a str),
    Right(&'a str),
}

/// Puts equal lines next to each other.
pub(super) fn align<'a>(left: &'a [String], right: &'a [String]) -> Vec<Edit<'a>> {
    let equal = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    let (left_rest, right_rest) = (&left[equal..], &right[equal..]);
    let tail = left_rest.iter().rev().zip(right_rest.iter().rev());
    let tail = tail.take_while(|(l, r)| l == r).count();
    let middle_left = &left_rest[..left_rest.len() - tail];
    let middle_right = &right_rest[..right_rest.len() - tail];
    let both = |lines: &'a [String]| lines.iter().map(|line| Edit::Both(line));
    both(&left[..equal])
        .chain(between(middle_left, middle_right))
        .chain(both(&left_rest[left_rest.len() - tail..]))
        .collect()
}

fn between<'a>(left: &'a [String], right: &'a [String]) -> Vec<Edit<'a>> {
    let Some(rounds) = rounds(left, right) else {
        let left = left.iter().map(|line| Edit::Left(line));
        return left
            .chain(right.iter().map(|line| Edit::Right(line)))
            .collect();
    };
    let mut edits = Vec::new();
    let (mut x, mut y) = (left.len(), right.len());
    for (distance, reached) in rounds.iter().enumerate().rev() {
        let (from_x, from_y) = reached.start(distance, x.cast_signed() - y.cast_signed());
        while x.cast_signed() > from_x && y.cast_signed() > from_y {
            (x, y) = (x - 1, y - 1);
            edits.push(Edit::Both(&left[x]));
        }
        if distance == 0 {
            break;
        }
        if x.cast_signed() > from_x {
            x -= 1;
            edits.push(Edit::Left(&left[x]));
        } else {
            y -= 1;
            edits.push(Edit::Right(&right[y]));
        }
    }
    edits.reverse();
    edits
}

/// How many lines of the left are passed on each diagonal `k`: as many more than on the right.
struct Reached {
    /// From diagonal `-(distance + 1)` on.
    passed: Vec<isize>,
    first: isize,
}

impl Reached {
    fn on(&self, k: isize) -> isize {
        let index = usize::try_from(k - self.first).ok();
        index
            .and_then(|index| self.passed.get(index).copied())
            .unwrap_or(0)
    }

    /// Where a round begins on a diagonal: behind one more line of the right on the diagonal above, or one more of the left on
    /// the one below; whichever is further.
    fn start(&self, distance: usize, k: isize) -> (isize, isize) {
        if distance == 0 {
            return (0, 0);
        }
        let distance = distance.cast_signed();
        let down = k == -distance || (k != distance && self.on(k - 1) < self.on(k + 1));
        let from = if down { k + 1 } else { k - 1 };
        (self.on(from), self.on(from) - from)
    }
}

/// What each round began with; `None` if there are too many differences.
fn rounds(left: &[String], right: &[String]) -> Option<Vec<Reached>> {
    let (width, height) = (left.len().cast_signed(), right.len().cast_signed());
    let mut rounds: Vec<Reached> = Vec::new();
    let mut before = Reached {
        passed: Vec::new(),
        first: 0,
    };
    for distance in 0..=MOST.min(left.len() + right.len()) {
        let reach = distance.cast_signed();
        let mut now = vec![0; 2 * distance + 1];
        let mut done = false;
        for (index, k) in (-reach..=reach).enumerate().step_by(2) {
            let (from_x, from_y) = before.start(distance, k);
            // One more line of either side, but for the beginning.
            let mut x = if distance > 0 && from_x - from_y == k - 1 {
                from_x + 1
            } else {
                from_x
            };
            let mut y = x - k;
            while x < width && y < height && at(left, x) == at(right, y) {
                (x, y) = (x + 1, y + 1);
            }
            now[index] = x;
            done |= x >= width && y >= height;
        }
        rounds.push(before);
        if done {
            return Some(rounds);
        }
        before = Reached {
            passed: now,
            first: -reach,
        };
    }
    None
}

fn at(lines: &[String], index: isize) -> Option<&String> {
    usize::try_from(index)
        .ok()
        .and_then(|index| lines.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    fn aligned(left: &str, right: &str) -> String {
        let (left, right) = (lines(left), lines(right));
        let edits = align(&left, &right);
        let lefts = edits.iter().filter_map(|edit| match edit {
            Edit::Both(line) | Edit::Left(line) => Some(*line),
            Edit::Right(_) => None,
        });
        assert_eq!(lefts.collect::<Vec<_>>(), left, "all of the left is there");
        let rights = edits.iter().filter_map(|edit| match edit {
            Edit::Both(line) | Edit::Right(line) => Some(*line),
            Edit::Left(_) => None,
        });
        assert_eq!(
            rights.collect::<Vec<_>>(),
            right,
            "all of the right is there"
        );
        let text = edits.iter().map(|edit| match edit {
            Edit::Both(line) => (*line).to_owned(),
            Edit::Left(line) => format!("-{line}"),
            Edit::Right(line) => format!("+{line}"),
        });
        text.collect()
    }

    #[test]
    fn the_way_is_the_shortest() {
        assert_eq!(aligned("", ""), "");
        assert_eq!(aligned("abc", "abc"), "abc");
        assert_eq!(aligned("", "ab"), "+a+b");
        assert_eq!(aligned("ab", ""), "-a-b");
        assert_eq!(aligned("abc", "axc"), "a-b+xc");
        for (left, right, distance) in [
            ("abcabba", "cbabac", 5),
            ("aaaa", "bb", 6),
            ("xaxbxcx", "abc", 4),
            ("abcdef", "abxdyf", 4),
            ("ba", "ab", 2),
        ] {
            let changes = aligned(left, right).matches(['-', '+']).count();
            assert_eq!(changes, distance, "{left} {right}");
            let changes = aligned(right, left).matches(['-', '+']).count();
            assert_eq!(changes, distance, "{right} {left}");
        }
    }

    #[test]
    fn lists_that_have_too_little_in_common_are_set_side_by_side() {
        let left = vec!["l".to_owned(); MOST];
        let mut right = vec!["r".to_owned(); MOST];
        right.push("l".to_owned());
        right.push("x".to_owned());
        assert_eq!(align(&left, &right).len(), left.len() + right.len());
    }
}
