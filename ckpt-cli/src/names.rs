//! Names of any bytes, for people and for JSON.

use aligntar::ShownName;
use serde_json::{Value, json};

/// A name in full length that keeps to its line: what is no printable text is escaped as in C.
pub(crate) fn printable(name: &[u8]) -> String {
    ShownName::whole(name).to_string()
}

/// Bytes that are no UTF-8 are no JSON string: they are in hexadecimal then, under `{"hex": …}`.
pub(crate) fn json_bytes(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_are_json() {
        assert_eq!(json_bytes(b"caf\xe9"), json!({ "hex": "636166e9" }));
    }
}
