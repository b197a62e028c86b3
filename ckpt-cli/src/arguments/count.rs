//! How many of something of which there is at least one: copies, threads.

use std::str::FromStr;

use anyhow::{Context, Result};

/// For the types of `std::num` that cannot be zero, whose own words speak of types.
pub(crate) fn count<N: FromStr>(text: &str) -> Result<N> {
    text.parse().ok().context("expected a whole number, 1 or more")
}
