//! Cases, and what is kept of them. Those of [`HISTORY`] were answered by restic itself (0.18, `forget --dry-run`).

use super::*;

/// The newest last. What stands behind a comma are tags.
const HISTORY: &[&str] = &[
    "2014-08-08T10:20:30",
    "2014-08-13T10:20:30",
    "2014-08-13T10:20:31",
    "2014-09-01T10:20:30",
    "2014-09-08T10:20:30",
    "2014-10-01T10:20:30,foo",
    "2014-11-13T10:20:30,bar",
    "2014-11-15T10:20:30,foo,bar",
    "2015-08-15T10:20:30",
    "2015-10-22T10:20:30,foo,bar",
    "2015-11-22T10:20:30",
    "2016-01-01T01:02:03",
    "2016-01-01T01:03:03",
    "2016-01-01T07:08:03",
    "2016-01-03T07:02:03",
    "2016-01-04T10:23:03",
    "2016-01-04T11:23:03",
    "2016-01-04T12:24:03",
    "2016-01-04T12:30:03",
    "2016-01-04T16:23:03",
    "2016-01-05T09:02:03",
    "2016-01-09T21:02:03",
    "2016-01-12T21:02:03",
    "2016-01-12T21:08:03",
    "2016-01-18T12:02:03",
];

/// Options, and the places in [`HISTORY`] of what they keep.
const CASES: &[(&str, &str)] = &[
    ("--keep-last 1", "24"),
    ("--keep-last 10", "15-24"),
    ("--keep-last 99", "0-24"),
    ("--keep-last unlimited", "0-24"),
    ("--keep-hourly 3", "21,23-24"),
    ("--keep-hourly 20", "2-10,12-16,18-21,23-24"),
    ("--keep-hourly unlimited", "0,2-10,12-16,18-21,23-24"),
    ("--keep-daily 3", "21,23-24"),
    ("--keep-daily 10", "8-10,13-14,19-21,23-24"),
    ("--keep-daily 99", "0,2-10,13-14,19-21,23-24"),
    ("--keep-last 5 --keep-daily 5", "19-24"),
    ("--keep-last 2 --keep-daily 10", "8-10,13-14,19-21,23-24"),
    ("--keep-weekly 2", "23-24"),
    ("--keep-weekly 4", "14,21,23-24"),
    ("--keep-daily 3 --keep-weekly 4", "14,21,23-24"),
    ("--keep-monthly 6", "5,7-10,24"),
    ("--keep-daily 2 --keep-weekly 2 --keep-monthly 6", "5,7-10,23-24"),
    ("--keep-yearly 1", "24"),
    ("--keep-yearly 10", "0,7,10,24"),
    ("--keep-daily 7 --keep-weekly 2 --keep-monthly 3 --keep-yearly 10", "0,7,9-10,13-14,19-21,23-24"),
    ("--keep-tag foo", "5,7,9"),
    ("--keep-tag foo,bar", "7,9"),
    ("--keep-tag foo --keep-tag bar", "5-7,9"),
    ("--keep-within 1d", "24"),
    ("--keep-within 7d", "22-24"),
    ("--keep-within 1m", "11-24"),
    ("--keep-within 1m14d", "11-24"),
    ("--keep-within 13d23h", "19-24"),
    ("--keep-within 1y2m3d3h", "7-24"),
    ("--keep-within-hourly 1y2m3d3h", "7-10,12-16,18-21,23-24"),
    ("--keep-within-daily 1y2m3d3h", "7-10,13-14,19-21,23-24"),
    ("--keep-within-weekly 1y2m3d3h", "7-10,14,21,23-24"),
    ("--keep-within-monthly 1y2m3d3h", "7-10,24"),
    ("--keep-within-yearly 1y2m3d3h", "7,10,24"),
    ("--keep-within-yearly 9999y", "0,7,10,24"),
    ("--keep-within-daily 9999y", "0,2-10,13-14,19-21,23-24"),
    (
        "--keep-within 1h --keep-within-hourly 1d --keep-within-daily 7d --keep-within-weekly 1m --keep-within-monthly 1y --keep-within-yearly 9999y",
        "0,7-10,14,21,23-24",
    ),
    ("--keep-last 1 --keep-tag bar", "6-7,9,24"),
    ("--keep-daily 3 --keep-weekly 2 --keep-monthly unlimited --keep-yearly unlimited", "0,2,4-5,7-10,21,23-24"),
];

/// When the cases were answered.
const NOW: &str = "2026-11-29T10:00:00Z";

