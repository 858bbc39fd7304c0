//! Order without one sort and one tree for each type: both are generic code, of which a module holds a copy of several
//! kilobytes for each type that they are used with.

use std::cmp::Ordering;

/// The places `0..length` in the order that `compare` gives them, equal ones as they were: a merge sort.
pub(crate) fn sorted(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    let mut merged = Vec::with_capacity(length);
    let mut width = 1;
    while width < length {
        merged.clear();
        for run in order.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let (Some((&one, after_one)), Some((&other, after_other))) =
                (left.split_first(), right.split_first())
            {
                if compare(one, other).is_le() {
                    merged.push(one);
                    left = after_one;
                } else {
                    merged.push(other);
                    right = after_other;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    order
}

/// The places in `0..length` that are equal to an earlier one, ascending.
pub(crate) fn repeated(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut is_repeated = vec![false; length];
    for pair in sorted(length, compare).windows(2) {
        if let &[one, other] = pair
            && compare(one, other).is_eq()
            && let Some(flag) = is_repeated.get_mut(other)
        {
            *flag = true;
        }
    }
    let flags = is_repeated.into_iter().enumerate();
    flags.filter_map(|(at, flag)| flag.then_some(at)).collect()
}

/// Adds an item to an ascending list that does not have it yet; whether it did. For short lists: what is greater moves.
pub(crate) fn insert<T: Ord>(list: &mut Vec<T>, item: T) -> bool {
    match list.binary_search(&item) {
        Ok(_) => false,
        Err(gap) => {
            list.insert(gap, item);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_come_in_the_order_of_their_values_and_equal_ones_as_they_were(
            values in prop::collection::vec(0u8..20, 0..200),
        ) {
            let order = sorted(values.len(), &|one, other| values[one].cmp(&values[other]));
            let mut expected: Vec<usize> = (0..values.len()).collect();
            expected.sort_by_key(|&place| values[place]);
            prop_assert_eq!(order, expected);

            let repeated = repeated(values.len(), &|one, other| values[one].cmp(&values[other]));
            let expected: Vec<usize> = (0..values.len())
                .filter(|&place| values[..place].contains(&values[place]))
                .collect();
            prop_assert_eq!(repeated, expected);
        }
    }

    #[test]
    fn a_list_stays_ascending_and_has_nothing_twice() {
        let mut list = Vec::new();
        let added: Vec<_> = ["b", "a", "c", "a"]
            .into_iter()
            .map(|item| insert(&mut list, item))
            .collect();
        assert_eq!(list, ["a", "b", "c"]);
        assert_eq!(added, [true, true, true, false]);
    }
}
