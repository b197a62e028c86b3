//! `ADDRESS:LENGTH` on the command line.

use std::ops::Range;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

/// What letters behind a length mean.
const UNITS: [(char, u32); 3] = [('K', 10), ('M', 20), ('G', 30)];

/// Addresses of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddressRange {
    start: u64,
    end: u64,
}

impl AddressRange {
    pub(super) fn addresses(&self) -> Range<u64> {
        self.start..self.end
    }
}

impl FromStr for AddressRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (address, length) =
            text.split_once(':').context("expected ADDRESS:LENGTH, as 7f0000001000:64 or 0x7f0000001000:4K")?;
        let digits = address.strip_prefix("0x").unwrap_or(address);
        let start = u64::from_str_radix(digits, 16).context("the address is not hexadecimal")?;
        let length = bytes(length).context("the length is no number of bytes")?;
        ensure!(length > 0, "the length is 0");
        let end = start.checked_add(length).context("no address is so large")?;
        Ok(AddressRange { start, end })
    }
}

fn bytes(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    let unit = UNITS.iter().find(|(letter, _)| text.ends_with([*letter, letter.to_ascii_lowercase()]));
    let (digits, shift) = unit.map_or((text, 0), |(_, shift)| (&text[..text.len() - 1], *shift));
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hexadecimal_and_lengths_are_not() -> Result<()> {
        for (text, start, length) in [
            ("7f00:10", 0x7f00, 10),
            ("0x10:0x10", 16, 16),
            ("0:4K", 0, 4096),
            ("a:2m", 10, 2 << 20),
            ("1:1G", 1, 1 << 30),
        ] {
            assert_eq!(text.parse::<AddressRange>()?, AddressRange { start, end: start + length }, "{text}");
        }
        for text in [
            "",
            "10",
            "10:",
            ":10",
            "10:0",
            "xyz:1",
            "1:1T",
            "ffffffffffffffff:1",
            "1:99999999999999999999",
            "1:-1",
            "1:é",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
        Ok(())
    }
}
