//! How much the saves of a container may occupy: `--max-size`.

use crate::retention::{Policy, Reason, Size};
use crate::store::{Blocks, History, Reading, StoreError};

/// Takes the reasons of those that do not fit into `size`, the oldest first; gives whether the rest is still too large.
///
/// Archives share blocks, so the newest come first: each adds only what those before it do not have.
pub(super) fn limit(
    history: &History,
    policy: &Policy,
    size: Size,
    reasons: &mut [Option<Vec<Reason>>],
) -> Result<bool, StoreError> {
    let saves = history.saves();
    let Some(newest) = reasons.iter().rposition(Option::is_some) else { return Ok(false) };
    let is_protected = |index: usize| index == newest || policy.keeps_tags(&saves[index].tags);
    let kept: Vec<usize> = (0..saves.len()).rev().filter(|&index| reasons[index].is_some()).collect();
    let (protected, others): (Vec<_>, Vec<_>) = kept.into_iter().partition(|&index| is_protected(index));
    let mut blocks = Blocks::default();
    for index in protected {
        add(&mut blocks, history, index)?;
    }
    let is_too_large = blocks.bytes() > size.bytes();
    let mut is_full = is_too_large;
    for index in others {
        if !is_full {
            add(&mut blocks, history, index)?;
            is_full = blocks.bytes() > size.bytes();
        }
        if is_full {
            reasons[index] = None;
        }
    }
    Ok(is_too_large)
}

fn add(blocks: &mut Blocks, history: &History, index: usize) -> Result<(), StoreError> {
    let saved = &history.saves()[index];
    let path = history.path_of(saved);
    let reading = Reading::begin(&path)?;
    // Where the file system does not say what is shared, nothing is.
    if blocks.add(reading.file()).is_err() {
        blocks.add_unknown(saved.bytes);
    }
    Ok(())
}
