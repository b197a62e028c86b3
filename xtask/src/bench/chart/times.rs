//! What several contenders took: horizontal bars of seconds, on a logarithmic axis.

use anyhow::{Result, ensure};
use plotters::style::text_anchor::HPos;

use super::{GOOD, NEUTRAL, bar, lines, words};
use crate::bench::spread::Spread;

/// Where the bars begin and end.
const LEFT: i32 = 230;
const RIGHT: i32 = 560;

/// What is drawn.
pub(crate) struct Times {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

/// One result.
pub(crate) struct Bar {
    pub(crate) label: String,
    /// In microseconds.
    pub(crate) elapsed: Spread,
    /// Whether it is a result of `ckpt`.
    pub(crate) is_ours: bool,
}

impl Times {
    pub(crate) fn svg(&self) -> Result<String> {
        ensure!(!self.bars.is_empty(), "a chart without bars");
        lines(&self.title, self.bars.len(), |canvas, number, y| {
            let Bar { label, elapsed, is_ours } = &self.bars[number];
            let end = self.end_of(elapsed.median);
            words(canvas, label.clone(), HPos::Right, (LEFT - 10, y))?;
            bar(canvas, (LEFT, end), y, if *is_ours { GOOD } else { NEUTRAL })?;
            words(canvas, seconds(elapsed.median), HPos::Left, (end + 8, y))
        })
    }

    /// Ten times as long is as much further everywhere. The axis begins at half of the shortest.
    fn end_of(&self, micros: u64) -> i32 {
        let micros_of = |bar: &Bar| bar.elapsed.median.max(1) as f64;
        let (shortest, longest) = self
            .bars
            .iter()
            .map(micros_of)
            .fold((f64::MAX, 0.0_f64), |(least, most), micros| (least.min(micros), most.max(micros)));
        let begin = (shortest / 2.0).ln();
        let part = ((micros.max(1) as f64).ln() - begin) / (longest.ln() - begin);
        LEFT + (f64::from(RIGHT - LEFT) * part).round() as i32
    }
}

fn seconds(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(label: &str, micros: u64) -> Bar {
        Bar { label: label.into(), elapsed: Spread { min: micros, median: micros, max: micros }, is_ours: false }
    }

    #[test]
    fn bars_have_their_words_and_grow_with_time() {
        let bars = vec![of("a < b", 290_000), of("podman", 46_600_000)];
        let chart = Times { title: "Two".into(), bars };
        let svg = chart.svg().unwrap();
        for words in ["a &lt; b", "0.29 s", "podman", "46.6 s", "Two"] {
            assert!(svg.contains(words), "{words} is not in {svg}");
        }
        assert!(chart.end_of(290_000) > LEFT && chart.end_of(290_000) < chart.end_of(46_600_000));
        assert_eq!(chart.end_of(46_600_000), RIGHT);
    }
}
