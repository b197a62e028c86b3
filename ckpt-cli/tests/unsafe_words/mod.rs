//! Words that do something to a terminal that prints them as they are.
#![allow(dead_code)]

/// Begins the line anew, clears the screen, forges a line, sets the title, turns the line around. The introducer of
/// sequences is there in both of its forms (ECMA-48, 8.3.16).
pub(crate) const EVIL: &str = "\r\x1b[2J\nError: forged\x1b]0;title\x07\u{9b}1m\u{202e}\u{2066}\u{7f}";

/// Fails if anything of what was said does more than to be shown.
pub(crate) fn assert_is_harmless(what: &str, said: &[u8]) {
    let said = str::from_utf8(said).unwrap_or_else(|error| panic!("{what}: {error}"));
    let does_something = |character: char| {
        character != '\n' && character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!said.contains(does_something), "{what}: {said:?}");
    assert!(!said.lines().any(|line| line.starts_with("Error: forged")), "{what}: {said}");
}
