//! What the changes are, and the way they take.

pub(crate) mod change;
pub(crate) mod round_trip;
pub(crate) mod sequence;
