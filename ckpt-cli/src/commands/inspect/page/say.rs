//! Words and numbers as the page has them.

use crate::names::printable;

/// Words of the archive.
pub(super) fn text(word: &str) -> String {
    printable(word.as_bytes())
}

/// A number with thin spaces between its thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push('\u{202f}');
        }
        told.push(digit);
    }
    told
}

/// `1 file`, `2 files`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_thousands() {
        assert_eq!([count(7), count(1234), count(12_345_678)], ["7", "1\u{202f}234", "12\u{202f}345\u{202f}678"]);
        assert_eq!([counted(1, "file", "files"), counted(0, "file", "files")], ["1 file", "0 files"]);
    }
}
