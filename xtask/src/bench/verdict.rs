//! Whether a run met its targets.

use serde::Serialize;

/// How far a measured value may go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::AtLeast(limit) => measured >= limit,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) bound: Bound,
    pub(crate) measured: f64,
    pub(crate) met: bool,
}

impl Verdict {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, bound: Bound, measured: f64) -> Self {
        Self { what: what.into(), unit, bound, measured, met: bound.holds(measured) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_may_be_reached_but_not_passed() {
        let cases = [
            (Bound::AtMost(25.0), 25.0, true),
            (Bound::AtMost(25.0), 25.1, false),
            (Bound::AtLeast(3.0), 3.0, true),
            (Bound::AtLeast(3.0), 2.9, false),
        ];
        for (bound, measured, met) in cases {
            assert_eq!(Verdict::new("x", "ms", bound, measured).met, met, "{bound:?} {measured}");
        }
    }
}
