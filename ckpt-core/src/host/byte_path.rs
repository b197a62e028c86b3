//! Paths in JSON: a string where the path is UTF-8, else `{"hex": "2f…"}`, so that no byte is lost.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A path of any bytes that keeps them in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BytePath(pub PathBuf);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Form<'a> {
    /// As it is, where it is UTF-8.
    Text(Cow<'a, str>),
    /// Else its bytes.
    Hex {
        /// Two digits for each byte.
        hex: String,
    },
}

impl<'a> Form<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) => Form::Text(text.into()),
            Err(_) => Form::Hex { hex: to_hex(bytes) },
        }
    }
}

impl Serialize for BytePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::of(self.0.as_os_str().as_bytes()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BytePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(PathBuf::from(text.into_owned()))),
            Form::Hex { hex } => match from_hex(&hex) {
                Some(bytes) => Ok(Self(OsString::from_vec(bytes).into())),
                None => Err(de::Error::custom(format_args!("{hex:?} is not pairs of hexadecimal digits"))),
            },
        }
    }
}

impl JsonSchema for BytePath {
    fn schema_name() -> Cow<'static, str> {
        "BytePath".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Form::json_schema(generator)
    }
}

impl From<&OsStr> for BytePath {
    fn from(path: &OsStr) -> Self {
        Self(path.into())
    }
}

impl AsRef<Path> for BytePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// Two lower-case digits for each byte.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes whatever is written");
        hex
    })
}

/// The bytes that pairs of digits stand for; `None` for anything else.
pub(crate) fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() -> Result<(), serde_json::Error> {
        for (bytes, json) in [
            (&b"/etc/passwd"[..], r#""/etc/passwd""#),
            ("/käse\n\"".as_bytes(), r#""/käse\n\"""#),
            (b"", r#""""#),
            (b"/\xff\x00\x1a", r#"{"hex":"2fff001a"}"#),
        ] {
            let path = BytePath::from(OsStr::from_bytes(bytes));
            assert_eq!(serde_json::to_string(&path)?, json);
            assert_eq!(serde_json::from_str::<BytePath>(json)?, path);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_hex_is_refused() {
        for json in [r#"{"hex":"2"}"#, r#"{"hex":"zz"}"#, r#"{"hex":"é"}"#, r#"{"hex":7}"#, "7", "{}"] {
            assert!(serde_json::from_str::<BytePath>(json).is_err(), "{json}");
        }
    }
}
