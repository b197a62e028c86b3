//! How much memory JSON of an archive may take.

/// Values in one member. A list of a million deleted paths is legitimate; a value takes some 200 bytes beside its text, so
/// a member of 64 MiB takes less than 300 MiB.
const VALUE_LIMIT: usize = 1 << 20;

/// How many values `json` has, and how many it may have, if it has more than any member needs. Told by the commas outside
/// of strings: whatever has many values has nearly as many of them.
pub(super) fn too_many_values(json: &[u8]) -> Option<(u64, u64)> {
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
    (commas >= VALUE_LIMIT).then_some((commas as u64 + 1, VALUE_LIMIT as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_text_is_not() {
        let list = |item: &str| format!("[{}]", vec![item; VALUE_LIMIT + 1].join(","));
        assert!(too_many_values(list("{}").as_bytes()).is_some());
        assert!(too_many_values(list(r#""\\""#).as_bytes()).is_some());
        assert!(too_many_values(list(r#""\"a,""#).as_bytes()).is_some());
        let text = format!(r#"["{}",1]"#, r#"\","#.repeat(VALUE_LIMIT));
        assert_eq!(too_many_values(text.as_bytes()), None);
        assert_eq!(too_many_values(b"{}"), None);
    }
}
