//! Words with a place for the number of the copy: `web-{n}`, or `web-{n:02}` for at least two digits.

use std::fmt::Write;
use std::str::FromStr;

/// A word in which `{n}` stands for a copy's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    word: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number { digits: usize },
}

/// A word that is no template.
#[derive(Debug, thiserror::Error)]
#[error("{word:?}: \"{{\" begins {{n}}, the copy's number, or {{n:02}}, the same with at least two digits")]
pub struct TemplateError {
    word: String,
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(word: &str) -> Result<Self, TemplateError> {
        let error = || TemplateError { word: word.to_owned() };
        let mut parts = word.split('{');
        let mut pieces = vec![Piece::Text(parts.next().unwrap_or_default().to_owned())];
        for part in parts {
            let (place, text) = part.split_once('}').ok_or_else(error)?;
            let digits = match place.strip_prefix('n').ok_or_else(error)? {
                "" => 0,
                padded => padded.strip_prefix(":0").and_then(digit).ok_or_else(error)?,
            };
            pieces.extend([Piece::Number { digits }, Piece::Text(text.to_owned())]);
        }
        Ok(Template { word: word.to_owned(), pieces })
    }
}

/// 1 to 9.
fn digit(text: &str) -> Option<usize> {
    text.parse().ok().filter(|digits| (1..=9).contains(digits))
}

impl Template {
    /// `web-{n}` for `web`.
    pub(super) fn numbered(name: &str) -> Self {
        let pieces = vec![Piece::Text(format!("{name}-")), Piece::Number { digits: 0 }];
        Template { word: format!("{name}-{{n}}"), pieces }
    }

    /// The word for the copy `number`.
    pub fn of(&self, number: u32) -> String {
        let mut word = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => word.push_str(text),
                Piece::Number { digits } => write!(word, "{number:0digits$}").expect("a string takes all"),
            }
        }
        word
    }

    /// As it was given.
    pub fn word(&self) -> &str {
        &self.word
    }

    pub(super) fn has_number(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Number { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_goes_where_it_is_wanted() {
        let of = |word: &str| Template::from_str(word).unwrap().of(7);
        for (word, expected) in [("web", "web"), ("w-{n}", "w-7"), ("{n:03}w{n}", "007w7"), ("{n}", "7")] {
            assert_eq!(of(word), expected);
        }
        assert_eq!(Template::from_str("w{n:02}").unwrap().of(123), "w123");
        for word in ["{", "w{m}", "w{n", "w{n:2}", "w{n:00}", "w{n:0}", "w{}"] {
            assert!(Template::from_str(word).is_err(), "{word}");
        }
    }
}
