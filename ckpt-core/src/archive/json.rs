//! How much memory JSON of an archive may take.

/// Values in one member. A list of a million deleted paths is legitimate; a value takes some 200 bytes beside its text, so
/// a member of 64 MiB takes less than 300 MiB.
const VALUE_LIMIT: usize = 1 << 20;

/// Whether `json` has more values than any member needs. Told by the commas outside of strings: whatever has many values
/// has nearly as many of them.
pub(super) fn has_too_many_values(json: &[u8]) -> bool {
    let (mut commas, mut in_string, mut escaped) = (0, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b',') => commas += 1,
            _ => {}
        }
    }
    commas >= VALUE_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_text_is_not() {
        let list = |item: &str| format!("[{}]", vec![item; VALUE_LIMIT + 1].join(","));
        assert!(has_too_many_values(list("{}").as_bytes()));
        assert!(has_too_many_values(list(r#""\\""#).as_bytes()));
        assert!(has_too_many_values(list(r#""\"a,""#).as_bytes()));
        let text = format!(r#"["{}",1]"#, r#"\","#.repeat(VALUE_LIMIT));
        assert!(!has_too_many_values(text.as_bytes()));
        assert!(!has_too_many_values(b"{}"));
    }
}
