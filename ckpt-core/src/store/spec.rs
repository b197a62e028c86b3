//! What people call a save: `web~2`, `web@1f2e3d4c`, `web@before-upgrade`.

use std::fmt;

/// A save of a container, by its place in the history or by a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveSpec {
    /// The container's name.
    pub container: String,
    /// Which of its saves.
    pub which: Which,
}

/// Which save of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest is 1, the one before 2.
    Back(u32),
    /// An ID, the beginning of one, or a tag; of several with a tag, the newest.
    Word(String),
}

impl SaveSpec {
    /// What `text` means; `None` if it is no such thing. Neither `~` nor `@` is in any name that podman gives.
    pub fn parse_optional(text: &str) -> Option<Self> {
        let at = text.find(['~', '@'])?;
        let (container, which) = text.split_at(at);
        let which = Which::parse_optional(which)?;
        is_container_name(container).then(|| SaveSpec { container: container.to_owned(), which })
    }

    /// The newest save of `container`.
    pub fn newest(container: &str) -> Self {
        SaveSpec { container: container.to_owned(), which: Which::Back(1) }
    }

    /// A save of `container` that `text` names alone (`~2`, an ID, a tag) or with the container (`web~2`).
    pub fn of(container: &str, text: &str) -> Self {
        let whole = SaveSpec::parse_optional(text).filter(|spec| spec.container == container);
        let which = || Which::parse_optional(text).unwrap_or_else(|| Which::Word(text.to_owned()));
        whole.unwrap_or_else(|| SaveSpec { container: container.to_owned(), which: which() })
    }
}

impl Which {
    /// `~`, `~2`, `@word`.
    fn parse_optional(text: &str) -> Option<Self> {
        match (text.strip_prefix('~'), text.strip_prefix('@')) {
            // As with git, one back.
            (Some(""), _) => Some(Which::Back(1)),
            (Some(digits), _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Which::Back(digits.parse().ok()?))
            }
            (_, Some(word)) if !word.is_empty() => Some(Which::Word(word.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for SaveSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Back(back) => write!(formatter, "{}~{back}", self.container),
            Which::Word(word) => write!(formatter, "{}@{word}", self.container),
        }
    }
}

/// podman's `NameRegex`: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`. So it is a file's name, and none that leads elsewhere.
pub(super) fn is_container_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saves_are_told_from_files_and_containers() {
        let word = |word: &str| Some(Which::Word(word.to_owned()));
        for (text, expected) in [
            ("web~2", Some(Which::Back(2))),
            ("web~", Some(Which::Back(1))),
            ("web~0", Some(Which::Back(0))),
            ("w.e-b_1~4294967295", Some(Which::Back(u32::MAX))),
            ("web@1f2e", word("1f2e")),
            ("web@v1~2", word("v1~2")),
            ("web~4294967296", None),
            ("web~-1", None),
            ("web~x", None),
            ("web@", None),
            ("web", None),
            ("~1", None),
            ("@x", None),
            ("a/web~1", None),
            ("../web~1", None),
            ("~/web.tar", None),
            ("web.tar~", Some(Which::Back(1))),
            ("", None),
        ] {
            assert_eq!(SaveSpec::parse_optional(text).map(|spec| spec.which), expected, "{text}");
        }
    }

    #[test]
    fn a_containers_save_is_named_with_or_without_it() {
        for (text, expected) in [
            ("web~2", Which::Back(2)),
            ("~2", Which::Back(2)),
            ("@v1", Which::Word("v1".into())),
            ("v1", Which::Word("v1".into())),
            ("db~2", Which::Word("db~2".into())),
        ] {
            assert_eq!(SaveSpec::of("web", text), SaveSpec { container: "web".into(), which: expected }, "{text}");
        }
    }

    #[test]
    fn a_save_is_printed_as_it_is_written() {
        for text in ["web~2", "web@v1"] {
            assert_eq!(SaveSpec::parse_optional(text).unwrap().to_string(), text);
        }
    }
}
