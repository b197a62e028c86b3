//! JSON on standard output. What is printed has a schema, see [`crate::schemas`].

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use aligntar::keeps_to_its_line;

use crate::messages::print_text;

/// Prints one value on many lines.
pub(crate) fn print_json(value: &(impl Serialize + JsonSchema)) -> Result<()> {
    print_text(pretty(value)?)
}

/// The same, to be printed elsewhere.
pub(crate) fn pretty(value: &(impl Serialize + JsonSchema)) -> Result<String> {
    Ok(harmless(serde_json::to_string_pretty(value)?))
}

/// One value on one line.
pub(crate) fn json_line(value: &(impl Serialize + JsonSchema)) -> Result<String> {
    Ok(harmless(serde_json::to_string(value)?))
}

/// The same JSON without characters that a terminal acts upon. serde_json escapes only those below a space; U+009b begins
/// an escape sequence as well, and others turn the line around. All of them stand in strings.
fn harmless(json: String) -> String {
    let is_harmless = |character: char| character == '\n' || keeps_to_its_line(character);
    if json.chars().all(is_harmless) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut text, character| {
        match is_harmless(character) {
            true => text.push(character),
            false => text.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_gets_out_and_no_character_is_lost() -> Result<()> {
        let name = "a\u{9b}2J\u{202e}\u{7f}\u{1b}[0m käse";
        let json = json_line(&name)?;
        assert_eq!(json, r#""a\u009b2J\u202e\u007f\u001b[0m käse""#);
        assert_eq!(serde_json::from_str::<String>(&json)?, name);
        Ok(())
    }
}
