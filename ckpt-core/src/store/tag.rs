//! Tags: short names that people give to saves.

use std::fmt;
use std::str::FromStr;

use super::StoreError;

/// Bytes, as in tags of images.
const LONGEST: usize = 128;

/// A tag, of the characters that tags of images have: it stands behind an `@` on command lines, and nothing in it acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let is_first = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let is_next = |char: char| is_first(char) || matches!(char, '.' | '-');
        match text.len() <= LONGEST && text.starts_with(is_first) && text.chars().all(is_next) {
            true => Ok(Tag(text.to_owned())),
            false => Err(StoreError::BadTag { tag: text.to_owned() }),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_no_characters_that_act() {
        for tag in ["a", "v1.2-rc_3", "_", "0123456789"] {
            assert_eq!(tag.parse::<Tag>().unwrap().as_str(), tag);
        }
        let long = "x".repeat(129);
        for tag in ["", ".", "..", "-x", "a/b", "a b", "a\n", "a~1", "a@b", "\u{1b}[2J", "é", &long] {
            assert!(tag.parse::<Tag>().is_err(), "{tag:?}");
        }
    }
}
