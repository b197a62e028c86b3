//! `WWW-Authenticate`: what a registry wants to know of who asks. RFC 7235, and the token specification of distribution.

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token that somebody else gives.
    Bearer {
        /// Who gives it.
        realm: String,
        /// For whom it is.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the header; `None` if it asks for neither.
    pub(super) fn parse_optional(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (key, value) in parameters(rest) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
        }
        Some(Challenge::Bearer { realm: realm?, service })
    }
}

/// `key="value"` and `key=value`, with commas in between.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        found.push((key.trim_matches([',', ' ', '\t']).to_owned(), value));
        text = after;
    }
    found
}

/// What is between here and the closing quote, and what follows.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let header = r#"Bearer realm="https://auth.example.com/token?x=1,2",service="registry",scope="a:b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example.com/token?x=1,2".to_owned(),
            service: Some("registry".to_owned()),
        };
        assert_eq!(Challenge::parse_optional(header), Some(expected));
        let bare = Challenge::Bearer { realm: "https://x".to_owned(), service: None };
        assert_eq!(Challenge::parse_optional("bearer error=none, realm=https://x"), Some(bare));
        assert_eq!(Challenge::parse_optional(r#"Basic realm="x""#), Some(Challenge::Basic));
        for odd in ["", "Bearer", r#"Bearer service="x""#, "Negotiate", r#"Bearer realm="x\"#] {
            let read = Challenge::parse_optional(odd);
            assert!(read.is_none() || odd.ends_with('\\'), "{odd}: {read:?}");
        }
    }
}
