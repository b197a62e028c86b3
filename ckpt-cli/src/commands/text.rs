//! Names of any bytes, for people and for JSON.

use serde_json::{Value, json};

/// A name that keeps to its line: what is no printable text is escaped as in C.
pub(super) fn printable(name: &[u8]) -> String {
    name.utf8_chunks().fold(String::new(), |mut text, chunk| {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                character if character.is_control() => text.extend(character.escape_default()),
                character => text.push(character),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        text
    })
}

/// Bytes that are no UTF-8 are no JSON string: they are in hexadecimal then, under `{"hex": …}`.
pub(super) fn json_bytes(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_line() {
        for (name, expected) in
            [(&b"plain name"[..], "plain name"), (b"a\nb\\", "a\\nb\\\\"), (b"caf\xe9\x1b", "caf\\xe9\\u{1b}")]
        {
            assert_eq!(printable(name), expected);
        }
        assert_eq!(json_bytes(b"caf\xe9"), json!({ "hex": "636166e9" }));
    }
}
