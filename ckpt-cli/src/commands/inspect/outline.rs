//! Lines below lines, drawn as a tree.

use std::fmt;

/// Lines that are deeper are drawn at this depth: who made an archive may have put one process below the other forever.
const DEEPEST: usize = 40;

/// Lines with their depths, each behind the one that it is below.
#[derive(Debug, Default)]
pub(super) struct Outline(Vec<(usize, String)>);

impl Outline {
    pub(super) fn add(&mut self, depth: usize, line: impl Into<String>) {
        self.0.push((depth.min(DEEPEST), line.into()));
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whether a line of this depth is still to come, below the same one: known from behind.
        let mut comes = [false; DEEPEST + 1];
        let mut drawn = Vec::with_capacity(self.0.len());
        for (depth, _) in self.0.iter().rev() {
            let bars = |from: usize| comes[from..*depth].iter().map(|comes| if *comes { "│   " } else { "    " });
            drawn.push(match depth {
                0 => String::new(),
                _ => bars(1).chain([if comes[*depth] { "├── " } else { "└── " }]).collect(),
            });
            comes[*depth] = true;
            comes[depth + 1..].fill(false);
        }
        for (number, ((_, line), prefix)) in self.0.iter().zip(drawn.iter().rev()).enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{prefix}{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lead_to_the_next_line_of_the_same_depth() {
        let mut outline = Outline::default();
        for (depth, line) in [(0, "web"), (1, "a"), (2, "b"), (3, "c"), (2, "d"), (1, "e"), (2, "f")] {
            outline.add(depth, line);
        }
        let expected = "web\n├── a\n│   ├── b\n│   │   └── c\n│   └── d\n└── e\n    └── f";
        assert_eq!(outline.to_string(), expected);
    }

    #[test]
    fn depth_has_an_end() {
        let mut outline = Outline::default();
        (0..1000).for_each(|depth| outline.add(depth, "x"));
        assert!(outline.to_string().lines().all(|line| line.chars().count() <= 4 * DEEPEST + 1));
    }
}
