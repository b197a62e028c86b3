//! How long ago a save was made.

use jiff::Timestamp;

/// In one unit, rounded down. Clocks that went backwards make saves of the future.
pub(super) fn age(created: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(created).as_secs();
    let (size, unit) = match seconds.unsigned_abs() {
        0..60 => (1, "s"),
        60..3600 => (60, "min"),
        3600..172_800 => (3600, "h"),
        _ => (86_400, "d"),
    };
    format!("{} {unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let now: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        for (created, expected) in [
            ("2026-01-10T00:00:00Z", "0 s"),
            ("2026-01-09T23:59:01Z", "59 s"),
            ("2026-01-09T23:01:00Z", "59 min"),
            ("2026-01-08T00:30:00Z", "47 h"),
            ("2025-12-10T00:00:00Z", "31 d"),
            ("2026-01-10T02:00:00Z", "-2 h"),
        ] {
            assert_eq!(age(created.parse().unwrap(), now), expected);
        }
    }
}
