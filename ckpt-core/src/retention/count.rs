//! How many are kept: a number, or all.

use std::str::FromStr;

use serde::Deserialize;

/// How many a rule keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Count {
    /// So many.
    Of(u32),
    /// `unlimited`: all.
    Unlimited,
}

/// Neither a number nor `unlimited`.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is neither a number nor `unlimited`")]
pub struct CountError {
    text: String,
}

impl Count {
    /// Whether it keeps one more.
    pub(super) fn is_left(self) -> bool {
        self != Count::Of(0)
    }

    /// Counts one that is kept.
    pub(super) fn take(&mut self) {
        if let Count::Of(left) = self {
            *left = left.saturating_sub(1);
        }
    }
}

impl Default for Count {
    /// None.
    fn default() -> Self {
        Count::Of(0)
    }
}

impl FromStr for Count {
    type Err = CountError;

    fn from_str(text: &str) -> Result<Self, CountError> {
        match text {
            "unlimited" => Ok(Count::Unlimited),
            number => number.parse().map(Count::Of).map_err(|_| CountError { text: text.to_owned() }),
        }
    }
}

/// As the configuration file has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(i64),
    Word(String),
}

impl TryFrom<Written> for Count {
    type Error = CountError;

    fn try_from(written: Written) -> Result<Self, CountError> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Word(word) => word.parse(),
        }
    }
}
