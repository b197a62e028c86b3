//! Sequences of changes, as proptest makes and shrinks them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::change::{Change, changes};

/// What happens to the layers of one overlay.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// One list for each lower layer, the topmost first.
    pub(crate) lowers: Vec<Vec<Change>>,
    pub(crate) upper: Vec<Change>,
}

pub(crate) fn sequences() -> impl Strategy<Value = Sequence> {
    let lowers = vec(vec(changes(), 5..40), 1..=5);
    (lowers, vec(changes(), 1..50)).prop_map(|(lowers, upper)| Sequence { lowers, upper })
}
