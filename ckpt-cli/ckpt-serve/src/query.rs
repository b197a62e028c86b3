//! The query of a call, as podman reads it: names in any case, booleans as Go has them.
//!
//! What is not understood here is no error: podman is asked, and says what it makes of it.

use std::borrow::Cow;
use std::collections::HashMap;

/// A query in which no name comes twice.
#[derive(Debug, Default)]
pub(crate) struct Query<'q>(HashMap<String, Cow<'q, str>>);

impl<'q> Query<'q> {
    /// None if a name comes twice.
    pub(crate) fn parse(text: Option<&'q str>) -> Option<Self> {
        let mut values = HashMap::new();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if values.insert(name.to_ascii_lowercase(), value).is_some() {
                return None;
            }
        }
        Some(Query(values))
    }

    /// None if it is no boolean; one that is empty or not given is false.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.0.get(&name.to_ascii_lowercase()).map(AsRef::as_ref) {
            Some("1" | "t" | "T" | "TRUE" | "true" | "True" | "on") => Some(true),
            None | Some("" | "0" | "f" | "F" | "FALSE" | "false" | "False") => Some(false),
            Some(_) => None,
        }
    }

    /// None if it is not given, or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(AsRef::as_ref).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_gos() {
        let query = Query::parse(Some("a=1&b=on&C=FALSE&d=yes&e=&f=a%20b+c")).unwrap();
        let flags = ["a", "B", "c", "d", "e", "g"].map(|name| query.flag(name));
        assert_eq!(flags, [Some(true), Some(true), Some(false), None, Some(false), Some(false)]);
        assert_eq!(query.text("f"), Some("a b c"));
        assert_eq!((query.text("e"), query.text("g")), (None, None));
    }

    #[test]
    fn what_is_said_twice_is_podmans_to_understand() {
        assert!(Query::parse(Some("export=true&Export=false")).is_none());
        assert!(Query::parse(None).is_some());
    }
}
