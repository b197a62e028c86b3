//! Sizes as people write them: `20G`.

use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(u64);

/// It is none.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no size, which is a number of bytes, or of K, M, G or T (1024 each)")]
pub struct SizeError {
    text: String,
}

impl Size {
    /// Bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let number = text.trim_end_matches(|unit: char| !unit.is_ascii_digit());
        let shift = match &text[number.len()..] {
            "" | "B" => 0,
            "K" | "k" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return Err(SizeError { text: text.to_owned() }),
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Size).ok_or_else(|| SizeError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Size {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, SizeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_1024_each() {
        for (text, bytes) in [("0", 0), ("20G", 20 << 30), ("1KiB", 1024), ("3T", 3 << 40), ("7B", 7)] {
            assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "1GB", "1 G", "99999999999T", "1Gé"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
