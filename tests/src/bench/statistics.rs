//! Medians, and how sure they are.

use super::seeded::Seeded;

/// How often the rounds are drawn anew for an interval.
const DRAWS: usize = 2_000;

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// From the medians of all rounds.
    pub value: f64,
    /// The 5th percentile of the draws.
    pub low: f64,
    /// The 95th percentile of the draws.
    pub high: f64,
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(value)) => *value,
        _ => 0.0,
    }
}

/// What a contestant adds to its baseline, in parts of what the reference adds to its own: the ratio of the medians, with
/// its 90 % bootstrap interval (Efron, 1979).
///
/// Each slice has one value for each round, and rounds are drawn whole: what disturbs a round disturbs all that stand in
/// it, and much of it cancels.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The contestant.
    pub value: &'a [f64],
    /// The same without its filter.
    pub baseline: &'a [f64],
    /// The contestant that is 1.
    pub reference: &'a [f64],
    /// The same without its filter.
    pub reference_baseline: &'a [f64],
}

impl Comparison<'_> {
    /// The ratio and its interval.
    pub fn estimate(&self, seed: u64) -> Estimate {
        let rounds = self.value.len();
        let mut numbers = Seeded::new(seed);
        let mut ratios: Vec<f64> = (0..DRAWS)
            .map(|_| {
                let drawn: Vec<usize> = (0..rounds).map(|_| numbers.below(rounds.max(1))).collect();
                self.ratio(|values| {
                    let values: Vec<f64> = drawn
                        .iter()
                        .filter_map(|round| values.get(*round).copied())
                        .collect();
                    median(&values)
                })
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let at = |percent: usize| ratios.get(DRAWS * percent / 100).copied();
        let value = self.ratio(median);
        Estimate {
            value,
            low: at(5).unwrap_or(value),
            high: at(95).unwrap_or(value),
        }
    }

    fn ratio(&self, middle: impl Fn(&[f64]) -> f64) -> f64 {
        (middle(self.value) - middle(self.baseline))
            / (middle(self.reference) - middle(self.reference_baseline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_wild_round() {
        assert!((median(&[3.0, 1.0, 900.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 900.0]) - 3.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }

    /// Rounds with noise of their own and with noise that the whole round shares.
    fn rounds(level: f64, own: f64, seed: u64) -> Vec<f64> {
        let (mut shared, mut numbers) = (Seeded::new(1), Seeded::new(seed));
        let noise = |scale: f64, numbers: &mut Seeded| {
            scale * (f64::from(u32::try_from(numbers.below(2_001)).unwrap_or(0)) / 1_000.0 - 1.0)
        };
        (0..15)
            .map(|_| level + noise(5.0, &mut shared) + noise(own, &mut numbers))
            .collect()
    }

    #[test]
    fn a_ratio_lies_within_its_interval_and_the_interval_near_the_truth() {
        let (none, half, whole) = (
            rounds(40.0, 0.5, 2),
            rounds(60.0, 0.5, 3),
            rounds(80.0, 0.5, 4),
        );
        let estimate = Comparison {
            value: &half,
            baseline: &none,
            reference: &whole,
            reference_baseline: &none,
        }
        .estimate(5);

        assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
        assert!(
            estimate.low > 0.45 && estimate.high < 0.55,
            "noise that all share does not widen it: {estimate:?}"
        );
    }

    #[test]
    fn more_noise_gives_a_wider_interval() {
        let width = |own| {
            let (none, half, whole) = (
                rounds(40.0, own, 2),
                rounds(60.0, own, 3),
                rounds(80.0, own, 4),
            );
            let estimate = Comparison {
                value: &half,
                baseline: &none,
                reference: &whole,
                reference_baseline: &none,
            }
            .estimate(5);
            estimate.high - estimate.low
        };
        assert!(width(6.0) > 2.0 * width(0.5));
    }
}
