//! Results as pictures in SVG, readable on light and on dark pages: the background is left out, and the colours are of
//! middle brightness.
//!
//! | picture | of |
//! |---|---|
//! | [`times`] | what several contenders took |
//! | [`targets`] | what was measured, beside what it is to be |

pub(crate) mod targets;
pub(crate) mod times;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Canvas<'s> = DrawingArea<SVGBackend<'s>, Shift>;

const WIDTH: i32 = 720;
const LINE: i32 = 26;
/// Where the title ends.
const TOP: i32 = 40;

const WORDS: RGBColor = RGBColor(125, 133, 144);
const GOOD: RGBColor = RGBColor(46, 160, 67);
const NEUTRAL: RGBColor = RGBColor(110, 118, 129);

/// A title with so many lines below it: `draw` is called for each with its number and its upper end.
fn lines(title: &str, count: usize, draw: impl Fn(&Canvas<'_>, usize, i32) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    let height = TOP + LINE * i32::try_from(count).context("a chart has few lines")? + 10;
    {
        let canvas = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        let font = ("sans-serif", 20).into_font().color(&WORDS);
        canvas.draw(&Text::new(title.to_owned(), (10, 10), font)).context("cannot draw the title")?;
        for (number, y) in (0..count).zip((TOP..).step_by(LINE as usize)) {
            draw(&canvas, number, y).with_context(|| format!("cannot draw line {number}"))?;
        }
        canvas.present().context("cannot end the picture")?;
    }
    Ok(svg)
}

/// Words that end or begin at `x`, in the middle of the line that begins at `y`.
fn words(canvas: &Canvas<'_>, text: String, side: HPos, (x, y): (i32, i32)) -> Result<()> {
    let style = ("sans-serif", 17).into_font().color(&WORDS).pos(Pos::new(side, VPos::Center));
    Ok(canvas.draw(&Text::new(text, (x, y + LINE / 2), style))?)
}

fn bar(canvas: &Canvas<'_>, (from, to): (i32, i32), y: i32, colour: RGBColor) -> Result<()> {
    Ok(canvas.draw(&Rectangle::new([(from, y + 4), (to, y + LINE - 4)], colour.filled()))?)
}
