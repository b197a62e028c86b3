//! Copies of a container, by their names.

use crate::lab::Container;

/// The copies `NAME-1` to `NAME-COUNT`.
pub(crate) fn copies_of(name: &str, count: u32) -> Vec<Container> {
    (1..=count).map(|number| Container::named(&format!("{name}-{number}"))).collect()
}
