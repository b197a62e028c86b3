//! What was measured, beside what it is to be: each bar is as long as the measured value, of its target.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{GOOD, LINE, NEUTRAL, WORDS, bar, lines, words};
use crate::bench::verdict::{Bound, Verdict};

/// Where bars begin, where the targets are, and where bars end that go far beyond.
const LEFT: i32 = 270;
const TARGET: i32 = 400;
const RIGHT: i32 = 530;
/// Longer words would reach into the bars.
const LABEL: usize = 34;

const MISSED: RGBColor = RGBColor(219, 109, 40);

/// The verdicts of a run as SVG.
///
/// # Errors
/// If there is none.
pub(crate) fn svg(title: &str, verdicts: &[Verdict]) -> Result<String> {
    ensure!(!verdicts.is_empty(), "a chart without targets");
    lines(title, verdicts.len(), |canvas, number, y| {
        let verdict = &verdicts[number];
        let colour = match (verdict.met, verdict.measured.is_finite()) {
            (true, _) => GOOD,
            (false, true) => MISSED,
            (false, false) => NEUTRAL,
        };
        words(canvas, shortened(&verdict.what), HPos::Right, (LEFT - 10, y))?;
        bar(canvas, (LEFT, end_of(verdict)), y, colour)?;
        canvas.draw(&PathElement::new([(TARGET, y), (TARGET, y + LINE)], WORDS.stroke_width(2)))?;
        words(canvas, told(verdict), HPos::Left, (end_of(verdict).max(TARGET) + 8, y))
    })
}

fn end_of(verdict: &Verdict) -> i32 {
    let (Bound::AtMost(target) | Bound::AtLeast(target)) = verdict.bound;
    let part = (verdict.measured / target).clamp(0.0, 2.0);
    let end = LEFT + (f64::from(TARGET - LEFT) * part).round() as i32;
    end.min(RIGHT)
}

fn told(Verdict { unit, bound, measured, .. }: &Verdict) -> String {
    match bound {
        Bound::AtMost(target) => format!("{measured:.2} (≤ {target} {unit})"),
        Bound::AtLeast(target) => format!("{measured:.2} (≥ {target} {unit})"),
    }
}

fn shortened(label: &str) -> String {
    match label.char_indices().nth(LABEL) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_their_target_or_not() {
        let of = |bound, measured| Verdict::new("all copies", "× podman", bound, measured);
        let short = of(Bound::AtMost(2.0), 1.0);
        assert_eq!(end_of(&short), LEFT + (TARGET - LEFT) / 2);
        assert_eq!(end_of(&of(Bound::AtLeast(0.5), 0.5)), TARGET);
        assert_eq!(end_of(&of(Bound::AtMost(1.0), 1000.0)), RIGHT);
        let svg = svg("Copies", &[short, of(Bound::AtLeast(3.0), 2.0)]).unwrap();
        for words in ["Copies", "all copies", "1.00 (≤ 2 × podman)", "2.00 (≥ 3 × podman)", "#2EA043", "#DB6D28"]
        {
            assert!(svg.contains(words), "{words} is not in {svg}");
        }
        assert!(super::svg("Nothing", &[]).is_err());
    }

    #[test]
    fn long_labels_are_cut() {
        assert_eq!(shortened(&"ä".repeat(40)), format!("{}…", "ä".repeat(LABEL)));
        assert_eq!(shortened("as it is"), "as it is");
    }
}
