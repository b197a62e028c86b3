//! How far a container's memory is, as people read it.

use std::fmt;
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration};

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) bytes: u64,
    pub(crate) total: u64,
    /// None as long as it is not known.
    pub(crate) bytes_per_second: Option<u64>,
}

impl Arrived {
    /// `512.00 MiB of 1.00 GiB, 50 %`
    pub(crate) fn memory(&self) -> String {
        let Arrived { bytes, total, .. } = *self;
        // Not 100 before all is there.
        let percent = u128::from(bytes) * 100 / u128::from(total.max(1));
        format!("{} of {}, {percent} %", HumanBytes(bytes), HumanBytes(total))
    }

    /// `128.00 MiB/s`
    pub(crate) fn rate(&self) -> Option<String> {
        self.known_rate().map(|rate| format!("{}/s", HumanBytes(rate)))
    }

    /// `4 seconds`
    pub(crate) fn left(&self) -> Option<String> {
        let missing = self.total.saturating_sub(self.bytes);
        self.known_rate().map(|rate| HumanDuration(Duration::from_secs(missing.div_ceil(rate))).to_string())
    }

    fn known_rate(&self) -> Option<u64> {
        self.bytes_per_second.filter(|&rate| rate > 0)
    }
}

impl fmt::Display for Arrived {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.memory())?;
        match (self.rate(), self.left()) {
            (Some(rate), Some(left)) => write!(formatter, ", {rate}, {left} left"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long() {
        let mut arrived = Arrived { bytes: (1 << 30) - 1, total: 2 << 30, bytes_per_second: Some(256 << 20) };
        assert_eq!(arrived.to_string(), "1024.00 MiB of 2.00 GiB, 49 %, 256.00 MiB/s, 5 seconds left");
        for unknown in [None, Some(0)] {
            arrived.bytes_per_second = unknown;
            assert_eq!(arrived.to_string(), "1024.00 MiB of 2.00 GiB, 49 %");
        }
        assert_eq!(Arrived { bytes: 0, total: 0, bytes_per_second: None }.memory(), "0 B of 0 B, 0 %");
    }
}
