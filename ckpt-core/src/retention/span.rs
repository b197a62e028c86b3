//! Spans of time as restic writes them: `1y5m7d2h`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::Deserialize;

/// Years, months, days and hours; each at most once counts, but all are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    years: u16,
    months: u16,
    days: u16,
    hours: u16,
}

/// It is none.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no span of time, which is written as 1y5m7d2h: years, months, days, hours")]
pub struct SpanError {
    text: String,
}

impl Span {
    pub(super) fn is_zero(&self) -> bool {
        *self == Span::default()
    }

    /// The moment so long before `moment`: years, months and days on the calendar, hours on the clock. A month that has
    /// no such day gives the days that it lacks to the next one, as Go's `AddDate` has it: a month before March 31 is
    /// March 3.
    pub(super) fn before(&self, moment: &Zoned) -> Timestamp {
        let date = moment.date();
        let months = i64::from(date.year()) * 12 + i64::from(date.month())
            - 1
            - i64::from(self.years) * 12
            - i64::from(self.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        // What lies before all calendars is before all archives.
        let first = i16::try_from(year).ok().and_then(|year| Date::new(year, month as i8, 1).ok());
        let days = i64::from(date.day()) - 1 - i64::from(self.days);
        let date = first.and_then(|first| first.checked_add(SignedDuration::from_hours(24 * days)).ok());
        let zoned = date.and_then(|date| {
            let wall = DateTime::from_parts(date, moment.time());
            moment.time_zone().to_ambiguous_zoned(wall).compatible().ok()
        });
        let hours = SignedDuration::from_hours(i64::from(self.hours));
        zoned.and_then(|zoned| zoned.timestamp().checked_sub(hours).ok()).unwrap_or(Timestamp::MIN)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError { text: text.to_owned() };
        let (mut span, mut rest) = (Span::default(), text);
        while !rest.is_empty() {
            let unit = rest.find(|char: char| !char.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u16 = rest[..unit].parse().map_err(|_| wrong())?;
            let field = match rest.as_bytes()[unit] {
                b'y' => &mut span.years,
                b'm' => &mut span.months,
                b'd' => &mut span.days,
                b'h' => &mut span.hours,
                _ => return Err(wrong()),
            };
            *field = number;
            rest = &rest[unit + 1..];
        }
        if text.is_empty() { Err(wrong()) } else { Ok(span) }
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')];
        parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .try_for_each(|(number, unit)| write!(formatter, "{number}{unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_restic_does() {
        for (text, expected) in [("1y5m7d2h", "1y5m7d2h"), ("2h7d", "7d2h"), ("0d", ""), ("9999y", "9999y")] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), expected);
        }
        for text in ["", "5", "d", "1w", "-1d", "1d ", "1é", "99999y"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn it_is_counted_back_on_the_calendar() {
        let before = |moment: &str, span: &str| {
            let moment: Zoned = moment.parse().unwrap();
            span.parse::<Span>().unwrap().before(&moment).to_zoned(moment.time_zone().clone()).datetime().to_string()
        };
        for (moment, span, expected) in [
            ("2026-03-31T10:00[UTC]", "1m", "2026-03-03T10:00:00"),
            ("2024-02-29T10:00[UTC]", "1y", "2023-03-01T10:00:00"),
            ("2026-01-01T01:00[UTC]", "1d2h", "2025-12-30T23:00:00"),
            ("2026-01-15T01:00[UTC]", "13m", "2024-12-15T01:00:00"),
            // The clock was put forward in between: a day on the calendar, 23 hours on the clock.
            ("2026-03-29T12:00[Europe/Vienna]", "1d", "2026-03-28T12:00:00"),
            ("2026-03-29T12:00[Europe/Vienna]", "24h", "2026-03-28T11:00:00"),
        ] {
            assert_eq!(before(moment, span), expected, "{moment} - {span}");
        }
        let newest: Zoned = "2026-01-01T00:00[UTC]".parse().unwrap();
        assert_eq!("65535y".parse::<Span>().unwrap().before(&newest), Timestamp::MIN);
    }
}
