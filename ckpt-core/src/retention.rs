//! Which archives of a history are kept: the rules of restic's `forget`.
//!
//! Looked at from the newest to the oldest, each rule that counts keeps the first archive of each hour, day, week, month
//! or year, until its count is used up. If it is not, the rule keeps the oldest archive too, so that the history is as
//! long as it can be. Rules of a span count back from the newest archive that is not in the future. (restic 0.18,
//! `ApplyPolicy`. The table of cases below is what restic itself answered.)

mod count;
mod size;
mod span;
mod tags;

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use count::{Count, CountError};
pub use size::{Size, SizeError};
pub use span::{Span, SpanError};
pub use tags::{TagError, TagRule};

/// What to keep. Each field is the option `--keep-` with its name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The last ones.
    #[serde(rename = "keep-last")]
    pub last: Count,
    /// One of each of the last hours that have any.
    #[serde(rename = "keep-hourly")]
    pub hourly: Count,
    /// Of the last days.
    #[serde(rename = "keep-daily")]
    pub daily: Count,
    /// Of the last weeks, which begin on Mondays.
    #[serde(rename = "keep-weekly")]
    pub weekly: Count,
    /// Of the last months.
    #[serde(rename = "keep-monthly")]
    pub monthly: Count,
    /// Of the last years.
    #[serde(rename = "keep-yearly")]
    pub yearly: Count,
    /// All of a span before the newest.
    #[serde(rename = "keep-within")]
    pub within: Option<Span>,
    /// One of each hour of a span before the newest.
    #[serde(rename = "keep-within-hourly")]
    pub within_hourly: Option<Span>,
    /// Of each day.
    #[serde(rename = "keep-within-daily")]
    pub within_daily: Option<Span>,
    /// Of each week.
    #[serde(rename = "keep-within-weekly")]
    pub within_weekly: Option<Span>,
    /// Of each month.
    #[serde(rename = "keep-within-monthly")]
    pub within_monthly: Option<Span>,
    /// Of each year.
    #[serde(rename = "keep-within-yearly")]
    pub within_yearly: Option<Span>,
    /// Those with tags.
    #[serde(rename = "keep-tag")]
    pub tags: Vec<TagRule>,
}

/// What is kept or not.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'c> {
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    pub tags: &'c [String],
}

/// Why something is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Policy {
    /// Whether it has no rule, and so keeps everything.
    pub fn is_empty(&self) -> bool {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        let spans = [&self.within, &self.within_hourly, &self.within_daily];
        let spans = spans.into_iter().chain([&self.within_weekly, &self.within_monthly, &self.within_yearly]);
        self.tags.is_empty() && counts.iter().all(|count| !count.is_left()) && spans.flatten().all(Span::is_zero)
    }

    /// Whether a rule on tags keeps it.
    pub fn keeps_tags(&self, tags: &[String]) -> bool {
        self.tags.iter().any(|rule| rule.matches(tags))
    }

    /// Why each of `candidates`, the newest first, is kept; those without a reason are not. `now` tells which are in the
    /// future, `zone` where days begin.
    pub fn apply(&self, candidates: &[Candidate<'_>], now: Timestamp, zone: &TimeZone) -> Vec<Vec<Reason>> {
        let past = candidates.iter().map(|candidate| candidate.created).filter(|created| *created < now);
        let newest = past.max().unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
        let mut rules = Rules::of(self, &newest);
        let oldest = candidates.len().saturating_sub(1);
        let reasons = candidates.iter().enumerate().map(|(number, candidate)| {
            let tags = self.tags.iter().filter(|rule| rule.matches(candidate.tags));
            let mut reasons: Vec<_> = tags.map(|rule| Reason(format!("has tags {rule}"))).collect();
            rules.add_reasons(number, number == oldest, &candidate.created.to_zoned(zone.clone()), &mut reasons);
            reasons
        });
        reasons.collect()
    }
}

/// The rules under way.
struct Rules {
    within: Option<Limit>,
    counted: [Counted; 6],
    spanned: Vec<Spanned>,
}

