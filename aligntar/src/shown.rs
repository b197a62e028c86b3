//! Names as people read them. In archives and file systems, names have any bytes and any length.

use std::fmt;

/// Characters of a name that are shown in front of what is left out, and behind it.
const SHOWN: (usize, usize) = (120, 60);

/// A name for people to read. It stays on one line. Bytes that are not printable text are escaped as in C. A very long
/// name loses its middle.
///
/// `Display` gives it bare, `Debug` in quotes, both with the length in bytes where something was left out:
///
/// ```
/// use aligntar::ShownName;
///
/// assert_eq!(format!("{:?}", ShownName::new(b"a\nb")), r#""a\nb""#);
/// assert!(ShownName::new(&[b'x'; 400_000]).to_string().ends_with("xxx (400000 bytes)"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShownName {
    text: String,
    /// Of the whole name, where something was left out.
    bytes: Option<usize>,
}

impl ShownName {
    /// `name`, shortened if that is needed.
    pub fn new(name: &[u8]) -> Self {
        let (front, end) = SHOWN;
        // A character has four bytes at most: more than these on either side are never shown.
        let is_far_too_long = name.len() > 8 * (front + end);
        let (head, tail) =
            if is_far_too_long { (&name[..4 * front], &name[name.len() - 4 * end..]) } else { (name, name) };
        let (head, tail): (Vec<_>, Vec<_>) = (pieces(head).collect(), pieces(tail).collect());
        if !is_far_too_long && head.len() <= front + end {
            return ShownName::whole(name);
        }
        let mut text = text(head[..front].iter().copied());
        text.push('…');
        text += &self::text(tail[tail.len() - end..].iter().copied());
        ShownName { text, bytes: Some(name.len()) }
    }

    /// `name` in full length, for lists.
    pub fn whole(name: &[u8]) -> Self {
        ShownName { text: text(pieces(name)), bytes: None }
    }
}

/// Only a name that is shown whole is equal to a text.
impl PartialEq<str> for ShownName {
    fn eq(&self, shown: &str) -> bool {
        self.bytes.is_none() && self.text == shown
    }
}

impl fmt::Display for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.bytes.map_or(Ok(()), |bytes| write!(f, " ({bytes} bytes)"))
    }
}

impl fmt::Debug for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.text)?;
        self.bytes.map_or(Ok(()), |bytes| write!(f, " ({bytes} bytes)"))
    }
}

/// What a name consists of.
#[derive(Clone, Copy)]
enum Piece {
    Character(char),
    /// No part of a character.
    Byte(u8),
}

fn pieces(name: &[u8]) -> impl Iterator<Item = Piece> {
    name.utf8_chunks().flat_map(|chunk| {
        let bytes = chunk.invalid().iter().copied().map(Piece::Byte);
        chunk.valid().chars().map(Piece::Character).chain(bytes)
    })
}

fn text(pieces: impl Iterator<Item = Piece>) -> String {
    pieces.fold(String::new(), |mut text, piece| {
        match piece {
            Piece::Character('\\') => text.push_str("\\\\"),
            Piece::Character(character) if character.is_control() => text.extend(character.escape_default()),
            Piece::Character(character) if !keeps_to_its_line(character) => text.extend(character.escape_unicode()),
            Piece::Character(character) => text.push(character),
            Piece::Byte(byte) => text.push_str(&format!("\\x{byte:02x}")),
        }
        text
    })
}

/// Whether a terminal only shows it, where it stands: neither a control character nor one that
/// makes one name look like another.
pub fn keeps_to_its_line(character: char) -> bool {
    !character.is_control() && !turns_the_line(character)
}

/// Marks without a width, and those that make what follows run from right to left (Unicode, "Bidirectional Algorithm").
fn turns_the_line(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A path for people to read.
pub(crate) fn lossy(path: &[u8]) -> ShownName {
    ShownName::new(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_line() {
        for (name, expected) in [
            (&b"plain name"[..], "plain name"),
            (b"a\nb\\", "a\\nb\\\\"),
            (b"caf\xe9\x1b", "caf\\xe9\\u{1b}"),
            ("käse".as_bytes(), "käse"),
            ("a\u{202e}txt.exe".as_bytes(), "a\\u{202e}txt.exe"),
            (b"", ""),
        ] {
            assert_eq!(ShownName::new(name).to_string(), expected);
            assert_eq!(ShownName::whole(name).to_string(), expected);
            assert_eq!(format!("{:?}", ShownName::new(name)), format!("\"{expected}\""));
        }
    }

    #[test]
    fn long_names_are_shortened_to_what_a_person_reads() {
        let longest = [b'x'; 180];
        assert_eq!(ShownName::new(&longest).to_string(), "x".repeat(180));
        let mut long = vec![b'x'; 400_000];
        long[0] = b'<';
        long[399_999] = b'>';
        let shown = format!("{:?}", ShownName::new(&long));
        assert_eq!(shown, format!("\"<{}…{}>\" (400000 bytes)", "x".repeat(119), "x".repeat(59)));
        assert_eq!(ShownName::whole(&long).to_string().len(), 400_000);
        // Whatever a character takes, and however it is cut.
        for piece in ["ä", "\u{1f600}", "\u{1b}", "x"] {
            for count in [181, 182, 719, 720, 721, 3000] {
                let name = [b"y", piece.repeat(count).as_bytes()].concat();
                let shown = ShownName::new(&name).to_string();
                assert!(shown.ends_with(&format!(" ({} bytes)", name.len())) && shown.starts_with('y'), "{shown}");
                assert!(shown.chars().count() < 6 * 180 + 30, "{shown}");
            }
        }
        assert!(ShownName::new(&[0xff; 5000]).to_string().len() < 800);
    }
}
