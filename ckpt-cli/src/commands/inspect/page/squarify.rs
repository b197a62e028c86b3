//! Divides a rectangle into others whose areas are as given, none of them too slim: Bruls, Huizing, van Wijk, "Squarified
//! Treemaps" (2000).

/// A rectangle. Units are the caller's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rectangle {
    fn area(self) -> f64 {
        self.width * self.height
    }

    /// Takes a strip of this area off its longer side: the strip, and the rest.
    fn cut(self, area: f64) -> (Rectangle, Rectangle) {
        if self.width >= self.height {
            let width = if self.height > 0.0 { (area / self.height).min(self.width) } else { 0.0 };
            let strip = Rectangle { width, ..self };
            (strip, Rectangle { x: self.x + width, width: self.width - width, ..self })
        } else {
            let height = if self.width > 0.0 { (area / self.width).min(self.height) } else { 0.0 };
            let strip = Rectangle { height, ..self };
            (strip, Rectangle { y: self.y + height, height: self.height - height, ..self })
        }
    }
}

/// Rectangles in `within`, whose areas are to each other as `weights` are. Those come the largest first, and none is zero.
pub(super) fn squarify(weights: &[u64], within: Rectangle) -> Vec<Rectangle> {
    let sum: f64 = weights.iter().map(|&weight| weight as f64).sum();
    let areas: Vec<f64> = weights.iter().map(|&weight| weight as f64 / sum * within.area()).collect();
    let (mut placed, mut rest) = (Vec::with_capacity(areas.len()), within);
    let mut left = &areas[..];
    while !left.is_empty() {
        let (row, behind) = left.split_at(row_length(left, rest.width.min(rest.height)));
        let (strip, after) = rest.cut(row.iter().sum());
        placed.extend(along(row, strip, rest.width >= rest.height));
        (left, rest) = (behind, after);
    }
    placed
}

/// How many of the first areas make the best row along a side of this length: one more would make its worst one worse.
fn row_length(areas: &[f64], side: f64) -> usize {
    let (mut sum, mut last) = (0.0, f64::INFINITY);
    for (number, area) in areas.iter().enumerate() {
        sum += area;
        let worst = slimness(areas[0], sum, side).max(slimness(*area, sum, side));
        if number > 0 && worst > last {
            return number;
        }
        last = worst;
    }
    areas.len()
}

/// The longer side by the shorter one, of an area in a row with this sum along this side.
fn slimness(area: f64, sum: f64, side: f64) -> f64 {
    let (squared, side) = (sum * sum, side * side);
    (side * area / squared).max(squared / (side * area))
}

fn along(row: &[f64], strip: Rectangle, is_column: bool) -> impl Iterator<Item = Rectangle> {
    let sum: f64 = row.iter().sum();
    let mut at = 0.0;
    row.iter().map(move |area| {
        let part = if sum > 0.0 { area / sum } else { 0.0 };
        let piece = if is_column {
            Rectangle { y: strip.y + at * strip.height, height: part * strip.height, ..strip }
        } else {
            Rectangle { x: strip.x + at * strip.width, width: part * strip.width, ..strip }
        };
        at += part;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Rectangle = Rectangle { x: 10.0, y: 20.0, width: 600.0, height: 400.0 };

    #[test]
    fn areas_are_as_the_weights_and_nothing_overlaps() {
        let weights = [600, 600, 400, 300, 200, 200, 100, 1, 1];
        let placed = squarify(&weights, WITHIN);
        let sum: u64 = weights.iter().sum();
        for (weight, one) in weights.iter().zip(&placed) {
            let expected = *weight as f64 / sum as f64 * WITHIN.area();
            assert!((one.area() - expected).abs() < 1e-6, "{one:?}");
            assert!(one.x >= 9.999 && one.x + one.width <= 610.001 && one.y >= 19.999 && one.y + one.height <= 420.001);
        }
        for (number, one) in placed.iter().enumerate() {
            for other in &placed[number + 1..] {
                let apart = one.x + one.width <= other.x + 1e-6
                    || other.x + other.width <= one.x + 1e-6
                    || one.y + one.height <= other.y + 1e-6
                    || other.y + other.height <= one.y + 1e-6;
                assert!(apart, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn none_is_slim_where_weights_are_alike() {
        for one in squarify(&[5; 30], WITHIN) {
            let slimness = (one.width / one.height).max(one.height / one.width);
            assert!(slimness < 2.0, "{one:?}");
        }
        assert_eq!(squarify(&[7], WITHIN), [WITHIN]);
        assert_eq!(squarify(&[], WITHIN), []);
    }
}