/// Archives after a moment.
struct Limit {
    span: Span,
    after: Timestamp,
}

impl Limit {
    fn of(span: Option<Span>, newest: &Zoned) -> Option<Self> {
        let span = span.filter(|span| !span.is_zero())?;
        Some(Limit { span, after: span.before(newest) })
    }
}

struct Counted {
    left: Count,
    period: Period,
    last: Option<i64>,
}

struct Spanned {
    limit: Limit,
    period: Period,
    last: Option<i64>,
}

impl Rules {
    fn of(policy: &Policy, newest: &Zoned) -> Self {
        let counted = |left, period| Counted { left, period, last: None };
        let spans = [
            (policy.within_hourly, Period::Hour),
            (policy.within_daily, Period::Day),
            (policy.within_weekly, Period::Week),
            (policy.within_monthly, Period::Month),
            (policy.within_yearly, Period::Year),
        ];
        let spanned = |(span, period)| Some(Spanned { limit: Limit::of(span, newest)?, period, last: None });
        Rules {
            within: Limit::of(policy.within, newest),
            counted: [
                counted(policy.last, Period::Each),
                counted(policy.hourly, Period::Hour),
                counted(policy.daily, Period::Day),
                counted(policy.weekly, Period::Week),
                counted(policy.monthly, Period::Month),
                counted(policy.yearly, Period::Year),
            ],
            spanned: spans.into_iter().filter_map(spanned).collect(),
        }
    }

    fn add_reasons(&mut self, number: usize, is_oldest: bool, created: &Zoned, reasons: &mut Vec<Reason>) {
        let is_after = |limit: &Limit| created.timestamp() > limit.after;
        if let Some(limit) = self.within.as_ref().filter(|limit| is_after(limit)) {
            reasons.push(Reason(format!("within {}", limit.span)));
        }
        for rule in self.counted.iter_mut().filter(|rule| rule.left.is_left()) {
            if let Some(oldest) = first_of(rule.period, &mut rule.last, number, is_oldest, created) {
                rule.left.take();
                reasons.push(Reason(format!("{oldest}{} snapshot", rule.period.adjective())));
            }
        }
        for rule in self.spanned.iter_mut().filter(|rule| is_after(&rule.limit)) {
            if let Some(oldest) = first_of(rule.period, &mut rule.last, number, is_oldest, created) {
                reasons.push(Reason(format!("{oldest}{} within {}", rule.period.adjective(), rule.limit.span)));
            }
        }
    }
}

/// Whether `created` is the first of its period, or the oldest of all, which is said then.
fn first_of(
    period: Period,
    last: &mut Option<i64>,
    number: usize,
    is_oldest: bool,
    created: &Zoned,
) -> Option<&'static str> {
    let this = Some(period.number(created, number));
    let is_first = *last != this;
    *last = this;
    match (is_first, is_oldest) {
        (true, _) => Some(""),
        (false, true) => Some("oldest "),
        (false, false) => None,
    }
}

/// What one archive is kept of.
#[derive(Clone, Copy, Debug)]
enum Period {
    Each,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// A number that two moments have in common if they are of one period.
    fn number(self, moment: &Zoned, nth: usize) -> i64 {
        let date = moment.date();
        let [year, month, day] = [date.year().into(), date.month().into(), date.day().into()];
        match self {
            Period::Each => nth as i64,
            Period::Hour => ((year * 100 + month) * 100 + day) * 100 + i64::from(moment.hour()),
            Period::Day => (year * 100 + month) * 100 + day,
            Period::Week => {
                let week = date.iso_week_date();
                i64::from(week.year()) * 100 + i64::from(week.week())
            }
            Period::Month => year * 100 + month,
            Period::Year => year,
        }
    }

    fn adjective(self) -> &'static str {
        match self {
            Period::Each => "last",
            Period::Hour => "hourly",
            Period::Day => "daily",
            Period::Week => "weekly",
            Period::Month => "monthly",
            Period::Year => "yearly",
        }
    }
}

#[cfg(test)]
mod tests;
