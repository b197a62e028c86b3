//! JSON as podman reads it, that is as Go's encoding/json does.
//!
//! Whoever checks a file that podman will read must see what podman sees. Go differs from other readers:
//!
//! | in the file | Go | here |
//! |---|---|---|
//! | `"PID_FILE"` for the field `pid_file` | letters' case does not matter, `ſ` is an s and the Kelvin sign a k | the same |
//! | `null` | leaves the field as it is | the same, for fields with a default |
//! | a name twice | merges both values | refused: nobody writes that |

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};
use serde_json::Number;

/// Reads `T`, whose fields are found as Go finds them.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    T::deserialize(&serde_json::from_slice::<Json>(json)?)
}

/// A value in which no object has a name twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// How Go compares the names of fields: Unicode simple folding, of which two letters fold to ASCII (encoding/json,
/// `foldName`).
fn fold(name: &str) -> String {
    let folded = |letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    name.chars().map(folded).collect()
}

/// Fields are found however they are spelled; what is no object has none.
impl Json {
    /// Puts `value` in the field `name`.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        self.remove(name);
        if let Json::Object(fields) = self {
            fields.insert(name.to_owned(), value);
        }
    }

    /// Takes the field `name` out.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Json> {
        let Json::Object(fields) = self else { return None };
        let spelled = fields.keys().find(|field| fold(field) == fold(name))?.clone();
        fields.remove(&spelled)
    }

    /// The text in the field `name`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.field(name)? {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The list in the field `name`; empty if there is none.
    pub(crate) fn items(&self, name: &str) -> &[Json] {
        match self.field(name) {
            Some(Json::List(items)) => items,
            _ => &[],
        }
    }

    /// As [`Json::items`], to be changed.
    pub(crate) fn items_mut(&mut self, name: &str) -> Option<&mut Vec<Json>> {
        match self.field_mut(name)? {
            Json::List(items) => Some(items),
            _ => None,
        }
    }

    /// What is in the field `name`, to be changed.
    pub(crate) fn field_mut(&mut self, name: &str) -> Option<&mut Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter_mut().find(|(field, _)| fold(field) == fold(name)).map(|(_, value)| value)
    }

    /// Names and values in the object in the field `name`; empty if there is none.
    pub(crate) fn entries(&self, name: &str) -> Vec<(&str, &Json)> {
        match self.field(name) {
            Some(Json::Object(fields)) => fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            _ => Vec::new(),
        }
    }

    /// The text that this is.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    fn field(&self, name: &str) -> Option<&Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter().find(|(field, _)| fold(field) == fold(name)).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} is there twice")));
            }
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for &'de Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Json {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(*value),
            Json::Number(number) => number.deserialize_any(visitor),
            Json::Text(text) => visitor.visit_borrowed_str(text),
            Json::List(list) => SeqDeserializer::new(list.iter()).deserialize_any(visitor),
            Json::Object(object) => {
                MapDeserializer::new(object.iter().map(|(name, value)| (name.as_str(), value))).deserialize_any(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Json::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    /// Two spellings of one field end in serde's own "duplicate field".
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let Json::Object(object) = self else { return self.deserialize_any(visitor) };
        let known = |name: &'de str| fields.iter().find(|field| fold(field) == fold(name)).map_or(name, |field| field);
        let entries = object.iter().filter(|(_, value)| **value != Json::Null);
        MapDeserializer::new(entries.map(|(name, value)| (known(name), value))).deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Config {
        pid_file: String,
        #[serde(rename = "skills")]
        list: Vec<Inner>,
        labels: BTreeMap<String, String>,
        number: Option<u64>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Inner {
        name: String,
    }

    #[test]
    fn fields_are_found_as_go_finds_them() {
        let json = r#"{"PID_File":"x","\u017f\u212aill\u017f":[{"NAME":"y"},{"name":null}],"labels":{"A":"1","a":"2"},
                       "number":7,"unknown":[1.5,-3,true,null,{}]}"#;
        let config: Config = from_slice(json.as_bytes()).unwrap();
        let list = vec![Inner { name: "y".into() }, Inner::default()];
        let labels = [("A", "1"), ("a", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(config, Config { pid_file: "x".into(), list, labels, number: Some(7) });
    }

    #[test]
    fn what_go_would_merge_is_refused() {
        for json in [
            r#"{"pid_file":"a","pid_file":"b"}"#,
            r#"{"pid_file":"a","PID_FILE":"b"}"#,
            r#"{"unknown":{"a":1,"a":2}}"#,
            r#"{"pid_file":"a"} trailing"#,
            r#"{"pid_file":7}"#,
        ] {
            from_slice::<Config>(json.as_bytes()).unwrap_err();
        }
        from_slice::<Json>("[".repeat(100_000).as_bytes()).unwrap_err();
    }

    #[test]
    fn a_field_is_found_however_it_is_spelled() {
        let mut json: Json = serde_json::from_str(r#"{"ID":"old","n":18446744073709551615,"Z":null,"L":[1]}"#).unwrap();
        json.set("id", Json::Text("new".into()));
        assert_eq!((json.text("Id"), json.items("l").len()), (Some("new"), 1));
        assert_eq!(json.remove("z"), Some(Json::Null));
        json.items_mut("l").unwrap().clear();
        assert_eq!(serde_json::to_string(&json).unwrap(), r#"{"L":[],"id":"new","n":18446744073709551615}"#);
    }
}
