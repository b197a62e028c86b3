//! Results as a picture: horizontal bars of seconds, on a logarithmic axis, in SVG.
//!
//! The background is left out and the colours are of middle brightness, so that it can be read on light and on dark pages.

use anyhow::{Context, Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::spread::Spread;

const WIDTH: i32 = 720;
const LINE: i32 = 26;
/// Where the title ends, and the bars begin and end.
const TOP: i32 = 40;
const LEFT: i32 = 230;
const RIGHT: i32 = 560;

const WORDS: RGBColor = RGBColor(125, 133, 144);
const OURS: RGBColor = RGBColor(46, 160, 67);
const OTHERS: RGBColor = RGBColor(110, 118, 129);

/// What is drawn.
pub(crate) struct Chart {
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

impl Chart {
    pub(crate) fn svg(&self) -> Result<String> {
        ensure!(!self.bars.is_empty(), "a chart without bars");
        let mut svg = String::new();
        let height = TOP + LINE * i32::try_from(self.bars.len()).context("a chart has few bars")? + 10;
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
            let title = ("sans-serif", 20).into_font().color(&WORDS);
            root.draw(&Text::new(self.title.clone(), (10, 10), title)).context("cannot draw the title")?;
            for (bar, y) in self.bars.iter().zip((TOP..).step_by(LINE as usize)) {
                self.draw(&root, bar, y).with_context(|| format!("cannot draw {}", bar.label))?;
            }
            root.present().context("cannot end the picture")?;
        }
        Ok(svg)
    }

    fn draw(&self, root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, bar: &Bar, y: i32) -> Result<()> {
        let words = |h| ("sans-serif", 17).into_font().color(&WORDS).pos(Pos::new(h, VPos::Center));
        let (middle, end) = (y + LINE / 2, self.end_of(bar.elapsed.median));
        let fill = if bar.is_ours { OURS } else { OTHERS }.filled();
        root.draw(&Text::new(bar.label.clone(), (LEFT - 10, middle), words(HPos::Right)))?;
        root.draw(&Rectangle::new([(LEFT, y + 4), (end, y + LINE - 4)], fill))?;
        root.draw(&Text::new(seconds(bar.elapsed.median), (end + 8, middle), words(HPos::Left)))?;
        Ok(())
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

    fn bar(label: &str, micros: u64) -> Bar {
        Bar { label: label.into(), elapsed: Spread { min: micros, median: micros, max: micros }, is_ours: false }
    }

    #[test]
    fn bars_have_their_words_and_grow_with_time() {
        let bars = vec![bar("a < b", 290_000), bar("podman", 46_600_000)];
        let chart = Chart { title: "Two".into(), bars };
        let svg = chart.svg().unwrap();
        for words in ["a &lt; b", "0.29 s", "podman", "46.6 s", "Two"] {
            assert!(svg.contains(words), "{words} is not in {svg}");
        }
        assert!(chart.end_of(290_000) > LEFT && chart.end_of(290_000) < chart.end_of(46_600_000));
        assert_eq!(chart.end_of(46_600_000), RIGHT);
    }
}