fn policy(options: &str) -> Policy {
    let mut policy = Policy::default();
    let words: Vec<&str> = options.split_whitespace().collect();
    for pair in words.chunks(2) {
        let value = pair[1];
        let count = || value.parse().unwrap();
        let span = || Some(value.parse().unwrap());
        match pair[0] {
            "--keep-last" => policy.last = count(),
            "--keep-hourly" => policy.hourly = count(),
            "--keep-daily" => policy.daily = count(),
            "--keep-weekly" => policy.weekly = count(),
            "--keep-monthly" => policy.monthly = count(),
            "--keep-yearly" => policy.yearly = count(),
            "--keep-within" => policy.within = span(),
            "--keep-within-hourly" => policy.within_hourly = span(),
            "--keep-within-daily" => policy.within_daily = span(),
            "--keep-within-weekly" => policy.within_weekly = span(),
            "--keep-within-monthly" => policy.within_monthly = span(),
            "--keep-within-yearly" => policy.within_yearly = span(),
            "--keep-tag" => policy.tags.push(value.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    policy
}

/// As `0,7-10,24`.
fn runs(places: &[usize]) -> String {
    let runs = places.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [only] => only.to_string(),
        _ => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// The places of what is kept of `history`, whose times are those of `zone`.
fn kept(options: &str, history: &[&str], zone: &TimeZone) -> String {
    let parse = |line: &&str| {
        let mut words = line.split(',');
        let time: jiff::civil::DateTime = words.next().unwrap().parse().unwrap();
        (time.to_zoned(zone.clone()).unwrap().timestamp(), words.map(str::to_owned).collect::<Vec<_>>())
    };
    let parsed: Vec<_> = history.iter().rev().map(parse).collect();
    let candidates: Vec<_> = parsed.iter().map(|(created, tags)| Candidate { created: *created, tags }).collect();
    let reasons = policy(options).apply(&candidates, NOW.parse().unwrap(), zone);
    let places: Vec<_> = (0..history.len()).filter(|place| !reasons[history.len() - 1 - place].is_empty()).collect();
    runs(&places)
}

#[test]
fn what_restic_keeps_is_kept() {
    for (options, expected) in CASES {
        assert_eq!(kept(options, HISTORY, &TimeZone::UTC), *expected, "{options}");
    }
}

#[test]
fn days_begin_where_the_host_is() {
    let vienna = TimeZone::get("Europe/Vienna").unwrap();
    for (options, expected) in CASES {
        assert_eq!(kept(options, HISTORY, &vienna), *expected, "{options}");
    }
}

/// A clock that was wrong for a while, in either direction.
#[test]
fn the_newest_is_kept_wherever_the_clock_is() {
    let backwards = &["2026-01-01T10:00:00", "2026-01-02T10:00:00", "2020-01-01T10:00:00"];
    for (options, expected) in
        [("--keep-last 1", "2"), ("--keep-daily 1", "2"), ("--keep-daily 2", "1-2"), ("--keep-within 1d", "1")]
    {
        assert_eq!(kept(options, backwards, &TimeZone::UTC), expected, "{options}");
    }
    // What is in the future is newer than any span.
    let future = &["2026-01-01T10:00:00", "2026-11-01T10:00:00", "2099-01-01T10:00:00"];
    assert_eq!(kept("--keep-within 7d", future, &TimeZone::UTC), "1-2");
}

#[test]
fn reasons_are_told() {
    let times: Vec<Timestamp> =
        ["2026-01-01T02:00:00Z", "2026-01-01T01:00:00Z"].map(|time| time.parse().unwrap()).into();
    let tags = ["a".to_owned()];
    let candidates: Vec<_> = times.iter().map(|&created| Candidate { created, tags: &tags }).collect();
    let told = |options| {
        let reasons = policy(options).apply(&candidates, NOW.parse().unwrap(), &TimeZone::UTC);
        reasons
            .iter()
            .map(|reasons| reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", "))
            .collect::<Vec<_>>()
    };
    assert_eq!(told("--keep-last 1 --keep-daily 2"), ["last snapshot, daily snapshot", "oldest daily snapshot"]);
    assert_eq!(told("--keep-tag a* --keep-within 1h"), ["has tags a*, within 1h", "has tags a*"]);
}

#[test]
fn a_policy_without_rules_is_known() {
    assert!(Policy::default().is_empty() && policy("--keep-last 0 --keep-within 0d").is_empty());
    for options in ["--keep-last 1", "--keep-daily unlimited", "--keep-within 1h", "--keep-tag x"] {
        assert!(!policy(options).is_empty(), "{options}");
    }
}
