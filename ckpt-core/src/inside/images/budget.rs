//! How much is told at most.

use crate::inside::error::InsideError;

/// Bytes of memory that all values together may take. A shell with its files takes some 10 KiB.
const LIMIT: u64 = 256 << 20;
/// What a value takes beside its bytes.
const VALUE: u64 = 128;

/// Processes can share their descriptors: a small archive could have much to tell.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { left: LIMIT }
    }
}

impl Budget {
    /// Pays for a value with so many bytes.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), InsideError> {
        self.left = self.left.checked_sub(bytes as u64 + VALUE).ok_or(InsideError::TooMuch { limit: LIMIT })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_cannot_be_spent_again() {
        let mut budget = Budget::default();
        budget.spend(LIMIT as usize / 2).unwrap();
        assert!(matches!(budget.spend(LIMIT as usize / 2), Err(InsideError::TooMuch { .. })));
        budget.spend(7).unwrap();
    }
}
