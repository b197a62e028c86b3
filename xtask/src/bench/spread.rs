//! What several rounds of one measurement say.

use serde::{Deserialize, Serialize};

/// Median, and the range around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) min: u64,
    pub(crate) median: u64,
    pub(crate) max: u64,
}

impl Spread {
    /// `None` of no values. The median of an even number is the mean of the middle two.
    pub(crate) fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { values[middle - 1].midpoint(values[middle]) };
        Some(Self { min, median, max })
    }

    /// How many times larger this median is than `other`'s.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        self.median as f64 / other.median as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_median_and_range() {
        let cases: [(&[u64], [u64; 3]); 4] =
            [(&[7], [7, 7, 7]), (&[9, 1], [1, 5, 9]), (&[5, 1, 100], [1, 5, 100]), (&[4, 3, 2, 1], [1, 2, 4])];
        for (values, [min, median, max]) in cases {
            assert_eq!(Spread::of(values.iter().copied()), Some(Spread { min, median, max }), "{values:?}");
        }
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn compares_medians() {
        let (ours, floor) = (Spread { min: 1, median: 30, max: 31 }, Spread { min: 1, median: 20, max: 90 });
        assert_eq!(ours.ratio(&floor), 1.5);
    }
}
