//! Which tags are kept: `--keep-tag`.

use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobMatcher};
use serde::Deserialize;

/// Tags that an archive must all have, with commas between them, as restic has it; each may be a pattern, as `release-*`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct TagRule {
    text: String,
    patterns: Vec<GlobMatcher>,
}

/// It is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no pattern for tags")]
pub struct TagError {
    text: String,
    #[source]
    source: globset::Error,
}

impl TagRule {
    pub(super) fn matches(&self, tags: &[String]) -> bool {
        self.patterns.iter().all(|pattern| tags.iter().any(|tag| pattern.is_match(tag)))
    }
}

impl FromStr for TagRule {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let pattern = |part: &str| match Glob::new(part) {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(source) => Err(TagError { text: text.to_owned(), source }),
        };
        let patterns = text.split(',').map(pattern).collect::<Result<_, _>>()?;
        Ok(TagRule { text: text.to_owned(), patterns })
    }
}

impl TryFrom<String> for TagRule {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, TagError> {
        text.parse()
    }
}

impl fmt::Display for TagRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_must_have_a_tag() {
        for (rule, tags, expected) in [
            ("*", &["x"][..], true),
            ("*", &[], false),
            ("a", &["b", "a"], true),
            ("a,b", &["b", "a"], true),
            ("a,b", &["a"], false),
            ("v1.*,n?", &["v1.2", "n3"], true),
            ("v", &["v1"], false),
        ] {
            let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
            assert_eq!(rule.parse::<TagRule>().unwrap().matches(&tags), expected, "{rule} {tags:?}");
        }
        assert!("[".parse::<TagRule>().is_err());
    }
}
