//! The values of records: paths, names, numbers and times.

use std::sync::Arc;

use super::record::{PaxError, PaxRecord};
use crate::member::Timestamp;
use crate::shown::ShownName;

pub(super) fn bad_value(record: PaxRecord<'_>) -> PaxError {
    PaxError::BadValue { keyword: ShownName::new(record.keyword), value: ShownName::new(record.value) }
}

pub(super) fn path(record: PaxRecord<'_>) -> Result<Option<Vec<u8>>, PaxError> {
    if record.value.contains(&0) {
        return Err(bad_value(record));
    }
    Ok((!record.value.is_empty()).then(|| record.value.to_vec()))
}

pub(super) fn name(record: PaxRecord<'_>) -> Result<Option<Arc<[u8]>>, PaxError> {
    path(record).map(|name| name.map(Arc::from))
}

/// Below zero, as some write where they know no owner, it counts back from 2^64: that is none that a file system has.
pub(super) fn owner(record: PaxRecord<'_>) -> Result<Option<u64>, PaxError> {
    let Some(digits) = record.value.strip_prefix(b"-") else { return number(record) };
    let below = number(PaxRecord { value: digits, ..record })?.ok_or_else(|| bad_value(record))?;
    Ok(Some(below.wrapping_neg()))
}

pub(super) fn number(record: PaxRecord<'_>) -> Result<Option<u64>, PaxError> {
    if record.value.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(record.value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| bad_value(record))
}

/// Decimal seconds with an optional fraction, which is cut after nine digits; `-1.5` is half a second after -2.
pub(super) fn timestamp(record: PaxRecord<'_>) -> Result<Option<Timestamp>, PaxError> {
    if record.value.is_empty() {
        return Ok(None);
    }
    parse_timestamp(record.value).map(Some).ok_or_else(|| bad_value(record))
}

fn parse_timestamp(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !is_number(digits) || !is_number(fraction) {
        return None;
    }
    let secs: i64 = whole.parse().ok()?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |nanos, digit| 10 * nanos + u32::from(digit - b'0'));
    if negative && nanos > 0 {
        return Some(Timestamp { secs: secs.checked_sub(1)?, nanos: 1_000_000_000 - nanos });
    }
    Some(Timestamp { secs, nanos })
}

#[cfg(test)]
mod tests {
    use super::super::body::format_timestamp;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_before_the_epoch_count_backwards() {
        let cases =
            [("-0.7", -1, 300_000_000), ("-1", -1, 0), ("1.5", 1, 500_000_000), ("2.1234567899", 2, 123_456_789)];
        for (text, secs, nanos) in cases {
            assert_eq!(parse_timestamp(text.as_bytes()), Some(Timestamp { secs, nanos }), "{text}");
        }
        assert_eq!(format_timestamp(Timestamp { secs: -1, nanos: 300_000_000 }), "-0.7");
        for text in ["", "-", ".", ".5", "1.x", "+1", "--1", "99999999999999999999"] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(secs in i64::MIN + 1..i64::MAX, nanos in 0u32..1_000_000_000) {
            let time = Timestamp { secs, nanos };
            prop_assert_eq!(parse_timestamp(format_timestamp(time).as_bytes()), Some(time));
        }
    }
}
