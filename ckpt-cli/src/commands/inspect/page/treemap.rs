//! Where the bytes are: rectangles, and the same as a table.

use ckpt_core::inspect::Share;
use indicatif::HumanBytes;
use maud::{Markup, html};

use super::say::counted;
use super::squarify::{Rectangle, squarify};
use crate::commands::inspect::words::words;

/// Shares that are smaller than this part of everything are drawn together.
const SMALLEST: f64 = 1.0 / 1500.0;
/// How much wider than high the rectangle is, on wide screens and on narrow ones.
const SHAPES: [(&str, f64); 2] = [("map wide", 2.0), ("map narrow", 0.75)];
/// Rows of the table.
const ROWS: usize = 40;
/// Levels: a part of the archive, what that is made of, and so on.
const LEVELS: usize = 4;

pub(super) fn section(shares: &[Share]) -> Markup {
    let all: u64 = shares.iter().map(|share| share.bytes).sum();
    html! {
        section #bytes {
            h2 { "Where the bytes are" }
            @if all == 0 {
                p { "It holds no data." }
            } @else {
                p.lead {
                    (HumanBytes(all)) " in all: "
                    @for (number, share) in shares.iter().enumerate() {
                        @if number > 0 { ", " }
                        span.key.(hue(share)) {} (words(&share.name)) " " (HumanBytes(share.bytes))
                    }
                    "."
                }
                @for (class, shape) in SHAPES {
                    div class=(class) role="img" aria-label="A map of the bytes; the table below has the same" {
                        (boxes(shares, all, shape, 1))
                    }
                }
                (table(shares, all))
            }
        }
    }
}

/// A colour for each part of an archive.
fn hue(share: &Share) -> &'static str {
    match &share.name.0[..] {
        b"memory" => "memory",
        b"files" => "files",
        b"/dev/shm" => "shm",
        b"the rest" => "rest",
        _ => "volume",
    }
}

fn boxes(shares: &[Share], all: u64, shape: f64, level: usize) -> Markup {
    let (drawn, others) = split(shares, all);
    let sum: u64 = others.iter().map(|share| share.bytes).sum();
    let mut weights: Vec<u64> = drawn.iter().map(|share| share.bytes).collect();
    weights.extend((sum > 0).then_some(sum));
    let placed = squarify(&weights, Rectangle { x: 0.0, y: 0.0, width: 100.0 * shape, height: 100.0 });
    html! {
        @for (share, place) in drawn.iter().zip(&placed) {
            (one(share, *place, all, shape, level))
        }
        @if let Some(place) = placed.get(drawn.len()) {
            div.box.others style=(style(*place, shape)) title=(title_of_others(others.len(), sum)) {
                span.label { (counted(others.len() as u64, "other", "others")) }
            }
        }
    }
}

/// Those that are drawn, and the smallest ones, which together are one.
fn split(shares: &[Share], all: u64) -> (&[Share], &[Share]) {
    let smallest = all as f64 * SMALLEST;
    let drawn = shares.partition_point(|share| share.bytes as f64 >= smallest);
    // To draw one as "1 other" would hide its name for nothing.
    if shares.len() - drawn == 1 { (shares, &[]) } else { shares.split_at(drawn) }
}

fn one(share: &Share, place: Rectangle, all: u64, shape: f64, level: usize) -> Markup {
    let (name, bytes) = (words(&share.name), HumanBytes(share.bytes).to_string());
    let has_parts = level < LEVELS && share.parts.len() > 1 || level == 1 && !share.parts.is_empty();
    let inner = if place.height > 0.0 { place.width / place.height } else { 1.0 };
    let hue = if level == 1 { hue(share) } else { "" };
    html! {
        div.box.(format!("level{level}")).(hue) style=(style(place, shape)) title=(format!("{name}: {bytes}")) {
            span.label { b { (name) } " " span.size { (bytes) } }
            @if has_parts {
                div.parts { (boxes(&share.parts, all, inner, level + 1)) }
            }
        }
    }
}

fn title_of_others(count: usize, bytes: u64) -> String {
    format!("{} together: {}", counted(count as u64, "other", "others"), HumanBytes(bytes))
}

fn style(place: Rectangle, shape: f64) -> String {
    let Rectangle { x, y, width, height } = place;
    format!("left:{:.3}%;top:{y:.3}%;width:{:.3}%;height:{height:.3}%", x / shape, width / shape)
}

/// The largest ones, for who cannot see the map, or would read numbers.
fn table(shares: &[Share], all: u64) -> Markup {
    let mut rows: Vec<(String, u64, &'static str)> = Vec::new();
    for part in shares {
        add_leaves(&mut rows, &words(&part.name), part, hue(part));
    }
    rows.sort_by_key(|(_, bytes, _)| std::cmp::Reverse(*bytes));
    let shown = rows.len().min(ROWS);
    html! {
        details {
            summary { "The " (counted(shown as u64, "largest one", "largest ones")) " as a table" }
            div.scroll {
                table {
                    thead { tr { th { "What" } th.number { "Size" } th.number { "Part" } } }
                    tbody {
                        @for (name, bytes, hue) in rows.iter().take(ROWS) {
                            tr {
                                td.break { span.key.(*hue) {} (name) }
                                td.number { (HumanBytes(*bytes)) }
                                td.number { (format!("{:.1} %", *bytes as f64 / all as f64 * 100.0)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is made of nothing else, below `name`. Shares are a few levels deep.
fn add_leaves(rows: &mut Vec<(String, u64, &'static str)>, name: &str, share: &Share, hue: &'static str) {
    if share.parts.is_empty() {
        rows.push((name.to_owned(), share.bytes, hue));
    }
    for part in &share.parts {
        add_leaves(rows, &format!("{name} › {}", words(&part.name)), part, hue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(name: &str, bytes: u64) -> Share {
        Share { name: name.into(), bytes, parts: Vec::new() }
    }

    #[test]
    fn what_is_too_small_is_drawn_together() {
        let shares: Vec<Share> = [("a", 10_000), ("b", 3), ("c", 2)].map(|(name, bytes)| share(name, bytes)).into();
        let (drawn, others) = split(&shares, 10_005);
        assert_eq!((drawn.len(), others.len()), (1, 2));
        assert_eq!(split(&shares[..2], 10_003).1.len(), 0);
        let drawn = boxes(&shares, 10_005, 2.0, 1).into_string();
        assert!(drawn.contains("2 others together: 5 B") && !drawn.contains("<b>b</b>"), "{drawn}");
    }
}
